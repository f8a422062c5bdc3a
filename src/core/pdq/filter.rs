//! The tent filter of PDQ, as two passes of running box sums along rows and columns, read off at 64×64 points.
//!
//! The result is that of the reference to the last bit: every running sum adds and subtracts the same values
//! in the same order. What differs is the order between sums. The reference keeps two whole pictures in
//! single precision; here rows stream through all four boxes in bands, a column's running sum advances by
//! a row at a time, and only the rows inside its window are kept. Of the last two boxes only the 64 columns
//! and rows that are read are written at all.

use super::{SIDE, Small};
use crate::core::raster::Rows;

/// Rows that go through a row box side by side: their sums do not depend on each other, so that the
/// processor need not wait for one addition before it begins the next. Four is fastest: more rows than that
/// have more pointers than there are registers.
const BAND: usize = 4;

/// Width from which rows go one by one, so that a picture of a few very long rows takes no more memory than
/// the reference's two whole pictures.
const BAND_WIDTH_MAX: usize = 1 << 16;

/// A box along one dimension: which values are in the running sum when a place is written.
#[derive(Clone, Copy)]
struct Window {
    /// Number of values along the dimension.
    length: usize,
    /// Greatest number of values in the sum.
    full: usize,
    /// How many values are in the sum when the first place is written.
    ahead: usize,
}

impl Window {
    fn over(length: usize) -> Self {
        let full = length.div_ceil(2 * SIDE);
        Self { length, full, ahead: (full + 2) / 2 }
    }

    /// Number of values in the sum when place `out` is written.
    fn size(&self, out: usize) -> f32 {
        let last = (out + self.ahead).min(self.length);
        let first = (out + self.ahead).saturating_sub(self.full);
        (last - first) as f32
    }
}

/// Where place `index` of 64 is read from a dimension: its centre.
fn centre(index: usize, length: usize) -> usize {
    (2 * index + 1) * length / (2 * SIDE)
}

/// Running sums along each row of a band; `sums` gets the sum at each place, not yet divided.
fn along_rows<const BAND: usize>(band: &[f32], sums: &mut [f32], window: Window) {
    let Window { length, full, ahead } = window;
    let mut rows: [&[f32]; BAND] = [&[]; BAND];
    for (row, values) in rows.iter_mut().zip(band.chunks_exact(length)) {
        *row = values;
    }
    let mut outs = sums.chunks_exact_mut(length);
    let mut outs: [&mut [f32]; BAND] = std::array::from_fn(|_| outs.next().unwrap_or_default());
    let mut sum = [0.0_f32; BAND];
    for right in 0..full {
        for lane in 0..BAND {
            sum[lane] += rows[lane][right];
            if right + 1 >= ahead {
                outs[lane][right + 1 - ahead] = sum[lane];
            }
        }
    }
    let steady = length - full;
    let right: [&[f32]; BAND] = std::array::from_fn(|lane| &rows[lane][full..][..steady]);
    let left: [&[f32]; BAND] = std::array::from_fn(|lane| &rows[lane][..steady]);
    let first = full + 1 - ahead;
    let out = outs.each_mut().map(|row| &mut row[first..][..steady]);
    for x in 0..steady {
        for lane in 0..BAND {
            sum[lane] += right[lane][x];
            sum[lane] -= left[lane][x];
            out[lane][x] = sum[lane];
        }
    }
    for place in first + steady..length {
        for lane in 0..BAND {
            sum[lane] -= rows[lane][place + ahead - 1 - full];
            outs[lane][place] = sum[lane];
        }
    }
}

/// Divides a row of sums by the sizes of their windows.
fn divide(sums: &mut [f32], window: Window) {
    let first = window.full + 1 - window.ahead;
    let last = window.length + 1 - window.ahead;
    let full = window.full as f32;
    sums[first..last].iter_mut().for_each(|sum| *sum /= full);
    for place in (0..first).chain(last..window.length) {
        sums[place] /= window.size(place);
    }
}

/// A box along columns that is given one row after the other, and keeps those inside the window.
struct AlongColumns {
    window: Window,
    width: usize,
    sums: Vec<f32>,
    /// The rows inside the window, row `y` at `y % full`.
    kept: Vec<f32>,
    /// Rows taken so far.
    taken: usize,
    /// Rows written so far.
    written: usize,
}

impl AlongColumns {
    fn over(width: usize, window: Window) -> Self {
        Self {
            window,
            width,
            sums: vec![0.0; width],
            kept: vec![0.0; window.full * width],
            taken: 0,
            written: 0,
        }
    }

    /// Takes the next row; true when the sums now stand at the next place to be written.
    fn take(&mut self, row: &[f32]) -> bool {
        let from = self.taken % self.window.full * self.width;
        let kept = &mut self.kept[from..from + self.width];
        let sums = &mut self.sums[..self.width];
        let row = &row[..self.width];
        if self.taken < self.window.full {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
            kept.copy_from_slice(row);
        } else {
            for ((sum, old), &value) in sums.iter_mut().zip(kept).zip(row) {
                *sum = *sum + value - *old;
                *old = value;
            }
        }
        self.taken += 1;
        self.taken >= self.window.ahead
    }

    /// After the last row: lets the first row inside the window go.
    fn drop_first(&mut self) {
        let from = (self.written + self.window.ahead - 1 - self.window.full) % self.window.full
            * self.width;
        for (sum, &old) in self.sums.iter_mut().zip(&self.kept[from..from + self.width]) {
            *sum -= old;
        }
    }

    /// Number of the place at which the sums stand, and the size of the window there; goes on to the next.
    fn place(&mut self) -> (usize, f32) {
        let place = self.written;
        self.written += 1;
        (place, self.window.size(place))
    }

    fn is_done(&self) -> bool {
        self.written == self.window.length
    }
}

/// The second pass: rows that went through the first, to the 64×64 places that are read.
struct Second<const BAND: usize> {
    along_rows: Window,
    band: Vec<f32>,
    sums: Vec<f32>,
    filled: usize,
    columns: [usize; SIDE],
    along_columns: AlongColumns,
    /// Next row of the result.
    next: usize,
    small: Small,
}

impl<const BAND: usize> Second<BAND> {
    fn over(along_rows: Window, along_columns: Window) -> Self {
        Self {
            along_rows,
            band: vec![0.0; BAND * along_rows.length],
            sums: vec![0.0; BAND * along_rows.length],
            filled: 0,
            columns: std::array::from_fn(|j| centre(j, along_rows.length)),
            along_columns: AlongColumns::over(SIDE, along_columns),
            next: 0,
            small: [[0.0; SIDE]; SIDE],
        }
    }

    /// Takes a row as sums that are still to be divided by the size of their window.
    fn take(&mut self, sums: &[f32], size: f32) {
        let width = self.along_rows.length;
        let row = &mut self.band[self.filled * width..][..width];
        for (value, &sum) in row.iter_mut().zip(sums) {
            *value = sum / size;
        }
        self.filled += 1;
        if self.filled == BAND {
            self.flush();
        }
    }

    fn flush(&mut self) {
        along_rows::<BAND>(&self.band, &mut self.sums, self.along_rows);
        for sums in self.sums.chunks_exact(self.along_rows.length).take(self.filled) {
            let read = self.columns.map(|column| sums[column] / self.along_rows.size(column));
            if self.along_columns.take(&read) {
                Self::read(&mut self.along_columns, &mut self.next, &mut self.small);
            }
        }
        self.filled = 0;
    }

    /// Reads the row at which the column sums stand into every row of the result that is read there.
    fn read(columns: &mut AlongColumns, next: &mut usize, small: &mut Small) {
        let (place, size) = columns.place();
        while *next < SIDE && centre(*next, columns.window.length) == place {
            for (value, &sum) in small[*next].iter_mut().zip(&columns.sums) {
                *value = sum / size;
            }
            *next += 1;
        }
    }

    fn finish(mut self) -> Small {
        self.flush();
        while !self.along_columns.is_done() {
            self.along_columns.drop_first();
            Self::read(&mut self.along_columns, &mut self.next, &mut self.small);
        }
        self.small
    }
}

/// Filters a picture of at least 5×5 and reads it off at the centres of 64×64 equal fields.
pub(super) fn reduce(picture: &impl Rows) -> Small {
    if picture.width() as usize <= BAND_WIDTH_MAX {
        in_bands::<_, BAND>(picture)
    } else {
        in_bands::<_, 1>(picture)
    }
}

fn in_bands<P: Rows, const BAND: usize>(picture: &P) -> Small {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (across, down) = (Window::over(width), Window::over(height));
    let mut band = vec![0.0; BAND * width];
    let mut sums = vec![0.0; BAND * width];
    let mut columns = AlongColumns::over(width, down);
    let mut second = Second::<BAND>::over(across, down);
    let mut y = 0;
    while y < height {
        let rows = BAND.min(height - y);
        for (row, y) in band.chunks_exact_mut(width).take(rows).zip(y as u32..) {
            picture.luma_row(y, row);
        }
        along_rows::<BAND>(&band, &mut sums, across);
        for row in sums.chunks_exact_mut(width).take(rows) {
            divide(row, across);
            if columns.take(row) {
                let (_, size) = columns.place();
                second.take(&columns.sums, size);
            }
        }
        y += rows;
    }
    while !columns.is_done() {
        columns.drop_first();
        let (_, size) = columns.place();
        second.take(&columns.sums, size);
    }
    second.finish()
}

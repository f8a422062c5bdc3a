//! The tent filter of PDQ, as two passes of running box sums along rows and columns, read off at 64×64 points.
//!
//! The result is that of the reference to the last bit: every running sum adds and subtracts the same values
//! in the same order. What differs is the order between sums. The reference keeps two whole pictures in
//! single precision; here rows stream through all four boxes in bands. Along rows, the sums of a band grow side by
//! side; along columns, a row's worth of sums advances by a row at a time, and only the rows inside their windows are
//! kept. Of the last two boxes only the 64 columns and rows that are read are written at all.

use super::tents::{Smalls, Streamed};
use super::wide::{self, divide};
use super::window::Window;
use super::{SIDE, Small, turn};
use crate::core::raster::Rows;

/// Rows whose sums grow side by side: their sums do not depend on each other, so that the processor need not wait for
/// one addition before it begins the next.
const BAND: usize = 16;

/// Width from which rows go one by one, so that a picture of a few very long rows takes no more memory than
/// the reference's two whole pictures.
const BAND_WIDTH_MAX: usize = 1 << 14;

/// Columns that are summed one after the other, then handed on: few enough to stay near the processor.
const CHUNK: usize = 64;

/// A box along the rows of a band.
struct AlongRows<const BAND: usize> {
    window: Window,
    /// Columns inside the window, and those that come next.
    kept: Vec<[f32; BAND]>,
}

impl<const BAND: usize> AlongRows<BAND> {
    fn over(window: Window) -> Self {
        Self { window, kept: vec![[0.0; BAND]; window.full + CHUNK] }
    }

    /// Running sums along each row; `at` is told a first place, and the sums there and at the places behind it.
    ///
    /// Before the first value and behind the last there are zeros, which change no sum when they are added or taken
    /// away: so every step is the same.
    #[inline(always)]
    fn run(&mut self, band: &[f32], mut at: impl FnMut(usize, &mut [[f32; BAND]])) {
        let Window { length, full, ahead } = self.window;
        let kept = &mut self.kept[..full + CHUNK];
        let mut sums = [0.0_f32; BAND];
        let mut chunk = [[0.0; BAND]; CHUNK];
        kept[..full].fill([0.0; BAND]);
        let steps = length + ahead - 1;
        for from in (0..steps).step_by(CHUNK) {
            let there = CHUNK.min(length.saturating_sub(from));
            turn::to_columns(band, length, from.min(length), &mut kept[full..full + there]);
            kept[full + there..].fill([0.0; BAND]);
            let mut lanes = sums;
            for ((out, right), left) in chunk.iter_mut().zip(&kept[full..]).zip(&*kept) {
                for lane in 0..BAND {
                    lanes[lane] += right[lane];
                    lanes[lane] -= left[lane];
                }
                *out = lanes;
            }
            sums = lanes;
            // The sum of this step belongs to the place so many before.
            let none = (ahead - 1).saturating_sub(from).min(CHUNK);
            let until = CHUNK.min(steps - from);
            if none < until {
                at(from + none + 1 - ahead, &mut chunk[none..until]);
            }
            kept.copy_within(CHUNK.., 0);
        }
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
    #[inline(always)]
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
    #[inline(always)]
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
    along_rows: AlongRows<BAND>,
    band: Vec<f32>,
    filled: usize,
    along_columns: AlongColumns,
    /// Next row of the result.
    next: usize,
    small: Small,
}

impl<const BAND: usize> Second<BAND> {
    fn over(along_rows: Window, along_columns: Window) -> Self {
        Self {
            along_rows: AlongRows::over(along_rows),
            band: vec![0.0; BAND * along_rows.length],
            filled: 0,
            along_columns: AlongColumns::over(SIDE, along_columns),
            next: 0,
            small: [[0.0; SIDE]; SIDE],
        }
    }

    /// Takes a row as sums that are still to be divided by the size of their window.
    #[inline(always)]
    fn take<const FUSED: bool>(&mut self, sums: &[f32], size: f32) {
        let width = self.along_rows.window.length;
        let row = &mut self.band[self.filled * width..][..width];
        let inverse = 1.0 / size;
        for (value, &sum) in row.iter_mut().zip(sums) {
            *value = divide::<FUSED>(sum, size, inverse);
        }
        self.filled += 1;
        if self.filled == BAND {
            self.flush();
        }
    }

    #[inline(always)]
    fn flush(&mut self) {
        let mut read = [[0.0_f32; BAND]; SIDE];
        let mut next = 0;
        let window = self.along_rows.window;
        self.along_rows.run(&self.band, |first, sums| {
            while next < SIDE && window.centre(next) < first + sums.len() {
                let place = window.centre(next);
                let size = window.size(place);
                for (value, &sum) in read[next].iter_mut().zip(&sums[place - first]) {
                    *value = sum / size;
                }
                next += 1;
            }
        });
        for row in 0..self.filled {
            let mut places = [0.0; SIDE];
            for (place, column) in places.iter_mut().zip(&read) {
                *place = column[row];
            }
            if self.along_columns.take(&places) {
                Self::read(&mut self.along_columns, &mut self.next, &mut self.small);
            }
        }
        self.filled = 0;
    }

    /// Reads the row at which the column sums stand into every row of the result that is read there.
    fn read(columns: &mut AlongColumns, next: &mut usize, small: &mut Small) {
        let (place, size) = columns.place();
        while *next < SIDE && columns.window.centre(*next) == place {
            for (value, &sum) in small[*next].iter_mut().zip(&columns.sums) {
                *value = sum / size;
            }
            *next += 1;
        }
    }

    #[inline(always)]
    fn finish(mut self) -> Small {
        self.flush();
        while !self.along_columns.is_done() {
            self.along_columns.drop_first();
            Self::read(&mut self.along_columns, &mut self.next, &mut self.small);
        }
        self.small
    }
}

/// The filter as it is made for one kind of processor.
pub(super) struct Reduce<'a, P>(pub(super) &'a P);

impl<P: Rows> wide::Work for Reduce<'_, P> {
    type Done = Small;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Small {
        if self.0.width() as usize <= BAND_WIDTH_MAX {
            in_bands::<_, BAND, FUSED>(self.0, |_, _| ())
        } else {
            in_bands::<_, 1, FUSED>(self.0, |_, _| ())
        }
    }
}

/// The filter beside that of turned pictures, so that luma is computed once.
pub(super) struct ReduceTurning<'a, P>(pub(super) &'a P);

impl<P: Rows> wide::Work for ReduceTurning<'_, P> {
    type Done = (Small, Box<Smalls>);

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> (Small, Box<Smalls>) {
        let (width, height) = (self.0.width() as usize, self.0.height() as usize);
        if width <= BAND_WIDTH_MAX {
            let mut turned = Streamed::over(width, height, BAND);
            let small = in_bands::<_, BAND, FUSED>(self.0, |rows, top| turned.take(rows, top));
            (small, turned.finish())
        } else {
            let mut turned = Streamed::over(width, height, 1);
            let small = in_bands::<_, 1, FUSED>(self.0, |rows, top| turned.take(rows, top));
            (small, turned.finish())
        }
    }
}

/// Filters a picture of at least 5×5 and reads it off at the centres of 64×64 equal fields.
pub(super) fn reduce(picture: &impl Rows) -> Small {
    wide::run(Reduce(picture))
}

/// The same, and the filtered pictures of all eight turned ones, in sums of any order.
pub(super) fn reduce_turning(picture: &impl Rows) -> (Small, Box<Smalls>) {
    wide::run(ReduceTurning(picture))
}

/// `seen` is shown the luma of each band and the number of its first row.
#[inline(always)]
fn in_bands<P: Rows, const BAND: usize, const FUSED: bool>(
    picture: &P,
    mut seen: impl FnMut(&[f32], usize),
) -> Small {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (across, down) = (Window::over(width), Window::over(height));
    let mut band = vec![0.0; BAND * width];
    let mut filtered = vec![0.0; BAND * width];
    let mut along_rows = AlongRows::<BAND>::over(across);
    let full = across.full as f32;
    let mut along = AlongColumns::over(width, down);
    let mut second = Second::<BAND>::over(across, down);
    for top in (0..height).step_by(BAND) {
        let rows = BAND.min(height - top);
        for (row, y) in band.chunks_exact_mut(width).zip(top..top + rows) {
            picture.luma_row(y as u32, row);
        }
        seen(&band[..rows * width], top);
        along_rows.run(&band, |first, sums| {
            let inside = across.size(first) == full && across.size(first + sums.len() - 1) == full;
            for (place, sums) in (first..).zip(sums.iter_mut()) {
                let size = if inside { full } else { across.size(place) };
                let inverse = 1.0 / size;
                sums.iter_mut().for_each(|sum| *sum = divide::<FUSED>(*sum, size, inverse));
            }
            turn::to_rows(sums, &mut filtered, width, first);
        });
        for row in filtered.chunks_exact(width).take(rows) {
            if along.take(row) {
                let (_, size) = along.place();
                second.take::<FUSED>(&along.sums, size);
            }
        }
    }
    while !along.is_done() {
        along.drop_first();
        let (_, size) = along.place();
        second.take::<FUSED>(&along.sums, size);
    }
    second.finish()
}

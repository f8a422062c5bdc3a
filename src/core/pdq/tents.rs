//! The tent filter of PDQ in sums of any order, for a picture in all its symmetries at once.
//!
//! Two boxes one after the other are one tent: each place of the result is a sum of some pixels with weights, and the
//! tents of neighbouring places hardly overlap, so that a pixel is multiplied about once. Rows and columns can be
//! summed in either order, so that a transposed picture has the transposed result. A mirrored picture has the tents
//! from the other end; they stand a pixel or more elsewhere, and are summed beside the others.
//!
//! The reference computes the same sums as running sums in single precision, whose rounding errors pile up along rows
//! and columns. What is computed here is nearer to the true value: it equals the reference's to about a thousandth of a
//! grey level, but not to the last bit, so that a hash can differ in a bit where coefficients all but tie.
//!
//! How a picture of bytes is filtered to the same bits, in less time: [`super::plane`].

use super::tent::{Axis, BAND, PLACES, Tent};
use super::window::Window;
use super::{SIDE, Small, turn, wide};
use crate::core::raster::Rows;

/// Rows of sums that are summed along themselves side by side.
const LANES: usize = 8;

/// Adds a band of rows with their weights.
#[inline(always)]
pub(super) fn add(sums: &mut [f32], rows: [&[f32]; BAND], weights: &[f32; BAND]) {
    let length = sums.len();
    let [a, b, c, d] = rows.map(|row| &row[..length]);
    for x in 0..length {
        sums[x] +=
            (a[x] * weights[0] + b[x] * weights[1]) + (c[x] * weights[2] + d[x] * weights[3]);
    }
}

/// The last rows of a picture, each at its number modulo how many there are.
struct Ring {
    width: usize,
    rows: usize,
    kept: Vec<f32>,
}

impl Ring {
    fn row(&self, y: usize) -> &[f32] {
        &self.kept[y % self.rows * self.width..][..self.width]
    }

    #[inline(always)]
    fn sum(&self, down: &Axis, tent: &Tent, sums: &mut [f32]) {
        sums.fill(0.0);
        for (numbers, weights) in down.bands(tent) {
            add(sums, numbers.map(|number| self.row(number)), weights);
        }
    }
}

/// The result of a picture: as it stands or with its rows from below, then as it stands or with its columns from the
/// right.
pub(super) type Smalls = [[Small; 2]; 2];

/// No place of it read yet.
pub(super) fn unread() -> Box<Smalls> {
    Box::new([[[[0.0; SIDE]; SIDE]; 2]; 2])
}

/// Writes the row that belongs to a tent along columns, of sums along rows that are still to be scaled for it.
#[inline(always)]
pub(super) fn write(smalls: &mut Smalls, down: &Tent, row: &[f32]) {
    let (upright, mirrored) = row.split_at(SIDE);
    let [left, right] = &mut smalls[down.place / SIDE];
    for (small, row) in [(left, upright), (right, mirrored)] {
        for (value, sum) in small[down.place % SIDE].iter_mut().zip(row) {
            *value = sum * down.scale;
        }
    }
}

/// Rows of sums along columns, which are summed along themselves when there are enough.
pub(super) struct Along {
    width: usize,
    /// The tents that the rows belong to.
    filled: Vec<Tent>,
    /// Row by row, and as columns.
    sums: Vec<f32>,
    columns: Vec<[f32; LANES]>,
}

impl Along {
    pub(super) fn over(width: usize) -> Self {
        Self { width, filled: Vec::with_capacity(LANES), sums: Vec::new(), columns: Vec::new() }
    }

    /// Takes the sums of one more tent, which are written by `sum`.
    #[inline(always)]
    pub(super) fn take(
        &mut self,
        across: &Axis,
        down: &Tent,
        smalls: &mut Smalls,
        sum: impl FnOnce(&mut [f32]),
    ) {
        self.sums.resize(LANES * self.width, 0.0);
        let row = self.filled.len() * self.width;
        sum(&mut self.sums[row..row + self.width]);
        self.filled.push(*down);
        if self.filled.len() == LANES {
            self.flush(across, smalls);
        }
    }

    /// Sums the rows that wait along themselves.
    #[inline(always)]
    pub(super) fn flush(&mut self, across: &Axis, smalls: &mut Smalls) {
        if self.filled.is_empty() {
            return;
        }
        self.columns.resize(self.width, [0.0; LANES]);
        turn::to_columns(&self.sums, self.width, 0, &mut self.columns);
        let mut places = [[0.0; LANES]; PLACES];
        for tent in &across.tents {
            let mut sums = [0.0; LANES];
            let columns = &self.columns[tent.first..tent.end()];
            for (column, weight) in columns.iter().zip(across.weights(tent)) {
                for lane in 0..LANES {
                    sums[lane] += column[lane] * weight;
                }
            }
            for (value, sum) in places[tent.place].iter_mut().zip(sums) {
                *value = sum * tent.scale;
            }
        }
        let mut rows = [0.0; LANES * PLACES];
        turn::to_rows(&places, &mut rows, PLACES, 0);
        for (row, down) in rows.chunks_exact(PLACES).zip(&self.filled) {
            write(smalls, down, row);
        }
        self.filled.clear();
    }
}

/// The filter of a picture that is given row by row.
pub(super) struct Streamed {
    ring: Ring,
    down: Axis,
    across: Axis,
    /// Tents along columns that are summed.
    done: usize,
    along: Along,
    smalls: Box<Smalls>,
}

impl Streamed {
    /// The filter for a picture of this size, whose rows are given so many at once.
    pub(super) fn over(width: usize, height: usize, at_once: usize) -> Self {
        // A tent is two windows long, less one, and may end with any of the rows that are given at once.
        let rows = 2 * Window::over(height).full + at_once;
        Self {
            ring: Ring { width, rows, kept: vec![0.0; rows * width] },
            down: Axis::over(height),
            across: Axis::over(width),
            done: 0,
            along: Along::over(width),
            smalls: unread(),
        }
    }

    /// Takes the next rows, of which the first is row `top` of the picture.
    #[inline(always)]
    pub(super) fn take(&mut self, rows: &[f32], top: usize) {
        let Self { ring, down, across, done, along, smalls } = self;
        let mut end = top;
        for row in rows.chunks_exact(ring.width) {
            ring.kept[end % ring.rows * ring.width..][..ring.width].copy_from_slice(row);
            end += 1;
        }
        while let Some(tent) = down.tents.get(*done).filter(|tent| tent.end() <= end) {
            along.take(across, tent, smalls, |sums| ring.sum(down, tent, sums));
            *done += 1;
        }
    }

    #[inline(always)]
    pub(super) fn finish(mut self) -> Box<Smalls> {
        self.along.flush(&self.across, &mut self.smalls);
        self.smalls
    }
}

/// The filter of rows as it is made for one kind of processor.
pub(super) struct OfRows<'a, P>(pub(super) &'a P);

impl<P: Rows> wide::Work for OfRows<'_, P> {
    type Done = Box<Smalls>;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Box<Smalls> {
        let (width, height) = (self.0.width() as usize, self.0.height() as usize);
        let mut streamed = Streamed::over(width, height, 1);
        let mut row = vec![0.0; width];
        for y in 0..height {
            self.0.luma_row(y as u32, &mut row);
            streamed.take(&row, y);
        }
        streamed.finish()
    }
}

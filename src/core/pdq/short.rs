//! The tent filter in sums of 16 bits, for windows that leave room for them.

use super::tent::{Axis, PLACES, Tent};
use super::tents::{Smalls, write};
use super::turn;
use super::wide::EIGHT;

/// Rows of sums that are summed along themselves side by side.
const LANES: usize = 2 * EIGHT;
/// Greatest window, or product of windows, of which a tent, or a tent of tents, of bytes has a sum below 2^16.
const WINDOW_MAX: usize = 16;
/// Pairs of rows that are added at once.
const PAIRS: usize = 4;

/// Rows of sums along columns, which are summed along themselves when there are enough.
pub(super) struct Along<'a> {
    width: usize,
    /// From one row of sums to the next: the width, up to a whole number of squares.
    stride: usize,
    down: &'a Axis,
    across: &'a Axis,
    /// The tents that the rows belong to.
    filled: Vec<Tent>,
    /// Row by row, and as columns.
    sums: Vec<u16>,
    columns: Vec<[u16; LANES]>,
    /// What came of them, place by place, and row by row.
    places: Vec<[f32; LANES]>,
    rows: Vec<f32>,
}

/// The two rows of a tent that have a weight in common.
type Pair<'a> = [&'a [u8]; 2];

/// The middle row and the first pairs with their weights.
#[inline(always)]
fn begin<const N: usize>(sums: &mut [u16], middle: &[u8], full: u16, pairs: [(Pair, u16); N]) {
    let length = sums.len();
    let middle = &middle[..length];
    let pairs = pairs.map(|(pair, weight)| (pair.map(|row| &row[..length]), weight));
    for x in 0..length {
        let mut sum = u16::from(middle[x]) * full;
        // By reference: an array that is taken apart is not summed in wide registers.
        for ([a, b], weight) in &pairs {
            sum += (u16::from(a[x]) + u16::from(b[x])) * weight;
        }
        sums[x] = sum;
    }
}

/// Further pairs with their weights.
#[inline(always)]
fn go_on(sums: &mut [u16], pairs: [(Pair, u16); PAIRS]) {
    let length = sums.len();
    let pairs = pairs.map(|(pair, weight)| (pair.map(|row| &row[..length]), weight));
    for x in 0..length {
        let mut sum = sums[x];
        // By reference: an array that is taken apart is not summed in wide registers.
        for ([a, b], weight) in &pairs {
            sum += (u16::from(a[x]) + u16::from(b[x])) * weight;
        }
        sums[x] = sum;
    }
}

/// A tent of columns side by side.
#[inline(always)]
fn sum_short(columns: &[[u16; LANES]], full: usize) -> [f32; LANES] {
    let (before, after) = columns.split_at(full);
    let mut sums = before[full - 1].map(|value| value * full as u16);
    for (weight, (a, b)) in (1..).zip(before[..full - 1].iter().zip(after.iter().rev())) {
        for lane in 0..LANES {
            sums[lane] += (a[lane] + b[lane]) * weight;
        }
    }
    sums.map(f32::from)
}

/// The same in single precision, in the order and with the weights of the filter of luma.
#[inline(always)]
fn sum_long(columns: &[[u16; LANES]], weights: &[f32]) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    for (column, weight) in columns.iter().zip(weights) {
        for lane in 0..LANES {
            sums[lane] += f32::from(column[lane]) * weight;
        }
    }
    sums
}

impl<'a> Along<'a> {
    pub(super) fn over(width: usize, down: &'a Axis, across: &'a Axis) -> Self {
        let stride = width.next_multiple_of(EIGHT);
        let room = down.full <= WINDOW_MAX;
        let or_none = |length: usize| if room { length } else { 0 };
        Self {
            width,
            stride,
            down,
            across,
            filled: Vec::with_capacity(LANES),
            sums: vec![0; or_none(LANES * stride)],
            columns: vec![[0; LANES]; or_none(stride)],
            places: vec![[0.0; LANES]; or_none(PLACES)],
            rows: vec![0.0; or_none(LANES * PLACES)],
        }
    }

    /// Whether sums along columns fit 16 bits.
    pub(super) const fn is_enough(&self) -> bool {
        self.down.full <= WINDOW_MAX
    }

    /// Sums a tent of bytes along columns that no edge cuts.
    #[inline(always)]
    pub(super) fn take(&mut self, values: &[u8], down: &Tent, smalls: &mut Smalls) {
        let (width, full) = (self.width, self.down.full);
        let row = |y: usize| &values[y * width..][..width];
        let sums = &mut self.sums[self.filled.len() * self.stride..][..width];
        let pair = |k: usize| ([row(down.first + k), row(down.end() - 1 - k)], k as u16 + 1);
        let middle = row(down.first + full - 1);
        let first = (full - 1) % PAIRS;
        match first {
            0 => begin(sums, middle, full as u16, []),
            1 => begin(sums, middle, full as u16, [pair(0)]),
            2 => begin(sums, middle, full as u16, [pair(0), pair(1)]),
            _ => begin(sums, middle, full as u16, [pair(0), pair(1), pair(2)]),
        }
        for k in (first..full - 1).step_by(PAIRS) {
            go_on(sums, [pair(k), pair(k + 1), pair(k + 2), pair(k + 3)]);
        }
        self.filled.push(*down);
        if self.filled.len() == LANES {
            self.flush(smalls);
        }
    }

    /// Sums the rows that wait along themselves.
    #[inline(always)]
    pub(super) fn flush(&mut self, smalls: &mut Smalls) {
        if self.filled.is_empty() {
            return;
        }
        let Self { down, across, sums, columns, places, rows, stride, .. } = self;
        turn::short_to_columns(sums, *stride, columns);
        let fits = down.full * across.full <= WINDOW_MAX;
        for tent in &across.tents {
            let columns = &columns[tent.first..tent.end()];
            let sums = if fits && tent.is_whole() {
                sum_short(columns, across.full)
            } else {
                sum_long(columns, across.weights(tent))
            };
            places[tent.place] = sums.map(|sum| sum * tent.scale);
        }
        turn::to_rows(places, rows, PLACES, 0);
        for (row, down) in rows.chunks_exact(PLACES).zip(&self.filled) {
            write(smalls, down, row);
        }
        self.filled.clear();
    }
}

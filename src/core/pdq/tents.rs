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
//! Inside a picture the weights are whole numbers with one divisor, and the luma of bytes is whole. With windows of up to
//! 64 values, which is where bytes are summed as bytes, their sums are below 2^24, exact in any type: so the result is
//! the same as that of their luma, to the last bit.

use super::window::Window;
use super::{SIDE, Small, turn, wide};
use crate::core::raster::Rows;

/// Rows that are added at once.
const BAND: usize = 4;
/// Places of the result along a dimension, counted from either end.
const PLACES: usize = 2 * SIDE;
/// The sum of weights with which bytes, whatever they are, have a sum below 2^16.
const ROOM: u16 = u16::MAX / u8::MAX as u16;
/// Rows of sums that are summed along themselves side by side.
const LANES: usize = 8;

/// The weights of the values that one place of the result is the sum of.
struct Tent {
    /// The first of these values.
    first: usize,
    /// Whole numbers unless the tent is at an edge.
    weights: Vec<f32>,
    /// How many weights there are; they are followed by zeros up to a whole number of bands.
    length: usize,
    /// They are, and a band of them is at most [`ROOM`].
    fits_short: bool,
    /// What their sum is multiplied with.
    scale: f32,
    /// The place of the result; from [`SIDE`] on for those counted from the other end.
    place: usize,
}

impl Tent {
    /// The tent of place `index` of 64.
    fn of(window: Window, index: usize) -> Self {
        let (from, to) = window.range(window.centre(index));
        let (first, last) = (window.range(from).0, window.range(to - 1).1);
        let sizes = || (from..to).map(|place| window.size(place));
        let is_whole = sizes().all(|size| size == window.full as f32) && to - from == window.full;
        let length = last - first;
        let mut weights: Vec<f32> = if is_whole {
            (0..length).map(|k| (k + 1).min(length - k) as f32).collect()
        } else {
            let mut weights = vec![0.0_f64; length];
            for place in from..to {
                let (a, b) = window.range(place);
                let share = 1.0 / ((to - from) * (b - a)) as f64;
                weights[a - first..b - first].iter_mut().for_each(|weight| *weight += share);
            }
            weights.into_iter().map(|weight| weight as f32).collect()
        };
        weights.resize(length.next_multiple_of(BAND), 0.0);
        let scale = if is_whole { 1.0 / (window.full as f32 * window.full as f32) } else { 1.0 };
        let fits_short = is_whole && window.full * BAND <= usize::from(ROOM);
        Self { first, weights, length, fits_short, scale, place: index }
    }

    /// The tent of the same place where the values are counted from the other end.
    fn reversed(mut self, length: usize) -> Self {
        self.weights[..self.length].reverse();
        self.first = length - self.end();
        self.place += SIDE;
        self
    }

    fn end(&self) -> usize {
        self.first + self.length
    }

    /// The weights, band by band, with the numbers of the values. Where there is no weight, any value will do.
    fn bands(&self) -> impl Iterator<Item = ([usize; BAND], &[f32; BAND])> {
        let last = self.end() - 1;
        let numbers = (self.first..).step_by(BAND);
        let numbers = numbers.map(move |first| std::array::from_fn(|k| (first + k).min(last)));
        numbers.zip(self.weights.as_chunks().0)
    }

    /// All tents along a dimension, in the order in which they end.
    fn all(length: usize) -> Vec<Self> {
        let window = Window::over(length);
        let mut tents: Vec<Self> = (0..SIDE).map(|index| Self::of(window, index)).collect();
        tents.extend((0..SIDE).map(|index| Self::of(window, index).reversed(length)));
        tents.sort_by_key(Self::end);
        tents
    }
}

/// Adds a band of rows with their weights.
#[inline(always)]
fn add(sums: &mut [f32], rows: [&[f32]; BAND], weights: &[f32; BAND]) {
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
    fn sum(&self, tent: &Tent, sums: &mut [f32]) {
        sums.fill(0.0);
        for (numbers, weights) in tent.bands() {
            add(sums, numbers.map(|number| self.row(number)), weights);
        }
    }
}

/// A plane of bytes.
struct Bytes<'a> {
    values: &'a [u8],
    /// Sums that did not become too large for their type yet.
    short: Vec<u16>,
    /// A band of rows as luma.
    band: Vec<f32>,
}

impl<'a> Bytes<'a> {
    fn over(values: &'a [u8], width: usize) -> Self {
        Self { values, short: vec![0; width], band: vec![0.0; BAND * width] }
    }
}

/// Adds sums to others, and makes them zero.
#[inline(always)]
fn flush(sums: &mut [f32], short: &mut [u16]) {
    for (sum, short) in sums.iter_mut().zip(short) {
        *sum += f32::from(*short);
        *short = 0;
    }
}

impl Bytes<'_> {
    #[inline(always)]
    fn sum(&mut self, tent: &Tent, sums: &mut [f32]) {
        let width = sums.len();
        let row = |y: usize| &self.values[y * width..][..width];
        sums.fill(0.0);
        if !tent.fits_short {
            for (numbers, weights) in tent.bands() {
                for (row, number) in self.band.chunks_exact_mut(width).zip(numbers) {
                    for (value, &byte) in row.iter_mut().zip(&self.values[number * width..]) {
                        *value = f32::from(byte);
                    }
                }
                let mut rows = self.band.chunks_exact(width);
                add(sums, std::array::from_fn(|_| rows.next().unwrap_or_default()), weights);
            }
            return;
        }
        let short = &mut self.short[..width];
        let mut room = ROOM;
        for (numbers, weights) in tent.bands() {
            let [e, f, g, h] = weights.map(|weight| weight as u16);
            let needed = e + f + g + h;
            if needed > room {
                flush(sums, short);
                room = ROOM;
            }
            room -= needed;
            let [a, b, c, d] = numbers.map(row);
            for x in 0..width {
                let (a, b) = (u16::from(a[x]) * e, u16::from(b[x]) * f);
                let (c, d) = (u16::from(c[x]) * g, u16::from(d[x]) * h);
                short[x] += (a + b) + (c + d);
            }
        }
        flush(sums, short);
    }
}

/// The result of a picture: as it stands or with its rows from below, then as it stands or with its columns from the
/// right.
pub(super) type Smalls = [[Small; 2]; 2];

/// The filter over the tents of a picture.
struct Tents {
    down: Vec<Tent>,
    across: Vec<Tent>,
    width: usize,
    /// Tents along columns that are summed.
    done: usize,
    /// The sums of the last of them, row by row, and as columns.
    sums: Vec<f32>,
    columns: Vec<[f32; LANES]>,
    smalls: Box<Smalls>,
}

impl Tents {
    fn over(width: usize, height: usize) -> Self {
        Self {
            down: Tent::all(height),
            across: Tent::all(width),
            width,
            done: 0,
            sums: vec![0.0; LANES * width],
            columns: vec![[0.0; LANES]; width],
            smalls: Box::new([[[[0.0; SIDE]; SIDE]; 2]; 2]),
        }
    }

    /// Sums all further tents that end before this row.
    #[inline(always)]
    fn sum_until(&mut self, end: usize, mut sum: impl FnMut(&Tent, &mut [f32])) {
        while let Some(tent) = self.down.get(self.done).filter(|tent| tent.end() <= end) {
            let row = self.done % LANES * self.width;
            sum(tent, &mut self.sums[row..row + self.width]);
            self.done += 1;
            if self.done.is_multiple_of(LANES) {
                self.sum_along();
            }
        }
    }

    /// Sums the tents along the last rows of sums.
    #[inline(always)]
    fn sum_along(&mut self) {
        turn::to_columns(&self.sums, self.width, 0, &mut self.columns);
        let down = &self.down[self.done - LANES..self.done];
        let mut places = [[0.0; LANES]; PLACES];
        for across in &self.across {
            let mut sums = [0.0; LANES];
            let columns = &self.columns[across.first..across.end()];
            for (column, weight) in columns.iter().zip(&across.weights) {
                for lane in 0..LANES {
                    sums[lane] += column[lane] * weight;
                }
            }
            for (value, sum) in places[across.place].iter_mut().zip(sums) {
                *value = sum * across.scale;
            }
        }
        let mut rows = [0.0; LANES * PLACES];
        turn::to_rows(&places, &mut rows, PLACES, 0);
        for (row, down) in rows.chunks_exact_mut(PLACES).zip(down) {
            row.iter_mut().for_each(|value| *value *= down.scale);
            let (upright, mirrored) = row.split_at(SIDE);
            let smalls = &mut self.smalls[down.place / SIDE];
            smalls[0][down.place % SIDE].copy_from_slice(upright);
            smalls[1][down.place % SIDE].copy_from_slice(mirrored);
        }
    }
}

/// The filter of a picture that is given row by row.
pub(super) struct Streamed {
    ring: Ring,
    tents: Tents,
}

impl Streamed {
    /// The filter for a picture of this size, whose rows are given so many at once.
    pub(super) fn over(width: usize, height: usize, at_once: usize) -> Self {
        // A tent is two windows long, less one, and may end with any of the rows that are given at once.
        let rows = 2 * Window::over(height).full + at_once;
        let ring = Ring { width, rows, kept: vec![0.0; rows * width] };
        Self { ring, tents: Tents::over(width, height) }
    }

    /// Takes the next rows, of which the first is row `top` of the picture.
    #[inline(always)]
    pub(super) fn take(&mut self, rows: &[f32], top: usize) {
        let Self { ring, tents } = self;
        let mut end = top;
        for row in rows.chunks_exact(ring.width) {
            ring.kept[end % ring.rows * ring.width..][..ring.width].copy_from_slice(row);
            end += 1;
        }
        tents.sum_until(end, |tent, sums| ring.sum(tent, sums));
    }

    pub(super) fn finish(self) -> Box<Smalls> {
        self.tents.smalls
    }
}

/// The filter of bytes as it is made for one kind of processor.
struct OfBytes<'a> {
    values: &'a [u8],
    width: usize,
    height: usize,
}

impl wide::Work for OfBytes<'_> {
    type Done = Box<Smalls>;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Box<Smalls> {
        let mut bytes = Bytes::over(self.values, self.width);
        let mut tents = Tents::over(self.width, self.height);
        tents.sum_until(self.height, |tent, sums| bytes.sum(tent, sums));
        tents.smalls
    }
}

/// The filter of rows as it is made for one kind of processor.
struct OfRows<'a, P>(&'a P);

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

/// Filters a picture of at least 5×5 and reads it off at the centres of 64×64 equal fields.
pub(super) fn reduce(picture: &impl Rows) -> Box<Smalls> {
    match picture.bytes() {
        Some(values) => {
            let (width, height) = (picture.width() as usize, picture.height() as usize);
            wide::run(OfBytes { values, width, height })
        }
        None => wide::run(OfRows(picture)),
    }
}

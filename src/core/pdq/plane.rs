//! The tent filter of a picture of bytes, to the same bits as that of their luma.
//!
//! Inside a picture the weights are whole numbers with one divisor, and the luma of bytes is whole. With windows of up to
//! 64 values, which is where bytes are summed as bytes, their sums are below 2^24, exact in any type: so the result is
//! the same as that of their luma, to the last bit. With windows of up to 16 they fit 16 bits ([`super::short`]).

use super::tent::{Axis, BAND, Tent};
use super::tents::{self, Along, OfRows, Smalls, add};
use super::{short, wide};
use crate::core::raster::Rows;

/// The sum of weights with which bytes, whatever they are, have a sum below 2^16.
const ROOM: u16 = u16::MAX / u8::MAX as u16;

/// A plane of bytes.
struct Bytes<'a> {
    values: &'a [u8],
    /// Sums that did not become too large for their type yet.
    short: Vec<u16>,
    /// A band of rows as luma.
    band: Vec<f32>,
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
    /// Sums a tent along columns, whatever its weights.
    #[inline(always)]
    fn sum(&mut self, down: &Axis, tent: &Tent, sums: &mut [f32]) {
        let width = sums.len();
        let row = |y: usize| &self.values[y * width..][..width];
        sums.fill(0.0);
        if !tent.is_whole() || down.full * BAND > usize::from(ROOM) {
            self.band.resize(BAND * width, 0.0);
            for (numbers, weights) in down.bands(tent) {
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
        self.short.resize(width, 0);
        let short = &mut self.short[..width];
        let mut room = ROOM;
        for (numbers, weights) in down.bands(tent) {
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

/// The filter of bytes as it is made for one kind of processor.
pub(super) struct OfBytes<'a> {
    pub(super) values: &'a [u8],
    pub(super) width: usize,
    pub(super) height: usize,
}

impl wide::Work for OfBytes<'_> {
    type Done = Box<Smalls>;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Box<Smalls> {
        let Self { values, width, height } = self;
        let (down, across) = (Axis::over(height), Axis::over(width));
        let mut smalls = tents::unread();
        let mut bytes = Bytes { values, short: Vec::new(), band: Vec::new() };
        let mut along = Along::over(width);
        let mut short = short::Along::over(width, &down, &across);
        for tent in &down.tents {
            if tent.is_whole() && short.is_enough() {
                short.take(values, tent, &mut smalls);
            } else {
                along.take(&across, tent, &mut smalls, |sums| bytes.sum(&down, tent, sums));
            }
        }
        short.flush(&mut smalls);
        along.flush(&across, &mut smalls);
        smalls
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

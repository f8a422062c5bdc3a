//! From coefficients to bits, in each of the eight symmetries; from the filtered picture to its quality.

use super::dct::{Coefficients, FREQUENCIES};
use super::{SIDE, Small, wide};
use crate::core::signal::Bits256;
use crate::core::verdict::Dihedral;

/// Bit `16 i + j` is set where coefficient (i, j) is greater than the lower median of all 256.
pub(super) fn above_median(coefficients: &Coefficients) -> Bits256 {
    above(coefficients, median(coefficients))
}

/// The lower median. It does not depend on the order, so that coefficients and transposed ones have the same.
fn median(coefficients: &Coefficients) -> f32 {
    let flat = coefficients.as_flattened();
    let mut order: [f32; FREQUENCIES * FREQUENCIES] = [0.0; FREQUENCIES * FREQUENCIES];
    order.copy_from_slice(flat);
    *order.select_nth_unstable_by(flat.len() / 2 - 1, f32::total_cmp).1
}

fn above(coefficients: &Coefficients, median: f32) -> Bits256 {
    let mut words = [0; 4];
    for (word, values) in words.iter_mut().zip(coefficients.as_flattened().chunks_exact(64)) {
        for (k, &value) in values.iter().enumerate() {
            *word |= u64::from(value > median) << k;
        }
    }
    Bits256(words)
}

/// The coefficients of the picture turned so. Turning a picture turns or transposes its coefficients and
/// changes the sign of odd frequencies; counted from 0 here, those are the even indices.
pub(super) fn turned(a: &Coefficients, by: Dihedral) -> Coefficients {
    let mut b = [[0.0; FREQUENCIES]; FREQUENCIES];
    for (i, row) in a.iter().enumerate() {
        for (j, &value) in row.iter().enumerate() {
            let (odd_i, odd_j) = (i % 2 == 1, j % 2 == 1);
            let (transpose, keep) = match by {
                Dihedral::Original => (false, true),
                Dihedral::Rotated90 => (true, odd_j),
                Dihedral::Rotated180 => (false, odd_i == odd_j),
                Dihedral::Rotated270 => (true, odd_i),
                Dihedral::Flipped => (false, odd_i),
                Dihedral::Mirrored => (false, odd_j),
                Dihedral::Transposed => (true, true),
                Dihedral::AntiTransposed => (true, odd_i == odd_j),
            };
            let place = if transpose { &mut b[j][i] } else { &mut b[i][j] };
            *place = if keep { value } else { -value };
        }
    }
    b
}

/// Rows of bits become columns.
pub(super) fn transposed(bits: Bits256) -> Bits256 {
    let mut words = [0; 4];
    for i in 0..FREQUENCIES {
        for j in 0..FREQUENCIES {
            let bit = bits.0[i / 4] >> (16 * (i % 4) + j) & 1;
            words[j / 4] |= bit << (16 * (j % 4) + i);
        }
    }
    Bits256(words)
}

/// The bits of all eight symmetries. Each has its own median, but transposing changes none.
pub(super) fn dihedral(coefficients: &Coefficients) -> [Bits256; 8] {
    use Dihedral::{Flipped, Mirrored, Original, Rotated180};
    let [original, mirrored, half, flipped] =
        [Original, Mirrored, Rotated180, Flipped].map(|by| above_median(&turned(coefficients, by)));
    eight(original, mirrored, flipped, half, transposed)
}

/// What is known of each symmetry, in the order of [`Dihedral::ALL`], from that of the picture as it stands, mirrored,
/// flipped, and both. The others are these, transposed: a transposed picture has transposed coefficients.
pub(super) fn eight<T: Copy>(
    original: T,
    mirrored: T,
    flipped: T,
    both: T,
    transposed: impl Fn(T) -> T,
) -> [T; 8] {
    Dihedral::ALL.map(|by| match by {
        Dihedral::Original => original,
        Dihedral::Mirrored => mirrored,
        Dihedral::Flipped => flipped,
        Dihedral::Rotated180 => both,
        Dihedral::Transposed => transposed(original),
        Dihedral::Rotated90 => transposed(mirrored),
        Dihedral::Rotated270 => transposed(flipped),
        Dihedral::AntiTransposed => transposed(both),
    })
}

/// What lies between the least and the greatest value.
pub(super) fn contrast(small: &Small) -> f32 {
    wide::run(Contrast(small))
}

pub(super) struct Contrast<'a>(pub(super) &'a Small);

impl wide::Work for Contrast<'_> {
    type Done = f32;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> f32 {
        let (mut least, mut greatest) = (self.0[0], self.0[0]);
        for row in self.0 {
            for x in 0..SIDE {
                least[x] = if row[x] < least[x] { row[x] } else { least[x] };
                greatest[x] = if row[x] > greatest[x] { row[x] } else { greatest[x] };
            }
        }
        greatest.into_iter().fold(f32::MIN, f32::max) - least.into_iter().fold(f32::MAX, f32::min)
    }
}

/// Sum of the differences between neighbours, each in whole percent, divided by 90, at most 100.
pub(super) fn quality(small: &Small) -> u32 {
    wide::run(Quality(small))
}

/// What stands before the point, without the sign, of a number of at most 100 or little more. A conversion to whole numbers
/// would do, were it not for the values that have none, which are looked for one by one.
#[inline(always)]
fn whole(number: f32) -> f32 {
    /// From here on the last binary digit stands before the point.
    const ONES: f32 = 8_388_608.0;
    let number = number.abs();
    let nearest = (number + ONES) - ONES;
    if nearest > number { nearest - 1.0 } else { nearest }
}

pub(super) struct Quality<'a>(pub(super) &'a Small);

impl wide::Work for Quality<'_> {
    type Done = u32;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> u32 {
        let mut sums = [0.0_f32; SIDE];
        let mut add = |row: &[f32; SIDE], next: &[f32; SIDE]| {
            for x in 0..SIDE {
                let percent = (row[x] - next[x]) * 100.0;
                sums[x] += whole(wide::divide::<FUSED>(percent, 255.0, 1.0 / 255.0));
            }
        };
        for (row, below) in self.0.iter().zip(&self.0[1..]) {
            add(row, below);
        }
        for row in self.0 {
            // The last has no neighbour but itself, so that all rows are of whole registers.
            let mut next = *row;
            next[..SIDE - 1].copy_from_slice(&row[1..]);
            add(row, &next);
        }
        // A whole number below 2^20, so that no order of the sum changes it.
        (sums.iter().sum::<f32>() as u32 / 90).min(100)
    }
}

//! Samples of a block, and the luma that is seen of them, as a decoder makes both.

use super::block::{Block, Range};
use crate::core::raster::{BLUE, GREEN, RED};
use std::sync::LazyLock;

/// 64 samples of a block, row by row, less 128.
pub type Centred = [f32; 64];

/// What each frequency adds to each of eight samples (ITU-T T.81, A.3.3, along one axis).
static BASIS: LazyLock<[[f32; 8]; 8]> = LazyLock::new(|| {
    std::array::from_fn(|frequency| {
        let scale = if frequency == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 } / 2.0;
        let unit = std::f64::consts::PI / 16.0 * frequency as f64;
        std::array::from_fn(|sample| (scale * (unit * (2 * sample + 1) as f64).cos()) as f32)
    })
});

/// What each frequency (first index) adds to each of eight samples, along one axis of a block.
#[must_use]
pub fn basis() -> &'static [[f32; 8]; 8] {
    &BASIS
}

/// Makes the samples of a block, before anything is rounded or held within a byte; less 128.
pub(super) fn make(block: &Block, samples: &mut Centred) {
    let basis = basis();
    // Down first, eight columns at once. Waves of even frequencies are the same from both ends, those of odd ones the
    // negative, so half of each axis gives the other.
    let (mut even, mut odd) = ([[0.0_f32; 8]; 4], [[0.0_f32; 8]; 4]);
    for (frequency, coefficients) in block[..64].chunks_exact(8).enumerate() {
        // Most blocks have nothing but low frequencies.
        if coefficients.iter().fold(0, |any, one| any | one) == 0 {
            continue;
        }
        let half = if frequency % 2 == 0 { &mut even } else { &mut odd };
        for (sums, wave) in half.iter_mut().zip(basis[frequency]) {
            for (sum, &coefficient) in sums.iter_mut().zip(coefficients) {
                *sum += f32::from(coefficient) * wave;
            }
        }
    }
    for (y, row) in samples.chunks_exact_mut(8).enumerate() {
        let (from_end, sign) = if y < 4 { (y, 1.0) } else { (7 - y, -1.0) };
        let line: [f32; 8] = std::array::from_fn(|x| even[from_end][x] + sign * odd[from_end][x]);
        let (mut even, mut odd) = ([0.0; 4], [0.0; 4]);
        for (values, waves) in line.chunks_exact(2).zip(basis.chunks_exact(2)) {
            for x in 0..4 {
                even[x] += values[0] * waves[0][x];
                odd[x] += values[1] * waves[1][x];
            }
        }
        for x in 0..4 {
            row[x] = even[x] + odd[x];
            row[7 - x] = even[x] - odd[x];
        }
    }
}

/// Between which values they lie.
pub(super) fn range(samples: &Centred) -> Range {
    let (mut low, mut high) = ([f32::MAX; 8], [f32::MIN; 8]);
    for row in samples.chunks_exact(8) {
        for ((low, high), &sample) in low.iter_mut().zip(&mut high).zip(row) {
            (*low, *high) = (low.min(sample), high.max(sample));
        }
    }
    let (low, high) =
        (low.into_iter().fold(f32::MAX, f32::min), high.into_iter().fold(f32::MIN, f32::max));
    Range { low: (8.0 * low).floor() as i32, high: (8.0 * high).ceil() as i32 }
}

/// Held within a byte; less 128.
fn held(value: f32) -> f32 {
    value.clamp(-128.0, 127.0)
}

/// Luma of what is seen of eight pixels in a row, from the samples of luma, blue and red; all less 128.
pub(super) fn seen(lumas: &mut [f32], blues: &[f32; 8], reds: &[f32; 8]) {
    for ((luma, blue), red) in lumas.iter_mut().zip(blues).zip(reds) {
        let (middle, blue, red) = (held(*luma), held(*blue), held(*red));
        *luma = RED * held(middle + 1.402 * red)
            + GREEN * held(middle - 0.344_136 * blue - 0.714_136 * red)
            + BLUE * held(middle + 1.772 * blue);
    }
}

/// Luma of what is seen of grey pixels; all less 128.
pub(super) fn seen_grey(lumas: &mut Centred) {
    lumas.iter_mut().for_each(|luma| *luma = held(*luma));
}

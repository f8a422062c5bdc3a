//! Samples of a block, and the luma that is seen of them, as a decoder makes both.

use super::block::Block;
use crate::core::raster::luma;
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

/// Samples of a block, rounded and held within a byte as decoders do; less 128.
pub(super) fn samples(block: &Block, basis: &[[f32; 8]; 8]) -> Centred {
    let mut columns = [[0.0_f32; 8]; 8];
    for (sums, coefficients) in columns.iter_mut().zip(block.chunks_exact(8)) {
        for (&coefficient, waves) in coefficients.iter().zip(basis) {
            for (sum, wave) in sums.iter_mut().zip(waves) {
                *sum += f32::from(coefficient) * wave;
            }
        }
    }
    let mut samples = [0.0; 64];
    for (y, row) in samples.chunks_exact_mut(8).enumerate() {
        for (column, waves) in columns.iter().zip(basis) {
            for (sample, wave) in row.iter_mut().zip(waves) {
                *sample += column[y] * wave;
            }
        }
    }
    samples.map(|sample| f32::from(byte(sample + 128.0)) - 128.0)
}

/// To the nearest byte.
fn byte(value: f32) -> u8 {
    // Saturates at both ends.
    (value + 0.5) as u8
}

/// Luma of what is seen of a pixel; all less 128.
pub(super) fn seen(luma_sample: f32, blue: f32, red: f32) -> f32 {
    let middle = luma_sample + 128.0;
    let rgb = [
        byte(middle + 1.402 * red),
        byte(middle - 0.344_136 * blue - 0.714_136 * red),
        byte(middle + 1.772 * blue),
    ];
    luma(rgb[0], rgb[1], rgb[2]) - 128.0
}

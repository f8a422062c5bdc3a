//! The 16×16 lowest frequencies of a 64×64 picture, without the constant ones.

use super::{SIDE, Small, wide};
use std::sync::LazyLock;

/// Frequencies kept along each axis.
pub(super) const FREQUENCIES: usize = 16;

/// Coefficients, vertical frequency first.
pub(super) type Coefficients = [[f32; FREQUENCIES]; FREQUENCIES];

/// The cosine of frequency `i + 1` at pixel `j`, scaled. Computed in double precision with a scale that was
/// rounded to single precision first, then rounded, as the reference does.
static COSINES: LazyLock<[[f32; SIDE]; FREQUENCIES]> = LazyLock::new(|| {
    let scale = f64::from((2.0_f64 / SIDE as f64).sqrt() as f32);
    let unit = std::f64::consts::PI / 2.0 / SIDE as f64;
    std::array::from_fn(|i| {
        std::array::from_fn(|j| (scale * (unit * (i + 1) as f64 * (2 * j + 1) as f64).cos()) as f32)
    })
});

/// The same, pixel first.
static TURNED: LazyLock<[[f32; FREQUENCIES]; SIDE]> =
    LazyLock::new(|| std::array::from_fn(|j| std::array::from_fn(|i| COSINES[i][j])));

/// Cosines times picture times cosines turned. Every sum is taken in the order of its index; the loops are
/// nested so that neighbouring sums grow side by side.
pub(super) fn transform(small: &Small) -> Coefficients {
    wide::run(Transform(small))
}

pub(super) struct Transform<'a>(pub(super) &'a Small);

impl wide::Work for Transform<'_> {
    type Done = Coefficients;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Coefficients {
        multiply(self.0, &COSINES, &TURNED)
    }
}

#[inline(always)]
fn multiply(
    small: &Small,
    by_frequency: &[[f32; SIDE]; FREQUENCIES],
    by_pixel: &[[f32; FREQUENCIES]; SIDE],
) -> Coefficients {
    let mut half = [[0.0_f32; SIDE]; FREQUENCIES];
    for (sums, cosines) in half.iter_mut().zip(by_frequency) {
        let mut lanes = [0.0_f32; SIDE];
        for (cosine, row) in cosines.iter().zip(small) {
            for x in 0..SIDE {
                lanes[x] += cosine * row[x];
            }
        }
        *sums = lanes;
    }
    let mut whole = [[0.0_f32; FREQUENCIES]; FREQUENCIES];
    for (sums, row) in whole.iter_mut().zip(&half) {
        for (&value, cosines) in row.iter().zip(by_pixel) {
            for (sum, &cosine) in sums.iter_mut().zip(cosines) {
                *sum += value * cosine;
            }
        }
    }
    whole
}

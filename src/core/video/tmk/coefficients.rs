//! The weights of the Fourier features.

/// How many coefficients the reference uses.
pub const COEFFICIENTS_NOMINAL: usize = 32;

/// The reference's β: the higher, the nearer in time frames must lie.
const BETA: f64 = 32.0;

/// The modified Bessel function of the first kind, of a whole order, by its power series: all terms are positive, so
/// nothing cancels.
fn bessel(order: u32, x: f64) -> f64 {
    let half = x / 2.0;
    let mut term: f64 = (1..=order).map(|n| half / f64::from(n)).product();
    let mut sum = term;
    let mut k = 1.0;
    while term > sum * f64::EPSILON / 4.0 {
        term *= half * half / (k * (k + f64::from(order)));
        sum += term;
        k += 1.0;
    }
    sum
}

/// The first so many coefficients: `a0 = (I0(β) − e^−β) / (2 sinh β)`, `aj = Ij(β) / sinh β`, with β = 32.
///
/// Source: Poullot et al., "Temporal Matching Kernel with Explicit Feature Maps", 2015; the reference has the same values
/// as a table, in single precision.
#[must_use]
pub fn coefficients(count: usize) -> Vec<f32> {
    let weight = |order: u32| match order {
        0 => (bessel(0, BETA) - (-BETA).exp()) / (2.0 * BETA.sinh()),
        _ => bessel(order, BETA) / BETA.sinh(),
    };
    (0..).take(count).map(|order| weight(order) as f32).collect()
}

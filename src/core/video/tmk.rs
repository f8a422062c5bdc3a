//! TMK+PDQF: signatures of whole videos, made elsewhere, compared here.
//!
//! A signature sums up how the picture changes over time, by Fourier features of several periods; so it finds the same
//! video shifted in time, not one of which much was cut or added. See "The TMK+PDQF video-hashing algorithm and the PDQ
//! image-hashing algorithm", Meta, 2019, and `tmk/cpp` of `facebook/ThreatExchange`.

mod coefficients;
mod signature;
mod file;
mod score;
#[cfg(test)]
mod tests;

pub use coefficients::{COEFFICIENTS_NOMINAL, coefficients};
pub use file::{Malformed, parse, write};
pub use score::{Alignment, Incompatible, Scores, Thresholds, align, compare, level_1};
pub use signature::{
    COEFFICIENTS_MAX, DIMENSION, FRAMES_PER_SECOND_MAX, Fourier, PERIOD_MAX, PERIODS_MAX, Signature,
};

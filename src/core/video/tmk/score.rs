//! How alike two signatures are.
//!
//! Both levels are computed in double precision, sines and cosines from a table; the reference uses single precision and
//! a recurrence, so scores agree to some 1e-5 of their size, not to the bit.

use super::signature::{Feature, Fourier, Signature};
use std::f64::consts::TAU;

/// Relative difference up to which coefficients are the same.
const COEFFICIENT_TOLERANCE: f32 = 1e-6;

/// Least scores of a match, each −1 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Of the mean picture.
    pub level_1: f64,
    /// Of the course of time.
    pub level_2: f64,
}

impl Default for Thresholds {
    /// What the reference suggests; of exact copies it expects 0.9.
    fn default() -> Self {
        Self { level_1: 0.7, level_2: 0.7 }
    }
}

/// Why two signatures cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Incompatible {
    /// Sampled at different rates.
    #[error("the frames per second differ")]
    FramesPerSecond,
    /// Other periods.
    #[error("the periods differ")]
    Periods,
    /// Other coefficients.
    #[error("the coefficients differ")]
    Coefficients,
}

/// The best alignment in time of two signatures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alignment {
    /// The level-2 score: 1 for the same signature.
    pub score: f64,
    /// The period in which it is reached, in frames.
    pub period: u32,
    /// How many frames later the first video shows what the second does, modulo the period.
    pub offset: u32,
}

/// What comparing two signatures gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// The cosine of the mean pictures.
    pub level_1: f64,
    /// The best alignment; none if level 1 has already decided.
    pub level_2: Option<Alignment>,
    /// Whether both levels reach their thresholds.
    pub is_match: bool,
}

fn dot(u: &Feature, v: &Feature) -> f64 {
    u.iter().zip(v).map(|(u, v)| f64::from(*u) * f64::from(*v)).sum()
}

fn check(u: &Signature, v: &Signature) -> Result<(), Incompatible> {
    if u.frames_per_second != v.frames_per_second {
        return Err(Incompatible::FramesPerSecond);
    }
    if !u.periods.iter().map(|f| f.period).eq(v.periods.iter().map(|f| f.period)) {
        return Err(Incompatible::Periods);
    }
    let is_same = |(a, b): (&f32, &f32)| (a - b).abs() <= a.max(*b) * COEFFICIENT_TOLERANCE;
    let pairs = u.coefficients.iter().zip(&v.coefficients);
    if u.coefficients.len() != v.coefficients.len() || !pairs.into_iter().all(is_same) {
        return Err(Incompatible::Coefficients);
    }
    Ok(())
}

/// The level-1 score: the cosine of the mean pictures, −1 to 1; 0 where one of them is zero. All signatures have the same
/// dimension, so any two have this score.
#[must_use]
pub fn level_1(u: &Signature, v: &Signature) -> f64 {
    let lengths = dot(&u.average, &u.average).sqrt() * dot(&v.average, &v.average).sqrt();
    if lengths == 0.0 { 0.0 } else { dot(&u.average, &v.average) / lengths }
}

/// The weight of the cosine and of the sine of each coefficient's angle.
fn weights(u: &Fourier, v: &Fourier) -> Vec<(f64, f64)> {
    let us = u.cosines.iter().zip(&u.sines);
    let vs = v.cosines.iter().zip(&v.sines);
    us.zip(vs)
        .map(|((uc, us), (vc, vs))| (dot(uc, vc) + dot(us, vs), dot(us, vc) - dot(uc, vs)))
        .collect()
}

/// The best offset of one period, and the kernel's value there; the least of equals.
fn best_offset(u: &Fourier, v: &Fourier) -> (f64, u32) {
    let period = u.period as usize;
    let weights = weights(u, v);
    // The sine of the constant term is zero, whatever the features of a file say.
    let constant = u.cosines.iter().zip(&v.cosines).next().map_or(0.0, |(u, v)| dot(u, v));
    let angle = |place| TAU * place as f64 / period as f64;
    let circle: Vec<(f64, f64)> =
        (0..period).map(|place| angle(place).sin_cos()).map(|(sin, cos)| (cos, sin)).collect();
    let kernel = |offset: u32| {
        let mut place = 0;
        let mut sum = constant;
        for (by_cosine, by_sine) in weights.iter().skip(1) {
            place = (place + offset as usize) % period;
            let (cos, sin) = circle[place];
            sum += cos * by_cosine + sin * by_sine;
        }
        sum
    };
    let better = |best: (f64, u32), offset| {
        let value = kernel(offset);
        if value > best.0 { (value, offset) } else { best }
    };
    (1..u.period).fold((kernel(0), 0), better)
}

/// The level-2 score, with where it is reached: of equals, the first period.
///
/// # Errors
/// [`Incompatible`] signatures have none.
pub fn align(u: &Signature, v: &Signature) -> Result<Alignment, Incompatible> {
    check(u, v)?;
    let weight = |(place, a): (usize, &f32)| f64::from(*a) * if place == 0 { 1.0 } else { 2.0 };
    let whole: f64 = u.coefficients.iter().enumerate().map(weight).sum();
    let periods = u.periods.iter().zip(&v.periods).map(|(u, v)| {
        let (value, offset) = best_offset(u, v);
        Alignment { score: value / whole, period: u.period, offset }
    });
    let better = |best: Alignment, one: Alignment| if one.score > best.score { one } else { best };
    // No signature is without a period.
    periods.reduce(better).ok_or(Incompatible::Periods)
}

/// Compares two signatures, level 1 first: it costs one product of features, level 2 the periods × the coefficients.
///
/// # Errors
/// [`Incompatible`] signatures cannot be compared, whatever their level 1.
pub fn compare(
    u: &Signature,
    v: &Signature,
    thresholds: Thresholds,
) -> Result<Scores, Incompatible> {
    check(u, v)?;
    let level_1 = level_1(u, v);
    if level_1 < thresholds.level_1 {
        return Ok(Scores { level_1, level_2: None, is_match: false });
    }
    let level_2 = align(u, v)?;
    Ok(Scores { level_1, level_2: Some(level_2), is_match: level_2.score >= thresholds.level_2 })
}

//! What a model's value is worth as a probability.

use crate::core::detector::fault::Fault;

/// Most points of a table.
pub const POINTS_MAX: usize = 1024;

/// How a model's value becomes a probability. What cannot become one is a fault, never a probability of nought.
#[derive(Debug, Clone, PartialEq)]
pub enum Calibration {
    /// The value is a probability already.
    None,
    /// `1 ÷ (1 + exp(slope × value + offset))`, as Platt (1999) and scikit-learn write it: `slope` is negative where a
    /// greater value says more. A plain logit has slope -1 and offset 0.
    Platt {
        /// What the value is multiplied with.
        slope: f64,
        /// What is then added.
        offset: f64,
    },
    /// A table of (value, probability), in between by a straight line and beyond its ends as at them: what isotonic
    /// regression gives.
    Isotonic(Vec<(f64, f64)>),
}

impl Calibration {
    /// What keeps it from being one, as the end of a sentence; nothing where it is good.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Platt { slope, offset } => {
                let is_good = slope.is_finite() && offset.is_finite() && *slope != 0.0;
                (!is_good).then_some("must have a slope that is not 0 and an offset, both finite")
            }
            Self::Isotonic(points) => {
                if !(2..=POINTS_MAX).contains(&points.len()) {
                    return Some("must have 2 to 1024 points");
                }
                let is_point =
                    |(value, share): &(f64, f64)| value.is_finite() && (0.0..=1.0).contains(share);
                if !points.iter().all(is_point) {
                    return Some(
                        "must have points of a finite value and a probability from 0 to 1",
                    );
                }
                let rises = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
                let is_good = points.windows(2).all(rises);
                (!is_good).then_some(
                    "must have points whose values rise and whose probabilities do not fall",
                )
            }
        }
    }

    /// The probability that a value stands for, from 0 to 1.
    ///
    /// # Errors
    /// [`Fault::NotFinite`]; [`Fault::OutOfRange`] where the value is to be a probability and is none.
    pub fn apply(&self, value: f64) -> Result<f64, Fault> {
        if !value.is_finite() {
            return Err(Fault::NotFinite);
        }
        let share = match self {
            Self::None => value,
            Self::Platt { slope, offset } => 1.0 / (1.0 + (slope * value + offset).exp()),
            Self::Isotonic(points) => between(points, value),
        };
        if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(Fault::OutOfRange) }
    }
}

/// The probability at a value, by the points on both sides of it. Not a number where there is no point.
fn between(points: &[(f64, f64)], value: f64) -> f64 {
    let above = points.partition_point(|point| point.0 < value);
    match (above.checked_sub(1).and_then(|below| points.get(below)), points.get(above)) {
        (Some(below), Some(above)) => {
            let part = (value - below.0) / (above.0 - below.0);
            // Two values so far apart that their distance is none: the greater probability is the stricter one.
            let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 1.0 };
            ((above.1 - below.1) * part + below.1).clamp(below.1, above.1)
        }
        (Some(end), None) | (None, Some(end)) => end.1,
        (None, None) => f64::NAN,
    }
}

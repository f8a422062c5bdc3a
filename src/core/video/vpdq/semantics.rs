//! How much of two lists of frames is alike, by either of the two published rules.
//!
//! | | [`Semantics::Reference`] | [`Semantics::Python`] |
//! |---|---|---|
//! | who | C++ `matchTwoHash` | python-threatexchange, brute force |
//! | a frame is matched at a distance of | at most 30 | at most 31 |
//! | one hash several times | counts each time | counts once: the first is kept, whatever its quality |
//! | then left out | quality below 50 | quality below 50 |
//! | nothing left of either side | 0 % both | 0 % both (there: an error) |
//!
//! Both miss a listed clip in a longer upload when the share of the *query* decides: ten listed frames and three others
//! are 77 %. The product's own rule is [`crate::core::video::contain`].

use crate::core::video::track::Frame;
use std::collections::HashSet;

/// Least quality at which a frame is compared.
pub const QUALITY_MIN: u8 = 50;

/// A published rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Semantics {
    /// The C++ reference.
    Reference,
    /// python-threatexchange.
    Python,
}

impl Semantics {
    /// Most bits in which matching frames differ.
    #[must_use]
    pub const fn distance_max(self) -> u32 {
        match self {
            Self::Reference => 30,
            Self::Python => 31,
        }
    }

    /// The frames that are compared.
    fn compared(self, frames: &[Frame]) -> Vec<Frame> {
        let mut seen = HashSet::new();
        let mut is_first = |frame: &Frame| match self {
            Self::Reference => true,
            Self::Python => seen.insert(frame.bits),
        };
        // Duplicates go first: a poor first copy takes the good ones with it, as it does there.
        let once = frames.iter().filter(|frame| is_first(frame));
        once.filter(|frame| frame.quality >= QUALITY_MIN).copied().collect()
    }
}

/// How much of each side has a match in the other, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Percentages {
    /// Of the query's frames.
    pub query: f64,
    /// Of the listed frames.
    pub compared: f64,
}

fn percentage(of: &[Frame], among: &[Frame], distance_max: u32) -> f64 {
    let is_matched =
        |one: &&Frame| among.iter().any(|other| one.bits.distance(&other.bits) <= distance_max);
    of.iter().filter(is_matched).count() as f64 * 100.0 / of.len() as f64
}

/// Compares every frame of one side with every frame of the other.
#[must_use]
pub fn percentages(query: &[Frame], listed: &[Frame], semantics: Semantics) -> Percentages {
    let (query, listed) = (semantics.compared(query), semantics.compared(listed));
    if query.is_empty() || listed.is_empty() {
        return Percentages::default();
    }
    let distance_max = semantics.distance_max();
    Percentages {
        query: percentage(&query, &listed, distance_max),
        compared: percentage(&listed, &query, distance_max),
    }
}

//! One frame of a query against all frames of a listed track.

use super::listed::Listed;
use super::rule::{Rule, Sighting};
use crate::core::signal::Bits256;

/// Most listed places that are remembered of one frame: where both sides are still, every place is as near.
const PLACES_MAX: usize = 8;

/// What is left of a frame of a query once it was compared.
pub struct Look {
    /// When it is shown, in milliseconds.
    pub at: u32,
    /// The hash of the frame as it stands.
    pub upright: Bits256,
    /// Its alternatives that match a listed frame.
    pub fits: Box<[Bits256]>,
    /// Distance of the nearest listed frame, and place of the alternative that is as near.
    pub nearest: Option<(u32, usize)>,
    /// The nearest matched listed places, the nearest first.
    pub places: Box<[u32]>,
    /// How many listed places are matched.
    pub place_count: u32,
}

/// Which listed frames were matched.
pub struct Matched(Vec<bool>);

impl Matched {
    /// Nothing was matched.
    pub fn new(listed: &Listed) -> Self {
        Self(vec![false; listed.len()])
    }

    /// The places that were matched, in order of time.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter(|(_, is_matched)| **is_matched).map(|(place, _)| place)
    }

    /// Compares a frame with every listed frame. None if the rule does not compare it.
    pub fn look(&mut self, sighting: &Sighting, listed: &Listed, rule: &Rule) -> Option<Look> {
        let upright = *sighting.hashes.first()?;
        if sighting.quality < rule.quality_min {
            return None;
        }
        let mut places: Vec<(u32, u32)> = Vec::new();
        let nearest = listed.near(sighting.hashes, rule.distance_max, |place, distance| {
            self.0[place] = true;
            places.push((distance, place as u32));
        });
        let place_count = places.len() as u32;
        if places.len() > PLACES_MAX {
            places.select_nth_unstable(PLACES_MAX);
            places.truncate(PLACES_MAX);
        }
        places.sort_unstable();
        let fits = sighting.hashes.iter().zip(&nearest).filter(|(_, nearest)| nearest.is_some());
        let distances = nearest.iter().zip(0..).filter_map(|(near, place)| Some(((*near)?, place)));
        Some(Look {
            at: sighting.at,
            upright,
            fits: fits.map(|(value, _)| *value).collect(),
            nearest: distances.min(),
            places: places.into_iter().map(|(_, place)| place).collect(),
            place_count,
        })
    }
}

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

/// Which listed frames were matched, and by which look last.
pub struct Matched {
    /// The number of the last look that matched a place, from 1; 0 for none.
    last: Vec<u64>,
    /// Numbers of looks given so far.
    looks: u64,
}

impl Matched {
    /// Nothing was matched.
    pub fn new(listed: &Listed) -> Self {
        Self { last: vec![0; listed.len()], looks: 0 }
    }

    /// The places that one of the last so many looks matched, in order of time.
    pub fn by_last(&self, looks: usize) -> impl Iterator<Item = usize> {
        let before = self.looks.saturating_sub(looks as u64);
        self.last.iter().enumerate().filter(move |(_, last)| **last > before).map(|(at, _)| at)
    }

    /// Compares a frame with every listed frame. None if the rule does not compare it.
    pub fn look(&mut self, sighting: &Sighting, listed: &Listed, rule: &Rule) -> Option<Look> {
        let upright = *sighting.hashes.first()?;
        if sighting.quality < rule.quality_min {
            return None;
        }
        self.looks += 1;
        let mut places: Vec<(u32, u32)> = Vec::new();
        let nearest = listed.near(sighting.hashes, rule.distance_max, |place, distance| {
            self.last[place] = self.looks;
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

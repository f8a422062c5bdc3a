//! The last frames of a live stream against a listed track.

use super::judge;
use super::listed::Listed;
use super::near::{Look, Matched};
use super::rule::{Compared, Rule, Sighting};
use crate::core::video::track::Track;
use std::collections::VecDeque;

/// Most usable frames that a window holds; beyond, the oldest leave it before their time.
pub const SIGHTINGS_MAX: usize = 3_600;

/// A frame that is older than one that was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("frames must come in order of time")]
pub struct Late;

/// A window on a stream, of a length in time.
///
/// Law: [`Watch::compared`] answers what [`super::compare`] would for the usable frames in the window. A frame more costs
/// time in proportion to the listed track; asking, to the window, the listed track and what matches.
pub struct Watch {
    rule: Rule,
    listed: Listed,
    matched: Matched,
    window_millis: u32,
    newest: u32,
    looks: VecDeque<Look>,
}

impl std::fmt::Debug for Watch {
    /// Prints the number of frames only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watch({} of {} frames)", self.looks.len(), self.listed.len())
    }
}

impl Watch {
    /// A window in which nothing was seen. A frame leaves it when one comes that is more than `window_millis` younger.
    #[must_use]
    pub fn new(listed: &Track, rule: Rule, window_millis: u32) -> Self {
        let listed = Listed::of(listed, &rule);
        let matched = Matched::new(&listed);
        Self { rule, listed, matched, window_millis, newest: 0, looks: VecDeque::new() }
    }

    /// Sees one more frame.
    ///
    /// # Errors
    /// [`Late`] if a younger frame was seen; nothing has changed then.
    pub fn push(&mut self, sighting: &Sighting<'_>) -> Result<(), Late> {
        if sighting.at < self.newest {
            return Err(Late);
        }
        self.newest = sighting.at;
        self.looks.extend(self.matched.look(sighting, &self.listed, &self.rule));
        let oldest = self.newest.saturating_sub(self.window_millis);
        while self.looks.len() > SIGHTINGS_MAX
            || self.looks.front().is_some_and(|look| look.at < oldest)
        {
            self.looks.pop_front();
        }
        Ok(())
    }

    /// Compares what is in the window.
    #[must_use]
    pub fn compared(&self) -> Compared {
        let looks: Vec<&Look> = self.looks.iter().collect();
        judge::judge(&looks, &self.listed, &self.matched, &self.rule)
    }
}

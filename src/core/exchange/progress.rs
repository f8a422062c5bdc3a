//! How far an exchange has come: what has to outlive the process.

use crate::core::exchange::place::Place;
use crate::core::guard::cap::Brought;
use crate::core::id::{BankId, PartnerId};
use crate::core::intake::Intake;
use crate::core::record::Unknown;
use crate::core::time::Time;
use serde::{Deserialize, Serialize};

/// Most kinds of unknown things that are told apart.
const UNKNOWN_MAX: usize = 64;

/// How far an exchange has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What has come so far: an exchange, by its name, or what a partner brings, by [`brought`].
    pub id: String,
    /// Version of the bank and source that it is about: another one begins anew.
    pub of: String,
    /// What has been taken in, in the words of whom it came from.
    pub cursor: Cursor,
    /// What has been taken in of a source that is asked page by page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Journal number up to which feedback was given.
    pub told: u64,
    /// What became of it.
    #[serde(default, skip_serializing_if = "Told::is_nothing")]
    pub opinions: Told,
    /// Whether everything was taken in once.
    pub whole: bool,
    /// Whether everything is being taken in anew because its source was set back: what does not come again goes.
    pub anew: bool,
    /// What became of the records so far.
    pub counts: Counts,
    /// How many new entries came on the last day on which some did.
    #[serde(default, skip_serializing_if = "Brought::is_nothing")]
    pub brought: Brought,
    /// What this version does not know of them, by what it is.
    #[serde(default, skip_serializing_if = "Unknown::is_empty")]
    pub unknown: Unknown,
    /// When it last advanced.
    pub at: Time,
    /// Counts the changes of this record.
    pub version: u64,
}

/// A place in what another service tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Number in its journal up to which was told.
    pub number: u64,
    /// What only that journal has at that number; empty at the beginning.
    #[serde(with = "hex::serde")]
    pub anchor: Vec<u8>,
}

/// What became of opinions of people here that a source was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How many the source has taken.
    pub taken: u64,
    /// How many it cannot take.
    pub refused: u64,
}

impl Told {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What became of records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Taken that were not there.
    pub taken: u64,
    /// In the place of what was said before.
    pub replaced: u64,
    /// Gone because the source does not list them any more.
    pub withdrawn: u64,
    /// Changed nothing.
    pub unchanged: u64,
    /// Not taken because they were removed here.
    pub tombstoned: u64,
    /// Could not be taken.
    pub refused: u64,
    /// Of those taken: set aside because their source brought too many.
    #[serde(default)]
    pub over_cap: u64,
}

impl Counts {
    /// Adds what became of some more.
    pub fn add(&mut self, intake: &Intake) {
        self.taken += intake.taken;
        self.replaced += intake.replaced;
        self.withdrawn += intake.withdrawn;
        self.unchanged += intake.already_present;
        self.tombstoned += intake.tombstoned;
        self.refused += intake.refused.len() as u64;
        self.over_cap += intake.over_cap;
    }
}

/// Name of the progress of what a partner brings to a bank: signals or opinions. No exchange has such a name.
#[must_use]
pub fn brought(what: &str, partner: &PartnerId, bank: &BankId) -> String {
    format!("{what}/{partner}/{bank}")
}

impl Progress {
    /// The progress of what has not begun.
    #[must_use]
    pub fn nothing(id: String, of: String, now: Time) -> Self {
        Self {
            id,
            of,
            cursor: Cursor::default(),
            place: None,
            told: 0,
            opinions: Told::default(),
            whole: false,
            anew: false,
            counts: Counts::default(),
            brought: Brought::default(),
            unknown: Unknown::new(),
            at: now,
            version: 0,
        }
    }

    /// The progress once it was kept.
    #[must_use]
    pub const fn kept(mut self, now: Time) -> Self {
        self.at = now;
        self.version += 1;
        self
    }

    /// Adds what is not known of some more records.
    pub fn add_unknown(&mut self, more: &Unknown) {
        for (what, count) in more {
            let is_full = self.unknown.len() >= UNKNOWN_MAX && !self.unknown.contains_key(what);
            let name = if is_full { "other" } else { what };
            *self.unknown.entry(name.to_owned()).or_default() += count;
        }
    }
}

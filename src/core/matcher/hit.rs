//! A signal to look for, and an entry that it is equal or near to.

use crate::core::bank::{Bank, Effect, SignalRule};
use crate::core::id::EntryId;
use crate::core::signal::{Signal, SignalType};
use crate::core::verdict::{Disposition, Provenance};

/// A signal to look for.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Type and value.
    pub signal: &'a Signal,
    /// Quality of a perceptual hash, 0 to 100, where known.
    pub quality: Option<u32>,
}

/// An entry that a query is equal or near to, by the rule of the entry's bank.
#[derive(Debug, Clone)]
pub struct Hit<'a> {
    /// The entry's bank.
    pub bank: &'a Bank,
    /// The entry.
    pub entry: EntryId,
    /// Type of its signal that the query is equal or near to.
    pub kind: SignalType,
    /// Bits that differ; 0 for exact types.
    pub distance: u32,
    /// Greatest distance at which the bank matches this type.
    pub distance_max: u32,
    /// What the bank's band asks for.
    pub disposition: Disposition,
    /// How far the entry counts.
    pub effect: Effect,
    /// Where the entry comes from.
    pub provenance: Provenance,
}

impl Hit<'_> {
    /// The order in which matches come: nearest first, then by bank and entry.
    #[must_use]
    pub fn order(&self, other: &Self) -> std::cmp::Ordering {
        (self.distance, &self.bank.id, &self.entry).cmp(&(
            other.distance,
            &other.bank.id,
            &other.entry,
        ))
    }
}

/// By which rule of a bank a value of type `sought` is compared with what is listed of type `listed`, if it is.
#[must_use]
pub fn rule_of<'b>(
    bank: &'b Bank,
    sought: &SignalType,
    listed: &SignalType,
) -> Option<&'b SignalRule> {
    bank.rule(listed).filter(|rule| sought == listed || rule.crosses)
}

//! Matching: which entries of which banks a signal is equal or near to.
//!
//! The memory follows the banks entry by entry: what [`Matcher::put_entries`] was given is found, and what
//! it withdrew is not, by the next [`Matcher::search`]. Results come in a defined order.
//!
//! Entries lie in layers that do not change. New entries make a new, small layer; from time to time small layers are
//! merged into larger ones. A clone is a picture of the moment: it costs little, whatever is changed afterwards is not
//! seen in it, and nobody who searches one waits for anybody.

mod hit;
mod sorted;
mod rows;
mod sync;
mod ends;
mod perceptual;
mod frames;
mod layer;
mod merge;
mod written;
mod summed;
mod search;
mod good;
pub mod window;
pub mod groups;
#[cfg(test)]
mod tests;

use crate::core::bank::{Bank, BankMode, BankRole, Effect, Entry, EntryState};
use crate::core::hamming;
use crate::core::id::{BankId, EntryId};
use crate::core::signal::SignalType;
use crate::core::time::Time;
pub use hit::{Hit, Query, rule_of};
use imbl::{HashSet, OrdMap, Vector};
use layer::{Draft, Layer};
use merge::Sizes;
pub use merge::{Merge, Merged, Pace, Retired, Room};
use rows::{Name, Span};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Up to sixteen entries are merged in some microseconds, up to 2^16 in some milliseconds. Of as many hashes as a compact
/// table holds building takes no more memory than a machine should have free that has banks of millions.
const SIZES: Sizes = Sizes { at_once: 16, soon: 1 << 16, unasked: hamming::COMPACT_MAX };

/// A bank as the matcher holds it.
#[derive(Debug, Clone)]
struct Shelf {
    bank: Bank,
    number: u64,
    entries: usize,
    /// Entries that are there and match nothing, such as proposed ones: for counting.
    silent: HashSet<EntryId>,
    counts: BTreeMap<SignalType, u64>,
    /// Those of `counts` whose matches count.
    counting: BTreeMap<SignalType, u64>,
}

/// Whether matches of an entry decide anything.
const fn counts(effect: Effect) -> bool {
    matches!(effect, Effect::HoldAtMost | Effect::Full)
}

/// What is known of a bank at the moment.
#[derive(Debug, Clone, Copy)]
pub struct BankStatus<'a> {
    /// Its settings.
    pub bank: &'a Bank,
    /// Journal number of its last change.
    pub number: u64,
    /// Matchable signals of each type.
    pub signals: &'a BTreeMap<SignalType, u64>,
    /// Entries that hold at least one matchable signal.
    pub entries: usize,
    /// Entries that are not removed.
    pub entry_count: u64,
}

/// All banks of one scope, ready to be matched against.
#[derive(Clone)]
pub struct Matcher {
    /// Numbers of the banks.
    numbers: OrdMap<BankId, u32>,
    /// Banks by number. A number is given once: entries of a deleted bank belong to none.
    shelves: Vector<Option<Arc<Shelf>>>,
    /// The largest first.
    layers: Vec<Arc<Layer>>,
    /// Counts the changes.
    sequence: u64,
    sizes: Sizes,
}

impl Default for Matcher {
    fn default() -> Self {
        Self::merging(SIZES)
    }
}

impl std::fmt::Debug for Matcher {
    /// Prints sizes only: values must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sizes: Vec<_> = self.layers.iter().map(|layer| layer.len()).collect();
        write!(f, "Matcher({} banks, layers of {sizes:?} entries)", self.numbers.len())
    }
}

impl Matcher {
    fn merging(sizes: Sizes) -> Self {
        Self {
            numbers: OrdMap::new(),
            shelves: Vector::new(),
            layers: Vec::new(),
            sequence: 0,
            sizes,
        }
    }

    /// Takes a bank's settings; its entries stay.
    pub fn put_bank(&mut self, number: u64, bank: &Bank) {
        self.sequence += 1;
        match self.numbers.get(&bank.id) {
            Some(at) => {
                if let Some(shelf) = self.shelves.get_mut(*at as usize).and_then(Option::as_mut) {
                    let shelf = Arc::make_mut(shelf);
                    shelf.bank = bank.clone();
                    shelf.number = number;
                }
            }
            None => {
                let shelf = Shelf {
                    bank: bank.clone(),
                    number,
                    entries: 0,
                    silent: HashSet::new(),
                    counts: BTreeMap::new(),
                    counting: BTreeMap::new(),
                };
                self.numbers.insert(bank.id.clone(), self.shelves.len() as u32);
                self.shelves.push_back(Some(Arc::new(shelf)));
            }
        }
    }

    /// Forgets a bank with all its entries.
    pub fn delete_bank(&mut self, bank: &BankId) {
        let Some(number) = self.numbers.remove(bank) else { return };
        self.sequence += 1;
        self.shelves.set(number as usize, None);
        for layer in &self.layers {
            for entry in layer.alive().filter(|entry| layer.rows.bank_of(*entry) == number) {
                layer.ends.end(entry, self.sequence);
            }
        }
        self.tidy();
    }

    /// Takes entries as they stand now; those it had under the same names are replaced.
    /// Entries of a bank it does not have are ignored: the bank went before them.
    pub fn put_entries(&mut self, number: u64, at: Time, bank: &BankId, entries: &[Entry]) {
        let Some(key) = self.numbers.get(bank).copied() else { return };
        let Some(Some(shelf)) = self.shelves.get(key as usize) else { return };
        self.sequence += 1;
        let mut shelf = Shelf::clone(shelf);
        let mut draft = Draft::default();
        let mut is_empty = true;
        // Of several states of one entry the last one stands.
        let mut names = std::collections::HashSet::with_capacity(entries.len());
        let lasting = entries.iter().rev().filter(|entry| names.insert(&entry.id));
        let lasting: Vec<_> = lasting.collect();
        let mut span = Span::default();
        lasting.iter().for_each(|entry| span.take(entry.id.as_str()));
        // The newest layers are the smallest, and what changes was often changed before.
        let layers = self.layers.iter().rev().filter(|layer| layer.rows.span().meets(span));
        let layers: Vec<&Layer> = layers.map(|layer| &**layer).collect();
        for entry in lasting.into_iter().rev() {
            let name = Name::of(key, entry.id.as_str());
            if shelf.silent.is_empty() || shelf.silent.remove(&entry.id).is_none() {
                end_entry(&layers, &mut shelf, &name, self.sequence);
            }
            let effect = entry.state.effect();
            if effect == Effect::Absent || entry.signals.is_empty() {
                if entry.state != EntryState::Removed {
                    shelf.silent.insert(entry.id.clone());
                }
                continue;
            }
            draft.push(&name, effect, entry);
            is_empty = false;
            shelf.entries += 1;
            for banked in &entry.signals {
                *shelf.counts.entry(banked.signal.kind()).or_default() += 1;
                if counts(effect) {
                    *shelf.counting.entry(banked.signal.kind()).or_default() += 1;
                }
            }
        }
        shelf.number = number;
        shelf.bank.changed = at;
        shelf.bank.learned = at;
        self.shelves.set(key as usize, Some(Arc::new(shelf)));
        if !is_empty {
            self.take_tiny(&mut draft);
            self.layers.push(Arc::new(draft.finish(self.sequence)));
        }
        self.tidy();
    }

    /// Takes tiny layers over into one in the making that is tiny itself: it would be merged with them right afterwards.
    fn take_tiny(&mut self, draft: &mut Draft) {
        let is_tiny = |entries| entries <= self.sizes.at_once;
        while is_tiny(draft.len())
            && let Some(last) = self
                .layers
                .pop_if(|last| is_tiny(last.len()) && last.len() < merge::GROWTH * draft.len())
        {
            draft.absorb(&last);
        }
    }

    /// Drops layers in which nothing is left, and merges small ones.
    fn tidy(&mut self) {
        self.layers.retain(|layer| layer.ends.ended() < layer.len());
        self.layers.sort_by_key(|layer| std::cmp::Reverse(layer.len()));
        while let Some(merge) = self.merge_due(Pace::AtOnce, Room(0)) {
            self.adopt(merge.run());
        }
    }

    /// What should be merged at this pace. Whoever runs it has it adopted, and asks again; for one pace nobody else does
    /// so meanwhile. Layers of more hashes than any machine has memory for are merged where there is room.
    #[must_use]
    pub fn merge_due(&self, pace: Pace, room: Room) -> Option<Merge> {
        Merge::due(&self.layers, self.sequence, self.sizes, pace, room)
    }

    /// Puts one layer in the place of those that it was merged from, and gives those back.
    pub fn adopt(&mut self, merged: Merged) -> Retired {
        merged.catch_up(self.sequence);
        let (retired, output) = merged.into_parts();
        self.layers.retain(|layer| !retired.holds(layer));
        if output.ends.ended() < output.len() {
            self.layers.push(Arc::new(output));
        }
        self.layers.sort_by_key(|layer| std::cmp::Reverse(layer.len()));
        retired
    }

    /// Merges all that should be merged, here and now.
    pub fn settle(&mut self, room: Room) {
        let due = |matcher: &Self| {
            [Pace::Soon, Pace::InTime].iter().find_map(|pace| matcher.merge_due(*pace, room))
        };
        while let Some(merge) = due(self) {
            self.adopt(merge.run());
        }
    }

    fn enabled(&self) -> impl Iterator<Item = &Shelf> {
        self.all().filter(|shelf| shelf.bank.enabled)
    }

    fn all(&self) -> impl Iterator<Item = &Shelf> {
        let shelf = |number: &u32| self.shelves.get(*number as usize)?.as_deref();
        self.numbers.values().filter_map(shelf)
    }

    /// Every bank, by name.
    pub fn banks(&self) -> impl Iterator<Item = BankStatus<'_>> {
        self.all().map(Shelf::status)
    }

    /// One bank.
    #[must_use]
    pub fn bank(&self, id: &BankId) -> Option<BankStatus<'_>> {
        let number = self.numbers.get(id)?;
        Some(self.shelves.get(*number as usize)?.as_deref()?.status())
    }

    /// The banks whose findings make comparing a signal of this type count as carried out: positive, enabled, enforced
    /// for at least some items, with a rule for the type and signals of it that count, here or `elsewhere`.
    pub fn sources<'a>(
        &'a self,
        kind: &'a SignalType,
        elsewhere: impl Fn(&BankId) -> bool + 'a,
    ) -> impl Iterator<Item = &'a Bank> {
        self.enabled().filter_map(move |shelf| {
            let bank = &shelf.bank;
            (bank.role == BankRole::Positive
                && bank.mode == BankMode::Enforce
                && bank.ratio_millionths > 0
                && bank.rule(kind).is_some()
                && (shelf.counting.get(kind).is_some_and(|count| *count > 0)
                    || elsewhere(&bank.id)))
            .then_some(bank)
        })
    }
}

/// Ends the entry of this name with change `sequence`, where one of the layers has it.
fn end_entry(layers: &[&Layer], shelf: &mut Shelf, name: &Name<'_>, sequence: u64) {
    let found = layers.iter().find_map(|layer| Some((layer, layer.find(name)?)));
    let Some((layer, entry)) = found else { return };
    layer.ends.end(entry, sequence);
    let seen = layer.rows.get(entry);
    shelf.entries -= 1;
    for (kind, count) in seen.shape.iter() {
        less(&mut shelf.counts, kind, *count);
        if counts(seen.effect) {
            less(&mut shelf.counting, kind, *count);
        }
    }
}

fn less(counts: &mut BTreeMap<SignalType, u64>, kind: &SignalType, by: u64) {
    if let Some(count) = counts.get_mut(kind) {
        *count -= by;
        if *count == 0 {
            counts.remove(kind);
        }
    }
}

impl Shelf {
    fn status(&self) -> BankStatus<'_> {
        BankStatus {
            bank: &self.bank,
            number: self.number,
            signals: &self.counts,
            entries: self.entries,
            entry_count: (self.entries + self.silent.len()) as u64,
        }
    }
}

//! Matching: which entries of which banks a signal is equal or near to.
//!
//! The memory follows the banks entry by entry: what [`Matcher::put_entries`] was given is found, and what
//! it withdrew is not, by the next [`Matcher::search`]. Results come in a defined order.

use crate::core::bank::{Bank, BankMode, BankRole, Effect, Entry, EntryState};
use crate::core::hamming::{Index, Near};
use crate::core::id::{BankId, EntryId};
use crate::core::signal::{Signal, SignalType};
use crate::core::time::Time;
use crate::core::verdict::{Disposition, Provenance};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Place of a banked signal in the matcher's tables.
type Slot = u32;

/// One signal of one entry, as the matcher holds it.
#[derive(Debug, Clone)]
struct Held {
    bank: Arc<BankId>,
    entry: Arc<EntryId>,
    signal: Signal,
    quality: Option<u32>,
    effect: Effect,
    provenance: Arc<Provenance>,
}

/// A bank as the matcher holds it.
#[derive(Debug)]
struct Shelf {
    bank: Bank,
    name: Arc<BankId>,
    number: u64,
    entries: HashMap<Arc<EntryId>, Vec<Slot>>,
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
    pub entry: &'a EntryId,
    /// Bits that differ; 0 for exact types.
    pub distance: u32,
    /// Greatest distance at which the bank matches this type.
    pub distance_max: u32,
    /// What the bank's band asks for.
    pub disposition: Disposition,
    /// How far the entry counts.
    pub effect: Effect,
    /// Where the entry comes from.
    pub provenance: &'a Provenance,
}

/// All banks of one scope, ready to be matched against.
#[derive(Debug, Default)]
pub struct Matcher {
    shelves: BTreeMap<BankId, Shelf>,
    slots: Vec<Option<Held>>,
    free: Vec<Slot>,
    exact: HashMap<Signal, Vec<Slot>>,
    pictures: Index,
    frames: Index,
    provenances: HashSet<Arc<Provenance>>,
}

impl Matcher {
    /// Takes a bank's settings; its entries stay.
    pub fn put_bank(&mut self, number: u64, bank: &Bank) {
        match self.shelves.get_mut(&bank.id) {
            Some(shelf) => {
                shelf.bank = bank.clone();
                shelf.number = number;
            }
            None => {
                let shelf = Shelf {
                    bank: bank.clone(),
                    name: Arc::new(bank.id.clone()),
                    number,
                    entries: HashMap::new(),
                    silent: HashSet::new(),
                    counts: BTreeMap::new(),
                    counting: BTreeMap::new(),
                };
                self.shelves.insert(bank.id.clone(), shelf);
            }
        }
    }

    /// Forgets a bank with all its entries.
    pub fn delete_bank(&mut self, bank: &BankId) {
        if let Some(shelf) = self.shelves.remove(bank) {
            for slot in shelf.entries.into_values().flatten() {
                self.clear(slot);
            }
        }
    }

    /// Takes entries as they stand now; those it had under the same names are replaced.
    /// Entries of a bank it does not have are ignored: the bank went before them.
    pub fn put_entries(&mut self, number: u64, at: Time, bank: &BankId, entries: &[Entry]) {
        for entry in entries {
            self.put_entry(bank, entry);
        }
        if let Some(shelf) = self.shelves.get_mut(bank) {
            shelf.number = number;
            shelf.bank.changed = at;
            shelf.bank.learned = at;
        }
    }

    fn put_entry(&mut self, bank: &BankId, entry: &Entry) {
        self.take_entry(bank, &entry.id);
        let effect = entry.state.effect();
        if effect == Effect::Absent || entry.signals.is_empty() {
            if entry.state != EntryState::Removed
                && let Some(shelf) = self.shelves.get_mut(bank)
            {
                shelf.silent.insert(entry.id.clone());
            }
            return;
        }
        let Some(shelf_name) = self.shelves.get(bank).map(|shelf| Arc::clone(&shelf.name)) else {
            return;
        };
        let name = Arc::new(entry.id.clone());
        let provenance = self.shared(&entry.provenance);
        let mut slots = Vec::with_capacity(entry.signals.len());
        for banked in &entry.signals {
            slots.push(self.place(Held {
                bank: Arc::clone(&shelf_name),
                entry: Arc::clone(&name),
                signal: banked.signal.clone(),
                quality: banked.quality,
                effect,
                provenance: Arc::clone(&provenance),
            }));
        }
        if let Some(shelf) = self.shelves.get_mut(bank) {
            for banked in &entry.signals {
                *shelf.counts.entry(banked.signal.kind()).or_default() += 1;
                if counts(effect) {
                    *shelf.counting.entry(banked.signal.kind()).or_default() += 1;
                }
            }
            shelf.entries.insert(name, slots);
        }
    }

    fn take_entry(&mut self, bank: &BankId, entry: &EntryId) {
        let Some(shelf) = self.shelves.get_mut(bank) else { return };
        shelf.silent.remove(entry);
        let Some(slots) = shelf.entries.remove(entry) else { return };
        for slot in slots {
            if let Some(held) = self.clear(slot)
                && let Some(shelf) = self.shelves.get_mut(bank)
            {
                let kind = held.signal.kind();
                one_less(&mut shelf.counts, &kind);
                if counts(held.effect) {
                    one_less(&mut shelf.counting, &kind);
                }
            }
        }
    }

    fn shared(&mut self, provenance: &Provenance) -> Arc<Provenance> {
        if let Some(known) = self.provenances.get(provenance) {
            return Arc::clone(known);
        }
        let fresh = Arc::new(provenance.clone());
        self.provenances.insert(Arc::clone(&fresh));
        fresh
    }

    fn index_of(&mut self, signal: &Signal) -> Option<&mut Index> {
        match signal {
            Signal::Pdq(_) => Some(&mut self.pictures),
            Signal::VpdqFrame(_) => Some(&mut self.frames),
            _ => None,
        }
    }

    fn place(&mut self, held: Held) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 signals in one scope")
        });
        if let Some(bits) = held.signal.bits().copied() {
            if let Some(index) = self.index_of(&held.signal) {
                index.insert(bits, slot);
            }
        } else {
            self.exact.entry(held.signal.clone()).or_default().push(slot);
        }
        self.slots[slot as usize] = Some(held);
        slot
    }

    fn clear(&mut self, slot: Slot) -> Option<Held> {
        let held = self.slots.get_mut(slot as usize)?.take()?;
        if let Some(bits) = held.signal.bits().copied() {
            if let Some(index) = self.index_of(&held.signal) {
                index.remove(&bits, slot);
            }
        } else if let Some(slots) = self.exact.get_mut(&held.signal) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.exact.remove(&held.signal);
            }
        }
        self.free.push(slot);
        // One count is the table's, one is the signal's just taken: nobody else needs it any more.
        if Arc::strong_count(&held.provenance) == 2 {
            self.provenances.remove(&held.provenance);
        }
        Some(held)
    }

    /// Every entry that the query is equal or near to, in each enabled bank by the bank's own rule;
    /// nearest first, then by bank and entry. A query or an entry below a bank's quality is not matched there.
    #[must_use]
    pub fn search(&self, query: Query<'_>) -> Vec<Hit<'_>> {
        let kind = query.signal.kind();
        let radius = self
            .shelves
            .values()
            .filter(|shelf| shelf.bank.enabled)
            .filter_map(|shelf| shelf.bank.rule(&kind))
            .map(crate::core::bank::SignalRule::distance_max)
            .max();
        let Some(radius) = radius else { return Vec::new() };
        let near = match query.signal {
            Signal::Pdq(bits) => self.pictures.query(bits, radius),
            Signal::VpdqFrame(bits) => self.frames.query(bits, radius),
            other => {
                let equal = self.exact.get(other).into_iter().flatten();
                equal.map(|id| Near { distance: 0, id: *id }).collect()
            }
        };
        let mut hits: Vec<_> = near
            .into_iter()
            .filter_map(|near| self.hit(query.quality, &kind, near.distance, near.id))
            .collect();
        hits.sort_by(|a, b| {
            (a.distance, &a.bank.id, a.entry).cmp(&(b.distance, &b.bank.id, b.entry))
        });
        hits
    }

    fn hit(
        &self,
        quality: Option<u32>,
        kind: &SignalType,
        distance: u32,
        slot: Slot,
    ) -> Option<Hit<'_>> {
        let held = self.slots.get(slot as usize)?.as_ref()?;
        let bank = &self.shelves.get(held.bank.as_ref())?.bank;
        let rule = bank.rule(kind).filter(|_| bank.enabled)?;
        let good_enough = |quality: Option<u32>| quality.is_none_or(|q| q >= rule.quality_min);
        if !good_enough(quality) || !good_enough(held.quality) {
            return None;
        }
        Some(Hit {
            bank,
            entry: &held.entry,
            distance,
            distance_max: rule.distance_max(),
            disposition: rule.disposition_at(distance)?,
            effect: held.effect,
            provenance: &held.provenance,
        })
    }

    /// Every bank, by name.
    pub fn banks(&self) -> impl Iterator<Item = BankStatus<'_>> {
        self.shelves.values().map(Shelf::status)
    }

    /// One bank.
    #[must_use]
    pub fn bank(&self, id: &BankId) -> Option<BankStatus<'_>> {
        self.shelves.get(id).map(Shelf::status)
    }

    /// The banks whose findings make comparing a signal of this type count as carried out: positive, enabled, enforced
    /// for at least some items, with a rule for the type and signals of it that count.
    pub fn sources<'a>(&'a self, kind: &'a SignalType) -> impl Iterator<Item = &'a Bank> {
        self.shelves.values().filter_map(move |shelf| {
            let bank = &shelf.bank;
            (bank.role == BankRole::Positive
                && bank.enabled
                && bank.mode == BankMode::Enforce
                && bank.ratio_millionths > 0
                && bank.rule(kind).is_some()
                && shelf.counting.get(kind).is_some_and(|count| *count > 0))
            .then_some(bank)
        })
    }
}

fn one_less(counts: &mut BTreeMap<SignalType, u64>, kind: &SignalType) {
    if let Some(count) = counts.get_mut(kind) {
        *count -= 1;
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
            entries: self.entries.len(),
            entry_count: (self.entries.len() + self.silent.len()) as u64,
        }
    }
}

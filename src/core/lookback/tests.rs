//! Pairs against a model that compares everything with everything.

pub mod model;

use super::*;
use crate::core::access::{Environment, Scope};
use crate::core::bank::{Entry, EntryState, RATIO_ALL, SignalRule};
use crate::core::event::Event;
use crate::core::hamming::Scratch;
use crate::core::id::{BankId, EntryId, ItemId};
use crate::core::matcher::window::Window;
use crate::core::time::Time;
use model::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What stands and was told, or stands and was told by a verdict: by the rules of this room.
#[derive(Default)]
struct Keeper {
    window: Window,
    items: BTreeMap<u64, Remembered>,
    banks: Banks,
    entries: BTreeMap<(BankId, EntryId), Entry>,
    events: Vec<Event>,
    pairs: BTreeMap<Pair, bool>,
    scratch: Scratch,
}

impl Keeper {
    fn event(&mut self, event: Event) {
        match &event {
            Event::EntriesPut { bank, entries, .. } => {
                for entry in entries {
                    self.entries.insert((bank.clone(), entry.id.clone()), entry.clone());
                }
            }
            Event::BankDeleted { bank, .. } => self.entries.retain(|(of, _), _| of != bank),
            _ => {}
        }
        let number = self.events.len() as u64 + 1;
        self.banks.take(number, &event);
        self.events.push(event.clone());
        self.heed(number, &event, 0);
    }

    fn heed(&mut self, number: u64, event: &Event, from: u64) {
        for task in self.banks.heed(number, event) {
            match task {
                Task::Withdraw(_, bank, gone) => {
                    let is_gone = |(of, entry, item): &Pair| {
                        of == bank && gone.contains(&entry) && *item >= from
                    };
                    self.pairs.retain(|pair, _| !is_gone(pair));
                }
                Task::Close(_, bank) => {
                    self.pairs.retain(|(of, _, item), _| of != bank || *item < from);
                }
                Task::Seek(_, bank, entries) => {
                    let entries: Vec<_> = entries.into_iter().cloned().collect();
                    entries.iter().for_each(|entry| self.seek(bank, entry, from));
                }
                Task::Sweep(_, bank) => {
                    let of = self.entries.iter().filter(|((of, _), _)| of == bank);
                    let entries: Vec<_> = of.map(|(_, entry)| entry.clone()).collect();
                    entries.iter().for_each(|entry| self.seek(bank, entry, from));
                }
            }
        }
    }

    fn seek(&mut self, bank: &BankId, entry: &Entry, from: u64) {
        let bank = self.banks.get(&scope(), bank).expect("a bank that is sought for");
        let mut found = BTreeSet::new();
        for banked in &entry.signals {
            let radius = bank.rule(&banked.signal.kind()).map_or(0, SignalRule::distance_max);
            self.window.search(from, &banked.signal, radius, &mut self.scratch, |sighting| {
                found.insert(sighting.item);
            });
        }
        for item in found {
            if meet(bank, entry, &self.items[&item]).is_some() {
                let pair = (bank.id.clone(), entry.id.clone(), item);
                self.pairs.entry(pair).or_insert(true);
            }
        }
    }

    fn item(&mut self, number: u64, item: Remembered, index: u64, told: &[(BankId, EntryId)]) {
        let signals = item.probes.iter().map(|probe| (&probe.signal, probe.quality)).collect();
        self.window.add([(number, signals)]);
        self.items.insert(number, item);
        for (bank, entry) in told {
            self.pairs.insert((bank.clone(), entry.clone(), number), false);
        }
        for at in index as usize..self.events.len() {
            let event = self.events[at].clone();
            self.heed(at as u64 + 1, &event, number);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn in_whatever_order_items_come_and_banks_learn_the_same_pairs_stand(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut keeper = Keeper::default();
        let mut items: Vec<Item> = Vec::new();
        let at = Time::default();
        for step in steps {
            match step {
                Step::Bank(name, shape, distance, quality, ratio) => {
                    let bank = bank(name, shape, distance, quality, ratio);
                    keeper.event(Event::BankPut { scope: scope(), bank });
                }
                Step::Delete(name) => {
                    let bank = bank(name, 9, 0, 0, 0).id;
                    keeper.event(Event::BankDeleted { scope: scope(), bank, at });
                }
                Step::Entries(name, entries) => {
                    let bank = bank(name, 9, 0, 0, 0).id;
                    let entries = entries
                        .iter()
                        .map(|(name, state, signals)| {
                            entry(*name, STATES[usize::from(*state)], signals)
                        })
                        .collect();
                    // The store records no entries of a bank that is not there.
                    if keeper.banks.get(&scope(), &bank).is_some() {
                        keeper.event(Event::EntriesPut { scope: scope(), bank, entries, at });
                    }
                }
                Step::Item(signals, late, told) => {
                    let number = items.len() as u64 + 1;
                    let item = remembered(number, &signals);
                    let index = (keeper.events.len() as u64).saturating_sub(u64::from(late));
                    let mut then = Model::default();
                    keeper.events[..index as usize].iter().for_each(|event| then.event(event));
                    let known = if told { then.of_item(&item) } else { Vec::new() };
                    keeper.item(number, item.clone(), index, &known);
                    items.push((number, item, index, told, u64::MAX, keeper.events.len() as u64));
                }
                Step::Forget(place) => {
                    let living = items.iter_mut().filter(|(.., gone, _)| *gone == u64::MAX);
                    let mut living: Vec<_> = living.collect();
                    if !living.is_empty() {
                        let place = place % living.len();
                        let (number, .., gone, _) = &mut *living[place];
                        *gone = keeper.events.len() as u64;
                        keeper.window.end(*number);
                        keeper.items.remove(number);
                        keeper.pairs.retain(|(_, _, item), _| item != number);
                    }
                }
                Step::Gather => {
                    while let Some(gathering) = keeper.window.gathering() {
                        keeper.window.adopt(gathering.run());
                    }
                }
            }
        }
        let mut expected = in_order(&keeper.events, &items);
        expected.retain(|pair, _| keeper.pairs.contains_key(pair) || !is_closed_by_then(pair, &keeper.events, &items));
        prop_assert_eq!(keeper.pairs, expected);
    }

    #[test]
    fn an_item_is_read_as_it_was_written(signals in signals(), cut in any::<prop::sample::Index>()) {
        let item = remembered(7, &signals);
        let bytes = item.to_bytes();
        let read = Remembered::from_bytes(&bytes).expect("what was written");
        prop_assert_eq!(read.to_bytes(), bytes.clone());
        let shape = |item: &Remembered| -> Vec<_> {
            let probes = item.probes.iter();
            probes.map(|p| (p.signal.clone(), p.quality, p.part.clone(), p.frame)).collect()
        };
        prop_assert_eq!(shape(&read), shape(&item));
        prop_assert_eq!((read.item, read.surface, read.screened), (item.item, item.surface, item.screened));
        // Whatever is cut off or changed, nothing breaks.
        let short = &bytes[..cut.index(bytes.len())];
        let _ = Remembered::from_bytes(short);
    }
}

#[test]
fn a_bank_that_closed_for_a_while_has_the_pairs_told_anew_that_a_verdict_on_its_way_had_told() {
    let mut keeper = Keeper::default();
    let signals = [(2, 8, None)];
    let put = |shape| Event::BankPut { scope: scope(), bank: bank(0, shape, 8, 0, RATIO_ALL) };
    let list = vec![entry(0, EntryState::Active, &signals)];
    let id = bank(0, 3, 8, 0, RATIO_ALL).id;
    keeper.event(put(3));
    let at = Time::default();
    let entries = Event::EntriesPut { scope: scope(), bank: id.clone(), entries: list, at };
    keeper.event(entries);
    keeper.event(put(0));
    keeper.event(put(3));
    let told = (id.clone(), EntryId::parse("e0").unwrap());
    keeper.item(1, remembered(1, &signals), 2, std::slice::from_ref(&told));
    assert_eq!(keeper.pairs, BTreeMap::from([((told.0, told.1, 1), true)]));
}

#[test]
fn a_pair_has_one_name_and_two_pairs_have_two() {
    let id = |text: &str| ItemId::parse(text).unwrap();
    let (b, e) = (BankId::parse("b").unwrap(), |text: &str| EntryId::parse(text).unwrap());
    let name = pair_id(&scope(), &b, &e("e1"), &id("i"));
    assert_eq!(name, pair_id(&scope(), &b, &e("e1"), &id("i")));
    // Names that run into each other are not the same.
    assert_ne!(name, pair_id(&scope(), &b, &e("e"), &id("1i")));
    let other = Scope { environment: Environment::Production, ..scope() };
    assert_ne!(name, pair_id(&other, &b, &e("e1"), &id("i")));
}

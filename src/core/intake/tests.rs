//! Intake, against what a bank would have when records come in any order.

use super::*;
use crate::core::bank::{BankMode, BankRole, Effect, RATIO_ALL, SignalRule};
use crate::core::curation::remove_entry;
use crate::core::id::BankId;
use crate::core::opinion::Merged;
use crate::core::record::{RecordKey, SaidOpinion};
use crate::core::signal::SignalType;
use proptest::prelude::*;
use std::collections::BTreeMap;

const NOW: Time = Time::from_millis(1000);

fn bank() -> Bank {
    Bank {
        id: BankId::parse("known").unwrap(),
        display_name: String::new(),
        role: BankRole::Positive,
        mode: BankMode::Enforce,
        enabled: true,
        ratio_millionths: RATIO_ALL,
        rules: vec![SignalRule::usual(SignalType::Md5)],
        vetted: false,
        legal_basis: "law".into(),
        freshness_max: None,
        quorum: None,
        version: 1,
        created: NOW,
        changed: NOW,
        learned: NOW,
    }
}

fn source(name: &str) -> Source {
    Source { name: name.into(), enters_as: EntryState::Trial, names_values: false }
}

fn listed(value: u8) -> Listed {
    Listed {
        signals: vec![BankedSignal::new(Signal::Md5([value; 16]), None)],
        organisation: "42".into(),
        classification: format!("A{value}"),
        ..Listed::default()
    }
}

fn record(key: u8, updated: Option<i64>, says: Option<Listed>) -> Record {
    Record {
        place: 1,
        key: RecordKey::parse(&format!("k{key}")).unwrap(),
        updated: updated.map(Time::from_millis),
        says: says.map_or(Says::Withdrawn, |listed| Says::Listed(Box::new(listed))),
    }
}

/// A bank's entries, as the store would have them.
#[derive(Default)]
struct Kept(BTreeMap<EntryId, Entry>, HashMap<EntryId, Vec<Signal>>, Cap);

impl Kept {
    fn known(&self, signal: &Signal) -> Known {
        let holds = |entry: &&Entry| {
            let tombstone = entry.state == EntryState::Removed && !entry.is_withdrawn();
            if tombstone {
                self.1.get(&entry.id).is_some_and(|signals| signals.contains(signal))
            } else {
                entry.signals.iter().any(|banked| banked.signal == *signal)
            }
        };
        let mut found: Vec<_> = self.0.values().filter(holds).collect();
        found.sort_by_key(|entry| entry.state == EntryState::Removed);
        found.first().map(|entry| (entry.id.clone(), entry.state))
    }

    fn put(&mut self, entry: Entry) {
        if entry.state != EntryState::Removed {
            let signals = entry.signals.iter().map(|banked| banked.signal.clone()).collect();
            self.1.insert(entry.id.clone(), signals);
        }
        self.0.insert(entry.id.clone(), entry);
    }

    fn take(&mut self, source: &Source, records: Vec<Record>) -> Intake {
        let beside = |record: &Record| {
            let id = EntryId::parse(&format!("{}-{}", source.name, record.key.as_str())).unwrap();
            let known = match &record.says {
                Says::Listed(listed) => {
                    listed.signals.iter().map(|banked| self.known(&banked.signal)).collect()
                }
                Says::Withdrawn | Says::Absent => Vec::new(),
            };
            Beside { entry: self.0.get(&id).cloned(), id, known }
        };
        let records: Vec<_> = records
            .into_iter()
            .map(|record| {
                let beside = beside(&record);
                (record, beside)
            })
            .collect();
        let mut intake =
            take_records(&bank(), source, records, &mut self.2, |_, _| Fired::Clean, NOW);
        let changed = std::mem::take(&mut intake.changed);
        changed.into_iter().for_each(|one| self.put(one.after));
        intake
    }

    fn one(&self, name: &str) -> &Entry {
        &self.0[&EntryId::parse(name).unwrap()]
    }
}

fn counts(intake: &Intake) -> [u64; 5] {
    let Intake { taken, replaced, withdrawn, already_present, tombstoned, .. } = intake;
    [*taken, *replaced, *withdrawn, *already_present, *tombstoned]
}

#[test]
fn the_same_records_twice_change_nothing() {
    let mut kept = Kept::default();
    let records = || vec![record(1, Some(5), Some(listed(1))), record(2, None, Some(listed(2)))];
    assert_eq!(counts(&kept.take(&source("s"), records())), [2, 0, 0, 0, 0]);
    let before = kept.0.clone();
    assert_eq!(counts(&kept.take(&source("s"), records())), [0, 0, 0, 2, 0]);
    assert_eq!(kept.0, before);
}

#[test]
fn a_later_record_replaces_the_earlier_one_whole_and_keeps_what_was_said_here() {
    let mut kept = Kept::default();
    let mut first = listed(1);
    let disagrees = |organisation: &str| SaidOpinion {
        organisation: organisation.into(),
        value: Value::Negative,
        reasons: vec!["test data".into()],
        at: None,
    };
    first.opinions = vec![disagrees("7")];
    kept.take(&source("s"), vec![record(1, Some(5), Some(first))]);
    assert_eq!(kept.one("s-k1").provenance.opinion, Some(Merged::Disputed));
    let mut entry = kept.one("s-k1").clone();
    change(&mut entry, |background| {
        let here = Opinion { by: Party::Here, value: Value::Seed, reasons: vec![], at: None };
        put_opinion(&mut background.opinions, here).unwrap();
        background.asked = EntryState::Active;
    });
    kept.put(entry);
    let intake = kept.take(&source("s"), vec![record(1, Some(6), Some(listed(3)))]);
    assert_eq!(counts(&intake), [0, 1, 0, 0, 0]);
    let entry = kept.one("s-k1");
    assert_eq!(entry.signals[0].signal, Signal::Md5([3; 16]));
    assert_eq!(entry.provenance.classification, "A3");
    let said: Vec<_> = entry.opinions().iter().map(|opinion| opinion.value).collect();
    assert_eq!(said, [Value::Seed, Value::Positive], "ours, and that of who lists it");
    assert_eq!(entry.state, EntryState::Active, "what was asked here stays");
}

#[test]
fn an_older_update_after_a_withdrawal_does_not_revive_and_a_newer_one_does() {
    let mut kept = Kept::default();
    kept.take(&source("s"), vec![record(1, Some(5), Some(listed(1)))]);
    assert_eq!(counts(&kept.take(&source("s"), vec![record(1, Some(9), None)])), [0, 0, 1, 0, 0]);
    assert!(kept.one("s-k1").is_withdrawn() && kept.one("s-k1").signals.is_empty());
    for older in [5, 8, 9] {
        let intake = kept.take(&source("s"), vec![record(1, Some(older), Some(listed(1)))]);
        assert_eq!(counts(&intake), [0, 0, 0, 1, 0], "{older}");
        assert!(kept.one("s-k1").is_withdrawn());
    }
    let intake = kept.take(&source("s"), vec![record(1, Some(10), Some(listed(1)))]);
    assert_eq!(counts(&intake), [1, 0, 0, 0, 0]);
    assert_eq!(kept.one("s-k1").state, EntryState::Trial);
}

#[test]
fn what_did_not_come_with_everything_else_goes_and_may_come_again_as_it_was() {
    let mut kept = Kept::default();
    let absent = |key| Record { says: Says::Absent, ..record(key, None, None) };
    kept.take(&source("s"), vec![record(1, Some(5), Some(listed(1)))]);
    assert_eq!(counts(&kept.take(&source("s"), vec![absent(1), absent(2)])), [0, 0, 1, 1, 0]);
    assert!(kept.one("s-k1").is_withdrawn());
    assert_eq!(kept.0.len(), 1, "what was never here leaves nothing");
    assert_eq!(
        counts(&kept.take(&source("s"), vec![record(1, Some(5), Some(listed(1)))])),
        [1, 0, 0, 0, 0]
    );
    // Unlike what the source itself withdrew.
    kept.take(&source("s"), vec![record(1, Some(6), None)]);
    assert_eq!(
        counts(&kept.take(&source("s"), vec![record(1, Some(6), Some(listed(1)))])),
        [0, 0, 0, 1, 0]
    );
}

#[test]
fn a_withdrawal_of_what_never_came_keeps_an_older_state_out() {
    let mut kept = Kept::default();
    kept.take(&source("s"), vec![record(1, Some(9), None)]);
    kept.take(&source("s"), vec![record(1, Some(5), Some(listed(1)))]);
    assert!(kept.one("s-k1").is_withdrawn());
}

#[test]
fn what_was_removed_here_stays_removed_whatever_its_sources_say() {
    let mut kept = Kept::default();
    kept.take(&source("s"), vec![record(1, Some(5), Some(listed(1)))]);
    let removed = remove_entry(kept.one("s-k1").clone(), None).unwrap();
    kept.put(removed.clone());
    for again in [record(1, Some(6), Some(listed(1))), record(1, Some(7), Some(listed(9)))] {
        assert_eq!(counts(&kept.take(&source("s"), vec![again])), [0, 0, 0, 0, 1]);
    }
    let other = kept.take(&source("t"), vec![record(1, Some(8), Some(listed(1)))]);
    assert_eq!(
        counts(&other),
        [0, 0, 0, 0, 1],
        "nor by another source, where the value is the same"
    );
    kept.take(&source("s"), vec![record(1, Some(9), None)]);
    kept.take(&source("s"), vec![record(1, Some(10), Some(listed(1)))]);
    assert_eq!(*kept.one("s-k1"), removed);
}

#[test]
fn what_a_source_withdrew_may_come_from_another() {
    let mut kept = Kept::default();
    kept.take(&source("s"), vec![record(1, Some(5), Some(listed(1))), record(1, Some(6), None)]);
    let other = kept.take(&source("t"), vec![record(1, Some(1), Some(listed(1)))]);
    assert_eq!(counts(&other), [1, 0, 0, 0, 0]);
}

#[test]
fn sources_that_list_the_same_value_do_not_overwrite_each_other() {
    let mut kept = Kept::default();
    kept.take(&source("s"), vec![record(1, Some(5), Some(listed(1)))]);
    kept.take(&source("t"), vec![record(1, Some(5), Some(listed(1)))]);
    kept.take(&source("t"), vec![record(1, Some(6), None)]);
    assert_eq!(kept.one("s-k1").state, EntryState::Trial);
    assert_eq!(kept.one("s-k1").provenance.exchange, "s");
}

#[test]
fn a_source_that_names_records_by_values_does_not_tell_them() {
    let mut kept = Kept::default();
    let tells = Source { names_values: true, ..source("s") };
    kept.take(&tells, vec![record(1, Some(5), Some(listed(1)))]);
    assert_eq!(kept.one("s-k1").provenance.source_record, "");
    kept.take(&source("t"), vec![record(1, Some(5), Some(listed(1)))]);
    assert_eq!(kept.one("t-k1").provenance.source_record, "k1");
}

#[test]
fn what_came_beyond_the_cap_stays_aside_whatever_its_source_makes_of_it_until_a_day_with_room() {
    let mut kept = Kept::default();
    let on = |kept: &mut Kept, day: i64, key, value| {
        kept.2 = Cap::new(1, kept.2.brought(), Time::from_millis(day * DAY_MILLIS));
        kept.take(&source("s"), vec![record(key, None, value)])
    };
    on(&mut kept, 0, 1, Some(listed(1)));
    let intake = on(&mut kept, 0, 2, Some(listed(2)));
    assert_eq!((intake.taken, intake.over_cap), (1, 1));
    for value in [Some(listed(3)), None, Some(listed(2)), Some(listed(2))] {
        on(&mut kept, 0, 2, value);
        assert!(kept.one("s-k2").state.effect() == Effect::Absent);
    }
    assert_eq!(kept.2.brought().beyond, 2, "brought, and brought again after it was withdrawn");
    assert_eq!(kept.one("s-k1").state, EntryState::Trial);
    let intake = on(&mut kept, 1, 2, Some(listed(2)));
    assert_eq!((kept.one("s-k2").state, intake.replaced), (EntryState::Trial, 1));
    on(&mut kept, 1, 3, Some(listed(3)));
    assert!(kept.one("s-k3").is_over_cap(), "it took the room of that day");
}

#[test]
fn an_entry_that_has_another_beginning_is_not_taken_over() {
    let mut kept = Kept::default();
    kept.take(&source("s"), vec![record(1, Some(5), Some(listed(1)))]);
    let mut by_hand = kept.one("s-k1").clone();
    by_hand.background = None;
    kept.put(by_hand.clone());
    let intake = kept.take(&source("s"), vec![record(1, Some(6), Some(listed(2)))]);
    assert_eq!(intake.refused.len(), 1);
    assert_eq!(*kept.one("s-k1"), by_hand);
}

const DAY_MILLIS: i64 = 86_400_000;

proptest! {
    /// Records of one source, listed, changed, withdrawn and listed again, over some days, with a restart after each.
    #[test]
    fn no_more_entries_come_to_be_matched_in_a_day_than_the_cap_says_and_none_is_lost(
        per_day in 1_u32..4,
        steps in prop::collection::vec((0..9_u8, prop::option::of(0..5_u8), prop::bool::weighted(0.1)), 1..80),
    ) {
        let mut kept = Kept::default();
        let (mut day, mut came) = (0, 0);
        for (key, value, is_next_day) in steps {
            if is_next_day {
                (day, came) = (day + 1, 0);
            }
            kept.2 = Cap::new(per_day, kept.2.brought(), Time::from_millis(day * DAY_MILLIS));
            let name = EntryId::parse(&format!("s-k{key}")).unwrap();
            let is_matched = |kept: &Kept| {
                kept.0.get(&name).is_some_and(|entry| entry.state.effect() != Effect::Absent)
            };
            let was = is_matched(&kept);
            let intake = kept.take(&source("s"), vec![record(key, None, value.map(listed))]);
            came += u32::from(is_matched(&kept) && !was);
            prop_assert!(came <= per_day);
            prop_assert!(is_matched(&kept) || came == per_day || value.is_none());
            prop_assert!(!was || value.is_none() || is_matched(&kept), "what is replaced stays");
            let held = kept.0.get(&name).filter(|entry| entry.state != EntryState::Removed);
            let held = held.map(|entry| entry.signals[0].signal.clone());
            prop_assert_eq!(held, value.map(|value| Signal::Md5([value; 16])));
            prop_assert!(intake.over_cap <= intake.taken);
        }
    }

    /// States of records with times of their own, delivered in any order, in any pieces, with repetitions.
    #[test]
    fn in_whatever_order_records_come_the_latest_state_of_each_stands(
        states in prop::collection::btree_map((0..4_u8, 0..9_i64), prop::option::of(0..5_u8), 1..16),
        order in prop::collection::vec((any::<prop::sample::Index>(), 1..4_usize), 0..40),
    ) {
        let all: Vec<_> = states
            .iter()
            .map(|((key, at), value)| record(*key, Some(*at), value.map(listed)))
            .collect();
        let mut latest: BTreeMap<u8, Option<u8>> = BTreeMap::new();
        for ((key, _), value) in &states {
            latest.insert(*key, *value);
        }
        let mut kept = Kept::default();
        for (place, length) in order {
            let at = place.index(all.len());
            let some = all[at..all.len().min(at + length)].iter().rev().cloned().collect();
            kept.take(&source("s"), some);
        }
        // Every state comes at least once.
        kept.take(&source("s"), all);
        for (key, value) in latest {
            let entry = kept.0.get(&EntryId::parse(&format!("s-k{key}")).unwrap());
            let held = entry.filter(|entry| entry.state != EntryState::Removed);
            let held = held.map(|entry| entry.signals[0].signal.clone());
            prop_assert_eq!(held, value.map(|value| Signal::Md5([value; 16])));
        }
        let before = kept.0.clone();
        let again = states
            .iter()
            .map(|((key, at), value)| record(*key, Some(*at), value.map(listed)))
            .collect();
        kept.take(&source("s"), again);
        prop_assert_eq!(kept.0, before, "a repetition changes nothing");
    }
}

//! The matcher against a list that is gone through from end to end, through changes, merges and pictures of before.

mod good;
mod model;
mod written;

use super::*;
use crate::core::advice::{Advice, AdviceType};
use crate::core::bank::{BankedSignal, EntryState, RATIO_ALL, SignalRule};
use crate::core::hamming::Scratch;
use crate::core::signal::{Bits256, CustomType, Signal};
use crate::core::verdict::Provenance;
use crate::core::video::track::Frame;
use proptest::prelude::*;
use std::collections::BTreeMap as Map;

const NOW: Time = Time::from_millis(1);

const KINDS: [SignalType; 6] = [
    SignalType::Md5,
    SignalType::Sha1,
    SignalType::Sha256,
    SignalType::Pdq,
    SignalType::VpdqFrame,
    SignalType::PhotoDna,
];

fn kinds() -> Vec<SignalType> {
    let own = SignalType::Custom(CustomType::parse("own").unwrap());
    KINDS.into_iter().chain([own, SignalType::Advice(AdviceType::Term)]).collect()
}

fn bank(name: &str, enabled: bool) -> Bank {
    Bank {
        id: BankId::parse(name).unwrap(),
        display_name: String::new(),
        role: BankRole::Positive,
        mode: BankMode::Enforce,
        enabled,
        ratio_millionths: RATIO_ALL,
        rules: kinds().into_iter().map(SignalRule::usual).collect(),
        vetted: true,
        legal_basis: String::new(),
        freshness_max: None,
        quorum: None,
        version: 1,
        created: NOW,
        changed: NOW,
        learned: NOW,
    }
}

/// One of few values of a type; perceptual ones lie near each other.
fn value(kind: usize, n: u8) -> Signal {
    let bits = |n: u8| Bits256([u64::from(n).pow(5), u64::from(n), 0, u64::MAX]);
    match kind {
        0 => Signal::Md5([n; 16]),
        1 => Signal::Sha1([n; 20]),
        2 => Signal::Sha256([n; 32]),
        3 => Signal::Pdq(bits(n)),
        4 => Signal::VpdqFrame(bits(n)),
        5 => Signal::PhotoDna([n, 1].into()),
        6 => Signal::Custom(CustomType::parse("own").unwrap(), [n].into()),
        _ => Signal::Advice(Advice::Term(format!("term {n}").into())),
    }
}

fn entry(name: u8, state: EntryState, signals: &[Given]) -> Entry {
    let mut banked: Vec<BankedSignal> = Vec::new();
    for (kind, n, quality) in signals {
        let signal = value(*kind, *n);
        if state != EntryState::Removed && banked.iter().all(|other| other.signal != signal) {
            banked.push(BankedSignal::new(signal, *quality));
        }
    }
    Entry {
        background: None,
        id: EntryId::parse(&format!("e{name}")).unwrap(),
        signals: banked,
        state,
        provenance: Provenance {
            source_record: format!("record {name}"),
            classification: format!("class {}", name % 3),
            ..Provenance::default()
        },
        note: String::new(),
        version: 1,
        created: NOW,
    }
}

/// What the matcher should be: everything in plain lists.
#[derive(Clone, Default)]
struct Model {
    banks: Map<BankId, Bank>,
    entries: Map<(BankId, EntryId), Entry>,
}

type Answer = Vec<(u32, String, String, String)>;

impl Model {
    fn search(&self, query: &Signal, quality: Option<u32>) -> Answer {
        let mut found = Vec::new();
        for ((bank, _), entry) in &self.entries {
            let bank = &self.banks[bank];
            let kind = query.kind();
            let mut of_video: Option<u32> = None;
            let mut others = Vec::new();
            for banked in &entry.signals {
                let listed = banked.signal.kind();
                let Some(rule) = rule_of(bank, &kind, &listed).filter(|_| bank.enabled) else {
                    continue;
                };
                let distance = match (query.bits(), banked.signal.bits()) {
                    (Some(a), Some(b)) => a.distance(b),
                    _ if banked.signal == *query => 0,
                    _ => continue,
                };
                let perceptual = kind.is_perceptual();
                let qualities = [quality, banked.quality.filter(|_| perceptual)];
                if qualities.iter().flatten().any(|quality| *quality < rule.quality_min)
                    || rule.disposition_at(distance).is_none()
                    || entry.state.effect() == Effect::Absent
                {
                    continue;
                }
                if listed == SignalType::VpdqFrame {
                    of_video = Some(of_video.map_or(distance, |best| best.min(distance)));
                } else {
                    others.push(distance);
                }
            }
            for distance in others.into_iter().chain(of_video) {
                let record = entry.provenance.source_record.clone();
                found.push((distance, bank.id.to_string(), entry.id.to_string(), record));
            }
        }
        found.sort();
        found
    }

    fn agrees(&self, matcher: &Matcher) {
        let mut scratch = Scratch::default();
        for kind in 0..8 {
            for n in 0..6 {
                for quality in [None, Some(40), Some(100)] {
                    let signal = value(kind, n);
                    let hits = matcher.search(Query { signal: &signal, quality }, &mut scratch);
                    let told = |hit: &Hit<'_>| {
                        let bank = hit.bank.id.to_string();
                        let record = hit.provenance.source_record.clone();
                        (hit.distance, bank, hit.entry.to_string(), record)
                    };
                    let found: Vec<_> = hits.iter().map(told).collect();
                    assert_eq!(found, self.search(&signal, quality), "{kind} {n} {quality:?}");
                }
            }
        }
        for ((bank, id), entry) in &self.entries {
            let is_frame = |banked: &&BankedSignal| banked.signal.kind() == SignalType::VpdqFrame;
            let frames = entry.signals.iter().filter(is_frame).zip(0..).map(|(banked, n)| Frame {
                bits: *banked.signal.bits().unwrap(),
                quality: banked.quality.unwrap_or(100) as u8,
                at: n * 1000,
            });
            let is_matched = entry.state.effect() != Effect::Absent;
            let frames: Vec<_> = frames.filter(|_| is_matched).collect();
            let track = matcher.track(bank, id);
            assert_eq!(track.as_ref().map_or(&[][..], |track| track.frames()), frames);
        }
        let names: Vec<_> = matcher.banks().map(|status| status.bank.id.clone()).collect();
        assert_eq!(names, self.banks.keys().cloned().collect::<Vec<_>>());
        for status in matcher.banks() {
            let own = self.entries.iter().filter(|((bank, _), _)| *bank == status.bank.id);
            let own: Vec<_> = own.map(|(_, entry)| entry).collect();
            let there = own.iter().filter(|entry| entry.state != EntryState::Removed).count();
            assert_eq!(status.entry_count, there as u64);
            let matching = |entry: &&&Entry| {
                entry.state.effect() != Effect::Absent && !entry.signals.is_empty()
            };
            assert_eq!(status.entries, own.iter().filter(matching).count());
            let mut signals: BTreeMap<SignalType, u64> = BTreeMap::new();
            for banked in own.iter().filter(matching).flat_map(|entry| &entry.signals) {
                *signals.entry(banked.signal.kind()).or_default() += 1;
            }
            assert_eq!(*status.signals, signals);
        }
    }
}

/// Type, value and quality of a signal.
type Given = (usize, u8, Option<u32>);

/// One act on a matcher.
#[derive(Debug, Clone)]
enum Act {
    Bank(u8, bool),
    Delete(u8),
    Put(u8, Vec<(u8, EntryState, Vec<Given>)>),
    /// Plans a merge of one of two paces, if one is due, or has the planned one run and adopted.
    Merge(usize),
    Picture,
}

impl Act {
    /// Does to both what changes what they answer.
    fn apply(self, matcher: &mut Matcher, model: &mut Model) {
        match self {
            Self::Bank(at, enabled) => {
                matcher.put_bank(1, &bank(&format!("b{at}"), enabled));
                model.banks.insert(name(at), bank(&format!("b{at}"), enabled));
            }
            Self::Delete(at) => {
                matcher.delete_bank(&name(at));
                model.banks.remove(&name(at));
                model.entries.retain(|(bank, _), _| *bank != name(at));
            }
            Self::Put(at, list) => {
                let list: Vec<_> = list
                    .iter()
                    .map(|(name, state, signals)| entry(*name, *state, signals))
                    .collect();
                matcher.put_entries(2, NOW, &name(at), &list);
                if model.banks.contains_key(&name(at)) {
                    for entry in list {
                        model.entries.insert((name(at), entry.id.clone()), entry);
                    }
                }
            }
            Self::Merge(_) | Self::Picture => {}
        }
    }
}

fn act() -> impl Strategy<Value = Act> {
    let state = prop_oneof![
        4 => Just(EntryState::Active),
        1 => Just(EntryState::Trial),
        1 => Just(EntryState::Disputed),
        1 => Just(EntryState::Proposed),
        3 => Just(EntryState::Removed),
    ];
    let quality = prop_oneof![Just(None), Just(Some(30)), Just(Some(90))];
    let signal = (0_usize..7, 0_u8..6, quality);
    let entry = (0_u8..12, state, prop::collection::vec(signal, 0..4));
    prop_oneof![
        1 => (0_u8..3, any::<bool>()).prop_map(|(bank, enabled)| Act::Bank(bank, enabled)),
        1 => (0_u8..3).prop_map(Act::Delete),
        8 => (0_u8..3, prop::collection::vec(entry, 1..5)).prop_map(|(bank, list)| Act::Put(bank, list)),
        3 => (0_usize..2).prop_map(Act::Merge),
        1 => Just(Act::Picture),
    ]
}

fn name(bank: u8) -> BankId {
    BankId::parse(&format!("b{bank}")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn through_changes_and_merges_it_answers_as_a_list_does_and_pictures_stay_as_they_were(
        acts in prop::collection::vec(act(), 1..60), at_once in 0_usize..5, more in 0_usize..5,
    ) {
        let sizes = Sizes { at_once, soon: at_once + more, ..SIZES };
        let (mut matcher, mut model) = (Matcher::merging(sizes), Model::default());
        for at in 0..2 {
            matcher.put_bank(0, &bank(&format!("b{at}"), true));
            model.banks.insert(name(at), bank(&format!("b{at}"), true));
        }
        let (mut planned, mut pictures) = ([None::<Merge>, None], Vec::new());
        for act in acts {
            match act {
                Act::Merge(pace) => match planned[pace].take() {
                    // Everything that came between the plan and now is caught up with.
                    Some(merge) => drop(matcher.adopt(merge.run())),
                    None => planned[pace] = matcher.merge_due([Pace::Soon, Pace::InTime][pace], Room(0)),
                },
                Act::Picture => pictures.push((matcher.clone(), model.clone())),
                change => change.apply(&mut matcher, &mut model),
            }
            model.agrees(&matcher);
        }
        for (picture, model) in &pictures {
            model.agrees(picture);
        }
    }
}

#[test]
fn however_many_changes_there_are_layers_stay_few_and_nothing_is_lost() {
    let mut matcher = Matcher::default();
    matcher.put_bank(0, &bank("b0", true));
    let names = 3_000_u32;
    let digest = |n: u32| {
        let mut digest = [0; 16];
        digest[..4].copy_from_slice(&n.to_le_bytes());
        Signal::Md5(digest)
    };
    let numbered = |n: u32, state| Entry {
        background: None,
        id: EntryId::parse(&format!("n{n}")).unwrap(),
        signals: vec![BankedSignal::new(digest(n), None)],
        ..entry(0, state, &[])
    };
    for n in 0..names {
        matcher.put_entries(1, NOW, &name(0), &[numbered(n, EntryState::Active)]);
        if n % 3 == 0 {
            matcher.put_entries(1, NOW, &name(0), &[numbered(n / 2, EntryState::Removed)]);
        }
        // As the thread does beside.
        if n % 64 == 0 {
            matcher.settle(Room(0));
            assert!(matcher.layers.len() <= 6, "{matcher:?}");
        }
        assert!(matcher.layers.len() <= 12, "{matcher:?}");
    }
    matcher.settle(Room(0));
    let removed: std::collections::HashSet<_> =
        (0..names).filter(|n| n % 3 == 0).map(|n| n / 2).collect();
    let mut scratch = Scratch::default();
    for n in 0..names {
        let signal = digest(n);
        let hits = matcher.search(Query { signal: &signal, quality: None }, &mut scratch);
        assert_eq!(hits.len(), usize::from(!removed.contains(&n)), "{n}");
    }
    for n in 0..names {
        matcher.put_entries(1, NOW, &name(0), &[numbered(n, EntryState::Removed)]);
    }
    matcher.settle(Room(0));
    assert_eq!(matcher.layers.iter().map(|layer| layer.len()).sum::<usize>(), 0, "{matcher:?}");
}

#[test]
fn a_tiny_layer_does_not_keep_larger_ones_from_being_merged() {
    let mut matcher = Matcher::merging(Sizes { at_once: 10, ..SIZES });
    matcher.put_bank(0, &bank("b0", true));
    let puts = |from: u8, to: u8| -> Vec<Entry> {
        (from..to).map(|n| entry(n, EntryState::Active, &[(0, n, None)])).collect()
    };
    matcher.put_entries(1, NOW, &name(0), &puts(0, 1));
    for n in 0..20 {
        matcher.put_entries(1, NOW, &name(0), &puts(1 + n * 12, 13 + n * 12));
    }
    matcher.settle(Room(0));
    let sizes: Vec<_> = matcher.layers.iter().map(|layer| layer.len()).collect();
    assert_eq!(sizes, [240, 1]);
    matcher.put_entries(1, NOW, &name(0), &puts(241, 246));
    matcher.put_entries(1, NOW, &name(0), &puts(246, 251));
    assert!(matcher.layers.len() <= 3, "{matcher:?}");
}

#[test]
fn one_value_of_many_entries_is_searched_once_and_found_under_each() {
    let mut matcher = Matcher::default();
    matcher.put_bank(0, &bank("b0", true));
    let signals = [(3, 1, Some(100))];
    let list: Vec<_> = (0..200).map(|n| entry(n, EntryState::Active, &signals)).collect();
    matcher.put_entries(1, NOW, &name(0), &list);
    let hits =
        matcher.search(Query { signal: &value(3, 1), quality: None }, &mut Scratch::default());
    assert_eq!(hits.len(), 200);
    assert!(hits.is_sorted_by_key(|hit| hit.entry.clone()));
}

#[test]
fn layers_of_more_hashes_than_is_never_asked_about_are_merged_where_there_is_room() {
    let mut matcher = Matcher::merging(Sizes { at_once: 1, soon: 8, unasked: 100 });
    matcher.put_bank(0, &bank("b0", true));
    let put = |matcher: &mut Matcher, from: u8, to: u8, state| {
        let one = |n| entry(n, state, &[(3, n, None)]);
        matcher.put_entries(1, NOW, &name(0), &(from..to).map(one).collect::<Vec<_>>());
    };
    put(&mut matcher, 0, 60, EntryState::Active);
    put(&mut matcher, 60, 120, EntryState::Active);
    let sizes = |matcher: &Matcher| -> Vec<usize> {
        matcher.layers.iter().map(|layer| layer.len()).collect()
    };
    let building: u64 = matcher.layers.iter().map(|layer| layer.bulk().building()).sum();
    assert!(building > 120 * 32, "at least the values");
    for (room, after) in [(0, vec![60, 60]), (building - 1, vec![60, 60]), (building, vec![120])] {
        matcher.settle(Room(room));
        assert_eq!(sizes(&matcher), after, "{room}");
    }
    // What has ended is given back where there is room for what is left.
    put(&mut matcher, 0, 40, EntryState::Removed);
    assert_eq!(sizes(&matcher), [120]);
    matcher.settle(Room(building * 3 / 5));
    assert_eq!(sizes(&matcher), [120]);
    matcher.settle(Room(building * 7 / 10));
    assert_eq!(sizes(&matcher), [80]);
}

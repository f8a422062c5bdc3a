//! A model that compares everything with everything, and what happens to it.

use crate::core::access::{Environment, Scope};
use crate::core::bank::{
    Band, Bank, BankMode, BankRole, BankedSignal, Entry, EntryState, RATIO_ALL, SignalRule,
};
use crate::core::event::Event;
use crate::core::id::{BankId, EntryId, ItemId, SurfaceId, TenantId};
use crate::core::lookback::{Remembered, is_told, looks_back, reaches_further};
use crate::core::screening::finding::is_within_ratio;
use crate::core::screening::question::Probe;
use crate::core::signal::{Bits256, Signal, SignalType};
use crate::core::time::Time;
use crate::core::verdict::{Dihedral, Disposition, Form, Provenance};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

pub fn scope() -> Scope {
    Scope { tenant: TenantId::parse("acme").unwrap(), environment: Environment::Test }
}

fn signal(kind: u8, seed: u8) -> Signal {
    let mut bits = Bits256([7, 7, 7, 7]);
    (0..seed % 64).for_each(|bit| bits.0[0] ^= 1 << bit);
    match kind % 3 {
        0 => Signal::Md5([seed % 6; 16]),
        1 => Signal::Pdq(bits),
        _ => Signal::VpdqFrame(bits),
    }
}

pub fn bank(name: u8, shape: u8, distance_max: u32, quality_min: u32, ratio: u32) -> Bank {
    let perceptual = |kind| {
        let bands = vec![Band { distance_max, disposition: Disposition::Hold }];
        SignalRule::new(kind, quality_min, bands)
    };
    Bank {
        id: BankId::parse(&format!("b{}", name % 2)).unwrap(),
        display_name: String::new(),
        role: if shape == 0 { BankRole::Negative } else { BankRole::Positive },
        mode: if shape == 1 { BankMode::Shadow } else { BankMode::Enforce },
        enabled: shape != 2,
        ratio_millionths: ratio,
        rules: vec![
            SignalRule::usual(SignalType::Md5),
            perceptual(SignalType::Pdq),
            perceptual(SignalType::VpdqFrame),
        ],
        vetted: true,
        legal_basis: String::new(),
        freshness_max: None,
        quorum: None,
        version: 1,
        created: Time::default(),
        changed: Time::default(),
        learned: Time::default(),
    }
}

pub fn entry(name: u8, state: EntryState, signals: &[(u8, u8, Option<u32>)]) -> Entry {
    let banked = |(kind, seed, quality): &(u8, u8, Option<u32>)| {
        let quality = quality.filter(|_| kind % 3 != 0);
        BankedSignal::new(signal(*kind, *seed), quality)
    };
    Entry {
        id: EntryId::parse(&format!("e{}", name % 5)).unwrap(),
        signals: signals.iter().map(banked).collect(),
        state,
        background: None,
        provenance: Provenance::default(),
        note: String::new(),
        version: 1,
        created: Time::default(),
    }
}

pub fn remembered(name: u64, signals: &[(u8, u8, Option<u32>)]) -> Remembered {
    let probe = |(kind, seed, quality): &(u8, u8, Option<u32>)| Probe {
        signal: signal(*kind, *seed),
        quality: quality.filter(|_| kind % 3 != 0),
        form: Form::Canonical,
        dihedral: Dihedral::Mirrored,
        part: if seed % 2 == 0 { "a/b".into() } else { "".into() },
        frame: u32::from(*seed),
        stream: 0,
    };
    Remembered {
        item: ItemId::parse(&format!("i{name}")).unwrap(),
        surface: SurfaceId::parse("upload").unwrap(),
        screened: Time::from_millis(-5),
        probes: signals.iter().map(probe).collect(),
    }
}

pub type Signals = Vec<(u8, u8, Option<u32>)>;

/// What happens.
#[derive(Debug, Clone)]
pub enum Step {
    Bank(u8, u8, u32, u32, u32),
    Delete(u8),
    Entries(u8, Vec<(u8, u8, Signals)>),
    /// An item that was decided on so many events ago, and whether its verdict told what it matched.
    Item(Signals, u8, bool),
    Forget(usize),
    Gather,
}

pub fn signals() -> impl Strategy<Value = Signals> {
    proptest::collection::vec((0_u8..3, 0_u8..64, proptest::option::of(0_u32..=100)), 0..3)
}

pub fn step() -> impl Strategy<Value = Step> {
    let ratio = prop_oneof![3 => Just(RATIO_ALL), 1 => Just(400_000_u32), 1 => Just(0)];
    let entry = (0_u8..5, 0_u8..7, signals());
    prop_oneof![
        2 => (0_u8..2, 0_u8..8, 0_u32..=63, 0_u32..=60, ratio)
            .prop_map(|(name, shape, distance, quality, ratio)| {
                Step::Bank(name, shape, distance, quality, ratio)
            }),
        1 => (0_u8..2).prop_map(Step::Delete),
        5 => (0_u8..2, proptest::collection::vec(entry, 1..4))
            .prop_map(|(bank, entries)| Step::Entries(bank, entries)),
        5 => (signals(), 0_u8..4, any::<bool>())
            .prop_map(|(signals, late, told)| Step::Item(signals, late, told)),
        1 => any::<usize>().prop_map(Step::Forget),
        1 => Just(Step::Gather),
    ]
}

pub const STATES: [EntryState; 7] = [
    EntryState::Proposed,
    EntryState::Quarantined,
    EntryState::Trial,
    EntryState::Active,
    EntryState::Disputed,
    EntryState::Retired,
    EntryState::Removed,
];

pub type Pair = (BankId, EntryId, u64);

/// Number, item, after how many events it was decided on, whether its verdict told what matched, after how many it was
/// forgotten, and after how many it joined the others.
pub type Item = (u64, Remembered, u64, bool, u64, u64);

/// The same, told by comparing everything with everything, where each item and event comes in its true order.
#[derive(Default)]
pub struct Model {
    banks: BTreeMap<BankId, Bank>,
    entries: BTreeMap<(BankId, EntryId), Entry>,
    items: BTreeMap<u64, Remembered>,
    pairs: BTreeMap<Pair, bool>,
}

impl Model {
    fn is_near(&self, bank: &Bank, entry: &Entry, item: &Remembered) -> bool {
        let counts = matches!(entry.state, EntryState::Active | EntryState::Disputed);
        let on = bank.enabled && bank.role == BankRole::Positive && bank.mode == BankMode::Enforce;
        let seed = item.item.to_string();
        let near = |banked: &BankedSignal, probe: &Probe| {
            let rule = bank.rule(&banked.signal.kind()).expect("a rule for each");
            let good =
                |quality: Option<u32>| quality.is_none_or(|quality| quality >= rule.quality_min);
            let close = match (&banked.signal, &probe.signal) {
                (Signal::Pdq(a), Signal::Pdq(b)) | (Signal::VpdqFrame(a), Signal::VpdqFrame(b)) => {
                    let differ = (0..4).map(|at| (a.0[at] ^ b.0[at]).count_ones()).sum::<u32>();
                    differ <= rule.bands[0].distance_max
                }
                (a, b) => a == b,
            };
            close && good(banked.quality) && good(probe.quality)
        };
        counts
            && on
            && is_within_ratio(&bank.id, seed.as_bytes(), bank.ratio_millionths)
            && entry.signals.iter().any(|b| item.probes.iter().any(|probe| near(b, probe)))
    }

    /// The entries that an item matches now.
    pub fn of_item(&self, item: &Remembered) -> Vec<(BankId, EntryId)> {
        let near = self.entries.iter().filter(|((bank, _), entry)| {
            self.banks.get(bank).is_some_and(|bank| self.is_near(bank, entry, item))
        });
        near.map(|(name, _)| name.clone()).collect()
    }

    /// Brings what stands up to date after a change of these entries of a bank, or of all.
    fn after(&mut self, bank: &BankId, some: Option<&BTreeSet<EntryId>>) {
        let is_meant = |entry: &EntryId| some.is_none_or(|some| some.contains(entry));
        let known = self.banks.get(bank).cloned();
        let live = known.as_ref().is_some_and(looks_back);
        let entries = &self.entries;
        self.pairs.retain(|(of, entry, _), _| {
            let told = || entries.get(&(of.clone(), entry.clone())).is_some_and(is_told);
            of != bank
                || !is_meant(entry)
                || (live && told())
                || (some.is_some() && !live && told())
        });
        let Some(known) = known.filter(looks_back) else { return };
        for ((of, name), entry) in &self.entries {
            for (number, item) in &self.items {
                if of == bank && is_meant(name) && self.is_near(&known, entry, item) {
                    self.pairs.entry((of.clone(), name.clone(), *number)).or_insert(true);
                }
            }
        }
    }

    pub fn event(&mut self, event: &Event) {
        match event {
            Event::BankPut { bank, .. } => {
                let before = self.banks.insert(bank.id.clone(), bank.clone());
                // A change that lets nothing new in tells nothing; one that closes the bank takes all back.
                if !looks_back(bank) || reaches_further(before.as_ref(), bank) {
                    self.after(&bank.id, None);
                }
            }
            Event::BankDeleted { bank, .. } => {
                self.banks.remove(bank);
                self.entries.retain(|(of, _), _| of != bank);
                self.after(bank, None);
            }
            Event::EntriesPut { bank, entries, .. } => {
                for entry in entries {
                    self.entries.insert((bank.clone(), entry.id.clone()), entry.clone());
                }
                let names = entries.iter().map(|entry| entry.id.clone()).collect();
                self.after(bank, Some(&names));
            }
            _ => {}
        }
    }
}

/// The model after everything happened in its true order: items that came late stand where they were decided on.
pub fn in_order(events: &[Event], items: &[Item]) -> BTreeMap<Pair, bool> {
    let mut model = Model::default();
    for at in 0..=events.len() as u64 {
        for (number, item, index, told, ..) in items {
            if *index == at {
                if *told {
                    for (bank, entry) in model.of_item(item) {
                        model.pairs.insert((bank, entry, *number), false);
                    }
                }
                model.items.insert(*number, item.clone());
            }
        }
        // What was forgotten after so many events.
        let gone: Vec<u64> =
            items.iter().filter(|(.., gone, _)| *gone == at).map(|(number, ..)| *number).collect();
        model.items.retain(|number, _| !gone.contains(number));
        model.pairs.retain(|(_, _, number), _| !gone.contains(number));
        if let Some(event) = events.get(at as usize) {
            model.event(event);
        }
    }
    model.pairs
}

/// Whether an item came late, and bank and entry, as they were by then, do not match it: what is true no more when an item
/// joins may be left untold.
pub fn is_closed_by_then((bank, name, number): &Pair, events: &[Event], items: &[Item]) -> bool {
    let (_, item, index, _, _, joined) =
        items.iter().find(|one| one.0 == *number).expect("an item");
    let mut then = Model::default();
    events[..*joined as usize].iter().for_each(|event| then.event(event));
    index < joined && !then.of_item(item).contains(&(bank.clone(), name.clone()))
}

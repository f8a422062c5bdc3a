//! Records and opinions on a real store: what shares a value stands together, and rows are what events say.

use super::*;
use crate::core::access::Environment;
use crate::core::bank::{BankMode, BankRole, EntryState, Quorum, RATIO_ALL, SignalRule, Voice};
use crate::core::id::TenantId;
use crate::core::record::{Listed, RecordKey};
use crate::core::signal::{Bits256, SignalType};
use crate::core::time::Time;
use crate::io::clock::Clock;
use crate::io::seal::KeyRing;
use crate::io::store::{Settings, Store, Which, verify};
use std::sync::Arc;
use std::time::Duration;

fn scope() -> Scope {
    Scope { tenant: TenantId::parse("operator").unwrap(), environment: Environment::Test }
}

fn bank(name: &str, role: BankRole, quorum: Option<Quorum>) -> Bank {
    let now = Time::from_millis(1);
    Bank {
        id: BankId::parse(name).unwrap(),
        display_name: String::new(),
        role,
        mode: BankMode::Enforce,
        enabled: true,
        ratio_millionths: RATIO_ALL,
        rules: vec![SignalRule::usual(SignalType::Md5), SignalRule::usual(SignalType::Pdq)],
        vetted: false,
        legal_basis: "a test".into(),
        freshness_max: None,
        quorum,
        version: 1,
        created: now,
        changed: now,
        learned: now,
    }
}

fn voice(exchange: &str, jurisdiction: &str) -> Voice {
    let organisation = exchange.to_owned();
    let (exchange, jurisdiction) = (exchange.to_owned(), jurisdiction.to_owned());
    Voice { exchange, organisation, jurisdiction, accredited: false }
}

fn source(name: &str) -> Source {
    Source { name: name.into(), enters_as: EntryState::Proposed, names_values: false }
}

fn record(source: &str, n: u64, signal: Signal) -> Record {
    Record {
        place: n,
        key: RecordKey::parse(&format!("k{n}")).unwrap(),
        updated: None,
        says: Says::Listed(Box::new(Listed {
            signals: vec![BankedSignal::new(signal, None)],
            organisation: source.to_owned(),
            ..Listed::default()
        })),
    }
}

struct Home {
    _folder: tempfile::TempDir,
    settings: Settings,
    keys: Arc<KeyRing>,
    store: Store,
    bank: BankId,
}

impl Home {
    async fn with(banks: Vec<Bank>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::in_folder(folder.path());
        let clock = Clock::system();
        let keys = Arc::new(KeyRing::generate(&clock));
        let store = Store::open(settings.clone(), Arc::clone(&keys), clock).await.unwrap();
        let bank = banks[0].id.clone();
        for bank in banks {
            store.record(Event::BankPut { scope: scope(), bank }).await.unwrap();
        }
        Self { _folder: folder, settings, keys, store, bank }
    }

    async fn take(&self, source: Source, records: Vec<Record>) -> Intake {
        for group in records.chunks(ENTRIES_PER_EVENT_MAX) {
            let (bank, group, from) = (self.bank.clone(), group.to_vec(), source.clone());
            let kept = self.store.keep::<Refused, _>(None, move |tx| {
                Box::pin(async move {
                    let far = Far::default();
                    let mut cap = Cap::default();
                    let taken =
                        take_records(tx, &scope(), &bank, &from, group, &far, &mut cap).await?;
                    Ok(vec![u8::from(taken.refused.is_empty())])
                })
            });
            assert_eq!(kept.await.unwrap().bytes, [1]);
        }
        Intake::default()
    }

    async fn states(&self) -> Vec<(EntryState, u64)> {
        self.store.entry_counts(&scope(), &self.bank).await.unwrap()
    }

    async fn verify(self) {
        self.store.close().await.unwrap();
        let report = verify(&self.settings, &self.keys, Duration::ZERO).await.unwrap();
        assert_eq!(report.faults, []);
    }
}

fn md5(n: u8) -> Signal {
    Signal::Md5([n; 16])
}

#[tokio::test]
async fn two_sources_that_list_one_value_are_a_quorum_together() {
    let voices = vec![voice("a", "NL"), voice("b", "DE"), voice("c", "NL")];
    let promotes_to = EntryState::Active;
    let quorum = Quorum { organisations_min: 2, jurisdictions_min: 2, voices, promotes_to };
    let home = Home::with(vec![bank("known", BankRole::Positive, Some(quorum))]).await;
    home.take(source("a"), vec![record("a", 1, md5(1)), record("a", 2, md5(2))]).await;
    home.take(source("c"), vec![record("c", 1, md5(1))]).await;
    assert_eq!(home.states().await, [(EntryState::Proposed, 3)], "two of one jurisdiction");
    home.take(source("b"), vec![record("b", 7, md5(1))]).await;
    let expected = [(EntryState::Proposed, 1), (EntryState::Active, 3)];
    assert_eq!(home.states().await, expected, "all that have the value, and no other");
    // Who withdraws takes its voice away from all of them.
    let mut gone = record("b", 7, md5(1));
    gone.says = Says::Withdrawn;
    home.take(source("b"), vec![gone]).await;
    assert_eq!(home.states().await, [(EntryState::Proposed, 3), (EntryState::Removed, 1)]);
    home.verify().await;
}

#[tokio::test]
async fn what_its_source_withdrew_leaves_no_value_behind() {
    let home = Home::with(vec![bank("known", BankRole::Positive, None)]).await;
    home.take(source("a"), vec![record("a", 1, md5(1)), record("a", 2, md5(2))]).await;
    let mut gone = record("a", 1, md5(1));
    gone.says = Says::Withdrawn;
    home.take(source("a"), vec![gone]).await;
    let bank = home.bank.clone();
    let kept = home.store.keep::<Refused, _>(None, move |tx| {
        Box::pin(async move {
            let known = tx.entries_by_signal(&scope(), &bank, &[md5(1), md5(2)]).await?;
            Ok(known.iter().map(|known| u8::from(known.is_some())).collect())
        })
    });
    assert_eq!(kept.await.unwrap().bytes, [0, 1]);
    let all = home.store.entries(&scope(), &home.bank, Which::All, None, 9).await.unwrap();
    assert!(all.iter().any(Entry::is_withdrawn));
    home.verify().await;
}

/// Hashes that stand for what is known to be good, and others as far from each other as drawn ones are.
fn drawn(random: &Clock) -> Bits256 {
    Bits256::from_bytes(random.random())
}

/// The hash with some bits changed.
fn near(random: &Clock, mut bits: Bits256, changes: usize) -> Bits256 {
    for bit in &random.random::<32>()[..changes] {
        bits.0[usize::from(bit / 64)] ^= 1 << (bit % 64);
    }
    bits
}

#[tokio::test]
async fn of_poisoned_proposals_none_is_active_without_its_quorum_and_none_that_hits_something_good()
{
    let is_long = std::env::var_os("BULWARK_LONG").is_some();
    let (honest, poisoned, goods) =
        if is_long { (90_000_u64, 10_000_u64, 1_000) } else { (4_500, 500, 100) };
    let random = Clock::set(Time::from_millis(1), 7);
    let corpus: Vec<Bits256> = (0..goods).map(|_| drawn(&random)).collect();
    let voices = vec![voice("a", "NL"), voice("b", "DE"), voice("mallory", "XX")];
    let promotes_to = EntryState::Active;
    let quorum = Quorum { organisations_min: 2, jurisdictions_min: 2, voices, promotes_to };
    let good = bank("good", BankRole::Negative, None);
    let home =
        Home::with(vec![bank("known", BankRole::Positive, Some(quorum)), good.clone()]).await;
    let entries: Vec<Entry> = (0..)
        .zip(&corpus)
        .map(|(n, bits)| Entry {
            id: EntryId::parse(&format!("good-{n}")).unwrap(),
            signals: vec![BankedSignal::new(Signal::Pdq(*bits), None)],
            state: EntryState::Active,
            background: None,
            provenance: crate::core::verdict::Provenance::default(),
            note: String::new(),
            version: 1,
            created: Time::default(),
        })
        .collect();
    for entries in entries.chunks(ENTRIES_PER_EVENT_MAX) {
        let (bank, entries) = (good.id.clone(), entries.to_vec());
        let event = Event::EntriesPut { scope: scope(), bank, entries, at: Time::default() };
        home.store.record(event).await.unwrap();
    }
    // What two honest sources list, some of it by mistake near something good.
    let values: Vec<(Bits256, bool)> = (0..honest)
        .map(|n| match n % 50 {
            0 => (near(&random, corpus[n as usize % corpus.len()], 9), true),
            _ => (drawn(&random), false),
        })
        .collect();
    let of = |name: &str| -> Vec<Record> {
        (0..).zip(&values).map(|(n, (bits, _))| record(name, n, Signal::Pdq(*bits))).collect()
    };
    // What one lists alone: half of it near something good.
    let poison: Vec<Record> = (0..poisoned)
        .map(|n| {
            let bits = match n % 2 {
                0 => near(&random, corpus[n as usize % corpus.len()], 5),
                _ => drawn(&random),
            };
            record("mallory", n, Signal::Pdq(bits))
        })
        .collect();
    home.take(source("a"), of("a")).await;
    home.take(source("mallory"), poison.clone()).await;
    assert_eq!(home.states().await, [(EntryState::Proposed, honest + poisoned)]);
    home.take(source("b"), of("b")).await;
    let hits = values.iter().filter(|(_, is_near_good)| *is_near_good).count() as u64;
    let mut expected = vec![
        (EntryState::Proposed, poisoned),
        (EntryState::Quarantined, 2 * hits),
        (EntryState::Active, 2 * (honest - hits)),
    ];
    assert_eq!(home.states().await, expected);
    // A person here who is fooled by one of them: what would match something good stays aside even so.
    let mut fooled = source("mallory");
    fooled.enters_as = EntryState::Active;
    fooled.name = "fooled".into();
    home.take(fooled, poison).await;
    expected[1].1 += poisoned / 2;
    expected[2].1 += poisoned / 2;
    assert_eq!(
        home.states().await,
        expected,
        "a source that is trusted is fired at what is good, too"
    );
    home.verify().await;
}

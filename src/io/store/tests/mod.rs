//! Tests of the store as a whole, through its own handle.

/// Runs tests on every database there is.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name().await;
            })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                crate::io::store::tests::KIND.scope(crate::io::store::tests::Kind::Postgres, super::$name()).await;
            })*
        }
    };
}

#[cfg(feature = "postgres")]
mod alike;
mod away;
mod backups;
mod beside;
#[cfg(feature = "postgres")]
#[allow(dead_code, reason = "whole calls and benchmarks use more of it")]
pub mod cluster;
#[cfg(feature = "postgres")]
mod copying;
mod failing;
#[cfg(feature = "s3")]
mod bucket;
#[cfg(feature = "s3")]
mod fetching;
mod golden;
#[cfg(feature = "postgres")]
mod faults;
mod keeping;
mod lookback;
mod plans;
#[cfg(feature = "postgres")]
mod proxy;
#[cfg(feature = "postgres")]
mod replicas;
#[cfg(feature = "postgres")]
mod servers;
#[cfg(feature = "s3")]
mod sharing;
mod snapshots;
mod verifying;
mod versions;

use super::settings::Server;
use super::spool::Waiting;
use super::{RequestKey, Settings, Store};
use crate::core::access::{Credential, Environment, Proof, Role, Scope, Tenant};
use crate::core::bank::{
    Bank, BankMode, BankRole, BankedSignal, Entry, EntryState, RATIO_ALL, SignalRule,
};
use crate::core::event::{Event, GivenVerdict, Outcome, OutcomeKind};
use crate::core::id::{BankId, CredentialId, EntryId, RequestId, SurfaceId, TenantId, VerdictId};
use crate::core::policy::{Context, Surface, SurfaceKind, Visibility};
use crate::core::signal::{Bits256, Signal, SignalType};
use crate::core::time::Time;
use crate::core::verdict::{
    Assurance, Check, CheckState, Covered, Disposition, Provenance, Verdict, Versions,
};
use crate::io::clock::Clock;
use crate::io::seal::KeyRing;
use crate::io::store::OnFailure;
use std::path::Path;
use std::sync::Arc;

pub const START: Time = Time::from_millis(1_700_000_000_000);

/// What keeps the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

tokio::task_local! {
    /// What keeps the rows of the test that runs; SQLite where nothing is said.
    pub static KIND: Kind;
}

/// A fresh database of the kind that the running test is for, where that is not a file.
fn server() -> Option<Server> {
    match KIND.try_with(|kind| *kind).unwrap_or(Kind::Sqlite) {
        Kind::Sqlite => None,
        #[cfg(feature = "postgres")]
        Kind::Postgres => {
            use crate::config::value::Value as _;
            let cluster = cluster::Cluster::shared();
            let url = cluster.url(&cluster.database());
            Some(Server::at(crate::config::Secret::read(&url).unwrap()))
        }
    }
}

/// A data directory with its keys and a clock that stands.
pub struct Home {
    pub folder: tempfile::TempDir,
    pub server: Option<Server>,
    pub keys: Arc<KeyRing>,
    pub clock: Clock,
}

impl Home {
    pub fn new(seed: u64) -> Self {
        let clock = Clock::set(START, seed);
        let keys = Arc::new(KeyRing::generate(&clock));
        Self { folder: tempfile::tempdir().unwrap(), server: server(), keys, clock }
    }

    pub fn settings(&self) -> Settings {
        Settings { server: self.server.clone(), ..settings(self.folder.path()) }
    }

    pub async fn open(&self) -> Store {
        Store::open(self.settings(), Arc::clone(&self.keys), self.clock.clone()).await.unwrap()
    }
}

pub fn settings(folder: &Path) -> Settings {
    Settings { on_failure: OnFailure::Stay, ..Settings::in_folder(folder) }
}

pub fn scope() -> Scope {
    Scope { tenant: TenantId::parse("acme").unwrap(), environment: Environment::Test }
}

pub fn tenant(name: &str) -> Event {
    let id = TenantId::parse(name).unwrap();
    let display_name = String::new();
    Event::TenantPut {
        tenant: Tenant { id, display_name, version: 1, created: START, revoked: None },
    }
}

pub fn credential(name: &str) -> Event {
    Event::CredentialPut {
        credential: Credential {
            id: CredentialId::parse(name).unwrap(),
            scope: scope(),
            roles: vec![Role::Admin],
            proof: Proof::Key([7; 32]),
            display_name: String::new(),
            version: 1,
            created: START,
            expires: None,
            revoked: None,
        },
    }
}

pub fn surface() -> Event {
    Event::SurfacePut { scope: scope(), surface: Surface::usual(SurfaceKind::Upload, START) }
}

pub fn bank_id() -> BankId {
    BankId::parse("known").unwrap()
}

pub fn bank(version: u64) -> Event {
    let bank = Bank {
        id: bank_id(),
        display_name: "nonsense".into(),
        role: BankRole::Positive,
        mode: BankMode::Enforce,
        enabled: true,
        ratio_millionths: RATIO_ALL,
        rules: vec![SignalRule::usual(SignalType::Pdq), SignalRule::usual(SignalType::Md5)],
        vetted: true,
        legal_basis: String::new(),
        freshness_max: None,
        quorum: None,
        version,
        created: START,
        changed: START,
        learned: START,
    };
    Event::BankPut { scope: scope(), bank }
}

pub fn entry_id(n: u64) -> EntryId {
    EntryId::parse(&format!("e{n:06}")).unwrap()
}

pub fn pdq(n: u64) -> Signal {
    Signal::Pdq(Bits256([n, !n, n.rotate_left(17), 0x5555]))
}

pub fn md5(n: u64) -> Signal {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    Signal::Md5(bytes)
}

pub fn entry(n: u64, state: EntryState, version: u64) -> Entry {
    let signals = [pdq(n), md5(n)];
    let signals = signals.map(|signal| BankedSignal::new(signal, Some(100))).to_vec();
    Entry {
        background: None,
        id: entry_id(n),
        signals: if state == EntryState::Removed { Vec::new() } else { signals },
        state,
        provenance: Provenance::default(),
        note: String::new(),
        version,
        created: START,
    }
}

pub fn entries(entries: Vec<Entry>) -> Event {
    Event::EntriesPut { scope: scope(), bank: bank_id(), entries, at: START }
}

pub fn given(name: &str) -> GivenVerdict {
    GivenVerdict {
        context: Context {
            surface_kind: SurfaceKind::Upload,
            surface: SurfaceId::parse("upload").unwrap(),
            visibility: Visibility::Public,
            item: None,
            actor: None,
            jurisdiction: String::new(),
            legal_basis: String::new(),
            occurred: None,
            request: None,
            index_min: 0,
        },
        verdict: Verdict {
            id: VerdictId::parse(name).unwrap(),
            disposition: Disposition::Block,
            assurance: Assurance::VerifiedKnown,
            findings: Vec::new(),
            shadow_findings: Vec::new(),
            coverage: vec![Covered {
                check: Check::ExactMatch,
                state: CheckState::Checked,
                reason: String::new(),
                part: String::new(),
            }],
            incomplete: None,
            brakes: Vec::new(),
            review: None,
            actions: Vec::new(),
            versions: Versions {
                index: 1,
                index_age: std::time::Duration::ZERO,
                banks: Vec::new(),
                surface: SurfaceId::parse("upload").unwrap(),
                policy: 1,
                engine: "test".into(),
            },
            decided: START,
        },
        credential: CredentialId::parse("c1").unwrap(),
    }
}

pub fn verdict(name: &str) -> Event {
    Event::VerdictGiven { scope: scope(), given: Box::new(given(name)) }
}

pub fn key(id: &str, digest: u8) -> Option<RequestKey> {
    let id = RequestId::parse(id).unwrap();
    Some(RequestKey { scope: scope(), method: "Test/Put", id, digest: [digest; 32] })
}

/// What the spool holds of a verdict.
pub fn waiting(store: &Store, name: &str, request: Option<RequestKey>) -> Waiting {
    let asked = request.map(|request| store.asked(&request));
    Waiting { event: verdict(name), asked, answer: name.as_bytes().to_vec() }
}

/// Puts a verdict into the spool.
pub fn put_aside(store: &Store, name: &str, request: Option<RequestKey>) {
    store.0.spool.lock().put(store.keys(), &waiting(store, name, request)).unwrap();
}

pub fn outcome(name: &str) -> Event {
    let outcome = Outcome {
        verdict: VerdictId::parse(name).unwrap(),
        item: None,
        kind: OutcomeKind::Removed,
        occurred: START,
        views_before: Some(3),
        after_review: false,
    };
    Event::OutcomeRecorded { scope: scope(), outcome }
}

/// What a request was answered first. On a busy machine a look-up may take longer than a check would wait for it.
pub async fn answered(
    store: &Store,
    request: &RequestKey,
) -> Result<Option<super::VerdictKept>, super::KeepError<std::convert::Infallible>> {
    for _ in 0..50 {
        match store.first_answer(request).await {
            Err(super::KeepError::Store(super::StoreError::Late)) => {}
            found => return found,
        }
    }
    Err(super::KeepError::Store(super::StoreError::Late))
}

/// One event of every kind that changes something, and some entries that came and went.
pub async fn fill(store: &Store) {
    for event in [
        tenant("acme"),
        credential("c1"),
        surface(),
        bank(1),
        entries((0..20).map(|n| entry(n, EntryState::Active, 1)).collect()),
        verdict("v1"),
        outcome("v1"),
        entries(vec![entry(3, EntryState::Removed, 2), entry(4, EntryState::Disputed, 2)]),
    ] {
        store.record(event).await.unwrap();
    }
}

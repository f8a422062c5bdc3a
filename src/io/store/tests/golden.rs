//! Stores of every release, as backups of harmless nonsense: each later release restores them and reads all of it.

use super::*;
use crate::core::event::{Count, EventKind};
use crate::core::restored::{Approval, GivenUp, Restored};
use crate::io::seal::Phrase;
use crate::io::store::backup::{Wanted, backup, restore};
use crate::io::store::dialect::{self, SCHEMA_VERSION};
use crate::io::store::{Which, verify};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// The releases: version, number of events, root of the tree over them, kinds of events in it.
const RELEASES: [(&str, u64, &str, usize); 1] =
    [("0.1.0", 14, "ee7df40efd3fbba75cee3064ff22395913ad10d665993e0cd8a005d996de7849", 11)];

fn folder(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stores").join(version)
}

/// No secret: what it protects is nonsense.
fn phrase() -> Phrase {
    Phrase::new(b"nonsense for tests only").unwrap()
}

/// One event of every kind, a request's answer, and a verdict that waits.
async fn filled(home: &Home) -> Store {
    let store = home.open().await;
    fill(&store).await;
    let Event::BankPut { scope: of, mut bank } = bank(1) else { unreachable!("it is one") };
    bank.id = BankId::parse("short-lived").unwrap();
    let counts = vec![Count {
        scope: scope(),
        surface: SurfaceKind::Upload,
        disposition: Disposition::Allow,
        completeness: CheckState::Checked,
        count: 12,
    }];
    let approval = Approval::read("nonsense", &["Ada".into(), "Bea".into()]).unwrap();
    let restored = Restored {
        number: 3,
        root: [5; 32],
        backed_up: Some(START),
        given_up: Some(GivenUp { number: 4, root: [6; 32] }),
        approval: Some(approval),
        at: START,
    };
    for event in [
        Event::BankDeleted { scope: of.clone(), bank: bank.id.clone(), at: START },
        Event::Counted { minute: START, counts },
        Event::CountsLost { since: START, at: START },
        Event::Restored { restored: Box::new(restored) },
    ] {
        if matches!(event, Event::BankDeleted { .. }) {
            store.record(Event::BankPut { scope: of.clone(), bank: bank.clone() }).await.unwrap();
        }
        store.record(event).await.unwrap();
    }
    let kept = store.keep::<(), _>(key("kept", 1), |tx| {
        Box::pin(async move {
            tx.record(verdict("v2")).await?;
            Ok(b"first answer".to_vec())
        })
    });
    kept.await.unwrap();
    put_aside(&store, "v3", key("waited", 2));
    store
}

#[tokio::test]
#[ignore = "makes the golden store of a new release: run by `just golden`, and only then"]
async fn the_store_of_this_release_is_written_down() {
    // Keys and salts may be guessed: nothing in it is secret.
    let home = Home::new(1_000);
    let store = filled(&home).await;
    let folder = folder(env!("CARGO_PKG_VERSION"));
    let place = (&*folder, &phrase());
    let made = backup(&home.settings(), &home.keys, &home.clock, place, |_| {}).await.unwrap();
    store.close().await.unwrap();
    println!("(\"{}\", {}, \"{}\", 11)", made.program, made.number, hex::encode(made.root));
}

on_both!(the_store_of_every_release_is_restored_verified_and_read);

async fn the_store_of_every_release_is_restored_verified_and_read() {
    let there = std::fs::read_dir(folder("")).unwrap().count();
    assert_eq!(there, RELEASES.len(), "each one is listed");
    for (version, number, root, kinds) in RELEASES {
        let place = Home::new(1_001);
        let clock = Clock::set(START, 1_002);
        let key_ring = place.folder.path().join("keys.json");
        let wanted = Wanted {
            from: &folder(version),
            phrase: &phrase(),
            to: &place.settings(),
            key_ring: &key_ring,
            seen: None,
            approval: None,
        };
        let back = restore(&wanted, &clock, |_| {}).await.unwrap();
        assert_eq!((back.manifest.number, hex::encode(back.manifest.root)), (number, root.into()));
        let keys = Arc::new(KeyRing::load(&key_ring, &clock).unwrap());
        let mut conn = dialect::connect_reading(&place.settings()).await.unwrap();
        assert_eq!(conn.version().await, Ok(SCHEMA_VERSION), "{version} is brought forward");
        conn.close().await.unwrap();
        let report = verify(&place.settings(), &keys, Duration::ZERO).await.unwrap();
        assert_eq!((report.faults, report.erased), (vec![], 0), "{version}");
        let store = Store::open(place.settings(), keys, clock).await.unwrap();
        let journal = store.journal(1, number).await.unwrap();
        assert_eq!(journal.len() as u64, number);
        let read = |recorded: &crate::io::store::Recorded| recorded.event.as_ref().map(Event::kind);
        let found: BTreeSet<EventKind> = journal.iter().filter_map(read).collect();
        assert_eq!(found.len(), kinds, "{version}: {found:?}");
        for at in 1..=number {
            assert!(store.receipt(at).await.unwrap().is_some(), "{version}: receipt {at}");
        }
        let entries = store.entries(&scope(), &bank_id(), Which::All, None, 100).await.unwrap();
        assert_eq!(entries.len(), 20);
        assert_eq!(entries[5], entry(5, EntryState::Active, 1));
        assert_eq!(store.resident().read().entry_count(&scope(), &bank_id()), 19);
        assert!(answered(&store, &key("kept", 1).unwrap()).await.unwrap().is_some());
        assert!(answered(&store, &key("waited", 2).unwrap()).await.unwrap().is_some());
        store.close().await.unwrap();
    }
}

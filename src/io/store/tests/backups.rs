//! Backups hold what was acknowledged, restores are whole or nothing, and none goes back unnoticed.

use super::super::witness;
use super::*;
use crate::core::restored::{Approval, GivenUp, Restored};
use crate::io::seal::Phrase;
use crate::io::store::backup::{
    BackupError, Manifest, PutBack, Wanted, accept_rollback, backup, drill, restore,
};
use crate::io::store::{StoreError, copy, verify};
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

on_both! {
    a_backup_made_under_load_holds_all_that_was_acknowledged_before_it,
    an_older_backup_is_refused_unless_giving_up_the_rest_is_approved_and_recorded,
    a_database_that_was_set_back_is_not_opened_until_that_is_approved_and_recorded,
    a_database_that_went_another_way_is_not_opened,
    a_restore_that_was_broken_off_never_starts_and_can_be_run_again,
    a_restore_that_was_broken_off_at_its_end_is_completed_by_the_next,
    a_verdict_that_waited_in_the_spool_is_in_the_backup,
    where_a_store_is_or_was_nothing_is_restored,
    a_backup_of_other_keys_or_phrase_is_refused,
    a_drill_tells_a_good_backup_from_one_that_is_not,
}

pub fn phrase() -> Phrase {
    Phrase::new(b"nonsense for tests only").unwrap()
}

fn approval() -> Approval {
    Approval::read("the disk burnt", &["Ada".into(), "Bea".into()]).unwrap()
}

async fn backed_up(home: &Home, folder: &Path) -> Result<Manifest, BackupError> {
    backup(&home.settings(), &home.keys, &home.clock, (folder, &phrase()), |_| {}).await
}

fn key_ring(home: &Home) -> PathBuf {
    home.folder.path().join("keys.json")
}

async fn put_back(
    home: &Home,
    from: &Path,
    approval: Option<Approval>,
) -> Result<PutBack, BackupError> {
    let wanted = Wanted {
        from,
        phrase: &phrase(),
        to: &home.settings(),
        key_ring: &key_ring(home),
        seen: None,
        approval,
    };
    restore(&wanted, &Clock::system(), |_| {}).await
}

/// A place without a store whose keys are those that a restore puts there.
async fn opened(home: &Home) -> Result<Store, StoreError> {
    let clock = Clock::system();
    let keys = Arc::new(KeyRing::load(&key_ring(home), &clock).unwrap());
    Store::open(home.settings(), keys, clock).await
}

async fn events(store: &Store) -> Vec<Event> {
    let all = store.journal(1, 1_000_000).await.unwrap();
    all.into_iter().map(|recorded| recorded.event.unwrap()).collect()
}

fn restored(events: &[Event]) -> Vec<Restored> {
    let restored = events.iter().filter_map(|event| match event {
        Event::Restored { restored } => Some((**restored).clone()),
        _ => None,
    });
    restored.collect()
}

/// Records verdicts in four lanes until it is told to stop; what was acknowledged is written down as it is.
struct Load {
    acknowledged: Arc<Mutex<Vec<(u64, String)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Load {
    fn on(store: &Store, round: u64) -> Self {
        let (store, acknowledged, stop) =
            (store.clone(), Arc::<Mutex<Vec<_>>>::default(), Arc::new(AtomicBool::new(false)));
        let (done, end) = (Arc::clone(&acknowledged), Arc::clone(&stop));
        let lane = move |lane: usize| {
            let (store, done, end) = (store.clone(), Arc::clone(&done), Arc::clone(&end));
            async move {
                for step in 0.. {
                    if end.load(Ordering::SeqCst) {
                        return;
                    }
                    let name = format!("w{round}-{lane}-{step}");
                    let number = store.record(verdict(&name)).await.unwrap();
                    done.lock().push((number, name));
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        };
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(futures_util::future::join_all((0..4).map(lane)));
        });
        Self { acknowledged, stop, thread: Some(thread) }
    }

    fn acknowledged(&self) -> Vec<(u64, String)> {
        self.acknowledged.lock().clone()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn a_backup_made_under_load_holds_all_that_was_acknowledged_before_it() {
    let rounds = if std::env::var_os("BULWARK_LONG").is_some() { 20 } else { 3 };
    let home = Home { clock: Clock::system(), ..Home::new(301) };
    let store = home.open().await;
    fill(&store).await;
    let mut before = Vec::new();
    let (mut checked, mut behind) = (0, 0);
    for round in 0..rounds {
        let load = Load::on(&store, round);
        let pause = u64::from(u16::from_be_bytes(home.clock.random())) % 400;
        tokio::time::sleep(Duration::from_millis(50 + pause)).await;
        let folder = tempfile::tempdir().unwrap();
        let acknowledged = [&before[..], &load.acknowledged()].concat();
        let began = Instant::now();
        let manifest = backed_up(&home, folder.path()).await.unwrap();
        let made = began.elapsed();
        before.extend(load.acknowledged());
        let meanwhile = before.len() - acknowledged.len();
        drop(load);
        let place = Home::new(400 + round);
        let began = Instant::now();
        let back = put_back(&place, folder.path(), None).await.unwrap();
        let took = began.elapsed();
        let there = opened(&place).await.unwrap();
        let found = there.journal(1, 1_000_000).await.unwrap();
        assert!(acknowledged.iter().all(|(number, _)| *number <= manifest.number));
        for (number, name) in &acknowledged {
            let recorded = &found[usize::try_from(*number).unwrap() - 1];
            assert_eq!(recorded.event.as_ref(), Some(&verdict(name)), "event {number}");
        }
        let live = store.journal(1, manifest.number).await.unwrap();
        assert_eq!(live[..], found[..live.len()], "no event is another one");
        let recorded = restored(&events(&there).await);
        assert_eq!(recorded.len(), 1);
        assert_eq!((recorded[0].number, recorded[0].root), (manifest.number, manifest.root));
        assert!(there.receipt(1).await.unwrap().is_some());
        there.close().await.unwrap();
        let keys = KeyRing::load(&key_ring(&place), &home.clock).unwrap();
        let report = verify(&place.settings(), &keys, Duration::ZERO).await.unwrap();
        assert_eq!((report.faults, report.events), (vec![], back.number));
        checked += acknowledged.len();
        behind += meanwhile;
        println!(
            "{}: {} events, {} acknowledged before, {meanwhile} meanwhile; made in {made:?}, restored in {took:?}",
            round + 1,
            manifest.number,
            acknowledged.len(),
        );
    }
    assert!(checked > 0 && behind > 0, "the load was real");
    store.close().await.unwrap();
    println!(
        "{rounds} backups, {rounds} restores: {checked} acknowledged events looked for, all there"
    );
}

/// A store with a backup of its first 8 events, 3 more after it, closed.
async fn gone_on(seed: u64, folder: &Path) -> (Home, Manifest) {
    let home = Home::new(seed);
    let store = home.open().await;
    fill(&store).await;
    let manifest = backed_up(&home, folder).await.unwrap();
    for name in ["later1", "later2", "later3"] {
        store.record(verdict(name)).await.unwrap();
    }
    store.close().await.unwrap();
    (home, manifest)
}

/// The place of a store that was lost, of which keys and witness are left.
fn bereft(home: &Home, seed: u64) -> Home {
    let place = Home { keys: Arc::clone(&home.keys), ..Home::new(seed) };
    home.keys.put(&key_ring(&place)).unwrap();
    std::fs::copy(witness::path(&home.settings()), witness::path(&place.settings())).unwrap();
    place
}

async fn an_older_backup_is_refused_unless_giving_up_the_rest_is_approved_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (home, manifest) = gone_on(302, folder.path()).await;
    let place = bereft(&home, 303);
    let refused = put_back(&place, folder.path(), None).await.unwrap_err();
    let BackupError::Store(StoreError::Rollback(set_back)) = refused else { panic!("{refused}") };
    assert_eq!((set_back.seen, set_back.found), (11, 8));
    assert!(set_back.to_string().contains("11 events"), "{set_back}");
    // Nothing is there, and nothing can be begun there as if it were new.
    let fresh = Store::open(place.settings(), Arc::clone(&place.keys), Clock::system()).await;
    assert!(matches!(fresh, Err(StoreError::Rollback(_))));
    let back = put_back(&place, folder.path(), Some(approval())).await.unwrap();
    assert_eq!(back.given_up, Some(*set_back.clone()));
    let store = opened(&place).await.unwrap();
    let recorded = restored(&events(&store).await);
    let given_up = Some(GivenUp { number: 11, root: set_back.seen_root });
    assert_eq!(recorded.len(), 1);
    assert_eq!((recorded[0].number, recorded[0].root), (8, manifest.root));
    assert_eq!((&recorded[0].given_up, &recorded[0].approval), (&given_up, &Some(approval())));
    assert_eq!(recorded[0].backed_up, Some(manifest.made));
    store.close().await.unwrap();
    // What was approved is done with: the next start asks for nothing, and the next old backup is refused again.
    opened(&place).await.unwrap().close().await.unwrap();
    let again = Home { keys: Arc::clone(&place.keys), ..Home::new(304) };
    let seen = witness::path(&place.settings());
    let wanted = Wanted {
        from: folder.path(),
        phrase: &phrase(),
        to: &again.settings(),
        key_ring: &key_ring(&again),
        seen: Some(&seen),
        approval: None,
    };
    let refused = restore(&wanted, &Clock::system(), |_| {}).await;
    assert!(matches!(refused, Err(BackupError::Store(StoreError::Rollback(_)))));
    assert!(!key_ring(&again).exists() && !Store::exists(&again.settings()).await.unwrap());
}

/// Lets the place of `earlier` know how far `home` came.
fn remember(earlier: &Home, home: &Home) {
    std::fs::copy(witness::path(&home.settings()), witness::path(&earlier.settings())).unwrap();
}

async fn a_database_that_was_set_back_is_not_opened_until_that_is_approved_and_recorded() {
    let home = Home::new(305);
    let store = home.open().await;
    fill(&store).await;
    store.close().await.unwrap();
    let earlier = Home { keys: Arc::clone(&home.keys), ..Home::new(306) };
    copy(&home.settings(), &earlier.settings(), &home.keys, |_| {}).await.unwrap();
    let store = home.open().await;
    store.record(verdict("later")).await.unwrap();
    store.close().await.unwrap();
    remember(&earlier, &home);
    let open =
        async || Store::open(earlier.settings(), Arc::clone(&home.keys), Clock::system()).await;
    let Err(StoreError::Rollback(set_back)) = open().await else { panic!("opened") };
    assert_eq!((set_back.seen, set_back.found), (9, 8));
    assert!(matches!(
        Store::migrate(&earlier.settings(), &home.keys).await,
        Err(StoreError::Rollback(_))
    ));
    let clock = Clock::system();
    let given_up = accept_rollback(&earlier.settings(), &home.keys, &clock, approval()).await;
    assert_eq!(given_up.unwrap(), *set_back);
    let store = open().await.unwrap();
    let recorded = restored(&events(&store).await);
    assert_eq!((recorded.len(), recorded[0].backed_up), (1, None));
    assert_eq!(recorded[0].given_up, Some(GivenUp { number: 9, root: set_back.seen_root }));
    assert_eq!(recorded[0].approval, Some(approval()));
    store.close().await.unwrap();
    let again = accept_rollback(&earlier.settings(), &home.keys, &clock, approval()).await;
    assert!(matches!(again, Err(BackupError::NoRollback)));
}

async fn a_database_that_went_another_way_is_not_opened() {
    let home = Home::new(307);
    let store = home.open().await;
    fill(&store).await;
    store.close().await.unwrap();
    let other = Home { keys: Arc::clone(&home.keys), ..Home::new(308) };
    copy(&home.settings(), &other.settings(), &home.keys, |_| {}).await.unwrap();
    for (home, names) in [(&home, &["a"][..]), (&other, &["b", "c", "d"])] {
        let store = home.open().await;
        for name in names {
            store.record(verdict(name)).await.unwrap();
        }
        store.close().await.unwrap();
    }
    remember(&other, &home);
    let refused = Store::open(other.settings(), Arc::clone(&home.keys), Clock::system()).await;
    let Err(StoreError::Rollback(set_back)) = refused else { panic!("opened") };
    assert_eq!((set_back.seen, set_back.found), (9, 11));
    assert!(set_back.to_string().contains("went another way"));
}

async fn a_restore_that_was_broken_off_never_starts_and_can_be_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let (_home, manifest) = gone_on(309, folder.path()).await;
    let place = Home::new(310);
    let half = witness::restoring(&place.settings());
    std::fs::create_dir(&half).unwrap();
    std::fs::write(half.join("bulwark.db"), b"half of it").unwrap();
    let fresh = Store::open(place.settings(), Arc::clone(&place.keys), Clock::system()).await;
    assert!(matches!(fresh, Err(StoreError::Restoring)));
    let migrated = Store::migrate(&place.settings(), &place.keys).await;
    assert_eq!(migrated, Err(StoreError::Restoring));
    assert!(!place.settings().database.exists());
    let back = put_back(&place, folder.path(), None).await.unwrap();
    assert_eq!((back.manifest.root, back.completed), (manifest.root, false));
    assert!(!half.exists());
    opened(&place).await.unwrap().close().await.unwrap();
}

async fn a_restore_that_was_broken_off_at_its_end_is_completed_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    drop(gone_on(311, folder.path()).await);
    let place = Home::new(312);
    let back = put_back(&place, folder.path(), None).await.unwrap();
    // As it is between putting the database in place and saying that it is whole.
    let half = witness::restoring(&place.settings());
    std::fs::create_dir(&half).unwrap();
    let keys = KeyRing::load(&key_ring(&place), &place.clock).unwrap();
    witness::write(&half.join("placing"), &keys, back.number, back.root).unwrap();
    std::fs::remove_file(witness::path(&place.settings())).unwrap();
    assert!(matches!(opened(&place).await, Err(StoreError::Restoring)));
    let again = put_back(&place, folder.path(), None).await.unwrap();
    assert_eq!((again.completed, again.number, again.root), (true, back.number, back.root));
    let store = opened(&place).await.unwrap();
    assert_eq!(restored(&events(&store).await).len(), 1);
    store.record(verdict("goes-on")).await.unwrap();
    store.close().await.unwrap();
    // A store that is not the one that was being put there is left alone.
    std::fs::create_dir(&half).unwrap();
    witness::write(&half.join("placing"), &keys, back.number, back.root).unwrap();
    let refused = put_back(&place, folder.path(), None).await;
    assert!(matches!(refused, Err(BackupError::Occupied(_))));
}

async fn a_verdict_that_waited_in_the_spool_is_in_the_backup() {
    let home = Home::new(313);
    let store = home.open().await;
    fill(&store).await;
    let waited = key("waited", 1);
    put_aside(&store, "moved", None);
    drop(store.0.spool.lock().take().unwrap());
    put_aside(&store, "waited", waited.clone());
    let spool = home.settings().spool;
    let mut torn = std::fs::read(&spool).unwrap();
    torn.extend([0, 0, 0, 99, 1, 2, 3]);
    std::fs::write(&spool, torn).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let manifest = backed_up(&home, folder.path()).await.unwrap();
    assert!(manifest.part("spool").is_some() && manifest.part("spool.draining").is_some());
    let place = Home::new(314);
    put_back(&place, folder.path(), None).await.unwrap();
    let store = opened(&place).await.unwrap();
    let found = events(&store).await;
    assert_eq!(found.iter().filter(|event| **event == verdict("waited")).count(), 1);
    assert_eq!(found.iter().filter(|event| **event == verdict("moved")).count(), 1);
    assert!(answered(&store, &waited.unwrap()).await.unwrap().is_some());
    assert_eq!(store.spooled_bytes(), 0);
}

async fn where_a_store_is_or_was_nothing_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let (home, _) = gone_on(315, folder.path()).await;
    let again = backed_up(&home, folder.path()).await;
    assert!(matches!(again, Err(BackupError::NotEmpty(_))));
    home.keys.put(&key_ring(&home)).unwrap();
    let refused = put_back(&home, folder.path(), None).await;
    assert!(matches!(refused, Err(BackupError::Occupied(_))));
    assert_eq!(home.open().await.head_number().await, Ok(11));
    if home.server.is_none() {
        let place = Home::new(316);
        let log = place.settings().database.with_extension("db-wal");
        std::fs::write(&log, b"of another database").unwrap();
        let refused = put_back(&place, folder.path(), None).await;
        assert!(matches!(refused, Err(BackupError::Occupied(what)) if what.ends_with("-wal")));
    }
}

async fn a_backup_of_other_keys_or_phrase_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (home, _) = gone_on(317, folder.path()).await;
    let place = Home::new(318);
    place.keys.put(&key_ring(&place)).unwrap();
    let refused = put_back(&place, folder.path(), None).await;
    assert!(matches!(refused, Err(BackupError::OtherKeys(_))));
    let other = Phrase::new(b"other nonsense for tests").unwrap();
    let refused = drill(folder.path(), &other, &place.clock, place.folder.path()).await;
    assert!(matches!(refused, Err(BackupError::Keys(_))));
    // A backup under other keys than the database's is not made, and leaves nothing.
    let empty = tempfile::tempdir().unwrap();
    let strange = Home { keys: Arc::clone(&place.keys), ..home };
    let refused = backed_up(&strange, empty.path()).await;
    assert!(matches!(refused, Err(BackupError::Store(StoreError::OtherKeys))));
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
    let broken_off = drill(empty.path(), &phrase(), &place.clock, place.folder.path()).await;
    assert!(matches!(broken_off, Err(BackupError::NoManifest(_))));
}

async fn a_drill_tells_a_good_backup_from_one_that_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (home, manifest) = gone_on(319, folder.path()).await;
    let place = tempfile::tempdir().unwrap();
    let drilled = drill(folder.path(), &phrase(), &Clock::system(), place.path()).await.unwrap();
    assert_eq!(drilled.manifest, manifest);
    // 19 entries that are not removed, with two signals each.
    assert_eq!((drilled.receipts, drilled.signals, drilled.banks), (8, 38, 1));
    let part = folder.path().join("store.db");
    let mut bytes = std::fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    let place = tempfile::tempdir().unwrap();
    let refused = drill(folder.path(), &phrase(), &Clock::system(), place.path()).await;
    assert!(matches!(refused, Err(BackupError::Part(name, _)) if name == "store.db"));
    drop(home);
}

//! Snapshots: what is loaded from one is what the journal says, and one that is wrong in any way is as good as none.

use super::super::witness;
use super::*;
use crate::core::hamming::Scratch;
use crate::core::matcher::Query;
use crate::io::store::snapshot::{self, Snapshot, Title};
use crate::io::store::{Memory, verify};
use std::path::PathBuf;
use std::time::Duration;

on_both! {
    what_is_loaded_from_a_snapshot_answers_as_what_was_written_and_goes_on,
    a_bank_that_was_deleted_after_the_snapshot_stays_deleted,
    after_a_rotation_of_keys_a_snapshot_still_holds,
    an_event_behind_the_snapshot_that_was_erased_or_changed_makes_it_refused,
}

/// Snapshots at the end only, and there after few changes.
pub fn at_the_end(home: &Home) -> Settings {
    let pause = Duration::from_secs(3600);
    Settings { snapshot_changes: 200, snapshot_pause: pause, ..home.settings() }
}

pub async fn open(home: &Home, settings: Settings) -> Store {
    Store::open(settings, Arc::clone(&home.keys), home.clock.clone()).await.unwrap()
}

pub fn path(home: &Home) -> PathBuf {
    home.folder.path().join("snapshot")
}

pub type Answers = Vec<(u64, Vec<(u32, String)>)>;

/// How many values are listed themselves.
pub fn exact(answers: &Answers) -> usize {
    answers.iter().filter(|(_, hits)| hits.iter().any(|(distance, _)| *distance == 0)).count()
}

/// Which entries answer to the values of a number of entries, by the value asked for.
pub fn answers(memory: &Memory, values: u64) -> Answers {
    let picture = memory.read();
    let mut scratch = Scratch::default();
    let mut answers = Vec::new();
    for n in 0..values {
        for signal in [pdq(n), md5(n)] {
            let Some(holding) = picture.of(&scope()) else { return Vec::new() };
            let hits =
                holding.matcher.search(Query { signal: &signal, quality: None }, &mut scratch);
            answers
                .push((n, hits.iter().map(|hit| (hit.distance, hit.entry.to_string())).collect()));
        }
    }
    answers
}

/// Everything that a memory says of itself.
pub fn told(memory: &Memory) -> String {
    let picture = memory.read();
    let banks: Vec<_> = picture
        .of(&scope())
        .into_iter()
        .flat_map(|holding| holding.matcher.banks())
        .map(|bank| format!("{:?}", (bank.bank, bank.number, bank.signals, bank.entry_count)))
        .collect();
    let surfaces: Vec<_> =
        picture.of(&scope()).into_iter().flat_map(|holding| holding.surfaces.values()).collect();
    let tenant = picture.tenant(&scope().tenant);
    let credential = picture.credential(&CredentialId::parse("c1").unwrap());
    format!("{banks:?} {surfaces:?} {tenant:?} {credential:?}")
}

/// A store with a snapshot, closed in order; and what it answered.
async fn closed(home: &Home) -> (String, Answers) {
    let store = open(home, at_the_end(home)).await;
    fill(&store).await;
    let (said, found) = (told(store.resident()), answers(store.resident(), 25));
    store.close().await.unwrap();
    assert!(path(home).exists());
    (said, found)
}

/// Opens a store, and shows that it was made without its snapshot, and answers as it should.
async fn refused(home: &Home, expected: &(String, Answers)) {
    let store = open(home, at_the_end(home)).await;
    assert_eq!(store.snapshots().number, 0, "made without a snapshot");
    assert!(!path(home).exists(), "what was refused is gone");
    assert_eq!((told(store.resident()), answers(store.resident(), 25)), *expected);
    drop(store);
    settled().await;
}

/// Waits until the writer of a store that was dropped has let go of it.
pub async fn settled() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn what_is_loaded_from_a_snapshot_answers_as_what_was_written_and_goes_on() {
    let home = Home::new(1);
    let (said, found) = closed(&home).await;
    assert_eq!(exact(&found), 38);
    let store = open(&home, at_the_end(&home)).await;
    assert_eq!(store.snapshots().number, 8);
    assert_eq!((told(store.resident()), answers(store.resident(), 25)), (said, found));
    // Later changes are replayed, also those that end what the snapshot holds.
    let removed = (0..10).map(|n| entry(n, EntryState::Removed, 3)).collect();
    store.record(entries(removed)).await.unwrap();
    let more = (20..25).map(|n| entry(n, EntryState::Active, 1)).collect();
    let number = store.record(entries(more)).await.unwrap();
    let (said, found) = (told(store.resident()), answers(store.resident(), 25));
    // As if it was killed: nothing is written at the end.
    drop(store);
    settled().await;
    let store = open(&home, at_the_end(&home)).await;
    assert_eq!(store.snapshots().number, 8);
    assert!(store.resident().read().applied() >= number);
    assert_eq!(
        (told(store.resident()), answers(store.resident(), 25)),
        (said.clone(), found.clone())
    );
    store.close().await.unwrap();
    // And rows give the same.
    std::fs::remove_file(path(&home)).unwrap();
    let store = open(&home, at_the_end(&home)).await;
    assert_eq!((told(store.resident()), answers(store.resident(), 25)), (said, found));
}

async fn a_bank_that_was_deleted_after_the_snapshot_stays_deleted() {
    let home = Home::new(2);
    closed(&home).await;
    let store = open(&home, at_the_end(&home)).await;
    store.record(Event::BankDeleted { scope: scope(), bank: bank_id(), at: START }).await.unwrap();
    drop(store);
    settled().await;
    let store = open(&home, at_the_end(&home)).await;
    assert_eq!(store.snapshots().number, 8);
    assert!(answers(store.resident(), 25).iter().all(|(_, hits)| hits.is_empty()));
    store.record(bank(1)).await.unwrap();
    let list = vec![entry(3, EntryState::Active, 1)];
    store.record(entries(list)).await.unwrap();
    assert_eq!(exact(&answers(store.resident(), 25)), 2);
    store.close().await.unwrap();
}

#[tokio::test]
async fn every_flipped_byte_and_every_cut_is_refused_and_the_memory_is_made_anew() {
    let home = Home::new(3);
    closed(&home).await;
    let whole = std::fs::read(path(&home)).unwrap();
    // Each is tried on the file alone: the title as what the journal would be asked for, the rest by opening it.
    let title = Snapshot::open(&path(&home)).unwrap().unwrap().title;
    let other = home.folder.path().join("other");
    let holds = |bytes: &[u8]| {
        std::fs::write(&other, bytes).unwrap();
        let Ok(Some(snapshot)) = Snapshot::open(&other) else { return false };
        snapshot.title == title && snapshot.read(&home.keys).is_ok()
    };
    assert!(holds(&whole));
    let mut wrong = whole.clone();
    for at in 0..whole.len() {
        wrong[at] ^= 1 << (at % 8);
        assert!(!holds(&wrong), "a flip at {at}");
        wrong[at] = whole[at];
    }
    for end in 0..whole.len() {
        assert!(!holds(&whole[..end]), "cut at {end}");
    }
    assert!(!holds(&[&whole[..], &[0]].concat()));
    assert!(!holds(&[&whole[..], &whole[84..]].concat()));
}

#[tokio::test]
async fn a_wrong_snapshot_is_removed_and_the_start_is_right_without_it() {
    let home = Home::new(4);
    let expected = closed(&home).await;
    let whole = std::fs::read(path(&home)).unwrap();
    for at in [0, 16, 20, 36, 44, 76, 84, 100, whole.len() - 1] {
        let mut wrong = whole.clone();
        wrong[at] ^= 0x10;
        std::fs::write(path(&home), &wrong).unwrap();
        refused(&home, &expected).await;
    }
    for end in [0, 50, 84, whole.len() - 1] {
        std::fs::write(path(&home), &whole[..end]).unwrap();
        refused(&home, &expected).await;
    }
}

#[tokio::test]
async fn a_snapshot_of_another_store_or_other_keys_is_refused() {
    let (home, other) = (Home::new(5), Home::new(6));
    let expected = closed(&home).await;
    closed(&other).await;
    std::fs::copy(path(&other), path(&home)).unwrap();
    refused(&home, &expected).await;
    // Of the same keys, and a journal that went another way.
    let store = open(&home, at_the_end(&home)).await;
    let head = store.head_number().await.unwrap();
    let resident = Arc::clone(&store.resident().read());
    drop(store);
    settled().await;
    let title = Title { id: [1; 16], number: head, root: [7; 32], entries: resident.entries() };
    snapshot::write(&path(&home), &home.keys, &title, &resident, &|| false).unwrap();
    refused(&home, &expected).await;
}

#[tokio::test]
async fn a_snapshot_beyond_a_journal_that_was_set_back_is_refused() {
    let home = Home::new(7);
    let store = open(&home, at_the_end(&home)).await;
    fill(&store).await;
    let expected = (told(store.resident()), answers(store.resident(), 25));
    store.close().await.unwrap();
    let database = home.settings().database;
    let backup = std::fs::read(&database).unwrap();
    let store = open(&home, at_the_end(&home)).await;
    let more = (30..60).map(|n| entry(n, EntryState::Active, 1)).collect();
    store.record(entries(more)).await.unwrap();
    store.close().await.unwrap();
    let ahead = std::fs::read(path(&home)).unwrap();
    let restore = || {
        for end in ["db-wal", "db-shm"] {
            let _ = std::fs::remove_file(database.with_extension(end));
        }
        std::fs::write(&database, &backup).unwrap();
        // What would notice that it was set back is gone as well.
        std::fs::remove_file(witness::path(&home.settings())).unwrap();
    };
    restore();
    refused(&home, &expected).await;
    // The journal reaches as far again, by other events.
    restore();
    let store = open(&home, at_the_end(&home)).await;
    let other = (70..72).map(|n| entry(n, EntryState::Active, 1)).collect();
    let reached = store.record(entries(other)).await.unwrap();
    let expected = (told(store.resident()), answers(store.resident(), 25));
    drop(store);
    settled().await;
    std::fs::write(path(&home), &ahead).unwrap();
    assert!(Snapshot::open(&path(&home)).unwrap().unwrap().title.number <= reached);
    refused(&home, &expected).await;
}

async fn after_a_rotation_of_keys_a_snapshot_still_holds() {
    let home = Home::new(8);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let keys = Arc::new(KeyRing::create(&file, &home.clock).unwrap());
    let home = Home { keys, ..home };
    let (said, found) = closed(&home).await;
    let home = Home { keys: Arc::new(home.keys.rotate(&file).unwrap()), ..home };
    let store = open(&home, at_the_end(&home)).await;
    assert_eq!(store.snapshots().number, 8);
    assert_eq!((told(store.resident()), answers(store.resident(), 25)), (said, found));
}

async fn an_event_behind_the_snapshot_that_was_erased_or_changed_makes_it_refused() {
    for change in [
        "UPDATE journal SET payload = leaf WHERE number = 10",
        "UPDATE journal SET leaf = (SELECT leaf FROM journal WHERE number = 1) WHERE number = 10",
    ] {
        let home = Home::new(9);
        closed(&home).await;
        let store = open(&home, at_the_end(&home)).await;
        // More than the leaves that are looked at at every start, so that the tail does not meet the change.
        for n in 0..300 {
            store.record(entries(vec![entry(20 + n, EntryState::Active, 1)])).await.unwrap();
        }
        let expected = (told(store.resident()), answers(store.resident(), 25));
        drop(store);
        settled().await;
        let mut conn = super::super::dialect::connect(&home.settings(), false).await.unwrap();
        conn.run(change, Vec::new()).await.unwrap();
        conn.close().await.unwrap();
        refused(&home, &expected).await;
    }
}

#[tokio::test]
async fn nothing_is_read_or_left_where_snapshots_are_switched_off() {
    let home = Home::new(10);
    let expected = closed(&home).await;
    let off = Settings { snapshot_changes: 0, ..home.settings() };
    let store = open(&home, off).await;
    assert_eq!((told(store.resident()), answers(store.resident(), 25)), expected);
    assert!(!path(&home).exists());
    store.record(bank(2)).await.unwrap();
    store.close().await.unwrap();
    assert!(!path(&home).exists());
}

#[tokio::test]
async fn while_a_snapshot_is_written_changes_go_on_and_are_there_after_the_next_start() {
    let home = Home::new(11);
    let settings =
        || Settings { snapshot_changes: 1, snapshot_pause: Duration::ZERO, ..home.settings() };
    let store = open(&home, settings()).await;
    fill(&store).await;
    for n in 0..200 {
        store.record(entries(vec![entry(20 + n, EntryState::Active, 1)])).await.unwrap();
        if n % 3 == 0 {
            store.record(entries(vec![entry(n, EntryState::Removed, 9)])).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let written = store.snapshots();
    assert!(written.written > 3 && written.failures == 0, "{written:?}");
    let (said, found) = (told(store.resident()), answers(store.resident(), 230));
    drop(store);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let store = open(&home, settings()).await;
    assert!(store.snapshots().number > 8);
    assert_eq!((told(store.resident()), answers(store.resident(), 230)), (said, found));
    store.close().await.unwrap();
    let report = verify(&home.settings(), &home.keys, Duration::ZERO).await.unwrap();
    assert!(report.faults.is_empty(), "{report:?}");
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_written_is_counted_and_holds_nobody_up() {
    let home = Home::new(12);
    // A directory stands in its place: nothing can be renamed onto it.
    std::fs::create_dir_all(path(&home).join("in the way")).unwrap();
    let settings =
        Settings { snapshot_changes: 1, snapshot_pause: Duration::ZERO, ..home.settings() };
    let store = open(&home, settings.clone()).await;
    fill(&store).await;
    while store.snapshots().failures == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(store.record(bank(2)).await.is_ok());
    let expected = (told(store.resident()), answers(store.resident(), 25));
    store.close().await.unwrap();
    let store = open(&home, settings).await;
    assert_eq!((told(store.resident()), answers(store.resident(), 25)), expected);
    // While it is open, its thread has an unfinished one at nearly every moment.
    store.close().await.unwrap();
    let left = std::fs::read_dir(home.folder.path()).unwrap();
    let left = left.filter(|file| {
        let name = file.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("unfinished")
    });
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn what_was_left_unfinished_is_removed_at_the_next_start() {
    let home = Home::new(13);
    closed(&home).await;
    let left = home.folder.path().join("snapshot.unfinished-00");
    std::fs::write(&left, b"half").unwrap();
    let store = open(&home, at_the_end(&home)).await;
    assert_eq!(store.snapshots().number, 8);
    assert!(!left.exists());
    store.close().await.unwrap();
}

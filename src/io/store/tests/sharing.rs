//! Snapshots that machines share in a folder: who puts one there, who takes it, and what is left there.

use super::snapshots::{Answers, answers, exact, open, path, settled, told};
use super::*;
use crate::config::SharedPlace;
use crate::io::objects::Place;
use crate::io::store::shelf::Shelf;
use crate::io::store::snapshot::{self, Snapshot, Title};
use crate::io::store::{SharedFigures, dialect, journal};
use std::path::PathBuf;
use std::time::{Duration, Instant};

on_both! {
    a_machine_with_an_empty_directory_starts_from_what_another_one_shared,
    of_what_is_shared_the_newest_two_are_kept_and_what_others_have_there_stays,
    a_snapshot_that_another_machine_shared_is_neither_written_nor_shared_again,
    what_is_shared_and_of_a_journal_that_was_set_back_is_passed_over_and_then_removed,
}

/// A folder that machines share.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("shared")
    }

    pub fn make(&self) {
        std::fs::create_dir(self.path()).unwrap();
    }

    /// Shared at the end, after few changes.
    pub fn at_the_end(&self, home: &Home) -> Settings {
        let place = Place::at(SharedPlace::Folder(self.path()));
        Settings { snapshot_place: Some(place), ..super::snapshots::at_the_end(home) }
    }

    /// Written and shared as soon as there is something.
    fn at_once(&self, home: &Home, changes: u64) -> Settings {
        let pause = Duration::ZERO;
        Settings { snapshot_changes: changes, snapshot_pause: pause, ..self.at_the_end(home) }
    }

    /// Names there, in order.
    pub fn names(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

/// The number that a name says.
pub fn number(name: &str) -> u64 {
    name.split('-').nth(2).unwrap().parse().unwrap()
}

pub fn shared(store: &Store) -> SharedFigures {
    store.snapshots().shared.expect("there is a place")
}

/// A store that was filled and closed, and shared what it had; nothing is left on its machine but the database.
pub async fn left(home: &Home, folder: &Folder) -> (String, Answers) {
    let store = open(home, folder.at_the_end(home)).await;
    fill(&store).await;
    let said = (told(store.resident()), answers(store.resident(), 25));
    store.close().await.unwrap();
    std::fs::remove_file(path(home)).unwrap();
    said
}

async fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn more(first: u64, count: u64) -> Event {
    entries((first..first + count).map(|n| entry(n, EntryState::Active, 1)).collect())
}

async fn a_machine_with_an_empty_directory_starts_from_what_another_one_shared() {
    let (home, folder) = (Home::new(101), Folder::new());
    folder.make();
    let said = left(&home, &folder).await;
    assert_eq!(folder.names().len(), 1);
    let store = open(&home, folder.at_the_end(&home)).await;
    assert_eq!(store.snapshots().number, 8, "made from a snapshot");
    assert_eq!((shared(&store).number, shared(&store).failures), (8, 0));
    assert!(shared(&store).since.is_some());
    assert_eq!((told(store.resident()), answers(store.resident(), 25)), said);
    assert_eq!(exact(&said.1), 38);
    // It lies in its own place from now on, and nothing is left beside it.
    assert_eq!(Snapshot::open(&path(&home)).unwrap().unwrap().title.number, 8);
    let left = std::fs::read_dir(home.folder.path()).unwrap();
    let left = left.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.contains("unfinished")).count(), 0);
    // What comes afterwards is replayed onto it by the next one.
    store.record(more(20, 3)).await.unwrap();
    let said = (told(store.resident()), answers(store.resident(), 25));
    drop(store);
    settled().await;
    std::fs::remove_file(path(&home)).unwrap();
    let store = open(&home, folder.at_the_end(&home)).await;
    assert_eq!(store.snapshots().number, 8);
    assert_eq!((told(store.resident()), answers(store.resident(), 25)), said);
}

async fn of_what_is_shared_the_newest_two_are_kept_and_what_others_have_there_stays() {
    let (home, folder) = (Home::new(102), Folder::new());
    folder.make();
    for name in ["notes.txt", "snapshot-0123456789abcdef-00000000000000000001-0-0"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    let store = open(&home, folder.at_once(&home, 5)).await;
    fill(&store).await;
    for round in 0..5 {
        store.record(more(100 + round * 10, 10)).await.unwrap();
        let enough = round + 1;
        until(|| shared(&store).uploads >= enough).await;
    }
    let number_last = store.resident().read().applied();
    store.close().await.unwrap();
    let names = folder.names();
    let ours: Vec<_> = names.iter().filter(|name| name.len() > 60).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(ours.len(), 2, "{names:?}");
    assert!(number(ours[0]) < number(ours[1]) && number(ours[1]) <= number_last, "{names:?}");
}

/// A snapshot of a store as it is, put on the shelf as another machine would.
async fn put_by_another(home: &Home, folder: &Folder, store: &Store) -> u64 {
    let resident = Arc::clone(&store.resident().read());
    let number = resident.applied();
    let mut conn = dialect::connect(&home.settings(), false).await.unwrap();
    let (_, note) = journal::checkpoint(&mut conn, number).await.unwrap().unwrap();
    conn.close().await.unwrap();
    let root = home.keys.verify(&note).unwrap().root;
    let id = home.clock.random();
    let title = Title { id, number, root, entries: resident.entries() };
    let other = home.folder.path().join("another's");
    snapshot::write(&other, &home.keys, &title, &resident, &|| false).unwrap();
    let shelf = Shelf::of(&folder.at_the_end(home), &home.keys).unwrap();
    shelf.put(&other, &title, |_| false, std::future::pending()).await.unwrap();
    number
}

async fn a_snapshot_that_another_machine_shared_is_neither_written_nor_shared_again() {
    let (home, folder) = (Home::new(103), Folder::new());
    folder.make();
    let store = open(&home, folder.at_once(&home, 50)).await;
    fill(&store).await;
    assert_eq!(store.snapshots().written, 0, "28 changes are not enough");
    let number = put_by_another(&home, &folder, &store).await;
    // It has been seen how far this machine had come when that one was made.
    tokio::time::sleep(Duration::from_millis(200)).await;
    store.record(more(100, 30)).await.unwrap();
    until(|| shared(&store).number == number).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((store.snapshots().written, shared(&store).uploads), (0, 0));
    // Once enough has changed behind that one, there is one of this machine.
    store.record(more(200, 30)).await.unwrap();
    until(|| shared(&store).uploads == 1).await;
    assert_eq!(store.snapshots().written, 1);
    let names = folder.names();
    assert_eq!((names.len(), super::sharing::number(&names[0])), (2, number), "{names:?}");
    store.close().await.unwrap();
}

async fn what_is_shared_and_of_a_journal_that_was_set_back_is_passed_over_and_then_removed() {
    let (home, folder) = (Home::new(104), Folder::new());
    folder.make();
    let said = left(&home, &folder).await;
    // Names as of events that the journal does not have, and of a root that it never had.
    let own = folder.names().remove(0);
    let (begin, end) = (&own[..26], &own[46..]);
    let beyond = format!("{begin}{:020}{end}", 1_000);
    let other = own.replace(&own[47..55], "00000000");
    for name in [&beyond, &other] {
        std::fs::copy(folder.path().join(&own), folder.path().join(name)).unwrap();
    }
    let store = open(&home, folder.at_the_end(&home)).await;
    assert_eq!((store.snapshots().number, shared(&store).number), (8, 8));
    assert_eq!((told(store.resident()), answers(store.resident(), 25)), said);
    store.record(more(100, 30)).await.unwrap();
    store.close().await.unwrap();
    let names = folder.names();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!((names[0].as_str(), number(&names[1])), (own.as_str(), 9));
}

#[tokio::test]
async fn a_place_that_is_away_is_counted_and_gets_the_snapshot_once_it_is_back() {
    let (home, folder) = (Home::new(105), Folder::new());
    let store = open(&home, folder.at_once(&home, 5)).await;
    assert_eq!(store.snapshots().number, 0);
    assert_eq!(shared(&store).failures, 1, "the start looked for one");
    fill(&store).await;
    until(|| store.snapshots().written > 0).await;
    until(|| shared(&store).failures > 1).await;
    assert!(store.record(bank(2)).await.is_ok());
    assert_eq!(shared(&store).uploads, 0);
    folder.make();
    until(|| shared(&store).uploads > 0).await;
    assert_eq!(number(&folder.names()[0]), shared(&store).number);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_shared_snapshot_is_fetched_where_the_own_one_is_far_behind_and_only_there() {
    let (home, folder) = (Home::new(106), Folder::new());
    folder.make();
    let store = open(&home, folder.at_the_end(&home)).await;
    fill(&store).await;
    store.close().await.unwrap();
    let old = std::fs::read(path(&home)).unwrap();
    let store = open(&home, folder.at_the_end(&home)).await;
    // Some MiB of events, which would have to be replayed.
    for n in 0..6 {
        let long = Entry { note: "x".repeat(1 << 20), ..entry(100 + n, EntryState::Active, 1) };
        store.record(entries(vec![long])).await.unwrap();
    }
    store.record(more(200, 30)).await.unwrap();
    let said = (told(store.resident()), answers(store.resident(), 25));
    store.close().await.unwrap();
    let number = store.resident().read().applied();
    std::fs::write(path(&home), &old).unwrap();
    let store = open(&home, folder.at_the_end(&home)).await;
    assert_eq!(store.snapshots().number, number, "the shared one");
    assert_eq!((told(store.resident()), answers(store.resident(), 25)), said);
    drop(store);
    settled().await;
    // A local one that is near enough is used even where the place is away.
    std::fs::remove_dir_all(folder.path()).unwrap();
    let store = open(&home, folder.at_the_end(&home)).await;
    assert_eq!((store.snapshots().number, shared(&store).failures), (number, 0));
}

#[tokio::test]
async fn a_place_that_is_away_at_the_end_does_not_keep_the_end_waiting() {
    let (home, folder) = (Home::new(107), Folder::new());
    let store = open(&home, folder.at_the_end(&home)).await;
    fill(&store).await;
    let began = Instant::now();
    store.close().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(path(&home).exists(), "this machine has its own all the same");
}

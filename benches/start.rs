//! Starting from a snapshot beside starting from rows, in turns; and writing and loading a snapshot alone.
//!
//! `START_ENTRIES=1000000 cargo bench --bench start` is the usual size; `-- --test` a very small one. A store is filled
//! through its writer up to `START_ROWS` entries, and opened in turns with its snapshot and without. The snapshot alone
//! is of a memory of `START_ENTRIES` that was never in a database: it is written, and loaded the way a start loads it,
//! both with its file in the system's memory and without.

mod shared;

use bulwark::core::bank::Entry;
use bulwark::core::event::Event;
use bulwark::core::hamming::Scratch;
use bulwark::core::id::EntryId;
use bulwark::core::matcher::Query;
use bulwark::core::resident::Resident;
use bulwark::core::time::Time;
use bulwark::core::verdict::Provenance;
use bulwark::io::clock::Clock;
use bulwark::io::seal::KeyRing;
use bulwark::io::store::snapshot::{self, Snapshot, Title};
use bulwark::io::store::{Settings, Store};
use rustix::fs::{Advice, fadvise};
use shared::{Dice, bank, put, scope, set};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// As the service makes them: a name of 32 digits, and with each thousand a time of its own.
fn entry(dice: &mut Dice, n: u64) -> Entry {
    let at = Time::from_millis(1_700_000_000_000 + (n / 1000).cast_signed());
    let mut entry = shared::entry("n", Some(dice.bits()));
    entry.id = EntryId::parse(&format!("{:016x}{:016x}", dice.next(), n)).expect("a name");
    entry.signals[0].quality = Some(100);
    Entry {
        background: None,
        provenance: Provenance { first_seen: at, ..Provenance::default() },
        created: at,
        ..entry
    }
}

fn batches(entries: u64) -> impl Iterator<Item = Event> {
    let mut dice = Dice(1);
    (0..entries.div_ceil(1000)).map(move |batch| {
        let numbers = batch * 1000..entries.min(batch * 1000 + 1000);
        put(numbers.map(|n| entry(&mut dice, n)).collect())
    })
}

fn answers(resident: &Resident, entries: u64) {
    let Event::EntriesPut { entries: list, .. } = batches(entries).next().expect("some") else {
        return;
    };
    let matcher = &resident.of(&scope()).expect("filled").matcher;
    let query = Query { signal: &list[0].signals[0].signal, quality: None };
    assert!(!matcher.search(query, &mut Scratch::default()).is_empty(), "the first is found");
}

fn say(what: &str, times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    let second = |at: usize| times[at].as_secs_f64();
    let half = second(times.len() / 2);
    println!("start: {what:34} {half:.3} s ({:.3} to {:.3})", second(0), second(times.len() - 1));
    half
}

/// Has the system forget what it keeps of a file.
fn forget(path: &Path) {
    let file = std::fs::File::open(path).expect("opened");
    file.sync_all().expect("synced");
    fadvise(&file, 0, None, Advice::DontNeed).expect("forgotten");
}

/// A store of so many entries, opened in turns with its snapshot and without.
fn beside_rows(entries: u64, turns: u64, folder: &Path) {
    let runtime = Runtime::new().expect("a runtime");
    let clock = Clock::system();
    let keys = Arc::new(KeyRing::generate(&clock));
    let settings = || Settings { snapshot_changes: 10, ..Settings::in_folder(folder) };
    let open = |settings| {
        let began = Instant::now();
        let opening = Store::open(settings, Arc::clone(&keys), clock.clone());
        let store = runtime.block_on(opening).expect("a store");
        answers(&store.resident().read(), entries);
        (store, began.elapsed())
    };
    let began = Instant::now();
    let (store, _) = open_empty(&runtime, settings(), &keys, &clock);
    runtime.block_on(async {
        store.record(Event::BankPut { scope: scope(), bank: bank() }).await.expect("kept");
        for batch in batches(entries) {
            store.record(batch).await.expect("kept");
        }
        store.close().await.expect("closed");
    });
    let database = std::fs::metadata(settings().database).expect("there").len();
    println!(
        "start: filled a store of {entries} entries in {:.0} s",
        began.elapsed().as_secs_f64()
    );
    println!("start: {:.1} bytes an entry in rows and journal", database as f64 / entries as f64);
    let aside = folder.join("aside");
    std::fs::hard_link(settings().snapshot, &aside).expect("linked");
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        let (store, took) = open(settings());
        assert!(store.snapshots().number > 0, "from the snapshot");
        with.push(took);
        runtime.block_on(store.close()).expect("closed");
        let (store, took) = open(Settings { snapshot_changes: 0, ..settings() });
        without.push(took);
        runtime.block_on(store.close()).expect("closed");
        std::fs::hard_link(&aside, settings().snapshot).expect("linked");
    }
    let rows = say("opened from rows", &mut without);
    let snapshot = say("opened from a snapshot", &mut with);
    println!("start: a snapshot is {:.1} times as fast", rows / snapshot);
}

fn open_empty(
    runtime: &Runtime,
    settings: Settings,
    keys: &Arc<KeyRing>,
    clock: &Clock,
) -> (Store, Duration) {
    let began = Instant::now();
    let opening = Store::open(settings, Arc::clone(keys), clock.clone());
    (runtime.block_on(opening).expect("a store"), began.elapsed())
}

/// A snapshot of so many entries, written and loaded by itself.
fn alone(entries: u64, turns: u64, folder: &Path) {
    let keys = KeyRing::generate(&Clock::system());
    let path = folder.join("alone");
    let mut resident = Resident::default();
    resident.apply(1, &Event::BankPut { scope: scope(), bank: bank() });
    for (number, batch) in (2..).zip(batches(entries)) {
        resident.apply(number, &batch);
        if number % 64 == 0 {
            resident.settle();
        }
    }
    resident.settle();
    let title = Title {
        id: [1; 16],
        number: resident.applied(),
        root: [0; 32],
        entries: resident.entries(),
    };
    let (mut writes, mut warm, mut cold) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..turns {
        let began = Instant::now();
        bytes = snapshot::write(&path, &keys, &title, &resident, &|| false).expect("written");
        writes.push(began.elapsed());
    }
    drop(resident);
    for turn in 0..2 * turns {
        if turn % 2 == 1 {
            forget(&path);
        }
        let began = Instant::now();
        let read = Snapshot::open(&path).expect("opened").expect("there").read(&keys);
        let took = began.elapsed();
        answers(&read.expect("read"), entries);
        if turn % 2 == 1 { cold.push(took) } else { warm.push(took) }
    }
    println!("start: {:.1} bytes an entry in the snapshot", bytes as f64 / entries as f64);
    say("written, synced", &mut writes);
    say("loaded, file in memory", &mut warm);
    say("loaded, file on disk only", &mut cold);
}

fn main() {
    let entries = set("START_ENTRIES", 1_000_000, 2_000);
    let rows = set("START_ROWS", 1_000_000, 2_000).min(entries);
    let turns = set("START_TURNS", 5, 1);
    println!("start: {entries} entries");
    // Not the directory for temporary files, which may be in memory: the one that the program would write to.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    alone(entries, turns, folder.path());
    if rows > 0 {
        beside_rows(rows, turns, folder.path());
    }
}

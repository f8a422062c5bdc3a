//! A server that is killed while it writes a snapshot: the next start is right, and from a snapshot that is whole.

use crate::binary::Server;
use crate::kill::{Acknowledged, ask_again, channel, everything_is_there, load, staffed, verify};
use bulwark::core::access::{Environment, Scope};
use bulwark::core::bank::{BankedSignal, Entry, EntryState};
use bulwark::core::event::Event;
use bulwark::core::hamming::Scratch;
use bulwark::core::id::{BankId, EntryId, TenantId};
use bulwark::core::matcher::Query;
use bulwark::core::signal::{Bits256, Signal};
use bulwark::core::time::Time;
use bulwark::core::verdict::Provenance;
use bulwark::io::clock::Clock;
use bulwark::io::store::{self, Store};
use bulwark::server::whole::existing_keys;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Entries that make a snapshot take some time to write.
const LISTED: u64 = 10_000;
/// Written whenever anything has changed, without rest.
const ALL_THE_TIME: [&str; 2] = ["store.snapshot_changes=1", "store.snapshot_pause=0 ms"];

fn scope() -> Scope {
    Scope { tenant: TenantId::parse("operator").unwrap(), environment: Environment::Test }
}

fn listed(n: u64) -> Signal {
    Signal::Pdq(Bits256(std::array::from_fn(|at| {
        (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(at as u32 * 17)
    })))
}

async fn open(data: &Path) -> Store {
    let keys = Arc::new(existing_keys(data, &Clock::system()).expect("keys"));
    Store::open(store::Settings::in_folder(data), keys, Clock::system()).await.expect("opens")
}

/// A list in the bank, under names of its own; it is not in the way of what is listed through the service.
async fn fill(data: &Path) {
    let store = open(data).await;
    let put = |bank: &str, entries| Event::EntriesPut {
        scope: scope(),
        bank: BankId::parse(bank).unwrap(),
        entries,
        at: Time::default(),
    };
    let made = store.resident().read();
    let bank = made.of(&scope()).unwrap().matcher.bank(&BankId::parse("known").unwrap());
    let mut other = bank.unwrap().bank.clone();
    drop(made);
    other.id = BankId::parse("list").unwrap();
    store.record(Event::BankPut { scope: scope(), bank: other }).await.unwrap();
    for first in (0..LISTED).step_by(1000) {
        let entry = |n| Entry {
            background: None,
            id: EntryId::parse(&format!("l{n}")).unwrap(),
            signals: vec![BankedSignal::new(listed(n), Some(100))],
            state: EntryState::Active,
            provenance: Provenance::default(),
            note: String::new(),
            version: 1,
            created: Time::default(),
        };
        store.record(put("list", (first..first + 1000).map(entry).collect())).await.unwrap();
    }
    store.close().await.unwrap();
}

/// What a start makes of the directory: from a snapshot, and with everything that was acknowledged.
async fn start_is_right(data: &Path, done: &Mutex<Acknowledged>) -> (u64, Duration) {
    let began = Instant::now();
    let store = open(data).await;
    let took = began.elapsed();
    let number = store.snapshots().number;
    let memory = store.resident().read();
    let matcher = &memory.of(&scope()).expect("there").matcher;
    let mut scratch = Scratch::default();
    let mut hits = |signal: &Signal| -> Vec<String> {
        let hits = matcher.search(Query { signal, quality: None }, &mut scratch);
        hits.into_iter().filter(|hit| hit.distance == 0).map(|hit| hit.entry.to_string()).collect()
    };
    for n in (0..LISTED).step_by(97) {
        assert_eq!(hits(&listed(n)), [format!("l{n}")]);
    }
    let done = done.lock().unwrap();
    for (name, id) in &done.added {
        let signal = Signal::Md5(u128::from(*name).to_be_bytes());
        let found = hits(&signal);
        if done.removed.contains(id) {
            assert!(!found.contains(id), "{name} was removed");
        } else if !done.is_being_removed(id) {
            assert_eq!(found, std::slice::from_ref(id), "{name} was added");
        }
    }
    (number, took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_while_it_writes_a_snapshot_starts_right_and_from_a_snapshot() {
    let kills = if std::env::var_os("BULWARK_LONG").is_some() { 200 } else { 20 };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let key = staffed(&server).await;
    assert_eq!(server.stop(), 0);
    fill(&data).await;
    let mut server = Server::start_with(&data, &ALL_THE_TIME);
    let done = Arc::new(Mutex::new(Acknowledged::default()));
    let (mut in_the_middle, mut from_a_snapshot, mut slowest) = (0, 0, Duration::ZERO);
    for round in 0..kills {
        let lanes: Vec<_> = (0..2)
            .map(|lane| {
                tokio::spawn(load(lane, round, channel(&server.url, &key), Arc::clone(&done)))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(200 + round * 37 % 300)).await;
        server.kill();
        for lane in lanes {
            lane.await.expect("no panic");
        }
        let names = std::fs::read_dir(&data).unwrap().map(|file| file.unwrap().file_name());
        let unfinished =
            names.filter(|name| name.to_string_lossy().starts_with("snapshot.unfinished-"));
        in_the_middle += u64::from(unfinished.count() > 0);
        let (code, said) = verify(&data);
        assert_eq!(code, 0, "round {round}: {said}");
        let (number, took) = start_is_right(&data, &done).await;
        from_a_snapshot += u64::from(number > 0);
        slowest = slowest.max(took);
        server = Server::start_with(&data, &ALL_THE_TIME);
        ask_again(channel(&server.url, &key), &done).await;
        if round % 5 == 4 || round + 1 == kills {
            everything_is_there(channel(&server.url, &key), &done).await;
        }
    }
    println!(
        "{kills} kills, {in_the_middle} of them in the middle of a snapshot; slowest start {slowest:?}"
    );
    assert!(in_the_middle * 4 >= kills, "only {in_the_middle} of {kills} while writing");
    assert_eq!(from_a_snapshot, kills, "every start had a snapshot that was whole");
    assert_eq!(server.stop(), 0);
    assert_eq!(verify(&data).0, 0);
}

//! An import of PDQ hashes, one a line: read, matched in memory, and kept by a server with everything on, beside what the
//! machine gives for the same values in the same run.
//!
//! `IMPORT_ENTRIES=1000000 cargo bench --bench import` is the long form; `-- --test` a very short one. The database lies
//! where the program would put it, not where temporary files do, which may be in memory.

mod served;
mod shared;

use bulwark::core::bank::{Bank, BankedSignal, EntryState};
use bulwark::core::event::{ENTRIES_PER_EVENT_MAX, Event};
use bulwark::core::hamming::Scratch;
use bulwark::core::id::EntryId;
use bulwark::core::intake::{Draft, take_drafts};
use bulwark::core::list_file::{Common, Format, ListFile};
use bulwark::core::matcher::Query;
use bulwark::core::promotion::Far;
use bulwark::core::resident::Resident;
use bulwark::core::signal::{Bits256, Signal, SignalType};
use bulwark::core::time::Time;
use bulwark::core::verdict::Provenance;
use bulwark::io::clock::Clock;
use bulwark::io::store::Memory;
use bulwark::proto::v1;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use served::{call, open, prepare, staff};
use shared::{Dice, bank, put, scope, set};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Bytes of a piece of the file, as the command line sends them.
const PIECE_BYTES: usize = 64 * 1024;

/// A line of the table: entries a second.
fn tell(what: &str, entries: u64, took: Duration) -> f64 {
    let rate = entries as f64 / took.as_secs_f64();
    println!("{what:<58} {:>9.0} a second, {:>7.2} µs each", rate, 1e6 / rate);
    rate
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}

fn list_file() -> ListFile {
    let common = Common { provenance: Provenance::default(), state: EntryState::Active };
    ListFile::new(Format::Text(SignalType::Pdq), common)
}

/// Reads a file as its pieces come; `keep` gets what was read whenever it makes an event.
fn read(file: &[u8], mut keep: impl FnMut(Vec<Draft>)) {
    let mut list = list_file();
    for piece in file.chunks(PIECE_BYTES) {
        list.feed(piece).expect("readable");
        if list.ready() >= ENTRIES_PER_EVENT_MAX {
            keep(list.take());
        }
    }
    list.end().expect("readable");
    keep(list.take());
    assert!(list.take_bad().is_empty());
}

/// Reads a file into a memory that answers from it; the last value of it is then looked up.
fn read_to_matchable(file: &[u8], last: Bits256) -> Duration {
    let memory = Memory::share(Resident::default()).expect("threads");
    memory.apply(&[(1, Event::BankPut { scope: scope(), bank: bank() })]);
    let (clock, bank) = (Clock::system(), bank());
    let ((), took) = timed(|| {
        read(file, |drafts| {
            let mut drafts = drafts.into_iter().peekable();
            while drafts.peek().is_some() {
                let group: Vec<_> = drafts.by_ref().take(ENTRIES_PER_EVENT_MAX).collect();
                let (known, names) = (vec![None; group.len()], vec![false; group.len()]);
                let fresh = || EntryId::parse(&clock.fresh_id()).ok();
                let picture = memory.read().clone();
                let fire = |bank: &Bank, signals: &[BankedSignal]| {
                    let held = picture.of(&scope()).expect("filled");
                    Far::default().fired(signals, held.matcher.nearest_good(bank, signals))
                };
                let now = Time::default();
                let intake = take_drafts(&bank, group, &known, &names, fresh, fire, now);
                drop(picture);
                let entries = intake.changed.into_iter().map(|one| one.after).collect();
                memory.apply(&[(memory.read().applied() + 1, put(entries))]);
            }
        });
    });
    let (signal, mut scratch) = (Signal::Pdq(last), Scratch::default());
    let picture = memory.read();
    let query = Query { signal: &signal, quality: None };
    let holding = picture.of(&scope()).expect("filled");
    assert_eq!(holding.matcher.search(query, &mut scratch).len(), 1);
    took
}

/// Appends the bytes of the file, synced whenever an event's worth of entries has come.
fn append_raw(folder: &Path, file: &[u8]) -> Duration {
    let mut raw = std::fs::File::create(folder.join("raw")).expect("a file");
    let (_, took) = timed(|| {
        for group in file.chunks(65 * ENTRIES_PER_EVENT_MAX) {
            raw.write_all(group).expect("written");
            raw.sync_data().expect("synced");
        }
    });
    took
}

/// Inserts names and values into one table with an index of the values, an event's worth in a transaction.
async fn insert_plainly(folder: &Path, values: &[Bits256]) -> Duration {
    let options = SqliteConnectOptions::new()
        .filename(folder.join("plain.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut conn = options.connect().await.expect("opens");
    let table = "CREATE TABLE entry (name TEXT PRIMARY KEY, value BLOB NOT NULL UNIQUE) STRICT, WITHOUT ROWID";
    sqlx::query(table).execute(&mut conn).await.expect("made");
    let clock = Clock::system();
    let began = Instant::now();
    for group in values.chunks(ENTRIES_PER_EVENT_MAX) {
        let places = vec!["(?, ?)"; group.len()].join(", ");
        let sql = format!("BEGIN IMMEDIATE; INSERT INTO entry VALUES {places}; COMMIT");
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for value in group {
            query = query.bind(clock.fresh_id()).bind(value.to_bytes().to_vec());
        }
        query.execute(&mut conn).await.expect("kept");
    }
    began.elapsed()
}

/// Imports the file by a call over a socket, as the command line does.
async fn import(folder: &Path, file: &[u8], entries: u64) -> (Duration, Duration) {
    let house = open(folder.join("data")).await;
    let key = staff(&house).await;
    prepare(&house, &key).await;
    let mut client = BankServiceClient::new(call(&house.url, &key));
    let mut once = async || {
        use v1::import_entries_request::Step;
        let open = v1::ImportOpen {
            bank_id: "known".into(),
            format: v1::ImportFormat::Text.into(),
            signal_type: v1::SignalType::Pdq.into(),
            state: v1::EntryState::Active.into(),
            ..v1::ImportOpen::default()
        };
        let pieces: Vec<_> = file.chunks(PIECE_BYTES).map(bytes::Bytes::copy_from_slice).collect();
        let chunk = |(number, data)| Step::Chunk(v1::ImportChunk { number, data });
        let steps = std::iter::once(Step::Open(open)).chain((1..).zip(pieces).map(chunk));
        let messages = steps.map(|step| v1::ImportEntriesRequest { step: Some(step) });
        let began = Instant::now();
        let answer = client.import_entries(tokio_stream::iter(messages)).await.expect("taken");
        (answer.into_inner(), began.elapsed())
    };
    let (answer, first) = once().await;
    assert_eq!((answer.taken_count, answer.refused_count), (entries, 0));
    let (answer, again) = once().await;
    assert_eq!((answer.taken_count, answer.already_present_count), (0, entries));
    house.stop.cancel();
    (first, again)
}

fn main() {
    let entries = set("IMPORT_ENTRIES", 100_000, 3000);
    let mut dice = Dice(5);
    let values: Vec<Bits256> = (0..entries).map(|_| dice.bits()).collect();
    let mut file = Vec::with_capacity(entries as usize * 65);
    for value in &values {
        file.extend_from_slice(hex::encode(value.to_bytes()).as_bytes());
        file.push(b'\n');
    }
    println!("{entries} PDQ hashes, one a line\n");

    let (_, took) = timed(|| {
        for line in file.chunks(65) {
            black_box(hex::decode(&line[..64]).expect("digits"));
        }
    });
    let digits = tell("digits to bytes alone", entries, took);
    let (_, took) = timed(|| read(&file, |drafts| drop(black_box(drafts))));
    let lines = tell("lines to entries", entries, took);
    let took = read_to_matchable(&file, values[values.len() - 1]);
    let memory = tell("lines to what is matched, in memory", entries, took);
    println!(
        "  {:.2} of the digits alone; lines to entries {:.2}\n",
        memory / digits,
        lines / digits
    );

    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let raw = tell("raw appends, synced every 1,000", entries, append_raw(folder.path(), &file));
    let took = runtime.block_on(insert_plainly(folder.path(), &values));
    let plain = tell("plain rows in SQLite, committed every 1,000", entries, took);
    let (first, again) = runtime.block_on(import(folder.path(), &file, entries));
    let kept = tell("ImportEntries over a socket, kept", entries, first);
    tell("ImportEntries of the same file again", entries, again);
    println!("  {:.3} of raw appends, {:.2} of plain rows", kept / raw, kept / plain);
}

//! A server under mixed calls for minutes or hours: its memory, files and threads stay as they were.
//!
//! `BULWARK_SOAK_SECONDS=28800` sets eight hours; the usual is five minutes, which `scripts/test` runs beside other suites.

use crate::binary::Server;
use crate::kill::{Keyed, channel, staffed};
use crate::service::{context, entry, media, png, signal};
use crate::streams::batches;
use bulwark::proto::v1;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use bulwark::proto::v1::screening_service_client::ScreeningServiceClient;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_stream::StreamExt as _;

/// Entries that are there at one time of those that come and go.
const ENTRIES: usize = 400;
/// How long a client waits between two rounds: the server is busy, not overrun.
const PAUSE: Duration = Duration::from_millis(40);
const LANES: u64 = 4;
/// How much more memory than at the beginning the server may have at the end: what the rests of an allocator may grow by.
const GROWTH_MAX_KIB: u64 = 12 * 1024;

fn digest(number: u64) -> v1::Signal {
    signal(v1::SignalType::Md5, format!("{number:032x}"))
}

/// A picture hash of its own, far from all others.
fn hash(number: u64) -> v1::Signal {
    let word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let words = [word, word.rotate_left(17) ^ 0xff, word.rotate_left(31), !word];
    let text: String = words.iter().map(|word| format!("{word:016x}")).collect();
    signal(v1::SignalType::Pdq, text)
}

fn asking(signals: Vec<v1::Signal>) -> v1::ScreenSignalsRequest {
    v1::ScreenSignalsRequest {
        context: Some(context("i")),
        signals,
        ..v1::ScreenSignalsRequest::default()
    }
}

/// What every client does over and over: entries come, are found, and go; strangers are not found; pictures are decoded.
async fn client(lane: u64, url: String, key: String, stop: Arc<AtomicBool>, calls: Arc<AtomicU64>) {
    let mut entries: VecDeque<(String, u64)> = VecDeque::new();
    let mut round = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        // Connections come and go, too.
        let keyed = channel(&url, &key);
        for _ in 0..50 {
            one_round(lane, round, keyed.clone(), &mut entries, &calls).await;
            round += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn one_round(
    lane: u64,
    round: u64,
    keyed: Keyed,
    entries: &mut VecDeque<(String, u64)>,
    calls: &AtomicU64,
) {
    let mut banks = BankServiceClient::new(keyed.clone());
    let mut screening = ScreeningServiceClient::new(keyed);
    let number = 1 + lane + LANES * round;
    let added = banks.add_entry(entry("known", vec![digest(number), hash(number)])).await;
    let id = added.expect("added").into_inner().entry.expect("told").entry_id;
    entries.push_back((id, number));
    let found = screening.screen_signals(asking(vec![hash(number)])).await.expect("answered");
    let verdict = found.into_inner().verdict.expect("told");
    assert!(!verdict.findings.is_empty(), "what was added is found by the next call");
    let get = v1::GetVerdictRequest { verdict_id: verdict.verdict_id };
    screening.get_verdict(get).await.expect("on record");
    let stranger = screening.screen_signals(asking(vec![hash(number | 1 << 40)])).await;
    assert!(stranger.expect("answered").into_inner().verdict.expect("told").findings.is_empty());
    let item = |n: u64| v1::SignalsItem {
        item_id: format!("i{n}"),
        signals: vec![digest(number + n)],
        media_kind: v1::MediaKind::Other.into(),
    };
    let items = batches((0..32).map(item).collect());
    let answers = screening.screen_signals_batch(tokio_stream::iter(items)).await;
    let answers: Vec<_> = answers.expect("begun").into_inner().collect().await;
    let answered = |said: &Result<v1::ScreenSignalsBatchResponse, _>| match &said
        .as_ref()
        .expect("whole")
        .step
    {
        Some(v1::screen_signals_batch_response::Step::Result(result)) => result.items.len(),
        _ => 0,
    };
    assert_eq!(answers.iter().map(answered).sum::<usize>(), 32);
    calls.fetch_add(5, Ordering::Relaxed);
    if round.is_multiple_of(5) {
        let asked = screening.screen_media(media("i", png(number))).await.expect("answered");
        assert!(asked.into_inner().verdict.is_some());
        calls.fetch_add(1, Ordering::Relaxed);
    }
    if entries.len() > ENTRIES / LANES as usize {
        let (id, number) = entries.pop_front().expect("some");
        let remove = v1::RemoveEntryRequest {
            bank_id: "known".into(),
            entry_id: id,
            ..v1::RemoveEntryRequest::default()
        };
        banks.remove_entry(remove).await.expect("removed");
        let gone = screening.screen_signals(asking(vec![digest(number)])).await.expect("answered");
        assert!(gone.into_inner().verdict.expect("told").findings.is_empty(), "found though gone");
        calls.fetch_add(2, Ordering::Relaxed);
    }
}

/// What the server holds at a moment.
#[derive(Debug, Clone, Copy)]
struct Held {
    memory_kib: u64,
    files: usize,
    threads: u64,
}

impl Held {
    fn by(server: &Server) -> Self {
        let files =
            std::fs::read_dir(Path::new("/proc").join(server.child.id().to_string()).join("fd"));
        Self {
            memory_kib: server.figure("VmRSS"),
            files: files.expect("a running process").count(),
            threads: server.figure("Threads"),
        }
    }

    /// The middle of several moments, figure by figure.
    fn middle(moments: &[Self]) -> Self {
        fn of<T: Ord + Copy>(values: impl Iterator<Item = T>) -> T {
            let mut values: Vec<_> = values.collect();
            values.sort_unstable();
            values[values.len() / 2]
        }
        Self {
            memory_kib: of(moments.iter().map(|held| held.memory_kib)),
            files: of(moments.iter().map(|held| held.files)),
            threads: of(moments.iter().map(|held| held.threads)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes five minutes and more; scripts/test runs it beside other suites"]
async fn memory_files_and_threads_stay_flat_under_mixed_calls() {
    let seconds = std::env::var("BULWARK_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let span = Duration::from_secs(seconds.unwrap_or(300));
    let folder = tempfile::tempdir().expect("a folder");
    // The store's cache fills as the database grows, for longer than this takes: so small a one is full early.
    let server = Server::start_with(&folder.path().join("data"), &["store.cache_bytes_max=1MiB"]);
    let key = staffed(&server).await;
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let lanes: Vec<_> = (0..LANES)
        .map(|lane| {
            let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
            tokio::spawn(client(lane, server.url.clone(), key.clone(), stop, calls))
        })
        .collect();
    let (began, mut moments) = (Instant::now(), Vec::new());
    while began.elapsed() < span && lanes.iter().all(|lane| !lane.is_finished()) {
        tokio::time::sleep(span / 200).await;
        moments.push(Held::by(&server));
    }
    stop.store(true, Ordering::Relaxed);
    for lane in lanes {
        lane.await.expect("every call was answered as it should be");
    }
    // The first quarter fills caches, pools and the bank.
    let quarter = moments.len() / 4;
    let (early, late) = (&moments[quarter..2 * quarter], &moments[3 * quarter..]);
    let (early, late) = (Held::middle(early), Held::middle(late));
    println!(
        "soak: {} s, {} calls, {early:?}, then {late:?}",
        span.as_secs(),
        calls.load(Ordering::Relaxed)
    );
    assert!(late.memory_kib <= early.memory_kib + early.memory_kib / 10 + GROWTH_MAX_KIB);
    assert!(late.files <= early.files + 16);
    assert!(late.threads <= early.threads + 8);
    assert_eq!(server.stop(), 0);
}

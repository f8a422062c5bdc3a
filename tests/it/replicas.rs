//! Three processes of the real binary on one PostgreSQL: whichever answers, and whichever of them is killed.

use crate::binary::{Server, bulwark, text};
use crate::cluster::Cluster;
use crate::kill::{Keyed, adding, channel, staffed};
use crate::service::{context, signal};
use bulwark::proto::v1;
use bulwark::proto::v1::admin_service_client::AdminServiceClient;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use bulwark::proto::v1::screening_service_client::ScreeningServiceClient;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tonic::{Code, Request, Response, Status};

/// Deadline of a call, with all its attempts.
const DEADLINE: Duration = Duration::from_secs(10);
/// Most attempts of a call, as gRPC allows at most.
const ATTEMPTS_MAX: u32 = 5;
/// First pause between two attempts; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// Processes on one database, each with a data directory of its own and the same keys.
struct Trio {
    folder: tempfile::TempDir,
    store: String,
    servers: Vec<Option<Server>>,
    key: String,
    admin: String,
}

fn home(folder: &Path, at: usize) -> PathBuf {
    folder.join(format!("data{at}"))
}

impl Trio {
    async fn start(cluster: &Cluster) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("store.url={}", cluster.url(&cluster.database()));
        let first = Server::start_with(&home(folder.path(), 0), &[&store]);
        let key = staffed(&first).await;
        let admin = first.first_key.clone().expect("a first key");
        let mut trio = Self { folder, store, servers: vec![Some(first), None, None], key, admin };
        for at in 1..3 {
            let (from, to) = (home(trio.folder.path(), 0), home(trio.folder.path(), at));
            std::fs::create_dir(&to).unwrap();
            std::fs::copy(from.join("keys.json"), to.join("keys.json")).unwrap();
            trio.go_on(at);
        }
        trio
    }

    fn go_on(&mut self, at: usize) {
        let title = format!("title=replica-{at}");
        let data = home(self.folder.path(), at);
        let server = Server::start_with(&data, &[&self.store, &title]);
        assert!(server.first_key.is_none(), "one key was made");
        self.servers[at] = Some(server);
    }

    fn url(&self, at: usize) -> String {
        self.servers[at].as_ref().expect("runs").url.clone()
    }

    fn urls(&self) -> Vec<String> {
        (0..3).map(|at| self.url(at)).collect()
    }

    async fn detail(&self, at: usize) -> v1::GetHealthDetailResponse {
        let mut admin = AdminServiceClient::new(channel(&self.url(at), &self.admin));
        let ask = v1::GetHealthDetailRequest { sum_index: true };
        admin.get_health_detail(ask).await.expect("told").into_inner()
    }

    /// All hold the same, as far as the journal reaches, and that is whole.
    async fn agree(&self) {
        let began = Instant::now();
        loop {
            let mut told = Vec::new();
            for at in 0..3 {
                let detail = self.detail(at).await;
                let (index, store) = (detail.index.unwrap(), detail.store.unwrap());
                told.push((index.applied_number, store.journal_number, index.sum));
            }
            // Counts are flushed meanwhile, so that the journal goes on.
            if told.iter().all(|one| *one == told[0]) && told[0].1 == Some(told[0].0) {
                assert_eq!(told[0].2.len(), 32);
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "they differ: {told:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let set = format!("data_dir={}", home(self.folder.path(), 1).display());
        let (code, said) =
            text(&bulwark(&["verify", "--set", &set, "--set", &self.store]).output().unwrap());
        assert_eq!(code, 0, "{said}");
    }
}

/// What the calls of a test are counted in.
#[derive(Default)]
struct Tally {
    calls: AtomicU64,
    repeated: AtomicU64,
    failed: Mutex<Vec<String>>,
    over: AtomicBool,
}

/// Where the processes are, as a name service would tell.
type Places = Arc<Mutex<Vec<(String, Keyed)>>>;

/// Whether a process cannot be reached or says so. What ends with its connection, other libraries of gRPC call
/// UNAVAILABLE, too.
fn is_unavailable(status: &Status) -> bool {
    status.code() == Code::Unavailable || std::error::Error::source(status).is_some()
}

/// Makes a call as the published policy says: another process, after a pause, where one is unavailable.
async fn persist<T, Sent: Future<Output = Result<Response<T>, Status>>>(
    places: &Places,
    tally: &Tally,
    mut from: usize,
    mut send: impl FnMut(Keyed) -> Sent,
) -> Option<T> {
    tally.calls.fetch_add(1, Ordering::SeqCst);
    let (began, mut pause) = (Instant::now(), PAUSE);
    let mut last = None;
    for attempt in 0..ATTEMPTS_MAX {
        let place = places.lock().unwrap()[from % 3].1.clone();
        let left = DEADLINE.saturating_sub(began.elapsed());
        match tokio::time::timeout(left, send(place)).await {
            Ok(Ok(answer)) => return Some(answer.into_inner()),
            Ok(Err(status)) if is_unavailable(&status) => last = Some(status),
            Ok(Err(status)) => {
                last = Some(status);
                break;
            }
            Err(_) => break,
        }
        tally.repeated.fetch_add(u64::from(attempt + 1 < ATTEMPTS_MAX), Ordering::SeqCst);
        tokio::time::sleep(pause).await;
        (pause, from) = (pause * 2, from + 1);
    }
    tally.failed.lock().unwrap().push(format!("{:?}: {last:?}", began.elapsed()));
    None
}

fn screening(n: u64, number: u64) -> v1::ScreenSignalsRequest {
    let id = format!("screen {n} {number}");
    v1::ScreenSignalsRequest {
        context: Some(v1::Context { request_id: id, min_index: number, ..context("i") }),
        signals: vec![signal(v1::SignalType::Md5, format!("{n:032x}"))],
        ..v1::ScreenSignalsRequest::default()
    }
}

/// Adds, screens by another, withdraws and screens by the third; gives the entries it made, and whether each was withdrawn.
async fn lane(lane: u64, places: Places, tally: Arc<Tally>) -> BTreeMap<u64, (String, bool)> {
    let mut made = BTreeMap::new();
    for step in 0_u64.. {
        if tally.over.load(Ordering::SeqCst) {
            break;
        }
        let (n, at) = (1 + lane + 100 * step, (lane + step) as usize);
        let (places, tally) = (&places, &*tally);
        let added = persist(places, tally, at, |calls| async move {
            BankServiceClient::new(calls).add_entry(adding(n)).await
        });
        let Some(added) = added.await else { continue };
        let id = added.entry.unwrap().entry_id;
        let screened = persist(places, tally, at + 1, |calls| async move {
            let ask = screening(n, added.journal_number);
            ScreeningServiceClient::new(calls).screen_signals(ask).await
        });
        if let Some(screened) = screened.await {
            let verdict = screened.verdict.unwrap();
            assert_eq!(verdict.disposition(), v1::Disposition::Block, "added and not found");
            assert!(verdict.versions.unwrap().index_number >= added.journal_number);
        }
        let withdrawn = step % 2 == 0;
        made.insert(n, (id.clone(), withdrawn));
        if !withdrawn {
            continue;
        }
        let (ask, key) = (id.as_str(), format!("withdraw {n}"));
        let removed = persist(places, tally, at + 1, |calls| {
            let request_id = key.clone();
            async move {
                let request = v1::RemoveEntryRequest {
                    bank_id: "known".into(),
                    entry_id: ask.to_owned(),
                    request_id,
                    ..v1::RemoveEntryRequest::default()
                };
                BankServiceClient::new(calls).remove_entry(request).await
            }
        });
        let Some(removed) = removed.await else {
            made.remove(&n);
            continue;
        };
        let screened = persist(places, tally, at + 2, |calls| async move {
            let ask = screening(n, removed.journal_number);
            ScreeningServiceClient::new(calls).screen_signals(ask).await
        });
        if let Some(screened) = screened.await {
            let verdict = screened.verdict.unwrap();
            assert!(verdict.findings.is_empty(), "withdrawn and still found");
        }
    }
    made
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_of_which_one_after_another_is_killed_answer_every_call_and_lose_and_double_nothing()
{
    let cluster = Cluster::start();
    let mut trio = Trio::start(&cluster).await;
    let is_long = std::env::var_os("BULWARK_LONG").is_some();
    let (kills, pause) = if is_long { (30, 10_000) } else { (3, 2_500) };
    let connected = trio.urls().into_iter().map(|url| (url.clone(), channel(&url, &trio.key)));
    let places: Places = Arc::new(Mutex::new(connected.collect()));
    let tally = Arc::new(Tally::default());
    let lanes: Vec<_> =
        (0..6).map(|at| tokio::spawn(lane(at, Arc::clone(&places), Arc::clone(&tally)))).collect();
    for round in 0..kills {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let at = round % 3;
        trio.servers[at].take().unwrap().kill();
        // Its address leads nowhere until it is there again.
        tokio::time::sleep(Duration::from_millis(pause / 5)).await;
        tokio::task::block_in_place(|| trio.go_on(at));
        let url = trio.url(at);
        let calls = channel(&url, &trio.key);
        places.lock().unwrap()[at] = (url, calls);
    }
    tokio::time::sleep(Duration::from_millis(pause / 2)).await;
    tally.over.store(true, Ordering::SeqCst);
    let mut made = BTreeMap::new();
    for lane in lanes {
        made.extend(lane.await.expect("no panic"));
    }
    let (calls, failed) =
        (tally.calls.load(Ordering::SeqCst), tally.failed.lock().unwrap().clone());
    let repeated = tally.repeated.load(Ordering::SeqCst);
    println!("{kills} kills, {calls} calls, {repeated} repeated, {} failed", failed.len());
    assert!(failed.len() as u64 * 10_000 <= calls, "{failed:?}");
    assert!(repeated > 0 && calls > 100, "the load was real");
    trio.agree().await;
    everything_is_there(&places, &made).await;
    for server in trio.servers {
        assert_eq!(server.unwrap().stop(), 0);
    }
}

/// Every entry that was acknowledged is there once, as it was acknowledged, whoever is asked.
async fn everything_is_there(places: &Places, made: &BTreeMap<u64, (String, bool)>) {
    let calls = places.lock().unwrap().clone();
    for (_, calls) in calls {
        let mut banks = BankServiceClient::new(calls);
        let (mut seen, mut page_token) = (BTreeMap::new(), String::new());
        loop {
            let bank_id = "known".into();
            let ask =
                v1::ListEntriesRequest { bank_id, page_size: 1000, page_token, show_removed: true };
            let page = banks.list_entries(ask).await.expect("listed").into_inner();
            for entry in page.entries {
                let is_removed = entry.state() == v1::EntryState::Removed;
                let twice = seen.insert(entry.note, (entry.entry_id, is_removed));
                assert_eq!(twice, None, "an entry stands twice");
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        for (n, told) in made {
            assert_eq!(seen.get(&n.to_string()), Some(told));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_looks_sees_each_process_what_it_does_for_all_and_that_one_has_gone() {
    let cluster = Cluster::shared();
    let mut trio = Trio::start(cluster).await;
    let began = Instant::now();
    let detail = loop {
        let detail = trio.detail(1).await;
        let is_done =
            detail.leases.iter().filter(|lease| !lease.replica_id.is_empty()).count() == 3;
        if is_done && detail.replicas.iter().all(|replica| replica.lag == 0) {
            break detail;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{detail:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(detail.store.unwrap().shared);
    assert_eq!(detail.replicas.len(), 3);
    let titles: Vec<_> = detail.replicas.iter().map(|replica| replica.title.as_str()).collect();
    assert!(titles.contains(&"replica-1") && titles.contains(&"replica-2"), "{titles:?}");
    let own: Vec<_> = detail.replicas.iter().filter(|replica| replica.answering).collect();
    assert!(own.len() == 1 && own[0].title == "replica-1");

    // A bank's reader may not see it, nor may whoever administers another tenant.
    let mut other = AdminServiceClient::new(channel(&trio.url(0), &trio.key));
    let refused =
        other.get_health_detail(Request::new(v1::GetHealthDetailRequest::default())).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);

    let asked = |url: &str, more: &[&str]| {
        let mut command = bulwark(&["replicas", "--server", url]);
        command.args(more).env("BULWARK_KEY", &trio.admin);
        text(&command.output().expect("runs"))
    };
    let (code, said) = asked(&trio.url(2), &[]);
    assert!(code == 0 && said.contains("replica-1") && said.contains("reaping"), "{said}");
    let sums: Vec<_> = trio.urls().iter().map(|url| asked(url, &["--sum", "--json"])).collect();
    let sum = |said: &str| {
        let told: serde_json::Value = serde_json::from_str(said).expect("JSON");
        told["sum"].as_str().expect("a sum").to_owned()
    };
    assert!(sums.iter().all(|(code, said)| *code == 0 && sum(said) == sum(&sums[0].1)), "{sums:?}");

    // Whoever ends in order is gone from the list at once.
    assert_eq!(trio.servers[2].take().unwrap().stop(), 0);
    let mut admin = AdminServiceClient::new(channel(&trio.url(0), &trio.admin));
    let detail = admin.get_health_detail(v1::GetHealthDetailRequest::default()).await.unwrap();
    assert_eq!(detail.into_inner().replicas.len(), 2);
}

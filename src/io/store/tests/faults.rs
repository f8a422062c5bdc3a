//! A database that is killed, cut off or silent while many write to it: nothing that was acknowledged is lost or doubled,
//! whoever is refused is told soon, and writing goes on without a restart.

use super::cluster::Cluster;
use super::proxy::Proxy;
use super::*;
use crate::config::Secret;
use crate::config::value::Value as _;
use crate::io::store::{Answer, KeepError, StoreError, VerdictKept, verify};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Longest time until whoever is refused is told.
const TOLD_MAX: Duration = Duration::from_secs(8);
/// Longest time until a database that is there again is written to.
const BACK_MAX: Duration = Duration::from_secs(30);

fn rounds() -> u64 {
    if std::env::var_os("BULWARK_LONG").is_some() { 50 } else { 5 }
}

fn home_at(cluster: &Cluster, port: u16, seed: u64) -> Home {
    let url = cluster.url_by(port, &cluster.database());
    let mut server = Server::at(Secret::read(&url).unwrap());
    server.statement_time_max = Duration::from_secs(2);
    server.lock_time_max = Duration::from_secs(1);
    Home { server: Some(server), ..Home::new(seed) }
}

async fn put(store: &Store, n: u64) -> Result<Answer, KeepError<()>> {
    let keeping = store.keep::<(), _>(key(&format!("r{n}"), 1), move |tx| {
        Box::pin(async move {
            tx.record(verdict(&format!("w{n}"))).await?;
            Ok(n.to_be_bytes().to_vec())
        })
    });
    keeping.await
}

/// What several callers write until they are told to stop: each goes on to the next once it is told how the last one went.
struct Load {
    store: Store,
    next: AtomicU64,
    over: AtomicBool,
}

/// What was acknowledged, with its number, and what was refused.
type Done = (BTreeMap<u64, u64>, Vec<u64>);

async fn lane(load: Arc<Load>) -> Done {
    let mut done = Done::default();
    while !load.over.load(Ordering::SeqCst) {
        let n = load.next.fetch_add(1, Ordering::SeqCst);
        let began = Instant::now();
        let kept = put(&load.store, n).await;
        assert!(began.elapsed() < TOLD_MAX, "{:?}", began.elapsed());
        match kept {
            Ok(answer) => drop(done.0.insert(n, answer.number.unwrap())),
            Err(KeepError::Store(
                StoreError::Away(_) | StoreError::OutcomeUnknown | StoreError::Late,
            )) => {
                done.1.push(n);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(other) => panic!("{other}"),
        }
    }
    done
}

/// Lets callers write while something is done to the database, and gives what they were told.
async fn under_load(store: &Store, from: u64, harm: impl Future<Output = ()>) -> (Done, u64) {
    let next = AtomicU64::new(from);
    let load = Arc::new(Load { store: store.clone(), next, over: AtomicBool::new(false) });
    let lanes: Vec<_> = (0..4).map(|_| tokio::spawn(lane(Arc::clone(&load)))).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    harm.await;
    // Until somebody has written again.
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < BACK_MAX, "the database is there, and nothing is written");
        let n = load.next.fetch_add(1, Ordering::SeqCst);
        if put(store, n).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    load.over.store(true, Ordering::SeqCst);
    let mut all = Done::default();
    for lane in lanes {
        let (kept, refused) = lane.await.unwrap();
        all.0.extend(kept);
        all.1.extend(refused);
    }
    (all, load.next.load(Ordering::SeqCst))
}

/// Whoever was refused asks again and is answered; then everything is there once, under the number that was told.
async fn nothing_is_lost_or_doubled(home: &Home, store: Store, mut done: Done) {
    for n in std::mem::take(&mut done.1) {
        let answer = put(&store, n).await.unwrap();
        assert_eq!(done.0.insert(n, answer.number.unwrap()), None);
    }
    let journal = store.journal(1, 1_000_000).await.unwrap();
    let mut found = BTreeMap::new();
    for recorded in &journal {
        if let Some(Event::VerdictGiven { given, .. }) = &recorded.event {
            let n: u64 = given.verdict.id.as_str()[1..].parse().unwrap();
            assert_eq!(found.insert(n, recorded.number), None, "w{n} stands twice");
        }
    }
    for (n, number) in &done.0 {
        assert_eq!(found.get(n), Some(number), "w{n} was acknowledged");
    }
    assert_eq!(store.resident().read().applied(), journal.len() as u64);
    assert!(!store.has_failed() && !store.is_away());
    store.close().await.unwrap();
    let report = verify(&home.settings(), &home.keys, Duration::ZERO).await.unwrap();
    assert_eq!((report.faults, report.events), (vec![], journal.len() as u64));
    println!("{} acknowledged, {} in the journal", done.0.len(), journal.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    let cluster = Cluster::start();
    let home = home_at(&cluster, cluster.port, 81);
    let store = home.open().await;
    let (mut all, mut next) = (Done::default(), 0);
    for round in 0..rounds() {
        let harm = async {
            tokio::time::sleep(Duration::from_millis(50 + round * 37 % 200)).await;
            if round % 2 == 0 {
                cluster.kill()
            } else {
                cluster.stop_at_once()
            }
            let began = Instant::now();
            while !store.is_away() {
                assert!(began.elapsed() < TOLD_MAX);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // While it is gone, a match is answered and waits on disk.
            let (scope, given) = (scope(), given(&format!("w{}", 1_000_000 + round)));
            let kept = store.keep_verdict(None, &scope, given, vec![1]);
            assert!(matches!(kept.await, Ok(VerdictKept::Pending(_))));
            tokio::task::block_in_place(|| cluster.go_on());
        };
        let (done, to) = under_load(&store, next, harm).await;
        next = to;
        all.0.extend(done.0);
        all.1.extend(done.1);
    }
    assert!(!all.1.is_empty(), "nobody was refused");
    store.drain_spool().await.unwrap();
    assert_eq!(store.spooled_bytes(), 0);
    nothing_is_lost_or_doubled(&home, store, all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_cut_after_any_byte_loses_and_doubles_nothing() {
    let cluster = Cluster::shared();
    let proxy = Proxy::start(cluster.port).await;
    let home = home_at(cluster, proxy.port, 82);
    let store = home.open().await;
    let (mut all, mut next) = (Done::default(), 0);
    for round in 0..rounds() * 4 {
        let harm = async {
            // Few bytes more each time: within a statement, a row, the commit, its answer.
            proxy.cut_after(i64::try_from(300 + round * 191 % 4_000).unwrap());
            let began = Instant::now();
            while proxy.cuts() <= i64::try_from(round).unwrap() {
                assert!(began.elapsed() < TOLD_MAX);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let (done, to) = under_load(&store, next, harm).await;
        next = to;
        all.0.extend(done.0);
        all.1.extend(done.1);
    }
    nothing_is_lost_or_doubled(&home, store, all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_silent_is_noticed_within_five_seconds_and_found_again() {
    let cluster = Cluster::shared();
    let proxy = Proxy::start(cluster.port).await;
    let home = home_at(cluster, proxy.port, 83);
    let home = Home {
        server: home
            .server
            .clone()
            .map(|server| Server { url: server.url.clone(), ..Server::at(server.url) }),
        ..home
    };
    let store = home.open().await;
    put(&store, 1).await.unwrap();
    proxy.be_silent(true);
    let began = Instant::now();
    while !store.is_away() {
        // Also where nobody asks: the writer looks by itself.
        assert!(began.elapsed() < Duration::from_secs(5), "not noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let noticed = began.elapsed();
    // Whoever verifies learns nothing of what is stored, and says so.
    let unread = verify(&home.settings(), &home.keys, Duration::ZERO).await;
    assert!(unread.is_err_and(|error| error.is_away()));
    let began = Instant::now();
    assert!(matches!(put(&store, 2).await, Err(KeepError::Store(StoreError::Away(_)))));
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    proxy.be_silent(false);
    let began = Instant::now();
    while put(&store, 3).await.is_err() {
        assert!(began.elapsed() < BACK_MAX);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("silent: noticed after {noticed:?}, written again after {:?}", began.elapsed());
    nothing_is_lost_or_doubled(&home, store, Done::default()).await;
}

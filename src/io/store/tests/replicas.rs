//! Several processes on one database: what one writes the others answer from, whoever of them is asked.

use super::super::dialect;
use super::super::head::{self, Head};
use super::super::inbox::Fault;
use super::super::lease::{self, Task};
use super::servers::{elsewhere, home_there};
use super::*;
use crate::config::Secret;
use crate::config::value::Value as _;
use crate::core::matcher::Query;
use crate::io::store::{KeepError, StoreError, Told, verify};
use std::time::{Duration, Instant};

/// Longest wait for what should come within a second, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);

/// Processes on one database.
struct Group {
    home: Home,
    folders: Vec<tempfile::TempDir>,
    stores: Vec<Store>,
}

impl Group {
    async fn of(seed: u64, count: usize) -> Self {
        let home = home_there(seed).await;
        let mut group = Self { home, folders: Vec::new(), stores: Vec::new() };
        for _ in 0..count {
            group.join().await;
        }
        group
    }

    async fn join(&mut self) -> &Store {
        let folder = tempfile::tempdir().unwrap();
        let (keys, clock) = (Arc::clone(&self.home.keys), self.home.clock.clone());
        let settings = elsewhere(&self.home, folder.path());
        self.stores.push(Store::open(settings, keys, clock).await.unwrap());
        self.folders.push(folder);
        self.stores.last().unwrap()
    }

    /// Waits until all have come as far as the journal.
    async fn level(&self) -> u64 {
        let size = self.stores[0].head_number().await.unwrap();
        for store in &self.stores {
            until(|| store.resident().read().applied() >= size).await;
        }
        size
    }

    /// All hold the same, and the journal is whole.
    async fn agree(&self) {
        let size = self.level().await;
        let sum = self.stores[0].resident().read().sum();
        for store in &self.stores {
            assert!(!store.has_failed());
            let resident = store.resident().read();
            assert_eq!((resident.applied(), resident.sum()), (size, sum));
        }
        let settings = self.home.settings();
        let report = verify(&settings, &self.home.keys, Duration::ZERO).await.unwrap();
        assert_eq!((report.faults, report.events), (vec![], size));
    }
}

async fn until(mut is_so: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it does not come");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    began.elapsed()
}

fn finds(store: &Store, n: u64) -> bool {
    let resident = store.resident().read();
    let Some(holding) = resident.of(&scope()) else { return false };
    let (signal, mut scratch) = (md5(n), Default::default());
    !holding.matcher.search(Query { signal: &signal, quality: None }, &mut scratch).is_empty()
}

async fn record(store: &Store, event: Event) -> u64 {
    store.record(event).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_added_or_withdrawn_through_any_is_in_force_in_all() {
    let group = Group::of(91, 3).await;
    record(&group.stores[0], bank(1)).await;
    let rounds = if std::env::var_os("BULWARK_LONG").is_some() { 500 } else { 60 };
    let mut took = Vec::new();
    group.level().await;
    for n in 0..rounds {
        let writer = &group.stores[n as usize % 3];
        for (state, version) in [(EntryState::Active, 1), (EntryState::Removed, 2)] {
            record(writer, entries(vec![entry(n, state, version)])).await;
            let is_there = state == EntryState::Active;
            assert_eq!(finds(writer, n), is_there, "at once where it was answered");
            let all = || group.stores.iter().all(|store| finds(store, n) == is_there);
            took.push(until(all).await);
        }
    }
    took.sort();
    let at = |part: usize| took[(took.len() - 1) * part / 100];
    println!("in force in all three: median {:?}, p99 {:?}, most {:?}", at(50), at(99), at(100));
    group.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_that_write_at_once_lose_and_double_nothing_and_hold_the_same() {
    let mut group = Group::of(92, 3).await;
    record(&group.stores[0], bank(1)).await;
    let each = if std::env::var_os("BULWARK_LONG").is_some() { 2_000 } else { 150 };
    let lanes: Vec<_> = (0..6_u64)
        .map(|lane| {
            let store = group.stores[lane as usize % 3].clone();
            tokio::spawn(async move {
                let mut told = Vec::new();
                for step in 0..each {
                    let n = lane * 100_000 + step;
                    // Some change what another lane has made.
                    let other = (lane + 1) % 6 * 100_000 + step;
                    let put = entries(vec![
                        entry(n, EntryState::Active, 1),
                        entry(other, EntryState::Active, 1),
                    ]);
                    let kept = store.keep::<(), _>(key(&format!("n{n}"), 1), move |tx| {
                        Box::pin(async move {
                            tx.record(put).await?;
                            Ok(n.to_be_bytes().to_vec())
                        })
                    });
                    told.push((n, kept.await.unwrap().number.unwrap()));
                }
                told
            })
        })
        .collect();
    // Others come while all of that goes on.
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        group.join().await;
    }
    let mut told = Vec::new();
    for lane in lanes {
        told.extend(lane.await.unwrap());
    }
    group.agree().await;
    // Whoever asks again is given the first answer, by any of them.
    for (n, number) in told.iter().step_by(told.len() / 20) {
        for store in &group.stores {
            let again = store.keep::<(), _>(key(&format!("n{n}"), 1), |_| {
                Box::pin(async { panic!("it was run before") })
            });
            let again = again.await.unwrap();
            assert_eq!((again.number, again.first), (Some(*number), false));
            assert_eq!(again.bytes, n.to_be_bytes());
        }
        let other = group.stores[1]
            .keep::<(), _>(key(&format!("n{n}"), 2), |_| Box::pin(async { Ok(Vec::new()) }));
        assert_eq!(other.await, Err(KeepError::RequestIdReused));
    }
    let mut numbers: Vec<_> = told.iter().map(|(_, number)| *number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), told.len(), "two changes have one number");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_found_behind_what_others_wrote_since() {
    let group = Group::of(93, 2).await;
    let (store, other) = (&group.stores[0], group.stores[1].clone());
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let over = Arc::clone(&stop);
    let writing = tokio::spawn(async move {
        let mut n = 0;
        while !over.load(std::sync::atomic::Ordering::SeqCst) {
            record(&other, verdict(&format!("x{n}"))).await;
            n += 1;
        }
        n
    });
    let rounds = 40;
    for n in 0..rounds {
        let fault = if n % 2 == 0 { Fault::Persisted } else { Fault::Lost };
        *store.0.shared.fault.lock() = Some(fault);
        let kept = store.keep::<(), _>(key(&format!("r{n}"), 1), move |tx| {
            Box::pin(async move {
                tx.record(verdict(&format!("w{n}"))).await?;
                Ok(Vec::new())
            })
        });
        let kept = kept.await.unwrap();
        assert!(kept.first && kept.number.is_some(), "{fault:?}");
    }
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let others = writing.await.unwrap();
    assert!(others > 0);
    assert_eq!(group.level().await, others + rounds, "each of them once");
    group.agree().await;
}

#[tokio::test]
async fn whoever_waits_for_a_number_goes_on_when_the_memory_has_come_so_far() {
    let group = Group::of(94, 2).await;
    let number = record(&group.stores[0], bank(1)).await;
    let began = Instant::now();
    group.stores[1].wait_for(number, PATIENCE).await;
    assert!(group.stores[1].resident().read().applied() >= number);
    assert!(began.elapsed() < PATIENCE);
    // What does not come is not waited for without end.
    group.stores[1].wait_for(number + 1, Duration::from_millis(50)).await;
    assert_eq!(group.stores[1].resident().read().applied(), number);
}

#[tokio::test]
async fn a_store_that_was_put_in_place_anew_or_set_back_is_not_written_to_any_more() {
    for is_older in [false, true] {
        let group = Group::of(95, 2).await;
        let store = &group.stores[0];
        record(store, bank(1)).await;
        record(store, bank(2)).await;
        let mut conn = dialect::connect(&group.home.settings(), false).await.unwrap();
        let keys = &group.home.keys;
        let before = head::begin(&mut conn, keys).await.unwrap();
        let after = if is_older {
            Head { size: before.size - 1, root: [7; 32], ..before }
        } else {
            Head { epoch: before.epoch + 1, ..before }
        };
        head::advance(&mut conn, keys, &before, &after).await.unwrap();
        conn.commit().await.unwrap();
        // Also where nobody asks.
        until(|| group.stores.iter().all(Store::has_failed)).await;
        assert!(store.record(bank(3)).await.is_err());
        let mut conn = dialect::connect_reading(&group.home.settings()).await.unwrap();
        assert_eq!(head::read(&mut conn, keys).await.unwrap(), after, "nothing was written");
        assert_eq!(store.resident().read().applied(), before.size, "it still answers");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_cut_off_says_how_old_its_answers_are_and_catches_up_when_it_is_not_any_more() {
    let mut group = Group::of(98, 1).await;
    record(&group.stores[0], bank(1)).await;
    let cluster = super::cluster::Cluster::shared();
    let proxy = super::proxy::Proxy::start(cluster.port).await;
    let url = group.home.server.as_ref().unwrap().url.reveal().to_owned();
    let url = url.replace(&cluster.port.to_string(), &proxy.port.to_string());
    let direct = group.home.server.replace(Server::at(Secret::read(&url).unwrap()));
    group.join().await;
    group.home.server = direct;
    let (near, cut) = (&group.stores[0], &group.stores[1]);
    until(|| cut.age() < Duration::from_millis(500)).await;
    proxy.be_silent(true);
    // More than what is read while the head is locked.
    let mut adding = Vec::new();
    for n in 0..400 {
        let near = near.clone();
        let put = entries(vec![entry(n, EntryState::Active, 1)]);
        adding.push(tokio::spawn(async move { record(&near, put).await }));
    }
    for added in adding {
        added.await.unwrap();
    }
    until(|| cut.age() > Duration::from_secs(3)).await;
    assert!(finds(near, 7) && !finds(cut, 7));
    assert!(near.age() < Duration::from_secs(2), "{:?}", near.age());
    proxy.be_silent(false);
    until(|| finds(cut, 399) && cut.age() < Duration::from_millis(500)).await;
    group.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_has_a_lease_and_what_it_wants_is_refused_once_another_has_it() {
    let group = Group::of(96, 3).await;
    let has = |store: &&Store| store.lease(Task::Reaping).is_some();
    until(|| group.stores.iter().any(|store| has(&store))).await;
    for _ in 0..15 {
        assert!(group.stores.iter().filter(has).count() <= 1);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // On a machine that stood still for seconds it may have to be renewed.
    until(|| group.stores.iter().any(|store| has(&store))).await;
    let holders: Vec<_> = group.stores.iter().filter(has).collect();
    let (holder, other) = (holders[0], group.stores.iter().find(|store| !has(store)).unwrap());
    let lease = holder.lease(Task::Reaping).unwrap();
    let fenced = async |store: &Store, name: &'static str| {
        let kept = store.keep::<(), _>(None, move |tx| {
            Box::pin(async move {
                tx.fence(lease).await?;
                tx.record(verdict(name)).await?;
                Ok(Vec::new())
            })
        });
        kept.await
    };
    fenced(holder, "w1").await.unwrap();
    // As after a process that was stopped for longer than others wait.
    let mut conn = dialect::connect(&group.home.settings(), false).await.unwrap();
    let sql = "UPDATE lease SET holder = $1, token = token + 1 WHERE task = 'reaping'";
    conn.run(sql, vec![vec![9; 16].into()]).await.unwrap();
    let refused = fenced(holder, "w2").await;
    assert_eq!(refused, Err(KeepError::Store(StoreError::Overtaken)));
    assert!(!holder.has_failed() && !other.has_failed());
    record(holder, verdict("w3")).await;
    let told = lease::all(&mut conn).await.unwrap();
    assert_eq!(told.iter().find(|held| held.task == "reaping").unwrap().token, lease.token + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_process_left_that_ended_without_a_word_is_told_by_another() {
    let mut group = Group::of(97, 2).await;
    let told = group.stores[0].state().await.told.unwrap();
    assert_eq!(told.replicas.len(), 2);
    until(|| group.stores.iter().any(|store| store.lease(Task::Reaping).is_some())).await;
    let holder = group.stores.iter().position(|s| s.lease(Task::Reaping).is_some()).unwrap();
    let gone = group.stores.swap_remove(holder);
    let before = gone.lease(Task::Reaping).unwrap();
    // Its counts are flushed by nobody.
    drop(gone);
    let left = group.stores[0].clone();
    let began = Instant::now();
    let lost = loop {
        assert!(began.elapsed() < Duration::from_secs(90), "nobody tells");
        let journal = left.journal(1, 99).await.unwrap();
        let lost = |r: &super::super::Recorded| matches!(r.event, Some(Event::CountsLost { .. }));
        if journal.iter().any(lost) {
            break journal.iter().filter(|recorded| lost(recorded)).count();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(lost, 1);
    let Told { replicas: all, leases, .. } = left.state().await.told.unwrap();
    assert_eq!(all.len(), 1);
    let after = leases.iter().find(|held| held.task == "reaping").unwrap();
    assert!(after.token > before.token && after.holder.as_ref() == Some(&all[0].name));
    // Whoever ends in order leaves nothing behind.
    left.close().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = elsewhere(&group.home, folder.path());
    let keys = Arc::clone(&group.home.keys);
    let next = Store::open(settings, keys, group.home.clock.clone()).await.unwrap();
    let Told { replicas: all, leases, .. } = next.state().await.told.unwrap();
    assert_eq!(all.len(), 1);
    assert!(leases.iter().all(|held| held.holder.as_ref().is_none_or(|name| *name == all[0].name)));
    assert_eq!(next.head_number().await, Ok(1));
}

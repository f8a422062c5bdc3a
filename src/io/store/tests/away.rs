//! While the database is away: verdicts wait on disk, and are kept once when it is back. Counts are flushed.

use super::super::spool::{Spool, Waiting};
use super::*;
use crate::core::event::Count;
use crate::io::store::{KeepError, StoreError, VerdictKept};
use std::time::Duration;

on_both! {
    a_verdict_waits_on_disk_and_is_kept_once,
    what_waited_is_kept_by_the_next_process_even_if_it_was_kept_before,
    a_request_answered_while_the_database_was_away_is_answered_the_same_then_and_after,
    a_request_whose_verdict_waited_over_a_restart_gets_its_first_answer,
    a_verdict_that_was_told_is_recorded_though_its_key_stands_for_another_by_now,
    draining_that_ended_before_the_file_was_taken_away_keeps_nothing_twice,
    a_verdict_is_put_aside_while_draining_waits_for_the_database,
    a_full_spool_says_so,
    counts_are_flushed_in_their_minute_and_at_the_end,
    counts_that_could_not_be_kept_are_counted_on,
    an_end_at_which_counts_were_not_flushed_is_not_an_orderly_one,
}

/// A second connection that keeps the database locked until it is dropped.
async fn occupy(home: &Home) -> super::super::dialect::Conn {
    let mut conn = super::super::dialect::connect(&home.settings(), false).await.unwrap();
    conn.begin("UPDATE head SET epoch = epoch WHERE id = 1").await.unwrap();
    conn
}

fn impatient(home: &Home) -> Settings {
    Settings {
        busy_max: Duration::from_millis(50),
        keep_wait_max: Duration::from_millis(500),
        ..home.settings()
    }
}

async fn keep(
    store: &Store,
    name: &str,
) -> Result<VerdictKept, KeepError<std::convert::Infallible>> {
    store.keep_verdict(None, &scope(), given(name), b"answer".to_vec()).await
}

async fn names(store: &Store) -> Vec<String> {
    let journal = store.journal(1, 1000).await.unwrap();
    let name = |event| match event {
        Some(Event::VerdictGiven { given, .. }) => Some(given.verdict.id.to_string()),
        _ => None,
    };
    journal.into_iter().filter_map(|recorded| name(recorded.event)).collect()
}

async fn a_verdict_waits_on_disk_and_is_kept_once() {
    let home = Home::new(31);
    let keys = Arc::clone(&home.keys);
    let store = Store::open(impatient(&home), keys, home.clock.clone()).await.unwrap();
    assert!(matches!(keep(&store, "v0").await, Ok(VerdictKept::Kept(_))));
    let other = occupy(&home).await;
    for name in ["v1", "v2"] {
        assert!(matches!(keep(&store, name).await, Ok(VerdictKept::Pending(_))));
    }
    assert!(store.spooled_bytes() > 0);
    assert!(store.drain_spool().await.is_err());
    drop(other);
    assert_eq!(store.drain_spool().await, Ok(2));
    assert_eq!(store.drain_spool().await, Ok(0));
    assert_eq!(names(&store).await, ["v0", "v1", "v2"]);
    assert!(matches!(keep(&store, "v1").await, Ok(VerdictKept::Kept(_))));
    assert_eq!(names(&store).await.len(), 3);
}

async fn what_waited_is_kept_by_the_next_process_even_if_it_was_kept_before() {
    let home = Home::new(32);
    let store = home.open().await;
    keep(&store, "v1").await.unwrap();
    // As after a commit whose answer was lost: kept, and in the spool too.
    for name in ["v1", "v2"] {
        put_aside(&store, name, None);
    }
    store.close().await.unwrap();
    let store = home.open().await;
    assert_eq!(names(&store).await, ["v1", "v2"]);
    assert!(!home.settings().spool.exists());
}

async fn keep_keyed(
    store: &Store,
    name: &str,
    request: Option<RequestKey>,
) -> Result<VerdictKept, KeepError<std::convert::Infallible>> {
    store.keep_verdict(request, &scope(), given(name), name.as_bytes().to_vec()).await
}

fn first(kept: &VerdictKept) -> (&str, bool) {
    let (VerdictKept::Kept(answer) | VerdictKept::Pending(answer)) = kept;
    (std::str::from_utf8(&answer.bytes).unwrap(), answer.first)
}

async fn a_request_answered_while_the_database_was_away_is_answered_the_same_then_and_after() {
    let home = Home::new(38);
    let keys = Arc::clone(&home.keys);
    let store = Store::open(impatient(&home), keys, home.clock.clone()).await.unwrap();
    let other = occupy(&home).await;
    let told = keep_keyed(&store, "v1", key("r", 1)).await.unwrap();
    assert!(matches!(&told, VerdictKept::Pending(_)));
    assert_eq!(first(&told), ("v1", true));
    // While it is away: from what waits.
    let again = answered(&store, &key("r", 1).unwrap()).await.unwrap().unwrap();
    assert!(matches!(&again, VerdictKept::Pending(_)));
    assert_eq!(first(&again), ("v1", false));
    assert_eq!(first(&keep_keyed(&store, "v2", key("r", 1)).await.unwrap()), ("v1", false));
    let reused = answered(&store, &key("r", 2).unwrap()).await;
    assert_eq!(reused, Err(KeepError::RequestIdReused));
    assert_eq!(keep_keyed(&store, "v3", key("r", 2)).await, Err(KeepError::RequestIdReused));
    drop(other);
    // It is back, and nothing is drained yet.
    assert_eq!(first(&keep_keyed(&store, "v4", key("r", 1)).await.unwrap()), ("v1", false));
    assert_eq!(store.drain_spool().await, Ok(1));
    assert_eq!(store.0.waiting.read().bytes(), 0);
    let after = answered(&store, &key("r", 1).unwrap()).await.unwrap().unwrap();
    assert!(matches!(&after, VerdictKept::Kept(answer) if answer.number.is_some()));
    assert_eq!(first(&after), ("v1", false));
    assert_eq!(first(&keep_keyed(&store, "v5", key("r", 1)).await.unwrap()), ("v1", false));
    assert_eq!(keep_keyed(&store, "v6", key("r", 2)).await, Err(KeepError::RequestIdReused));
    assert_eq!(names(&store).await, ["v1"]);
}

async fn a_request_whose_verdict_waited_over_a_restart_gets_its_first_answer() {
    let home = Home::new(39);
    let store = home.open().await;
    put_aside(&store, "v1", key("r", 1));
    drop(store);
    // The next process cannot drain at once: the answer is known all the same.
    let keys = Arc::clone(&home.keys);
    let mut waits = Vec::new();
    let met = |waiting: Waiting| waits.push(waiting.answer);
    let spool = Spool::open(&home.settings().spool, 1 << 20, &keys, "x", met).unwrap();
    assert!(spool.bytes() > 0);
    assert_eq!(waits, [b"v1"]);
    let store = Store::open_with(home.settings(), keys, home.clock.clone(), None).await.unwrap();
    assert_eq!(first(&keep_keyed(&store, "v2", key("r", 1)).await.unwrap()), ("v1", false));
    assert_eq!(names(&store).await, ["v1"]);
}

async fn a_verdict_that_was_told_is_recorded_though_its_key_stands_for_another_by_now() {
    let home = Home::new(40);
    let store = home.open().await;
    for (name, digest) in [("v2", 1), ("v3", 2)] {
        put_aside(&store, name, key("r", digest));
    }
    keep_keyed(&store, "v1", key("r", 1)).await.unwrap();
    assert_eq!(store.drain_spool().await, Ok(2));
    let mut found = names(&store).await;
    found.sort();
    assert_eq!(found, ["v1", "v2", "v3"]);
}

async fn draining_that_ended_before_the_file_was_taken_away_keeps_nothing_twice() {
    let home = Home::new(41);
    let store = home.open().await;
    put_aside(&store, "v1", key("r", 1));
    put_aside(&store, "v2", None);
    let spool = home.settings().spool;
    let copy = std::fs::read(&spool).unwrap();
    assert_eq!(store.drain_spool().await, Ok(2));
    // As after a crash between the commit and the removal of the file, and more has come since.
    store.close().await.unwrap();
    std::fs::write(spool.with_extension("draining"), &copy).unwrap();
    let store = home.open().await;
    assert_eq!(store.spooled_bytes(), 0);
    std::fs::write(&spool, &copy).unwrap();
    drop(store);
    let store = home.open().await;
    assert_eq!(names(&store).await, ["v1", "v2"]);
    assert_eq!(first(&keep_keyed(&store, "v3", key("r", 1)).await.unwrap()), ("v1", false));
    assert_eq!(names(&store).await.len(), 2);
}

async fn a_verdict_is_put_aside_while_draining_waits_for_the_database() {
    let home = Home::new(42);
    let settings = Settings { busy_max: Duration::from_secs(5), ..impatient(&home) };
    let keys = Arc::clone(&home.keys);
    let store = Store::open(settings, keys, home.clock.clone()).await.unwrap();
    put_aside(&store, "v1", None);
    let other = occupy(&home).await;
    let draining = tokio::spawn({
        let store = store.clone();
        async move { store.drain_spool().await }
    });
    while !home.settings().spool.with_extension("draining").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let began = std::time::Instant::now();
    assert!(matches!(keep(&store, "v2").await, Ok(VerdictKept::Pending(_))));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(!draining.is_finished(), "it still waits");
    drop(other);
    let waited = draining.await.unwrap().unwrap();
    assert_eq!(waited + store.drain_spool().await.unwrap(), 2);
    let mut found = names(&store).await;
    found.sort();
    assert_eq!(found, ["v1", "v2"]);
    assert_eq!(store.spooled_bytes(), 0);
}

#[tokio::test]
async fn a_torn_end_is_cut_off_and_kept_and_the_next_verdict_follows_on_a_whole_one() {
    let home = Home::new(43);
    let store = home.open().await;
    let path = home.settings().spool;
    for name in ["v1", "v2"] {
        put_aside(&store, name, None);
    }
    let whole = std::fs::read(&path).unwrap();
    put_aside(&store, "v3", None);
    let all = std::fs::read(&path).unwrap();
    store.close().await.unwrap();
    let zeros = [whole.clone(), vec![0; 64]].concat();
    for (round, torn) in
        [all[..all.len() - 1].to_vec(), all[..whole.len() + 2].to_vec(), zeros].iter().enumerate()
    {
        std::fs::write(&path, torn).unwrap();
        let name = format!("round{round}");
        let mut waits = 0;
        let met = |_| waits += 1;
        let mut spool = Spool::open(&path, 1 << 20, &home.keys, &name, met).unwrap();
        assert_eq!((waits, spool.bytes()), (2, whole.len() as u64));
        let aside = path.with_extension(format!("torn-{name}"));
        assert_eq!(std::fs::read(&aside).unwrap(), torn[whole.len()..]);
        let next = Waiting { event: verdict("v4"), asked: None, answer: Vec::new() };
        spool.put(&home.keys, &next).unwrap();
        let mut records = spool.take().unwrap().unwrap().records().unwrap();
        let read = std::iter::from_fn(|| records.next(&home.keys).unwrap()).count();
        assert_eq!((read, records.is_damaged()), (3, false));
        spool.done(None).unwrap();
    }
}

async fn a_full_spool_says_so() {
    let home = Home::new(33);
    let settings = Settings { spool_bytes_max: 3_000, ..impatient(&home) };
    let keys = Arc::clone(&home.keys);
    let store = Store::open(settings, keys, home.clock.clone()).await.unwrap();
    let other = occupy(&home).await;
    let mut pending = 0;
    let refused = loop {
        match keep(&store, &format!("v{pending}")).await {
            Ok(kept) => assert!(matches!(kept, VerdictKept::Pending(_))),
            Err(error) => break error,
        }
        pending += 1;
    };
    assert_eq!(refused, KeepError::Store(StoreError::SpoolFull));
    assert!(pending > 0);
    drop(other);
    assert_eq!(store.drain_spool().await, Ok(pending));
}

#[tokio::test]
async fn a_spool_that_does_not_read_whole_is_kept_as_far_as_it_reads_and_set_aside() {
    let home = Home::new(34);
    let store = home.open().await;
    let path = home.settings().spool;
    for name in ["v1", "v2"] {
        put_aside(&store, name, None);
    }
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend([0, 0, 9, 9, 1]);
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(store.drain_spool().await, Ok(2));
    put_aside(&store, "v3", None);
    put_aside(&store, "v4", None);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(store.drain_spool().await, Ok(1));
    assert_eq!(names(&store).await, ["v1", "v2", "v4"]);
    let aside = std::fs::read_dir(home.folder.path())
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().contains("damaged"));
    assert_eq!(aside.count(), 2);
}

async fn counts_are_flushed_in_their_minute_and_at_the_end() {
    let home = Home::new(35);
    let store = home.open().await;
    let count = |times| {
        for _ in 0..times {
            let (allow, checked) = (Disposition::Allow, CheckState::Checked);
            store.counters().count(&scope(), SurfaceKind::Upload, allow, checked);
        }
    };
    let expected = |count| Count {
        scope: scope(),
        surface: SurfaceKind::Upload,
        disposition: Disposition::Allow,
        completeness: CheckState::Checked,
        count,
    };
    count(3);
    assert_eq!(store.flush_counts().await, Ok(Some(1)));
    assert_eq!(store.flush_counts().await, Ok(None));
    count(2);
    store.close().await.unwrap();
    let store = home.open().await;
    let events: Vec<_> = store.journal(1, 9).await.unwrap().into_iter().map(|r| r.event).collect();
    let minute = START.minute();
    assert_eq!(events, [3, 2].map(|n| Some(Event::Counted { minute, counts: vec![expected(n)] })));
}

async fn counts_that_could_not_be_kept_are_counted_on() {
    let home = Home::new(36);
    let keys = Arc::clone(&home.keys);
    let store = Store::open(impatient(&home), keys, home.clock.clone()).await.unwrap();
    store.counters().count(&scope(), SurfaceKind::Live, Disposition::Allow, CheckState::Checked);
    let other = occupy(&home).await;
    assert!(store.flush_counts().await.is_err());
    drop(other);
    assert_eq!(store.flush_counts().await, Ok(Some(1)));
}

async fn an_end_at_which_counts_were_not_flushed_is_not_an_orderly_one() {
    let home = Home::new(37);
    let keys = Arc::clone(&home.keys);
    let store = Store::open(impatient(&home), keys, home.clock.clone()).await.unwrap();
    let (allow, checked) = (Disposition::Allow, CheckState::Checked);
    store.counters().count(&scope(), SurfaceKind::Live, allow, checked);
    let other = occupy(&home).await;
    assert!(store.close().await.is_err());
    drop(other);
    let store = home.open().await;
    let last = store.journal(1, 9).await.unwrap();
    let Some(Event::CountsLost { since, at }) = &last[0].event else { panic!("{last:?}") };
    assert!(*since <= START && *at == START);
}

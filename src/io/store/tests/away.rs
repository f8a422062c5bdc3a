//! While the database is away: verdicts wait on disk, and are kept once when it is back. Counts are flushed.

use super::*;
use crate::core::event::Count;
use crate::io::store::{KeepError, StoreError, VerdictKept};
use std::time::Duration;

/// A second connection that keeps the database locked until it is dropped.
async fn occupy(home: &Home) -> super::super::dialect::Conn {
    let mut conn = super::super::dialect::connect(&home.settings(), false).await.unwrap();
    conn.begin().await.unwrap();
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

#[tokio::test]
async fn a_verdict_waits_on_disk_and_is_kept_once() {
    let home = Home::new(31);
    let keys = Arc::clone(&home.keys);
    let store = Store::open(impatient(&home), keys, home.clock.clone()).await.unwrap();
    assert!(matches!(keep(&store, "v0").await, Ok(VerdictKept::Kept(_))));
    let other = occupy(&home).await;
    for name in ["v1", "v2"] {
        assert_eq!(keep(&store, name).await, Ok(VerdictKept::Pending));
    }
    assert!(store.spooled_bytes().await > 0);
    assert!(store.drain_spool().await.is_err());
    drop(other);
    assert_eq!(store.drain_spool().await, Ok(2));
    assert_eq!(store.drain_spool().await, Ok(0));
    assert_eq!(names(&store).await, ["v0", "v1", "v2"]);
    assert!(matches!(keep(&store, "v1").await, Ok(VerdictKept::Kept(_))));
    assert_eq!(names(&store).await.len(), 3);
}

#[tokio::test]
async fn what_waited_is_kept_by_the_next_process_even_if_it_was_kept_before() {
    let home = Home::new(32);
    let store = home.open().await;
    keep(&store, "v1").await.unwrap();
    // As after a commit whose answer was lost: kept, and in the spool too.
    for name in ["v1", "v2"] {
        store.0.spool.lock().await.put(&home.keys, &verdict(name)).unwrap();
    }
    store.close().await.unwrap();
    let store = home.open().await;
    assert_eq!(names(&store).await, ["v1", "v2"]);
    assert!(!home.settings().spool.exists());
}

#[tokio::test]
async fn a_full_spool_says_so() {
    let home = Home::new(33);
    let settings = Settings { spool_bytes_max: 3_000, ..impatient(&home) };
    let keys = Arc::clone(&home.keys);
    let store = Store::open(settings, keys, home.clock.clone()).await.unwrap();
    let other = occupy(&home).await;
    let mut pending = 0;
    let refused = loop {
        match keep(&store, &format!("v{pending}")).await {
            Ok(kept) => assert_eq!(kept, VerdictKept::Pending),
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
async fn a_torn_record_is_dropped_and_a_damaged_one_is_set_aside() {
    let home = Home::new(34);
    let store = home.open().await;
    let path = home.settings().spool;
    for name in ["v1", "v2"] {
        store.0.spool.lock().await.put(&home.keys, &verdict(name)).unwrap();
    }
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend([0, 0, 9, 9, 1]);
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(store.drain_spool().await, Ok(2));
    store.0.spool.lock().await.put(&home.keys, &verdict("v3")).unwrap();
    store.0.spool.lock().await.put(&home.keys, &verdict("v4")).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(store.drain_spool().await, Ok(1));
    assert_eq!(names(&store).await, ["v1", "v2", "v4"]);
    let aside = std::fs::read_dir(home.folder.path())
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().contains("damaged"));
    assert_eq!(aside.count(), 1);
}

#[tokio::test]
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

#[tokio::test]
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

//! Copies of a store are the store, either way, or there is none.

use super::*;
use crate::io::store::{Copied, StoreError, Which, copy, verify};
use std::time::{Duration, Instant};

async fn homes() -> [Home; 3] {
    let there = KIND.scope(Kind::Postgres, async { Home::new(95) }).await;
    let here = Home::new(95);
    let keys = Arc::clone(&here.keys);
    let back = Home { keys: Arc::clone(&keys), ..Home::new(95) };
    [here, Home { keys, ..there }, back]
}

async fn copied(from: &Home, to: &Home) -> Result<Copied, StoreError> {
    let began = Instant::now();
    let (mut last, mut times) = (0, 0);
    let (source, target) = (from.settings(), to.settings());
    let copied = copy(&source, &target, &from.keys, |progress| {
        assert!(progress.rows > last && progress.rows <= progress.of);
        last = progress.rows;
        times += 1;
    });
    let copied = copied.await?;
    let rows: u64 = copied.rows.iter().map(|(_, count)| count).sum();
    assert_eq!(last, rows);
    let rate = rows as f64 / began.elapsed().as_secs_f64();
    println!("{rows} rows in {:?}: {rate:.0} a second", began.elapsed());
    Ok(copied)
}

async fn said(home: &Home) -> String {
    let store = home.open().await;
    let mut said = format!("{:?}", store.journal(1, 20_000).await.unwrap());
    said += &format!("{:?}", store.entries(&scope(), &bank_id(), Which::All, None, 20_000).await);
    said += &format!("{:?}", store.receipt(7).await.unwrap());
    said += &format!("{:?}", answered(&store, &key("r5", 1).unwrap()).await);
    store.close().await.unwrap();
    said
}

#[tokio::test]
async fn a_store_copied_there_and_back_is_the_same_store() {
    let is_long = std::env::var_os("BULWARK_LONG").is_some();
    let (groups, events) = if is_long { (1_000, 100_000) } else { (10, 1_000) };
    let [here, there, back] = homes().await;
    let store = here.open().await;
    fill(&store).await;
    for group in 0..groups {
        let all = (0..1000).map(|n| entry(100 + group * 1000 + n, EntryState::Active, 1)).collect();
        store.record(entries(all)).await.unwrap();
    }
    for part in 0..events / 500 {
        let kept = (part * 500..(part + 1) * 500).map(|n| {
            store.keep::<(), _>(key(&format!("r{n}"), 1), move |tx| {
                Box::pin(async move {
                    tx.record(verdict(&format!("w{n}"))).await?;
                    Ok(vec![1, 2, 3])
                })
            })
        });
        for kept in futures_util::future::join_all(kept).await {
            kept.unwrap();
        }
    }
    store.close().await.unwrap();
    let first = copied(&here, &there).await.unwrap();
    let second = copied(&there, &back).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(first.events, 8 + groups + events);
    for home in [&there, &back] {
        let report = verify(&home.settings(), &home.keys, Duration::ZERO).await.unwrap();
        assert_eq!((report.faults, report.events), (vec![], first.events));
    }
    assert_eq!(copied(&here, &there).await, Err(StoreError::Occupied));
    assert_eq!(copied(&there, &here).await, Err(StoreError::Occupied));
    if !is_long {
        let expected = said(&here).await;
        assert_eq!(said(&there).await, expected);
        assert_eq!(said(&back).await, expected);
    }
}

#[tokio::test]
async fn what_cannot_be_copied_leaves_the_target_as_it_was() {
    let [here, there, back] = homes().await;
    assert_eq!(copied(&here, &there).await.err(), Some(StoreError::Missing));
    let store = here.open().await;
    fill(&store).await;
    let impatient = Settings { lock_wait_max: Duration::from_millis(50), ..here.settings() };
    let used = copy(&impatient, &there.settings(), &here.keys, |_| {}).await;
    assert_eq!(used, Err(StoreError::InUse));
    store.close().await.unwrap();
    let other = KeyRing::generate(&Clock::system());
    let refused = copy(&here.settings(), &there.settings(), &other, |_| {}).await;
    assert_eq!(refused, Err(StoreError::OtherKeys));
    // A row that is gone is noticed before anything is kept.
    let mut conn = super::super::dialect::connect(&here.settings(), false).await.unwrap();
    conn.run("DELETE FROM journal WHERE number = 8", Vec::new()).await.unwrap();
    conn.close().await.unwrap();
    assert!(matches!(copied(&here, &there).await, Err(StoreError::Corrupt(_))));
    assert!(!Store::exists(&there.settings()).await.unwrap());
    assert!(matches!(copied(&here, &back).await, Err(StoreError::Corrupt(_))));
    assert_eq!(back.open().await.head_number().await, Ok(0));
}

#[tokio::test]
async fn a_source_that_somebody_elsewhere_writes_to_is_not_copied() {
    let [here, there, _] = homes().await;
    let store = there.open().await;
    fill(&store).await;
    // From another data directory, so that its lock does not tell.
    let folder = tempfile::tempdir().unwrap();
    let from = Settings { server: there.server.clone(), ..settings(folder.path()) };
    let runtime = tokio::runtime::Handle::current();
    let mut written = false;
    let refused = tokio::task::spawn_blocking({
        let (store, keys, to) = (store.clone(), Arc::clone(&there.keys), here.settings());
        move || {
            runtime.block_on(copy(&from, &to, &keys, |_| {
                if !std::mem::replace(&mut written, true) {
                    let store = store.clone();
                    std::thread::spawn(move || {
                        let runtime = tokio::runtime::Builder::new_current_thread()
                            .enable_all()
                            .build()
                            .unwrap();
                        runtime.block_on(store.record(verdict("meanwhile"))).unwrap();
                    })
                    .join()
                    .unwrap();
                }
            }))
        }
    });
    assert_eq!(refused.await.unwrap(), Err(StoreError::InUse));
    assert_eq!(here.open().await.head_number().await, Ok(0));
}

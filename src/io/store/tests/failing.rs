//! When the disk is full, and when the answer of a commit is lost.

use super::super::inbox::Fault;
use super::*;
use crate::io::store::{StoreError, VerdictKept, verify};
use std::time::Duration;

on_both! {
    a_change_that_hides_a_failed_statement_is_not_kept,
}

async fn pages_max(store: &Store, pages: &'static str) {
    let set = store.keep::<(), _>(None, move |tx| {
        Box::pin(async move {
            tx.conn.run(pages, Vec::new()).await?;
            Ok(Vec::new())
        })
    });
    set.await.unwrap();
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_half_kept_and_writing_goes_on_afterwards() {
    let home = Home::new(71);
    let store = home.open().await;
    fill(&store).await;
    pages_max(&store, "PRAGMA max_page_count = 1").await;
    let mut kept = 8;
    let mut full = 0;
    for n in 0..40_u64 {
        // Some alone, some together; entries write at once, verdicts at the end.
        let events = [
            verdict(&format!("w{n}")),
            entries((0..50).map(|m| entry(100 + n * 50 + m, EntryState::Active, 1)).collect()),
            bank(2 + n),
        ];
        for result in futures_util::future::join_all(events.map(|event| store.record(event))).await
        {
            match result {
                Ok(number) => {
                    kept += 1;
                    assert_eq!(number, kept);
                }
                Err(error) => {
                    assert_eq!(error, StoreError::Full);
                    full += 1;
                }
            }
        }
    }
    assert!(full > 0);
    assert!(!store.has_failed());
    let report = verify(&home.settings(), &home.keys, Duration::ZERO).await.unwrap();
    assert_eq!((report.faults, report.events), (vec![], kept));
    pages_max(&store, "PRAGMA max_page_count = 100000").await;
    assert_eq!(store.record(verdict("after")).await, Ok(kept + 1));
    store.close().await.unwrap();
    let report = verify(&home.settings(), &home.keys, Duration::ZERO).await.unwrap();
    assert_eq!(report.faults, []);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_ends_writing_and_is_kept_once_or_not_at_all() {
    for (fault, there) in [(Fault::Persisted, true), (Fault::Lost, false)] {
        let home = Home::new(72);
        let store = home.open().await;
        fill(&store).await;
        *store.0.shared.fault.lock() = Some(fault);
        assert_eq!(store.record(verdict("w1")).await, Err(StoreError::OutcomeUnknown));
        assert!(store.has_failed());
        assert_eq!(store.record(verdict("w2")).await, Err(StoreError::Failed));
        assert_eq!(store.resident().read().applied(), 8);
        drop(store);
        let store = home.open().await;
        let id = VerdictId::parse("w1").unwrap();
        assert_eq!(store.verdict(&scope(), &id).await.unwrap().is_some(), there);
        let report = verify(&home.settings(), &home.keys, Duration::ZERO).await.unwrap();
        assert_eq!(report.faults, []);
    }
}

#[tokio::test]
async fn a_verdict_whose_commit_was_lost_is_kept_exactly_once_after_a_restart() {
    for fault in [Fault::Persisted, Fault::Lost] {
        let home = Home::new(73);
        let store = home.open().await;
        *store.0.shared.fault.lock() = Some(fault);
        let kept = store.keep_verdict(None, &scope(), given("w1"), Vec::new()).await;
        assert!(matches!(kept, Ok(VerdictKept::Pending(_))));
        drop(store);
        let store = home.open().await;
        let journal = store.journal(1, 99).await.unwrap();
        let given = journal.iter().filter(|found| found.event == Some(verdict("w1"))).count();
        assert_eq!(given, 1, "{fault:?}");
    }
}

async fn a_change_that_hides_a_failed_statement_is_not_kept() {
    let home = Home::new(74);
    let store = home.open().await;
    let hidden = store.keep::<(), _>(None, |tx| {
        Box::pin(async move {
            tx.record(bank(1)).await?;
            let _ = tx.conn.run("SELECT * FROM no_such_table", Vec::new()).await;
            Ok(Vec::new())
        })
    });
    assert!(hidden.await.is_err());
    assert_eq!(store.record(bank(1)).await, Ok(1));
}

//! What is kept, is kept once, is answered again, and can be proved.

use super::*;
use crate::core::journal::merkle::leaf_hash;
use crate::core::journal::proof::{verify_consistency, verify_inclusion};
use crate::io::store::{KeepError, RequestKey, StoreError, VerdictKept, Which, verify};
use std::time::Duration;

on_both! {
    what_was_kept_is_there_after_a_restart,
    when_a_bank_learned_is_told_from_when_it_was_set_after_a_restart_too,
    entries_are_listed_in_pages_and_by_state,
    a_removed_entry_leaves_a_tombstone_without_values,
    a_deleted_bank_takes_its_entries_along,
    entries_of_no_bank_are_refused_and_leave_no_trace,
    a_repeated_request_gets_the_first_answer,
    of_two_changes_in_one_commit_the_second_sees_whose_certificate_it_is,
    entries_of_a_bank_are_counted_right_within_a_transaction_that_changes_them,
    a_change_that_nobody_waits_for_any_more_is_not_made,
    a_request_repeated_at_the_same_moment_is_carried_out_once,
    a_change_that_refuses_leaves_no_trace,
    a_change_that_panics_takes_nobody_along,
    every_event_is_proved_by_the_first_checkpoint_that_covers_it,
    callers_at_the_same_moment_share_a_commit,
    what_was_answered_is_in_the_memory_of_the_process,
    a_process_that_ended_without_an_order_is_noticed,
    log_time_does_not_follow_a_clock_that_runs_backwards,
    only_one_process_writes_at_a_time,
    another_key_ring_does_not_open_the_store,
    lists_that_hold_every_reader_do_not_hold_up_what_a_check_looks_up,
    a_look_up_that_takes_too_long_is_given_up_and_what_was_kept_is_still_answered_once,
}

async fn put(
    store: &Store,
    request: Option<RequestKey>,
    event: Event,
    answer: &'static [u8],
) -> Result<crate::io::store::Answer, KeepError<&'static str>> {
    store
        .keep(request, move |tx| {
            Box::pin(async move {
                tx.record(event).await?;
                Ok(answer.to_vec())
            })
        })
        .await
}

async fn what_was_kept_is_there_after_a_restart() {
    let home = Home::new(1);
    let store = home.open().await;
    fill(&store).await;
    let before = format!("{:?}", store.resident().read().applied());
    store.close().await.unwrap();
    let store = home.open().await;
    assert_eq!(format!("{:?}", store.resident().read().applied()), before);
    assert_eq!(store.tenants(None, 10).await.unwrap().len(), 1);
    assert_eq!(store.credentials(Some(&scope().tenant), None, 10).await.unwrap().len(), 1);
    assert_eq!(store.surfaces(&scope(), None, 10).await.unwrap().len(), 1);
    assert_eq!(store.banks(&scope(), None, 10).await.unwrap().len(), 1);
    let id = VerdictId::parse("v1").unwrap();
    let (number, found) = store.verdict(&scope(), &id).await.unwrap().unwrap();
    assert_eq!((number, found), (6, given("v1")));
    assert_eq!(store.outcomes(&scope(), &id).await.unwrap()[0].1.views_before, Some(3));
    let other = Scope { environment: Environment::Production, ..scope() };
    assert_eq!(store.verdict(&other, &id).await.unwrap(), None);
    store.close().await.unwrap();
}

fn learned(store: &Store) -> (Time, Time) {
    let resident = store.resident().read();
    let bank = resident.of(&scope()).unwrap().matcher.bank(&bank_id()).unwrap().bank.clone();
    (bank.learned, bank.changed)
}

async fn when_a_bank_learned_is_told_from_when_it_was_set_after_a_restart_too() {
    let home = Home::new(3);
    let store = home.open().await;
    store.record(bank(1)).await.unwrap();
    let (first, second) = (START, Time::from_millis(START.millis() + 60_000));
    store.record(entries(vec![entry(1, EntryState::Active, 1)])).await.unwrap();
    let Event::BankPut { scope, bank } = bank(2) else { unreachable!() };
    let bank = Bank { changed: second, learned: first, ..bank };
    store.record(Event::BankPut { scope, bank }).await.unwrap();
    assert_eq!(learned(&store), (first, second));
    store.close().await.unwrap();
    let store = home.open().await;
    assert_eq!(learned(&store), (first, second));
    let Event::EntriesPut { scope, bank, entries, .. } =
        entries(vec![entry(2, EntryState::Active, 1)])
    else {
        unreachable!()
    };
    let third = Time::from_millis(second.millis() + 60_000);
    store.record(Event::EntriesPut { scope, bank, entries, at: third }).await.unwrap();
    assert_eq!(learned(&store), (third, third));
    store.close().await.unwrap();
    let store = home.open().await;
    assert_eq!(learned(&store), (third, third));
    let report = verify(&home.settings(), &home.keys, Duration::ZERO).await.unwrap();
    assert_eq!(report.faults, []);
}

#[tokio::test]
async fn every_file_of_the_store_is_for_its_owner_only_whatever_the_directory_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new(4);
    let open_to_all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(home.folder.path(), open_to_all).unwrap();
    let store = home.open().await;
    fill(&store).await;
    put_aside(&store, "v9", None);
    let mut seen = Vec::new();
    for file in std::fs::read_dir(home.folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
        seen.push(file.file_name().into_string().unwrap());
    }
    seen.sort();
    let of_lookback = ["lookback.db", "lookback.db-shm", "lookback.db-wal"];
    // Those beside it are there while somebody looks at it.
    assert!(seen.contains(&of_lookback[0].to_owned()));
    seen.retain(|name| !of_lookback.contains(&name.as_str()));
    assert_eq!(seen, ["bulwark.db", "bulwark.db-shm", "bulwark.db-wal", "bulwark.lock", "spool"]);
}

async fn entries_are_listed_in_pages_and_by_state() {
    let home = Home::new(2);
    let store = home.open().await;
    fill(&store).await;
    let mut names = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page =
            store.entries(&scope(), &bank_id(), Which::All, after.as_deref(), 7).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.to_string());
        names.extend(page.iter().map(|entry| entry.id.clone()));
    }
    assert_eq!(names, (0..20).map(entry_id).collect::<Vec<_>>());
    let disputed = Which::In(EntryState::Disputed);
    let found = store.entries(&scope(), &bank_id(), disputed, None, 9).await.unwrap();
    assert_eq!(found.len(), 1);
    let counts = store.entry_counts(&scope(), &bank_id()).await.unwrap();
    assert_eq!(
        counts,
        [(EntryState::Active, 18), (EntryState::Disputed, 1), (EntryState::Removed, 1)]
    );
}

async fn a_removed_entry_leaves_a_tombstone_without_values() {
    let home = Home::new(3);
    let store = home.open().await;
    fill(&store).await;
    let kept = store
        .keep::<(), _>(None, |tx| {
            Box::pin(async move {
                let signals = [pdq(3), md5(4), pdq(99)];
                let found = tx.entries_by_signal(&scope(), &bank_id(), &signals).await?;
                assert_eq!(found[0], Some((entry_id(3), EntryState::Removed)));
                assert_eq!(found[1], Some((entry_id(4), EntryState::Disputed)));
                assert_eq!(found[2], None);
                let entry = tx.entry(&scope(), &bank_id(), &entry_id(3)).await?.unwrap();
                assert!(entry.signals.is_empty());
                Ok(Vec::new())
            })
        })
        .await
        .unwrap();
    assert_eq!(kept.number, None);
}

async fn a_deleted_bank_takes_its_entries_along() {
    let home = Home::new(4);
    let store = home.open().await;
    fill(&store).await;
    let gone = Event::BankDeleted { scope: scope(), bank: bank_id(), at: START };
    store.record(gone).await.unwrap();
    store.record(bank(1)).await.unwrap();
    assert!(store.entries(&scope(), &bank_id(), Which::All, None, 9).await.unwrap().is_empty());
    let again = store.record(entries(vec![entry(3, EntryState::Active, 1)])).await;
    assert!(again.is_ok());
}

async fn entries_of_no_bank_are_refused_and_leave_no_trace() {
    let home = Home::new(5);
    let store = home.open().await;
    let refused = store.record(entries(vec![entry(1, EntryState::Active, 1)])).await;
    assert_eq!(refused, Err(StoreError::Unfit("")));
    assert_eq!(store.record(bank(1)).await, Ok(1));
}

async fn a_repeated_request_gets_the_first_answer() {
    let home = Home::new(6);
    let store = home.open().await;
    let first = put(&store, key("r", 1), tenant("one"), b"first").await.unwrap();
    assert_eq!((first.number, first.first), (Some(1), true));
    for _ in 0..2 {
        let again = put(&store, key("r", 1), tenant("two"), b"second").await.unwrap();
        assert_eq!((&again.bytes[..], again.number, again.first), (&b"first"[..], Some(1), false));
    }
    let reused = put(&store, key("r", 2), tenant("two"), b"second").await;
    assert_eq!(reused, Err(KeepError::RequestIdReused));
    store.close().await.unwrap();
    let store = home.open().await;
    let again = put(&store, key("r", 1), tenant("two"), b"second").await.unwrap();
    assert_eq!(again.bytes, b"first");
    home.clock.advance(Duration::from_secs(25 * 3600));
    let late = put(&store, key("r", 2), tenant("two"), b"second").await.unwrap();
    assert_eq!(late.bytes, b"second");
}

async fn of_two_changes_in_one_commit_the_second_sees_whose_certificate_it_is() {
    let home = Home::new(12);
    let store = home.open().await;
    fill(&store).await;
    let claim = |name: &'static str| {
        store.keep(None, move |tx| {
            Box::pin(async move {
                if tx.credential_by_certificate(&[9; 32]).is_some() {
                    return Err(KeepError::Refused("taken"));
                }
                let Event::CredentialPut { mut credential } = credential(name) else {
                    unreachable!()
                };
                credential.proof = Proof::Certificate([9; 32]);
                tx.record(Event::CredentialPut { credential }).await?;
                Ok(Vec::new())
            })
        })
    };
    let commits = store.commits();
    let (first, second) = tokio::join!(claim("c2"), claim("c3"));
    assert_eq!((first.is_ok(), second), (true, Err(KeepError::Refused("taken"))));
    assert_eq!(store.commits(), commits + 1, "both stood in one transaction");
    assert_eq!(claim("c4").await, Err(KeepError::Refused("taken")));
}

async fn entries_of_a_bank_are_counted_right_within_a_transaction_that_changes_them() {
    let home = Home::new(13);
    let store = home.open().await;
    fill(&store).await;
    let counted = store.keep::<(), _>(None, |tx| {
        Box::pin(async move {
            let before = tx.entry_count(&scope(), &bank_id()).await?;
            tx.record(entries(vec![entry(99, EntryState::Proposed, 1)])).await?;
            let after = tx.entry_count(&scope(), &bank_id()).await?;
            assert_eq!((before, after), (19, 20));
            tx.record(Event::BankDeleted { scope: scope(), bank: bank_id(), at: START }).await?;
            assert_eq!(tx.entry_count(&scope(), &bank_id()).await?, 0);
            tx.record(bank(1)).await?;
            tx.record(entries(vec![entry(1, EntryState::Retired, 1)])).await?;
            Ok(Vec::new())
        })
    });
    counted.await.unwrap();
    assert_eq!(store.resident().read().entry_count(&scope(), &bank_id()), 1);
}

async fn a_change_that_nobody_waits_for_any_more_is_not_made() {
    let home = Home::new(16);
    let store = home.open().await;
    store.record(tenant("acme")).await.unwrap();
    let mut other = super::super::dialect::connect(&home.settings(), false).await.unwrap();
    other.begin("UPDATE head SET epoch = epoch WHERE id = 1").await.unwrap();
    let given_up = store.record(tenant("other"));
    assert!(tokio::time::timeout(Duration::from_millis(100), given_up).await.is_err());
    drop(other);
    store.record(tenant("third")).await.unwrap();
    let names: Vec<_> = store.tenants(None, 9).await.unwrap().into_iter().map(|t| t.id).collect();
    assert_eq!(names, ["acme", "third"].map(|name| TenantId::parse(name).unwrap()));
}

async fn a_request_repeated_at_the_same_moment_is_carried_out_once() {
    let home = Home::new(7);
    let store = home.open().await;
    let calls = (0..50).map(|_| put(&store, key("r", 1), tenant("one"), b"answer"));
    let answers = futures_util::future::join_all(calls).await;
    let first = answers.iter().filter(|answer| answer.as_ref().unwrap().first).count();
    assert_eq!(first, 1);
    assert_eq!(store.journal(1, 100).await.unwrap().len(), 1);
}

async fn a_change_that_refuses_leaves_no_trace() {
    let home = Home::new(8);
    let store = home.open().await;
    let refusing = store.keep(key("r", 1), |tx| {
        Box::pin(async move {
            tx.record(bank(1)).await?;
            tx.record(entries(vec![entry(1, EntryState::Active, 1)])).await?;
            tx.record(verdict("v1")).await?;
            assert!(tx.verdict_number(&scope(), &VerdictId::parse("v1").unwrap()).await?.is_some());
            Err(KeepError::Refused("no"))
        })
    });
    let keeping = put(&store, None, verdict("v2"), b"");
    let (refused, kept) = tokio::join!(refusing, keeping);
    assert_eq!(refused, Err(KeepError::Refused("no")));
    assert_eq!(kept.unwrap().number, Some(1));
    assert!(store.banks(&scope(), None, 9).await.unwrap().is_empty());
    assert!(store.entries(&scope(), &bank_id(), Which::All, None, 9).await.unwrap().is_empty());
    let id = VerdictId::parse("v1").unwrap();
    assert_eq!(store.verdict(&scope(), &id).await.unwrap(), None);
    let journal = store.journal(1, 9).await.unwrap();
    assert_eq!(journal.len(), 1);
    assert_eq!(journal[0].event, Some(verdict("v2")));
    assert!(put(&store, key("r", 1), bank(1), b"").await.unwrap().first);
}

async fn a_change_that_panics_takes_nobody_along() {
    let home = Home::new(9);
    let store = home.open().await;
    let panicking = store.keep::<(), _>(None, |tx| {
        Box::pin(async move {
            tx.record(bank(1)).await?;
            panic!("broken")
        })
    });
    assert_eq!(panicking.await, Err(KeepError::Store(StoreError::Broken)));
    assert_eq!(store.record(bank(1)).await, Ok(1));
}

async fn every_event_is_proved_by_the_first_checkpoint_that_covers_it() {
    let home = Home::new(10);
    let store = home.open().await;
    fill(&store).await;
    let calls = (0..600).map(|n| store.record(verdict(&format!("w{n}"))));
    for number in futures_util::future::join_all(calls).await {
        number.unwrap();
    }
    let mut roots = std::collections::BTreeMap::new();
    for number in 1..=608 {
        let receipt = store.receipt(number).await.unwrap().unwrap();
        let signed = home.keys.verify(&receipt.checkpoint).unwrap();
        assert_eq!(signed.size, receipt.size);
        roots.insert(signed.size, signed.root);
        let leaf = leaf_hash(&receipt.leaf);
        verify_inclusion(&leaf, number - 1, receipt.size, &receipt.proof, &signed.root).unwrap();
    }
    assert_eq!(store.receipt(609).await.unwrap(), None);
    assert_eq!(store.receipt(3).await.unwrap().unwrap().size, 3);
    for (old, old_root) in &roots {
        for (size, root) in roots.range(old..) {
            let proof = store.consistency(*old, *size).await.unwrap();
            verify_consistency(*old, *size, &proof, old_root, root).unwrap();
        }
    }
}

async fn callers_at_the_same_moment_share_a_commit() {
    let home = Home::new(11);
    let store = home.open().await;
    let calls = (0..1000).map(|n| store.record(verdict(&format!("v{n}"))));
    let mut numbers: Vec<u64> =
        futures_util::future::join_all(calls).await.into_iter().map(Result::unwrap).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=1000).collect::<Vec<_>>());
    assert!(store.commits() <= 100, "{} commits", store.commits());
}

async fn what_was_answered_is_in_the_memory_of_the_process() {
    let home = Home::new(12);
    let store = home.open().await;
    for n in 1..=5 {
        let number = store.record(bank(n)).await.unwrap();
        assert!(store.resident().read().applied() >= number);
    }
}

async fn a_process_that_ended_without_an_order_is_noticed() {
    let home = Home::new(13);
    let store = home.open().await;
    fill(&store).await;
    drop(store);
    home.clock.advance(Duration::from_secs(5));
    let store = home.open().await;
    let last = store.journal(9, 10).await.unwrap();
    let at = START.plus(Duration::from_secs(5));
    assert_eq!(last[0].event, Some(Event::CountsLost { since: START, at }));
    store.close().await.unwrap();
    let store = home.open().await;
    assert_eq!(store.journal(10, 10).await.unwrap().len(), 0);
}

async fn log_time_does_not_follow_a_clock_that_runs_backwards() {
    let home = Home::new(14);
    let store = home.open().await;
    store.record(bank(1)).await.unwrap();
    home.clock.move_to(Time::from_millis(0));
    store.record(bank(2)).await.unwrap();
    let journal = store.journal(1, 2).await.unwrap();
    assert_eq!(journal[0].envelope.hour, journal[1].envelope.hour);
}

async fn only_one_process_writes_at_a_time() {
    let home = Home::new(15);
    let store = home.open().await;
    let impatient = Settings { lock_wait_max: Duration::from_millis(50), ..home.settings() };
    let second = Store::open(impatient, Arc::clone(&home.keys), home.clock.clone()).await;
    assert_eq!(second.err(), Some(StoreError::InUse));
    store.record(bank(1)).await.unwrap();
}

#[tokio::test]
async fn of_two_writers_without_a_lock_one_is_fenced_off_and_nothing_forks() {
    let home = Home::new(16);
    let open =
        || Store::open_with(home.settings(), Arc::clone(&home.keys), home.clock.clone(), None);
    let first = open().await.unwrap();
    first.record(tenant("one")).await.unwrap();
    let second = open().await.unwrap();
    let race = |store: Store, name: &'static str| async move {
        let mut kept = 0;
        for n in 0..40 {
            if store.record(verdict(&format!("{name}{n}"))).await.is_ok() {
                kept += 1;
            }
        }
        kept
    };
    let (a, b) = tokio::join!(race(first.clone(), "a"), race(second.clone(), "b"));
    assert_eq!((a, b), (0, 40));
    assert!(first.has_failed());
    let journal = second.journal(1, 100).await.unwrap();
    let numbers: Vec<u64> = journal.iter().map(|recorded| recorded.number).collect();
    assert_eq!(numbers, (1..=42).collect::<Vec<_>>());
}

async fn another_key_ring_does_not_open_the_store() {
    let home = Home::new(17);
    home.open().await.close().await.unwrap();
    let other = Arc::new(KeyRing::generate(&Clock::system()));
    let opened = Store::open(home.settings(), other, home.clock.clone()).await;
    assert_eq!(opened.err(), Some(StoreError::OtherKeys));
    // Nothing was written under them.
    assert_eq!(home.open().await.head_number().await, Ok(0));
}

#[tokio::test]
async fn no_value_stands_in_the_files() {
    let home = Home::new(18);
    let store = home.open().await;
    fill(&store).await;
    store.close().await.unwrap();
    let bytes = std::fs::read(home.settings().database).unwrap();
    for needle in [pdq(5).bytes(), pdq(5).text().into_bytes(), b"nonsense".to_vec()] {
        assert!(!bytes.windows(needle.len()).any(|window| window == needle));
    }
}

async fn all(
    pool: &crate::io::store::dialect::Pool,
    count: u32,
) -> Vec<super::super::dialect::Conn> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(pool.connection().await.unwrap());
    }
    taken
}

async fn lists_that_hold_every_reader_do_not_hold_up_what_a_check_looks_up() {
    let home = Home::new(14);
    let store = home.open().await;
    let kept = put(&store, key("r", 1), verdict("v1"), b"first").await.unwrap();
    let _lists = all(&store.0.pool, store.0.settings.readers).await;
    let found = answered(&store, &key("r", 1).unwrap()).await.unwrap();
    assert!(matches!(found, Some(VerdictKept::Kept(answer)) if answer.bytes == b"first"));
    let mut receipt = Err(StoreError::Late);
    for _ in 0..50 {
        receipt = store.receipt_soon(kept.number.unwrap()).await;
        if receipt != Err(StoreError::Late) {
            break;
        }
    }
    assert!(receipt.unwrap().is_some());
}

async fn a_look_up_that_takes_too_long_is_given_up_and_what_was_kept_is_still_answered_once() {
    let home = Home::new(15);
    let store = home.open().await;
    let first = put(&store, key("r", 1), verdict("v1"), b"first").await.unwrap();
    let _held = all(&store.0.lookups, super::super::start::LOOKUP_READERS).await;
    let began = std::time::Instant::now();
    let found = store.first_answer(&key("r", 1).unwrap()).await;
    assert_eq!(found, Err(KeepError::Store(StoreError::Late)));
    assert_eq!(store.receipt_soon(first.number.unwrap()).await, Err(StoreError::Late));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // The check goes on, decides, and is answered by what the writer finds.
    let again = store.keep_verdict(key("r", 1), &scope(), given("v2"), b"second".to_vec()).await;
    assert!(matches!(again, Ok(VerdictKept::Kept(answer)) if answer.bytes == b"first"));
    let fresh = store.keep_verdict(key("s", 1), &scope(), given("v3"), b"third".to_vec()).await;
    assert!(matches!(fresh, Ok(VerdictKept::Kept(answer)) if answer.first));
}

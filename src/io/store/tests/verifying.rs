//! A verification finds whatever was changed, and says nothing of a store that is good.

use super::super::dialect;
use super::super::journal;
use super::*;
use crate::core::id::RequestId;
use crate::io::store::Which;
use crate::io::store::{KeepError, Report, RequestKey, verify};
use std::time::Duration;

on_both! {
    nothing_is_found_in_a_good_store,
    a_store_that_is_being_written_is_verified_beside,
    every_change_of_a_row_is_named_with_its_place,
    an_erased_payload_is_counted_and_its_commitment_still_checked,
    a_good_store_that_is_watched_tells_so_until_it_is_closed,
}

async fn check(home: &Home) -> Report {
    verify(&home.settings(), &home.keys, Duration::ZERO).await.unwrap()
}

/// A small store with rows in every table.
async fn filled(seed: u64) -> Home {
    let home = Home::new(seed);
    let store = home.open().await;
    fill(&store).await;
    let id = RequestId::parse("r").unwrap();
    let request = RequestKey { scope: scope(), method: "Test/Put", id, digest: [1; 32] };
    let kept = store.keep::<(), _>(Some(request), |tx| {
        Box::pin(async move {
            tx.record(verdict("v2")).await?;
            Ok(b"answer".to_vec())
        })
    });
    kept.await.unwrap();
    store.close().await.unwrap();
    home
}

async fn change(home: &Home, sql: &'static str) {
    let mut conn = dialect::connect(&home.settings(), false).await.unwrap();
    let zeros = if conn.is_remote() { "decode(repeat('00', 32), 'hex')" } else { "zeroblob(32)" };
    let text = sqlx::AssertSqlSafe(sql.replace("zeroblob(32)", zeros));
    assert!(conn.run(text, Vec::new()).await.unwrap() > 0, "{sql}");
    conn.close().await.unwrap();
}

async fn nothing_is_found_in_a_good_store() {
    let home = filled(51).await;
    let report = check(&home).await;
    assert_eq!(report.faults, []);
    assert_eq!((report.events, report.erased), (9, 0));
    assert_eq!(report.checkpoints, 9);
    // 4 documents, 20 entries, 40 signals, 2 verdicts, 1 outcome, 1 request.
    assert_eq!(report.rows, 68);
}

async fn a_store_that_is_being_written_is_verified_beside() {
    let home = Home::new(52);
    let store = home.open().await;
    fill(&store).await;
    let writing = async {
        for n in 0..100 {
            store.record(verdict(&format!("w{n}"))).await.unwrap();
        }
    };
    let (report, ()) = tokio::join!(check(&home), writing);
    assert_eq!(report.faults, []);
    store.record(Event::BankDeleted { scope: scope(), bank: bank_id(), at: START }).await.unwrap();
    store.record(bank(1)).await.unwrap();
    store.record(entries(vec![entry(3, EntryState::Active, 1)])).await.unwrap();
    store.record(entries(vec![entry(3, EntryState::Removed, 2)])).await.unwrap();
    store.record(entries(vec![entry(3, EntryState::Active, 3)])).await.unwrap();
    assert_eq!(check(&home).await.faults, []);
}

async fn every_change_of_a_row_is_named_with_its_place() {
    for (sql, place) in [
        ("UPDATE head SET clean = 0 WHERE id = 1", "head"),
        ("UPDATE head SET size = 8 WHERE id = 1", "head"),
        ("UPDATE journal SET kind = 2 WHERE number = 1", "journal 1"),
        ("UPDATE journal SET salt = zeroblob(32) WHERE number = 2", "journal 2"),
        (
            "UPDATE journal SET payload = (SELECT payload FROM journal WHERE number = 6) WHERE number = 9",
            "journal 9",
        ),
        (
            "UPDATE journal SET envelope = (SELECT envelope FROM journal WHERE number = 6) WHERE number = 9",
            "journal 9",
        ),
        ("UPDATE journal SET leaf = zeroblob(32) WHERE number = 3", "journal 3"),
        ("DELETE FROM journal WHERE number = 4", "journal 4"),
        ("DELETE FROM journal WHERE number = 9", "head"),
        ("DELETE FROM checkpoint WHERE size = 9", "checkpoint"),
        ("UPDATE checkpoint SET size = 99 WHERE size = 9", "checkpoint 99"),
        (
            "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 2) WHERE size = 3",
            "checkpoint 3",
        ),
        ("UPDATE checkpoint SET note = replace(note, '3', '4') WHERE size = 3", "checkpoint 3"),
        ("INSERT INTO subtree VALUES (1, 0, zeroblob(32))", "subtree"),
        ("UPDATE document SET version = 2 WHERE kind = 'tenant'", "tenant /acme"),
        ("UPDATE document SET kind = 'other' WHERE kind = 'tenant'", "tenant /acme"),
        ("DELETE FROM document WHERE kind = 'surface'", "surface acme/test/upload"),
        ("UPDATE entry SET state = 4 WHERE entry = 'e000003'", "entry acme/test/known/e000003"),
        ("DELETE FROM entry WHERE entry = 'e000007'", "entry acme/test/known/e000007"),
        (
            "UPDATE entry SET bank = 'other' WHERE entry = 'e000007'",
            "entry acme/test/known/e000007",
        ),
        ("DELETE FROM signal WHERE entry = 'e000003'", "entry acme/test/known/e000003"),
        ("DELETE FROM signal WHERE entry = 'e000009'", "entry acme/test/known/e000009"),
        (
            "UPDATE signal SET fingerprint = zeroblob(32) WHERE entry = 'e000009' AND fingerprint = (SELECT fingerprint FROM signal WHERE entry = 'e000009' ORDER BY fingerprint LIMIT 1)",
            "entry acme/test/known/e000009",
        ),
        ("INSERT INTO signal VALUES ('acme/test', 'known', zeroblob(32), 'e999999')", "signal"),
        (
            "INSERT INTO entry SELECT scope, bank, 'e999999', state, version, number, body FROM entry WHERE entry = 'e000001'",
            "entry",
        ),
        ("UPDATE verdict SET number = 9 WHERE verdict = 'v1'", "verdict of event 6"),
        ("DELETE FROM verdict WHERE verdict = 'v2'", "verdict of event 9"),
        ("INSERT INTO verdict VALUES ('acme/test', 'v9', 6)", "verdict"),
        ("DELETE FROM outcome", "outcome of event 7"),
        ("UPDATE request SET digest = zeroblob(32)", "request of event 9"),
        ("UPDATE request SET kept = kept + 1", "request of event 9"),
    ] {
        let home = filled(53).await;
        change(&home, sql).await;
        let report = check(&home).await;
        let places: Vec<&str> = report.faults.iter().map(|fault| fault.place.as_str()).collect();
        assert!(places.contains(&place), "{sql}: {places:?}");
    }
}

async fn an_erased_payload_is_counted_and_its_commitment_still_checked() {
    let home = filled(54).await;
    let mut conn = dialect::connect(&home.settings(), false).await.unwrap();
    let recorded = journal::event(&mut conn, &home.keys, 6).await.unwrap().unwrap();
    let (salt, payload) = journal::erased(&home.keys, &recorded);
    let sql = "UPDATE journal SET salt = $1, payload = $2 WHERE number = 6";
    conn.run(sql, vec![salt.into(), payload.into()]).await.unwrap();
    conn.close().await.unwrap();
    let report = check(&home).await;
    assert_eq!((report.erased, report.faults), (1, vec![]));
    let store = home.open().await;
    let id = VerdictId::parse("v1").unwrap();
    assert_eq!(store.verdict(&scope(), &id).await.unwrap(), None);
    assert_eq!(store.receipt(6).await.unwrap().unwrap().leaf, recorded.leaf);
    store.close().await.unwrap();
    let mut conn = dialect::connect(&home.settings(), false).await.unwrap();
    let sql = "UPDATE journal SET salt = $1, payload = $2 WHERE number = 9";
    conn.run(sql, vec![Vec::new().into(), vec![0; 81].into()]).await.unwrap();
    conn.close().await.unwrap();
    assert!(!check(&home).await.is_good());
}

async fn a_good_store_that_is_watched_tells_so_until_it_is_closed() {
    let home = Home::new(55);
    let store = home.open().await;
    fill(&store).await;
    let (told, mut reports) = tokio::sync::mpsc::unbounded_channel();
    let every = Duration::from_millis(20);
    store.verify_in_background(every, move |report| drop(told.send(report))).unwrap();
    for _ in 0..3 {
        assert!(reports.recv().await.unwrap().unwrap().is_good());
    }
    store.close().await.unwrap();
    while reports.recv().await.is_some() {}
}

/// Everything that reads can return.
async fn reads(home: &Home) -> Result<String, String> {
    let text = |error: crate::io::store::StoreError| error.to_string();
    let store = Store::open(home.settings(), Arc::clone(&home.keys), home.clock.clone())
        .await
        .map_err(text)?;
    let all = async {
        let mut out = String::new();
        out += &format!("{:?}", store.tenants(None, 99).await?);
        out += &format!("{:?}", store.credentials(None, None, 99).await?);
        out += &format!("{:?}", store.surfaces(&scope(), None, 99).await?);
        out += &format!("{:?}", store.banks(&scope(), None, 99).await?);
        out += &format!("{:?}", store.entries(&scope(), &bank_id(), Which::All, None, 99).await?);
        let removed = Which::In(EntryState::Removed);
        out += &format!("{:?}", store.entries(&scope(), &bank_id(), removed, None, 99).await?);
        out += &format!("{:?}", store.entry_counts(&scope(), &bank_id()).await?);
        for name in ["v1", "v2"] {
            let id = VerdictId::parse(name).unwrap();
            out += &format!("{:?}", store.verdict(&scope(), &id).await?);
            out += &format!("{:?}", store.outcomes(&scope(), &id).await?);
        }
        out += &format!("{:?}", store.journal(1, 99).await?);
        for number in 1..=9 {
            out += &format!("{:?}", store.receipt(number).await?);
        }
        let found = store
            .keep::<(), _>(None, |tx| {
                Box::pin(async move {
                    let signals: Vec<_> = (0..25).flat_map(|n| [pdq(n), md5(n)]).collect();
                    let found = tx.entries_by_signal(&scope(), &bank_id(), &signals).await?;
                    Ok(format!("{found:?}").into_bytes())
                })
            })
            .await
            .map_err(|error| match error {
                KeepError::Store(error) => error,
                other => panic!("{other}"),
            })?;
        out += &String::from_utf8(found.bytes).unwrap();
        Ok(out)
    };
    let out: Result<String, _> = all.await;
    let _ = store.close().await;
    out.map_err(text)
}

/// In the suite a part of the bytes; with `BULWARK_LONG=1` every one.
#[tokio::test]
async fn a_flipped_byte_is_found_or_changes_nothing_that_is_read() {
    let home = filled(56).await;
    let good = std::fs::read(home.settings().database).unwrap();
    let expected = reads(&home).await.unwrap();
    let step = if std::env::var_os("BULWARK_LONG").is_some() { 1 } else { 499 };
    let (mut found, mut harmless, mut refused) = (0, 0, 0);
    for at in (0..good.len()).step_by(step) {
        for file in std::fs::read_dir(home.folder.path()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(home.settings().database, &bytes).unwrap();
        match verify(&home.settings(), &home.keys, Duration::ZERO).await {
            Ok(report) if report.is_good() => match reads(&home).await {
                Ok(read) => {
                    assert_eq!(read, expected, "byte {at}");
                    harmless += 1;
                }
                Err(_) => refused += 1,
            },
            Ok(_) | Err(_) => found += 1,
        }
    }
    println!("{found} found, {harmless} without effect, {refused} refused when read");
    assert!(found > 0);
}

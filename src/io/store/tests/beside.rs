//! Programs of two versions on one store: what an older one does not know waits until it is gone, or is not opened by it.

use super::super::dialect::{self, Conn};
use super::super::journal::payload;
use super::*;
use crate::core::journal::envelope::EVENT_KIND_MAX;
use crate::core::restored::Restored;
use crate::io::seal::Phrase;
use crate::io::store::backup::backup;
use crate::io::store::{StoreError, copy, verify};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::time::Duration;

on_both!(
    a_store_with_events_of_a_later_program_is_neither_opened_nor_called_damaged,
    what_was_let_in_is_let_in_in_a_copy,
);

/// Says of a store up to which kind events were let in.
async fn set_mark(conn: &mut Conn, kind: u64) {
    let sql = "INSERT INTO version (id, version) VALUES (2, $1) \
               ON CONFLICT (id) DO UPDATE SET version = excluded.version";
    conn.run(sql, vec![kind.into()]).await.unwrap();
}

async fn mark(conn: &mut Conn) -> Option<u64> {
    let found = conn.row("SELECT version FROM version WHERE id = 2", Vec::new()).await.unwrap();
    found.map(|row| row.number(0).unwrap())
}

fn restored() -> Event {
    let restored = Restored {
        number: 1,
        root: [5; 32],
        backed_up: None,
        given_up: None,
        approval: None,
        at: START,
    };
    Event::Restored { restored: Box::new(restored) }
}

async fn a_store_with_events_of_a_later_program_is_neither_opened_nor_called_damaged() {
    let home = Home::new(320);
    let store = home.open().await;
    fill(&store).await;
    let mut conn = dialect::connect(&home.settings(), false).await.unwrap();
    assert_eq!(mark(&mut conn).await, None, "what every program knows needs none");
    store.close().await.unwrap();
    let known = u64::from(EVENT_KIND_MAX);
    set_mark(&mut conn, known + 1).await;
    let later = StoreError::LaterEvents { found: known + 1, known };
    let settings = home.settings();
    let opened = Store::open(settings.clone(), Arc::clone(&home.keys), home.clock.clone()).await;
    let refused = opened.unwrap_err();
    assert_eq!(refused, later);
    let said = format!("events of kind {}, this program knows them up to {known}", known + 1);
    assert!(refused.to_string().contains(&said), "{refused}");
    assert_eq!(verify(&settings, &home.keys, Duration::ZERO).await.unwrap_err(), later);
    let (folder, phrase) =
        (tempfile::tempdir().unwrap(), Phrase::new(b"nonsense for tests").unwrap());
    let place = (folder.path(), &phrase);
    assert!(backup(&settings, &home.keys, &home.clock, place, |_| {}).await.is_err());
    set_mark(&mut conn, known).await;
    home.open().await.close().await.unwrap();
}

async fn what_was_let_in_is_let_in_in_a_copy() {
    let home = Home::new(321);
    home.open().await.close().await.unwrap();
    let mut conn = dialect::connect(&home.settings(), false).await.unwrap();
    set_mark(&mut conn, 7).await;
    let other = Home { keys: Arc::clone(&home.keys), ..Home::new(322) };
    copy(&home.settings(), &other.settings(), &home.keys, |_| {}).await.unwrap();
    let mut conn = dialect::connect(&other.settings(), false).await.unwrap();
    assert_eq!(mark(&mut conn).await, Some(7));
}

/// Puts fields that no program knows into the objects of a text, one at a time.
fn with_one_more(json: &Json) -> Vec<(String, Json)> {
    let mut all = Vec::new();
    let mut places = vec![String::new()];
    while let Some(place) = places.pop() {
        let found = json.pointer(&place).unwrap();
        let names: Vec<String> = match found {
            Json::Object(fields) => fields.keys().cloned().collect(),
            Json::Array(parts) => (0..parts.len()).map(|at| at.to_string()).collect(),
            _ => continue,
        };
        places.extend(names.iter().map(|name| format!("{place}/{name}")));
        if let Json::Object(_) = found {
            let mut more = json.clone();
            let fields = more.pointer_mut(&place).unwrap().as_object_mut().unwrap();
            fields.insert("unheard_of".to_owned(), serde_json::json!({ "deep": [1, "x"] }));
            all.push((place, more));
        }
    }
    all
}

#[tokio::test]
async fn a_field_that_is_not_known_is_passed_over_wherever_it_stands_in_an_event() {
    let home = Home::new(323);
    let store = home.open().await;
    fill(&store).await;
    store.record(restored()).await.unwrap();
    let (mut count, mut choices) = (0, BTreeSet::new());
    for recorded in store.journal(1, 99).await.unwrap() {
        let event = recorded.event.unwrap();
        let json = serde_json::from_slice(&payload(&event)).unwrap();
        for (place, more) in with_one_more(&json) {
            match serde_json::from_value::<Event>(more) {
                Ok(read) => assert_eq!(read, event, "{place}"),
                // Where an object has one field that says which of several things it is, there is no second one.
                Err(error) => {
                    assert!(
                        error.to_string().contains("map with a single key"),
                        "{place}: {error}"
                    );
                    choices.insert(place.rsplit('/').next().unwrap().to_owned());
                }
            }
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
    assert_eq!(choices, BTreeSet::from(["proof".to_owned()]));
    // A word that is not known is another matter: whoever takes it for nothing would do something else than was meant.
    let mut word = serde_json::to_value(bank(1)).unwrap();
    *word.pointer_mut("/bank/mode").unwrap() = "UNHEARD_OF".into();
    assert!(serde_json::from_value::<Event>(word).is_err());
}

#[cfg(feature = "postgres")]
mod shared {
    use super::super::servers::{elsewhere, home_there};
    use super::*;
    use crate::core::journal::leaf;
    use crate::io::store::head::{self, Head};
    use crate::io::store::{KeepError, VerdictKept, journal};
    use std::time::Instant;

    /// A process that knows kinds of events up to `speaks`, and tells nothing more of itself.
    async fn an_older_one(conn: &mut Conn, speaks: u64) {
        let sql = "INSERT INTO replica (name, title, version, began, beat, beaten, counted, applied, \
                   entries, speaks) VALUES ($1, 'old', '0.0.9', 5, 5, 5, 5, 5, 5, $2)";
        conn.run(sql, vec![vec![9_u8; 16].into(), speaks.into()]).await.unwrap();
    }

    /// A store in which events of the last kinds were not let in yet, as before they came.
    async fn before(seed: u64, let_in: u64) -> (Home, Conn, Store) {
        let home = home_there(seed).await;
        Store::migrate(&home.settings(), &home.keys).await.unwrap();
        let mut conn = dialect::connect(&home.settings(), false).await.unwrap();
        set_mark(&mut conn, let_in).await;
        let store = home.open().await;
        (home, conn, store)
    }

    #[tokio::test]
    async fn what_an_older_process_does_not_know_waits_until_it_has_ended() {
        let (_home, mut conn, store) = before(324, 10).await;
        an_older_one(&mut conn, 10).await;
        fill(&store).await;
        let refused = store.record(restored()).await.unwrap_err();
        let (title, version) = ("old".to_owned(), "0.0.9".to_owned());
        let expected = StoreError::NotUnderstood { kind: 11, title, version };
        assert_eq!(format!("{refused:?}"), format!("{expected:?}"));
        // Others in the same transaction go through, and nothing is left of what was refused.
        let mixed = futures_util::future::join_all((0..20).map(|n| {
            let store = store.clone();
            async move { store.record(if n % 2 == 0 { bank(n + 2) } else { restored() }).await }
        }));
        let (kept, refused): (Vec<_>, Vec<_>) = mixed.await.into_iter().partition(Result::is_ok);
        assert_eq!((kept.len(), refused.len()), (10, 10));
        assert_eq!((store.head_number().await, mark(&mut conn).await), (Ok(18), Some(10)));
        conn.run("DELETE FROM replica WHERE title = 'old'", Vec::new()).await.unwrap();
        // What was given up let nothing in.
        let given_up = store.keep(None, |tx| {
            Box::pin(async move {
                tx.record(restored()).await?;
                Err::<Vec<u8>, _>(KeepError::Refused(()))
            })
        });
        assert_eq!(given_up.await, Err(KeepError::Refused(())));
        assert_eq!(mark(&mut conn).await, Some(10));
        an_older_one(&mut conn, 10).await;
        assert!(store.record(restored()).await.is_err());
        conn.run("DELETE FROM replica WHERE title = 'old'", Vec::new()).await.unwrap();
        assert_eq!(store.record(restored()).await, Ok(19));
        assert_eq!(mark(&mut conn).await, Some(11));
        // Whoever knew nothing of it would not have been let in any more: nobody is waited for.
        an_older_one(&mut conn, 10).await;
        assert_eq!(store.record(restored()).await, Ok(20));
        store.close().await.unwrap();
    }

    #[tokio::test]
    async fn verdicts_that_an_older_process_would_not_know_wait_in_the_spool() {
        let (_home, mut conn, store) = before(325, 6).await;
        an_older_one(&mut conn, 6).await;
        store.record(bank(1)).await.unwrap();
        let kept = store.keep_verdict(key("r", 1), &scope(), given("v1"), vec![1]).await;
        assert!(matches!(kept, Ok(VerdictKept::Pending(_))), "{kept:?}");
        assert!(store.drain_spool().await.is_err());
        conn.run("DELETE FROM replica WHERE title = 'old'", Vec::new()).await.unwrap();
        store.drain_spool().await.unwrap();
        assert_eq!((store.spooled_bytes(), store.head_number().await), (0, Ok(2)));
        store.close().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_older_process_that_ended_without_a_word_is_waited_for_until_it_is_taken_for_gone() {
        let (_home, mut conn, store) = before(326, 10).await;
        an_older_one(&mut conn, 10).await;
        let began = Instant::now();
        while let Err(refused) = store.record(restored()).await {
            assert!(matches!(refused, StoreError::NotUnderstood { .. }), "{refused}");
            assert!(began.elapsed() < Duration::from_secs(90), "it is waited for without end");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert!(began.elapsed() > Duration::from_secs(14), "{:?}", began.elapsed());
        store.close().await.unwrap();
    }

    /// Writes an event of a kind that this program does not know, as the one that knows it would.
    async fn write_unheard_of(home: &Home, conn: &mut Conn, kind: u16) {
        let before = head::begin(conn, &home.keys).await.unwrap();
        let number = before.size + 1;
        let frontier = journal::frontier(conn, before.size).await.unwrap();
        let known = Event::CountsLost { since: START, at: START };
        let envelope =
            crate::core::journal::envelope::Envelope::of(number, START, &known, &|_| [0; 16]);
        let mut envelope = envelope.write();
        envelope[9..11].copy_from_slice(&kind.to_be_bytes());
        let (salt, text) = ([3; leaf::SALT_BYTES], br#"{"event":"UNHEARD_OF"}"#);
        let place = journal::payload_place(number, &envelope, &salt);
        let hash = leaf::hash(&envelope, &salt, text);
        let values = vec![
            number.into(),
            u64::from(kind).into(),
            envelope.into(),
            salt.as_slice().into(),
            home.keys.seal(&place, text).into(),
            hash.as_slice().into(),
        ];
        let sql = "INSERT INTO journal (number, kind, envelope, salt, payload, leaf) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        conn.run(sql, values).await.unwrap();
        let mut frontier = frontier;
        frontier.append(hash, |_| {});
        let (size, root) = (frontier.size(), frontier.root());
        let note = home.keys.sign(size, root);
        let sql = "INSERT INTO checkpoint (size, note) VALUES ($1, $2)";
        conn.run(sql, vec![size.into(), note.as_str().into()]).await.unwrap();
        let after = Head { size, root, ..before };
        head::advance(conn, &home.keys, &before, &after).await.unwrap();
        set_mark(conn, kind.into()).await;
        conn.commit().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_process_that_meets_an_event_it_does_not_know_answers_on_and_writes_nothing_more() {
        let (home, mut conn, store) = before(327, 11).await;
        fill(&store).await;
        let (folder, idle) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let open = async |folder: &Path| {
            let keys = Arc::clone(&home.keys);
            Store::open(elsewhere(&home, folder), keys, home.clock.clone()).await
        };
        let other = open(folder.path()).await.unwrap();
        write_unheard_of(&home, &mut conn, u16::from(EVENT_KIND_MAX) + 1).await;
        let began = Instant::now();
        while !(store.has_failed() && other.has_failed()) {
            assert!(began.elapsed() < Duration::from_secs(20), "it goes on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(store.record(bank(2)).await.is_err() && other.record(bank(2)).await.is_err());
        assert_eq!(head::read(&mut conn, &home.keys).await.unwrap().size, 9);
        assert_eq!(store.resident().read().entry_count(&scope(), &bank_id()), 19);
        // Nor does it come back.
        let refused = open(idle.path()).await.unwrap_err();
        assert!(matches!(refused, StoreError::LaterEvents { .. }), "{refused}");
    }
}

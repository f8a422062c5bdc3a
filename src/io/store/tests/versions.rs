//! Tables of other versions: older ones are brought forward, the next ones are used as they are.

use super::super::dialect::{self, Conn, SCHEMA_VERSION};
use super::super::head;
use super::*;
use crate::io::seal::Phrase;
use crate::io::store::backup::{BackupError, backup};
use crate::io::store::{StoreError, Which, copy, verify};
use sqlx::AssertSqlSafe;
use std::time::Duration;

on_both!(
    tables_brought_forward_are_those_that_are_made_fresh,
    a_start_brings_older_tables_forward_and_other_keys_do_not,
    tables_of_the_next_version_are_used_as_they_are_and_those_behind_it_refused,
);

/// The tables as released programs made them, by version: SQLite's and PostgreSQL's.
const RELEASED: [(u64, &str, &str); 1] = [(
    1,
    include_str!("../../../../tests/golden/tables/1-sqlite.sql"),
    include_str!("../../../../tests/golden/tables/1-postgres.sql"),
)];

/// Makes a store as a released program did.
async fn made_by(home: &Home, (version, here, there): (u64, &'static str, &'static str)) -> Conn {
    let mut conn = dialect::connect(&home.settings(), true).await.unwrap();
    conn.begin_migrating().await.unwrap();
    conn.say(if conn.is_remote() { there } else { here }).await.unwrap();
    head::create(&mut conn, &home.keys).await.unwrap();
    let sql = "INSERT INTO version (id, version) VALUES (1, $1)";
    conn.run(sql, vec![version.into()]).await.unwrap();
    conn.commit().await.unwrap();
    conn
}

/// Everything that the database says of its tables, in its own words.
async fn described(conn: &mut Conn) -> Vec<String> {
    let asked = if conn.is_remote() {
        [
            "SELECT concat_ws('|', table_name, ordinal_position, column_name, data_type, is_nullable, \
             COALESCE(column_default, '-'), COALESCE(collation_name, '-')) \
             FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1",
            "SELECT concat_ws('|', tablename, indexname, indexdef) FROM pg_indexes \
             WHERE schemaname = current_schema() ORDER BY 1",
            "SELECT concat_ws('|', conrelid::regclass, conname, contype, pg_get_constraintdef(oid)) \
             FROM pg_constraint WHERE connamespace = current_schema()::regnamespace ORDER BY 1",
        ]
    } else {
        [
            "SELECT m.name || '|' || c.cid || '|' || c.name || '|' || c.type || '|' || c.\"notnull\" \
             || '|' || COALESCE(c.dflt_value, '-') || '|' || c.pk \
             FROM sqlite_schema m, pragma_table_xinfo(m.name) c ORDER BY 1",
            "SELECT m.name || '|' || i.name || '|' || i.\"unique\" || '|' || i.origin || '|' || x.seqno \
             || '|' || COALESCE(x.name, '-') || '|' || x.\"desc\" || '|' || x.coll \
             FROM sqlite_schema m, pragma_index_list(m.name) i, pragma_index_xinfo(i.name) x \
             WHERE m.type = 'table' ORDER BY 1",
            "SELECT name || '|' || type || '|' || ncol || '|' || wr || '|' || strict \
             FROM pragma_table_list WHERE schema = 'main' ORDER BY 1",
        ]
    };
    let mut said = Vec::new();
    for sql in asked {
        let rows = conn.rows(sql, Vec::new()).await.unwrap();
        assert!(rows.len() > 5, "{sql}");
        said.extend(rows.iter().map(|row| row.text(0).unwrap()));
    }
    said
}

async fn tables_brought_forward_are_those_that_are_made_fresh() {
    let fresh = Home::new(301);
    Store::migrate(&fresh.settings(), &fresh.keys).await.unwrap();
    let mut conn = dialect::connect_reading(&fresh.settings()).await.unwrap();
    let expected = described(&mut conn).await;
    for released in RELEASED {
        let older = Home::new(302);
        let mut conn = made_by(&older, released).await;
        Store::migrate(&older.settings(), &older.keys).await.unwrap();
        assert_eq!(described(&mut conn).await, expected, "from version {}", released.0);
        assert_eq!(conn.version().await, Ok(SCHEMA_VERSION));
        // Once more changes nothing.
        Store::migrate(&older.settings(), &older.keys).await.unwrap();
        assert_eq!(described(&mut conn).await, expected);
    }
}

async fn a_start_brings_older_tables_forward_and_other_keys_do_not() {
    for released in RELEASED {
        let home = Home::new(303);
        let mut conn = made_by(&home, released).await;
        let settings = home.settings();
        let wrong = Arc::new(KeyRing::generate(&Clock::system()));
        let refused = Store::open(settings.clone(), wrong, home.clock.clone()).await;
        assert_eq!(refused.err(), Some(StoreError::OtherKeys));
        assert_eq!(conn.version().await, Ok(released.0), "nothing was written");
        // Who only reads changes nothing either, and says what is to be done.
        let refused = verify(&settings, &home.keys, Duration::ZERO).await.unwrap_err();
        assert!(refused.to_string().ends_with("run migrate"), "{refused}");
        let store = home.open().await;
        assert_eq!(conn.version().await, Ok(SCHEMA_VERSION));
        fill(&store).await;
        store.close().await.unwrap();
        let report = verify(&settings, &home.keys, Duration::ZERO).await.unwrap();
        assert_eq!(report.faults, vec![]);
    }
}

/// Does with the tables what the program of a version that comes would do, and more than it may.
async fn add_to_each(conn: &mut Conn, version: u64) {
    let mut tables = vec!["head", "journal", "subtree", "checkpoint", "document", "entry"];
    tables.extend(["signal", "request", "verdict", "outcome"]);
    if conn.is_remote() {
        tables.extend(["replica", "lease"]);
    }
    for table in tables {
        let sql = format!("ALTER TABLE {table} ADD COLUMN more{version} BIGINT NOT NULL DEFAULT 7");
        let sql = if conn.is_remote() { sql } else { sql.replace("BIGINT", "INTEGER") };
        conn.say(AssertSqlSafe(sql)).await.unwrap();
    }
    let sql = "UPDATE version SET version = $1 WHERE id = 1";
    conn.run(sql, vec![version.into()]).await.unwrap();
}

async fn tables_of_the_next_version_are_used_as_they_are_and_those_behind_it_refused() {
    let home = Home::new(304);
    let (settings, next) = (home.settings(), SCHEMA_VERSION + 1);
    let store = home.open().await;
    fill(&store).await;
    let mut conn = dialect::connect(&settings, false).await.unwrap();
    add_to_each(&mut conn, next).await;
    // Who runs notices nothing.
    let number = store.record(bank(2)).await.unwrap();
    assert!(store.receipt(number).await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(!store.has_failed());
    store.close().await.unwrap();
    // Who starts neither.
    let store = home.open().await;
    store.record(bank(3)).await.unwrap();
    assert_eq!(store.entries(&scope(), &bank_id(), Which::All, None, 99).await.unwrap().len(), 20);
    store.close().await.unwrap();
    let report = verify(&settings, &home.keys, Duration::ZERO).await.unwrap();
    assert_eq!(report.faults, vec![]);
    Store::migrate(&settings, &home.keys).await.unwrap();
    assert_eq!(conn.version().await, Ok(next), "it was left as it is");
    // A copy would be without what was added.
    let too_late = |error: StoreError| {
        assert!(error.to_string().contains("or a later one"), "{error}");
        matches!(error, StoreError::Schema { found, needed } if (found, needed) == (next, next - 1))
    };
    let other = Home::new(305);
    let refused = copy(&settings, &other.settings(), &home.keys, |_| {}).await;
    assert!(too_late(refused.unwrap_err()));
    let (folder, phrase) =
        (tempfile::tempdir().unwrap(), Phrase::new(b"nonsense for tests only").unwrap());
    let place = (folder.path(), &phrase);
    match backup(&settings, &home.keys, &home.clock, place, |_| {}).await {
        Err(BackupError::Store(error)) => assert!(too_late(error)),
        other => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    add_to_each(&mut conn, next + 1).await;
    let refused = Store::open(settings, Arc::clone(&home.keys), home.clock.clone()).await;
    let found = refused.unwrap_err();
    assert_eq!(found, StoreError::Schema { found: next + 1, needed: SCHEMA_VERSION });
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_start_on_older_tables_at_once_each_finds_them_forward() {
    use super::servers::{elsewhere, home_there};
    let home = home_there(306).await;
    let mut conn = made_by(&home, RELEASED[0]).await;
    let folders: Vec<_> = (0..6).map(|_| tempfile::tempdir().unwrap()).collect();
    let starting = folders.iter().map(|folder| {
        let settings = elsewhere(&home, folder.path());
        tokio::spawn(Store::open(settings, Arc::clone(&home.keys), home.clock.clone()))
    });
    for (at, started) in futures_util::future::join_all(starting).await.into_iter().enumerate() {
        let store = started.unwrap().unwrap();
        assert_eq!(store.record(bank(1)).await, Ok(at as u64 + 1));
        store.close().await.unwrap();
    }
    assert_eq!(conn.version().await, Ok(SCHEMA_VERSION));
}

/// What 0.1.0 says of itself every second.
#[cfg(feature = "postgres")]
const BEAT_0_1_0: &str = "INSERT INTO replica (name, title, version, began, beat, beaten, counted, applied, entries) \
     VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8) \
     ON CONFLICT (name) DO UPDATE SET title = excluded.title, version = excluded.version, \
     began = excluded.began, beat = replica.beat + 1, beaten = excluded.beaten, \
     counted = excluded.counted, applied = excluded.applied, entries = excluded.entries";

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_process_of_the_release_before_goes_on_telling_of_itself_while_tables_are_brought_forward()
 {
    let home = super::servers::home_there(307).await;
    let mut conn = made_by(&home, RELEASED[0]).await;
    let told = vec![vec![7_u8; 16].into(), "old".into(), "0.1.0".into()];
    let told: Vec<_> = told.into_iter().chain((0..5).map(|_| 5_u64.into())).collect();
    conn.run(BEAT_0_1_0, told.clone()).await.unwrap();
    let store = home.open().await;
    conn.run(BEAT_0_1_0, told).await.unwrap();
    let replicas = store.state().await.told.unwrap().replicas;
    let old = replicas.iter().find(|replica| replica.title == "old").unwrap();
    assert_eq!((old.beat, old.speaks, old.shard), (2, 11, crate::core::shard::Shard::WHOLE));
    assert_eq!(old.address.told(), "");
    store.close().await.unwrap();
}

//! What only a database has that several machines reach: whose keys, which password, whose turn it is.

use super::super::dialect;
use super::super::head::{self, Head};
use super::super::inbox::Fault;
use super::cluster::{Cluster, PASSWORD};
use super::*;
use crate::config::Secret;
use crate::config::value::Value as _;
use crate::io::store::{StoreError, Which, verify};
use std::time::{Duration, Instant};

pub async fn home_there(seed: u64) -> Home {
    KIND.scope(Kind::Postgres, async { Home::new(seed) }).await
}

async fn opened(home: &Home, settings: Settings) -> Result<Store, StoreError> {
    Store::open(settings, Arc::clone(&home.keys), home.clock.clone()).await
}

/// The same database from another data directory.
pub fn elsewhere(home: &Home, folder: &Path) -> Settings {
    Settings { server: home.server.clone(), ..settings(folder) }
}

#[tokio::test]
async fn tables_are_made_once_however_many_begin_at_the_same_moment() {
    let home = home_there(63).await;
    let folders: Vec<_> = (0..6).map(|_| tempfile::tempdir().unwrap()).collect();
    let all = folders.iter().map(|folder| {
        let settings = elsewhere(&home, folder.path());
        let keys = Arc::clone(&home.keys);
        tokio::spawn(async move { Store::migrate(&settings, &keys).await })
    });
    for made in futures_util::future::join_all(all).await {
        made.unwrap().unwrap();
    }
    Store::migrate(&home.settings(), &home.keys).await.unwrap();
    let other = KeyRing::generate(&Clock::system());
    let refused = Store::migrate(&home.settings(), &other).await;
    assert_eq!(refused, Err(StoreError::OtherKeys));
    assert!(Store::exists(&home.settings()).await.unwrap());
}

#[tokio::test]
async fn a_password_that_was_changed_is_read_again_by_readers_and_the_writer() {
    let cluster = Cluster::shared();
    let home = home_there(64).await;
    let mut conn = dialect::connect(&home.settings(), false).await.unwrap();
    let role = format!("r{}", home.clock.fresh_id());
    let say = |sql: String| sqlx::AssertSqlSafe(sql);
    let database = cluster.database();
    conn.say(say(format!("CREATE ROLE {role} LOGIN PASSWORD 'first'"))).await.unwrap();
    conn.say(say(format!("ALTER DATABASE {database} OWNER TO {role}"))).await.unwrap();
    let file = home.folder.path().join("password");
    std::fs::write(&file, "first\n").unwrap();
    let url = format!("postgres://{role}@127.0.0.1:{}/{database}", cluster.port);
    let server =
        Server { password_file: Some(file.clone()), ..Server::at(Secret::read(&url).unwrap()) };
    let settings = Settings { server: Some(server), ..home.settings() };
    let store = opened(&home, settings).await.unwrap();
    store.record(bank(1)).await.unwrap();
    assert_eq!(store.banks(&scope(), None, 9).await.unwrap().len(), 1);
    conn.say(say(format!("ALTER ROLE {role} PASSWORD 'second'"))).await.unwrap();
    std::fs::write(&file, "second").unwrap();
    let cut =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'");
    conn.say(say(cut)).await.unwrap();
    let began = Instant::now();
    while store.record(bank(2)).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(store.banks(&scope(), None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_password_is_told_without_it() {
    let home = home_there(65).await;
    let url = home.server.as_ref().unwrap().url.reveal().replace(PASSWORD, "mackerel");
    let server = Server::at(Secret::read(&url).unwrap());
    let settings = Settings { server: Some(server), ..home.settings() };
    let error = opened(&home, settings).await.unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(matches!(error, StoreError::Away(_)) && said.contains("authentication"), "{said}");
    assert!(!said.contains("mackerel"), "{said}");
}

#[tokio::test]
async fn lists_come_from_the_replica_and_everything_else_from_the_primary() {
    let home = home_there(66).await;
    let own = home.server.clone().unwrap();
    // A database of the same store that stopped being kept up: a replica that lags for ever.
    let replica = home_there(67).await;
    let lagging = Home { keys: Arc::clone(&home.keys), ..replica };
    lagging.open().await.close().await.unwrap();
    let server = Server { replica_url: lagging.server.clone().map(|server| server.url), ..own };
    let settings = Settings { server: Some(server), ..home.settings() };
    let store = opened(&home, settings).await.unwrap();
    fill(&store).await;
    assert_eq!(store.banks(&scope(), None, 9).await.unwrap().len(), 0);
    let listed = store.entries(&scope(), &bank_id(), Which::All, None, 9).await.unwrap();
    assert_eq!(listed.len(), 0);
    assert!(store.bank(&scope(), &bank_id()).await.unwrap().is_some());
    assert!(store.receipt(8).await.unwrap().is_some());
    assert_eq!(store.head_number().await, Ok(8));
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_answered_once_it_is_known() {
    for fault in [Fault::Persisted, Fault::Lost] {
        let home = home_there(68).await;
        let store = home.open().await;
        fill(&store).await;
        *store.0.shared.fault.lock() = Some(fault);
        let put = |name: &'static str| {
            store.keep::<(), _>(key("r", 1), move |tx| {
                Box::pin(async move {
                    tx.record(verdict(name)).await?;
                    Ok(name.as_bytes().to_vec())
                })
            })
        };
        let kept = put("w1").await.unwrap();
        assert_eq!((kept.number, kept.first), (Some(9), true), "{fault:?}");
        let again = put("w2").await.unwrap();
        assert_eq!((&again.bytes[..], again.number, again.first), (&b"w1"[..], Some(9), false));
        assert_eq!(store.resident().read().applied(), 9);
        assert_eq!(store.record(verdict("w3")).await, Ok(10));
        store.close().await.unwrap();
        let report = verify(&home.settings(), &home.keys, Duration::ZERO).await.unwrap();
        assert_eq!((report.faults, report.events), (vec![], 10));
    }
}

/// Takes its turn at the head, as every transaction that writes does; says whether it was the one.
async fn step(conn: &mut dialect::Conn, keys: &KeyRing, from: &Head) -> bool {
    let won = async {
        let before = head::begin(conn, keys).await?;
        if before.size != from.size {
            return Err(StoreError::InUse);
        }
        let after = Head { size: before.size + 1, ..before };
        head::advance(conn, keys, &before, &after).await?;
        conn.commit().await
    };
    let won: Result<(), StoreError> = won.await;
    if won.is_err() {
        conn.roll_back().await;
    }
    won.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_race_for_the_head_exactly_one_wins_each_time() {
    let home = home_there(69).await;
    Store::migrate(&home.settings(), &home.keys).await.unwrap();
    let rounds = if std::env::var_os("BULWARK_LONG").is_some() { 10_000 } else { 1_000 };
    let racer = |_| {
        let (settings, keys) = (home.settings(), Arc::clone(&home.keys));
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<Head>();
        let (answer, answers) = tokio::sync::mpsc::unbounded_channel::<bool>();
        tokio::spawn(async move {
            let mut conn = dialect::connect(&settings, false).await.unwrap();
            while let Some(from) = told.recv().await {
                let _ = answer.send(step(&mut conn, &keys, &from).await);
            }
        });
        (tell, answers)
    };
    let mut racers = [racer(1), racer(2)];
    let mut wins = [0, 0];
    let mut from = Head::empty();
    for _ in 0..rounds {
        for (tell, _) in &racers {
            tell.send(from).unwrap();
        }
        let mut won = 0;
        for (racer, wins) in racers.iter_mut().zip(&mut wins) {
            let it = racer.1.recv().await.unwrap();
            *wins += i32::from(it);
            won += i32::from(it);
        }
        assert_eq!(won, 1, "size {}", from.size);
        from.size += 1;
    }
    println!("{rounds} races: {wins:?}");
    let mut conn = dialect::connect_reading(&home.settings()).await.unwrap();
    assert_eq!(head::read(&mut conn, &home.keys).await.unwrap().size, rounds);
}

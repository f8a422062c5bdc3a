//! Backups of a running server, and restores that are killed: as a person at the machine makes them.

use crate::binary::{Server, bulwark, run, text};
use crate::kill::{Acknowledged, adding, channel, load, staffed, verify};
use bulwark::core::event::Event;
use bulwark::io::clock::Clock;
use bulwark::io::store::{self, Store};
use bulwark::proto::v1;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use bulwark::server::whole::existing_keys;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A data directory, a backup of it and its pass phrase.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(place.at("phrase"), "nonsense for tests only\n").unwrap();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn words(&self, command: &str, backup: &str, data: &str, more: &[&str]) -> Vec<String> {
        let mut words = vec![command.to_owned(), self.at(backup).display().to_string()];
        words.extend(["--passphrase-file".to_owned(), self.at("phrase").display().to_string()]);
        if command != "drill" {
            words.extend(["--set".to_owned(), format!("data_dir={}", self.at(data).display())]);
        }
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words
    }

    fn says(&self, command: &str, backup: &str, data: &str, more: &[&str]) -> (i32, String) {
        let words = self.words(command, backup, data, more);
        text(&run(&words.iter().map(String::as_str).collect::<Vec<_>>()))
    }
}

/// Takes the database away, with what SQLite may have left beside it.
fn lose(data: &Path) {
    std::fs::remove_file(data.join("bulwark.db")).expect("lost");
    for end in ["db-wal", "db-shm"] {
        drop(std::fs::remove_file(data.join("bulwark").with_extension(end)));
    }
}

async fn restored_events(data: &Path) -> usize {
    let keys = Arc::new(existing_keys(data, &Clock::system()).expect("keys"));
    let settings = store::Settings::in_folder(data);
    let store = Store::open(settings, keys, Clock::system()).await.expect("opens");
    let journal = store.journal(1, 1_000_000).await.expect("read");
    store.close().await.expect("closed");
    let is_restored = |event: &Option<Event>| matches!(event, Some(Event::Restored { .. }));
    journal.iter().filter(|recorded| is_restored(&recorded.event)).count()
}

/// What a server says that is to serve by a setting, and does not.
fn served(set: &str) -> (i32, String) {
    let sets = ["--set", set, "--set", "listen=127.0.0.1:0", "--set", "metrics_listen="];
    text(&run(&[&["serve"][..], &sets].concat()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_backed_up_while_it_is_used_and_an_old_backup_does_not_replace_it_unnoticed() {
    let place = Arc::new(Place::new());
    let data = place.at("data");
    let server = Server::start(&data);
    let key = staffed(&server).await;
    let done = Arc::new(Mutex::new(Acknowledged::default()));
    let lanes: Vec<_> = (0..4)
        .map(|lane| tokio::spawn(load(lane, 0, channel(&server.url, &key), Arc::clone(&done))))
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = done.lock().unwrap().added.clone();
    let making = Arc::clone(&place);
    let made = tokio::task::spawn_blocking(move || making.says("backup", "backup", "data", &[]));
    let (code, said) = made.await.unwrap();
    assert_eq!(code, 0, "{said}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.stop(), 0);
    for lane in lanes {
        lane.await.expect("no panic");
    }
    assert!(!before.is_empty() && done.lock().unwrap().added.len() > before.len());
    let (code, said) = place.says("drill", "backup", "", &[]);
    assert!(code == 0 && said.contains("can be restored"), "{said}");
    for name in ["keys", "manifest", "store.db"] {
        let bytes = std::fs::read(place.at("backup").join(name)).expect("a part");
        assert!(!String::from_utf8_lossy(&bytes).contains("master"), "{name} shows no keys");
    }

    // Somewhere else, where nothing is known of later states.
    let (code, said) = place.says("restore", "backup", "elsewhere", &[]);
    assert!(code == 0 && said.contains("nothing here tells of a later state"), "{said}");
    let elsewhere = place.at("elsewhere");
    assert_eq!(verify(&elsewhere).0, 0);
    let server = Server::start(&elsewhere);
    let mut banks = BankServiceClient::new(channel(&server.url, &key));
    for (name, id) in &before {
        let get = v1::GetEntryRequest { bank_id: "known".into(), entry_id: id.clone() };
        let found = banks.get_entry(get).await.expect("acknowledged and there").into_inner();
        assert_eq!(found.entry.unwrap().note, name.to_string());
    }
    assert_eq!(server.stop(), 0);
    assert_eq!(restored_events(&elsewhere).await, 1);

    // In its own place, after the database is lost.
    let (code, said) = place.says("restore", "backup", "data", &[]);
    assert!(code == 1 && said.contains("is there already"), "{said}");
    lose(&data);
    let (code, said) = place.says("restore", "backup", "data", &[]);
    assert!(code == 1 && said.contains("is a rollback"), "{said}");
    let set = format!("data_dir={}", data.display());
    let (code, said) = served(&set);
    assert!(code == 1 && said.contains("was set back"), "{said}");
    let alone = ["--accept-rollback", "the disk", "--approved-by", "Ada", "--approved-by", "ada"];
    let (code, said) = place.says("restore", "backup", "data", &alone);
    assert!(code == 1 && said.contains("2 different"), "{said}");
    let two = ["--accept-rollback", "the disk", "--approved-by", "Ada", "--approved-by", "Bea"];
    let (code, said) = place.says("restore", "backup", "data", &two);
    assert!(code == 0 && said.contains("given up, and recorded"), "{said}");
    assert_eq!(verify(&data).0, 0);
    assert_eq!(restored_events(&data).await, 1);

    // Set back by other hands than a restore's.
    assert!(!data.join("bulwark.db-wal").exists(), "all is in the one file");
    let earlier = std::fs::read(data.join("bulwark.db")).expect("read");
    let server = Server::start(&data);
    let mut banks = BankServiceClient::new(channel(&server.url, &key));
    banks.add_entry(adding(1_000_000_000)).await.expect("added");
    assert_eq!(server.stop(), 0);
    lose(&data);
    std::fs::write(data.join("bulwark.db"), earlier).expect("written");
    let (code, said) = verify(&data);
    assert!(code == 1 && said.contains("witness: the database was set back"), "{said}");
    let mut words = vec!["store", "accept-rollback", "a copy was put back", "--set", &set];
    words.extend(["--approved-by", "Ada", "--approved-by", "Bea"]);
    let (code, said) = text(&run(&words));
    assert!(code == 0 && said.contains("given up, and recorded"), "{said}");
    let (code, said) = text(&run(&words));
    assert!(code == 1 && said.contains("no rollback to accept"), "{said}");
    assert_eq!(verify(&data).0, 0);
    assert_eq!(restored_events(&data).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_is_killed_at_any_moment_starts_whole_or_not_at_all() {
    let kills = if std::env::var_os("BULWARK_LONG").is_some() { 100 } else { 12 };
    let place = Place::new();
    let data = place.at("data");
    let server = Server::start(&data);
    let key = staffed(&server).await;
    let done = Arc::new(Mutex::new(Acknowledged::default()));
    let lane = tokio::spawn(load(0, 0, channel(&server.url, &key), Arc::clone(&done)));
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(server.stop(), 0);
    lane.await.expect("no panic");
    assert_eq!(place.says("backup", "backup", "data", &[]).0, 0);
    let began = Instant::now();
    assert_eq!(place.says("restore", "backup", "whole", &[]).0, 0);
    let usual = began.elapsed();
    let (mut half, mut whole) = (0, 0);
    for kill in 0..kills {
        let name = format!("place{kill}");
        let (there, mut again) = (place.at(&name), 0);
        let words = place.words("restore", "backup", &name, &[]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut child =
            bulwark(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Most of the first half goes by over the pass phrase.
        tokio::time::sleep(usual * (40 * kills + 60 * kill) / (100 * kills)).await;
        drop(child.kill());
        let ended = child.wait().expect("gone").success();
        if there.join("bulwark.restoring").exists() {
            half += 1;
            let set = format!("data_dir={}", there.display());
            let (code, said) = text(&run(&["migrate", "--set", &set]));
            assert!(code == 1 && said.contains("broken off"), "{said}");
            let (code, said) = served(&set);
            assert!(code == 1 && said.contains("broken off"), "{said}");
        } else {
            whole += usize::from(ended);
        }
        while !there.join("bulwark.db").exists() || there.join("bulwark.restoring").exists() {
            let (code, said) = place.says("restore", "backup", &name, &[]);
            assert_eq!(code, 0, "{said}");
            again += 1;
            assert!(again < 2, "one more is enough");
        }
        let (code, said) = verify(&there);
        assert_eq!(code, 0, "{said}");
        assert_eq!(restored_events(&there).await, 1);
    }
    println!("{kills} restores killed within {usual:?}: {half} were half done, {whole} were over");
    assert!(half > 0, "some were killed on the way");
}

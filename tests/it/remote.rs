//! The real binary on PostgreSQL: whole calls while the database goes and comes back, and who may use it.

use crate::binary::{Server, bulwark, text};
use crate::cluster::{Cluster, PASSWORD};
use crate::kill::staffed;
use crate::kill::{Acknowledged, adding, ask_again, asking, channel, everything_is_there, load};
use bulwark::proto::v1;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use bulwark::proto::v1::screening_service_client::ScreeningServiceClient;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;
use tonic_types::StatusExt as _;

fn command(arguments: &[&str], data: &Path, url: &str) -> (i32, String) {
    let set = format!("data_dir={}", data.display());
    let mut command = bulwark(arguments);
    command.args(["--set", &set, "--store", url]);
    let (code, said) = text(&command.output().expect("runs"));
    assert!(!said.contains(PASSWORD), "the password is nobody's business: {said}");
    (code, said)
}

/// A figure of `/metrics`.
pub async fn figure(port: u16, name: &str) -> f64 {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("listens");
    let ask = "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.expect("asked");
    let mut said = String::new();
    stream.read_to_string(&mut said).await.expect("answered");
    let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.expect("a figure").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgresql_is_killed_screening_goes_on_and_afterwards_everything_is_kept() {
    let cluster = Cluster::start();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let url = cluster.url(&cluster.database());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sets = [format!("store.url={url}"), format!("metrics_listen=127.0.0.1:{port}")];
    let server = Server::start_with(&data, &sets.each_ref().map(String::as_str));
    let key = staffed(&server).await;
    let mut screening = ScreeningServiceClient::new(channel(&server.url, &key));
    let mut banks = BankServiceClient::new(channel(&server.url, &key));
    let mut screen = async |name: u64| {
        let answer = screening.screen_signals(asking(name)).await.expect("answered").into_inner();
        answer.verdict.expect("a verdict")
    };
    let kept = screen(900_001).await;
    assert_eq!(kept.record(), v1::Record::Kept);
    assert_eq!(figure(port, "bulwark_store_away").await, 0.0);

    cluster.kill();
    // Whoever is connected to a server whose first process was killed may still be answered for a moment.
    let began = Instant::now();
    while figure(port, "bulwark_store_away").await == 0.0 {
        assert!(began.elapsed() < Duration::from_secs(6), "not noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let began = Instant::now();
    let pending = screen(900_002).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(pending.record(), v1::Record::Pending);
    assert_eq!(pending.disposition(), kept.disposition());
    assert!(figure(port, "bulwark_store_spooled_bytes").await > 0.0);
    let began = Instant::now();
    let refused = banks.add_entry(adding(900_003)).await.expect_err("nothing can be kept");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.get_error_details().retry_info().is_some());

    tokio::task::block_in_place(|| cluster.go_on());
    let began = Instant::now();
    while banks.add_entry(adding(900_003)).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "no change is kept");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while figure(port, "bulwark_store_spooled_bytes").await > 0.0 {
        assert!(began.elapsed() < Duration::from_secs(20), "the spool is not drained");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(figure(port, "bulwark_store_away").await, 0.0);
    let mut screening = ScreeningServiceClient::new(channel(&server.url, &key));
    let get = v1::GetVerdictRequest { verdict_id: pending.verdict_id };
    let found = screening.get_verdict(get).await.expect("on record").into_inner();
    assert!(found.verdict.unwrap().receipt.is_some());
    assert_eq!(server.stop(), 0);
    let (code, said) = command(&["verify"], &data, &url);
    assert_eq!(code, 0, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_on_postgresql_has_lost_and_doubled_nothing_that_it_acknowledged() {
    let cluster = Cluster::shared();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let url = cluster.url(&cluster.database());
    let set = format!("store.url={url}");
    let mut server = Server::start_with(&data, &[&set]);
    let key = staffed(&server).await;
    let done = Arc::new(Mutex::new(Acknowledged::default()));
    let kills = if std::env::var_os("BULWARK_LONG").is_some() { 50 } else { 4 };
    for round in 0..kills {
        let lanes: Vec<_> = (0..4)
            .map(|lane| {
                tokio::spawn(load(lane, round, channel(&server.url, &key), Arc::clone(&done)))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(600 + round * 37 % 400)).await;
        server.kill();
        for lane in lanes {
            lane.await.expect("no panic");
        }
        let (code, said) = command(&["verify"], &data, &url);
        assert_eq!(code, 0, "round {round}: {said}");
        server = Server::start_with(&data, &[&set]);
        ask_again(channel(&server.url, &key), &done).await;
    }
    everything_is_there(channel(&server.url, &key), &done).await;
    let added = done.lock().unwrap().added.len();
    println!("{kills} kills: {added} entries");
    assert!(added as u64 > kills, "the load was real");
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_database_is_used_with_its_keys_only_by_several_at_once_and_can_be_moved() {
    let cluster = Cluster::shared();
    let folder = tempfile::tempdir().unwrap();
    let [data, empty, other] = ["data", "empty", "other"].map(|name| folder.path().join(name));
    let url = cluster.url(&cluster.database());
    let (code, said) = command(&["init"], &data, &url);
    assert!(code == 0 && said.contains("bulwark_"), "{said}");
    assert!(!data.join("bulwark.db").exists());
    assert_eq!(command(&["migrate"], &data, &url).0, 0);

    for arguments in [["serve"], ["init"], ["migrate"]] {
        let (code, said) = command(&arguments, &empty, &url);
        assert!(code == 1 && said.contains("restore keys.json"), "{arguments:?}: {said}");
        assert!(!empty.join("keys.json").exists(), "no keys are made beside a store");
    }
    let set = format!("data_dir={}", other.display());
    assert_eq!(text(&bulwark(&["init", "--set", &set]).output().expect("runs")).0, 0);
    for arguments in [["serve"], ["migrate"]] {
        let (code, said) = command(&arguments, &other, &url);
        assert!(code == 1 && said.contains("made with other keys"), "{arguments:?}: {said}");
    }

    let store = format!("store.url={url}");
    let server = Server::start_with(&data, &[&store]);
    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(data.join("keys.json"), copy.join("keys.json")).unwrap();
    let second = Server::start_with(&copy, &[&store]);
    // The lock of a data directory is still one process's.
    let (code, said) = command(&["serve"], &copy, &url);
    assert!(code == 1 && said.contains("another process writes"), "{said}");
    assert_eq!((server.stop(), second.stop()), (0, 0));
    assert_eq!(command(&["verify"], &data, &url).0, 0);

    let (file, back) = (folder.path().join("bulwark.db"), cluster.url(&cluster.database()));
    let path = file.to_str().unwrap();
    for (from, to) in [(url.as_str(), path), (path, back.as_str())] {
        let (code, said) = command(&["store", "copy", from, to], &data, &url);
        assert!(code == 0 && said.contains("rows a second"), "{said}");
        assert!(said.contains("the copy is verified"), "{said}");
    }
    let (code, said) = command(&["store", "copy", path, &back], &data, &url);
    assert!(code == 1 && said.contains("holds a store already"), "{said}");
    let mut server = Server::start_with(&data, &[&format!("store.url={back}")]);
    assert_eq!(server.first_key.take(), None, "it is the same store");
    assert_eq!(server.stop(), 0);

    let (code, said) = command(&["config", "check"], &data, &url);
    assert!(code == 0 && said.contains("(hidden)"), "{said}");
    let (code, said) = command(&["config", "check"], &data, "mysql://x/y");
    assert!(code == 78 && said.contains("store.url"), "{said}");
}

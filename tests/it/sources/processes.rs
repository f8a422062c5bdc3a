//! A service that several processes of the real binary ask at one time, on one database.

use super::arachnid::{Shield, about, at, said};
use super::exchange;
use super::web::Fake;
use crate::cluster::Cluster;
use crate::remote::figure;
use crate::service::{entry, md5};
use crate::shards::Fleet;
use bulwark::proto::v1;
use bulwark::proto::v1::exchange_service_client::ExchangeServiceClient;
use futures_util::future::join_all;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use v1::{Disposition, ExchangeState};

const HASHES: usize = 12;

async fn status(fleet: &Fleet, at: usize) -> v1::GetExchangeStatusResponse {
    let request = v1::GetExchangeStatusRequest { exchange_id: "shield".into() };
    let mut exchanges = ExchangeServiceClient::new(fleet.calls(at));
    exchanges.get_exchange_status(request).await.expect("status").into_inner()
}

async fn ask(fleet: &Fleet, at: usize, text: String) -> v1::Verdict {
    let answer = fleet.screening(at).screen_signals(about(&text)).await.expect("answered");
    answer.into_inner().verdict.expect("a verdict")
}

/// Has the bank learn from the service, and list a digest.
async fn make(fleet: &Fleet, fake: &Fake<Shield>) {
    fleet.banks(0).add_entry(entry("known", vec![md5("f")])).await.expect("added");
    let wanted = v1::Exchange { bank_id: "known".into(), ..exchange(at(&fake.address)) };
    let request = v1::CreateExchangeRequest {
        exchange_id: "shield".into(),
        exchange: Some(wanted),
        ..Default::default()
    };
    let made = ExchangeServiceClient::new(fleet.calls(0)).create_exchange(request).await;
    made.expect("made");
}

/// Both are asked about the same hashes at one time; how many questions the service got, with those of a second round.
async fn learn(own: [&str; 2]) -> (usize, usize) {
    let mut shield = Shield::new();
    shield.of_others = Some(said("csam"));
    let fake = Fake::start(shield).await;
    let fleet = Fleet::start(Cluster::shared(), &own, &["exchanges.hosts=127.0.0.1"]).await;
    if own[0] != "1/1" {
        fleet.complete(1).await;
    }
    make(&fleet, &fake).await;
    let began = Instant::now();
    while status(&fleet, 1).await.state() == ExchangeState::Elsewhere {
        assert!(began.elapsed() < Duration::from_secs(30), "the other process does not know it");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut counts = [0; 2];
    for count in &mut counts {
        let asks = (0..2 * HASHES).map(|n| ask(&fleet, n % 2, format!("hash {}", n / 2)));
        for verdict in join_all(asks).await {
            assert_eq!(verdict.disposition(), Disposition::Block, "{verdict:?}");
        }
        *count = fake.count();
    }
    // Every process has counted into one account, and no record was taken in twice.
    for at in 0..2 {
        let counts = status(&fleet, at).await.counts.expect("counts");
        assert_eq!(counts.taken, HASHES as u64, "{counts:?}");
    }
    for at in 0..2 {
        let request = v1::ListEntriesRequest {
            bank_id: "known".into(),
            page_size: 1000,
            ..Default::default()
        };
        let all = fleet.banks(at).list_entries(request).await.expect("listed").into_inner().entries;
        let learned = all.iter().filter_map(|entry| entry.provenance.as_ref());
        assert_eq!(learned.filter(|from| from.exchange == "shield").count(), HASHES);
    }
    (counts[0], counts[1])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_learn_one_hash_at_one_time_have_one_entry_and_ask_no_more() {
    let (first, second) = learn(["1/1", "1/1"]).await;
    assert!((HASHES..=2 * HASHES).contains(&first), "{first} questions");
    assert_eq!(second, first, "what one of them learned the other knows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_service_lists_is_found_before_the_verdict_whichever_shard_keeps_it() {
    let (first, second) = learn(["1/2", "2/2"]).await;
    assert!((HASHES..=2 * HASHES).contains(&first), "{first} questions");
    assert_eq!(second, first, "what another shard keeps is not asked about again at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_does_not_answer_is_seen_in_the_figures() {
    let fake = Fake::start(Shield::new()).await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let metrics = format!("metrics_listen=127.0.0.1:{port}");
    let sets = ["exchanges.hosts=127.0.0.1", metrics.as_str()];
    let fleet = Fleet::start(Cluster::shared(), &["1/1"], &sets).await;
    make(&fleet, &fake).await;
    assert_eq!(ask(&fleet, 0, "heard".into()).await.disposition(), Disposition::Allow);
    let figures = async || {
        let names = ["questions_total", "failures_total", "unheard_total", "paused"];
        join_all(names.map(async |name| figure(port, &format!("bulwark_outside_{name}")).await))
            .await
    };
    assert_eq!(figures().await, [1.0, 0.0, 0.0, 0.0]);
    fake.source.lock().password = "another";
    let began = Instant::now();
    loop {
        assert_eq!(ask(&fleet, 0, "unheard".into()).await.disposition(), Disposition::Hold);
        let figures = figures().await;
        assert!(figures[..3].iter().all(|figure| *figure >= 1.0), "{figures:?}");
        if figures[3] > 0.0 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it is never left alone");
    }
}

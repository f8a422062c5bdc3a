//! A server that is killed while it learns from a source: it ends as the source is, and asks nothing from the beginning.

use super::ncmec::{Ncmec, md5_of};
use super::web::Fake;
use super::{exchange, ncmec_at, now};
use crate::binary::Server;
use crate::kill::{Keyed, channel, for_staff};
use crate::service::{bank, context, signal};
use bulwark::proto::v1;
use bulwark::proto::v1::admin_service_client::AdminServiceClient;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use bulwark::proto::v1::exchange_service_client::ExchangeServiceClient;
use bulwark::proto::v1::screening_service_client::ScreeningServiceClient;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use v1::{Disposition, ExchangeState, OpinionValue};

const SETS: [&str; 1] = ["exchanges.hosts=127.0.0.1"];

struct Killed {
    server: Server,
    key: String,
    kills: usize,
}

impl Killed {
    fn calls(&self) -> Keyed {
        channel(&self.server.url, &self.key)
    }

    /// Lets the source be asked so many times more, and kills the server there.
    async fn after(self, fake: &Fake<Ncmec>, times: usize, data: &Path) -> Self {
        let (until, began) = (fake.count() + times, Instant::now());
        while fake.count() < until {
            assert!(began.elapsed() < Duration::from_secs(300), "it is not asked");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // In the middle of taking the last of them in, as a rule.
        tokio::time::sleep(Duration::from_millis(self.kills as u64 * 7 % 40)).await;
        let Self { server, key, kills } = self;
        server.kill();
        Self { server: Server::start_with(data, &SETS), key, kills: kills + 1 }
    }

    async fn status(&self) -> v1::GetExchangeStatusResponse {
        let request = v1::GetExchangeStatusRequest { exchange_id: "hub".into() };
        let mut exchanges = ExchangeServiceClient::new(self.calls());
        exchanges.get_exchange_status(request).await.expect("status").into_inner()
    }

    /// Waits until everything up to a moment was heard, for as long as something comes.
    async fn heard(&self, second: i64) -> v1::GetExchangeStatusResponse {
        let (mut moved, mut counts) = (Instant::now(), None);
        loop {
            let status = self.status().await;
            let reached = status.source_time.map_or(0, |time| time.seconds);
            if status.state() == ExchangeState::Live && status.whole && reached > second {
                return status;
            }
            if status.counts != counts {
                (moved, counts) = (Instant::now(), status.counts);
            }
            assert!(moved.elapsed() < Duration::from_secs(300), "not heard: {status:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The entries that are there, by the source's names.
    async fn entries(&self) -> BTreeMap<String, String> {
        let (mut all, mut token) = (BTreeMap::new(), String::new());
        let mut banks = BankServiceClient::new(self.calls());
        loop {
            let request = v1::ListEntriesRequest {
                bank_id: "learned".into(),
                page_size: 1000,
                page_token: token,
                show_removed: false,
            };
            let page = banks.list_entries(request).await.expect("listed").into_inner();
            for entry in page.entries {
                let record = entry.provenance.expect("provenance").source_record;
                assert_eq!(all.insert(record, entry.entry_id), None, "an entry stands twice");
            }
            token = page.next_page_token;
            if token.is_empty() {
                return all;
            }
        }
    }

    async fn ask(&self, md5: &str) -> Disposition {
        let request = v1::ScreenSignalsRequest {
            context: Some(context("i")),
            signals: vec![signal(v1::SignalType::Md5, md5.to_owned())],
            media_kind: v1::MediaKind::Other.into(),
            ..Default::default()
        };
        let mut screening = ScreeningServiceClient::new(self.calls());
        let answer = screening.screen_signals(request).await.expect("answered");
        answer.into_inner().verdict.expect("a verdict").disposition()
    }

    /// What is here is what the source has: all records, and of their values a sample.
    async fn is_as(&self, fake: &Fake<Ncmec>, gone: &[String]) -> BTreeMap<String, String> {
        let listed = fake.source.lock().listed();
        let here = self.entries().await;
        assert_eq!(here.len(), listed.len());
        assert!(here.keys().eq(listed.keys()), "the same records");
        for md5 in listed.values().step_by(listed.len() / 200 + 1) {
            assert_eq!(self.ask(md5).await, Disposition::Block);
        }
        for md5 in gone.iter().step_by(gone.len() / 100 + 1) {
            assert_ne!(self.ask(md5).await, Disposition::Block, "it was withdrawn");
        }
        here
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_every_phase_ends_as_the_source_is_and_asks_nothing_anew() {
    let is_long = std::env::var_os("BULWARK_LONG").is_some();
    let (count, deleted, page) =
        if is_long { (1_000_000, 5_000, 1_000) } else { (20_000, 500, 100) };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut source = Ncmec::new(page);
    let first = now() - 30 * 86_400;
    for n in 0..count {
        // A thirtieth of all in one second; the others over thirty days.
        let at = if n % 30 == 0 { first + 86_400 * 9 } else { first + n * 86_400 * 29 / count };
        source.put(n as u32 % 5, &format!("e{n}"), at, &md5_of(&format!("v{n}")));
        let item = source.items.get_mut(&(n as u32 % 5, format!("e{n}"))).expect("put");
        item.is_odd = n % 100 == 0;
    }
    let fake = Fake::start(source).await;
    let server = Server::start_with(&data, &SETS);
    let admin_key = server.first_key.clone().expect("a first key");
    let mut admin = AdminServiceClient::new(channel(&server.url, &admin_key));
    let key = admin.create_credential(for_staff()).await.expect("made").into_inner().key;
    let mut killed = Killed { server, key, kills: 0 };
    let mut banks = BankServiceClient::new(killed.calls());
    banks.create_bank(bank("learned")).await.expect("made");
    let request = v1::CreateExchangeRequest {
        exchange_id: "hub".into(),
        exchange: Some(v1::Exchange { gives_feedback: true, ..exchange(ncmec_at(&fake.address)) }),
        ..Default::default()
    };
    ExchangeServiceClient::new(killed.calls()).create_exchange(request).await.expect("made");
    let began = Instant::now();

    // While the first pages come, within the crowded second, and further on.
    for pages in [3, 40, 70, 30] {
        killed = killed.after(&fake, pages, &data).await;
    }
    let status = killed.heard(now() - 10).await;
    println!("sources: {count} entries after {:?}: {:?}", began.elapsed(), status.counts);
    assert!(status.unknown.iter().any(|unknown| unknown.what == "signal type futurehash"));
    killed.is_as(&fake, &[]).await;

    // While changes and deletions come.
    let mut gone = Vec::new();
    {
        let (mut source, at) = (fake.source.lock(), now());
        for n in (0..count).step_by((count / deleted) as usize) {
            source.delete(n as u32 % 5, &format!("e{n}"), at);
            gone.push(md5_of(&format!("v{n}")));
        }
        for n in (1..count).step_by((count / deleted) as usize) {
            source.put(n as u32 % 5, &format!("e{n}"), at, &md5_of(&format!("v{n} anew")));
            gone.push(md5_of(&format!("v{n}")));
        }
    }
    let changed = now();
    // Until a page of them was asked for: those have links.
    let is_link = |fake: &Fake<Ncmec>, from: usize| {
        fake.asked()[from..].iter().any(|asked| asked.query("start").is_some())
    };
    let from = fake.count();
    let began = Instant::now();
    while !is_link(&fake, from) {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "not asked: {:?}",
            killed.status().await
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    killed = killed.after(&fake, 1, &data).await;
    killed = killed.after(&fake, 2, &data).await;
    killed.heard(changed).await;
    let here = killed.is_as(&fake, &gone).await;

    // While it is told what people here say.
    let mut banks = BankServiceClient::new(killed.calls());
    for (record, entry) in here.iter().step_by(here.len() / 20) {
        let request = v1::RecordOpinionRequest {
            bank_id: "learned".into(),
            entry_id: entry.clone(),
            value: OpinionValue::Positive.into(),
            ..Default::default()
        };
        banks.record_opinion(request).await.unwrap_or_else(|why| panic!("{record}: {why}"));
    }
    let votes = |fake: &Fake<Ncmec>| fake.asked().iter().filter(|a| a.method == "PUT").count();
    while votes(&fake) < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    killed = killed.after(&fake, 1, &data).await;
    let said = here.iter().step_by(here.len() / 20).count();
    let told = Instant::now();
    while fake.source.lock().votes.len() < 2 * said {
        assert!(told.elapsed() < Duration::from_secs(120), "not all was told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        votes(&fake) <= 2 * said + 4,
        "after a break the last vote is sent again, and no other"
    );

    let asked: Vec<String> = fake.asked().into_iter().map(|asked| asked.target).collect();
    let pages: Vec<&String> = asked.iter().filter(|target| target.contains("/entries?")).collect();
    let mut times: BTreeMap<&String, usize> = BTreeMap::new();
    for page in &pages {
        *times.entry(page).or_default() += 1;
    }
    let again = pages.len() - times.len();
    println!(
        "sources: {} pages, {again} of them once more after {} kills",
        pages.len(),
        killed.kills
    );
    assert!(again <= killed.kills, "only what was not kept is asked for again");
    assert_eq!(killed.server.stop(), 0);
}

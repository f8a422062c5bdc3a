//! Arachnid Shield: asked while an item is screened, and never taken for one that knows nothing where it says nothing.

use super::web::{Asked, Fake, Reply, Source};
use super::{Learner, exchange};
use crate::lookback;
use crate::service::*;
use bulwark::proto::v1;
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio_stream::StreamExt as _;
use v1::{
    Check, CheckState, Disposition, EntryState, Environment, ExchangeState, OnIncomplete, Role,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Status(u16),
    Html,
    Cut,
    Silent,
    Forgets,
}

/// What it knows, by the hashes as they are asked about, and what is wrong with it.
#[derive(Default)]
pub struct Shield {
    known: BTreeMap<String, Value>,
    /// What it says of all that it does not know.
    pub of_others: Option<Value>,
    pub password: &'static str,
    fault: Option<Fault>,
}

impl Shield {
    pub fn new() -> Self {
        Self { password: "secret word", ..Self::default() }
    }

    fn list(mut self, text: &str, class: &str) -> Self {
        self.known.insert(BASE64.encode(&hash(text)), said(class));
        self
    }
}

pub fn said(class: &str) -> Value {
    json!({ "classification": class, "match_type": "exact", "near_match_details": [] })
}

impl Source for Shield {
    fn answer(&mut self, asked: &Asked) -> Reply {
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/shield/v1/pdq/"));
        assert_eq!(asked.header("content-type"), "application/json");
        let basic = BASE64.encode(format!("platform:{}", self.password).as_bytes());
        if asked.header("authorization") != format!("Basic {basic}") {
            return Reply::of(json!({ "detail": "Invalid." }).to_string()).with(401);
        }
        let body: Value = serde_json::from_slice(&asked.body).expect("JSON");
        assert_eq!(body.as_object().expect("an object").len(), 1, "only hashes are sent");
        let unknown = json!({ "classification": "no-known-match", "match_type": null, "near_match_details": null });
        let mut scanned = Map::new();
        for hash in body["hashes"].as_array().expect("hashes") {
            let hash = hash.as_str().expect("a text");
            assert_eq!(BASE64.decode(hash.as_bytes()).expect("base64").len(), 32);
            let answer = self.known.get(hash).or(self.of_others.as_ref()).unwrap_or(&unknown);
            scanned.insert(hash.to_owned(), answer.clone());
        }
        let good = Reply::of(json!({ "scanned_hashes": scanned }).to_string());
        match self.fault {
            None => good,
            Some(Fault::Status(status)) => Reply::status(status),
            Some(Fault::Html) => Reply::of("<html>no-known-match</html>"),
            Some(Fault::Cut) => Reply { is_cut: true, ..good },
            Some(Fault::Silent) => Reply { is_stalled: true, ..good },
            Some(Fault::Forgets) => Reply::of(json!({ "scanned_hashes": {} }).to_string()),
        }
    }
}

impl Reply {
    fn with(self, status: u16) -> Self {
        Self { status, ..self }
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn pdq(text: &str) -> v1::Signal {
    signal(v1::SignalType::Pdq, HEXLOWER.encode(&hash(text)))
}

pub fn at(address: &str) -> v1::exchange::Kind {
    v1::exchange::Kind::Arachnid(v1::ArachnidExchange {
        base_url: format!("{address}/shield/"),
        username: "platform".into(),
        password: "secret word".into(),
        answer_time_max: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..Default::default()
    })
}

/// A service whose bank learns from the shield, and lists one digest, so that digests are compared with something.
async fn learner(fake: &Fake<Shield>) -> Learner {
    let learner = Learner::start().await;
    learner.curator.banks().add_entry(entry("learned", vec![md5("f")])).await.expect("added");
    learner.learn("shield", exchange(at(&fake.address))).await;
    learner
}

pub fn about(text: &str) -> v1::ScreenSignalsRequest {
    v1::ScreenSignalsRequest {
        context: Some(context(text)),
        signals: vec![pdq(text), md5("1")],
        media_kind: v1::MediaKind::Image.into(),
        ..Default::default()
    }
}

async fn ask(caller: &Caller, request: v1::ScreenSignalsRequest) -> v1::Verdict {
    let answer = caller.screening().screen_signals(request).await.expect("answered");
    answer.into_inner().verdict.expect("a verdict")
}

fn image_state(verdict: &v1::Verdict) -> (CheckState, &str) {
    let row = verdict.coverage.iter().find(|row| row.check() == Check::ImageMatch).expect("a row");
    (row.state(), &row.reason)
}

/// Asks until the service is heard again.
async fn until_heard(learner: &Learner, text: &str, wanted: Disposition) -> Duration {
    let began = Instant::now();
    while ask(&learner.screener, about(text)).await.disposition() != wanted {
        assert!(began.elapsed() < Duration::from_secs(60), "{text} is not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_the_service_lists_is_blocked_on_its_first_upload_and_known_from_then_on() {
    let mut shield = Shield::new();
    shield.of_others = Some(said("csam"));
    let fake = Fake::start(shield).await;
    let mut learner = learner(&fake).await;
    let screen = async |learner: &Learner| {
        let answer = learner.screener.screening().screen_media(media("i", png(7))).await;
        answer.expect("answered").into_inner().verdict.expect("a verdict")
    };
    let first = screen(&learner).await;
    assert_eq!(first.disposition(), Disposition::Block, "{first:?}");
    let body: Value = serde_json::from_slice(&fake.asked()[0].body).unwrap();
    assert_eq!(body["hashes"].as_array().unwrap().len(), 1, "of the picture as it is");

    let entries = learner.entries().await;
    let [entry] = &entries
        .iter()
        .filter(|e| e.provenance.as_ref().is_some_and(|p| p.exchange == "shield"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("{entries:?}")
    };
    let from = entry.provenance.clone().unwrap();
    assert_eq!(
        (from.classification.as_str(), from.source_organisation.as_str()),
        ("csam", "arachnid")
    );
    assert_eq!((entry.state(), from.source_record.as_str()), (EntryState::Active, ""));
    let status = learner.status("shield").await;
    assert_eq!((status.state(), status.counts.unwrap().taken), (ExchangeState::Live, 1));

    for _ in 0..2 {
        assert_eq!(screen(&learner).await.disposition(), Disposition::Block);
        assert_eq!(fake.count(), 1, "nobody is asked about what is known");
        learner = learner.restart().await;
    }
    assert_eq!(learner.status("shield").await.counts.unwrap().taken, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_does_not_know_is_allowed_and_asked_about_once() {
    let fake = Fake::start(Shield::new()).await;
    let learner = learner(&fake).await;
    let first = ask(&learner.screener, about("a")).await;
    // The bank has no picture: being heard is what makes the comparison complete.
    assert_eq!(first.disposition(), Disposition::Allow, "{first:?}");
    assert_eq!(image_state(&first).0, CheckState::Checked);
    assert_eq!(ask(&learner.screener, about("a")).await.disposition(), Disposition::Allow);
    assert_eq!((fake.count(), learner.entries().await.len()), (1, 1));
    let digests = v1::ScreenSignalsRequest { signals: vec![md5("1")], ..about("b") };
    ask(&learner.screener, digests).await;
    assert_eq!(fake.count(), 1, "digests are not sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_that_is_not_known_here_is_the_gravest_and_the_middle_one_keeps_its_name() {
    let shield =
        Shield::new().list("new", "of-a-new-class").list("middle", "harmful-abusive-material");
    let fake = Fake::start(shield).await;
    let learner = learner(&fake).await;
    for (text, class) in [("new", "csam"), ("middle", "harmful-abusive-material")] {
        let verdict = ask(&learner.screener, about(text)).await;
        assert_eq!(verdict.disposition(), Disposition::Block, "{verdict:?}");
        let classes = learner.entries().await.into_iter().filter_map(|entry| entry.provenance);
        assert!(classes.into_iter().any(|from| from.classification == class), "{class}");
    }
    let unknown = learner.status("shield").await.unknown;
    assert!(unknown.iter().any(|one| one.what == "classification of-a-new-class"), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_heard_is_never_taken_for_one_who_knows_nothing() {
    let fake = Fake::start(Shield::new().list("listed", "csam")).await;
    let learner = learner(&fake).await;
    let sync = async || {
        let request = v1::SyncExchangeRequest { exchange_id: "shield".into() };
        learner.curator.exchanges().sync_exchange(request).await.expect("asked");
    };
    for fault in [
        Fault::Status(500),
        Fault::Status(401),
        Fault::Status(429),
        Fault::Status(302),
        Fault::Html,
        Fault::Cut,
        Fault::Forgets,
        Fault::Silent,
    ] {
        fake.source.lock().fault = Some(fault);
        let text = format!("{fault:?}");
        sync().await;
        let verdict = ask(&learner.screener, about(&text)).await;
        assert_eq!(verdict.disposition(), Disposition::Hold, "{fault:?}: {verdict:?}");
        assert_eq!(verdict.incomplete(), OnIncomplete::Hold);
        let told = (CheckState::SourceUnavailable, "a service outside was not heard of every hash");
        assert_eq!(image_state(&verdict), told);
        let status = learner.status("shield").await;
        assert_eq!(status.state(), ExchangeState::Failing, "{fault:?}");
        assert!(!status.failure.is_empty() && !format!("{status:?}").contains("secret"));
        // What is known here is found all the same.
        let known = v1::ScreenSignalsRequest { signals: vec![pdq("x"), md5("f")], ..about("x") };
        assert_eq!(ask(&learner.screener, known).await.disposition(), Disposition::Block);

        fake.source.lock().fault = None;
        sync().await;
        until_heard(&learner, &text, Disposition::Allow).await;
        assert_eq!(learner.status("shield").await.state(), ExchangeState::Live, "{fault:?}");
    }
    assert_eq!(ask(&learner.screener, about("listed")).await.disposition(), Disposition::Block);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_silent_holds_up_few_items_and_is_asked_again_by_itself() {
    let fake = Fake::start(Shield::new()).await;
    let learner = learner(&fake).await;
    fake.source.lock().fault = Some(Fault::Silent);
    let began = Instant::now();
    let (mut waited, mut items) = (Duration::ZERO, 0);
    while began.elapsed() < Duration::from_secs(5) {
        let asked = Instant::now();
        let verdict = ask(&learner.screener, about(&format!("silent {items}"))).await;
        assert_eq!(verdict.disposition(), Disposition::Hold);
        waited += asked.elapsed().min(Duration::from_millis(900));
        items += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("sources: {items} items in 5 s of silence, {} questions", fake.count());
    assert!((2..=6).contains(&fake.count()), "{} questions", fake.count());
    assert!(items > 20, "{items} items only: each waited for who does not answer");
    fake.source.lock().fault = None;
    let after = until_heard(&learner, "silent 0", Disposition::Allow).await;
    println!("sources: heard again after {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_items_of_one_hash_at_one_time_are_one_question_and_one_entry() {
    let fake = Fake::start(Shield::new().list("viral", "csam")).await;
    let learner = learner(&fake).await;
    let asks = (0..16).map(|_| ask(&learner.screener, about("viral")));
    for verdict in futures_util::future::join_all(asks).await {
        assert_eq!(verdict.disposition(), Disposition::Block);
    }
    assert_eq!((fake.count(), learner.entries().await.len()), (1, 2));
    // Hashes of their own, at one time: each is taken in, and none of them gets in the way of another.
    fake.source.lock().of_others = Some(said("csam"));
    let others = (0..16).map(|n| format!("other {n}"));
    let asks = others.map(async |text| ask(&learner.screener, about(&text)).await.disposition());
    let said = futures_util::future::join_all(asks).await;
    assert_eq!(learner.status("shield").await.counts.unwrap().taken, 17);
    assert!(said.iter().all(|one| *one == Disposition::Block), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn look_back_tells_of_an_item_that_went_unheard_once_its_hash_is_learned_from_another() {
    let fake = Fake::start(Shield::new().list("a", "csam")).await;
    let learner = learner(&fake).await;
    lookback::remember(&learner.service.admin(), Some(3600)).await;
    fake.source.lock().fault = Some(Fault::Status(503));
    let unheard = v1::ScreenSignalsRequest { context: Some(context("unheard")), ..about("a") };
    assert_eq!(ask(&learner.screener, unheard).await.disposition(), Disposition::Hold);
    fake.source.lock().fault = None;
    until_heard(&learner, "a", Disposition::Block).await;
    let mut told = lookback::watch(&learner.screener, "").await;
    while lookback::pair(&mut told).await.item_id != "unheard" {}
}

#[tokio::test(flavor = "multi_thread")]
async fn the_items_of_a_batch_are_asked_about_together() {
    let fake = Fake::start(Shield::new().list("two", "csam")).await;
    let learner = learner(&fake).await;
    let item = |text: &str| v1::SignalsItem {
        item_id: text.into(),
        signals: vec![pdq(text), md5("1")],
        media_kind: v1::MediaKind::Image.into(),
    };
    let said = async |texts: &[&str]| {
        let batches = crate::streams::batches(texts.iter().map(|text| item(text)).collect());
        let batch =
            learner.screener.screening().screen_signals_batch(tokio_stream::iter(batches)).await;
        let answers: Vec<_> = batch.expect("answers").into_inner().collect().await;
        let mut said = Vec::new();
        for answer in answers {
            use v1::screen_signals_batch_response::Step;
            let Some(Step::Result(result)) = answer.expect("answered").step else { continue };
            said.extend(result.items.iter().map(v1::ItemResult::disposition));
        }
        said
    };
    let wanted = [Disposition::Allow, Disposition::Block, Disposition::Allow];
    assert_eq!(said(&["one", "two", "three"]).await, wanted);
    assert_eq!(fake.count(), 1);
    fake.source.lock().fault = Some(Fault::Status(503));
    let wanted = [Disposition::Allow, Disposition::Block, Disposition::Hold];
    assert_eq!(said(&["one", "two", "four"]).await, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_for_another_tenant_nor_where_comparing_is_not_lawful() {
    let fake = Fake::start(Shield::new()).await;
    let learner = learner(&fake).await;
    let service = &learner.service;
    let request = v1::CreateTenantRequest {
        tenant_id: "acme".into(),
        tenant: Some(v1::Tenant { display_name: "a platform".into(), ..Default::default() }),
        ..Default::default()
    };
    service.admin().admin().create_tenant(request).await.expect("made");
    let surface = v1::Surface {
        environment: Environment::Test.into(),
        kind: v1::SurfaceKind::Upload.into(),
        legal_basis_required: true,
        ..Default::default()
    };
    let request = v1::CreateSurfaceRequest {
        surface_id: "letters".into(),
        surface: Some(surface),
        ..Default::default()
    };
    service.admin().admin().create_surface(request).await.expect("made");
    for (tenant, environment) in
        [("acme", Environment::Test), ("operator", Environment::Production)]
    {
        let other = service.with_roles(tenant, environment, &[Role::Screener]).await;
        assert_eq!(ask(&other, about("a")).await.disposition(), Disposition::Hold);
    }
    let letter = |basis: &str| v1::ScreenSignalsRequest {
        context: Some(v1::Context {
            surface_id: "letters".into(),
            visibility: v1::Visibility::Private.into(),
            legal_basis: basis.into(),
            ..context("i")
        }),
        ..about("a")
    };
    assert_eq!(ask(&learner.screener, letter("")).await.disposition(), Disposition::Hold);
    assert_eq!(fake.count(), 0);
    assert_eq!(ask(&learner.screener, letter("a law")).await.disposition(), Disposition::Allow);
    assert_eq!(fake.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_here_ended_stays_ended_and_what_a_guard_set_aside_is_held() {
    let shield = Shield::new().list("one", "csam").list("two", "csam").list("three", "csam");
    let fake = Fake::start(shield).await;
    let learner = learner(&fake).await;
    assert_eq!(ask(&learner.screener, about("one")).await.disposition(), Disposition::Block);
    let entries = learner.entries().await.into_iter();
    let mut learned =
        entries.filter(|entry| entry.provenance.as_ref().is_some_and(|p| p.exchange == "shield"));
    let request = v1::RemoveEntryRequest {
        bank_id: "learned".into(),
        entry_id: learned.next().expect("learned").entry_id,
        ..Default::default()
    };
    learner.curator.banks().remove_entry(request).await.expect("removed");
    for _ in 0..2 {
        let verdict = ask(&learner.screener, about("one")).await;
        assert_eq!(verdict.disposition(), Disposition::Allow, "{verdict:?}");
    }
    assert_eq!(fake.count(), 2, "asked once more, and remembered");

    let request = v1::UpdateExchangeRequest {
        exchange: Some(v1::Exchange {
            exchange_id: "shield".into(),
            new_entries_per_day: Some(2),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["new_entries_per_day".into()] }),
        ..Default::default()
    };
    learner.curator.exchanges().update_exchange(request).await.expect("changed");
    assert_eq!(ask(&learner.screener, about("two")).await.disposition(), Disposition::Block);
    for _ in 0..2 {
        let verdict = ask(&learner.screener, about("three")).await;
        assert_eq!(verdict.disposition(), Disposition::Hold, "{verdict:?}");
    }
    assert_eq!(learner.status("shield").await.counts.unwrap().over_cap, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_made_and_changed_only_so_that_what_it_lists_is_matched() {
    let fake = Fake::start(Shield { password: "another secret", ..Shield::new() }).await;
    let learner = learner(&fake).await;
    let make = |change: &dyn Fn(&mut v1::Exchange)| {
        let mut wanted = exchange(at(&fake.address));
        change(&mut wanted);
        v1::CreateExchangeRequest {
            exchange_id: "other".into(),
            exchange: Some(wanted),
            ..Default::default()
        }
    };
    let mut exchanges = learner.curator.exchanges();
    let proposed = make(&|wanted| wanted.enters_as = EntryState::Unspecified.into());
    assert_eq!(bad_fields(exchanges.create_exchange(proposed).await), ["exchange.enters_as"]);
    let told = make(&|wanted| wanted.gives_feedback = true);
    assert_eq!(bad_fields(exchanges.create_exchange(told).await), ["exchange.gives_feedback"]);
    let slow = make(&|wanted| {
        if let Some(v1::exchange::Kind::Arachnid(kind)) = &mut wanted.kind {
            kind.answer_time_max = Some(prost_types::Duration { seconds: 61, nanos: 0 });
            kind.base_url = "https://elsewhere.example".into();
        }
    });
    let wanted = ["exchange.arachnid.base_url", "exchange.arachnid.answer_time_max"];
    let mut bad = bad_fields(exchanges.create_exchange(slow).await);
    bad.sort();
    assert_eq!(bad, [wanted[1], wanted[0]]);

    // The password is another one: it is put, and counts with the next item.
    assert_eq!(ask(&learner.screener, about("a")).await.disposition(), Disposition::Hold);
    let failure = learner.status("shield").await.failure;
    assert!(failure.contains("does not let this platform in"), "{failure}");
    let request = v1::UpdateExchangeRequest {
        exchange: Some(v1::Exchange {
            exchange_id: "shield".into(),
            kind: Some(v1::exchange::Kind::Arachnid(v1::ArachnidExchange {
                password: "another secret".into(),
                ..Default::default()
            })),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["arachnid.password".into()] }),
        ..Default::default()
    };
    let changed = exchanges.update_exchange(request).await.expect("changed").into_inner();
    assert!(!format!("{changed:?}").contains("secret"));
    assert_eq!(ask(&learner.screener, about("a")).await.disposition(), Disposition::Allow);
    let listed = exchanges.list_exchanges(v1::ListExchangesRequest::default()).await;
    assert!(!format!("{listed:?}").contains("secret"));
}

//! Guards over a socket: floods of one entry, banks that would block too much.

use crate::service::*;
use bulwark::config::Settings;
use bulwark::proto::v1;
use std::time::{Duration, Instant};
use v1::{Brake, Disposition, EntryState, Guard};

/// Limits that a test reaches.
fn low(settings: &mut Settings) {
    settings.guards.flood_items = 5;
    settings.guards.breaker_items = 20;
}

fn request(item: &str, signal: v1::Signal) -> v1::ScreenSignalsRequest {
    v1::ScreenSignalsRequest {
        context: Some(context(item)),
        signals: vec![signal],
        media_kind: v1::MediaKind::Other.into(),
        ..v1::ScreenSignalsRequest::default()
    }
}

async fn ask(caller: &Caller, item: &str, signal: v1::Signal) -> v1::Verdict {
    let answer = caller.screening().screen_signals(request(item, signal)).await.expect("answered");
    answer.into_inner().verdict.expect("a verdict")
}

/// The brake of the one match.
fn braked(verdict: &v1::Verdict) -> Brake {
    let [v1::Finding { kind: Some(v1::finding::Kind::Match(found)) }] = &verdict.findings[..]
    else {
        panic!("one match in {verdict:?}");
    };
    found.brake()
}

fn named(bank: &str, id: &str, signal: v1::Signal) -> v1::AddEntryRequest {
    v1::AddEntryRequest { entry_id: id.into(), ..entry(bank, vec![signal]) }
}

async fn stands(curator: &Caller, id: &str) -> v1::BankEntry {
    let asked = v1::GetEntryRequest { bank_id: "known".into(), entry_id: id.into() };
    curator.banks().get_entry(asked).await.expect("there").into_inner().entry.unwrap()
}

/// Waits until an entry is set aside.
async fn set_aside(curator: &Caller, id: &str) -> v1::BankEntry {
    let began = Instant::now();
    loop {
        let entry = stands(curator, id).await;
        if entry.quarantine.is_some() {
            return entry;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "not set aside");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn health(service: &Service) -> v1::GuardHealth {
    let asked = v1::GetHealthDetailRequest::default();
    let told = service.admin().admin().get_health_detail(asked).await.expect("told");
    told.into_inner().guards.expect("guards")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_on_one_entry_is_held_and_alarmed_and_confirmed_entries_go_on_working() {
    let service = Service::start_with(low).await;
    let (curator, screener) = service.staff().await;
    let mut banks = curator.banks();
    banks.create_bank(bank("known")).await.expect("made");
    for (id, digit) in [("flooded", "a"), ("confirmed", "b"), ("other", "c")] {
        banks.add_entry(named("known", id, md5(digit))).await.expect("added");
    }
    let confirm = v1::RecordOpinionRequest {
        bank_id: "known".into(),
        entry_id: "confirmed".into(),
        value: v1::OpinionValue::Positive.into(),
        ..Default::default()
    };
    banks.record_opinion(confirm).await.expect("confirmed");
    // Five items are not too many, however often each is asked about. The sixth holds, and so do all after it.
    for _ in 0..3 {
        for item in 0..5 {
            let verdict = ask(&screener, &format!("i{item}"), md5("a")).await;
            assert_eq!(
                (verdict.disposition(), braked(&verdict)),
                (Disposition::Block, Brake::Unspecified)
            );
        }
    }
    let sixth = ask(&screener, "i5", md5("a")).await;
    assert_eq!((sixth.disposition(), braked(&sixth)), (Disposition::Hold, Brake::Flood));
    assert_eq!(sixth.assurance(), v1::Assurance::Likely, "no report is due by itself");
    assert_eq!(sixth.record(), v1::Record::Kept, "nothing is dropped");
    let aside = set_aside(&curator, "flooded").await;
    assert_eq!((aside.state(), aside.asked_state()), (EntryState::Disputed, EntryState::Active));
    assert_eq!(aside.quarantine.unwrap().guard(), Guard::Flood);
    for item in 6..40 {
        let verdict = ask(&screener, &format!("i{item}"), md5("a")).await;
        assert_eq!(verdict.disposition(), Disposition::Hold);
        let confirmed = ask(&screener, &format!("c{item}"), md5("b")).await;
        assert_eq!(confirmed.disposition(), Disposition::Block, "a person stands behind it");
    }
    assert_eq!(ask(&screener, "x", md5("c")).await.disposition(), Disposition::Block);

    let health = health(&service).await;
    assert_eq!((health.flood_count, health.flood_unrecorded_count), (1, 0));
    let asked = v1::ListQuarantineRequest { bank_id: "known".into(), ..Default::default() };
    let listed = banks.list_quarantine(asked).await.expect("listed").into_inner();
    let names: Vec<_> = listed.entries.iter().map(|entry| entry.entry_id.as_str()).collect();
    assert_eq!(names, ["flooded"]);

    // A restart keeps it; a release is for good.
    let service = service.restart().await;
    let (curator, screener) = service.staff().await;
    assert_eq!(ask(&screener, "i5", md5("a")).await.disposition(), Disposition::Hold);
    let release = v1::ReleaseFromQuarantineRequest {
        bank_id: "known".into(),
        entry_id: "flooded".into(),
        reason: "it is all over the town".into(),
        ..Default::default()
    };
    curator.banks().release_from_quarantine(release).await.expect("released");
    for item in 0..4 {
        let verdict = ask(&screener, &format!("i{item}"), md5("a")).await;
        assert_eq!(verdict.disposition(), Disposition::Block);
    }
    // Who has not heard of the release asks the store, and holds until it has answered.
    let began = Instant::now();
    let mut item = 5;
    while ask(&screener, &format!("i{item}"), md5("a")).await.disposition() != Disposition::Block
        || item < 20
    {
        assert!(began.elapsed() < Duration::from_secs(20), "still held");
        item += 1;
    }
    assert_eq!(stands(&curator, "flooded").await.state(), EntryState::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sender_alone_makes_no_flood_and_without_the_store_a_flood_holds_from_memory() {
    let service = Service::start_with(|settings| {
        low(settings);
        settings.guards.flood_items = 10;
        settings.store.keep_wait_max = Duration::from_millis(50);
    })
    .await;
    let (curator, screener) = service.staff().await;
    let mut banks = curator.banks();
    banks.create_bank(bank("known")).await.expect("made");
    for (id, digit) in [("alone", "a"), ("flooded", "b")] {
        banks.add_entry(named("known", id, md5(digit))).await.expect("added");
    }
    for item in 0..60 {
        let mut request = request(&format!("i{item}"), md5("a"));
        request.context.as_mut().unwrap().actor_id = "one".into();
        let answer = screener.screening().screen_signals(request).await.expect("answered");
        let verdict = answer.into_inner().verdict.unwrap();
        assert_eq!(verdict.disposition(), Disposition::Block, "item {item}");
    }
    let locked = service.occupy().await;
    for item in 0..13 {
        let verdict = ask(&screener, &format!("j{item}"), md5("b")).await;
        let expected = if item < 10 { Disposition::Block } else { Disposition::Hold };
        assert_eq!((verdict.disposition(), verdict.record()), (expected, v1::Record::Pending));
    }
    drop(locked);
    set_aside(&curator, "flooded").await;
    assert!(stands(&curator, "alone").await.quarantine.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_would_block_far_too_much_holds_until_a_person_closes_its_breaker() {
    let service = Service::start_with(low).await;
    let (curator, screener) = service.staff().await;
    let mut banks = curator.banks();
    banks.create_bank(bank("known")).await.expect("made");
    let value = |number: u32| signal(v1::SignalType::Md5, format!("{number:032x}"));
    for number in 0..60 {
        banks.add_entry(named("known", &format!("e{number}"), value(number))).await.expect("added");
    }
    let confirm = v1::RecordOpinionRequest {
        bank_id: "known".into(),
        entry_id: "e50".into(),
        value: v1::OpinionValue::Positive.into(),
        ..Default::default()
    };
    banks.record_opinion(confirm).await.expect("confirmed");
    for number in 0..40 {
        let verdict = ask(&screener, &format!("i{number}"), value(number)).await;
        let expected = if number < 20 {
            (Disposition::Block, Brake::Unspecified)
        } else {
            (Disposition::Hold, Brake::Breaker)
        };
        assert_eq!((verdict.disposition(), braked(&verdict)), expected, "item {number}");
    }
    let confirmed = ask(&screener, "c", value(50)).await;
    assert_eq!(confirmed.disposition(), Disposition::Block, "a person stands behind it");
    let told = health(&service).await;
    assert_eq!((told.flood_count, told.breaker_trip_count), (0, 1));
    let [open] = &told.open_breakers[..] else { panic!("{told:?}") };
    assert_eq!((open.tenant_id.as_str(), open.bank_id.as_str()), ("operator", "known"));
    assert_eq!(open.environment(), v1::Environment::Test);

    let update = v1::UpdateBankRequest {
        bank: Some(v1::Bank {
            bank_id: "known".into(),
            display_name: "looked at".into(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        ..Default::default()
    };
    banks.update_bank(update).await.expect("changed");
    let verdict = ask(&screener, "again", value(55)).await;
    assert_eq!(verdict.disposition(), Disposition::Block);
    assert!(health(&service).await.open_breakers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn guards_are_off_only_where_they_are_switched_off() {
    let service = Service::start_with(|settings| {
        low(settings);
        settings.guards.flood = false;
        settings.guards.breaker = false;
    })
    .await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(named("known", "e", md5("a"))).await.expect("added");
    for item in 0..40 {
        let verdict = ask(&screener, &format!("i{item}"), md5("a")).await;
        assert_eq!(verdict.disposition(), Disposition::Block);
    }
}

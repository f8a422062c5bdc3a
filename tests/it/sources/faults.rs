//! What goes wrong with a source, and that nothing is lost by it.

use super::ncmec::{Fault, Ncmec, md5_of};
use super::web::Fake;
use super::{Learner, exchange, md5_signal, ncmec_at, now};
use crate::service::*;
use bulwark::proto::v1;
use std::time::Duration;
use v1::{Disposition, ExchangeState};

fn source(count: i64) -> Ncmec {
    let mut source = Ncmec::new(10);
    for n in 0..count {
        source.put(7, &format!("e{n}"), now() - 86_400 - n * 600, &md5_of(&format!("v{n}")));
    }
    source
}

/// A source of which every question goes wrong like this until that was noticed, and then none.
async fn learns_in_spite_of(fault: Fault, says: &str) {
    let learner = Learner::start_with(|settings| {
        settings.exchanges.answer_time_max = Duration::from_millis(500);
    })
    .await;
    let mut source = source(35);
    source.faults.extend(std::iter::repeat_n(fault, 1000));
    let fake = Fake::start(source).await;
    learner.learn("hub", exchange(ncmec_at(&fake.address))).await;
    let failing = learner
        .until("hub", "failing", |status| {
            status.state() == ExchangeState::Failing && status.failure.contains(says)
        })
        .await;
    assert!(!failing.failure.contains("secret"));
    assert_eq!(failing.counts.unwrap_or_default().taken, 0);
    fake.source.lock().faults.clear();
    let live = learner.live("hub").await;
    assert_eq!((live.failure.as_str(), live.failure_count), ("", 0));
    assert_eq!(live.counts.unwrap().taken, 35);
    assert_eq!(learner.ask(md5_signal("v34")).await, Disposition::Block);
}

#[tokio::test]
async fn a_source_that_is_overloaded_or_breaks_off_is_asked_again_until_all_is_there() {
    tokio::join!(
        learns_in_spite_of(Fault::Status(503, Some(1)), "503"),
        learns_in_spite_of(Fault::Status(500, None), "500"),
        learns_in_spite_of(Fault::Status(429, Some(1)), "less often: 429"),
        learns_in_spite_of(Fault::Cut, "the line broke"),
        learns_in_spite_of(Fault::Stall, "in time"),
    );
}

#[tokio::test]
async fn an_answer_that_is_none_is_named_and_nothing_of_it_is_taken() {
    tokio::join!(
        learns_in_spite_of(
            Fault::Says(b"<html><body>maintenance</body></html>".into()),
            "queryResult"
        ),
        learns_in_spite_of(
            Fault::Says(b"<!DOCTYPE q [<!ENTITY a 'b'>]><queryResult/>".into()),
            "document type"
        ),
        learns_in_spite_of(Fault::Says(b"".into()), "before its end"),
        learns_in_spite_of(Fault::Leads("http://127.0.0.1:1/elsewhere".into()), "not followed"),
    );
}

#[tokio::test]
async fn a_source_that_does_not_let_in_is_said_to_and_lets_in_with_another_key() {
    let learner = Learner::start().await;
    let fake = Fake::start(source(3)).await;
    let mut wrong = exchange(ncmec_at(&fake.address));
    if let Some(v1::exchange::Kind::Ncmec(other)) = &mut wrong.kind {
        other.password = "of long ago".into();
    }
    learner.learn("hub", wrong).await;
    learner.until("hub", "not let in", |status| status.failure.contains("401")).await;
    let renewed = v1::UpdateExchangeRequest {
        exchange: Some(v1::Exchange {
            exchange_id: "hub".into(),
            kind: Some(ncmec_at(&fake.address)),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["ncmec.password".into()] }),
        ..Default::default()
    };
    learner.curator.exchanges().update_exchange(renewed).await.expect("changed");
    assert_eq!(learner.live("hub").await.counts.unwrap().taken, 3);
    let other = v1::UpdateExchangeRequest {
        exchange: Some(v1::Exchange {
            exchange_id: "hub".into(),
            kind: Some(v1::exchange::Kind::ThreatExchange(v1::ThreatExchangeExchange {
                access_token: "x".into(),
                ..Default::default()
            })),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["threat_exchange.access_token".into()],
        }),
        ..Default::default()
    };
    let refused = learner.curator.exchanges().update_exchange(other).await;
    assert_eq!(bad_fields(refused), ["update_mask"], "a key of another kind");
}

#[tokio::test]
async fn a_link_that_ended_begins_its_range_anew_and_only_that() {
    let learner = Learner::start().await;
    let mut source = source(0);
    for n in 0..45 {
        source.put(7, &format!("e{n}"), now() - 86_400 - n % 20, &md5_of(&format!("v{n}")));
    }
    source.forgets_links = true;
    let fake = Fake::start(source).await;
    learner.learn("hub", exchange(ncmec_at(&fake.address))).await;
    learner
        .until("hub", "a link is lost", |s| s.failure.contains("not known to it any more"))
        .await;
    fake.source.lock().forgets_links = false;
    let live = learner.live("hub").await;
    let counts = live.counts.unwrap();
    assert_eq!((counts.taken, counts.replaced), (45, 0));
    for n in 0..45 {
        assert_eq!(learner.ask(md5_signal(&format!("v{n}"))).await, Disposition::Block);
    }
    let first = fake.asked()[0].query("from").unwrap();
    let again = fake.asked().iter().filter(|asked| asked.query("from").unwrap() == first).count();
    assert_eq!(again, 1, "what was heard is not asked for again");
}

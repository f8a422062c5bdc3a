//! What can be found out of a list by asking: little for callers without detail, less for senders who ask much.

use crate::service::*;
use bulwark::proto::v1;
use std::time::{Duration, Instant};
use tonic::Code;
use tonic_types::StatusExt as _;
use v1::{Assurance, Brake, Disposition, RecommendedAction};

/// A listed hash with its lowest bits flipped.
fn pdq(flipped: u32) -> v1::Signal {
    let low = (1_u128 << flipped) - 1;
    signal(v1::SignalType::Pdq, format!("{}{:032x}", "5".repeat(32), low ^ 0x5555 << 100))
}

/// A question that can be answered ALLOW: picture and bytes are both told.
fn about(item: &str, actor: &str, picture: v1::Signal) -> v1::ScreenSignalsRequest {
    v1::ScreenSignalsRequest {
        context: Some(v1::Context { actor_id: actor.into(), ..context(item) }),
        signals: vec![picture, md5("1")],
        media_kind: v1::MediaKind::Image.into(),
        ..v1::ScreenSignalsRequest::default()
    }
}

async fn ask(caller: &Caller, request: v1::ScreenSignalsRequest) -> v1::Verdict {
    let answer = caller.screening().screen_signals(request).await.expect("answered");
    answer.into_inner().verdict.expect("a verdict")
}

/// What an answer tells of what was found.
fn told(verdict: &v1::Verdict) -> v1::Verdict {
    v1::Verdict {
        verdict_id: String::new(),
        item_id: String::new(),
        receipt: None,
        decide_time: None,
        versions: None,
        ..verdict.clone()
    }
}

/// A service with a listed picture, and an entry of another type so that bytes are compared with something.
async fn listing(change: impl FnOnce(&mut bulwark::config::Settings)) -> (Service, Caller, Caller) {
    let service = Service::start_with(change).await;
    let (curator, seeing) = service.staff().await;
    let plain = service.with_roles("operator", v1::Environment::Test, &[v1::Role::Screener]).await;
    let mut banks = curator.banks();
    banks.create_bank(bank("known")).await.expect("made");
    banks.add_entry(entry("known", vec![pdq(0)])).await.expect("added");
    banks.add_entry(entry("known", vec![md5("f")])).await.expect("added");
    (service, plain, seeing)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_one_picture_again_and_again_gets_one_answer_whatever_is_found() {
    let (service, plain, seeing) = listing(|_| {}).await;
    let first = ask(&plain, about("i", "walker", pdq(1))).await;
    assert_eq!(first.disposition(), Disposition::Block);
    // Outwards over the edge: matches block, then hold, then nothing is found.
    let mut answers = Vec::new();
    for step in 2..50 {
        answers.push(ask(&plain, about(&format!("i{step}"), "walker", pdq(step))).await);
    }
    let blanks = answers.iter().position(|answer| {
        answer.assurance() == Assurance::Investigate
            && answer.detail_withheld
            && answer.findings.is_empty()
    });
    let suspected = blanks.expect("found out");
    assert!(suspected < 49, "{suspected}");
    let (near, far) = (&answers[suspected], &answers[47]);
    assert_eq!(near.disposition(), Disposition::Hold);
    assert_eq!(told(near), told(far), "listed or not, the answer is the same");
    let actions: Vec<_> = near.recommended_actions().collect();
    assert_eq!(actions, [RecommendedAction::EnqueueReview]);
    // Also where the picture itself is asked about, which was never asked before.
    let listed = ask(&plain, about("listed", "walker", pdq(0))).await;
    assert_eq!(told(&listed), told(far));
    // Who looks into it sees everything.
    let request = v1::GetVerdictRequest { verdict_id: listed.verdict_id };
    let kept = seeing.screening().get_verdict(request).await.expect("kept").into_inner();
    let kept = kept.verdict.unwrap();
    assert_eq!(kept.brakes().collect::<Vec<_>>(), [Brake::Probing]);
    assert_eq!(kept.findings.len(), 1);
    // Nobody else is suspected, and neither is what has nothing to do with it.
    assert_eq!(ask(&plain, about("o", "other", pdq(47))).await.disposition(), Disposition::Allow);
    let unrelated = signal(v1::SignalType::Pdq, "0f".repeat(32));
    let unrelated = ask(&plain, about("u", "walker", unrelated)).await;
    assert_eq!(unrelated.disposition(), Disposition::Allow);
    let mut admin = service.admin().admin();
    let health = admin.get_health_detail(v1::GetHealthDetailRequest::default());
    let health = health.await.expect("told").into_inner().guards.unwrap();
    assert_eq!(health.suspect_count, 1);
    assert!(health.probing_hold_count > 10, "{health:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_of_too_many_items_gets_one_answer_and_of_very_many_a_refusal_that_says_when() {
    let (service, plain, _) = listing(|settings| settings.guards.sender_items = 20).await;
    // By signals alone an item costs four.
    let mut answers = Vec::new();
    for item in 0..10 {
        let picture =
            if item % 2 == 0 { pdq(0) } else { signal(v1::SignalType::Pdq, "3".repeat(64)) };
        answers.push(ask(&plain, about(&format!("i{item}"), "busy", picture)).await);
    }
    let dispositions: Vec<_> = answers[..5].iter().map(v1::Verdict::disposition).collect();
    let (block, allow) = (Disposition::Block, Disposition::Allow);
    assert_eq!(dispositions, [block, allow, block, allow, block]);
    for answer in &answers[5..] {
        assert_eq!(answer.disposition(), Disposition::Hold);
        assert_eq!(told(answer), told(&answers[5]), "listed or not, the answer is the same");
    }
    let status = plain.screening().screen_signals(about("x", "busy", pdq(0))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let details = status.get_error_details();
    assert_eq!(details.quota_failure().unwrap().violations[0].subject, "guards.sender_items");
    // Twenty an hour: four in twelve minutes.
    let delay = details.retry_info().unwrap().retry_delay.unwrap();
    assert!((700..=720).contains(&delay.as_secs()), "{delay:?}");
    let other = ask(&plain, about("x", "other", pdq(0))).await;
    assert_eq!(other.disposition(), Disposition::Block);
    let nobody = ask(&plain, about("x", "", pdq(0))).await;
    assert_eq!(nobody.disposition(), Disposition::Block);
    // Whoever has the bytes pays a quarter.
    for item in 0..20 {
        let mut request = media(&format!("m{item}"), png(7));
        request.context.as_mut().unwrap().actor_id = "photographer".into();
        let answer = plain.screening().screen_media(request).await.expect("answered").into_inner();
        assert_eq!(answer.verdict.unwrap().disposition(), Disposition::Allow);
    }
    drop(service);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_budget_refuses_calls_and_slows_batches_down() {
    use v1::screen_signals_batch_request::Step;
    let (_service, plain, _) = listing(|settings| settings.guards.tenant_items = 8).await;
    let items = (0..128).map(|number| v1::SignalsItem {
        item_id: number.to_string(),
        signals: vec![md5("2")],
        media_kind: v1::MediaKind::Other.into(),
    });
    let say = |step| v1::ScreenSignalsBatchRequest { step: Some(step) };
    let batch = v1::SignalsBatch { number: 1, items: items.collect() };
    let open = v1::ScreenSignalsBatchOpen { context: Some(context("")) };
    let steps = [say(Step::Open(open)), say(Step::Batch(batch))];
    let began = Instant::now();
    let mut client = plain.screening();
    let answer = client.screen_signals_batch(tokio_stream::iter(steps)).await.expect("begun");
    let (mut answer, mut answered) = (answer.into_inner(), 0);
    while let Some(said) = answer.message().await.expect("no refusal") {
        if let Some(v1::screen_signals_batch_response::Step::Result(result)) = said.step {
            answered += result.items.len();
        }
    }
    assert_eq!(answered, 128);
    assert!(began.elapsed() > Duration::from_secs(2), "480 are there at once, 512 were needed");
    let status = plain.screening().screen_signals(about("x", "", pdq(0))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let details = status.get_error_details();
    assert_eq!(details.quota_failure().unwrap().violations[0].subject, "guards.tenant_items");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_detail_learns_neither_how_many_entries_match_nor_which_banks_there_are() {
    let (service, plain, seeing) = listing(|_| {}).await;
    let (curator, _) = service.staff().await;
    for id in ["second", "third"] {
        curator.banks().create_bank(bank(id)).await.expect("made");
        curator.banks().add_entry(entry(id, vec![pdq(0)])).await.expect("added");
    }
    let seen = ask(&seeing, about("i", "", pdq(3))).await;
    assert_eq!((seen.findings.len(), seen.versions.unwrap().banks.len()), (3, 3));
    let bare = ask(&plain, about("i", "", pdq(3))).await;
    assert_eq!(bare.disposition(), Disposition::Block);
    assert_eq!((bare.findings.len(), bare.versions.unwrap().banks.len()), (1, 0));
    assert!(bare.detail_withheld);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_at_steps_of_time_where_that_is_set_and_at_once_for_who_sees_detail() {
    let step = Duration::from_millis(400);
    let (_service, plain, seeing) = listing(|settings| settings.guards.answer_step = step).await;
    for (item, flipped) in [0, 20, 60].into_iter().enumerate() {
        let began = Instant::now();
        ask(&plain, about(&format!("i{item}"), "", pdq(flipped))).await;
        assert!(began.elapsed() >= step, "{:?}", began.elapsed());
    }
    let mut quickest = step;
    for item in 0..10 {
        let began = Instant::now();
        ask(&seeing, about(&format!("s{item}"), "", pdq(60))).await;
        quickest = quickest.min(began.elapsed());
    }
    assert!(quickest < step / 2, "{quickest:?}");
}

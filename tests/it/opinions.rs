//! Opinions on entries, quorum, quarantine and what people decide, over a socket.

use crate::service::*;
use bulwark::proto::v1;
use tonic::Code;
use v1::{Disposition, EntryState, MergedOpinion, OpinionValue};

async fn ask(caller: &Caller, signal: v1::Signal) -> Disposition {
    let request = v1::ScreenSignalsRequest {
        context: Some(context("i")),
        signals: vec![signal],
        media_kind: v1::MediaKind::Other.into(),
        ..v1::ScreenSignalsRequest::default()
    };
    let answer = caller.screening().screen_signals(request).await.expect("answered");
    answer.into_inner().verdict.expect("a verdict").disposition()
}

fn named(bank: &str, id: &str, digit: &str) -> v1::AddEntryRequest {
    v1::AddEntryRequest { entry_id: id.into(), ..entry(bank, vec![md5(digit)]) }
}

fn negative(id: &str) -> v1::CreateBankRequest {
    let mut request = bank(id);
    request.bank.as_mut().unwrap().role = v1::BankRole::Negative.into();
    request
}

fn says(bank: &str, entry: &str, value: OpinionValue) -> v1::RecordOpinionRequest {
    v1::RecordOpinionRequest {
        bank_id: bank.into(),
        entry_id: entry.into(),
        value: value.into(),
        reasons: vec!["looked at".into()],
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_negative_opinion_holds_at_once_and_its_withdrawal_lifts_that() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let mut banks = curator.banks();
    banks.create_bank(bank("known")).await.expect("made");
    banks.add_entry(named("known", "e", "a")).await.expect("added");
    assert_eq!(ask(&screener, md5("a")).await, Disposition::Block);
    let mut request = says("known", "e", OpinionValue::Negative);
    request.request_id = "once".into();
    let first = banks.record_opinion(request.clone()).await.expect("recorded").into_inner();
    let again = banks.record_opinion(request).await.expect("repeated").into_inner();
    assert_eq!(again, first, "a repetition gives the first answer");
    let disputed = first.entry.unwrap();
    assert_eq!(disputed.state(), EntryState::Disputed);
    assert_eq!(disputed.asked_state(), EntryState::Active);
    assert_eq!(ask(&screener, md5("a")).await, Disposition::Hold);
    let asked = v1::ListOpinionsRequest {
        bank_id: "known".into(),
        entry_id: "e".into(),
        ..Default::default()
    };
    let listed = banks.list_opinions(asked.clone()).await.expect("listed").into_inner();
    assert_eq!(listed.merged_opinion(), MergedOpinion::Negative);
    let told: Vec<_> = listed.opinions.iter().map(|o| (o.value(), o.reasons.clone())).collect();
    assert_eq!(told, [(OpinionValue::Negative, vec!["looked at".to_owned()])]);

    let stale =
        v1::RecordOpinionRequest { etag: "1".into(), ..says("known", "e", OpinionValue::Seed) };
    assert_eq!(refused(banks.record_opinion(stale).await), (Code::Aborted, "ETAG_MISMATCH".into()));
    let back = v1::RecordOpinionRequest {
        withdraw: true,
        bank_id: "known".into(),
        entry_id: "e".into(),
        ..Default::default()
    };
    let back = banks.record_opinion(back).await.expect("withdrawn").into_inner().entry.unwrap();
    assert_eq!(back.state(), EntryState::Active);
    assert_eq!(ask(&screener, md5("a")).await, Disposition::Block);
    let none = banks.list_opinions(asked).await.expect("listed").into_inner();
    assert_eq!((none.opinions.len(), none.merged_opinion()), (0, MergedOpinion::Unspecified));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_confirms_an_entry_or_ends_it_everywhere_in_one_commit() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let mut banks = curator.banks();
    for id in ["one", "two", "confirmed"] {
        banks.create_bank(bank(id)).await.expect("made");
    }
    banks.create_bank(negative("good")).await.expect("made");
    banks.add_entry(named("one", "a", "a")).await.expect("added");
    banks.add_entry(named("two", "a-too", "a")).await.expect("added");
    banks.add_entry(named("one", "b", "b")).await.expect("added");

    // What is positive goes into the bank of what was confirmed here, and blocks by that whatever others say.
    let confirm = v1::RecordOpinionRequest {
        confirm_bank_id: "confirmed".into(),
        ..says("one", "b", OpinionValue::Positive)
    };
    let answer = banks.record_opinion(confirm.clone()).await.expect("confirmed").into_inner();
    let copy = answer.confirmed_entry.expect("an entry");
    assert_eq!((copy.bank_id.as_str(), copy.state()), ("confirmed", EntryState::Active));
    assert!(copy.provenance.as_ref().unwrap().confirmed_by_us);
    assert!(answer.entry.unwrap().provenance.unwrap().confirmed_by_us);
    let again = banks.record_opinion(confirm).await.expect("confirmed").into_inner();
    assert_eq!(again.confirmed_entry.unwrap().entry_id, copy.entry_id, "one entry, once");
    let refused_into = |bank: &str, value| v1::RecordOpinionRequest {
        confirm_bank_id: bank.into(),
        ..says("one", "b", value)
    };
    for (bank, value) in [
        ("good", OpinionValue::Positive),
        ("confirmed", OpinionValue::Negative),
        ("one", OpinionValue::Positive),
        ("confirmed", OpinionValue::Seed),
    ] {
        let answer = banks.record_opinion(refused_into(bank, value)).await;
        assert_eq!(bad_fields(answer), ["confirm_bank_id"], "{bank} {value:?}");
    }
    let state = v1::GetEntryRequest { bank_id: "one".into(), entry_id: "b".into() };
    let state = banks.get_entry(state).await.unwrap().into_inner().entry.unwrap().state();
    assert_eq!(state, EntryState::Active, "what was refused kept nothing of itself");

    // What is negative ends: here, and wherever its value is listed.
    let end = v1::RecordOpinionRequest {
        disable: true,
        confirm_bank_id: "good".into(),
        ..says("one", "a", OpinionValue::Negative)
    };
    let answer = banks.record_opinion(end).await.expect("ended").into_inner();
    assert_eq!(answer.entry.unwrap().state(), EntryState::Retired);
    let same: Vec<_> =
        answer.same_entries.iter().map(|e| (e.bank_id.as_str(), e.entry_id.as_str())).collect();
    assert_eq!(same, [("two", "a-too")]);
    assert_eq!(answer.confirmed_entry.unwrap().bank_id, "good");
    assert_eq!(ask(&screener, md5("a")).await, Disposition::Allow, "known to be good");
    let other = v1::GetEntryRequest { bank_id: "two".into(), entry_id: "a-too".into() };
    let other = banks.get_entry(other).await.unwrap().into_inner().entry.unwrap();
    assert_eq!(other.state(), EntryState::Disputed);
    let service = service.restart().await;
    let (_, screener) = service.staff().await;
    assert_eq!(ask(&screener, md5("a")).await, Disposition::Allow, "a restart forgets nothing");
    assert_eq!(ask(&screener, md5("b")).await, Disposition::Block);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_match_something_good_is_set_aside_until_a_person_releases_it() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let mut banks = curator.banks();
    banks.create_bank(bank("known")).await.expect("made");
    // A corpus that only watches: it overrules nothing.
    let mut corpus = negative("corpus");
    corpus.bank.as_mut().unwrap().mode = v1::BankMode::Shadow.into();
    banks.create_bank(corpus).await.expect("made");
    let pdq = |text: String| signal(v1::SignalType::Pdq, text);
    let logo = "5".repeat(64);
    let mut near = "5".repeat(62);
    near.push_str("66");
    let mut good = entry("corpus", vec![pdq(logo)]);
    good.entry_id = "logo".into();
    banks.add_entry(good).await.expect("added");
    banks.add_entry(named("known", "other", "f")).await.expect("added");
    let mut wanted = entry("known", vec![pdq(near.clone())]);
    wanted.entry_id = "near".into();
    let set_aside = banks.add_entry(wanted).await.expect("kept").into_inner().entry.unwrap();
    assert_eq!(set_aside.state(), EntryState::Quarantined);
    assert_eq!(set_aside.asked_state(), EntryState::Active);
    let why = set_aside.quarantine.unwrap();
    assert_eq!((why.guard(), why.good_distance), (v1::Guard::KnownGood, 4));
    assert_eq!(why.good.unwrap().entry_id, "logo");
    assert_eq!(
        ask(&screener, pdq(near.clone())).await,
        Disposition::Hold,
        "nothing to compare with"
    );

    let asked = v1::ListQuarantineRequest { bank_id: "known".into(), ..Default::default() };
    let listed = banks.list_quarantine(asked.clone()).await.expect("listed").into_inner();
    let names: Vec<_> = listed.entries.iter().map(|entry| entry.entry_id.as_str()).collect();
    assert_eq!((names, listed.next_page_token.as_str()), (vec!["near"], ""));
    let release = |id: &str| v1::ReleaseFromQuarantineRequest {
        bank_id: "known".into(),
        entry_id: id.into(),
        reason: "not the logo".into(),
        ..Default::default()
    };
    let refused = banks.release_from_quarantine(release("other")).await;
    assert_eq!(bad_fields(refused), ["entry_id"]);
    let free = banks.release_from_quarantine(release("near")).await.expect("released").into_inner();
    let free = free.entry.unwrap();
    assert_eq!((free.state(), free.note.as_str()), (EntryState::Active, "released: not the logo"));
    assert_eq!(ask(&screener, pdq(near)).await, Disposition::Block);
    assert!(banks.list_quarantine(asked).await.unwrap().into_inner().entries.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposed_entry_waits_for_its_quorum() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let mut banks = curator.banks();
    let mut request = bank("known");
    let quorum = v1::Quorum {
        organisations_min: 2,
        promotes_to: EntryState::Active.into(),
        ..Default::default()
    };
    request.bank.as_mut().unwrap().quorum = Some(quorum.clone());
    let made = banks.create_bank(request).await.expect("made").into_inner().bank.unwrap();
    assert_eq!(made.quorum, Some(quorum));
    banks.add_entry(named("known", "other", "f")).await.expect("added");
    let mut proposed = named("known", "p", "a");
    proposed.state = EntryState::Proposed.into();
    let proposed = banks.add_entry(proposed).await.expect("added").into_inner().entry.unwrap();
    assert_eq!(proposed.state(), EntryState::Proposed);
    assert_eq!(ask(&screener, md5("a")).await, Disposition::Allow);
    banks.record_opinion(says("known", "p", OpinionValue::Seed)).await.expect("recorded");
    assert_eq!(ask(&screener, md5("a")).await, Disposition::Allow, "a reason to look is no more");
    banks.record_opinion(says("known", "p", OpinionValue::Positive)).await.expect("recorded");
    assert_eq!(ask(&screener, md5("a")).await, Disposition::Block);
    let mut wrong = bank("wrong");
    wrong.bank.as_mut().unwrap().quorum = Some(v1::Quorum {
        organisations_min: 65,
        jurisdictions_min: 1,
        promotes_to: EntryState::Retired.into(),
        ..Default::default()
    });
    let mut named = bad_fields(banks.create_bank(wrong).await);
    named.sort();
    let fields = ["jurisdictions_min", "organisations_min", "promotes_to"];
    assert_eq!(named, fields.map(|field| format!("bank.quorum.{field}")));
}

//! The same request twice is one change with one answer; the same key for something else is refused.

use crate::apart::exchange_of;
use crate::descriptor::{messages, rpcs};
use crate::service::*;
use bulwark::core::event::Event;
use bulwark::core::verdict::Disposition;
use bulwark::proto::v1;
use std::collections::BTreeSet;
use std::time::Duration;
use tonic::Code;
use v1::{Environment, Role};

fn mask(path: &str) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: vec![path.to_owned()] })
}

async fn head(caller: &Caller) -> u64 {
    let status = caller.banks().get_index_status(v1::GetIndexStatusRequest {}).await;
    status.expect("told").into_inner().journal_number
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_made_twice_under_one_key_is_made_once() {
    let service = Service::start().await;
    let roles = [Role::Admin, Role::BankManager, Role::Screener, Role::Reviewer, Role::Auditor];
    let all = service.with_roles("operator", Environment::Production, &roles).await;
    let real = i32::from(Environment::Production);
    let mut tried = BTreeSet::new();
    macro_rules! twice {
        ($client:ident.$method:ident($rpc:literal, $good:expr, $other:expr)) => {{
            let mut good = $good;
            good.request_id = concat!("key of ", $rpc).into();
            let mut other = $other;
            other.request_id.clone_from(&good.request_id);
            assert_ne!(good, other, $rpc);
            let first = all.$client().$method(good.clone()).await.expect($rpc).into_inner();
            let number = head(&all).await;
            let again = all.$client().$method(good).await.expect($rpc).into_inner();
            assert_eq!(again, first, "{}: the first answer is given again", $rpc);
            assert_eq!(head(&all).await, number, "{}: nothing was changed again", $rpc);
            let reused = refused(all.$client().$method(other).await);
            assert_eq!(reused, (Code::FailedPrecondition, "REQUEST_ID_REUSED".into()), $rpc);
            assert_eq!(head(&all).await, number, "{}: nor by the other content", $rpc);
            tried.insert($rpc.to_owned());
            first
        }};
    }
    twice!(banks.create_bank("CreateBank", bank("known"), bank("other")));
    let rename = |name: &str| v1::UpdateBankRequest {
        bank: Some(v1::Bank {
            bank_id: "known".into(),
            display_name: name.into(),
            ..Default::default()
        }),
        update_mask: mask("display_name"),
        ..Default::default()
    };
    let renamed = twice!(banks.update_bank("UpdateBank", rename("a"), rename("b")));
    let etag = renamed.bank.unwrap().etag;
    let (one, other) = (entry("known", vec![md5("a")]), entry("known", vec![md5("b")]));
    let added = twice!(banks.add_entry("AddEntry", one, other));
    let entry_id = added.entry.unwrap().entry_id;
    let note = |note: &str| v1::UpdateEntryRequest {
        entry: Some(v1::BankEntry {
            bank_id: "known".into(),
            entry_id: entry_id.clone(),
            note: note.into(),
            ..Default::default()
        }),
        update_mask: mask("note"),
        ..Default::default()
    };
    twice!(banks.update_entry("UpdateEntry", note("a"), note("b")));
    let says = |value: v1::OpinionValue| v1::RecordOpinionRequest {
        bank_id: "known".into(),
        entry_id: entry_id.clone(),
        value: value.into(),
        ..Default::default()
    };
    let (seed, positive) = (v1::OpinionValue::Seed, v1::OpinionValue::Positive);
    twice!(banks.record_opinion("RecordOpinion", says(seed), says(positive)));
    let mut good = bank("good");
    good.bank.as_mut().unwrap().role = v1::BankRole::Negative.into();
    all.banks().create_bank(good).await.expect("made");
    all.banks().add_entry(entry("good", vec![md5("c")])).await.expect("added");
    let aside = all.banks().add_entry(entry("known", vec![md5("c")])).await.expect("set aside");
    let aside = aside.into_inner().entry.unwrap().entry_id;
    let release = |reason: &str| v1::ReleaseFromQuarantineRequest {
        bank_id: "known".into(),
        entry_id: aside.clone(),
        reason: reason.into(),
        ..Default::default()
    };
    twice!(banks.release_from_quarantine("ReleaseFromQuarantine", release("a"), release("b")));
    let make = |id: &str| v1::CreateExchangeRequest {
        exchange_id: id.into(),
        exchange: Some(exchange_of("known")),
        ..Default::default()
    };
    twice!(exchanges.create_exchange("CreateExchange", make("peer"), make("other")));
    let rename = |name: &str| v1::UpdateExchangeRequest {
        exchange: Some(v1::Exchange {
            exchange_id: "peer".into(),
            display_name: name.into(),
            ..Default::default()
        }),
        update_mask: mask("display_name"),
        ..Default::default()
    };
    twice!(exchanges.update_exchange("UpdateExchange", rename("a"), rename("b")));
    let drop =
        |id: &str| v1::DeleteExchangeRequest { exchange_id: id.into(), ..Default::default() };
    twice!(exchanges.delete_exchange("DeleteExchange", drop("peer"), drop("other")));
    let real_environment = Environment::Production;
    let partner = [Role::ExchangePartner];
    let (credential_id, _) = service.key_for("operator", real_environment, &partner).await;
    let put = |purpose: &str| v1::PutPartnerRequest {
        partner: Some(v1::Partner {
            partner_id: "peer".into(),
            credential_id: credential_id.clone(),
            purpose: purpose.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    twice!(exchanges.put_partner("PutPartner", put("a"), put("b")));
    let remove = |id: &str| v1::RemoveEntryRequest {
        bank_id: "known".into(),
        entry_id: id.into(),
        ..Default::default()
    };
    twice!(banks.remove_entry("RemoveEntry", remove(&entry_id), remove("other")));
    let got = all.banks().get_bank(v1::GetBankRequest { bank_id: "known".into() }).await;
    assert_eq!(got.expect("there").into_inner().bank.unwrap().etag, etag, "entries are apart");
    let delete = |etag: &str| v1::DeleteBankRequest {
        bank_id: "known".into(),
        etag: etag.into(),
        confirm: "known".into(),
        ..Default::default()
    };
    twice!(banks.delete_bank("DeleteBank", delete(&etag), delete("77")));

    let tenant = |id: &str| v1::CreateTenantRequest { tenant_id: id.into(), ..Default::default() };
    twice!(admin.create_tenant("CreateTenant", tenant("acme"), tenant("other")));
    let rename = |name: &str| v1::UpdateTenantRequest {
        tenant: Some(v1::Tenant {
            tenant_id: "acme".into(),
            display_name: name.into(),
            ..Default::default()
        }),
        update_mask: mask("display_name"),
        ..Default::default()
    };
    twice!(admin.update_tenant("UpdateTenant", rename("a"), rename("b")));
    let certificate = |byte: u8| v1::CreateCredentialRequest {
        credential: Some(v1::Credential {
            tenant_id: "acme".into(),
            environment: real,
            roles: vec![Role::Screener.into()],
            // A key is shown once only, which is told elsewhere.
            proof: Some(v1::credential::Proof::CertificateSha256(vec![byte; 32].into())),
            ..Default::default()
        }),
        ..Default::default()
    };
    let made = twice!(admin.create_credential("CreateCredential", certificate(1), certificate(2)));
    let credential_id = made.credential.unwrap().credential_id;
    let rename = |name: &str| v1::UpdateCredentialRequest {
        credential: Some(v1::Credential {
            credential_id: credential_id.clone(),
            display_name: name.into(),
            ..Default::default()
        }),
        update_mask: mask("display_name"),
        ..Default::default()
    };
    twice!(admin.update_credential("UpdateCredential", rename("a"), rename("b")));
    let end =
        |id: &str| v1::RevokeCredentialRequest { credential_id: id.into(), ..Default::default() };
    twice!(admin.revoke_credential("RevokeCredential", end(&credential_id), end("other")));
    let surface = |id: &str| v1::CreateSurfaceRequest {
        surface_id: id.into(),
        surface: Some(v1::Surface {
            environment: real,
            kind: v1::SurfaceKind::Upload.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    twice!(admin.create_surface("CreateSurface", surface("place"), surface("other")));
    let rename = |name: &str| v1::UpdateSurfaceRequest {
        surface: Some(v1::Surface {
            surface_id: "place".into(),
            environment: real,
            display_name: name.into(),
            ..Default::default()
        }),
        update_mask: mask("display_name"),
        ..Default::default()
    };
    twice!(admin.update_surface("UpdateSurface", rename("a"), rename("b")));
    let close = |id: &str| v1::RevokeSurfaceRequest {
        environment: real,
        surface_id: id.into(),
        ..Default::default()
    };
    twice!(admin.revoke_surface("RevokeSurface", close("place"), close("other")));
    let end = |id: &str| v1::RevokeTenantRequest { tenant_id: id.into(), ..Default::default() };
    twice!(admin.revoke_tenant("RevokeTenant", end("acme"), end("other")));
    let outcome = |kind: v1::OutcomeKind| v1::RecordOutcomeRequest {
        verdict_id: "v".into(),
        kind: kind.into(),
        ..Default::default()
    };
    let (held, blocked) = (v1::OutcomeKind::Held, v1::OutcomeKind::Blocked);
    twice!(screening.record_outcome("RecordOutcome", outcome(held), outcome(blocked)));

    let _guarded = crate::live::Guarded::start(&all, "show").await;
    let cut = |reason: &str| v1::InterruptStreamRequest {
        stream_id: "show".into(),
        reason: reason.into(),
        ..Default::default()
    };
    twice!(live.interrupt_stream("InterruptStream", cut("a"), cut("b")));

    let keyed: BTreeSet<String> = messages()
        .into_iter()
        .filter(|message| message.get_field_by_name("request_id").is_some())
        .filter_map(|message| message.name().strip_suffix("Request").map(str::to_owned))
        .filter(|name| rpcs().iter().any(|rpc| rpc.name == *name))
        .collect();
    assert_eq!(tried, keyed, "a rpc with a request id was not tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sent_many_times_at_once_is_one_change() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let mut adding = entry("known", vec![md5("a")]);
    adding.request_id = "once".into();
    let calls: Vec<_> = (0..32)
        .map(|_| {
            let (mut banks, adding) = (curator.banks(), adding.clone());
            tokio::spawn(async move { banks.add_entry(adding).await.expect("added").into_inner() })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.expect("no panic"));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "one answer for all");
    let asked = v1::ScreenSignalsRequest {
        context: Some(v1::Context { request_id: "once".into(), ..context("i") }),
        signals: vec![md5("a")],
        ..Default::default()
    };
    let calls: Vec<_> = (0..32)
        .map(|_| {
            let (mut screening, asked) = (screener.screening(), asked.clone());
            tokio::spawn(async move { screening.screen_signals(asked).await })
        })
        .collect();
    let (mut names, mut first) = (BTreeSet::new(), 0);
    for call in calls {
        let verdict = call.await.expect("no panic").expect("answered").into_inner();
        let verdict = verdict.verdict.unwrap();
        // Whoever is kept first may have come second, and says so: RECOMPUTED.
        first += u32::from(verdict.origin() != v1::Origin::Repeated);
        names.insert(verdict.verdict_id);
    }
    assert_eq!((names.len(), first), (1, 1), "one verdict, given for the first time once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_of_two_callers_of_one_tenant_or_of_two_rpcs_are_two_keys() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let mut adding = entry("known", vec![md5("a")]);
    adding.request_id = "k".into();
    let number = curator.banks().add_entry(adding).await.expect("added").into_inner();
    let mut making = bank("other");
    making.request_id = "k".into();
    let made = curator.banks().create_bank(making).await.expect("another rpc, another key");
    assert!(made.into_inner().journal_number > number.journal_number);
    let asked = v1::ScreenSignalsRequest {
        context: Some(v1::Context { request_id: "k".into(), ..context("i") }),
        signals: vec![md5("a")],
        ..Default::default()
    };
    screener.screening().screen_signals(asked).await.expect("another rpc, another key");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_repeated_under_its_key_gets_the_first_verdict_after_a_restart_too() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(entry_of("known", png(1))).await.expect("added");
    let place = || v1::Context { request_id: "u".into(), ..context("i") };
    let content = png(1);
    let run = |caller: Caller, content: Vec<u8>| async move {
        let chunks: Vec<&[u8]> = content.chunks(64 << 10).collect();
        let steps = crate::streams::upload(place(), &chunks);
        let answer = caller.screening().screen_upload(tokio_stream::iter(steps)).await?;
        let mut answer = answer.into_inner();
        let mut last = None;
        while let Some(said) = answer.message().await? {
            if let Some(v1::screen_upload_response::Step::Verdict(verdict)) = said.step {
                last = Some(verdict);
            }
        }
        Ok::<_, tonic::Status>(last.expect("a verdict comes last"))
    };
    let first = run(screener.clone(), content.clone()).await.expect("answered");
    let again = run(screener.clone(), content.clone()).await.expect("answered");
    assert_eq!((&again.verdict_id, again.origin()), (&first.verdict_id, v1::Origin::Repeated));
    let reused = refused(run(screener, png(2)).await);
    assert_eq!(reused, (Code::FailedPrecondition, "REQUEST_ID_REUSED".into()));
    let service = service.restart().await;
    let screener = service.staff().await.1;
    let again = run(screener, content).await.expect("answered");
    assert_eq!((&again.verdict_id, again.origin()), (&first.verdict_id, v1::Origin::Repeated));
}

fn check(key: &str, digit: &str) -> v1::ScreenSignalsRequest {
    v1::ScreenSignalsRequest {
        context: Some(v1::Context { request_id: key.into(), ..context("i") }),
        signals: vec![md5(digit)],
        ..Default::default()
    }
}

async fn checked(screener: &Caller, request: v1::ScreenSignalsRequest) -> v1::Verdict {
    let answer = screener.screening().screen_signals(request).await.expect("answered");
    answer.into_inner().verdict.expect("a verdict")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_repeated_while_the_store_is_away_and_after_it_gets_one_verdict() {
    let short = Duration::from_millis(200);
    let service = Service::start_with(|settings| settings.store.keep_wait_max = short).await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    for digit in ["a", "b"] {
        curator.banks().add_entry(entry("known", vec![md5(digit)])).await.expect("added");
    }
    let other = service.occupy().await;
    let first = checked(&screener, check("k", "a")).await;
    assert_eq!(first.disposition(), v1::Disposition::Block);
    assert_eq!((first.record(), first.origin()), (v1::Record::Pending, v1::Origin::Fresh));
    let again = checked(&screener, check("k", "a")).await;
    let (pending, repeated) = (v1::Record::Pending, v1::Origin::Repeated);
    assert_eq!((again.record(), again.origin()), (pending, repeated));
    assert_eq!(v1::Verdict { origin: first.origin, ..again }, first, "the very same verdict");
    let reused = refused(screener.screening().screen_signals(check("k", "b")).await);
    assert_eq!(reused, (Code::FailedPrecondition, "REQUEST_ID_REUSED".into()));
    drop(other);
    let back = checked(&screener, check("k", "a")).await;
    assert_eq!((&back.verdict_id, back.origin()), (&first.verdict_id, v1::Origin::Repeated));
    let service = service.restart().await;
    let screener = service.staff().await.1;
    let after = checked(&screener, check("k", "a")).await;
    assert_eq!((&after.verdict_id, after.origin()), (&first.verdict_id, v1::Origin::Repeated));
    assert_eq!(after.record(), v1::Record::Kept);
    assert!(after.receipt.is_some());
    let (_folder, store) = service.into_store().await;
    let journal = store.journal(1, 1000).await.expect("read");
    let is_verdict = |event: &Option<Event>| matches!(event, Some(Event::VerdictGiven { .. }));
    assert_eq!(journal.iter().filter(|recorded| is_verdict(&recorded.event)).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_that_nothing_has_room_for_is_counted_as_its_answer_says() {
    let service = Service::start_with(|settings| {
        settings.store.keep_wait_max = Duration::from_millis(200);
        settings.store.spool_bytes_max.0 = 1;
    });
    let service = service.await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let mut adding = entry("known", vec![md5("a")]);
    adding.state = v1::EntryState::Disputed.into();
    curator.banks().add_entry(adding).await.expect("added");
    let other = service.occupy().await;
    let held = checked(&screener, check("k", "a")).await;
    assert!(held.disposition() >= v1::Disposition::Hold, "{:?}", held.disposition());
    assert_eq!((held.record(), held.receipt), (v1::Record::Counted, None));
    drop(other);
    let (_folder, store) = service.into_store().await;
    let journal = store.journal(1, 1000).await.expect("read");
    let is_verdict = |event: &Option<Event>| matches!(event, Some(Event::VerdictGiven { .. }));
    assert!(!journal.iter().any(|recorded| is_verdict(&recorded.event)), "and nothing else");
    let counted: Vec<u64> = journal
        .into_iter()
        .filter_map(|recorded| match recorded.event {
            Some(Event::Counted { counts, .. }) => Some(counts),
            _ => None,
        })
        .flatten()
        .filter(|count| count.disposition != Disposition::Allow)
        .map(|count| count.count)
        .collect();
    assert_eq!(counted, [1]);
}

//! Advice over sockets: accounts, addresses, terms and tactics that give a person reason to look, and nothing more.

use crate::banks::import_steps;
use crate::partners::*;
use crate::service::*;
use bulwark::proto::v1;
use std::time::{Duration, Instant};
use tonic::{Code, Status};
use v1::{
    Assurance, Check, CheckState, Disposition, OutcomeKind, RecommendedAction, ReviewPriority,
    SignalType,
};

const ACCOUNT: &str = "6b2f9f0e5c1d4a7b8c3e2d1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b";

/// A surface on which only such signals are asked about.
async fn asking_surface(service: &Service) {
    let surface = v1::Surface {
        environment: v1::Environment::Test.into(),
        kind: v1::SurfaceKind::Link.into(),
        required_checks: vec![Check::AdviceMatch.into()],
        on_incomplete: v1::OnIncomplete::Block.into(),
        ..Default::default()
    };
    let request = v1::CreateSurfaceRequest {
        surface_id: "advice".into(),
        surface: Some(surface),
        ..Default::default()
    };
    service.admin().admin().create_surface(request).await.expect("made");
}

async fn ask(caller: &Caller, signals: Vec<v1::Signal>) -> v1::Verdict {
    let request = v1::ScreenSignalsRequest {
        context: Some(v1::Context {
            surface: v1::SurfaceKind::Link.into(),
            surface_id: "advice".into(),
            ..context("i")
        }),
        signals,
        media_kind: v1::MediaKind::Other.into(),
        ..Default::default()
    };
    let answer = caller.screening().screen_signals(request).await.expect("answered");
    answer.into_inner().verdict.expect("a verdict")
}

/// That a person should look, and nothing else.
fn is_a_look(verdict: &v1::Verdict) -> bool {
    verdict.disposition() == Disposition::Allow
        && verdict.assurance() == Assurance::Investigate
        && verdict.recommended_actions().collect::<Vec<_>>() == [RecommendedAction::EnqueueReview]
        && verdict.incomplete.is_none()
}

fn is_nothing(verdict: &v1::Verdict) -> bool {
    verdict.disposition() == Disposition::Allow
        && verdict.assurance() == Assurance::None
        && verdict.recommended_actions.is_empty()
        && verdict.review_priority() == ReviewPriority::Unspecified
}

/// Each kind of advice as it is listed, as it is asked about, and something else.
fn kinds() -> [(SignalType, &'static str, &'static str, &'static str); 4] {
    [
        (SignalType::Account, ACCOUNT, ACCOUNT, "00"),
        (SignalType::Url, "http://list.example/a/../b?c", "HTTPS://List.example:443/b?c#d", "b"),
        (SignalType::Term, "Blue  FROG", "blue frog", "green frog"),
        (SignalType::Tactic, "T7:Move-Platform", "t7:move-platform", "t8"),
    ]
}

fn other(kind: SignalType, text: &str) -> v1::Signal {
    match kind {
        SignalType::Account => signal(kind, text.repeat(32)),
        SignalType::Url => signal(kind, format!("http://list.example/{text}")),
        _ => signal(kind, text.into()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_advice_matches_is_for_a_person_to_look_at_before_and_after_a_restart() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    asking_surface(&service).await;
    let nothing_listed = ask(&screener, vec![signal(SignalType::Term, "frog".into())]).await;
    assert_eq!(nothing_listed.disposition(), Disposition::Block, "never ALLOW for want of a list");
    // A vetted bank: no digest of it would be held back.
    curator.banks().create_bank(bank("known")).await.expect("made");
    for (kind, listed, ..) in kinds() {
        let added = entry("known", vec![signal(kind, listed.into())]);
        curator.banks().add_entry(added).await.expect("added");
    }
    let check = async |caller: &Caller| {
        for (kind, _, asked, another) in kinds() {
            let found = ask(caller, vec![signal(kind, asked.into())]).await;
            assert!(is_a_look(&found), "{kind:?}: {found:?}");
            assert_eq!(found.review_priority(), ReviewPriority::Normal);
            assert_eq!(found.record(), v1::Record::Kept, "it is on record although it is ALLOW");
            let covered = found.coverage.iter().find(|row| row.check() == Check::AdviceMatch);
            assert_eq!(covered.expect("covered").state(), CheckState::Checked);
            assert!(is_nothing(&ask(caller, vec![other(kind, another)]).await), "{kind:?}");
        }
    };
    check(&screener).await;
    let service = service.restart().await;
    let (_, screener) = service.staff().await;
    check(&screener).await;

    // Neither does it make a digest beside it weaker, nor the digest it stronger.
    let (curator, screener) = service.staff().await;
    curator.banks().add_entry(entry("known", vec![md5("a")])).await.expect("added");
    let both = vec![md5("a"), signal(SignalType::Account, ACCOUNT.into())];
    let found = ask(&screener, both).await;
    assert_eq!(found.disposition(), Disposition::Block);
    let alone = ask(&screener, vec![signal(SignalType::Account, ACCOUNT.into())]).await;
    assert!(is_a_look(&alone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_name_is_refused_and_no_refusal_repeats_it() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let spelled = "someone@mail.example";
    for (kind, value) in [
        (SignalType::Account, spelled),
        (SignalType::Url, "mailto:someone@mail.example"),
        (SignalType::Tactic, spelled),
    ] {
        let added = entry("known", vec![signal(kind, value.into())]);
        let status: Status = curator.banks().add_entry(added).await.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument);
        let told = format!("{status:?}");
        assert!(!told.contains("someone"), "{told}");
        let asked = v1::ScreenSignalsRequest {
            context: Some(context("i")),
            signals: vec![signal(kind, value.into())],
            ..Default::default()
        };
        let status = screener.screening().screen_signals(asked).await.expect_err("refused");
        assert!(!format!("{status:?}").contains("someone"));
    }
    // A bank cannot be set to do more with advice than to ask for a look.
    let rule = v1::SignalRule {
        r#type: SignalType::Term.into(),
        bands: vec![v1::Band { distance_max: 0, disposition: Disposition::Hold.into() }],
        ..Default::default()
    };
    let mut strict = bank("strict");
    strict.bank.as_mut().unwrap().signal_rules = vec![rule];
    let named = bad_fields(curator.banks().create_bank(strict).await);
    assert_eq!(named, ["bank.signal_rules[0].bands[0].disposition"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_put_down_to_advice_before_a_person_has_looked() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    asking_surface(&service).await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let listed = entry("known", vec![signal(SignalType::Account, ACCOUNT.into())]);
    let listed = curator.banks().add_entry(listed).await.expect("added").into_inner();
    let found = ask(&screener, vec![signal(SignalType::Account, ACCOUNT.into())]).await;
    let outcome = |kind: OutcomeKind, acted_after_review| v1::RecordOutcomeRequest {
        verdict_id: found.verdict_id.clone(),
        kind: kind.into(),
        acted_after_review,
        ..Default::default()
    };
    let record = async |request| screener.screening().record_outcome(request).await;
    for kind in [OutcomeKind::Blocked, OutcomeKind::Held, OutcomeKind::Removed] {
        assert_eq!(bad_fields(record(outcome(kind, false)).await), ["acted_after_review"]);
        record(outcome(kind, true)).await.expect("recorded");
    }
    record(outcome(OutcomeKind::Published, false)).await.expect("recorded");
    // What people here say after they have looked moves the priority.
    let mut say = v1::RecordOpinionRequest {
        bank_id: "known".into(),
        entry_id: listed.entry.unwrap().entry_id,
        value: v1::OpinionValue::Positive.into(),
        ..Default::default()
    };
    curator.banks().record_opinion(say.clone()).await.expect("recorded");
    let again = ask(&screener, vec![signal(SignalType::Account, ACCOUNT.into())]).await;
    assert!(is_a_look(&again));
    assert_eq!(again.review_priority(), ReviewPriority::High);
    say.value = v1::OpinionValue::Negative.into();
    curator.banks().record_opinion(say).await.expect("recorded");
    let again = ask(&screener, vec![signal(SignalType::Account, ACCOUNT.into())]).await;
    assert_eq!(again.review_priority(), ReviewPriority::Low);
}

#[tokio::test(flavor = "multi_thread")]
async fn advice_comes_from_files_with_its_source_and_goes_when_the_source_withdraws_it() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    asking_surface(&service).await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let take = async |open: v1::ImportOpen, file: &str| {
        let steps = import_steps(open, file.as_bytes());
        let taken = curator.banks().import_entries(tokio_stream::iter(steps)).await;
        taken.expect("taken").into_inner()
    };
    let update = |more: &str| {
        format!(
            "{{\"data\":[{{\"type\":\"URI\",\"indicator\":\"http://list.example/x\",\"last_updated\":1600000000{more}}}]}}"
        )
    };
    let open = || v1::ImportOpen {
        bank_id: "known".into(),
        format: v1::ImportFormat::ThreatExchange.into(),
        source: "threats".into(),
        state: v1::EntryState::Active.into(),
        ..Default::default()
    };
    let said =
        ",\"descriptors\":[{\"id\":\"d\",\"owner\":{\"id\":\"1\"},\"status\":\"MALICIOUS\"}]";
    assert_eq!(take(open(), &update(said)).await.taken_count, 1);
    let address = || vec![signal(SignalType::Url, "list.example/x".into())];
    let found = ask(&screener, address()).await;
    assert!(is_a_look(&found) && found.review_priority() == ReviewPriority::Normal);
    assert_eq!(take(open(), &update(",\"should_delete\":true")).await.withdrawn_count, 1);
    assert_ne!(ask(&screener, address()).await.assurance(), Assurance::Investigate);

    let csv = v1::ImportOpen {
        bank_id: "known".into(),
        format: v1::ImportFormat::Csv.into(),
        columns: Some(v1::CsvColumns {
            value: "value".into(),
            signal_type: "type".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let rows = format!("type,value\nterm,\"Blue, FROG\"\naccount,{ACCOUNT}\naccount,someone\n");
    let answer = take(csv, &rows).await;
    assert_eq!((answer.taken_count, answer.refused_count), (2, 1));
    assert!(!answer.refusals[0].reason.contains("someone"));
    assert!(is_a_look(&ask(&screener, vec![signal(SignalType::Term, "blue, frog".into())]).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn advice_travels_between_services_and_of_an_account_nobodys_word_is_more_than_a_seed() {
    let (teller, learner) = pair(false).await;
    asking_surface(&learner.service).await;
    let (_, screener) = learner.service.staff().await;
    let add = async |id: &str, kind: SignalType, text: &str| {
        let added = v1::AddEntryRequest {
            entry_id: id.into(),
            ..entry("own", vec![signal(kind, text.into())])
        };
        teller.curator.banks().add_entry(added).await.expect("added");
    };
    for (id, (kind, listed, ..)) in ["account", "url", "term", "tactic"].iter().zip(kinds()) {
        add(id, kind, listed).await;
    }
    let becomes = async |kind: SignalType, text: &str, wanted: Assurance| {
        let began = Instant::now();
        loop {
            let found = ask(&screener, vec![signal(kind, text.into())]).await;
            if found.assurance() == wanted {
                return found;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{kind:?}: {found:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    for (kind, _, asked, _) in kinds() {
        let found = becomes(kind, asked, Assurance::Investigate).await;
        assert!(is_a_look(&found));
        let expected = match kind {
            SignalType::Account => ReviewPriority::Low,
            _ => ReviewPriority::Normal,
        };
        assert_eq!(found.review_priority(), expected, "{kind:?}");
    }
    let listed = v1::ListEntriesRequest { bank_id: "learned".into(), ..Default::default() };
    let listed = learner.curator.banks().list_entries(listed).await.unwrap().into_inner();
    let of = |record: &str| {
        let from = |entry: &&v1::BankEntry| {
            entry.provenance.as_ref().is_some_and(|from| from.source_record == record)
        };
        listed.entries.iter().find(from).expect("taken").provenance.clone().unwrap()
    };
    assert_eq!(of("account").exchange, "teller");
    assert_eq!(of("account").merged_opinion(), v1::MergedOpinion::Seed);
    assert_eq!(of("url").merged_opinion(), v1::MergedOpinion::Positive);
    let gone = v1::RemoveEntryRequest {
        bank_id: "own".into(),
        entry_id: "url".into(),
        ..Default::default()
    };
    teller.curator.banks().remove_entry(gone).await.expect("removed");
    let (_, _, asked, _) = kinds()[1];
    becomes(SignalType::Url, asked, Assurance::None).await;
}

/// Every file below a folder.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let inside = std::fs::read_dir(folder).expect("a folder").map(|one| one.expect("read").path());
    inside.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_advice_stands_in_any_file_that_the_service_keeps() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    asking_surface(&service).await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    for (kind, listed, asked, _) in kinds() {
        let added = entry("known", vec![signal(kind, listed.into())]);
        curator.banks().add_entry(added).await.expect("added");
        assert!(is_a_look(&ask(&screener, vec![signal(kind, asked.into())]).await));
    }
    let (folder, store) = service.into_store().await;
    drop(store);
    let account = hex::decode(ACCOUNT).expect("digits");
    let values = [
        ACCOUNT.as_bytes(),
        &account,
        b"blue frog",
        b"list.example",
        b"t7:move-platform",
        b"T7:Move",
    ];
    let mut seen = Vec::new();
    for path in files(folder.path()) {
        // The database tidies up after itself.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        seen.extend(path.file_name().map(std::ffi::OsStr::to_owned));
        for value in values {
            let stands = bytes.windows(value.len()).any(|some| some == value);
            assert!(!stands, "a value in {}", path.display());
        }
    }
    assert!(seen.iter().any(|name| name == "bulwark.db"), "{seen:?}");
}

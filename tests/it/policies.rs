//! What banks and surfaces are set to decides the verdict, over a socket.

use crate::service::*;
use bulwark::io::clock::Clock;
use bulwark::proto::v1;
use bulwark::server::whole::existing_keys;
use std::time::Duration;
use tonic::{Code, Status};
use v1::{Check, CheckState, Disposition, Environment, Role, SignalType};

async fn ask(
    caller: &Caller,
    context: v1::Context,
    signals: Vec<v1::Signal>,
    kind: v1::MediaKind,
) -> Result<v1::Verdict, Status> {
    let request = v1::ScreenSignalsRequest {
        context: Some(context),
        signals,
        media_kind: kind.into(),
        ..Default::default()
    };
    let answer = caller.screening().screen_signals(request).await?;
    Ok(answer.into_inner().verdict.expect("a verdict"))
}

/// The verdict about a file of this digest.
async fn of_digest(caller: &Caller, item: &str, digit: &str) -> v1::Verdict {
    let verdict = ask(caller, context(item), vec![md5(digit)], v1::MediaKind::Other).await;
    verdict.expect("answered")
}

fn states(verdict: &v1::Verdict, check: Check) -> Vec<CheckState> {
    let rows = verdict.coverage.iter().filter(|row| row.check() == check);
    rows.map(v1::CheckCoverage::state).collect()
}

fn matches(findings: &[v1::Finding]) -> Vec<&v1::Match> {
    findings
        .iter()
        .map(|finding| match &finding.kind {
            Some(v1::finding::Kind::Match(found)) => found,
            other => panic!("no match: {other:?}"),
        })
        .collect()
}

async fn make_surface(service: &Service, id: &str, change: impl FnOnce(&mut v1::Surface)) {
    let mut surface = v1::Surface {
        environment: Environment::Test.into(),
        kind: v1::SurfaceKind::Upload.into(),
        ..Default::default()
    };
    change(&mut surface);
    let request = v1::CreateSurfaceRequest {
        surface_id: id.into(),
        surface: Some(surface),
        ..Default::default()
    };
    service.admin().admin().create_surface(request).await.expect("made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_surface_that_asks_a_legal_basis_has_nothing_examined_without_one() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(entry("known", vec![md5("a")])).await.expect("added");
    make_surface(&service, "letters", |surface| surface.legal_basis_required = true).await;
    let at = |visibility: v1::Visibility, basis: &str| v1::Context {
        surface_id: "letters".into(),
        visibility: visibility.into(),
        legal_basis: basis.into(),
        ..context("i")
    };
    use v1::Visibility::{EndToEndEncrypted, Private, Public};
    for visibility in [Private, EndToEndEncrypted] {
        let verdict =
            ask(&screener, at(visibility, ""), vec![md5("a")], v1::MediaKind::Other).await;
        let verdict = verdict.expect("answered, and not refused");
        assert_eq!(verdict.disposition(), Disposition::Hold, "{visibility:?}");
        assert!(verdict.findings.is_empty() && verdict.shadow_findings.is_empty());
        for check in [Check::ExactMatch, Check::ImageMatch, Check::VideoMatch] {
            assert_eq!(states(&verdict, check), [CheckState::NoLegalBasis]);
        }
        assert_eq!(verdict.incomplete(), v1::OnIncomplete::Hold);
    }
    for context in [at(Private, "a law"), at(Public, "")] {
        let verdict = ask(&screener, context, vec![md5("a")], v1::MediaKind::Other).await;
        assert_eq!(verdict.expect("answered").disposition(), Disposition::Block);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_older_than_it_allows_clears_nothing_and_still_finds() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let mut short = bank("known");
    let limit = prost_types::Duration { seconds: 1, nanos: 500_000_000 };
    short.bank.as_mut().unwrap().freshness_limit = Some(limit);
    curator.banks().create_bank(short).await.expect("made");
    curator.banks().add_entry(entry("known", vec![md5("a")])).await.expect("added");
    assert_eq!(of_digest(&screener, "i", "b").await.disposition(), Disposition::Allow);
    tokio::time::sleep(Duration::from_millis(1600)).await;
    let stale = of_digest(&screener, "i", "b").await;
    assert_eq!(stale.disposition(), Disposition::Hold);
    assert_eq!(states(&stale, Check::ExactMatch), [CheckState::IndexStale]);
    let age = stale.versions.as_ref().unwrap().banks[0].age.unwrap();
    assert!(age.seconds >= 1, "{age:?}");
    assert_eq!(of_digest(&screener, "i", "a").await.disposition(), Disposition::Block);
    let status = curator.banks().get_index_status(v1::GetIndexStatusRequest {}).await.unwrap();
    assert!(status.into_inner().banks[0].stale);
    curator.banks().add_entry(entry("known", vec![md5("c")])).await.expect("added");
    let fresh = of_digest(&screener, "i", "b").await;
    assert_eq!(fresh.disposition(), Disposition::Allow, "a change makes it fresh again");
}

/// A PDQ value with its first `bits` bits set.
fn pdq(bits: usize) -> v1::Signal {
    let mut bytes = [0_u8; 32];
    for bit in 0..bits {
        bytes[bit / 8] |= 0x80 >> (bit % 8);
    }
    v1::Signal { quality: Some(100), ..signal(SignalType::Pdq, hex::encode(bytes)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bands_of_each_bank_say_what_a_distance_means() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let band = |distance_max, disposition: Disposition| v1::Band {
        distance_max,
        disposition: disposition.into(),
    };
    for (name, bands) in [
        ("near", vec![band(4, Disposition::Block), band(8, Disposition::Hold)]),
        ("wide", vec![band(20, Disposition::AllowWithFriction)]),
    ] {
        let mut request = bank(name);
        request.bank.as_mut().unwrap().signal_rules = vec![v1::SignalRule {
            r#type: SignalType::Pdq.into(),
            quality_min: 50,
            bands,
            ..Default::default()
        }];
        curator.banks().create_bank(request).await.expect("made");
        curator.banks().add_entry(entry(name, vec![pdq(0)])).await.expect("added");
    }
    make_surface(&service, "pictures", |surface| {
        surface.required_checks = vec![Check::ImageMatch.into()];
    })
    .await;
    let at = || v1::Context { surface_id: "pictures".into(), ..context("i") };
    let (block, hold) = (Disposition::Block, Disposition::Hold);
    let (friction, allow) = (Disposition::AllowWithFriction, Disposition::Allow);
    for (distance, disposition, banks) in [
        (0, block, &["near", "wide"][..]),
        (4, block, &["near", "wide"]),
        (5, hold, &["near", "wide"]),
        (8, hold, &["near", "wide"]),
        (9, friction, &["wide"]),
        (20, friction, &["wide"]),
        (21, allow, &[]),
    ] {
        let verdict = ask(&screener, at(), vec![pdq(distance)], v1::MediaKind::Image).await;
        let verdict = verdict.expect("answered");
        assert_eq!(verdict.disposition(), disposition, "{distance}");
        let found = matches(&verdict.findings);
        let mut names: Vec<_> = found.iter().map(|found| found.bank_id.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, banks, "{distance}");
        assert!(found.iter().all(|found| found.distance as usize == distance));
    }
    let poor = v1::Signal { quality: Some(49), ..pdq(0) };
    let verdict = ask(&screener, at(), vec![poor], v1::MediaKind::Image).await.expect("answered");
    assert_eq!(verdict.disposition(), Disposition::Hold, "too poor to clear");
    assert_eq!(states(&verdict, Check::ImageMatch), [CheckState::QualityTooLow]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_the_items_counts_and_each_item_stays_on_its_side() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let mut half = bank("half");
    half.bank.as_mut().unwrap().enabled_ratio = Some(0.5);
    curator.banks().create_bank(half).await.expect("made");
    curator.banks().add_entry(entry("half", vec![md5("a")])).await.expect("added");
    let mut counted = Vec::new();
    for place in 0..60 {
        let item = format!("item-{place}");
        let first = of_digest(&screener, &item, "a").await;
        let again = of_digest(&screener, &item, "a").await;
        assert_eq!(first.findings.len(), again.findings.len(), "{item} changed sides");
        assert_eq!(first.findings.len() + first.shadow_findings.len(), 1, "seen either way");
        counted.push(first.findings.len());
    }
    let sum: usize = counted.iter().sum();
    assert!((10..=50).contains(&sum), "{sum} of 60 counted at a share of one half");
    let service = service.restart().await;
    let screener = service.staff().await.1;
    for (place, before) in counted.iter().enumerate().take(20) {
        let after = of_digest(&screener, &format!("item-{place}"), "a").await;
        assert_eq!(after.findings.len(), *before, "a restart moves no item");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_that_cannot_be_compared_are_refused_by_name_and_opaque_ones_are_equal_or_not() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let mut request = bank("known");
    let rule = |kind: SignalType, custom: &str| v1::SignalRule {
        r#type: kind.into(),
        custom_type: custom.into(),
        bands: vec![v1::Band { distance_max: 0, disposition: Disposition::Block.into() }],
        ..Default::default()
    };
    request.bank.as_mut().unwrap().signal_rules =
        vec![rule(SignalType::Photodna, ""), rule(SignalType::Unspecified, "house-hash")];
    curator.banks().create_bank(request).await.expect("made");
    let custom = |bytes: &'static [u8]| v1::Signal {
        custom_type: "house-hash".into(),
        value: Some(v1::signal::Value::Binary(prost::bytes::Bytes::from_static(bytes))),
        ..Default::default()
    };
    let opaque = signal(SignalType::Photodna, "AAECAw==".into());
    for signals in [vec![custom(b"one")], vec![opaque.clone()]] {
        curator.banks().add_entry(entry("known", signals)).await.expect("added");
    }
    for (sent, found) in [
        (custom(b"one"), true),
        (custom(b"two"), false),
        (opaque, true),
        (signal(SignalType::Photodna, "AAECBA==".into()), false),
    ] {
        let verdict = ask(&screener, context("i"), vec![sent], v1::MediaKind::Other).await;
        assert_eq!(!verdict.expect("answered").findings.is_empty(), found);
    }
    let sent = signal(SignalType::TmkPdqf, "AAECAw==".into());
    let asked = ask(&screener, context("i"), vec![sent.clone()], v1::MediaKind::Video).await;
    assert_eq!(bad_fields(asked), ["signals[0].type"]);
    let added = curator.banks().add_entry(entry("known", vec![sent])).await;
    let named = bad_fields(added);
    assert!(named.iter().all(|field| field.ends_with("signals[0].type")), "{named:?}");
    let unknown = v1::Signal { r#type: 77, ..md5("a") };
    let asked = ask(&screener, context("i"), vec![unknown], v1::MediaKind::Other).await;
    assert_eq!(bad_fields(asked), ["signals[0].type"], "never skipped");
    let held = curator.banks().add_entry(entry("known", vec![md5("a")])).await;
    assert_eq!(refused(held).1, "FIELD_INVALID", "the bank has no rule for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_must_see_a_change_names_its_number() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    for digit in ["a", "b", "c"] {
        let added = curator.banks().add_entry(entry("known", vec![md5(digit)])).await.unwrap();
        let number = added.into_inner().journal_number;
        let place = v1::Context { min_index: number, ..context("i") };
        let verdict = ask(&screener, place, vec![md5(digit)], v1::MediaKind::Other).await;
        let verdict = verdict.expect("as far as that");
        assert_eq!(verdict.disposition(), Disposition::Block);
        assert!(verdict.versions.unwrap().index_number >= number);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_overruled_is_shown_to_those_who_may_see_it_and_to_no_other() {
    let service = Service::start().await;
    let (curator, auditor) = service.staff().await;
    let plain = service.with_roles("operator", Environment::Test, &[Role::Screener]).await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let mut good = bank("good");
    good.bank.as_mut().unwrap().role = v1::BankRole::Negative.into();
    curator.banks().create_bank(good).await.expect("made");
    // A digest that counts keeps the verdict on record; beside it, a look-alike that is overruled.
    curator.banks().add_entry(entry("known", vec![md5("a")])).await.expect("added");
    for name in ["known", "good"] {
        curator.banks().add_entry(entry(name, vec![pdq(0)])).await.expect("added");
    }
    let seen = |caller: Caller| async move {
        let verdict =
            ask(&caller, context("i"), vec![md5("a"), pdq(0)], v1::MediaKind::Image).await;
        verdict.expect("answered")
    };
    let told = seen(auditor.clone()).await;
    let overruled = matches(&told.shadow_findings)[0].suppressed_by.clone().expect("overruled");
    assert_eq!(overruled.bank_id, "good");
    assert!(!told.detail_withheld && !matches(&told.shadow_findings)[0].entry_id.is_empty());
    let less = seen(plain.clone()).await;
    assert_eq!(less.disposition(), told.disposition());
    assert!(less.detail_withheld && less.shadow_findings.is_empty());
    assert!(matches(&less.findings).iter().all(|found| found.entry_id.is_empty()));
    let again = v1::GetVerdictRequest { verdict_id: told.verdict_id };
    let got = plain.screening().get_verdict(again.clone()).await.expect("on record");
    let got = got.into_inner().verdict.unwrap();
    assert!(got.detail_withheld && got.shadow_findings.is_empty(), "nor by asking later");
    let got = auditor.screening().get_verdict(again).await.expect("on record").into_inner();
    assert_eq!(matches(&got.verdict.unwrap().shadow_findings).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmless_signal_overrules_its_own_value_and_nothing_else_that_was_seen() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let mut good = bank("good");
    good.bank.as_mut().unwrap().role = v1::BankRole::Negative.into();
    curator.banks().create_bank(good).await.expect("made");
    make_surface(&service, "pictures", |surface| {
        surface.required_checks = vec![Check::ImageMatch.into()];
    })
    .await;
    let at = || v1::Context { surface_id: "pictures".into(), ..context("i") };
    // Two looks of one film: the listed one, and one that is known to be harmless.
    curator.banks().add_entry(entry("known", vec![pdq(0)])).await.expect("added");
    curator.banks().add_entry(entry("good", vec![pdq(200)])).await.expect("added");
    let when = |signal: v1::Signal, seconds: Option<i64>| v1::Signal {
        offset: seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
        ..signal
    };
    let (none, one, two) = (None, Some(1), Some(2));
    for (listed, harmless, disposition) in [
        (one, two, Disposition::Block),
        (none, none, Disposition::Block),
        (none, one, Disposition::Block),
        (one, one, Disposition::Block),
    ] {
        let signals = vec![when(pdq(0), listed), when(pdq(200), harmless)];
        let verdict = ask(&screener, at(), signals, v1::MediaKind::Image).await.expect("answered");
        assert_eq!(verdict.disposition(), disposition, "{listed:?} {harmless:?}");
    }
    curator.banks().add_entry(entry("good", vec![pdq(0)])).await.expect("added");
    let verdict = ask(&screener, at(), vec![pdq(0)], v1::MediaKind::Image).await;
    assert_eq!(verdict.expect("answered").disposition(), Disposition::Allow);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_picture_inside_a_tar_inside_a_zip_is_found_with_its_place() {
    use std::io::Write as _;
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(entry_of("known", png(1))).await.expect("added");
    let mut inner = tar::Builder::new(Vec::new());
    for (name, bytes) in [("a.png", png(2)), ("b.png", png(1))] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        inner.append_data(&mut header, name, &bytes[..]).expect("written");
    }
    let inner = inner.into_inner().expect("written");
    let mut outer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in [("first.png", png(3)), ("inner.tar", inner.clone())] {
        outer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        outer.write_all(&bytes).unwrap();
    }
    let outer = outer.finish().unwrap().into_inner();
    for (content, place) in [(inner, "1"), (outer, "1/1")] {
        let answer = screener.screening().screen_media(media("z", content)).await;
        let verdict = answer.expect("answered").into_inner().verdict.unwrap();
        assert_eq!(verdict.disposition(), Disposition::Block);
        let found = matches(&verdict.findings);
        assert!(found.iter().all(|found| found.part == place), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_with_its_time_and_an_end_in_the_past_is_refused() {
    let service = Service::start().await;
    let mut admin = service.admin().admin();
    let now = std::time::SystemTime::now();
    let wanted = |end: std::time::SystemTime| v1::CreateCredentialRequest {
        credential: Some(v1::Credential {
            tenant_id: "operator".into(),
            environment: Environment::Test.into(),
            roles: vec![Role::BankManager.into()],
            proof: Some(v1::credential::Proof::Key(v1::ApiKey {})),
            expire_time: Some(end.into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let past = admin.create_credential(wanted(now - Duration::from_secs(1))).await;
    assert_eq!(bad_fields(past), ["credential.expire_time"]);
    let made = admin.create_credential(wanted(now + Duration::from_millis(1500))).await;
    let curator = service.caller(&made.expect("made").into_inner().key);
    let list = || v1::ListBanksRequest::default();
    assert!(curator.banks().list_banks(list()).await.is_ok());
    tokio::time::sleep(Duration::from_millis(1600)).await;
    let ended = refused(curator.banks().list_banks(list()).await);
    assert_eq!(ended, (Code::Unauthenticated, "CREDENTIAL_INVALID".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_under_a_receipt_is_signed_by_the_ring_of_the_service() {
    use base64::Engine as _;
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(entry("known", vec![md5("a")])).await.expect("added");
    let verdict = of_digest(&screener, "i", "a").await;
    let note = verdict.receipt.expect("a receipt").checkpoint;
    let ring = existing_keys(&service.folder.path().join("data"), &Clock::system()).expect("keys");
    let keys = ring.verifier_keys();
    // By hand, as somebody would who has only the key's text: name+id+base64(1 ‖ key).
    // Neither name nor id has a plus sign; the key's base64 may.
    let parts: Vec<&str> = keys[0].splitn(3, '+').collect();
    let [name, id, key] = parts[..] else { panic!("a verifier key") };
    let standard = base64::engine::general_purpose::STANDARD;
    let key = standard.decode(key).expect("base64");
    assert_eq!((key[0], key.len()), (1, 33), "an Ed25519 key");
    let (body, line) = note.split_once("\n\n").expect("a signed note");
    let line = line.strip_prefix("— ").expect("a signature").trim_end();
    let (signer, signature) = line.split_once(' ').expect("a signature");
    let signature = standard.decode(signature).expect("base64");
    assert_eq!((signer, hex::encode(&signature[..4]).as_str()), (name, id));
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    let key = UnparsedPublicKey::new(&ED25519, &key[1..]);
    let body = format!("{body}\n");
    assert!(key.verify(body.as_bytes(), &signature[4..]).is_ok());
    let other = body.replacen('\n', "\n1", 1);
    assert!(key.verify(other.as_bytes(), &signature[4..]).is_err());
}

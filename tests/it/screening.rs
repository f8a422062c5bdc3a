//! Every way of screening, over a socket, with real workers.

use crate::service::*;
use bulwark::core::journal::checkpoint::Checkpoint;
use bulwark::core::journal::merkle::leaf_hash;
use bulwark::core::journal::proof::verify_inclusion;
use bulwark::proto::v1;
use image::ImageFormat;
use tokio_stream::StreamExt as _;
use tonic::Code;
use v1::{CheckState, Disposition};

fn state(verdict: &v1::Verdict, check: v1::Check) -> CheckState {
    let rows = verdict.coverage.iter().filter(|row| row.check() == check);
    rows.map(v1::CheckCoverage::state).next().expect("a row")
}

fn first_match(verdict: &v1::Verdict) -> &v1::Match {
    match verdict.findings.first().and_then(|finding| finding.kind.as_ref()) {
        Some(v1::finding::Kind::Match(found)) => found,
        other => panic!("no match: {other:?}"),
    }
}

async fn screened(caller: &Caller, item: &str, content: Vec<u8>) -> v1::Verdict {
    let answer = caller.screening().screen_media(media(item, content)).await.expect("answered");
    answer.into_inner().verdict.expect("a verdict")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_picture_is_found_in_every_dress_and_an_unlisted_one_is_allowed() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let before = screened(&screener, "i0", png(1)).await;
    assert_eq!(before.disposition(), Disposition::Hold, "without a bank nothing is cleared");
    assert_eq!(state(&before, v1::Check::ImageMatch), CheckState::SourceUnavailable);
    curator.banks().create_bank(bank("known")).await.expect("made");
    let added = curator.banks().add_entry(entry_of("known", png(1))).await.expect("added");
    let number = added.into_inner().journal_number;

    let exact = screened(&screener, "i1", png(1)).await;
    assert_eq!(exact.disposition(), Disposition::Block);
    assert_eq!(exact.assurance(), v1::Assurance::VerifiedKnown);
    assert!(exact.recommended_actions().any(|a| a == v1::RecommendedAction::ReportDue));
    assert!(exact.versions.as_ref().expect("versions").index_number >= number);
    assert_eq!(exact.item_id, "i1");

    let base = picture(1);
    let boxed = bulwark::cli::draw::letterboxed(&base);
    let (width, height) = (base.width() * 5 / 8, base.height() * 5 / 8);
    let small =
        image::imageops::resize(&base, width, height, image::imageops::FilterType::Triangle);
    let as_gif = screened(&screener, "as GIF", encoded(&base, ImageFormat::Gif)).await;
    assert!(first_match(&as_gif).distance <= 31);
    for (dress, changed) in [
        ("resized", small),
        ("turned", image::imageops::rotate90(&base)),
        ("turned over", image::imageops::rotate180(&base)),
        ("mirrored", image::imageops::flip_horizontal(&base)),
        ("letterboxed", boxed),
    ] {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let verdict = screened(&screener, dress, encoded(&changed, format)).await;
            assert!(verdict.disposition() >= Disposition::Hold, "{dress} {format:?}");
            let found = first_match(&verdict);
            assert!(found.distance <= 31, "{dress} {format:?} {}", found.distance);
            assert_eq!(found.bank_id, "known");
        }
    }
    let other = screened(&screener, "i2", png(2)).await;
    assert_eq!(other.disposition(), Disposition::Allow);
    assert_eq!(other.record(), v1::Record::Counted);
    assert!(other.incomplete.is_none() && other.findings.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_on_record_is_given_again_with_a_receipt_that_proves_it() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(entry("known", vec![md5("a")])).await.expect("added");
    let mut request = v1::ScreenSignalsRequest {
        context: Some(v1::Context { request_id: "r1".into(), ..context("i1") }),
        signals: vec![md5("a")],
        media_kind: v1::MediaKind::Image.into(),
        ..v1::ScreenSignalsRequest::default()
    };
    let ask = |request: v1::ScreenSignalsRequest| async {
        screener.screening().screen_signals(request).await.map(|a| a.into_inner().verdict.unwrap())
    };
    let first = ask(request.clone()).await.expect("answered");
    assert_eq!((first.disposition(), first.record()), (Disposition::Block, v1::Record::Kept));
    let again = ask(request.clone()).await.expect("answered");
    assert_eq!(again.origin(), v1::Origin::Repeated);
    assert_eq!((&again.verdict_id, &again.receipt), (&first.verdict_id, &first.receipt));
    request.signals = vec![md5("b")];
    let reused = refused(ask(request).await);
    assert_eq!(reused, (Code::FailedPrecondition, "REQUEST_ID_REUSED".into()));

    let receipt = first.receipt.clone().expect("a receipt");
    let hashes: Vec<[u8; 32]> =
        receipt.proof_hashes.iter().map(|hash| hash[..].try_into().expect("32 bytes")).collect();
    let (head, _, signatures) = Checkpoint::read(&receipt.checkpoint).expect("a checkpoint");
    assert_eq!(signatures.len(), 1);
    assert_eq!(head.size, receipt.tree_size);
    let leaf = leaf_hash(&receipt.leaf);
    let index = receipt.number - 1;
    assert!(verify_inclusion(&leaf, index, head.size, &hashes, &head.root).is_ok());
    let mut other = receipt.leaf.to_vec();
    other[0] ^= 1;
    let leaf = leaf_hash(&other);
    assert!(verify_inclusion(&leaf, index, head.size, &hashes, &head.root).is_err());

    let get = |id: &str| {
        let request = v1::GetVerdictRequest { verdict_id: id.into() };
        let mut client = screener.screening();
        async move { client.get_verdict(request).await }
    };
    let got = get(&first.verdict_id).await.expect("found").into_inner().verdict.unwrap();
    assert_eq!((got.verdict_id, got.findings), (first.verdict_id.clone(), first.findings));
    assert_eq!(refused(get("none").await), (Code::NotFound, "NOT_FOUND".into()));

    let outcome = v1::RecordOutcomeRequest {
        verdict_id: first.verdict_id,
        kind: v1::OutcomeKind::Blocked.into(),
        views_before: Some(3),
        request_id: "o1".into(),
        ..v1::RecordOutcomeRequest::default()
    };
    let one = screener.screening().record_outcome(outcome.clone()).await.expect("recorded");
    let two = screener.screening().record_outcome(outcome).await.expect("recorded");
    assert_eq!(one.into_inner().journal_number, two.into_inner().journal_number);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_kept_nothing_is_computed_anew_and_says_so() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(entry_of("known", png(9))).await.expect("added");
    let ask = |digit: &str| v1::ScreenMediaRequest {
        context: Some(v1::Context { request_id: "r".into(), ..context("i") }),
        content: png(digit.parse().unwrap()).into(),
        ..v1::ScreenMediaRequest::default()
    };
    let mut client = screener.screening();
    let first = client.screen_media(ask("3")).await.expect("answered").into_inner();
    let again = client.screen_media(ask("3")).await.expect("answered").into_inner();
    let (first, again) = (first.verdict.unwrap(), again.verdict.unwrap());
    assert_eq!((first.disposition(), first.origin()), (Disposition::Allow, v1::Origin::Fresh));
    assert_eq!(again.origin(), v1::Origin::Recomputed);
    let reused = refused(client.screen_media(ask("4")).await);
    assert_eq!(reused.1, "REQUEST_ID_REUSED");
}

fn upload_steps(open: v1::ScreenUploadOpen, bytes: &[u8]) -> Vec<v1::ScreenUploadRequest> {
    use v1::screen_upload_request::Step;
    let say = |step| v1::ScreenUploadRequest { step: Some(step) };
    let chunks = bytes.chunks(64 * 1024).enumerate().map(|(place, data)| {
        let data = data.to_vec().into();
        say(Step::Chunk(v1::MediaChunk { number: place as u64 + 1, data }))
    });
    std::iter::once(say(Step::Open(open)))
        .chain(chunks)
        .chain(std::iter::once(say(Step::Finish(v1::MediaFinish {}))))
        .collect()
}

async fn uploaded(
    caller: &Caller,
    steps: Vec<v1::ScreenUploadRequest>,
) -> Result<Vec<v1::screen_upload_response::Step>, tonic::Status> {
    let stream = caller.screening().screen_upload(tokio_stream::iter(steps)).await?;
    let mut stream = stream.into_inner();
    let mut said = Vec::new();
    while let Some(answer) = stream.next().await {
        said.extend(answer?.step);
    }
    Ok(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_chunks_is_decided_whole_and_early_where_its_digest_is_certain() {
    use v1::screen_upload_response::Step;
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let large =
        image::imageops::resize(&picture(7), 1800, 1350, image::imageops::FilterType::Triangle);
    let content = encoded(&large, ImageFormat::Bmp);
    assert!(content.len() > 6 << 20);
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&content));
    let listed = entry("known", vec![signal(v1::SignalType::Sha256, digest)]);
    curator.banks().add_entry(listed).await.expect("added");
    curator.banks().add_entry(entry_of("known", png(9))).await.expect("added");
    let open = v1::ScreenUploadOpen {
        context: Some(context("i")),
        declared_size_bytes: Some(content.len() as u64),
        early_verdict_wanted: true,
        ..v1::ScreenUploadOpen::default()
    };
    let said = uploaded(&screener, upload_steps(open.clone(), &content)).await.expect("answered");
    assert!(matches!(&said[0], Step::Accepted(a) if a.upload_bytes_max >= 1 << 20));
    assert!(said.iter().any(|step| matches!(step, Step::Progress(_))));
    let early = said.iter().find_map(|step| match step {
        Step::EarlyVerdict(verdict) => Some(verdict.clone()),
        _ => None,
    });
    let early = early.expect("its digest is listed");
    assert_eq!((early.disposition(), early.record()), (Disposition::Block, v1::Record::Kept));
    let get = v1::GetVerdictRequest { verdict_id: early.verdict_id.clone() };
    screener.screening().get_verdict(get).await.expect("what was said is on record");
    let Some(Step::Verdict(last)) = said.last() else { panic!("a verdict comes last") };
    assert_eq!(last.disposition(), Disposition::Block);
    assert_eq!(state(last, v1::Check::ImageMatch), CheckState::Checked);

    let mut wrong = open.clone();
    wrong.declared_size_bytes = Some(5);
    let fields = bad_fields(uploaded(&screener, upload_steps(wrong, &content)).await);
    assert_eq!(fields, ["open.declared_size_bytes"]);
    let mut cut = upload_steps(open.clone(), &content);
    cut.pop();
    assert_eq!(refused(uploaded(&screener, cut).await).1, "STREAM_ORDER");
    let mut jumped = upload_steps(open.clone(), &content);
    jumped.remove(2);
    assert_eq!(refused(uploaded(&screener, jumped).await).1, "STREAM_ORDER");
    let mut huge = open;
    huge.declared_size_bytes = Some(1 << 40);
    let refusal = refused(uploaded(&screener, upload_steps(huge, b"x")).await);
    assert_eq!(refusal, (Code::OutOfRange, "UPLOAD_TOO_LARGE".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_of_an_item_can_be_screened_and_banked_as_they_are() {
    use v1::hash_media_response::Step;
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let content = png(5);
    let steps = upload_steps(v1::ScreenUploadOpen::default(), &content).into_iter().map(|sent| {
        use v1::hash_media_request::Step as To;
        use v1::screen_upload_request::Step as From;
        let step = match sent.step.expect("a step") {
            From::Open(_) => To::Open(v1::HashMediaOpen::default()),
            From::Chunk(chunk) => To::Chunk(chunk),
            From::Finish(finish) => To::Finish(finish),
        };
        v1::HashMediaRequest { step: Some(step) }
    });
    let steps: Vec<_> = steps.collect();
    let answer = screener.screening().hash_media(tokio_stream::iter(steps)).await.expect("begun");
    let mut answer = answer.into_inner();
    let mut parts = Vec::new();
    let mut finished = None;
    while let Some(said) = answer.next().await {
        match said.expect("answered").step {
            Some(Step::Part(part)) => parts.push(part),
            Some(Step::Finished(end)) => finished = Some(end),
            _ => {}
        }
    }
    let finished = finished.expect("finished");
    assert_eq!((parts.len(), finished.part_count), (1, 1));
    assert_eq!(parts[0].media_type, "image/png");
    let drawn = picture(5);
    let (width, height) = drawn.dimensions();
    let raster = bulwark::core::raster::Raster::new(width, height, drawn.into_raw());
    let raster = raster.expect("shaped");
    let hashed = bulwark::core::pdq::hash_turning(&raster.view()).upright();
    let canonical = &parts[0].pictures[0].signals[0];
    let text = hex::encode(hashed.hashes[0].to_bytes());
    assert_eq!(canonical.value, Some(v1::signal::Value::Text(text)));
    assert_eq!(canonical.quality, Some(hashed.quality));
    for (place, signal) in parts[0].pictures[0].signals.iter().enumerate() {
        let text = hex::encode(hashed.hashes[place].to_bytes());
        assert_eq!(signal.value, Some(v1::signal::Value::Text(text)), "symmetry {place}");
        assert_eq!(signal.dihedral, place as i32 + 1, "in the order of Dihedral");
    }
    assert_eq!(parts[0].pictures[0].signals.len(), 8);

    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(entry("known", vec![canonical.clone()])).await.expect("added");
    let turned = &parts[0].pictures[0].signals[5];
    for (sent, distance_max) in [(canonical, 0), (turned, 256)] {
        let request = v1::ScreenSignalsRequest {
            context: Some(context("i")),
            signals: vec![sent.clone()],
            media_kind: v1::MediaKind::Image.into(),
            ..v1::ScreenSignalsRequest::default()
        };
        let answer = screener.screening().screen_signals(request).await.expect("answered");
        let verdict = answer.into_inner().verdict.unwrap();
        if distance_max == 0 {
            assert_eq!(first_match(&verdict).distance, 0);
        }
        assert_eq!(state(&verdict, v1::Check::VideoMatch), CheckState::NotApplicable);
        let held = verdict.disposition() >= Disposition::Hold;
        assert!(held, "no digest was given, so nothing is cleared");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_answers_every_item_in_order_and_a_bad_item_beside_the_others() {
    use v1::screen_signals_batch_request::Step;
    use v1::screen_signals_batch_response::Step as Said;
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(entry("known", vec![md5("a")])).await.expect("added");
    let say = |step| v1::ScreenSignalsBatchRequest { step: Some(step) };
    let item = |place: usize| v1::SignalsItem {
        item_id: format!("i{place}"),
        signals: vec![match place {
            7 => md5("a"),
            8 => signal(v1::SignalType::Md5, "short".into()),
            9 => signal(v1::SignalType::TmkPdqf, "https://a.example".into()),
            _ => signal(v1::SignalType::Md5, format!("{place:032x}")),
        }],
        media_kind: v1::MediaKind::Other.into(),
    };
    let batch = |number| v1::SignalsBatch { number, items: (0..1024).map(item).collect() };
    let open = v1::ScreenSignalsBatchOpen {
        context: Some(v1::Context { request_id: "stream".into(), ..context("") }),
    };
    let steps =
        vec![say(Step::Open(open.clone())), say(Step::Batch(batch(1))), say(Step::Batch(batch(2)))];
    let run = |steps| async {
        let answer = screener.screening().screen_signals_batch(tokio_stream::iter(steps)).await?;
        let mut answer = answer.into_inner();
        let mut results: Vec<v1::BatchResult> = Vec::new();
        while let Some(said) = answer.next().await {
            if let Some(Said::Result(result)) = said?.step {
                results.push(result);
            }
        }
        Ok::<_, tonic::Status>(results)
    };
    let results = run(steps).await.expect("answered");
    for number in [1, 2] {
        let rows: Vec<_> = results.iter().filter(|r| r.number == number).collect();
        assert!(rows.last().unwrap().complete && !rows[0].complete);
        let items: Vec<_> = rows.iter().flat_map(|r| &r.items).collect();
        assert_eq!(items.len(), 1024);
        for (place, item) in items.iter().enumerate() {
            assert_eq!(item.item_id, format!("i{place}"));
            let expected = match place {
                7 => Disposition::Block,
                8 | 9 => Disposition::Hold,
                _ => Disposition::Allow,
            };
            assert_eq!(item.disposition(), expected, "{place}");
        }
        assert_eq!(items[8].faults[0].field, "signals[0].text");
        assert_eq!(items[9].faults[0].field, "signals[0].type");
        let verdict = items[7].verdict.as_ref().expect("more than a plain ALLOW");
        let origin = if number == 1 { v1::Origin::Fresh } else { v1::Origin::Repeated };
        assert_eq!(verdict.origin(), origin, "the stream's key and the item's name make one key");
    }
    let out_of_order = vec![say(Step::Open(open)), say(Step::Batch(batch(2)))];
    assert_eq!(refused(run(out_of_order).await).1, "STREAM_ORDER");
    let unopened = vec![say(Step::Batch(batch(1)))];
    assert_eq!(refused(run(unopened).await).1, "STREAM_ORDER");
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_are_weighed_by_the_surface_and_never_block_alone() {
    let service = Service::start().await;
    let screener = service.staff().await.1;
    let surface = v1::CreateSurfaceRequest {
        surface_id: "novel".into(),
        surface: Some(v1::Surface {
            environment: v1::Environment::Test.into(),
            kind: v1::SurfaceKind::Upload.into(),
            required_checks: vec![v1::Check::ExternalScore.into()],
            score_thresholds: vec![v1::ScoreThreshold {
                category: "novel".into(),
                score_min: 0.8,
                disposition: Disposition::Hold.into(),
            }],
            ..v1::Surface::default()
        }),
        request_id: String::new(),
    };
    service.admin().admin().create_surface(surface).await.expect("made");
    for (value, disposition) in [(0.79, Disposition::Allow), (0.8, Disposition::Hold)] {
        let request = v1::ReportExternalScoresRequest {
            context: Some(v1::Context { surface_id: "novel".into(), ..context("i") }),
            scores: vec![v1::ExternalScore {
                category: "novel".into(),
                value,
                detector: "drawn".into(),
                detector_version: "1".into(),
            }],
        };
        let answer = screener.screening().report_external_scores(request).await.expect("answered");
        let verdict = answer.into_inner().verdict.unwrap();
        assert_eq!(verdict.disposition(), disposition, "{value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_picture_inside_an_archive_is_found_with_its_place() {
    use std::io::Write as _;
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(entry_of("known", png(1))).await.expect("added");
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in [("a.png", png(2)), ("b.jpg", encoded(&picture(1), ImageFormat::Jpeg))] {
        archive.start_file(name, options).unwrap();
        archive.write_all(&bytes).unwrap();
    }
    let archive = archive.finish().unwrap().into_inner();
    let verdict = screened(&screener, "z", archive).await;
    assert!(verdict.disposition() >= Disposition::Hold);
    assert_eq!(first_match(&verdict).part, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screener_learns_what_to_do_and_not_what_is_listed() {
    let service = Service::start().await;
    let (curator, _) = service.staff().await;
    let plain = service.with_roles("operator", v1::Environment::Test, &[v1::Role::Screener]).await;
    curator.banks().create_bank(bank("secret-list")).await.expect("made");
    curator.banks().add_entry(entry_of("secret-list", png(1))).await.expect("added");
    let verdict = screened(&plain, "i", png(1)).await;
    assert_eq!(verdict.disposition(), Disposition::Block);
    assert!(verdict.detail_withheld && verdict.shadow_findings.is_empty());
    let found = first_match(&verdict);
    assert_eq!((found.bank_id.as_str(), found.entry_id.as_str()), ("", ""));
    assert!(found.provenance.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_cannot_be_answered_from_is_refused_by_reason() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let ask = |context: v1::Context| {
        let request = v1::ScreenSignalsRequest {
            context: Some(context),
            signals: vec![md5("a")],
            ..v1::ScreenSignalsRequest::default()
        };
        let mut client = screener.screening();
        async move { client.screen_signals(request).await }
    };
    let behind = v1::Context { min_index: 1 << 40, ..context("i") };
    assert_eq!(refused(ask(behind).await), (Code::Unavailable, "INDEX_BEHIND".into()));
    let missing = v1::Context { surface_id: "nowhere".into(), ..context("i") };
    assert_eq!(refused(ask(missing).await), (Code::NotFound, "NOT_FOUND".into()));
    let other_kind = v1::Context { surface_id: "live".into(), ..context("i") };
    assert_eq!(bad_fields(ask(other_kind).await), ["context.surface"]);
    let revoke = v1::RevokeSurfaceRequest {
        environment: v1::Environment::Test.into(),
        surface_id: "upload".into(),
        ..v1::RevokeSurfaceRequest::default()
    };
    service.admin().admin().revoke_surface(revoke).await.expect("revoked");
    let closed = refused(ask(context("i")).await);
    assert_eq!(closed, (Code::FailedPrecondition, "SURFACE_REVOKED".into()));

    let all_bad = v1::ScreenSignalsRequest {
        context: Some(v1::Context {
            visibility: 0,
            surface: 0,
            jurisdiction: "nowhere".into(),
            ..context("i")
        }),
        signals: vec![
            signal(v1::SignalType::Pdq, "ab".into()),
            signal(v1::SignalType::TmkPdqf, "word".into()),
            v1::Signal::default(),
        ],
        ..v1::ScreenSignalsRequest::default()
    };
    let fields = bad_fields(screener.screening().screen_signals(all_bad).await);
    assert_eq!(
        fields,
        [
            "context.surface",
            "context.visibility",
            "context.jurisdiction",
            "signals[0].text",
            "signals[1].type",
            "signals[2].type",
            "signals[2].value"
        ]
    );
}

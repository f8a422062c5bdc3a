//! Videos over a socket: a listed one is found in every copy, whole or in part, with the place; an unlisted one is allowed.

use crate::cluster::Cluster;
use crate::media::clips;
use crate::service::*;
use crate::shards::Fleet;
use bulwark::proto::v1;
use v1::{CheckState, Disposition, VideoLikeness};

/// Seconds that each picture is shown.
const SHOWN: u64 = 2;
/// Bits per picture that make a copy as sharp as most are.
const X264: &str = "-c:v libx264 -preset veryfast -crf 26 -pix_fmt yuv420p";

/// Pictures of the listed video and of what surrounds it.
struct Sizes {
    listed: std::ops::Range<u64>,
    before: std::ops::Range<u64>,
    after: std::ops::Range<u64>,
    unrelated: u64,
}

impl Sizes {
    /// A minute within ten, and twenty others; by default a third of a minute within one.
    fn of_this_run() -> Self {
        if std::env::var_os("BULWARK_LONG").is_some() {
            Self { listed: 100..130, before: 200..335, after: 400..535, unrelated: 20 }
        } else {
            Self { listed: 100..110, before: 200..212, after: 400..408, unrelated: 6 }
        }
    }
}

async fn screened(caller: &Caller, item: &str, content: Vec<u8>) -> v1::Verdict {
    let answer = caller.screening().screen_media(media(item, content)).await.expect("answered");
    answer.into_inner().verdict.expect("a verdict")
}

fn video_match(verdict: &v1::Verdict) -> &v1::Match {
    let found = verdict.findings.iter().find_map(|finding| match finding.kind.as_ref() {
        Some(v1::finding::Kind::Match(found)) if found.video.is_some() => Some(found),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no video: {verdict:?}"))
}

fn millis(offset: Option<&prost_types::Duration>) -> i64 {
    let offset = offset.expect("an offset");
    offset.seconds * 1000 + i64::from(offset.nanos) / 1_000_000
}

fn state(verdict: &v1::Verdict, check: v1::Check) -> CheckState {
    let rows = verdict.coverage.iter().filter(|row| row.check() == check);
    rows.map(v1::CheckCoverage::state).next().expect("a row")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_video_is_found_in_every_copy_and_in_part_with_its_place_and_no_other_is() {
    let sizes = Sizes::of_this_run();
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("videos")).await.expect("made");
    let listed: Vec<u64> = sizes.listed.clone().collect();
    let original = clips::scenes(&listed, SHOWN, X264, "listed.mp4");
    let length = (listed.len() as u64 * SHOWN * 1000) as i64;
    let added = curator.banks().add_entry(entry_of("videos", original.clone())).await;
    let entry = added.expect("added").into_inner().entry.expect("an entry");
    let frames =
        entry.signals.iter().filter(|one| one.r#type() == v1::SignalType::VpdqFrame).count();
    assert!(frames as i64 >= length / 1000 - 1, "{frames} frames");

    let exact = screened(&screener, "the same bytes", original).await;
    assert_eq!(exact.disposition(), Disposition::Block);
    assert_eq!(exact.assurance(), v1::Assurance::VerifiedKnown);

    // Every copy as a whole.
    let copies = [
        ("another codec", "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 600k", "copy.webm"),
        ("smaller", "-vf scale=160:120 -c:v mpeg4 -q:v 5", "copy.avi"),
        ("more pictures a second", "-r 25 -c:v libx264 -preset veryfast -crf 26", "copy.mkv"),
        ("fewer", "-r 7 -c:v libx264 -preset veryfast -crf 26", "copy.mov"),
        ("another container", X264, "copy.ts"),
        ("fewer bits", "-c:v libx264 -preset veryfast -b:v 400k -pix_fmt yuv420p", "fewer.mp4"),
        ("between bars", "-vf pad=iw:ih*3/2:0:(oh-ih)/2 -c:v libx264 -crf 26", "bars.mp4"),
        ("mirrored", "-vf hflip -c:v libx264 -preset veryfast -crf 26", "mirror.mp4"),
    ];
    for (copy, arguments, name) in copies {
        let verdict =
            screened(&screener, copy, clips::scenes(&listed, SHOWN, arguments, name)).await;
        assert_eq!(state(&verdict, v1::Check::VideoMatch), CheckState::Checked, "{copy}");
        assert_eq!(verdict.disposition(), Disposition::Block, "{copy}: {verdict:?}");
        let found = video_match(&verdict);
        let video = found.video.as_ref().expect("a video");
        assert_eq!(video.likeness(), VideoLikeness::Contained, "{copy}: {video:?}");
        assert!(video.compared_percent >= 80 && video.query_percent >= 80, "{copy}: {video:?}");
        let first = &video.segments[0];
        let ends = [&first.query_start_offset, &first.entry_start_offset];
        let ends = ends.map(|offset| millis(offset.as_ref()));
        assert!(ends[0].abs_diff(ends[1]) <= 1500, "{copy}: {first:?}");
        let last = millis(first.query_end_offset.as_ref());
        assert!(last - ends[0] >= length * 3 / 4, "{copy}: {first:?}");
        let turned =
            if copy == "mirrored" { v1::Dihedral::Mirrored } else { v1::Dihedral::Original };
        assert_eq!(found.dihedral(), turned, "{copy}");
        if copy == "between bars" {
            assert_eq!(found.form(), v1::Form::Trimmed);
        }
    }

    // Within much else.
    let (before, after) = (sizes.before.clone(), sizes.after.clone());
    let all: Vec<u64> = before.clone().chain(listed.iter().copied()).chain(after).collect();
    let padded = clips::scenes(&all, SHOWN, X264, "padded.mp4");
    let verdict = screened(&screener, "padded", padded).await;
    assert_eq!(verdict.disposition(), Disposition::Block);
    let video = video_match(&verdict).video.as_ref().expect("a video");
    assert_eq!(video.likeness(), VideoLikeness::Contained);
    assert!(video.query_percent < 50, "{video:?}");
    let first = &video.segments[0];
    let shift =
        millis(first.query_start_offset.as_ref()) - millis(first.entry_start_offset.as_ref());
    let truth = ((before.end - before.start) * SHOWN * 1000) as i64;
    assert!(shift.abs_diff(truth) <= 1500, "{shift} for {truth}");

    // Cut: six of its pictures.
    let cut = clips::scenes(&listed[3..9], SHOWN, X264, "cut.mp4");
    let verdict = screened(&screener, "cut", cut).await;
    assert_eq!(verdict.disposition(), Disposition::Block);
    let video = video_match(&verdict).video.as_ref().expect("a video");
    assert_eq!(video.likeness(), VideoLikeness::Part, "{video:?}");
    let first = &video.segments[0];
    let shift =
        millis(first.entry_start_offset.as_ref()) - millis(first.query_start_offset.as_ref());
    assert!(shift.abs_diff(3 * SHOWN as i64 * 1000) <= 1500, "{shift}");

    // Six of its pictures among as many others: neither is a large share, and they are seen all the same.
    let stretch: Vec<u64> =
        (600..606).chain(listed[2..8].iter().copied()).chain(606..612).collect();
    let verdict =
        screened(&screener, "a stretch", clips::scenes(&stretch, SHOWN, X264, "run.mp4")).await;
    let video = video_match(&verdict).video.as_ref().expect("a video");
    assert_eq!(verdict.disposition(), Disposition::Hold);
    assert_eq!(video.likeness(), VideoLikeness::Run, "{video:?}");

    for other in 0..sizes.unrelated {
        let pictures: Vec<u64> = (1_000 + other * 100..1_000 + other * 100 + 10).collect();
        let verdict =
            screened(&screener, "other", clips::scenes(&pictures, SHOWN, X264, "other.mp4")).await;
        assert_eq!(verdict.disposition(), Disposition::Allow, "{verdict:?}");
        assert!(verdict.findings.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_picture_is_found_in_a_video_and_a_frame_of_a_listed_video_as_a_picture() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    for (name, content) in [
        ("pictures", png(3)),
        ("videos", clips::scenes(&[20, 21, 22, 23, 24], SHOWN, X264, "listed.mp4")),
    ] {
        curator.banks().create_bank(bank(name)).await.expect("made");
        curator.banks().add_entry(entry_of(name, content)).await.expect("added");
    }
    let holds_picture = clips::scenes(&[30, 31, 32, 3, 33, 34], SHOWN, X264, "holds.mp4");
    let verdict = screened(&screener, "a video", holds_picture).await;
    assert!(verdict.disposition() >= Disposition::Hold);
    let Some(v1::finding::Kind::Match(found)) = &verdict.findings[0].kind else {
        panic!("a match")
    };
    assert_eq!((found.bank_id.as_str(), found.signal_type()), ("pictures", v1::SignalType::Pdq));
    let at = millis(found.offset.as_ref());
    assert!((5_000..=8_500).contains(&at), "{at}");

    let verdict = screened(&screener, "a frame", png(22)).await;
    assert_eq!(verdict.disposition(), Disposition::Hold, "one frame is a reason to look");
    let Some(v1::finding::Kind::Match(found)) = &verdict.findings[0].kind else {
        panic!("a match")
    };
    let of_video = ("videos", v1::SignalType::VpdqFrame);
    assert_eq!((found.bank_id.as_str(), found.signal_type()), of_video);

    // Who does not want that says so.
    let frames = v1::SignalRule {
        r#type: v1::SignalType::VpdqFrame.into(),
        quality_min: 50,
        bands: vec![v1::Band { distance_max: 31, disposition: Disposition::Hold.into() }],
        crosses_media: Some(false),
        ..v1::SignalRule::default()
    };
    let update = v1::UpdateBankRequest {
        bank: Some(v1::Bank {
            bank_id: "videos".into(),
            signal_rules: vec![frames],
            ..v1::Bank::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["signal_rules".into()] }),
        ..v1::UpdateBankRequest::default()
    };
    curator.banks().update_bank(update).await.expect("changed");
    let verdict = screened(&screener, "a frame", png(22)).await;
    assert_eq!(verdict.disposition(), Disposition::Allow, "{verdict:?}");
    let video = clips::scenes(&[20, 21, 22, 23, 24], SHOWN, X264, "again.mkv");
    let verdict = screened(&screener, "the video", video).await;
    assert_eq!(video_match(&verdict).bank_id, "videos", "as a whole it is still found");
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_of_a_video_that_a_caller_took_find_what_its_bytes_would() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("videos")).await.expect("made");
    let listed = clips::scenes(&[40, 41, 42, 43, 44, 45], SHOWN, X264, "listed.mp4");
    curator.banks().add_entry(entry_of("videos", listed.clone())).await.expect("added");
    let signals: Vec<v1::Signal> = hashed(&screener, &listed).await;
    assert!(signals.iter().all(|signal| signal.offset.is_some()));
    let ask = async |signals: Vec<v1::Signal>| {
        let request = v1::ScreenSignalsRequest {
            context: Some(context("i")),
            signals,
            media_kind: v1::MediaKind::Video.into(),
            ..v1::ScreenSignalsRequest::default()
        };
        let answer = screener.screening().screen_signals(request).await.expect("answered");
        answer.into_inner().verdict.expect("a verdict")
    };
    let verdict = ask(signals.clone()).await;
    let video = video_match(&verdict).video.clone().expect("a video");
    assert_eq!((video.likeness(), video.compared_percent), (VideoLikeness::Contained, 100));

    // One frame of it is not the video.
    let one: Vec<v1::Signal> = signals[..8].to_vec();
    let verdict = ask(one).await;
    assert!(verdict.findings.is_empty(), "{verdict:?}");

    // An entry made of these hashes is the same video.
    curator.banks().create_bank(bank("by-hash")).await.expect("made");
    let plain = |signal: &v1::Signal| {
        signal.form() == v1::Form::Canonical && signal.dihedral() == v1::Dihedral::Original
    };
    let plain: Vec<_> = signals.iter().filter(|signal| plain(signal)).cloned().collect();
    curator.banks().add_entry(entry("by-hash", plain)).await.expect("added");
    let verdict = screened(&screener, "bytes", listed).await;
    let of_both = |finding: &v1::Finding| match &finding.kind {
        Some(v1::finding::Kind::Match(found)) if found.video.is_some() => {
            Some(found.bank_id.clone())
        }
        _ => None,
    };
    let mut banks: Vec<String> = verdict.findings.iter().filter_map(of_both).collect();
    banks.sort();
    assert_eq!(banks, ["by-hash", "videos"]);
}

/// The verdicts of an upload that asks for an early one, in the order in which they came.
async fn uploaded(caller: &Caller, item: &str, content: &[u8]) -> Vec<(bool, v1::Verdict)> {
    use v1::screen_upload_response::Step;
    let chunks: Vec<&[u8]> = content.chunks(64 << 10).collect();
    let mut steps = crate::streams::upload(context(item), &chunks);
    if let Some(v1::screen_upload_request::Step::Open(open)) = &mut steps[0].step {
        open.early_verdict_wanted = true;
    }
    let sending = tokio_stream::iter(steps);
    let mut answer = caller.screening().screen_upload(sending).await.expect("begun").into_inner();
    let mut verdicts = Vec::new();
    while let Some(said) = answer.message().await.expect("no fault") {
        match said.step {
            Some(Step::EarlyVerdict(verdict)) => verdicts.push((true, verdict)),
            Some(Step::Verdict(verdict)) => verdicts.push((false, verdict)),
            _ => {}
        }
    }
    verdicts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_that_begins_with_a_listed_one_is_told_of_before_it_was_decoded_whole() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("videos")).await.expect("made");
    let listed: Vec<u64> = (80..84).collect();
    let clip = clips::scenes(&listed, SHOWN, X264, "listed.mp4");
    curator.banks().add_entry(entry_of("videos", clip)).await.expect("added");
    let rest: Vec<u64> = (400..430).collect();
    let padded = [&listed[..], &rest].concat();
    let verdicts =
        uploaded(&screener, "padded", &clips::scenes(&padded, SHOWN, X264, "p.mp4")).await;
    let [(true, early), (false, last)] = &verdicts[..] else { panic!("{verdicts:?}") };
    assert_eq!((early.disposition(), last.disposition()), (Disposition::Block, Disposition::Block));
    let shares = [early, last].map(|verdict| {
        let video = video_match(verdict).video.as_ref().expect("a video");
        assert_eq!(video.likeness(), VideoLikeness::Contained);
        video.query_percent
    });
    assert!(shares[0] > 2 * shares[1], "the early one saw a part: {shares:?}");
    assert_ne!(early.verdict_id, last.verdict_id);

    // A part of what is listed may be all that the item shows of it, or not: nothing is certain before the end.
    let part = [&listed[..2], &rest[..10]].concat();
    let verdicts = uploaded(&screener, "part", &clips::scenes(&part, SHOWN, X264, "q.mp4")).await;
    assert!(matches!(&verdicts[..], [(false, _)]), "{verdicts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn banks_go_by_the_published_readings_where_they_ask_for_them() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    let semantics = [
        ("reference", v1::VideoSemantics::VpdqReference),
        ("python", v1::VideoSemantics::VpdqPython),
    ];
    let listed: Vec<u64> = (50..56).collect();
    for (name, semantics) in semantics {
        let mut request = bank(name);
        request.bank.as_mut().expect("a bank").signal_rules.push(v1::SignalRule {
            r#type: v1::SignalType::VpdqFrame.into(),
            quality_min: 50,
            bands: vec![v1::Band { distance_max: 31, disposition: Disposition::Hold.into() }],
            video: Some(v1::VideoRule { semantics: semantics.into(), ..Default::default() }),
            crosses_media: Some(false),
            ..v1::SignalRule::default()
        });
        curator.banks().create_bank(request).await.expect("made");
        let clip = clips::scenes(&listed, SHOWN, X264, "listed.mp4");
        curator.banks().add_entry(entry_of(name, clip)).await.expect("added");
    }
    let banks = async |item: &str, pictures: &[u64]| {
        let clip = clips::scenes(pictures, SHOWN, X264, "copy.mkv");
        let verdict = screened(&screener, item, clip).await;
        let of_video = verdict.findings.into_iter().filter_map(|finding| match finding.kind {
            Some(v1::finding::Kind::Match(found)) if found.video.is_some() => Some(found.bank_id),
            _ => None,
        });
        let mut banks: Vec<String> = of_video.collect();
        banks.sort();
        banks
    };
    assert_eq!(banks("whole", &listed).await, ["python", "reference"]);
    // The one asks for the listed video's share alone, the other for the item's.
    let padded: Vec<u64> = listed.iter().copied().chain(60..66).collect();
    assert_eq!(banks("padded", &padded).await, ["reference"]);
    assert_eq!(banks("cut", &listed[..3]).await, ["python"]);
    assert!(banks("other", &[70, 71, 72]).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_video_that_another_shard_keeps_is_compared_as_a_whole() {
    let fleet = Fleet::start(Cluster::shared(), &["1/2", "2/2"], &[]).await;
    fleet.complete(1).await;
    let pictures = |number: u64| -> Vec<u64> { (number * 10..number * 10 + 5).collect() };
    let mut last = 0;
    for number in 0..4 {
        let clip = clips::scenes(&pictures(number), SHOWN, X264, "listed.mp4");
        let mut adding = entry_of("known", clip);
        adding.entry_id = format!("e{number}");
        let added = fleet.banks(0).add_entry(adding).await.expect("added").into_inner();
        last = added.journal_number;
    }
    let mut kept = Vec::new();
    for at in 0..2 {
        kept.push(fleet.detail(at).await.index.expect("told").entry_count);
    }
    assert!(kept.iter().all(|own| *own > 0), "{kept:?}");
    for number in 0..4 {
        let clip = clips::scenes(&pictures(number)[..4], SHOWN, X264, "copy.mkv");
        for at in 0..2 {
            let mut ask = media("copy", clip.clone());
            ask.context.as_mut().expect("a context").min_index = last;
            let answer = fleet.screening(at).screen_media(ask).await.expect("answered");
            let verdict = answer.into_inner().verdict.expect("a verdict");
            let found = video_match(&verdict);
            assert_eq!(found.entry_id, format!("e{number}"), "by {at}");
            let video = found.video.as_ref().expect("a video");
            assert_eq!(video.likeness(), VideoLikeness::Contained, "{number} by {at}: {video:?}");
            assert_eq!(verdict.disposition(), Disposition::Block, "{number} by {at}");
        }
    }
}

pub async fn hashed(caller: &Caller, content: &[u8]) -> Vec<v1::Signal> {
    use v1::hash_media_request::Step;
    use v1::hash_media_response::Step as Said;
    let mut steps = vec![Step::Open(v1::HashMediaOpen::default())];
    for (number, data) in (1..).zip(content.chunks(64 * 1024)) {
        steps.push(Step::Chunk(v1::MediaChunk { number, data: data.to_vec().into() }));
    }
    steps.push(Step::Finish(v1::MediaFinish {}));
    let steps = steps.into_iter().map(|step| v1::HashMediaRequest { step: Some(step) });
    let sending = tokio_stream::iter(steps.collect::<Vec<_>>());
    let mut answers = caller.screening().hash_media(sending).await.expect("begun").into_inner();
    let mut signals = Vec::new();
    while let Some(answer) = answers.message().await.expect("said") {
        if let Some(Said::Part(part)) = answer.step {
            signals.extend(part.pictures.into_iter().flat_map(|picture| picture.signals));
        }
    }
    signals
}

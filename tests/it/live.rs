//! Live streams as callers meet them: what is listed is cut, what is not plays, and whatever cannot be examined is never
//! taken for clean.

use crate::descriptor::without_each_required;
use crate::media::clips;
use crate::service::*;
use crate::videos::hashed;
use bulwark::core::raster::{Raster, Rows as _};
use bulwark::io::clock::Clock;
use bulwark::io::evidence::Evidence;
use bulwark::proto::v1;
use bulwark::server::whole::existing_keys;
use image::ImageFormat;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use v1::guard_stream_request::Step as Say;
use v1::guard_stream_response::Step as Said;
use v1::stream_directive::Directive;
use v1::{Environment, Role, StreamCause, StreamStanding};

/// Longest wait for what should come within a second, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A screener, and a person who reviews.
pub struct Staff {
    pub screener: Caller,
    pub reviewer: Caller,
}

/// Both, beside a bank that lists the drawn picture of seed 1: without a bank nothing counts as examined.
pub async fn staff(service: &Service) -> Staff {
    let test = Environment::Test;
    let curator = service.with_roles("operator", test, &[Role::BankManager]).await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(entry_of("known", png(1))).await.expect("added");
    Staff {
        screener: service.with_roles("operator", test, &[Role::Screener]).await,
        reviewer: service.with_roles("operator", test, &[Role::Reviewer]).await,
    }
}

/// Sets the terms of the usual live surface.
pub async fn set_terms(service: &Service, terms: v1::LiveTerms) -> v1::LiveTerms {
    let update = v1::UpdateSurfaceRequest {
        surface: Some(v1::Surface {
            surface_id: "live".into(),
            environment: Environment::Test.into(),
            live_terms: Some(terms),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["live_terms".into()] }),
        request_id: String::new(),
    };
    let updated = service.admin().admin().update_surface(update).await.expect("updated");
    updated.into_inner().surface.expect("a surface").live_terms.expect("terms")
}

fn millis(millis: u64) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(Duration::from_millis(millis)).ok()
}

fn seconds(seconds: u64) -> Option<prost_types::Duration> {
    millis(seconds * 1000)
}

/// What a caller says of a stream when it begins.
pub fn start(stream: &str) -> v1::StreamStart {
    v1::StreamStart {
        context: Some(v1::Context {
            surface: v1::SurfaceKind::Live.into(),
            visibility: v1::Visibility::Public.into(),
            actor_id: "who broadcasts".into(),
            ..v1::Context::default()
        }),
        stream_id: stream.into(),
        ..v1::StreamStart::default()
    }
}

fn frame(content: v1::stream_frame::Content) -> Say {
    Say::Frame(v1::StreamFrame { content: Some(content), ..v1::StreamFrame::default() })
}

/// A frame that is a picture in a file.
pub fn image(bytes: Vec<u8>) -> Say {
    frame(v1::stream_frame::Content::Image(bytes.into()))
}

/// The brightness of the drawn picture of a seed, with something behind each row.
fn luma(seed: u64) -> v1::LumaPlane {
    let drawn = picture(seed);
    let (width, height) = drawn.dimensions();
    let raster = Raster::new(width, height, drawn.into_raw()).expect("a picture");
    let stride = width + 5;
    let mut data = Vec::new();
    let mut row = vec![0.0; width as usize];
    for y in 0..height {
        raster.luma_row(y, &mut row);
        data.extend(row.iter().map(|value| value.round() as u8));
        data.extend([255; 5]);
    }
    v1::LumaPlane { width, height, stride_bytes: stride, data: data.into() }
}

/// PDQ of the drawn picture of a seed.
async fn pdq(caller: &Caller, seed: u64) -> Vec<v1::Signal> {
    hashed(caller, &png(seed)).await
}

/// A stream that is guarded, from its caller's side.
pub struct Guarded {
    sender: mpsc::Sender<v1::GuardStreamRequest>,
    answers: Streaming<v1::GuardStreamResponse>,
    /// Number of the last message.
    number: u64,
    /// Number of the last directive that came.
    heard: u64,
    pub opened: v1::StreamOpened,
}

impl Guarded {
    async fn open(caller: &Caller, first: Say) -> Result<Self, Status> {
        let (sender, receiver) = mpsc::channel(64);
        let opening = v1::GuardStreamRequest { number: 0, step: Some(first) };
        sender.send(opening).await.expect("room");
        let answers = caller.live().guard_stream(ReceiverStream::new(receiver)).await?;
        let mut answers = answers.into_inner();
        let first = answers.message().await?.expect("an answer").step;
        let Some(Said::Opened(opened)) = first else { panic!("opens with {first:?}") };
        let number = opened.acknowledged_number;
        Ok(Self { sender, answers, number, heard: 0, opened })
    }

    /// A stream whose first directive was acknowledged.
    pub async fn start(caller: &Caller, stream: &str) -> Self {
        let mut guarded = Self::open(caller, Say::Start(start(stream))).await.expect("guarded");
        let first = guarded.directive().await;
        assert!(matches!(
            first.directive,
            Some(Directive::ContinuePlaying(v1::ContinueDirective { examined: false, .. }))
        ));
        guarded.ack(first.number).await;
        guarded
    }

    async fn say(&mut self, step: Say) -> u64 {
        self.number += 1;
        let message = v1::GuardStreamRequest { number: self.number, step: Some(step) };
        self.sender.send(message).await.expect("the call stands");
        self.number
    }

    async fn ack(&mut self, directive_number: u64) {
        self.say(Say::Ack(v1::StreamAck { directive_number })).await;
    }

    async fn next(&mut self) -> Result<Option<Said>, Status> {
        let next = tokio::time::timeout(PATIENCE, self.answers.message()).await.expect("in time");
        Ok(next?.map(|answer| answer.step.expect("a step")))
    }

    /// The next directive that was not said before, acknowledged by nobody yet.
    async fn directive(&mut self) -> v1::StreamDirective {
        loop {
            match self.next().await.expect("no refusal") {
                Some(Said::Directive(said)) if said.number > self.heard => {
                    self.heard = said.number;
                    return said;
                }
                Some(Said::Directive(said)) => assert!(said.repeated_directive),
                Some(Said::Heartbeat(_)) => {}
                other => panic!("no directive but {other:?}"),
            }
        }
    }

    /// The answer to a message.
    pub async fn answer(&mut self, step: Say) -> v1::StreamDirective {
        let number = self.say(step).await;
        loop {
            let said = self.directive().await;
            self.ack(said.number).await;
            if said.answers_number == number {
                return said;
            }
        }
    }

    /// The next directive that is no call of a person, acknowledged.
    async fn shown(&mut self) -> Directive {
        loop {
            let said = self.directive().await;
            self.ack(said.number).await;
            match said.directive.expect("a directive") {
                Directive::Escalate(_) => {}
                shown => return shown,
            }
        }
    }

    async fn stop(mut self) -> v1::StreamEnded {
        self.say(Say::Stop(v1::StreamStop {})).await;
        loop {
            match self.next().await.expect("no refusal") {
                Some(Said::Ended(ended)) => return ended,
                Some(_) => {}
                None => panic!("ended without a word"),
            }
        }
    }

    /// How the call is refused in the end.
    async fn refusal(mut self) -> (Code, String) {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("ended well"),
                Err(status) => return refused::<()>(Err(status)),
            }
        }
    }
}

fn plays(said: &v1::StreamDirective) -> bool {
    matches!(
        said.directive,
        Some(Directive::ContinuePlaying(v1::ContinueDirective { examined: true, .. }))
    )
}

fn cut(said: &v1::StreamDirective) -> v1::InterruptDirective {
    match &said.directive {
        Some(Directive::Interrupt(cut)) => *cut,
        other => panic!("not cut but {other:?}"),
    }
}

async fn listed(caller: &Caller, stream: &str) -> Option<v1::GuardedStream> {
    let all = caller.live().list_streams(v1::ListStreamsRequest::default()).await.expect("listed");
    all.into_inner().streams.into_iter().find(|listed| listed.stream_id == stream)
}

/// Waits until a stream stands so.
async fn stands(caller: &Caller, stream: &str, standing: StreamStanding) -> v1::GuardedStream {
    let began = Instant::now();
    loop {
        let listed = listed(caller, stream).await;
        if let Some(listed) = listed.as_ref().filter(|listed| listed.standing() == standing) {
            return listed.clone();
        }
        assert!(began.elapsed() < PATIENCE, "{stream} is {listed:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_picture_is_cut_in_whatever_way_it_is_sent_and_others_play() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    let jpeg = |seed| image(encoded(&picture(seed), ImageFormat::Jpeg));
    let plane = |seed| frame(v1::stream_frame::Content::LumaPlane(luma(seed)));
    let hashes = |signals| frame(v1::stream_frame::Content::Digests(v1::FrameDigests { signals }));
    let other = pdq(&staff.screener, 2).await;
    let known = pdq(&staff.screener, 1).await;
    for (name, harmless, known) in [
        ("jpeg", jpeg(2), jpeg(1)),
        ("png", image(png(2)), image(png(1))),
        ("luma", plane(2), plane(1)),
        ("digests", hashes(other), hashes(known)),
    ] {
        let mut stream = Guarded::start(&staff.screener, name).await;
        let said = stream.answer(harmless).await;
        assert!(plays(&said), "{name}: {said:?}");
        let said = stream.answer(known).await;
        let cut = cut(&said);
        assert!(cut.lasting && cut.cause() == StreamCause::Match, "{name}: {cut:?}");
        // What was cut never plays again, whatever comes.
        stream.say(image(png(2))).await;
        let listed = stands(&staff.reviewer, name, StreamStanding::Cut).await;
        assert_eq!(listed.risk(), v1::StreamRisk::Critical, "{name}");
        let again = Guarded::open(&staff.screener, Say::Start(start(name))).await;
        let refusal = refused(again.map(|_| ()));
        assert_eq!(refusal, (Code::FailedPrecondition, "STREAM_CUT".into()), "{name}");
    }
    // Nor after the process was started anew.
    let service = service.restart().await;
    let screener = service.with_roles("operator", Environment::Test, &[Role::Screener]).await;
    let again = Guarded::open(&screener, Say::Start(start("luma"))).await;
    assert_eq!(refused(again.map(|_| ())).1, "STREAM_CUT");
}

/// A clip of drawn pictures, a second each, as a packager cuts segments.
fn segment(seeds: &[u64], is_fragmented: bool) -> Say {
    const X264: &str = "-c:v libx264 -preset veryfast -crf 20 -pix_fmt yuv420p";
    let content = if is_fragmented {
        let flags = format!("{X264} -movflags frag_keyframe+empty_moov+default_base_moof");
        let bytes = clips::scenes(seeds, 1, &flags, "segment.mp4");
        v1::stream_segment::Content::FragmentedMp4(bytes.into())
    } else {
        v1::stream_segment::Content::MpegTs(clips::scenes(seeds, 1, X264, "segment.ts").into())
    };
    Say::Segment(v1::StreamSegment { content: Some(content), ..v1::StreamSegment::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_of_video_are_examined_as_frames_are_and_what_is_none_was_not_examined() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    for (name, is_fragmented) in [("mp4", true), ("ts", false)] {
        let mut stream = Guarded::start(&staff.screener, name).await;
        let said = stream.answer(segment(&[5, 6], is_fragmented)).await;
        assert!(plays(&said), "{name}: {said:?}");
        // The picture of seed 1 is listed, and was never sent as a picture.
        let cut = cut(&stream.answer(segment(&[7, 1, 8], is_fragmented)).await);
        assert!(cut.lasting && cut.cause() == StreamCause::Match, "{name}: {cut:?}");
    }
    let of_other_kinds = [
        v1::stream_segment::Content::FragmentedMp4(png(2).into()),
        v1::stream_segment::Content::MpegTs(
            clips::scenes(&[5], 1, "-c:v libx264 -pix_fmt yuv420p", "whole.mp4").into(),
        ),
        v1::stream_segment::Content::MpegTs(b"nothing of the kind".to_vec().into()),
    ];
    for (place, content) in of_other_kinds.into_iter().enumerate() {
        let mut stream = Guarded::start(&staff.screener, &format!("other {place}")).await;
        let sent = v1::StreamSegment { content: Some(content), ..v1::StreamSegment::default() };
        let said = stream.answer(Say::Segment(sent)).await;
        assert!(!plays(&said), "{place}: {said:?}");
    }
}

/// A hash with so many of its first bits flipped.
fn flipped(text: &str, bits: usize) -> String {
    let mut bytes = hex::decode(text).expect("hexadecimal");
    (0..bits).for_each(|bit| bytes[bit / 8] ^= 0x80 >> (bit % 8));
    hex::encode(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebroadcast_is_cut_for_its_sequence_though_each_frame_alone_is_near_the_limit() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    let curator = service.with_roles("operator", Environment::Test, &[Role::BankManager]).await;
    let mut videos = bank("videos");
    // No frame of these videos means anything alone.
    let rule = v1::SignalRule {
        r#type: v1::SignalType::VpdqFrame.into(),
        quality_min: 50,
        bands: vec![v1::Band { distance_max: 31, disposition: v1::Disposition::Block.into() }],
        crosses_media: Some(false),
        ..v1::SignalRule::default()
    };
    videos.bank.as_mut().expect("a bank").signal_rules.push(rule);
    curator.banks().create_bank(videos).await.expect("made");
    let listed: Vec<u64> = (20..28).collect();
    let clip = clips::scenes(&listed, 1, "-c:v libx264 -crf 20 -pix_fmt yuv420p", "listed.mp4");
    curator.banks().add_entry(entry_of("videos", clip.clone())).await.expect("added");
    let is_plain = |one: &v1::Signal| {
        one.form() == v1::Form::Canonical && one.dihedral() == v1::Dihedral::Original
    };
    let hashes: Vec<String> = hashed(&staff.screener, &clip)
        .await
        .into_iter()
        .filter(is_plain)
        .map(|one| match one.value {
            Some(v1::signal::Value::Text(text)) => text,
            Some(v1::signal::Value::Binary(bytes)) => hex::encode(bytes),
            None => panic!("no value"),
        })
        .collect();
    assert!(hashes.len() >= 8, "{}", hashes.len());
    let of_hash = |text: &str, bits| {
        let one = signal(v1::SignalType::Pdq, flipped(text, bits));
        frame(v1::stream_frame::Content::Digests(v1::FrameDigests { signals: vec![one] }))
    };

    let mut stream = Guarded::start(&staff.screener, "again").await;
    let mut answers = Vec::new();
    for hash in &hashes {
        let said = stream.answer(of_hash(hash, 30)).await;
        let is_cut = matches!(said.directive, Some(Directive::Interrupt(_)));
        answers.push(said);
        if is_cut {
            break;
        }
    }
    assert!(answers.len() >= 3 && plays(&answers[0]) && plays(&answers[1]), "{answers:?}");
    let cut = cut(answers.last().expect("some"));
    assert!(cut.lasting && cut.cause() == StreamCause::Rebroadcast, "{cut:?}");

    // Beyond the limit, or one frame of it among others: that is no rebroadcast.
    let mut stream = Guarded::start(&staff.screener, "far").await;
    for hash in &hashes {
        let said = stream.answer(of_hash(hash, 40)).await;
        assert!(plays(&said), "{said:?}");
    }
    let mut stream = Guarded::start(&staff.screener, "one").await;
    for seed in [30, 31, 32, 33] {
        assert!(plays(&stream.answer(image(png(seed))).await));
        assert!(plays(&stream.answer(of_hash(&hashes[0], 30)).await));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_examined_throughout_and_stopped_was_clean_and_no_other_was() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    let mut stream = Guarded::start(&staff.screener, "good").await;
    for seed in [3, 4] {
        let said = stream.answer(image(png(seed))).await;
        assert!(plays(&said), "{said:?}");
    }
    let ended = stream.stop().await;
    assert!(ended.clean && ended.sample_count == 2 && ended.unexamined_count == 0, "{ended:?}");
    assert_eq!(ended.end(), v1::StreamEnd::Stopped);

    let mut stream = Guarded::start(&staff.screener, "bad").await;
    let said = stream.answer(image(b"no picture at all".to_vec())).await;
    assert!(!plays(&said), "{said:?}");
    let ended = stream.stop().await;
    assert!(!ended.clean && ended.unexamined_count == 1, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_examined_pauses_a_stream_and_what_can_ends_the_pause() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    let terms = v1::LiveTerms {
        unexamined_max: millis(0),
        quiet_step: seconds(1),
        interval_farthest: seconds(5),
        ..Default::default()
    };
    let kept = set_terms(&service, terms).await;
    assert_eq!((kept.quiet_step, kept.frames_up), (seconds(1), Some(3)));
    let mut stream = Guarded::start(&staff.screener, "torn").await;
    let said = stream.answer(image(b"no picture at all".to_vec())).await;
    assert!(matches!(said.directive, Some(Directive::Pause(_))), "{said:?}");
    let began = Instant::now();
    loop {
        let said = stream.answer(image(png(2))).await;
        if plays(&said) {
            break;
        }
        assert!(matches!(said.directive, Some(Directive::Pause(_) | Directive::Blur(_))));
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_means_what_the_surface_says() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    let terms = v1::LiveTerms {
        interval_farthest: seconds(1),
        silence_max: millis(1500),
        unexamined_max: seconds(1),
        ..Default::default()
    };
    set_terms(&service, terms.clone()).await;
    let mut stream = Guarded::start(&staff.screener, "quiet").await;
    assert!(matches!(stream.shown().await, Directive::Pause(_)), "silence pauses");
    let listed = stands(&staff.screener, "quiet", StreamStanding::Silent).await;
    assert_eq!(listed.sample_count, 0);
    // With other terms it is cut, for now.
    let terms = v1::LiveTerms { on_silence: v1::LiveMeasure::Interrupt.into(), ..terms };
    set_terms(&service, terms).await;
    let mut stream = Guarded::start(&staff.screener, "silent").await;
    let said = stream.directive().await;
    let cut = cut(&said);
    assert_eq!((cut.cause(), cut.lasting), (StreamCause::Silence, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_resumed_by_its_token_and_nothing_is_lost_or_taken_twice() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    let mut stream = Guarded::start(&staff.screener, "broken").await;
    assert!(plays(&stream.answer(image(png(2))).await));
    let (token, number) = (stream.opened.resume_token.clone(), stream.number);
    let received_directive = stream.heard;
    let is_heard = |listed: v1::GuardedStream| listed.unacknowledged_count == 0;
    while !listed(&staff.screener, "broken").await.is_some_and(is_heard) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(stream);
    stands(&staff.screener, "broken", StreamStanding::Lost).await;

    let resume = |token: &str| {
        Say::Resume(v1::StreamResume {
            stream_id: "broken".into(),
            resume_token: token.into(),
            received_directive,
        })
    };
    let wrong = Guarded::open(&staff.screener, resume(&"0".repeat(32))).await;
    let refusal = refused(wrong.map(|_| ()));
    assert_eq!(refusal, (Code::FailedPrecondition, "RESUME_REFUSED".into()));

    let mut stream = Guarded::open(&staff.screener, resume(&token)).await.expect("resumed");
    assert_eq!(stream.opened.acknowledged_number, number);
    stream.heard = received_directive;
    // A message that was taken is passed over when it comes again, and its number stays taken.
    let again = v1::GuardStreamRequest { number, step: Some(image(png(1))) };
    stream.sender.send(again).await.expect("sent");
    assert!(plays(&stream.answer(image(png(3))).await));
    let listed = listed(&staff.screener, "broken").await.expect("listed");
    assert_eq!(listed.sample_count, 2);
    // A gap ends the call, and the stream may be resumed once more.
    stream.number += 1;
    stream.say(image(png(3))).await;
    assert_eq!(stream.refusal().await, (Code::InvalidArgument, "STREAM_ORDER".into()));
    let stream = Guarded::open(&staff.screener, resume(&token)).await.expect("resumed");
    assert!(stream.stop().await.end() == v1::StreamEnd::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_come_back_is_cut_for_now_and_the_watch_tells_of_it() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    set_terms(&service, v1::LiveTerms { resume_max: millis(500), ..Default::default() }).await;
    let mut watching = watch(&staff.reviewer, "").await.expect("a stream");
    let stream = Guarded::start(&staff.screener, "gone").await;
    drop(stream);
    let told = interrupt(&mut watching).await;
    let directive = told.directive.expect("a directive");
    assert_eq!((told.stream_id.as_str(), directive.cause()), ("gone", StreamCause::Lost));
    assert!(!directive.lasting);
}

async fn watch(
    caller: &Caller,
    after: &str,
) -> Result<Streaming<v1::WatchInterruptsResponse>, Status> {
    let request = v1::WatchInterruptsRequest { after: after.into() };
    Ok(caller.live().watch_interrupts(request).await?.into_inner())
}

async fn watched(
    watching: &mut Streaming<v1::WatchInterruptsResponse>,
) -> v1::watch_interrupts_response::Event {
    let next = tokio::time::timeout(PATIENCE, watching.message()).await.expect("in time");
    next.expect("no refusal").expect("no end").event.expect("an event")
}

async fn interrupt(watching: &mut Streaming<v1::WatchInterruptsResponse>) -> v1::StreamInterrupt {
    loop {
        if let v1::watch_interrupts_response::Event::Interrupt(told) = watched(watching).await {
            return told;
        }
    }
}

fn kill(stream: &str, key: &str) -> v1::InterruptStreamRequest {
    v1::InterruptStreamRequest {
        stream_id: stream.into(),
        reason: "seen by a person".into(),
        request_id: key.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_cuts_a_stream_and_the_cut_is_said_kept_told_and_measured() {
    use v1::watch_interrupts_response::Event;
    let service = Service::start().await;
    let staff = staff(&service).await;
    let mut watching = watch(&staff.reviewer, "").await.expect("a stream");
    let Event::Heartbeat(first) = watched(&mut watching).await else { panic!("a sign of life") };

    let missing = refused(staff.reviewer.live().interrupt_stream(kill("show", "k")).await);
    assert_eq!(missing, (Code::NotFound, "NOT_FOUND".into()));
    let role = refused(staff.screener.live().interrupt_stream(kill("show", "k")).await);
    assert_eq!(role.0, Code::PermissionDenied);
    let mut stream = Guarded::start(&staff.screener, "show").await;
    assert!(plays(&stream.answer(image(png(2))).await));
    let done = staff.reviewer.live().interrupt_stream(kill("show", "key")).await.expect("cut");
    let done = done.into_inner();
    assert_eq!((done.standing(), done.record()), (StreamStanding::Interrupted, v1::Record::Kept));
    assert!(done.journal_number.is_some());
    let said = stream.directive().await;
    let said_cut = cut(&said);
    assert_eq!((said_cut.cause(), said_cut.lasting), (StreamCause::Person, true));
    assert_eq!(said_cut.preserve_window, done.preserve_window);
    stream.ack(said.number).await;
    // Once more is the same cut.
    let again = staff.reviewer.live().interrupt_stream(kill("show", "key")).await.expect("cut");
    assert_eq!(again.into_inner(), done);
    let other = refused(staff.reviewer.live().interrupt_stream(kill("other", "key")).await);
    assert_eq!(other.1, "REQUEST_ID_REUSED");

    let told = interrupt(&mut watching).await;
    assert_eq!((&told.interrupt_id, told.directive_number), (&done.interrupt_id, said.number));
    let Event::Done(measured) = watched(&mut watching).await else { panic!("not done") };
    assert_eq!(measured.interrupt_id, done.interrupt_id);
    assert!(measured.time_to_interrupt.is_some());
    stands(&staff.screener, "show", StreamStanding::Cut).await;

    // From an earlier place the same is told again, also by a process that was started anew.
    let service = service.restart().await;
    let reviewer = service.with_roles("operator", Environment::Test, &[Role::Reviewer]).await;
    let mut again = watch(&reviewer, &first.cursor).await.expect("a stream");
    assert_eq!(interrupt(&mut again).await, told);
    let mut behind = watch(&reviewer, &measured.cursor).await.expect("a stream");
    assert!(matches!(watched(&mut behind).await, Event::Heartbeat(_)));
    let unknown = refused(watch(&reviewer, "00.1").await);
    assert_eq!(unknown, (Code::FailedPrecondition, "CURSOR_UNKNOWN".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_reads_or_acknowledges_is_cut_and_holds_up_nobody() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    let terms =
        v1::LiveTerms { say_again: millis(200), acknowledge_max: seconds(2), ..Default::default() };
    set_terms(&service, terms).await;
    let deaf = Guarded::open(&staff.screener, Say::Start(start("deaf"))).await.expect("guarded");
    let mut other = Guarded::start(&staff.screener, "other").await;
    let began = Instant::now();
    loop {
        assert!(plays(&other.answer(image(png(2))).await));
        let deaf = listed(&staff.screener, "deaf").await.expect("listed");
        if deaf.standing() == StreamStanding::Interrupted {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{deaf:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_before_and_after_a_cut_is_preserved_sealed() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    let mut stream = Guarded::start(&staff.screener, "kept").await;
    for seed in [2, 3] {
        assert!(plays(&stream.answer(image(png(seed))).await));
    }
    cut(&stream.answer(image(png(1))).await);
    stream.say(image(png(4))).await;
    stands(&staff.screener, "kept", StreamStanding::Cut).await;
    let began = Instant::now();
    let folder = service.folder.path().join("data");
    let session = std::fs::read_dir(folder.join("live")).expect("evidence").next();
    let session = session.expect("one").expect("read").file_name().into_string().expect("text");
    let keys = Arc::new(existing_keys(&folder, &Clock::system()).expect("keys"));
    let evidence = Evidence::new(folder.join("live"), keys, u64::MAX, PATIENCE);
    loop {
        let pieces = evidence.read(&session).expect("opens");
        if pieces.len() == 4 {
            let shown: Vec<_> = pieces.iter().map(|piece| piece.bytes.to_vec()).collect();
            assert_eq!(shown, [png(2), png(3), png(1), png(4)]);
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{} pieces", pieces.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_chat_and_viewers_are_weighed_and_one_viewer_counts_once() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    let rule = v1::LiveScoreRule {
        category: "sound".into(),
        score_min: 0.9,
        level: v1::LiveLevel::Elevated.into(),
        step: v1::LiveStep::Mute.into(),
    };
    let terms = v1::LiveTerms {
        frames_up: Some(1),
        score_rules: vec![rule],
        step_elevated: v1::LiveStep::Continue.into(),
        reports_watch: Some(2),
        reports_elevated: Some(3),
        ..Default::default()
    };
    set_terms(&service, terms).await;
    let mut stream = Guarded::start(&staff.screener, "loud").await;
    let report = |who: &str| {
        Say::ViewerEvent(v1::StreamViewerEvent {
            kind: v1::ViewerEventKind::Reported.into(),
            actor_id: who.into(),
        })
    };
    for _ in 0..5 {
        stream.say(report("one")).await;
    }
    let signals = vec![signal(v1::SignalType::Term, "harmless words".into())];
    stream.say(Say::Chat(v1::StreamChat { signals, ..Default::default() })).await;
    assert!(plays(&stream.answer(image(png(2))).await));
    assert_eq!(listed(&staff.screener, "loud").await.unwrap().risk(), v1::StreamRisk::Quiet);
    for who in ["two", "three"] {
        stream.say(report(who)).await;
    }
    let score = |value| v1::ExternalScore {
        category: "sound".into(),
        value,
        detector: "d".into(),
        detector_version: "1".into(),
    };
    let scores = vec![score(0.95)];
    stream.say(Say::AudioScore(v1::StreamAudioScore { scores, ..Default::default() })).await;
    assert!(matches!(stream.shown().await, Directive::Mute(_)));
    let listed = stands(&staff.screener, "loud", StreamStanding::Muted).await;
    assert_eq!(listed.risk(), v1::StreamRisk::Elevated);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_streams_one_that_is_hostile_does_not_disturb_the_other() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    let mut good = Guarded::start(&staff.screener, "good").await;
    for round in 0..4 {
        let mut bad = Guarded::start(&staff.screener, &format!("bad {round}")).await;
        match round {
            0 => drop(bad.say(image(vec![0xff; 3 << 20])).await),
            1 => drop(bad.say(Say::Start(start("bad 1"))).await),
            2 => {
                let plane = v1::LumaPlane {
                    width: 8192,
                    height: 8192,
                    stride_bytes: u32::MAX,
                    data: vec![0; 100].into(),
                };
                bad.say(frame(v1::stream_frame::Content::LumaPlane(plane))).await;
            }
            _ => bad.ack(1_000_000).await,
        }
        assert!(plays(&good.answer(image(png(2))).await), "round {round}");
        match round {
            0 => drop(bad),
            2 => assert_eq!(bad.refusal().await, (Code::InvalidArgument, "FIELD_INVALID".into())),
            _ => assert_eq!(bad.refusal().await, (Code::InvalidArgument, "STREAM_ORDER".into())),
        }
    }
    assert!(good.stop().await.clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_said_again_is_answered_as_the_first_and_a_second_one_is_refused() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    let keyed = |key: &str, stream: &str| {
        let mut start = start(stream);
        start.context.as_mut().unwrap().request_id = key.into();
        Say::Start(start)
    };
    let first = Guarded::open(&staff.screener, keyed("k", "one")).await.expect("guarded");
    let again = Guarded::open(&staff.screener, keyed("k", "one")).await.expect("guarded");
    assert_eq!(first.opened.resume_token, again.opened.resume_token);
    let other = Guarded::open(&staff.screener, keyed("other", "one")).await;
    assert_eq!(refused(other.map(|_| ())), (Code::AlreadyExists, "ALREADY_EXISTS".into()));
    // Other tenants have streams of their own under the same name.
    let theirs = service.with_roles("operator", Environment::Production, &[Role::Screener]).await;
    Guarded::start(&theirs, "one").await;
    assert!(listed(&theirs, "one").await.is_some());
    let wrong = v1::StreamStart { stream_id: String::new(), ..start("x") };
    let wrong = Guarded::open(&staff.screener, Say::Start(wrong)).await;
    assert_eq!(bad_fields(wrong.map(|_| ())), ["start.stream_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_streams_come_in_pages_the_riskiest_first() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    let mut streams = Vec::new();
    for name in ["c", "a", "b"] {
        streams.push(Guarded::start(&staff.screener, name).await);
    }
    staff.reviewer.live().interrupt_stream(kill("b", "")).await.expect("cut");
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let ask = v1::ListStreamsRequest { page_size: 2, page_token, risk_min: 0 };
        let page = staff.reviewer.live().list_streams(ask).await.expect("listed").into_inner();
        names.extend(page.streams.into_iter().map(|stream| stream.stream_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["b", "a", "c"]);
    let risky =
        v1::ListStreamsRequest { risk_min: v1::StreamRisk::Critical.into(), ..Default::default() };
    let risky = staff.reviewer.live().list_streams(risky).await.expect("listed").into_inner();
    assert_eq!(risky.streams.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_required_field_left_out_of_a_message_is_refused_by_name() {
    let service = Service::start().await;
    let staff = staff(&service).await;
    let score = v1::ExternalScore {
        category: "c".into(),
        value: 0.5,
        detector: "d".into(),
        detector_version: "1".into(),
    };
    let signals = vec![md5("a"), md5("b")];
    let scores = vec![score];
    let viewer =
        v1::StreamViewerEvent { kind: v1::ViewerEventKind::Joined.into(), actor_id: "who".into() };
    let steps = [
        Say::Start(start("x")),
        Say::Resume(v1::StreamResume {
            stream_id: "x".into(),
            resume_token: "0".repeat(32),
            received_directive: 0,
        }),
        frame(v1::stream_frame::Content::LumaPlane(luma(2))),
        frame(v1::stream_frame::Content::Digests(v1::FrameDigests { signals })),
        Say::AudioScore(v1::StreamAudioScore { scores, ..Default::default() }),
        Say::ViewerEvent(viewer),
        Say::Ack(v1::StreamAck { directive_number: 1 }),
    ];
    let mut tried = 0;
    for step in steps {
        let is_first = matches!(step, Say::Start(_) | Say::Resume(_));
        let number = u64::from(!is_first) * 2;
        let good = v1::GuardStreamRequest { number, step: Some(step) };
        for (field, lacking) in without_each_required("GuardStreamRequest", &good) {
            let named = if is_first {
                let Some(step) = lacking.step else { continue };
                bad_fields(Guarded::open(&staff.screener, step).await.map(|_| ()))
            } else {
                let mut stream = Guarded::start(&staff.screener, &format!("s {tried}")).await;
                stream.sender.send(lacking).await.expect("sent");
                loop {
                    match stream.next().await {
                        Ok(Some(_)) => {}
                        Ok(None) => panic!("ended well"),
                        Err(status) => break bad_fields::<()>(Err(status)),
                    }
                }
            };
            assert!(named.contains(&field), "{field} is not among {named:?}");
            tried += 1;
        }
    }
    assert!(tried >= 15, "only {tried} were tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_nearly_the_same_are_no_probing_and_use_up_nobody_s_items() {
    let service = Service::start_with(|settings| settings.guards.sender_items = 10).await;
    let staff = staff(&service).await;
    let mut stream = Guarded::start(&staff.screener, "still").await;
    for shade in 0..40 {
        let mut plane = luma(2);
        let mut bytes = plane.data.to_vec();
        // A dark bar moves on a little with every frame.
        let width = plane.stride_bytes as usize;
        let from = width * (20 + 2 * shade);
        bytes[from..from + 30 * width].fill(0);
        plane.data = bytes.into();
        let said = stream.answer(frame(v1::stream_frame::Content::LumaPlane(plane))).await;
        assert!(plays(&said), "frame {shade}: {said:?}");
    }
    assert!(stream.stop().await.clean);
}

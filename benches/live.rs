//! Time from a frame to its directive, with many streams at once, beside an empty authenticated call in the same run.
//!
//! `BULWARK_BENCH_STREAMS=200 BULWARK_BENCH_SECONDS=60 cargo bench --bench live` is the long form; `-- --test` a very short
//! one. Every stream sends one frame a second, of 512×512 pixels: first as JPEG, which goes through a jailed worker, then as a
//! plane of brightness. Everything is on: credentials, roles, limits, comparison, buffers, acknowledgements.

mod served;
mod shared;

use bulwark::cli::draw;
use bulwark::proto::v1;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use bulwark::proto::v1::live_service_client::LiveServiceClient;
use served::{Keyed, call, fill, open, pdq, prepare, staff};
use shared::Dice;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};
use tokio_stream::wrappers::ReceiverStream;
use v1::guard_stream_request::Step as Say;
use v1::guard_stream_response::Step as Said;

/// Entries of the bank that frames are compared with.
const ENTRIES: usize = 10_000;
/// Streams that share a connection.
const STREAMS_PER_LANE: usize = 25;
const SIDE: u32 = 512;
const EVERY: Duration = Duration::from_secs(1);

fn size(name: &str, usual: usize) -> usize {
    let is_trial = std::env::args().any(|argument| argument == "--test");
    let said = std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    said.unwrap_or(if is_trial { 2 } else { usual })
}

fn start(name: String) -> v1::StreamStart {
    v1::StreamStart {
        context: Some(v1::Context {
            surface: v1::SurfaceKind::Live.into(),
            visibility: v1::Visibility::Public.into(),
            ..v1::Context::default()
        }),
        stream_id: name,
        ..v1::StreamStart::default()
    }
}

/// Frames that differ from each other, so that nothing is answered from memory.
fn frames(is_luma: bool) -> Vec<v1::stream_frame::Content> {
    (0..8)
        .map(|seed| {
            let drawn = draw::picture(100 + seed);
            let kind = image::imageops::FilterType::Triangle;
            let picture = image::imageops::resize(&drawn, SIDE, SIDE, kind);
            if is_luma {
                let data = image::imageops::grayscale(&picture).into_raw().into();
                let plane = v1::LumaPlane { width: SIDE, height: SIDE, stride_bytes: 0, data };
                v1::stream_frame::Content::LumaPlane(plane)
            } else {
                v1::stream_frame::Content::Image(draw::jpeg(&picture, 85).into())
            }
        })
        .collect()
}

/// The first of the pictures that are listed, one for each stream: many streams with one of them are a flood, which is held.
const LISTED: u64 = 7_777;

fn jpeg_of(seed: u64) -> Vec<u8> {
    let kind = image::imageops::FilterType::Triangle;
    draw::jpeg(&image::imageops::resize(&draw::picture(seed), SIDE, SIDE, kind), 85)
}

/// What became of the frames of a stream.
#[derive(Default)]
struct Tally {
    times: Vec<Duration>,
    unexamined: usize,
    /// Time from the frame that is listed to the cut.
    cut: Option<Duration>,
}

/// Processor time of this process and of its workers, and the bytes that this process has in memory.
fn used() -> (Duration, u64) {
    let own = std::process::id().to_string();
    let mut ticks = 0;
    for entry in std::fs::read_dir("/proc").expect("processes").flatten() {
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // Behind the name, which may hold anything.
        let Some((_, behind)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = behind.split(' ').collect();
        if entry.file_name().to_str() == Some(&own) || fields[1] == own {
            let number = |place: usize| fields[place].parse::<u64>().expect("a number");
            ticks += number(11) + number(12);
        }
    }
    let memory = std::fs::read_to_string("/proc/self/statm").expect("memory");
    let pages: u64 = memory.split(' ').nth(1).expect("pages").parse().expect("a number");
    (Duration::from_millis(ticks * 10), pages * 4096)
}

/// One stream: a frame a second, each acknowledged, until its time is over.
async fn stream(
    lane: Keyed,
    name: String,
    frames: Vec<v1::stream_frame::Content>,
    begin: Instant,
    count: usize,
    listed: Option<bytes::Bytes>,
) -> Tally {
    let (sender, receiver) = mpsc::channel(16);
    let say = |number, step| v1::GuardStreamRequest { number, step: Some(step) };
    sender.send(say(0, Say::Start(start(name)))).await.expect("room");
    let mut client = LiveServiceClient::new(lane);
    let answers = client.guard_stream(ReceiverStream::new(receiver)).await.expect("guarded");
    let mut answers = answers.into_inner();
    let (mut number, mut tally) = (0, Tally::default());
    let mut every = interval_at(begin, EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let last = count - 1;
    for (place, mut frame) in frames.into_iter().cycle().take(count).enumerate() {
        every.tick().await;
        let listed = listed.clone().filter(|_| place == last);
        let is_listed = listed.is_some();
        if let Some(listed) = listed {
            frame = v1::stream_frame::Content::Image(listed);
        }
        let sent = Instant::now();
        number += 1;
        let asked = number;
        let content = Some(frame);
        let frame = v1::StreamFrame { content, ..v1::StreamFrame::default() };
        sender.send(say(number, Say::Frame(frame))).await.expect("the call stands");
        loop {
            let answer = answers.message().await.expect("no refusal").expect("no end");
            let Some(Said::Directive(said)) = answer.step else { continue };
            number += 1;
            let ack = v1::StreamAck { directive_number: said.number };
            sender.send(say(number, Say::Ack(ack))).await.expect("the call stands");
            if said.answers_number == asked && is_listed {
                let directive = said.directive.expect("a directive");
                let is_cut = matches!(directive, v1::stream_directive::Directive::Interrupt(_));
                assert!(is_cut, "not cut but {directive:?}");
                tally.cut = Some(sent.elapsed());
                break;
            } else if said.answers_number == asked {
                tally.times.push(sent.elapsed());
                let plays = matches!(
                    said.directive,
                    Some(v1::stream_directive::Directive::ContinuePlaying(v1::ContinueDirective {
                        examined: true,
                        ..
                    }))
                );
                tally.unexamined += usize::from(!plays);
                break;
            }
        }
    }
    number += 1;
    sender.send(say(number, Say::Stop(v1::StreamStop {}))).await.expect("the call stands");
    while answers.message().await.expect("no refusal").is_some() {}
    tally
}

/// Empty calls meanwhile.
async fn empty_calls(lane: Keyed, begin: Instant, until: Instant) -> Vec<Duration> {
    let (mut times, mut every) = (Vec::new(), interval(Duration::from_millis(50)));
    tokio::time::sleep_until(begin).await;
    let mut client = BankServiceClient::new(lane);
    while Instant::now() < until {
        every.tick().await;
        let pair = Some(pdq(Dice(1).bits()));
        let request = v1::CompareSignalsRequest { first: pair.clone(), second: pair };
        let sent = Instant::now();
        client.compare_signals(request).await.expect("told");
        times.push(sent.elapsed());
    }
    times
}

fn say(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |permille: usize| times[(times.len() * permille / 1000).min(times.len() - 1)];
    println!(
        "{what}: {} of them, p50 {:.1?}, p99 {:.1?}, longest {:.1?}",
        times.len(),
        at(500),
        at(990),
        at(1000)
    );
}

#[tokio::main]
async fn main() {
    let streams = size("BULWARK_BENCH_STREAMS", 20);
    let seconds = size("BULWARK_BENCH_SECONDS", 10);
    let folder = tempfile::tempdir().expect("a directory");
    let house = open(folder.path().join("data")).await;
    let key = staff(&house).await;
    prepare(&house, &key).await;
    fill(&house.store, ENTRIES);
    // With digests, without which nothing would be examined whole.
    let mut banks = BankServiceClient::new(call(&house.url, &key));
    let pictures: Vec<bytes::Bytes> =
        (0..streams as u64).map(|place| jpeg_of(LISTED + place).into()).collect();
    for picture in &pictures {
        let listed = v1::AddEntryRequest {
            bank_id: "known".into(),
            source: Some(v1::add_entry_request::Source::Media(picture.clone())),
            ..v1::AddEntryRequest::default()
        };
        banks.add_entry(listed).await.expect("added");
    }
    println!("{streams} streams, {seconds} s each, one frame of {SIDE}×{SIDE} a second");
    for (what, is_luma) in [("JPEG", false), ("plane of brightness", true)] {
        let frames = frames(is_luma);
        // Streams begin their seconds at different times, as they do.
        let (processor, memory) = used();
        let begin = Instant::now() + Duration::from_millis(500);
        let until = begin + EVERY * u32::try_from(seconds).expect("few");
        let empty = tokio::spawn(empty_calls(call(&house.url, &key), begin, until));
        let lanes: Vec<_> =
            (0..streams.div_ceil(STREAMS_PER_LANE)).map(|_| call(&house.url, &key)).collect();
        let running: Vec<_> = (0..streams)
            .map(|place| {
                let lane = lanes[place / STREAMS_PER_LANE].clone();
                let share = u32::try_from(place).expect("few") * 1000;
                let begin = begin + EVERY * share / u32::try_from(streams * 1000).expect("few");
                let name = format!("{what} {place}");
                let listed = (!is_luma).then(|| pictures[place].clone());
                tokio::spawn(stream(lane, name, frames.clone(), begin, seconds, listed))
            })
            .collect();
        let (mut all, mut cuts) = (Tally::default(), Vec::new());
        for one in running {
            let one = one.await.expect("no panic");
            all.times.extend(one.times);
            all.unexamined += one.unexamined;
            cuts.extend(one.cut);
        }
        let count = u32::try_from(all.times.len()).expect("few");
        let (after, holds) = used();
        println!(
            "processor time of caller, service and workers: {:.2?} a frame; {} KiB of memory more for each stream",
            (after - processor) / count,
            holds.saturating_sub(memory) / 1024 / streams as u64
        );
        say(&format!("frame as {what} to directive"), all.times);
        println!("  not answered by leave to go on: {}", all.unexamined);
        say("empty authenticated call meanwhile", empty.await.expect("no panic"));
        if !cuts.is_empty() {
            say("listed frame to cut", cuts);
        }
    }
    house.stop.cancel();
}

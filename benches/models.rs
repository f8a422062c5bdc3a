//! What a score of a model costs this side of it, beside an empty call on the same line in the same run.
//!
//! Processor time of this process, which is caller and server in one; the server's model costs nothing. `MODELS_SECONDS` sets
//! the time for each row.

#[path = "../tests/it/models/fake.rs"]
mod fake;

use bulwark::config::read_models;
use bulwark::core::detector::{Answer, Pixels, Sample, Tensor, Typed, read};
use bulwark::core::id::DetectorId;
use bulwark::io::clock::Clock;
use bulwark::io::models::Models;
use bulwark::proto::inference::ModelInferRequest;
use fake::{Fake, at_once, shares};
use futures_util::future::join_all;
use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Callers at one time.
const LANES: usize = 32;
const ROUNDS: usize = 3;
/// The kernel counts processor time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// Detectors of a text, an embedding, a picture and a window, each alone or together with others.
fn file(address: &str) -> String {
    let mut text = format!(
        "[servers.zz]\naddress = '{address}'\ncleared = true\nquestion_bytes_max = '64 MiB'\n"
    );
    for (name, input) in [
        ("text", "kind = 'text', tensor = 'x', layout = 'N', bytes_max = 256"),
        ("vector", "kind = 'embedding', tensor = 'x', layout = 'ND', dimensions = 384"),
        (
            "picture",
            "kind = 'image', tensor = 'x', layout = 'NCHW', width = 224, height = 224, channels = 'RGB', datatype = 'FP32', scale = 0.004",
        ),
        (
            "bytes",
            "kind = 'image', tensor = 'x', layout = 'NHWC', width = 224, height = 224, channels = 'RGB', datatype = 'UINT8'",
        ),
        (
            "window",
            "kind = 'frames', tensor = 'x', layout = 'NTCHW', frames = 8, width = 112, height = 112, channels = 'RGB', datatype = 'FP32', scale = 0.004",
        ),
    ] {
        for (kind, batch) in [("alone", "batch_max = 1\nbatch_wait = '0 ms'"), ("together", "")] {
            text += &format!(
                "[[detectors]]\nname = '{name}-{kind}'\nserver = 'zz'\nmodel = 'zz'\nkinds = ['UPLOAD']\ndeadline = '30 s'\n{batch}\n\
                 input = {{ {input} }}\noutputs = [{{ tensor = 'share', category = 'zz' }}]\n"
            );
        }
    }
    text
}

/// Processor time that this process has had.
fn spent() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").expect("the system tells");
    let behind = text.rsplit(')').next().expect("a name in brackets");
    let ticks =
        behind.split_whitespace().skip(11).take(2).map(|n| n.parse::<u32>().expect("ticks"));
    TICK * ticks.sum::<u32>()
}

/// Microseconds of processor and of waiting for each call.
async fn measured<F, C>(lanes: usize, span: Duration, one: F) -> [f64; 2]
where
    F: Fn() -> C,
    C: Future<Output = ()>,
{
    let (began, before) = (Instant::now(), spent());
    let lane = |_| {
        let one = &one;
        async move {
            let mut count = 0_u64;
            while began.elapsed() < span || count == 0 {
                one().await;
                count += 1;
            }
            count
        }
    };
    let count: u64 = join_all((0..lanes).map(lane)).await.into_iter().sum();
    let micros = |span: Duration| span.as_secs_f64() * 1e6 / count as f64;
    [micros(spent() - before), micros(began.elapsed()) * lanes as f64]
}

fn median(mut all: Vec<[f64; 2]>) -> [f64; 2] {
    [0, 1].map(|place| {
        all.sort_by(|a, b| a[place].total_cmp(&b[place]));
        all[all.len() / 2][place]
    })
}

/// How many items a question is about: the outermost side of its tensor.
fn items(question: &ModelInferRequest) -> usize {
    usize::try_from(question.inputs[0].shape[0]).expect("a count")
}

async fn calls(span: Duration) {
    let answer = |question: ModelInferRequest| Ok(shares(&question, vec![0.5; items(&question)]));
    let fake = Fake::start_forgetful(at_once(answer)).await;
    let settings = read_models("bench", &file(&fake.address)).expect("good");
    let models = Models::start(&settings, &Clock::system()).expect("started");
    // One line for all: an empty call is that of one detector.
    let lone = bulwark::config::ModelSettings {
        detectors: settings.detectors[..1].to_vec(),
        ..settings.clone()
    };
    let empty = Models::start(&lone, &Clock::system()).expect("started");
    let (text, vector) = ("nonsense tokens zzqx of forty-four bytes ....", vec![0.5_f32; 384]);
    let bytes: Vec<u8> = (0..224 * 224 * 3).map(|place| (place % 251) as u8).collect();
    let picture = Pixels { width: 224, height: 224, channels: 3, bytes: &bytes };
    let frame = Pixels { width: 112, height: 112, channels: 3, bytes: &bytes[..112 * 112 * 3] };
    let window = [frame; 8];
    let samples = [
        ("text", Sample::Text(text)),
        ("vector", Sample::Embedding(&vector)),
        ("bytes", Sample::Image(picture)),
        ("picture", Sample::Image(picture)),
        ("window", Sample::Frames(&window)),
    ];
    for (kind, lanes) in [("alone", 1), ("alone", LANES), ("together", LANES)] {
        let mut rows = vec![(String::from("empty call"), Vec::new())];
        rows.extend(samples.iter().map(|(name, _)| (format!("{name}, {kind}"), Vec::new())));
        for _ in 0..ROUNDS {
            rows[0].1.push(
                measured(lanes, span, || async {
                    let ready = empty.ready(Instant::now() + Duration::from_secs(30)).await;
                    assert_eq!(ready[0].1, Ok(true));
                })
                .await,
            );
            for (place, (name, sample)) in samples.iter().enumerate() {
                let detector = DetectorId::parse(&format!("{name}-{kind}")).expect("good");
                let (models, detector) = (&models, &detector);
                rows[place + 1].1.push(
                    measured(lanes, span, || async move {
                        let end = Instant::now() + Duration::from_secs(30);
                        let said = models.ask(detector, sample, end).await;
                        assert!(said.expect("there").is_ok());
                    })
                    .await,
                );
            }
        }
        let empty_cost = median(rows[0].1.clone());
        for (name, all) in rows {
            let [processor, wait] = median(all);
            println!(
                "{name}, {lanes} callers: {processor:.1} µs of processor ({:.2} empty calls), answered after {wait:.0} µs ({:.2})",
                processor / empty_cost[0],
                wait / empty_cost[1],
            );
        }
    }
}

/// What is done between calls, by itself.
fn alone(span: Duration) {
    let settings = read_models("bench", &file("http://127.0.0.1:1")).expect("good");
    let timed = |name: &str, run: &dyn Fn()| {
        let (began, mut count) = (Instant::now(), 0_u32);
        while began.elapsed() < span || count == 0 {
            run();
            count += 1;
        }
        println!("{name}: {:.2} µs", began.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    };
    let bytes: Vec<u8> = (0..224 * 224 * 3).map(|place| (place % 251) as u8).collect();
    let picture = Pixels { width: 224, height: 224, channels: 3, bytes: &bytes };
    let of = |name: &str| {
        let mut all = settings.detectors.iter();
        all.find(|one| one.id.as_str() == name).expect("there")
    };
    for name in ["picture-alone", "bytes-alone"] {
        timed(&format!("{name}: elements of 224 x 224 x 3"), &|| {
            drop(black_box(of(name).input.row(&Sample::Image(picture))));
        });
    }
    let numbers = vec![0.5_f32; 32];
    let typed = Typed { fp32s: &numbers, ..Typed::default() };
    let tensor = Tensor { name: "share", datatype: "FP32", sides: &[32], typed };
    let answer = Answer { model: "zz", version: "7", tensors: vec![tensor], packed: Vec::new() };
    timed("reading the answer for 32 items", &|| {
        drop(black_box(read(of("text-together"), &answer, 32)));
    });
}

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--test");
    let usual = if smoke { 20 } else { 1000 };
    let seconds = std::env::var("MODELS_SECONDS").ok().and_then(|text| text.parse::<u64>().ok());
    let span = Duration::from_millis(seconds.map_or(usual, |seconds| seconds * 1000));
    alone(span);
    tokio::runtime::Runtime::new().expect("a runtime").block_on(calls(span));
}

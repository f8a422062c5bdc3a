//! What one process pays to ask another for signals, beside an empty authenticated call and a verdict in the same run.
//!
//! Processor time of this process, which is caller and server in one: what both ends of a question cost together.
//! `ASKING_ENTRIES` sets the size of the bank, `ASKING_SECONDS` the time for each row.

mod served;
mod shared;

use bulwark::core::signal::Bits256;
use bulwark::io::shards;
use bulwark::proto::v1;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use bulwark::proto::v1::screening_service_client::ScreeningServiceClient;
use bulwark::proto::v1::shard_service_client::ShardServiceClient;
use futures_util::future::join_all;
use served::{Keyed, call, context, fill, open, pdq, prepare, staff};
use shared::{Dice, is_smoke, set};
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio_stream::StreamExt as _;

/// Connections with a call in flight on each.
const LANES: usize = 8;
/// Signals of one question.
const SIGNALS: [usize; 4] = [1, 8, 64, 512];
const ROUNDS: usize = 3;
/// The kernel counts processor time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// Processor time that this process has had.
fn spent() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").expect("the system tells");
    let behind = text.rsplit(')').next().expect("a name in brackets");
    let ticks =
        behind.split_whitespace().skip(11).take(2).map(|n| n.parse::<u32>().expect("ticks"));
    TICK * ticks.sum::<u32>()
}

/// Microseconds of processor and of waiting for each call.
async fn measured<F, C>(lanes: &[Keyed], span: Duration, one: F) -> [f64; 2]
where
    F: Fn(Keyed, u64) -> C,
    C: Future<Output = ()>,
{
    let (began, before) = (Instant::now(), spent());
    let lane = |(place, lane): (usize, &Keyed)| {
        let (lane, one) = (lane.clone(), &one);
        async move {
            let mut count = 0_u64;
            while began.elapsed() < span || count == 0 {
                one(lane.clone(), count * LANES as u64 + place as u64).await;
                count += 1;
            }
            count
        }
    };
    let count: u64 = join_all(lanes.iter().enumerate().map(lane)).await.into_iter().sum();
    let micros = |span: Duration| span.as_secs_f64() * 1e6 / count as f64;
    [micros(spent() - before), micros(began.elapsed()) * LANES as f64]
}

fn say(name: &str, mut rounds: Vec<[f64; 2]>, signals: usize) {
    rounds.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let (least, most) = (rounds[0][0], rounds[rounds.len() - 1][0]);
    let [cpu, wait] = rounds[rounds.len() / 2];
    let each = cpu / signals as f64;
    println!("| {name} | {cpu:.0} µs ({least:.0} to {most:.0}) | {each:.1} µs | {wait:.0} µs |");
}

async fn empty(lane: Keyed) {
    let pair = Some(pdq(Bits256([1, 2, 3, 4])));
    let request = v1::CompareSignalsRequest { first: pair.clone(), second: pair };
    BankServiceClient::new(lane).compare_signals(request).await.expect("told");
}

/// Values that the bank does not hold.
fn drawn(seed: u64) -> Dice {
    Dice(Dice(seed).next())
}

async fn screen(lane: Keyed, seed: u64) {
    let request = v1::ScreenSignalsRequest {
        context: context(),
        signals: vec![pdq(drawn(seed).bits())],
        media_kind: v1::MediaKind::Image.into(),
        ..v1::ScreenSignalsRequest::default()
    };
    let answer = ScreeningServiceClient::new(lane).screen_signals(request).await;
    let verdict = answer.expect("answered").into_inner().verdict.expect("a verdict");
    assert_eq!(verdict.disposition(), v1::Disposition::Allow);
}

async fn screen_many(lane: Keyed, seed: u64, count: usize) {
    use v1::screen_signals_batch_request::Step;
    let mut dice = drawn(seed);
    let items = (0..count).map(|number| v1::SignalsItem {
        item_id: number.to_string(),
        signals: vec![pdq(dice.bits())],
        media_kind: v1::MediaKind::Image.into(),
    });
    let steps = [
        Step::Open(v1::ScreenSignalsBatchOpen { context: context() }),
        Step::Batch(v1::SignalsBatch { number: 1, items: items.collect() }),
    ];
    let steps = steps.map(|step| v1::ScreenSignalsBatchRequest { step: Some(step) });
    let mut client = ScreeningServiceClient::new(lane);
    let answer = client.screen_signals_batch(tokio_stream::iter(steps)).await.expect("begun");
    let mut answer = answer.into_inner();
    let mut told = 0;
    while let Some(said) = answer.next().await {
        if let Some(v1::screen_signals_batch_response::Step::Result(result)) =
            said.expect("said").step
        {
            told += result.items.len();
        }
    }
    assert_eq!(told, count);
}

async fn ask(lane: Keyed, seed: u64, count: usize) {
    let mut dice = drawn(seed);
    let sought = |bits: Bits256| v1::SoughtSignal {
        r#type: v1::SignalType::Pdq.into(),
        value: bits.to_bytes().to_vec().into(),
        ..v1::SoughtSignal::default()
    };
    let request = v1::LookUpRequest {
        shard: Some(v1::Shard { number: 1, count: 1 }),
        tenant_id: "operator".into(),
        environment: v1::Environment::Test.into(),
        min_index: 0,
        signals: (0..count).map(|_| sought(dice.bits())).collect(),
        videos: Vec::new(),
    };
    let answer = ShardServiceClient::new(lane).look_up(request).await.expect("told").into_inner();
    assert_eq!(answer.sources.len(), 1, "there is a bank to compare with");
}

fn main() {
    let (entries, seconds) = (set("ASKING_ENTRIES", 10_000, 1_000), set("ASKING_SECONDS", 2, 0));
    let span = Duration::from_secs(seconds);
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a directory");
    runtime.block_on(async {
        let house = open(folder.path().join("data")).await;
        let key = staff(&house).await;
        prepare(&house, &key).await;
        tokio::task::block_in_place(|| fill(&house.store, entries as usize));
        let own = shards::key(house.store.keys()).expect("a key").reveal().to_string();
        let lanes = |key: &str| (0..LANES).map(|_| call(&house.url, key)).collect::<Vec<_>>();
        let (lanes, own) = (lanes(&key), lanes(&own));
        let rounds = if is_smoke() { 1 } else { ROUNDS };
        let mut rows: Vec<Vec<[f64; 2]>> = vec![Vec::new(); 4 + SIGNALS.len()];
        // By turns, so that what else the machine does weighs on all rows alike.
        for _ in 0..rounds {
            rows[0].push(measured(&lanes, span, |lane, _| empty(lane)).await);
            rows[1].push(measured(&lanes, span, screen).await);
            for (place, count) in [64, 512].into_iter().enumerate() {
                let many = |lane, seed| screen_many(lane, seed, count);
                rows[2 + place].push(measured(&lanes, span, many).await);
            }
            for (place, count) in SIGNALS.into_iter().enumerate() {
                let one = |lane, seed| ask(lane, seed, count);
                rows[4 + place].push(measured(&own, span, one).await);
            }
        }
        println!("{entries} entries, {LANES} lines, both ends in one process\n");
        println!("| call | processor a call | a signal | waiting |\n|---|---|---|---|");
        let mut rows = rows.into_iter();
        let mut next = |name: &str, count| say(name, rows.next().expect("measured"), count);
        next("empty authenticated call", 1);
        next("`ScreenSignals`, one hash", 1);
        next("`ScreenSignalsBatch`, 64 items", 64);
        next("`ScreenSignalsBatch`, 512 items", 512);
        for count in SIGNALS {
            next(&format!("`LookUp`, {count} hashes"), count);
        }
        house.stop.cancel();
    });
}

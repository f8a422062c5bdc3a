//! Calls over a loopback socket, everything on (credentials, roles, limits, policy, counters), beside an empty
//! authenticated call in the same run. `BULWARK_BENCH_ENTRIES` sets the sizes of the bank, as `10000,1000000`.

#![allow(missing_docs, reason = "criterion's macros")]

mod served;
mod shared;

use bulwark::cli::draw;
use bulwark::core::signal::Bits256;
use bulwark::proto::v1;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use bulwark::proto::v1::screening_service_client::ScreeningServiceClient;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use served::{Keyed, call, context, fill, open, pdq, prepare, staff};
use shared::Dice;
use tokio::runtime::Runtime;
use tokio_stream::StreamExt as _;

/// Connections with a call in flight on each.
const LANES: usize = 8;

fn unknown(dice: &mut Dice) -> v1::ScreenSignalsRequest {
    v1::ScreenSignalsRequest {
        context: context(),
        signals: vec![pdq(dice.bits())],
        media_kind: v1::MediaKind::Image.into(),
        ..v1::ScreenSignalsRequest::default()
    }
}

fn calls(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a directory");
    let house = runtime.block_on(open(folder.path().join("data")));
    let key = runtime.block_on(staff(&house));
    runtime.block_on(prepare(&house, &key));
    let lanes: Vec<Keyed> = {
        let _inside = runtime.enter();
        (0..LANES).map(|_| call(&house.url, &key)).collect()
    };
    let sizes = std::env::var("BULWARK_BENCH_ENTRIES").unwrap_or_else(|_| "10000".into());

    let mut group = c.benchmark_group("calls");
    group.throughput(Throughput::Elements(LANES as u64));
    group.bench_function("empty authenticated call", |b| {
        b.to_async(&runtime).iter(|| async {
            let calls = lanes.iter().map(|lane| async {
                let pair = Some(pdq(Bits256([1, 2, 3, 4])));
                let request = v1::CompareSignalsRequest { first: pair.clone(), second: pair };
                BankServiceClient::new(lane.clone()).compare_signals(request).await.expect("told")
            });
            join_all(calls).await
        });
    });
    for size in sizes.split(',').map(|size| size.trim().parse::<usize>().expect("a number")) {
        fill(&house.store, size);
        group.bench_function(format!("ScreenSignals, {size} entries"), |b| {
            b.to_async(&runtime).iter(|| async {
                let calls = lanes.iter().enumerate().map(|(place, lane)| {
                    let request = unknown(&mut Dice(99 + place as u64));
                    let mut client = ScreeningServiceClient::new(lane.clone());
                    async move {
                        let answer = client.screen_signals(request).await.expect("answered");
                        let verdict = answer.into_inner().verdict.expect("a verdict");
                        assert_eq!(verdict.disposition(), v1::Disposition::Allow);
                    }
                });
                join_all(calls).await
            });
        });
    }
    group.throughput(Throughput::Elements(1024));
    group.bench_function("ScreenSignalsBatch of 1,024 hashes", |b| {
        b.to_async(&runtime).iter(|| batch(lanes[0].clone()));
    });
    let picture = draw::jpeg(&draw::picture(2), 85);
    group.throughput(Throughput::Elements(1));
    group.bench_function("ScreenMedia, JPEG of 640 × 480", |b| {
        b.to_async(&runtime).iter(|| {
            let request = v1::ScreenMediaRequest {
                context: context(),
                content: picture.clone().into(),
                ..v1::ScreenMediaRequest::default()
            };
            let mut client = ScreeningServiceClient::new(lanes[0].clone());
            async move { client.screen_media(request).await.expect("answered") }
        });
    });
    let mut dice = Dice(5);
    group.throughput(Throughput::Elements(LANES as u64));
    group.bench_function("AddEntry, durable", |b| {
        b.to_async(&runtime).iter(|| {
            let calls: Vec<_> = lanes
                .iter()
                .map(|lane| {
                    let list = v1::SignalList { signals: vec![pdq(dice.bits())] };
                    let request = v1::AddEntryRequest {
                        bank_id: "known".into(),
                        source: Some(v1::add_entry_request::Source::Signals(list)),
                        ..v1::AddEntryRequest::default()
                    };
                    let mut client = BankServiceClient::new(lane.clone());
                    async move { client.add_entry(request).await.expect("added") }
                })
                .collect();
            join_all(calls)
        });
    });
    group.finish();
    house.stop.cancel();
}

async fn batch(lane: Keyed) {
    use v1::screen_signals_batch_request::Step;
    let mut dice = Dice(11);
    let items = (0..1024)
        .map(|number| v1::SignalsItem {
            item_id: number.to_string(),
            signals: vec![pdq(dice.bits())],
            media_kind: v1::MediaKind::Image.into(),
        })
        .collect();
    let say = |step| v1::ScreenSignalsBatchRequest { step: Some(step) };
    let steps = [
        say(Step::Open(v1::ScreenSignalsBatchOpen { context: context() })),
        say(Step::Batch(v1::SignalsBatch { number: 1, items })),
    ];
    let mut client = ScreeningServiceClient::new(lane);
    let answer = client.screen_signals_batch(tokio_stream::iter(steps)).await.expect("begun");
    let mut answer = answer.into_inner();
    while let Some(said) = answer.next().await {
        said.expect("answered");
    }
}

criterion_group!(benches, calls);
criterion_main!(benches);

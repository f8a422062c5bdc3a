//! Durable events a second, one by one and grouped, beside raw appends to a file in the same directory.
//!
//! With the feature `postgres`, and where there is one, the same on a PostgreSQL whose files lie in that directory too.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use bulwark::core::access::{Environment, Scope};
use bulwark::core::event::{Event, Outcome, OutcomeKind};
use bulwark::core::id::{ItemId, TenantId, VerdictId};
use bulwark::core::time::Time;
use bulwark::io::clock::Clock;
use bulwark::io::seal::KeyRing;
use bulwark::io::store::{Settings, Store};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

#[cfg(feature = "postgres")]
#[path = "../src/io/store/tests/cluster.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod cluster;

/// Events in a group.
const GROUP: usize = 1000;
/// Bytes of an event.
const EVENT_BYTES: usize = 300;

/// Bytes of the file that is written in place.
const SPACE_BYTES: u64 = 16 << 20;

fn event() -> Event {
    let scope = Scope {
        tenant: TenantId::parse("example").expect("a name"),
        environment: Environment::Test,
    };
    let outcome = |item: usize| Outcome {
        verdict: VerdictId::parse("0190a0b0c0d0e0f00102030405060708").expect("a name"),
        item: Some(ItemId::parse(&"i".repeat(item)).expect("a name")),
        kind: OutcomeKind::Removed,
        occurred: Time::from_millis(1_700_000_000_000),
        views_before: Some(1),
        after_review: false,
    };
    let bare = Event::OutcomeRecorded { scope: scope.clone(), outcome: outcome(1) };
    let bytes = serde_json::to_vec(&bare).expect("JSON").len();
    Event::OutcomeRecorded { scope, outcome: outcome(EVENT_BYTES + 1 - bytes) }
}

/// A store in a directory of its own below another.
fn store(runtime: &Runtime, settings: Settings) -> Store {
    let clock = Clock::system();
    let keys = Arc::new(KeyRing::generate(&clock));
    runtime.block_on(Store::open(settings, keys, clock)).expect("a store")
}

/// Without the feature there is none.
#[cfg(not(feature = "postgres"))]
fn there(_: &Path, _: &Path) -> Option<((), Settings)> {
    None
}

/// A server whose files lie in a directory, and the settings of a store there.
#[cfg(feature = "postgres")]
fn there(folder: &Path, parent: &Path) -> Option<(cluster::Cluster, Settings)> {
    use bulwark::config::Secret;
    use bulwark::config::value::Value as _;
    use bulwark::io::store::Server;
    let found = cluster::Cluster::is_there();
    let cluster = found.then(|| cluster::Cluster::start_in(parent, true))?;
    let url = Secret::read(&cluster.url(&cluster.database())).expect("an address");
    let settings = Settings { server: Some(Server::at(url)), ..Settings::in_folder(folder) };
    Some((cluster, settings))
}

fn append(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    // Not the directory for temporary files, which may be in memory: the one that the program would write to.
    let parent = env!("CARGO_TARGET_TMPDIR");
    let folder = tempfile::tempdir_in(parent).expect("a directory");
    let mut stores = vec![("", store(&runtime, Settings::in_folder(folder.path())))];
    let beside = tempfile::tempdir_in(parent).expect("a directory");
    let server = there(beside.path(), parent.as_ref());
    if let Some((_, settings)) = &server {
        stores.push((" on PostgreSQL", store(&runtime, settings.clone())));
    }
    let mut file = File::create(folder.path().join("raw")).expect("a file");
    let space = File::create(folder.path().join("space")).expect("a file");
    space.write_all_at(&vec![1; SPACE_BYTES as usize + EVENT_BYTES], 0).expect("written");
    space.sync_all().expect("synced");
    let event = event();
    let record = vec![7; EVENT_BYTES];
    assert_eq!(serde_json::to_vec(&event).expect("JSON").len(), EVENT_BYTES);

    let mut group = c.benchmark_group("append");
    group.throughput(Throughput::Elements(1));
    group.bench_function("raw, one by one", |b| {
        b.iter(|| {
            file.write_all(&record).expect("written");
            file.sync_data().expect("synced");
        });
    });
    // The same without growing the file: what a log that reuses its space can reach.
    let mut place = 0;
    group.bench_function("raw in place, one by one", |b| {
        b.iter(|| {
            place = (place + EVENT_BYTES as u64) % SPACE_BYTES;
            space.write_all_at(&record, place).expect("written");
            space.sync_data().expect("synced");
        });
    });
    for (place, store) in &stores {
        group.bench_function(format!("journal{place}, one by one"), |b| {
            b.to_async(&runtime).iter(|| async {
                black_box(store.record(event.clone()).await.expect("kept"));
            });
        });
    }
    group.throughput(Throughput::Elements(GROUP as u64));
    group.bench_function("raw, grouped", |b| {
        b.iter(|| {
            for _ in 0..GROUP {
                file.write_all(&record).expect("written");
            }
            file.sync_data().expect("synced");
        });
    });
    for (place, store) in &stores {
        group.bench_function(format!("journal{place}, grouped"), |b| {
            b.to_async(&runtime).iter(|| async {
                let kept = (0..GROUP).map(|_| store.record(event.clone()));
                for number in futures_util::future::join_all(kept).await {
                    black_box(number.expect("kept"));
                }
            });
        });
        group.bench_function(format!("journal{place}, one change of many events"), |b| {
            b.to_async(&runtime).iter(|| async {
                let event = event.clone();
                let kept = store.keep::<(), _>(None, move |tx| {
                    Box::pin(async move {
                        for _ in 0..GROUP {
                            tx.record(event.clone()).await?;
                        }
                        Ok(Vec::new())
                    })
                });
                black_box(kept.await.expect("kept"));
            });
        });
    }
    group.finish();
    for (_, store) in stores {
        runtime.block_on(store.close()).expect("closed");
    }
}

criterion_group!(benches, append);
criterion_main!(benches);

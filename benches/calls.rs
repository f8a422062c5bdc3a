//! Calls over a loopback socket, everything on (credentials, roles, limits, policy, counters), beside an empty
//! authenticated call in the same run. `BULWARK_BENCH_ENTRIES` sets the sizes of the bank, as `10000,1000000`.

#![allow(missing_docs, reason = "criterion's macros")]

mod shared;

use bulwark::cli::draw;
use bulwark::config::Settings;
use bulwark::core::bank::Entry;
use bulwark::core::signal::Bits256;
use bulwark::io::store::Store;
use bulwark::proto::v1;
use bulwark::proto::v1::admin_service_client::AdminServiceClient;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use bulwark::proto::v1::screening_service_client::ScreeningServiceClient;
use bulwark::server::install_crypto;
use bulwark::server::whole::Whole;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use shared::{Dice, entry, put};
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// Connections with a call in flight on each.
const LANES: usize = 8;

#[derive(Clone)]
struct Key(MetadataValue<Ascii>);

impl tonic::service::Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Keyed = InterceptedService<Channel, Key>;

struct House {
    store: Store,
    url: String,
    admin: String,
    stop: CancellationToken,
}

async fn open(folder: PathBuf) -> House {
    install_crypto();
    let mut settings = Settings::default();
    settings.general.data_dir = folder;
    settings.store.verify_interval = Duration::ZERO;
    let program = PathBuf::from(env!("CARGO_BIN_EXE_bulwark"));
    let mut whole = Whole::open(settings, program).await.expect("opens");
    let admin = whole.first_key.take().expect("a fresh directory").to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (store, stop) = (whole.store().clone(), CancellationToken::new());
    tokio::spawn(whole.serve(vec![listener], None, stop.clone()));
    House { store, url, admin, stop }
}

fn call(url: &str, key: &str) -> Keyed {
    let channel = Endpoint::from_shared(url.to_owned()).expect("an address").connect_lazy();
    let key = Key(format!("Bearer {key}").parse().expect("a header"));
    InterceptedService::new(channel, key)
}

async fn staff(house: &House) -> String {
    let made = AdminServiceClient::new(call(&house.url, &house.admin))
        .create_credential(v1::CreateCredentialRequest {
            credential: Some(v1::Credential {
                tenant_id: "operator".into(),
                environment: v1::Environment::Test.into(),
                roles: vec![v1::Role::Screener.into(), v1::Role::BankManager.into()],
                proof: Some(v1::credential::Proof::Key(v1::ApiKey {})),
                ..v1::Credential::default()
            }),
            request_id: String::new(),
        })
        .await;
    made.expect("made").into_inner().key
}

/// Puts entries into the memory alone: how they are kept is measured elsewhere.
fn fill(store: &Store, count: usize) {
    let (mut dice, mut made) = (Dice(7), 0);
    while made < count {
        let entries: Vec<Entry> = (made..count.min(made + 1000))
            .map(|number| entry(&format!("e{number}"), Some(dice.bits())))
            .collect();
        made += entries.len();
        let number = store.resident().read().applied();
        store.resident().apply(&[(number, put(entries))]);
    }
    while !store.resident().is_settled() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn context() -> Option<v1::Context> {
    Some(v1::Context {
        surface: v1::SurfaceKind::Upload.into(),
        visibility: v1::Visibility::Public.into(),
        surface_id: "pictures".into(),
        ..v1::Context::default()
    })
}

fn pdq(bits: Bits256) -> v1::Signal {
    v1::Signal {
        r#type: v1::SignalType::Pdq.into(),
        value: Some(v1::signal::Value::Binary(bits.to_bytes().to_vec().into())),
        ..v1::Signal::default()
    }
}

fn unknown(dice: &mut Dice) -> v1::ScreenSignalsRequest {
    v1::ScreenSignalsRequest {
        context: context(),
        signals: vec![pdq(dice.bits())],
        media_kind: v1::MediaKind::Image.into(),
        ..v1::ScreenSignalsRequest::default()
    }
}

async fn prepare(house: &House, key: &str) {
    let mut banks = BankServiceClient::new(call(&house.url, key));
    let bank = v1::CreateBankRequest {
        bank_id: "known".into(),
        bank: Some(v1::Bank {
            role: v1::BankRole::Positive.into(),
            mode: v1::BankMode::Enforce.into(),
            legal_basis: "a benchmark".into(),
            ..v1::Bank::default()
        }),
        request_id: String::new(),
    };
    banks.create_bank(bank).await.expect("made");
    // A surface that hashes of pictures alone can clear, so that the usual answer is measured, which keeps nothing.
    let surface = v1::CreateSurfaceRequest {
        surface_id: "pictures".into(),
        surface: Some(v1::Surface {
            environment: v1::Environment::Test.into(),
            kind: v1::SurfaceKind::Upload.into(),
            required_checks: vec![v1::Check::ImageMatch.into()],
            ..v1::Surface::default()
        }),
        request_id: String::new(),
    };
    let mut admin = AdminServiceClient::new(call(&house.url, &house.admin));
    admin.create_surface(surface).await.expect("made");
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

//! What remembering costs, and how soon earlier items are told once a bank learns something.
//!
//! `LOOKBACK_ITEMS=10000000 cargo bench --bench lookback` is the long form, for which some gigabytes of memory and of disk
//! are needed; `-- --test` a very short one. Each item has three digests and a perceptual hash. First the window alone,
//! beside a scan over all hashes in the same run; then a whole store on this machine's disk: how fast items are written, the
//! time from an entry's being asked for to its pairs' being had, and a start that reads everything again.

mod shared;

use bulwark::core::access::Tenant;
use bulwark::core::bank::{BankedSignal, EntryState};
use bulwark::core::event::Event;
use bulwark::core::hamming::Scratch;
use bulwark::core::id::{ItemId, SurfaceId, TenantId};
use bulwark::core::lookback::{Remembered, Screened};
use bulwark::core::matcher::window::Window;
use bulwark::core::policy::{Surface, SurfaceKind};
use bulwark::core::screening::question::Probe;
use bulwark::core::signal::{Bits256, Signal};
use bulwark::core::time::Time;
use bulwark::core::verdict::{Dihedral, Form};
use bulwark::io::clock::Clock;
use bulwark::io::seal::KeyRing;
use bulwark::io::store::{Cursor, Settings, Store};
use shared::{Dice, bank, entry, put, scope, set};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Items that are written together.
const BATCH: u64 = 1024;
/// Distance at which a hash is near.
const RADIUS: u32 = 31;

/// The signals of an item by its number.
fn signals(number: u64) -> [Signal; 4] {
    let mut dice = Dice(number.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut bytes = [0; 32];
    bytes.chunks_exact_mut(8).for_each(|chunk| chunk.copy_from_slice(&dice.next().to_be_bytes()));
    let (mut md5, mut sha1) = ([0; 16], [0; 20]);
    md5.copy_from_slice(&bytes[..16]);
    sha1.copy_from_slice(&bytes[..20]);
    let bits = dice.bits();
    [Signal::Md5(md5), Signal::Sha1(sha1), Signal::Sha256(bytes), Signal::Pdq(bits)]
}

fn bits(number: u64) -> Bits256 {
    match signals(number)[3] {
        Signal::Pdq(bits) => bits,
        _ => unreachable!("the last one is a hash"),
    }
}

fn median(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() - 1])
}

/// The window alone.
fn window(items: u64) {
    let (mut window, mut scratch) = (Window::default(), Scratch::default());
    let began = Instant::now();
    let mut number = 1;
    while number <= items {
        let until = (number + BATCH).min(items + 1);
        let batch: Vec<_> = (number..until).map(|number| (number, signals(number))).collect();
        let given = batch.iter().map(|(number, signals)| {
            (*number, signals.iter().map(|signal| (signal, Some(90))).collect())
        });
        window.add(given);
        while let Some(gathering) = window.gathering() {
            window.adopt(gathering.run());
        }
        number = until;
    }
    let took = began.elapsed();
    let each = window.bytes() as f64 / items as f64;
    println!("window of {items} items: {each:.1} bytes an item, added in {took:.1?}");
    let mut dice = Dice(7);
    let rounds = if shared::is_smoke() { 20 } else { 300 };
    let sought: Vec<(u64, Signal)> = (0..rounds)
        .map(|_| {
            let item = dice.next() % items + 1;
            (item, Signal::Pdq(dice.changed(bits(item))))
        })
        .collect();
    let mut times = Vec::new();
    for (item, signal) in &sought {
        let began = Instant::now();
        let mut is_found = false;
        window.search(0, signal, RADIUS, &mut scratch, |one| is_found |= one.item == *item);
        times.push(began.elapsed());
        assert!(is_found, "an item within the distance");
    }
    let (near, _) = median(times);
    // A scan over the same hashes, in the same run.
    let all: Vec<Bits256> = (1..=items).map(bits).collect();
    let mut times = Vec::new();
    for (item, signal) in sought.iter().take(10) {
        let Signal::Pdq(sought) = signal else { continue };
        let began = Instant::now();
        let found = all.iter().position(|other| black_box(other).distance(sought) <= RADIUS);
        // All of it is looked at, as a search does.
        let count = all.iter().filter(|other| black_box(other).distance(sought) <= RADIUS).count();
        times.push(began.elapsed() / 2);
        assert!(count > 0 && found.is_some_and(|at| (at as u64) < *item));
    }
    let (scan, _) = median(times);
    let ratio = scan.as_secs_f64() / near.as_secs_f64();
    println!("a hash: {near:.1?} a search, {scan:.1?} a scan of the same hashes: {ratio:.0} times");
    let mut times = Vec::new();
    for round in 0..rounds {
        let [md5, ..] = signals(round % items + 1);
        let began = Instant::now();
        let mut is_found = false;
        window.search(0, &md5, 0, &mut scratch, |one| is_found |= one.item == round % items + 1);
        times.push(began.elapsed());
        assert!(is_found, "an item with the digest");
    }
    println!("a digest: {:.2?} a search", median(times).0);
}

fn screened(number: u64, index: u64) -> Box<Screened> {
    let probe = |signal| Probe {
        signal,
        quality: Some(90),
        form: Form::Canonical,
        dihedral: Dihedral::Original,
        part: "".into(),
        frame: 0,
        stream: 0,
    };
    let item = Remembered {
        item: ItemId::parse(&format!("item-{number}")).expect("a name"),
        surface: SurfaceId::parse("upload").expect("a name"),
        screened: Clock::system().now(),
        probes: signals(number).map(probe).to_vec(),
    };
    Box::new(Screened { scope: scope(), item, index, told: Vec::new() })
}

async fn open(settings: &Settings, keys: &Arc<KeyRing>) -> Store {
    Store::open(settings.clone(), Arc::clone(keys), Clock::system()).await.expect("opens")
}

fn remembered(store: &Store) -> u64 {
    store.lookback().figures().items.load(Ordering::Relaxed)
}

/// Learns entries that each are near one item, and gives the times from asking to having the pair.
async fn learn(store: &Store, items: u64, names: std::ops::Range<u64>) -> Vec<Duration> {
    let (mut after, mut times) = (Cursor::default(), Vec::new());
    // What was told before.
    loop {
        let (pairs, reached) = store.lookback().behind(&scope(), &after, 1000).await.expect("read");
        after = reached;
        if pairs.is_empty() {
            break;
        }
    }
    let mut dice = Dice(names.start + 11);
    for name in names {
        let item = dice.next() % items + 1;
        let mut learned = entry(&format!("e{name}"), Some(dice.changed(bits(item))));
        learned.state = EntryState::Active;
        let signal = learned.signals[0].signal.clone();
        learned.signals = vec![BankedSignal::new(signal, None)];
        let began = Instant::now();
        store.record(put(vec![learned])).await.expect("kept");
        let patience = Duration::from_secs(600);
        let (pairs, reached) =
            store.lookback().next(&scope(), &after, 10, patience).await.expect("read");
        times.push(began.elapsed());
        assert_eq!(pairs[0].item.item.to_string(), format!("item-{item}"));
        after = reached;
    }
    times
}

/// A whole store.
async fn whole(items: u64) {
    let folder = tempfile::tempdir().expect("a directory");
    let keys = Arc::new(KeyRing::generate(&Clock::system()));
    let settings =
        Settings { lookback_memory_bytes_max: u64::MAX, ..Settings::in_folder(folder.path()) };
    let store = open(&settings, &keys).await;
    let tenant = Tenant {
        id: TenantId::parse("operator").expect("a name"),
        display_name: String::new(),
        version: 1,
        created: Time::default(),
        revoked: None,
    };
    let window = Some(Duration::from_secs(86_400));
    let usual = Surface::usual(SurfaceKind::Upload, Time::default());
    let surface = Surface { lookback: window, ..usual };
    for event in [
        Event::TenantPut { tenant },
        Event::SurfacePut { scope: scope(), surface },
        Event::BankPut { scope: scope(), bank: bank() },
    ] {
        store.record(event).await.expect("kept");
    }
    let index = store.resident().read().applied();
    let figures = store.lookback().figures();
    let (began, mut handing) = (Instant::now(), Duration::ZERO);
    for number in 1..=items {
        let item = screened(number, index);
        // What screening waits for.
        let before = Instant::now();
        store.lookback().remember(item);
        handing += before.elapsed();
        while figures.waiting.load(Ordering::Relaxed) > settings.lookback_waiting_bytes_max / 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    while remembered(&store) < items {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(figures.dropped.load(Ordering::Relaxed), 0);
    let rate = items as f64 / began.elapsed().as_secs_f64();
    let each = handing.as_nanos() / u128::from(items);
    println!("written {rate:.0} items a second; handing one over takes {each} ns");
    let rounds = if shared::is_smoke() { 5 } else { 60 };
    let (half, most) = median(learn(&store, items, 0..rounds).await);
    println!("from an entry's being asked for to its pair: median {half:.1?}, most {most:.1?}");
    let bytes = figures.bytes.load(Ordering::Relaxed) as f64 / items as f64;
    store.close().await.expect("ends");
    let file = std::fs::metadata(folder.path().join("lookback.db")).expect("a file").len();
    println!("{bytes:.1} bytes of memory and {} bytes of disk an item", file / items);
    let began = Instant::now();
    let store = open(&settings, &keys).await;
    let opened = began.elapsed();
    let first = learn(&store, items, rounds..rounds + 1).await;
    println!(
        "a start: serves after {opened:.1?}, all items are searched after {:.1?}",
        began.elapsed()
    );
    assert_eq!((first.len(), remembered(&store)), (1, items));
    let (half, most) = median(learn(&store, items, rounds + 1..2 * rounds).await);
    println!("then: median {half:.1?}, most {most:.1?}");
    store.close().await.expect("ends");
}

fn main() {
    let items = set("LOOKBACK_ITEMS", 100_000, 3_000);
    window(items);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(whole(items));
}

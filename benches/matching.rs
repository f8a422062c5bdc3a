//! What a look-up in the index of perceptual hashes costs, beside a plain scan in the same run.
//!
//! `MATCHING_ENTRIES_MAX=100000 cargo bench --bench matching` leaves larger indexes out; `-- --test` keeps
//! the smallest only. The values are uniform bits, as those of distinct pictures very nearly are; the
//! queries are half strangers and half copies of an entry with 20 bits changed.

use bulwark::core::bank::{
    Bank, BankMode, BankRole, BankedSignal, Entry, EntryState, RATIO_ALL, SignalRule,
};
use bulwark::core::hamming::{Scratch, Table};
use bulwark::core::id::{BankId, EntryId};
use bulwark::core::matcher::{Matcher, Query};
use bulwark::core::signal::{Bits256, Signal, SignalType};
use bulwark::core::time::Time;
use bulwark::core::verdict::Provenance;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];

/// The greatest distance at which a bank matches by default.
const RADIUS: u32 = 31;

fn entries_max() -> usize {
    let smoke = std::env::args().any(|argument| argument == "--test");
    let set = std::env::var("MATCHING_ENTRIES_MAX").ok().and_then(|text| text.parse().ok());
    set.unwrap_or(if smoke { 1_000 } else { usize::MAX })
}

/// A small generator of numbers, so that every run measures the same data.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn value(&mut self) -> Bits256 {
        Bits256(std::array::from_fn(|_| self.next()))
    }

    fn changed(&mut self, mut value: Bits256) -> Bits256 {
        for _ in 0..20 {
            let bit = self.next() % 256;
            value.0[bit as usize / 64] ^= 1 << (bit % 64);
        }
        value
    }
}

fn table(c: &mut Criterion) {
    for size in SIZES {
        if size > entries_max() {
            continue;
        }
        let mut numbers = Numbers(size as u64);
        let values: Vec<Bits256> = (0..size).map(|_| numbers.value()).collect();
        let table = Table::over(&values);
        println!(
            "matching: {size} values, {:.1} bytes each, {}",
            table.bytes() as f64 / size as f64,
            bulwark::core::hamming::instructions()
        );
        let queries: Vec<Bits256> = (0..1024)
            .map(|n| match n % 2 {
                0 => numbers.value(),
                _ => {
                    let entry = values[numbers.next() as usize % size];
                    numbers.changed(entry)
                }
            })
            .collect();
        let mut group = c.benchmark_group("matching");
        group.sample_size(10);
        let mut turn = 0;
        let mut next = || {
            turn = (turn + 1) % queries.len();
            queries[turn]
        };
        let mut scratch = Scratch::default();
        group.bench_with_input(BenchmarkId::new("query", size), &table, |b, table| {
            b.iter_batched(
                &mut next,
                |query| {
                    let mut count = 0;
                    table.query(black_box(&query), RADIUS, &mut scratch, |_, _| count += 1);
                    count
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_with_input(BenchmarkId::new("scan", size), &values, |b, values| {
            b.iter_batched(
                &mut next,
                |query| {
                    let query = black_box(query);
                    let near = |value: &&Bits256| value.distance(&query) <= RADIUS;
                    values.iter().filter(near).count()
                },
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

fn bank() -> Bank {
    Bank {
        id: BankId::parse("known").expect("a name"),
        display_name: String::new(),
        role: BankRole::Positive,
        mode: BankMode::Enforce,
        enabled: true,
        ratio_millionths: RATIO_ALL,
        rules: vec![SignalRule::usual(SignalType::Pdq)],
        vetted: true,
        legal_basis: String::new(),
        freshness_max: None,
        version: 1,
        created: Time::default(),
        changed: Time::default(),
        learned: Time::default(),
    }
}

fn entry(number: usize, bits: Bits256, state: EntryState) -> Entry {
    let signal = BankedSignal { signal: Signal::Pdq(bits), quality: None };
    Entry {
        id: EntryId::parse(&format!("e{number}")).expect("a name"),
        signals: if state == EntryState::Removed { Vec::new() } else { vec![signal] },
        state,
        provenance: Provenance::default(),
        note: String::new(),
        version: 1,
        created: Time::default(),
    }
}

/// A matcher that changes: what an entry costs to add and to remove, and what a search costs meanwhile.
fn matcher(c: &mut Criterion) {
    for size in SIZES {
        if size > entries_max() {
            continue;
        }
        let (mut numbers, bank, at) = (Numbers(size as u64), bank(), Time::default());
        let mut matcher = Matcher::default();
        matcher.put_bank(1, &bank);
        for some in (0..size).collect::<Vec<_>>().chunks(1000) {
            let entries: Vec<_> =
                some.iter().map(|n| entry(*n, numbers.value(), EntryState::Active)).collect();
            matcher.put_entries(1, at, &bank.id, &entries);
        }
        matcher.settle();
        let mut group = c.benchmark_group("changing");
        group.sample_size(10);
        let mut next = size;
        group.bench_function(BenchmarkId::new("put_one", size), |b| {
            b.iter(|| {
                next += 1;
                let one = entry(next, numbers.value(), EntryState::Active);
                matcher.put_entries(1, at, &bank.id, &[one]);
                matcher.clone()
            });
        });
        let mut gone = size;
        group.bench_function(BenchmarkId::new("remove_one", size), |b| {
            b.iter(|| {
                gone -= 1;
                let one = entry(gone, Bits256::default(), EntryState::Removed);
                matcher.put_entries(1, at, &bank.id, &[one]);
                matcher.clone()
            });
        });
        let mut scratch = Scratch::default();
        group.bench_function(BenchmarkId::new("search", size), |b| {
            b.iter(|| {
                let signal = Signal::Pdq(numbers.value());
                matcher.search(Query { signal: &signal, quality: None }, &mut scratch).len()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, table, matcher);
criterion_main!(benches);

//! What a look-up in the index of perceptual hashes costs, beside a plain scan in the same run.
//!
//! `MATCHING_ENTRIES_MAX=100000 cargo bench --bench matching` leaves larger indexes out; `-- --test` keeps
//! the smallest only. The values are uniform bits, as those of distinct pictures very nearly are; the
//! queries are half strangers and half copies of an entry with 20 bits changed.

use bulwark::core::hamming::Index;
use bulwark::core::signal::Bits256;
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

fn index(c: &mut Criterion) {
    for size in SIZES {
        if size > entries_max() {
            continue;
        }
        let mut numbers = Numbers(size as u64);
        let values: Vec<Bits256> = (0..size).map(|_| numbers.value()).collect();
        let mut index: Index = values.iter().copied().zip(0..).collect();
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
        group.bench_with_input(BenchmarkId::new("query", size), &index, |b, index| {
            b.iter_batched(
                &mut next,
                |query| index.query(black_box(&query), RADIUS),
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
        group.bench_function(BenchmarkId::new("insert_and_remove", size), |b| {
            b.iter_batched(
                &mut next,
                |value| {
                    index.insert(value, u32::MAX);
                    index.remove(&value, u32::MAX)
                },
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

criterion_group!(benches, index);
criterion_main!(benches);

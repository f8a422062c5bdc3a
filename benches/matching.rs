//! What a look-up in the index of perceptual hashes costs, beside a plain scan in the same run.
//!
//! `MATCHING_ENTRIES_MAX=100000 cargo bench --bench matching` leaves larger indexes out, `=10000000` takes the largest in;
//! `-- --test` keeps the smallest only. The values are uniform bits, as those of distinct pictures very nearly are; the
//! queries are half strangers and half copies of an entry with 20 bits changed.

mod shared;

use bulwark::core::hamming::{Scratch, Table};
use bulwark::core::signal::Bits256;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use shared::{Dice, set};
use std::hint::black_box;

const SIZES: [usize; 4] = [1_000, 100_000, 1_000_000, 10_000_000];
/// Hashes that a picture is looked for by: one for each symmetry of a square.
const SYMMETRIES: usize = 8;

/// The greatest distance at which a bank matches by default.
const RADIUS: u32 = 31;

fn table(c: &mut Criterion) {
    let entries_max = set("MATCHING_ENTRIES_MAX", 1_000_000, 1_000);
    for size in SIZES {
        if size as u64 > entries_max {
            continue;
        }
        let mut numbers = Dice(size as u64);
        let values: Vec<Bits256> = (0..size).map(|_| numbers.bits()).collect();
        let table = Table::over(&values);
        println!(
            "matching: {size} values, {:.1} bytes each, {}",
            table.bytes() as f64 / size as f64,
            bulwark::core::hamming::instructions()
        );
        let queries: Vec<Bits256> = (0..1024)
            .map(|n| match n % 2 {
                0 => numbers.bits(),
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
        group.bench_with_input(BenchmarkId::new("eight queries", size), &table, |b, table| {
            b.iter_batched(
                || std::array::from_fn::<_, SYMMETRIES, _>(|_| next()),
                |eight| {
                    let mut count = 0;
                    for query in &eight {
                        table.query(black_box(query), RADIUS, &mut scratch, |_, _| count += 1);
                    }
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

criterion_group!(benches, table);
criterion_main!(benches);

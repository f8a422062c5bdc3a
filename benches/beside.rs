//! The side of `scripts/compare` that is ours: looks up the queries of a file among the values of another, once for
//! every line that it is sent, so that the two sides take turns in one run.
//!
//! Files hold values of 32 bytes, one after another. Says at first: seconds to build, bytes a value, instructions; then
//! after each pass: seconds, and values found.

use bulwark::core::hamming::{Scratch, Table, VALUES_MAX, instructions};
use bulwark::core::signal::Bits256;
use std::io::BufRead as _;
use std::time::Instant;

fn values(path: &str) -> Vec<Bits256> {
    let bytes = std::fs::read(path).expect("readable");
    let (values, _) = bytes.as_chunks::<32>();
    values.iter().map(|value| Bits256::from_bytes(*value)).collect()
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let (Some(listed), Some(asked)) = (arguments.next(), arguments.next()) else {
        // Run by itself, as all benchmarks are: there is nothing to compare with.
        println!("beside: run scripts/compare");
        return;
    };
    let radius = arguments.next().map_or(31, |radius| radius.parse().expect("a number"));
    let (listed, asked) = (values(&listed), values(&asked));
    let began = Instant::now();
    let tables: Vec<Table> = listed.chunks(VALUES_MAX).map(Table::over).collect();
    let built = began.elapsed().as_secs_f64();
    let bytes: usize = tables.iter().map(Table::bytes).sum();
    println!("{built:.3} {:.1} {}", bytes as f64 / listed.len() as f64, instructions());
    drop(listed);
    let mut scratch = Scratch::default();
    for line in std::io::stdin().lock().lines() {
        line.expect("readable");
        let (began, mut found) = (Instant::now(), 0_u64);
        for query in &asked {
            for table in &tables {
                table.query(query, radius, &mut scratch, |_, _| found += 1);
            }
        }
        println!("{:.6} {found}", began.elapsed().as_secs_f64());
    }
}

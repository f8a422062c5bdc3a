//! Whether memory comes back: a bank is filled and emptied over and over, and the memory of the process looked at.
//!
//! `TURNOVER_ENTRIES=10000000 TURNOVER_ROUNDS=10 cargo bench --bench turnover` is the long form. The run fails where a
//! full bank takes more than 1.3 times the memory that it took the first time.

mod shared;

use bulwark::core::event::Event;
use bulwark::core::resident::Resident;
use bulwark::io::store::Memory;
use shared::{Dice, bank, entry, put, scope, set};
use std::time::{Duration, Instant};

/// Entries of one change.
const AT_ONCE: u64 = 1_000;
/// Changes after which the threads that merge are waited for: no caller is ever as fast as this loop.
const CHANGES_PER_WAIT: usize = 64;
/// Most memory that a full bank may take, in parts of the first time's.
const MOST: f64 = 1.3;

fn mib(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(name)).expect("a line of it");
    let kib = line.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok());
    kib.expect("a number") / 1024.0
}

/// Memory of the process that is in use, in MiB.
fn resident_mib() -> f64 {
    mib("VmRSS:")
}

/// The most that was in use since this was last asked, in MiB.
fn most_mib() -> f64 {
    let most = mib("VmHWM:");
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux");
    most
}

fn wait(memory: &Memory) {
    while !memory.is_settled() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Puts or removes all entries, and gives how many seconds a change of one entry took.
fn change(memory: &Memory, entries: u64, mut dice: Option<Dice>) -> f64 {
    let (names, began) = ((0..entries).collect::<Vec<_>>(), Instant::now());
    for (at, some) in names.chunks(AT_ONCE as usize).enumerate() {
        let mut one = |n: &u64| entry(&format!("e{n}"), dice.as_mut().map(Dice::bits));
        memory.apply(&[(2, put(some.iter().map(&mut one).collect()))]);
        if at % CHANGES_PER_WAIT == 0 {
            wait(memory);
        }
    }
    wait(memory);
    began.elapsed().as_secs_f64() / entries as f64
}

fn main() {
    let entries = set("TURNOVER_ENTRIES", 1_000_000, 100_000);
    let rounds = set("TURNOVER_ROUNDS", 10, 10);
    let mut resident = Resident::default();
    resident.apply(1, &Event::BankPut { scope: scope(), bank: bank() });
    let memory = Memory::share(resident).expect("threads");
    let mut first = None;
    println!("turnover: {entries} entries, {:.0} MiB before", resident_mib());
    for round in 1..=rounds {
        let put = change(&memory, entries, Some(Dice(round)));
        // What pictures of before held is given back a moment later.
        std::thread::sleep(Duration::from_millis(300));
        let (full, most) = (resident_mib(), most_mib());
        let picture = memory.read();
        println!("turnover: {:?}", picture.of(&scope()).expect("filled").matcher);
        drop(picture);
        let removed = change(&memory, entries, None);
        std::thread::sleep(Duration::from_millis(300));
        println!(
            "turnover: round {round}: full {full:.0} MiB, at most {most:.0}, empty {:.0} MiB, {:.1} µs an addition, {:.1} µs a removal",
            resident_mib(),
            put * 1e6,
            removed * 1e6
        );
        let first = *first.get_or_insert(full);
        assert!(full <= first * MOST, "memory was not given back: {full:.0} MiB after {first:.0}");
    }
}

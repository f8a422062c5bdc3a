//! Whether memory comes back: a bank is filled and emptied over and over, and it is looked at what is in use meanwhile.
//!
//! `TURNOVER_ENTRIES=10000000 TURNOVER_ROUNDS=10 cargo bench --bench turnover` is the long form. Every allocation is
//! counted, so that nothing that is kept hides behind what the allocator holds for later. That is some 50 to 90 MiB
//! however large the bank: the memory of the process is judged only where a bank is large beside it.

mod shared;

use bulwark::core::event::Event;
use bulwark::core::resident::Resident;
use bulwark::io::store::Memory;
use cap::Cap;
use shared::{Dice, bank, entry, put, scope, set};
use std::alloc::System;
use std::time::{Duration, Instant};

/// Entries of one change.
const AT_ONCE: u64 = 1_000;
/// Changes after which the threads that merge are waited for: no caller is ever as fast as this loop.
const CHANGES_PER_WAIT: usize = 64;
/// What pictures of before held is given back a moment later.
const SETTLING: Duration = Duration::from_millis(300);
/// How long it may take on a machine that does other things.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most that may be in use with a full bank, in parts of the first time's: merged or not, an entry takes the same.
const FULL_MOST: f64 = 1.05;
/// Most that may be in use with an empty bank, in parts of the first time's with a full one.
const EMPTY_MOST: f64 = 0.01;
/// Most memory that the process may have with a full bank, in parts of the first time's, ...
const RESIDENT_MOST: f64 = 1.3;
/// ... where the bank has so many entries.
const LARGE: u64 = 1_000_000;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

fn mib(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(name)).expect("a line of it");
    let kib = line.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok());
    kib.expect("a number") / 1024.0
}

/// What is allocated, in MiB: as soon as it is no more than `most`, or in the end.
fn in_use_mib(most: f64) -> f64 {
    let in_use = || HEAP.allocated() as f64 / f64::from(1 << 20);
    std::thread::sleep(SETTLING);
    let began = Instant::now();
    while in_use() > most && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    in_use()
}

/// Memory of the process, in MiB.
fn resident_mib() -> f64 {
    mib("VmRSS:")
}

/// The most memory of the process since this was last asked, in MiB.
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
    let entries = set("TURNOVER_ENTRIES", 1_000_000, 30_000);
    let rounds = set("TURNOVER_ROUNDS", 10, 3);
    let mut resident = Resident::default();
    resident.apply(1, &Event::BankPut { scope: scope(), bank: bank() });
    let memory = Memory::share(resident).expect("threads");
    let mut first: Option<(f64, f64)> = None;
    println!("turnover: {entries} entries, {:.0} MiB before", resident_mib());
    for round in 1..=rounds {
        let put = change(&memory, entries, Some(Dice(round)));
        let full_most = first.map_or(f64::INFINITY, |(in_use, _)| in_use * FULL_MOST);
        let full = (in_use_mib(full_most), resident_mib());
        let most = most_mib();
        let picture = memory.read();
        println!("turnover: {:?}", picture.of(&scope()).expect("filled").matcher);
        drop(picture);
        let (first_in_use, first_resident) = *first.get_or_insert(full);
        let removed = change(&memory, entries, None);
        let empty_most = first_in_use * EMPTY_MOST;
        let empty = (in_use_mib(empty_most), resident_mib());
        println!(
            "turnover: round {round}: in use {:.1} MiB when full, {:.2} when empty; \
             of the process {:.0} and {:.0}, at most {most:.0}; {:.1} µs an addition, {:.1} µs a removal",
            full.0,
            empty.0,
            full.1,
            empty.1,
            put * 1e6,
            removed * 1e6
        );
        judge("in use with a full bank", full.0, full_most);
        judge("in use with an empty bank", empty.0, empty_most);
        if entries >= LARGE {
            judge("of the process with a full bank", full.1, first_resident * RESIDENT_MOST);
        }
    }
}

fn judge(what: &str, mib: f64, most: f64) {
    assert!(mib <= most, "memory was not given back: {mib:.1} MiB {what}, more than {most:.1}");
}

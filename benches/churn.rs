//! What a search takes while entries come and go, beside what it takes while nothing changes, in the same run.
//!
//! `CHURN_ENTRIES=10000000 CHURN_SECONDS=60 cargo bench --bench churn` is the long form; `-- --test` a very short one.
//! Two threads search; a third adds 1,000 entries a second and removes 100; a fourth merges layers. On two processors
//! they share what there is, so the time of single searches grows by what the others take: compare medians, too.
//!
//! All the while one entry is replaced by another of the same value, both in one change: a searcher who ever finds none
//! or both has seen half a change, and the run fails.

mod shared;

use bulwark::core::event::Event;
use bulwark::core::hamming::Scratch;
use bulwark::core::matcher::Query;
use bulwark::core::resident::Resident;
use bulwark::core::signal::{Bits256, Signal};
use bulwark::io::store::Memory;
use shared::{Dice, bank, entry, put, scope, set};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The value that one entry has at every moment.
const HANDED_ON: Bits256 = Bits256([0x5555_5555_5555_5555; 4]);

/// Searches until it is told to stop, and gives the time of each search in nanoseconds.
fn search(memory: &Memory, stop: &AtomicBool, mut dice: Dice) -> Vec<u64> {
    let (mut times, mut scratch) = (Vec::new(), Scratch::default());
    while !stop.load(Ordering::Relaxed) {
        let is_watch = times.len() % 64 == 0;
        let bits = if is_watch { HANDED_ON } else { dice.bits() };
        let signal = Signal::Pdq(bits);
        let began = Instant::now();
        let picture = memory.read();
        let holding = picture.of(&scope()).expect("filled");
        let hits =
            holding.matcher.search(Query { signal: &signal, quality: None }, &mut scratch).len();
        times.push(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        assert!(!is_watch || hits == 1, "half of a change was seen: {hits}");
    }
    times
}

/// How long changes took, in nanoseconds.
#[derive(Default)]
struct Times {
    puts: Vec<u64>,
    removals: Vec<u64>,
}

/// A thousand additions and a hundred removals a second.
struct Changes<'m> {
    memory: &'m Memory,
    dice: Dice,
    next: u64,
    entries: u64,
}

impl Changes<'_> {
    fn until(&mut self, end: Instant) -> Times {
        let (mut times, mut tick) = (Times::default(), Instant::now());
        while Instant::now() < end {
            tick += Duration::from_millis(1);
            std::thread::sleep(tick.saturating_duration_since(Instant::now()));
            let next = self.next;
            self.next += 1;
            let added = put(vec![entry(&format!("n{next}"), Some(self.dice.bits()))]);
            times.puts.push(self.apply(added));
            if next.is_multiple_of(10) {
                let gone = put(vec![entry(&format!("e{}", next / 10 % self.entries), None)]);
                times.removals.push(self.apply(gone));
                let (old, new) = (format!("h{}", next / 10), format!("h{}", next / 10 + 1));
                self.apply(put(vec![entry(&old, None), entry(&new, Some(HANDED_ON))]));
            }
        }
        times
    }

    fn apply(&self, event: Event) -> u64 {
        let began = Instant::now();
        self.memory.apply(&[(4, event)]);
        u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

fn at(times: &mut [u64], share: f64) -> f64 {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share) as usize] as f64 / 1000.0
}

fn searched(memory: &Arc<Memory>, span: Duration, meanwhile: impl FnOnce(Instant)) -> Vec<u64> {
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = [3, 4]
        .map(|seed| {
            let (memory, stop) = (Arc::clone(memory), Arc::clone(&stop));
            std::thread::spawn(move || search(&memory, &stop, Dice(seed)))
        })
        .into();
    meanwhile(Instant::now() + span);
    stop.store(true, Ordering::Relaxed);
    threads.into_iter().flat_map(|thread| thread.join().expect("no half change")).collect()
}

fn main() {
    let entries = set("CHURN_ENTRIES", 1_000_000, 5_000);
    let span = Duration::from_secs(set("CHURN_SECONDS", 20, 1));
    let (mut dice, mut resident) = (Dice(1), Resident::default());
    resident.apply(1, &Event::BankPut { scope: scope(), bank: bank() });
    resident.apply(2, &put(vec![entry("h0", Some(HANDED_ON))]));
    let names: Vec<u64> = (0..entries).collect();
    for (at, some) in names.chunks(1000).enumerate() {
        if at % 64 == 0 {
            resident.settle();
        }
        let list = some.iter().map(|n| entry(&format!("e{n}"), Some(dice.bits()))).collect();
        resident.apply(3, &put(list));
    }
    resident.settle();
    let memory = Memory::share(resident).expect("a thread");
    let mut quiet = searched(&memory, span, |end| {
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
    });
    let mut changes = Changes { memory: &memory, dice, next: 0, entries };
    let mut alone = changes.until(Instant::now() + span);
    let mut beside = Times::default();
    let mut churned = searched(&memory, span, |end| beside = changes.until(end));
    println!("churn: {entries} entries, {} s each, two searchers", span.as_secs());
    for (name, times) in [("quiet", &mut quiet), ("churned", &mut churned)] {
        let (half, most) = (at(times, 0.5), at(times, 0.99));
        println!(
            "churn: {name:8} {:9} searches, median {half:.1} µs, p99 {most:.1} µs",
            times.len()
        );
    }
    let (calm, busy) = (at(&mut quiet, 0.99), at(&mut churned, 0.99));
    println!("churn: p99 {:.2} times that of quiet", busy / calm);
    for (name, times) in [
        ("put alone", &mut alone.puts),
        ("remove alone", &mut alone.removals),
        ("put beside", &mut beside.puts),
        ("remove beside", &mut beside.removals),
    ] {
        let (half, most) = (at(times, 0.5), at(times, 0.99));
        println!(
            "churn: {name:14} {:9} changes, median {half:.1} µs, p99 {most:.1} µs",
            times.len()
        );
    }
}

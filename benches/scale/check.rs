//! The simulation beside formulas, where there are some.

use crate::costs::{Costs, Spread};
use crate::fleet::{Fleet, Happening, Plan};
use crate::{plan, usual};

/// A process alone, or a fleet without network, as formulas want it.
fn bare(shards: u32, cores: usize, calls_a_second: f64, count: f64) -> Plan {
    let costs = Costs {
        spread: Spread::Exponential,
        call: 0.0,
        end: 0.0,
        end_signal: 0.0,
        search: 1_000.0,
        decide: 0.0,
        way: [0.0, 0.0],
        lost: [0.0, 0.0],
    };
    let window = [1.0, 1.0 + count / calls_a_second];
    let plan = plan(shards, 1, cores, 1, 0.5);
    Plan { costs, calls_a_second, window, in_flight_calls: usize::MAX, ..plan }
}

fn beside(name: &str, simulated: f64, computed: f64, within: f64) {
    println!("| {name} | {simulated:.3} | {computed:.3} |");
    assert!((simulated / computed - 1.0).abs() <= within, "{name}: {simulated}, not {computed}");
}

/// Part of the calls that wait where `cores` processors are offered so much work (Erlang's C).
fn erlang_c(cores: usize, offered: f64) -> f64 {
    let mut blocked = 1.0;
    for number in 1..=cores {
        blocked = offered * blocked / (number as f64 + offered * blocked);
    }
    let load = offered / cores as f64;
    blocked / (1.0 - load * (1.0 - blocked))
}

/// Holds the simulation against what is known.
///
/// # Panics
/// Where they differ.
pub fn all() {
    println!("| milliseconds | simulated | by formula |\n|---|---|---|");
    let alone = Fleet::run(&bare(1, 1, 700.0, 400_000.0));
    // One processor, a search of a millisecond, 700 a second: what is left is 300 a second.
    beside("mean, one processor at 0.7", alone.mean() / 1e3, 1.0 / 0.3, 0.04);
    beside("p99 of it", alone.quantile(0.99) / 1e3, 100_f64.ln() / 0.3, 0.06);
    beside("busy, in hundredths", 100.0 * alone.busy[0], 70.0, 0.01);
    let eight = Fleet::run(&bare(1, 8, 6_400.0, 400_000.0));
    let wait = erlang_c(8, 6.4) / (8.0 - 6.4);
    beside("mean, eight processors at 0.8", eight.mean() / 1e3, 1.0 + wait, 0.03);
    // So seldom that nothing waits: the longest of eleven searches, and then one's own.
    let apart = Fleet::run(&bare(12, 64, 100.0, 30_000.0));
    let longest: f64 = (1..=11).map(|number| 1.0 / f64::from(number)).sum();
    beside("mean, the longest of eleven and one", apart.mean() / 1e3, longest + 1.0, 0.02);

    let small = Plan {
        window: [0.2, 1.2],
        happenings: vec![(0.5, Happening::Killed(1)), (0.8, Happening::Back(1))],
        ..plan(4, 2, 2, 1, 0.5)
    };
    let (first, second) = (Fleet::run(&small), Fleet::run(&small));
    assert_eq!(first, second, "what is drawn is the same in every run");
    assert!(first.again > 0 && first.failed > 0 && first.missing == 0, "the others take over");
    let lost = [Happening::Killed(2), Happening::Killed(3)].map(|killed| (0.0, killed));
    let lost = Fleet::run(&Plan { happenings: lost.to_vec(), ..usual(1, 0.3) });
    assert_eq!(
        lost.missing,
        lost.waits.len() as u64,
        "without a shard it is missing in every verdict"
    );
}

//! Fleets of shards on paper: what becomes of calls while processes are lost, slow, hot or restarted.
//!
//! A simulation by events and a seed. Whom a process asks is chosen by the function that runs, `core::shard::choice`; what
//! things cost was measured (`costs.rs`), the network is assumed. `cargo bench --bench scale` prints the tables of
//! `docs/scale.md`; `SCALE_SECONDS` sets how long each row lasts. It is checked by formulas first.

mod check;
mod costs;
mod fleet;
mod process;
#[path = "../shared/mod.rs"]
mod shared;
mod tally;

use costs::Costs;
use fleet::{Fleet, Happening, Plan};
use shared::{is_smoke, set};
use tally::Tally;

/// Entries of the fleet that things happen to.
const ENTRIES: f64 = 1e9;
/// Share of the processors' time that calls take where nothing happens.
const LOAD: f64 = 0.5;
/// Seconds before it is counted.
const WARM: f64 = 1.0;

/// A fleet with so much to do.
fn plan(shards: u32, processes: usize, cores: usize, signals: usize, load: f64) -> Plan {
    let costs = Costs::measured(ENTRIES / f64::from(shards));
    let all = (shards as usize * processes * cores) as f64;
    Plan {
        shards,
        processes,
        cores,
        signals,
        calls_a_second: load * all * 1e6 / costs.whole(shards as usize, signals),
        window: [WARM, WARM + set("SCALE_SECONDS", 5, 1) as f64],
        costs,
        happenings: Vec::new(),
        hedge_after: 0.05,
        answer_time_max: 1.0,
        in_flight_calls: 512,
        seed: 7,
    }
}

/// The fleet of most rows.
fn usual(signals: usize, load: f64) -> Plan {
    if is_smoke() { plan(4, 2, 2, signals, load) } else { plan(16, 2, 8, signals, load) }
}

fn say(name: &str, plan: &Plan) -> Tally {
    let tally = Fleet::run(plan);
    println!("{}", tally.row(name));
    tally
}

fn title(text: &str) {
    println!("\n{text}\n\n{}", Tally::HEAD);
}

fn signals_of(plan: &Plan) -> f64 {
    plan.calls_a_second * plan.signals as f64
}

/// What is done to the usual fleet, from a second after counting begins.
fn happenings() -> Vec<(&'static str, Vec<(f64, Happening)>)> {
    use Happening::{Back, Favours, Killed, Rate, Silent, Slow};
    let at = WARM + 1.0;
    vec![
        ("nothing", vec![]),
        ("a process is killed, and back after 3 s", vec![(at, Killed(2)), (at + 3.0, Back(2))]),
        ("a machine falls silent, and stays so", vec![(at, Silent(2))]),
        ("both processes of a shard are killed", vec![(at, Killed(2)), (at, Killed(3))]),
        ("both fall silent", vec![(at, Silent(2)), (at, Silent(3))]),
        ("a process takes ten times as long", vec![(at, Slow(2, 10.0))]),
        ("a client sends a tenth of all calls to one process", vec![(at, Favours(2, 0.1))]),
        ("a value that everybody sends: calls half as many again", vec![(at, Rate(1.5))]),
        ("three times as many calls for a second", vec![(at, Rate(3.0)), (at + 1.0, Rate(1.0))]),
    ]
}

/// Three processes restarted one after another, each away for three seconds after two of draining.
fn restarts() -> (f64, Vec<(f64, Happening)>) {
    use Happening::{Back, Drains, Leaves};
    let each = |turn: usize| {
        let (at, process) = (WARM + 7.0 * turn as f64, turn * 2);
        [(at, Drains(process)), (at + 2.0, Leaves(process)), (at + 5.0, Back(process))]
    };
    (WARM + 21.0, (0..3).flat_map(each).collect())
}

fn main() {
    check::all();
    let smoke = is_smoke();

    let base = usual(1, LOAD);
    let entries = ENTRIES / f64::from(base.shards);
    println!(
        "\n{ENTRIES:.0} entries in {} shards of {} processes with {} processors each; a search {:.0} µs",
        base.shards,
        base.processes,
        base.cores,
        costs::search(entries)
    );
    for signals in [1, 8, 64] {
        title(&format!("Calls of {signals} signals, by load"));
        for load in [0.3, 0.5, 0.7, 0.85] {
            let plan = usual(signals, load);
            let each = plan.costs.whole(plan.shards as usize, signals) / signals as f64;
            let name = format!("{:.0} signals a second, {each:.0} µs each", signals_of(&plan));
            say(&name, &plan);
        }
    }
    for signals in [1, 64] {
        title(&format!(
            "Calls of {signals} signals, while something happens at {LOAD} of what all can do"
        ));
        for (name, happenings) in happenings() {
            let plan = Plan { happenings, ..usual(signals, LOAD) };
            say(name, &plan);
        }
        let (end, happenings) = restarts();
        let plan = Plan { happenings, window: [WARM, end], ..usual(signals, LOAD) };
        say("three processes are restarted one after another", &plan);
    }

    title("Twice as many shards beside, for the same calls of 64 signals");
    let before = usual(64, LOAD);
    let after = plan(before.shards * 2, before.processes, before.cores, 64, LOAD);
    say(&format!("{} shards", before.shards), &before);
    let calls_a_second = before.calls_a_second;
    say(&format!("{} shards", after.shards), &Plan { calls_a_second, ..after });

    title("Large calls and the time after which a second process is asked");
    for signals in if smoke { vec![64] } else { vec![64, 256, 512, 1024] } {
        let plan = usual(signals, 0.4);
        say(&format!("{signals} signals, after 50 ms"), &plan);
        say(&format!("{signals} signals, never"), &Plan { hedge_after: 9.0, ..plan });
    }

    title("Three times as many calls for two seconds: the seconds from one second after it");
    for signals in [1, 64] {
        for (name, hedge_after) in [("after 50 ms", 0.05), ("never", 9.0)] {
            let plan = usual(signals, LOAD);
            let window = [WARM + 3.0, WARM + 3.0 + set("SCALE_SECONDS", 5, 1) as f64];
            let happenings = vec![(WARM, Happening::Rate(3.0)), (WARM + 2.0, Happening::Rate(1.0))];
            let plan = Plan { hedge_after, window, happenings, ..plan };
            say(&format!("calls of {signals}, a second process asked {name}"), &plan);
        }
    }

    title("Who is asked in turn, one signal, load 0.3");
    for (shards, processes) in
        [(3, 2), (4, 2), (9, 2), (10, 2), (16, 2), (17, 2), (4, 3), (5, 3), (16, 3)]
    {
        say(&format!("{shards} × {processes}"), &plan(shards, processes, 4, 1, 0.3));
        if smoke {
            break;
        }
    }

    if !smoke {
        title("A million signals a second with a billion entries, in calls of 64");
        let plan = plan(16, 4, 64, 64, LOAD);
        let calls_a_second = 1e6 / 64.0;
        say("16 × 4 of 64 processors", &Plan { calls_a_second, ..plan });
    }
    sizes();
}

/// Processors for so many entries and signals a second, by the costs alone.
fn sizes() {
    println!("\nProcessors at {LOAD} of their time, computed\n");
    println!(
        "| entries | shards | one signal a call: 10⁴/s | 10⁵/s | 10⁶/s | 64 a call: 10⁴/s | 10⁵/s | 10⁶/s |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (entries, shards) in [(1e7, 1), (1e8, 1), (1e8, 4), (1e9, 10), (1e9, 16), (1e9, 32)] {
        let costs = Costs::measured(entries / f64::from(shards));
        let cell = |signals: usize, rate: f64| {
            let each = costs.whole(shards as usize, signals) / signals as f64;
            format!("{:.0}", (rate * each / 1e6 / LOAD).ceil())
        };
        let cells: Vec<String> = [1, 64]
            .into_iter()
            .flat_map(|signals| [1e4, 1e5, 1e6].map(|rate| cell(signals, rate)))
            .collect();
        println!("| {entries:.0} | {shards} | {} |", cells.join(" | "));
    }
}

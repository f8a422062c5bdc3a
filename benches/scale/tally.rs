//! What is counted while a fleet is simulated.

/// What became of the calls that arrived while it was counted.
#[derive(Default, Clone, PartialEq, Debug)]
pub struct Tally {
    /// Microseconds until each answer.
    pub waits: Vec<f64>,
    /// Calls that arrived.
    pub arrived: u64,
    /// Verdicts with a shard missing.
    pub missing: u64,
    /// Calls for which there was no room.
    pub refused: u64,
    /// Calls that their callers sent again, since their process was gone.
    pub again: u64,
    /// Questions to other shards, those that went to a second process because the first took long, and those that failed.
    pub asked: u64,
    pub hedged: u64,
    pub failed: u64,
    /// Share of their time that the processors of each process were busy.
    pub busy: Vec<f64>,
}

impl Tally {
    /// The wait that so large a part of the calls did not exceed.
    pub fn quantile(&self, part: f64) -> f64 {
        let mut waits = self.waits.clone();
        if waits.is_empty() {
            return f64::NAN;
        }
        let place = ((waits.len() as f64 * part) as usize).min(waits.len() - 1);
        *waits.select_nth_unstable_by(place, f64::total_cmp).1
    }

    pub fn mean(&self) -> f64 {
        self.waits.iter().sum::<f64>() / self.waits.len() as f64
    }

    pub fn row(&self, name: &str) -> String {
        let millis = |part| {
            let millis = self.quantile(part) / 1000.0;
            if millis < 9.95 { format!("{millis:.1}") } else { format!("{millis:.0}") }
        };
        let share = |count: u64, of: u64| match 100.0 * count as f64 / of.max(1) as f64 {
            _ if count == 0 => "0".to_owned(),
            percent if percent < 0.1 => format!("{percent:.3} %"),
            percent => format!("{percent:.1} %"),
        };
        let mut busy = self.busy.clone();
        busy.sort_by(f64::total_cmp);
        format!(
            "| {name} | {} | {} | {} | {} | {} | {} | {:.0} % | {:.0} % |",
            millis(0.5),
            millis(0.99),
            millis(0.999),
            share(self.missing, self.waits.len() as u64),
            share(self.refused, self.arrived),
            share(self.hedged, self.asked),
            100.0 * busy[busy.len() - 1],
            100.0 * busy[busy.len() / 2],
        )
    }

    pub const HEAD: &'static str = "| | p50, ms | p99 | p99.9 | a shard missing | refused | hedged | busiest | median busy |\n\
                                    |---|---|---|---|---|---|---|---|---|";
}

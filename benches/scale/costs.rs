//! What things cost in the simulation, and how the costs scatter. Microseconds of one processor.

use crate::shared::Dice;

/// Numbers drawn by a seed.
pub struct Draw(pub Dice);

impl Draw {
    /// From 0 to 1, without 0.
    pub fn part(&mut self) -> f64 {
        ((self.0.next() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    }

    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.part().ln()
    }

    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.part().ln()).sqrt() * (std::f64::consts::TAU * self.part()).cos()
    }

    pub fn below(&mut self, count: usize) -> usize {
        (self.0.next() % count as u64) as usize
    }
}

/// How far single costs lie about their mean.
#[derive(Clone, Copy, PartialEq)]
pub enum Spread {
    /// As formulas want it, to check the simulation by them.
    Exponential,
    /// Searches as log-normal as measured; the rest three quarters fixed and a quarter exponential, which is assumed.
    Measured,
}

/// Standard deviation of the logarithm of a search: 32.9 µs in the median and 99 at p99 (`benches/churn.rs`, 10,000,000).
const SEARCH_SIGMA: f64 = 0.473;

#[derive(Clone, Copy)]
pub struct Costs {
    pub spread: Spread,
    /// Server's end of a caller's call.
    pub call: f64,
    /// Each end of a question to another shard, and of each signal in it.
    pub end: f64,
    pub end_signal: f64,
    /// A search in the memory of one process.
    pub search: f64,
    /// A verdict on one signal beside its search.
    pub decide: f64,
    /// One way through the network: what is certain, and the mean of what comes on top.
    pub way: [f64; 2],
    /// Share of ways on which something is lost and sent again, and the time that takes.
    pub lost: [f64; 2],
}

/// Microseconds of a search by entries of one process: medians of `docs/performance.md` (10,000,000 and 100,000,000 of
/// `scripts/compare`, below those of `just growth`), linear between, times the mean of the log-normal.
pub fn search(entries: f64) -> f64 {
    const MEASURED: [[f64; 2]; 4] = [[1e3, 1.1], [1e6, 10.3], [1e7, 26.5], [1e8, 159.0]];
    let place = MEASURED.iter().skip(1).position(|[size, _]| entries <= *size).unwrap_or(2);
    let [[from, low], [to, high]] = [MEASURED[place], MEASURED[place + 1]];
    let median = low + (high - low) * (entries.max(from) - from) / (to - from);
    median * (SEARCH_SIGMA * SEARCH_SIGMA / 2.0).exp()
}

impl Costs {
    /// As measured (`cargo bench --bench asking`: 142 µs for a question of one signal and 3.0 for each more, both ends; 177 for
    /// a verdict, of which the caller's end, half of an empty call's 125, is not the fleet's; 13 for each signal of a batch),
    /// with so many entries in each process. A search of 10,000 entries is in the costs of a signal. The network is assumed.
    pub fn measured(entries: f64) -> Self {
        Self {
            spread: Spread::Measured,
            call: 100.0,
            end: 70.0,
            end_signal: 1.5,
            search: search(entries),
            decide: 13.0,
            way: [100.0, 50.0],
            lost: [1e-5, 200_000.0],
        }
    }

    /// So many searches.
    pub fn searches(&self, draw: &mut Draw, count: usize) -> f64 {
        let mean = self.search * count as f64;
        match self.spread {
            Spread::Exponential => draw.exponential(mean),
            Spread::Measured if count == 1 => {
                let low = (-SEARCH_SIGMA * SEARCH_SIGMA / 2.0).exp();
                mean * low * (SEARCH_SIGMA * draw.normal()).exp()
            }
            Spread::Measured => {
                let part = ((SEARCH_SIGMA * SEARCH_SIGMA).exp() - 1.0).sqrt();
                mean * (1.0 + part * draw.normal() / (count as f64).sqrt()).max(0.3)
            }
        }
    }

    /// Any other work.
    pub fn work(&self, draw: &mut Draw, mean: f64) -> f64 {
        match self.spread {
            _ if mean <= 0.0 => 0.0,
            Spread::Exponential => draw.exponential(mean),
            Spread::Measured => 0.75 * mean + draw.exponential(0.25 * mean),
        }
    }

    /// One way through the network.
    pub fn pass(&self, draw: &mut Draw) -> f64 {
        let lost =
            if self.lost[0] > 0.0 && draw.part() < self.lost[0] { self.lost[1] } else { 0.0 };
        self.way[0] + draw.exponential(self.way[1]) + lost
    }

    /// Processor time of one call of so many signals over all processes, where nothing goes wrong.
    pub fn whole(&self, shards: usize, signals: usize) -> f64 {
        let (shards, signals) = (shards as f64, signals as f64);
        let asked = 2.0 * (self.end + self.end_signal * signals) * (shards - 1.0);
        self.call + asked + (self.search * shards + self.decide) * signals
    }
}

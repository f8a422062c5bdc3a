//! Counting in a window that slides by parts, beside what is usual.

use crate::core::time::Time;
use std::time::Duration;

/// Parts of a window: counts leave it one part at a time.
pub const PARTS: usize = 12;
/// How fast what is usual follows: half of what it says is of the last sixteen or so windows.
const FOLLOWS: f64 = 1.0 / 288.0;

/// Which part of time this is.
#[must_use]
pub fn part(now: Time, window: Duration) -> i64 {
    let millis = i64::try_from(window.as_millis()).unwrap_or(i64::MAX) / PARTS as i64;
    now.millis().div_euclid(millis.max(1))
}

/// How often something happened in the window, and how often it usually does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counts {
    parts: [u32; PARTS],
    newest: i64,
    usual: f64,
}

impl Counts {
    /// Nothing has happened before this part.
    #[must_use]
    pub const fn new(part: i64) -> Self {
        Self { parts: [0; PARTS], newest: part, usual: 0.0 }
    }

    const fn slot(part: i64) -> usize {
        part.rem_euclid(PARTS as i64) as usize
    }

    /// Comes to this part: what leaves the window becomes a little of what is usual where it `learns`. A burst is thus
    /// never compared with itself. Of a clock that runs backwards nothing is taken.
    pub fn turn(&mut self, part: i64, learns: bool) {
        let passed = part.saturating_sub(self.newest);
        if passed <= 0 {
            return;
        }
        for step in 1..=passed.min(PARTS as i64) {
            let leaving = &mut self.parts[Self::slot(self.newest + step)];
            if learns {
                self.usual += (f64::from(*leaving) * PARTS as f64 - self.usual) * FOLLOWS;
            }
            *leaving = 0;
        }
        let idle = i32::try_from(passed.saturating_sub(PARTS as i64)).unwrap_or(i32::MAX);
        if learns && idle > 0 {
            self.usual *= (1.0 - FOLLOWS).powi(idle);
        }
        self.newest = part;
    }

    /// Counts one more, in the newest part.
    pub fn add(&mut self) {
        let now = &mut self.parts[Self::slot(self.newest)];
        *now = now.saturating_add(1);
    }

    /// How often it happened in the window.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.parts.iter().map(|count| u64::from(*count)).sum()
    }

    /// How often it happened in a window of the past.
    #[must_use]
    pub const fn usual(&self) -> f64 {
        self.usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is said above, with a list of everything.
    fn plainly(started: i64, adds: &[i64], now: i64) -> (u64, f64) {
        let window = PARTS as i64;
        let in_part = |part: i64| adds.iter().filter(|at| **at == part).count() as f64;
        let sum = adds.iter().filter(|at| now - **at < window).count() as u64;
        let mut usual = 0.0;
        for part in started + 1..=now {
            usual += (in_part(part - window) * PARTS as f64 - usual) * FOLLOWS;
        }
        (sum, usual)
    }

    proptest! {
        #[test]
        fn a_window_counts_as_a_list_of_everything_would(
            steps in proptest::collection::vec((0_i64..30, 0_u8..5), 1..60)
        ) {
            let mut counts = Counts::new(7);
            let (mut part, mut adds) = (7, Vec::new());
            for (step, times) in steps {
                part += step;
                counts.turn(part, true);
                for _ in 0..times {
                    counts.add();
                    adds.push(part);
                }
                let (sum, usual) = plainly(7, &adds, part);
                prop_assert_eq!(counts.sum(), sum);
                prop_assert!((counts.usual() - usual).abs() < 1e-6, "{} {usual}", counts.usual());
            }
        }
    }

    #[test]
    fn a_clock_that_runs_backwards_takes_nothing_away() {
        let mut counts = Counts::new(100);
        counts.add();
        counts.turn(3, true);
        counts.add();
        assert_eq!(counts.sum(), 2);
    }

    #[test]
    fn what_is_steady_becomes_usual_within_days_and_is_forgotten_as_slowly() {
        let mut counts = Counts::new(0);
        for part in 0..12 * 24 * 7 {
            counts.turn(part, true);
            counts.add();
        }
        assert!((11.0..=12.0).contains(&counts.usual()), "{}", counts.usual());
        counts.turn(12 * 24 * 8, true);
        assert!((3.0..=6.0).contains(&counts.usual()), "{}", counts.usual());
    }
}

//! Points in time as the core is given them: it has no clock of its own.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(i64);

const MINUTE_MILLIS: i64 = 60_000;
const HOUR_MILLIS: i64 = 3_600_000;

impl Time {
    /// A point in time from its distance to the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Distance to the epoch, in milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The hour this point lies in: all that a public journal envelope says of time.
    #[must_use]
    pub const fn coarse(self) -> Self {
        Self(self.0.div_euclid(HOUR_MILLIS) * HOUR_MILLIS)
    }

    /// The minute this point lies in: the grain of counters.
    #[must_use]
    pub const fn minute(self) -> Self {
        Self(self.0.div_euclid(MINUTE_MILLIS) * MINUTE_MILLIS)
    }

    /// Time passed since `earlier`; zero where `earlier` lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The point `span` later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarse_time_rounds_down_on_both_sides_of_the_epoch() {
        assert_eq!(Time::from_millis(3_600_001).coarse(), Time::from_millis(3_600_000));
        assert_eq!(Time::from_millis(-1).coarse(), Time::from_millis(-3_600_000));
        assert_eq!(Time::from_millis(119_999).minute(), Time::from_millis(60_000));
    }

    #[test]
    fn a_clock_that_ran_backwards_gives_no_negative_span() {
        assert_eq!(Time::from_millis(5).since(Time::from_millis(9)), Duration::ZERO);
    }
}

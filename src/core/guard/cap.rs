//! Caps: how many new entries one participant may bring into a bank in a day before a person has to look.

use crate::core::time::Time;
use serde::{Deserialize, Serialize};

const DAY_MILLIS: i64 = 86_400_000;

/// What one participant brought into a bank on the last day on which it brought something new. It is kept with how far the
/// participant was heard, so that neither a restart nor another process begins to count anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// The day, as days of UTC since 1970.
    pub day: i64,
    /// New entries of that day that stand where they were to stand.
    pub entered: u64,
    /// New entries of that day that were too many and are set aside.
    pub beyond: u64,
}

impl Brought {
    /// Whether it is nothing at all, as before the first entry.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Whether since `before` it came to be too much, on a day on which it was not before: what an alarm is for.
    #[must_use]
    pub const fn overflowed_since(&self, before: &Self) -> bool {
        self.beyond > 0 && (self.day > before.day || before.beyond == 0)
    }
}

/// The cap of one participant and bank, while some of its records are taken in. The default is none, as for what a person
/// here imports.
#[derive(Debug, Clone, Default)]
pub struct Cap {
    /// No cap where there is none; then nothing is counted.
    per_day: Option<u64>,
    brought: Brought,
}

impl Cap {
    /// A cap of so many new entries a day; nought is no cap. A clock that goes back begins no new day.
    #[must_use]
    pub fn new(per_day: u32, brought: Brought, now: Time) -> Self {
        let per_day = (per_day > 0).then_some(u64::from(per_day));
        let day = now.millis().div_euclid(DAY_MILLIS);
        let is_over = per_day.is_some() && day > brought.day;
        let brought = if is_over { Brought { day, ..Brought::default() } } else { brought };
        Self { per_day, brought }
    }

    /// Whether a new entry may stand where it was to stand; counts it.
    pub const fn admits(&mut self) -> bool {
        let admits = self.admits_late();
        if !admits {
            self.brought.beyond += 1;
        }
        admits
    }

    /// The same for an entry that was too many once and is told again: it is counted only where there is room.
    pub const fn admits_late(&mut self) -> bool {
        match self.per_day {
            None => true,
            Some(per_day) if self.brought.entered < per_day => {
                self.brought.entered += 1;
                true
            }
            Some(_) => false,
        }
    }

    /// What the participant has brought now.
    #[must_use]
    pub const fn brought(&self) -> Brought {
        self.brought
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the order of days, restarts between any two entries, and late ones among them.
        #[test]
        fn on_no_day_more_enter_than_the_cap_says_and_the_first_that_are_too_many_are_one_alarm(
            per_day in 1_u32..20,
            steps in proptest::collection::vec((-1_i64..4, any::<bool>()), 1..200)
        ) {
            let mut kept = Brought::default();
            let mut entered = std::collections::BTreeMap::<i64, u64>::new();
            let mut alarms = std::collections::BTreeMap::<i64, u64>::new();
            let mut today = 0;
            for (step, is_late) in steps {
                // The clock goes on by days, stands still, or goes back.
                let clock = (today + step).max(0);
                today = today.max(clock);
                let mut cap = Cap::new(per_day, kept, Time::from_millis(clock * DAY_MILLIS + 5));
                let admits = if is_late { cap.admits_late() } else { cap.admits() };
                let count = entered.entry(today).or_default();
                prop_assert_eq!(admits, *count < u64::from(per_day));
                *count += u64::from(admits);
                let now = cap.brought();
                *alarms.entry(today).or_default() += u64::from(now.overflowed_since(&kept));
                kept = now;
                prop_assert_eq!(kept.entered, *count);
            }
            prop_assert!(alarms.values().all(|count| *count <= 1));
        }
    }

    #[test]
    fn without_a_cap_everything_enters_and_nothing_is_counted() {
        let mut cap = Cap::default();
        assert!((0..1000).all(|_| cap.admits()) && cap.brought().is_nothing());
    }
}

//! Budgets: how much somebody may ask in a time.

use crate::core::time::Time;
use lru::LruCache;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::time::Duration;

/// Names that are remembered; the one that asked longest ago is forgotten, and has all of its budget when it comes again.
pub const NAMES_MAX: usize = 65_536;

/// How much it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// What comes back in a second.
    pub per_second: f64,
    /// Most that is there at one time.
    pub most: f64,
    /// What may be taken beyond that, and is told.
    pub overdraft: f64,
}

/// What is left when something was taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Taken {
    /// There was enough.
    Within,
    /// It was taken from the overdraft.
    Over,
    /// Nothing was taken; there is enough after so long.
    Nothing(Duration),
}

#[derive(Debug)]
struct Purse {
    left: f64,
    at: Time,
}

/// The budgets of all names.
///
/// In memory: at most [`NAMES_MAX`] names with about 80 bytes each.
#[derive(Debug)]
pub struct Budgets<K: Hash + Eq> {
    limits: Limits,
    purses: LruCache<K, Purse>,
}

impl<K: Hash + Eq + Clone> Budgets<K> {
    /// Budgets of which nothing is taken.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let names = NonZeroUsize::new(NAMES_MAX).unwrap_or(NonZeroUsize::MIN);
        Self { limits, purses: LruCache::new(names) }
    }

    /// Takes `cost` for `who`. What costs more than there ever is takes all there is.
    pub fn take(&mut self, who: &K, cost: u32, now: Time) -> Taken {
        let Limits { per_second, most, overdraft } = self.limits;
        let purse = self.purses.get_or_insert_mut_ref(who, || Purse { left: most, at: now });
        purse.left = (purse.left + now.since(purse.at).as_secs_f64() * per_second).min(most);
        purse.at = purse.at.max(now);
        let cost = f64::from(cost).min(most);
        let left = purse.left - cost;
        if left < -overdraft {
            // A setting may be so low that nothing comes back in a year.
            let seconds = ((-overdraft - left) / per_second).clamp(0.001, 31_536_000.0);
            return Taken::Nothing(Duration::from_secs_f64(seconds));
        }
        purse.left = left;
        if left < 0.0 { Taken::Over } else { Taken::Within }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { per_second: 2.0, most: 20.0, overdraft: 10.0 };

    proptest! {
        #[test]
        fn nobody_takes_more_than_there_was_and_came_back(
            steps in proptest::collection::vec((0_i64..4_000, 1_u32..9), 1..200)
        ) {
            let mut budgets = Budgets::new(LIMITS);
            let (mut now, mut taken) = (0, 0.0);
            for (pause, cost) in steps {
                now += pause;
                match budgets.take(&1, cost, Time::from_millis(now)) {
                    Taken::Within => {
                        taken += f64::from(cost);
                        prop_assert!(taken <= 20.0 + 2.0 * now as f64 / 1000.0 + 1e-6);
                    }
                    Taken::Over => {
                        taken += f64::from(cost);
                        prop_assert!(taken <= 30.0 + 2.0 * now as f64 / 1000.0 + 1e-6);
                    }
                    Taken::Nothing(after) => {
                        let then = now + i64::try_from(after.as_millis()).unwrap() + 1;
                        let again = budgets.take(&1, cost, Time::from_millis(then));
                        prop_assert!(!matches!(again, Taken::Nothing(_)), "{after:?}");
                        taken += f64::from(cost);
                        now = then;
                    }
                }
            }
        }
    }

    #[test]
    fn each_has_its_own_and_what_is_spent_comes_back() {
        let mut budgets = Budgets::new(LIMITS);
        let at = Time::from_millis;
        let takes: Vec<_> = (0..32).map(|_| budgets.take(&1, 1, at(0))).collect();
        assert!(takes[..20].iter().all(|taken| *taken == Taken::Within));
        assert!(takes[20..30].iter().all(|taken| *taken == Taken::Over));
        assert_eq!(takes[30..], [Taken::Nothing(Duration::from_millis(500)); 2]);
        assert_eq!(budgets.take(&2, 1, at(0)), Taken::Within);
        assert_eq!(budgets.take(&1, 1, at(6_000)), Taken::Within);
        // A clock that runs backwards gives nothing twice.
        assert_eq!(budgets.take(&1, 2, at(0)), Taken::Over);
        assert_eq!(budgets.take(&3, 1_000, at(0)), Taken::Within, "all there is");
    }
}

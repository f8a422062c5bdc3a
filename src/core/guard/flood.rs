//! The flood guard: an entry that matches far more items than it used to.

use crate::core::guard::window::{Counts, PARTS, part};
use crate::core::time::Time;
use lru::LruCache;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash};
use std::num::NonZeroUsize;
use std::time::Duration;

/// Entries that are watched at one time; the one that matched longest ago is forgotten.
pub const ENTRIES_MAX: usize = 16_384;
/// Items that are remembered so that each counts once, twice over. With more, the oldest may count again.
const SIGHTS_MAX: usize = 65_536;
/// Windows after which it is recorded again, if need be, that an entry is set aside.
const RECORDED_WINDOWS: i64 = 1;
/// Windows for which an entry is left alone that a person released.
const RELEASED_WINDOWS: i64 = 24;

/// What is too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time over which items are counted.
    pub window: Duration,
    /// Items in it that are never too many.
    pub items: u32,
    /// How many times what is usual is too many.
    pub factor: u32,
}

/// How an entry's matches are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// No more than may be.
    Usual,
    /// This one is too many: it is to be recorded that the entry is set aside.
    Began,
    /// Too many, and that is being recorded.
    Flooding,
}

/// A match of an entry, as the guard sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// How the entry's matches are.
    pub flow: Flow,
    /// Whether the item had not been seen with this entry.
    pub is_new: bool,
}

/// What came of recording that an entry is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The store says from now on how far it counts.
    Recorded,
    /// It is not set aside: a person here confirmed or released it.
    LeftAlone,
}

#[derive(Debug)]
struct Watched {
    counts: Counts,
    /// Up to which part it is left alone.
    left_alone: i64,
}

/// Which items were seen with which entries, in this span and in the one before.
#[derive(Debug, Default)]
struct Sights {
    now: HashSet<u64>,
    before: HashSet<u64>,
    span: i64,
}

impl Sights {
    fn is_new(&mut self, sight: u64, span: i64) -> bool {
        if span > self.span || self.now.len() >= SIGHTS_MAX {
            let is_next = span <= self.span + 1;
            self.before = std::mem::take(&mut self.now);
            if !is_next {
                self.before.clear();
            }
            self.span = span.max(self.span);
        }
        !self.before.contains(&sight) && self.now.insert(sight)
    }
}

/// The guard. `K` names an entry.
///
/// In memory: at most [`ENTRIES_MAX`] names with about 100 bytes each, and two sets of 65,536 numbers.
#[derive(Debug)]
pub struct Flood<K: Hash + Eq> {
    limits: Limits,
    watched: LruCache<K, Watched>,
    flooding: HashSet<K>,
    sights: Sights,
}

impl<K: Hash + Eq + Clone> Flood<K> {
    /// A guard that has seen nothing.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::of_size(limits, ENTRIES_MAX)
    }

    fn of_size(limits: Limits, entries: usize) -> Self {
        let entries = NonZeroUsize::new(entries).unwrap_or(NonZeroUsize::MIN);
        let watched = LruCache::new(entries);
        Self { limits, watched, flooding: HashSet::new(), sights: Sights::default() }
    }

    /// An item matched an entry. The same item counts once in a window; `item` is a number of it under a key that nobody
    /// outside knows.
    pub fn see(&mut self, entry: &K, item: u64, now: Time) -> Sight {
        let part = part(now, self.limits.window);
        let span = part.div_euclid(PARTS as i64);
        let sight = BuildHasherDefault::<DefaultHasher>::default().hash_one((entry, item));
        let is_new = self.sights.is_new(sight, span);
        if self.flooding.contains(entry) {
            return Sight { flow: Flow::Flooding, is_new };
        }
        let fresh = || Watched { counts: Counts::new(part), left_alone: i64::MIN };
        let watched = self.watched.get_or_insert_mut_ref(entry, fresh);
        watched.counts.turn(part, true);
        if is_new {
            watched.counts.add();
        }
        let usual = watched.counts.usual() * f64::from(self.limits.factor);
        let limit = usual.max(f64::from(self.limits.items));
        if part <= watched.left_alone || watched.counts.sum() as f64 <= limit {
            return Sight { flow: Flow::Usual, is_new };
        }
        // As many as are watched; beyond that it is held as well, and recorded when there is room.
        let has_room = self.flooding.len() < self.watched.cap().get();
        let flow = if has_room { Flow::Began } else { Flow::Flooding };
        if has_room {
            self.flooding.insert(entry.clone());
        }
        Sight { flow, is_new }
    }

    /// It is recorded, or will not be, that an entry is set aside.
    pub fn settle(&mut self, entry: &K, settled: Settled, now: Time) {
        self.flooding.remove(entry);
        let part = part(now, self.limits.window);
        let windows = match settled {
            Settled::Recorded => RECORDED_WINDOWS,
            Settled::LeftAlone => RELEASED_WINDOWS,
        };
        let left_alone = part + windows * PARTS as i64;
        self.watched.put(entry.clone(), Watched { counts: Counts::new(part), left_alone });
    }

    /// Entries that flood, and for which that is not recorded yet.
    #[must_use]
    pub fn unrecorded(&self) -> usize {
        self.flooding.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    const LIMITS: Limits = Limits { window: Duration::from_secs(120), items: 10, factor: 4 };

    fn at(part: i64) -> Time {
        Time::from_millis(part * 10_000)
    }

    proptest! {
        #[test]
        fn an_entry_floods_just_when_its_distinct_items_are_more_than_the_limit(
            steps in proptest::collection::vec((0_i64..3, 0_u8..3, 0_u64..40), 1..300)
        ) {
            let mut guard = Flood::new(LIMITS);
            let mut first: BTreeMap<u8, BTreeMap<u64, i64>> = BTreeMap::new();
            let mut flooding = BTreeSet::new();
            let mut part = 0;
            for (step, entry, item) in steps {
                // Within two windows: what is usual is nothing yet, and no item counts again.
                part = (part + step).min(11);
                let sight = guard.see(&entry, item, at(part));
                let seen = first.entry(entry).or_default();
                prop_assert_eq!(sight.is_new, !seen.contains_key(&item));
                seen.entry(item).or_insert(part);
                let expected = if flooding.contains(&entry) {
                    Flow::Flooding
                } else if seen.len() > 10 {
                    flooding.insert(entry);
                    Flow::Began
                } else {
                    Flow::Usual
                };
                prop_assert_eq!(sight.flow, expected);
            }
            prop_assert_eq!(guard.unrecorded(), flooding.len());
        }
    }

    #[test]
    fn what_an_entry_always_matched_is_no_flood_and_many_times_that_is() {
        let mut guard = Flood::new(LIMITS);
        let mut item = 0;
        let mut see = |guard: &mut Flood<u8>, part| {
            item += 1;
            guard.see(&1, item, at(part)).flow
        };
        // Nine in a window at first, then more, up to 72.
        for part in 0..6_000 {
            for _ in 0..=(part / 1_000) {
                if part >= 1_000 || part % 4 > 0 {
                    assert_eq!(see(&mut guard, part), Flow::Usual, "part {part}");
                }
            }
        }
        let flows: Vec<_> = (0..500).map(|_| see(&mut guard, 6_000)).collect();
        let began = flows.iter().position(|flow| *flow == Flow::Began).expect("a flood");
        assert!(began > 150, "{began}");
        assert!(flows[began + 1..].iter().all(|flow| *flow == Flow::Flooding));
    }

    #[test]
    fn a_flood_goes_on_until_it_is_recorded_and_what_a_person_released_does_not_flood_for_a_day() {
        let mut guard = Flood::new(LIMITS);
        let flood = |guard: &mut Flood<u8>, part, from: u64| {
            (from..from + 20).map(|item| guard.see(&1, item, at(part)).flow).collect::<Vec<_>>()
        };
        assert_eq!(flood(&mut guard, 0, 0)[10..12], [Flow::Began, Flow::Flooding]);
        assert_eq!(flood(&mut guard, 500, 100)[0], Flow::Flooding, "long after");
        guard.settle(&1, Settled::Recorded, at(500));
        assert!(flood(&mut guard, 501, 150).iter().all(|flow| *flow == Flow::Usual));
        assert_eq!(flood(&mut guard, 513, 200)[9..11], [Flow::Usual, Flow::Began]);
        guard.settle(&1, Settled::LeftAlone, at(513));
        assert!(flood(&mut guard, 530, 300).iter().all(|flow| *flow == Flow::Usual));
        assert!(flood(&mut guard, 900, 400).contains(&Flow::Began), "after a day");
    }

    #[test]
    fn memory_is_bounded_and_what_floods_is_not_forgotten() {
        let mut guard = Flood::of_size(LIMITS, 8);
        for item in 0..20 {
            guard.see(&0_u64, item, at(0));
        }
        for entry in 1..1_000_u64 {
            guard.see(&entry, 1, at(0));
        }
        assert_eq!(guard.watched.len(), 8);
        assert_eq!(guard.see(&0, 99, at(0)).flow, Flow::Flooding);
        for item in 0..3 * SIGHTS_MAX as u64 {
            guard.see(&5, item, at(0));
        }
        assert!(guard.sights.now.len() + guard.sights.before.len() <= 2 * SIGHTS_MAX);
    }
}

//! The breaker: a bank that would block a far greater share of items than it used to, as after a bad import.

use crate::core::guard::window::{Counts, part};
use crate::core::time::Time;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// What is too great a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time over which items are counted.
    pub window: Duration,
    /// Blocked items in it that are never too many.
    pub items: u32,
    /// Share of the items that were screened that is never too great, in millionths.
    pub share_millionths: u32,
    /// How many times the usual share is too great.
    pub factor: u32,
}

/// How a bank's breaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// The bank blocks.
    Closed,
    /// From now on it holds.
    Opened,
    /// It holds.
    Open,
}

/// An open breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open<S, B> {
    /// Whose bank.
    pub scope: S,
    /// The bank.
    pub bank: B,
    /// Since when.
    pub since: Time,
}

#[derive(Debug)]
struct One {
    blocked: Counts,
    /// Since when it is open, and which version the bank's settings had then.
    open: Option<(Time, u64)>,
    /// The share that a person let be by closing it.
    accepted: f64,
}

impl One {
    /// Opens or closes. `share` is of the window, `usual` of the past.
    fn settle(&mut self, limits: &Limits, asked: &Counts, version: u64, now: Time) -> Circuit {
        let share = ratio(self.blocked.sum() as f64, asked.sum() as f64);
        let usual = ratio(self.blocked.usual(), asked.usual()).max(self.accepted);
        let limit = (usual * f64::from(limits.factor))
            .max(f64::from(limits.share_millionths) / 1_000_000.0)
            .min(1.0);
        let blocked = self.blocked.sum();
        match self.open {
            Some((_, opened)) if version > opened => {
                self.open = None;
                self.accepted = share;
                Circuit::Closed
            }
            Some(_) if share * 2.0 < limit || blocked * 2 < u64::from(limits.items) => {
                self.open = None;
                Circuit::Closed
            }
            Some(_) => Circuit::Open,
            None if blocked > u64::from(limits.items) && share > limit => {
                self.open = Some((now, version));
                Circuit::Opened
            }
            None => Circuit::Closed,
        }
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    // Of hardly anything there is no share.
    if whole < 1.0 { 0.0 } else { part / whole }
}

#[derive(Debug)]
struct Of<B> {
    asked: Counts,
    banks: HashMap<B, One>,
}

/// The breakers of all banks. `S` names whose they are, `B` a bank.
///
/// In memory: about 150 bytes for each bank that blocked something, until it is forgotten.
#[derive(Debug)]
pub struct Breakers<S, B> {
    limits: Limits,
    scopes: HashMap<S, Of<B>>,
}

impl<S: Hash + Eq + Clone, B: Hash + Eq + Clone> Breakers<S, B> {
    /// Breakers that are all closed.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, scopes: HashMap::new() }
    }

    /// An item was screened.
    pub fn screened(&mut self, scope: &S, now: Time) {
        let part = part(now, self.limits.window);
        if !self.scopes.contains_key(scope) {
            let of = Of { asked: Counts::new(part), banks: HashMap::new() };
            self.scopes.insert(scope.clone(), of);
        }
        if let Some(of) = self.scopes.get_mut(scope) {
            of.asked.turn(part, true);
            of.asked.add();
        }
    }

    /// A bank would block that item; whether it does. A repeated item does not count (`is_new`). `version` is that of the
    /// bank's settings: a later one than when the breaker opened says that a person looked and let it be.
    pub fn would_block(
        &mut self,
        scope: &S,
        bank: &B,
        version: u64,
        is_new: bool,
        now: Time,
    ) -> Circuit {
        let part = part(now, self.limits.window);
        let Some(of) = self.scopes.get_mut(scope) else { return Circuit::Closed };
        let fresh = || One { blocked: Counts::new(part), open: None, accepted: 0.0 };
        let one = of.banks.entry(bank.clone()).or_insert_with(fresh);
        // What is wrong must not become usual.
        one.blocked.turn(part, one.open.is_none());
        if is_new {
            one.blocked.add();
        }
        one.settle(&self.limits, &of.asked, version, now)
    }

    /// Those that are open; closes those whose share has fallen, and forgets banks that block nothing any more.
    pub fn open(&mut self, now: Time) -> Vec<Open<S, B>> {
        let part = part(now, self.limits.window);
        let mut open = Vec::new();
        for (scope, of) in &mut self.scopes {
            of.asked.turn(part, true);
            let Of { asked, banks } = of;
            banks.retain(|bank, one| {
                one.blocked.turn(part, one.open.is_none());
                if let Some((since, version)) = one.open
                    && one.settle(&self.limits, asked, version, now) == Circuit::Open
                {
                    open.push(Open { scope: scope.clone(), bank: bank.clone(), since });
                }
                one.open.is_some() || one.blocked.sum() > 0 || one.blocked.usual() > 0.01
            });
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { window: Duration::from_secs(120), items: 20, share_millionths: 50_000, factor: 4 };

    fn at(part: i64) -> Time {
        Time::from_millis(part * 10_000)
    }

    /// Screens items of which every `nth` is blocked; how the breaker was at the end.
    fn run(breakers: &mut Breakers<u8, u8>, part: i64, items: u32, nth: u32) -> Circuit {
        let mut last = Circuit::Closed;
        for item in 1..=items {
            breakers.screened(&1, at(part));
            if item % nth == 0 {
                last = breakers.would_block(&1, &2, 1, true, at(part));
            }
        }
        last
    }

    #[test]
    fn a_bank_that_suddenly_blocks_a_great_share_holds_until_that_falls() {
        let mut breakers = Breakers::new(LIMITS);
        for part in 0..400 {
            assert_eq!(run(&mut breakers, part, 1_000, 100), Circuit::Closed, "one in a hundred");
        }
        assert_eq!(breakers.open(at(400)), []);
        let mut part = 400;
        while run(&mut breakers, part, 1_000, 10) != Circuit::Open {
            part += 1;
            assert!(part < 412, "one in ten for a whole window");
        }
        let open = breakers.open(at(part));
        assert_eq!((open.len(), open[0].scope, open[0].bank), (1, 1, 2));
        // However long it lasts it does not become usual.
        for part in part..part + 600 {
            assert_eq!(run(&mut breakers, part, 1_000, 10), Circuit::Open);
        }
        let last = part + 600;
        for part in last..last + 13 {
            run(&mut breakers, part, 1_000, 100);
        }
        assert_eq!(run(&mut breakers, last + 13, 1_000, 100), Circuit::Closed);
        assert_eq!(breakers.open(at(last + 13)), []);
    }

    #[test]
    fn a_person_who_changes_the_bank_closes_it_and_its_share_is_then_taken_for_good() {
        let mut breakers = Breakers::new(LIMITS);
        assert_eq!(run(&mut breakers, 0, 100, 2), Circuit::Open);
        assert_eq!(breakers.would_block(&1, &2, 2, true, at(0)), Circuit::Closed);
        for _ in 0..200 {
            breakers.screened(&1, at(1));
            assert_eq!(breakers.would_block(&1, &2, 2, true, at(1)), Circuit::Closed);
        }
    }

    #[test]
    fn few_items_a_small_share_and_a_repeated_item_open_nothing() {
        let mut breakers = Breakers::new(LIMITS);
        assert_eq!(run(&mut breakers, 0, 20, 1), Circuit::Closed, "few");
        assert_eq!(run(&mut breakers, 100, 10_000, 25), Circuit::Closed, "a small share");
        for _ in 0..1_000 {
            breakers.screened(&3, at(0));
            assert_eq!(breakers.would_block(&3, &2, 1, false, at(0)), Circuit::Closed);
        }
        assert_eq!(breakers.would_block(&9, &2, 1, true, at(0)), Circuit::Closed, "nothing asked");
    }

    #[test]
    fn it_opens_once_and_what_blocks_nothing_is_forgotten() {
        let mut breakers = Breakers::new(LIMITS);
        let mut opened = 0;
        for _ in 0..100 {
            breakers.screened(&1, at(0));
            let circuit = breakers.would_block(&1, &2, 1, true, at(0));
            opened += u32::from(circuit == Circuit::Opened);
        }
        assert_eq!((opened, breakers.open(at(0)).len()), (1, 1));
        assert_eq!(breakers.open(at(20)), [], "it fell to nothing");
        breakers.open(at(20 + 12 * 2_000));
        assert!(breakers.scopes[&1].banks.is_empty());
    }
}

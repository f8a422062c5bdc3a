//! The detector of similar questions: somebody who asks about one picture again and again, a little changed each time, wants
//! to find out what is listed or how near is near.

use crate::core::signal::Bits256;
use crate::core::time::Time;
use lru::LruCache;
use std::collections::VecDeque;
use std::time::Duration;

/// Two pictures at most so far apart are one, changed. Unrelated ones lie about 128 apart, hardly ever below 90.
pub const NEAR_BITS: u32 = 63;
/// Items of one sender that are remembered.
pub const ITEMS_MAX: usize = 64;
/// Hashes of one item that are remembered.
pub const HASHES_PER_ITEM_MAX: usize = 16;
/// Changes of one picture that are too many, where something of them is listed.
pub const CHANGES_WITH_MATCH: usize = 16;
/// Changes of one picture that are too many in any case.
pub const CHANGES: usize = 32;
/// For how long an item is remembered, and a sender suspected after the last changed picture.
pub const REMEMBERED: Duration = Duration::from_secs(86_400);

/// What an item looks like.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Hashes that are remembered: of the pictures as they are.
    pub pictures: &'a [Bits256],
    /// All hashes, turned ones included, which are compared with what is remembered.
    pub forms: &'a [Bits256],
    /// Whether a hash of it is near to something listed.
    pub matches: bool,
}

/// What is thought of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thought {
    /// Nothing.
    Usual,
    /// With this one its sender is suspected.
    Suspected,
    /// Its sender is suspected, and this is a changed picture again.
    Again,
}

#[derive(Debug)]
struct Item {
    pictures: Box<[Bits256]>,
    at: Time,
    /// Which pictures are changes of one another.
    chain: u64,
    /// Whether it was a change of an earlier one.
    is_change: bool,
    /// Whether it is near to something listed.
    matches: bool,
}

#[derive(Debug, Default)]
struct Sender {
    items: VecDeque<Item>,
    chains: u64,
    suspected_until: Option<Time>,
}

impl Sender {
    fn hashes(&self) -> usize {
        self.items.iter().map(|item| item.pictures.len()).sum()
    }
}

/// The detector, for senders by number.
///
/// In memory: at most so many hashes as it was made for, with about 100 bytes each, and 150 bytes for a sender. Who asked
/// longest ago is forgotten first.
#[derive(Debug)]
pub struct Detector {
    senders: LruCache<u64, Sender>,
    hashes: usize,
    hashes_max: usize,
}

impl Detector {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new(hashes_max: usize) -> Self {
        Self { senders: LruCache::unbounded(), hashes: 0, hashes_max }
    }

    /// A sender asked about an item.
    pub fn see(&mut self, sender: u64, look: Look<'_>, now: Time) -> Thought {
        let pictures = &look.pictures[..look.pictures.len().min(HASHES_PER_ITEM_MAX)];
        if pictures.is_empty() {
            return Thought::Usual;
        }
        let known = self.senders.get_or_insert_mut(sender, Sender::default);
        let before = known.hashes();
        while known.items.front().is_some_and(|item| now.since(item.at) > REMEMBERED) {
            known.items.pop_front();
        }
        let is_same = |hash: &Bits256| known.items.iter().any(|item| item.pictures.contains(hash));
        // The same again tells nothing new: it is neither counted nor remembered twice.
        let is_new = !pictures.iter().all(is_same);
        let near = |item: &&Item| {
            let mut pairs = item.pictures.iter().flat_map(|old| {
                look.forms.iter().chain(pictures).map(move |form| old.distance(form))
            });
            pairs.any(|distance| (1..=NEAR_BITS).contains(&distance))
        };
        let chain = known.items.iter().rev().find(near).map(|item| item.chain);
        let is_change = is_new && chain.is_some();
        let chain = chain.unwrap_or(known.chains + 1);
        known.chains = known.chains.max(chain);
        if is_new {
            if known.items.len() == ITEMS_MAX {
                known.items.pop_front();
            }
            let (pictures, matches) = (pictures.into(), look.matches);
            known.items.push_back(Item { pictures, at: now, chain, is_change, matches });
        }
        let was_suspected = known.suspected_until.is_some_and(|until| now <= until);
        let of_chain = known.items.iter().filter(|item| item.chain == chain);
        let is_listed = of_chain.clone().any(|item| item.matches);
        let changes_max = if is_listed { CHANGES_WITH_MATCH } else { CHANGES };
        let is_suspect = of_chain.filter(|item| item.is_change).count() >= changes_max;
        if is_change && (was_suspected || is_suspect) {
            known.suspected_until = Some(now.plus(REMEMBERED));
        }
        self.hashes = self.hashes + known.hashes() - before;
        self.forget();
        match (is_change, was_suspected) {
            (true, true) => Thought::Again,
            (true, false) if is_suspect => Thought::Suspected,
            _ => Thought::Usual,
        }
    }

    fn forget(&mut self) {
        while self.hashes > self.hashes_max {
            let Some((_, sender)) = self.senders.pop_lru() else { return };
            self.hashes -= sender.hashes();
        }
    }
}

#[cfg(test)]
mod tests;

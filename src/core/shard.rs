//! Shards: which of the entries a process keeps in memory, where they are more than one machine has room for.
//!
//! Every process knows every bank. The entries of each are dealt out by a digest of their names, so that all shards are
//! of one size whatever the banks are, and an entry stays where it is, whatever becomes of it.

pub mod choice;

use crate::core::bank::Entry;
use crate::core::id::{BankId, EntryId};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::fmt;

/// Most shards: each question goes to all of them.
pub const SHARDS_MAX: u32 = 1024;

/// One of so many shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    number: u32,
    count: u32,
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl fmt::Display for Shard {
    /// As people write it, `2/4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

impl Shard {
    /// All entries.
    pub const WHOLE: Self = Self { number: 1, count: 1 };

    /// Shard `number` of `count`, both from 1; none where there is no such shard.
    #[must_use]
    pub const fn new(number: u32, count: u32) -> Option<Self> {
        if number >= 1 && number <= count && count <= SHARDS_MAX {
            Some(Self { number, count })
        } else {
            None
        }
    }

    /// Reads what people write, `2/4`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, count) = text.split_once('/')?;
        let read = |digits: &str| {
            let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| digits.parse().ok()).flatten()
        };
        Self::new(read(number)?, read(count)?)
    }

    /// Its number, from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.number
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Whether it is all there is.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.count == 1
    }

    /// Those that together with this one hold every entry.
    pub fn others(self) -> impl Iterator<Item = Self> {
        let Self { number: own, count } = self;
        (1..=count).filter(move |number| *number != own).map(move |number| Self { number, count })
    }

    /// Whether an entry of a bank is among its own.
    #[must_use]
    pub fn holds(self, bank: &BankId, entry: &EntryId) -> bool {
        if self.is_whole() {
            return true;
        }
        let mut hash = Sha256::new();
        hash.update(bank.as_str().as_bytes());
        hash.update([0]);
        hash.update(entry.as_str().as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut eight = [0; 8];
        eight.copy_from_slice(&digest[..8]);
        u64::from_be_bytes(eight) % u64::from(self.count) == u64::from(self.number - 1)
    }

    /// Those of a bank's entries that are its own.
    #[must_use]
    pub fn own<'e>(self, bank: &BankId, entries: &'e [Entry]) -> Cow<'e, [Entry]> {
        if self.is_whole() {
            return Cow::Borrowed(entries);
        }
        entries.iter().filter(|entry| self.holds(bank, &entry.id)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bank() -> BankId {
        BankId::parse("known").unwrap()
    }

    proptest! {
        #[test]
        fn every_entry_is_in_one_shard_whatever_their_number(name in "[a-z0-9]{1,20}", count in 1..=64_u32) {
            let entry = EntryId::parse(&name).unwrap();
            let shards = (1..=count).map(|number| Shard::new(number, count).unwrap());
            prop_assert_eq!(shards.filter(|shard| shard.holds(&bank(), &entry)).count(), 1);
        }

        #[test]
        fn what_is_written_is_read(number in 0..=40_u32, count in 0..=40_u32) {
            let text = format!("{number}/{count}");
            let read = Shard::parse(&text);
            prop_assert_eq!(read, Shard::new(number, count));
            prop_assert_eq!(read.is_some(), (1..=count).contains(&number));
            prop_assert!(read.is_none_or(|shard| shard.to_string() == text));
        }
    }

    #[test]
    fn shards_are_of_one_size() {
        let shard = Shard::new(3, 4).unwrap();
        let entries = (0..40_000).map(|n| EntryId::parse(&format!("e{n}")).unwrap());
        let own = entries.filter(|entry| shard.holds(&bank(), entry)).count();
        // Five times the spread that chance gives.
        assert!((9_567..=10_433).contains(&own), "{own}");
    }

    #[test]
    fn the_others_are_all_but_itself() {
        let others: Vec<_> = Shard::new(2, 4).unwrap().others().map(|s| s.to_string()).collect();
        assert_eq!(others, ["1/4", "3/4", "4/4"]);
        assert_eq!(Shard::WHOLE.others().count(), 0);
    }

    #[test]
    fn what_is_no_shard_is_not_read() {
        for text in [
            "",
            "1",
            "/",
            "1/",
            "/1",
            "0/1",
            "2/1",
            "+1/2",
            "1/1025",
            "1/2/3",
            " 1/2",
            "99999999999/1",
        ] {
            assert_eq!(Shard::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_entry_stays_in_its_shard_from_release_to_release() {
        let of = |name: &str| {
            let entry = EntryId::parse(name).unwrap();
            let shards = (1..=8).map(|number| Shard::new(number, 8).unwrap());
            shards.into_iter().find(|shard| shard.holds(&bank(), &entry)).map(Shard::number)
        };
        let found: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().filter_map(of).collect();
        assert_eq!(found, GOLDEN);
    }

    /// The shards of five names, as release 0.1.0 dealt them out: snapshots of shards depend on it.
    const GOLDEN: [u32; 5] = [1, 4, 5, 1, 7];
}

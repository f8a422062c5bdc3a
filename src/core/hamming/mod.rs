//! The exact 256-bit index: every value within a radius of a query.
//!
//! Law: a query answers what a scan over all entries would answer, no entry less and none more, at every
//! size, after any inserts and removals. Below some thousand entries it *is* a scan; above, a multi-index
//! over 16 chunks of 16 bits narrows the scan for radii up to 31 without losing an entry.

mod chunks;
#[cfg(test)]
mod tests;

use crate::core::signal::Bits256;
use chunks::{Chunks, give_back};

/// Entries up to which a scan is as fast as the multi-index, whose empty buckets alone take 25 MB.
const SCAN_ENTRIES_MAX: usize = 8_192;

/// An entry that a query found. Ordered by distance, then by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Near {
    /// Bits in which the entry differs from the query.
    pub distance: u32,
    /// The number under which it was inserted.
    pub id: u32,
}

/// Values under numbers. One value may stand under many numbers, and one number may hold many values.
///
/// Readers and writers are kept apart by the caller: a query takes `&self`.
#[derive(Clone)]
pub struct Index {
    /// All values. Their places are what the chunks refer to.
    values: Vec<Bits256>,
    /// The number of each value, at the same place.
    ids: Vec<u32>,
    /// Present above `scan_max` entries, and until removals have halved that.
    chunks: Option<Chunks>,
    scan_max: usize,
}

impl std::fmt::Debug for Index {
    /// Prints the size only: values must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Index({} entries)", self.len())
    }
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}

impl Index {
    /// An index without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self::scanning_up_to(SCAN_ENTRIES_MAX)
    }

    const fn scanning_up_to(scan_max: usize) -> Self {
        Self { values: Vec::new(), ids: Vec::new(), chunks: None, scan_max }
    }

    /// Number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Adds a value under a number; the next query finds it. The same pair may be added more than once and
    /// is then found, and to be removed, as often.
    ///
    /// # Panics
    /// Beyond 2³² entries, which is more than memory holds.
    pub fn insert(&mut self, value: Bits256, id: u32) {
        let place = u32::try_from(self.values.len()).expect("at most 2^32 entries");
        self.values.push(value);
        self.ids.push(id);
        match &mut self.chunks {
            Some(chunks) => chunks.insert(&value, place),
            None if self.values.len() > self.scan_max => {
                self.chunks = Some(Chunks::over(&self.values))
            }
            None => {}
        }
    }

    /// Takes one value out under one number, and gives its memory back; false if it is not there.
    pub fn remove(&mut self, value: &Bits256, id: u32) -> bool {
        let is_it = |place: usize| self.ids[place] == id && self.values[place] == *value;
        let found = match &self.chunks {
            Some(chunks) => chunks.places_of(value).find(|&place| is_it(place)),
            None => (0..self.len()).find(|&place| is_it(place)),
        };
        let Some(place) = found else { return false };
        let last = self.len() - 1;
        if let Some(chunks) = &mut self.chunks {
            chunks.remove(value, place as u32);
            if place != last {
                chunks.renumber(&self.values[last], last as u32, place as u32);
            }
        }
        self.values.swap_remove(place);
        self.ids.swap_remove(place);
        if self.len() <= self.scan_max / 2 {
            self.chunks = None;
        }
        give_back(&mut self.values);
        give_back(&mut self.ids);
        true
    }

    /// Every entry within `radius` bits of `value`, nearest first, equal distances by number. Exact at every
    /// radius; above 31 bits it takes a scan.
    #[must_use]
    pub fn query(&self, value: &Bits256, radius: u32) -> Vec<Near> {
        let mut found = Vec::new();
        match &self.chunks {
            Some(chunks) if radius <= chunks::RADIUS_MAX => {
                chunks.query(&self.values, value, radius, |place, distance| {
                    found.push(Near { distance, id: self.ids[place] });
                });
            }
            _ => {
                for (entry, &id) in self.values.iter().zip(&self.ids) {
                    let distance = entry.distance(value);
                    if distance <= radius {
                        found.push(Near { distance, id });
                    }
                }
            }
        }
        found.sort_unstable();
        found
    }
}

impl Extend<(Bits256, u32)> for Index {
    fn extend<T: IntoIterator<Item = (Bits256, u32)>>(&mut self, entries: T) {
        for (value, id) in entries {
            self.insert(value, id);
        }
    }
}

impl FromIterator<(Bits256, u32)> for Index {
    fn from_iter<T: IntoIterator<Item = (Bits256, u32)>>(entries: T) -> Self {
        let mut index = Self::new();
        index.extend(entries);
        index
    }
}

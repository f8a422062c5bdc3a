//! The perceptual hashes of a layer: distinct values to search, and which entries each belongs to.

use crate::core::encoding::{Decoder, Encoder, Malformed, Stopped, holds};
use crate::core::hamming::{Scratch, Table};
use crate::core::signal::Bits256;

/// Stands for a quality that is not known.
const UNKNOWN: u8 = u8::MAX;

/// A hash of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hash {
    /// The value.
    pub(super) bits: Bits256,
    /// Number of the entry.
    pub(super) entry: u32,
    /// Quality, 0 to 100, where known.
    pub(super) quality: Option<u8>,
}

/// Hashes of one type.
pub(super) struct Perceptual {
    table: Table,
    /// For each place of the table, where its entries begin, and one more at the end; left out where each value belongs
    /// to one entry.
    starts: Option<Box<[u32]>>,
    entries: Box<[u32]>,
    qualities: Box<[u8]>,
}

impl Perceptual {
    /// Puts hashes in order.
    pub(super) fn over(mut list: Vec<Hash>) -> Self {
        // What comes of several layers is one ordered run after another, which this sort sees.
        list.sort();
        let mut values = Vec::with_capacity(list.len());
        let mut starts = Vec::new();
        for (at, hash) in (0_u32..).zip(&list) {
            if values.last() != Some(&hash.bits) {
                values.push(hash.bits);
                starts.push(at);
            }
        }
        starts.push(list.len() as u32);
        let each_has_one = values.len() == list.len();
        Self {
            table: Table::over(&values),
            starts: (!each_has_one).then(|| starts.into()),
            entries: list.iter().map(|hash| hash.entry).collect(),
            qualities: list.iter().map(|hash| hash.quality.unwrap_or(UNKNOWN)).collect(),
        }
    }

    fn hashes_at(&self, place: u32) -> impl Iterator<Item = Hash> {
        let at = place as usize;
        let range = match &self.starts {
            None => at..at + 1,
            Some(starts) => starts[at] as usize..starts[at + 1] as usize,
        };
        let bits = self.table.values()[at];
        range.map(move |at| {
            let quality = Some(self.qualities[at]).filter(|quality| *quality != UNKNOWN);
            Hash { bits, entry: self.entries[at], quality }
        })
    }

    /// Calls `found` with the distance of every hash within a radius, and with the hash.
    pub(super) fn search(
        &self,
        bits: &Bits256,
        radius: u32,
        scratch: &mut Scratch,
        mut found: impl FnMut(u32, Hash),
    ) {
        self.table.query(bits, radius, scratch, |place, distance| {
            self.hashes_at(place).for_each(|hash| found(distance, hash));
        });
    }

    /// Number of distinct values.
    pub(super) fn values(&self) -> usize {
        self.table.len()
    }

    /// The value at a place.
    pub(super) fn value_at(&self, place: u32) -> Bits256 {
        self.table.values()[place as usize]
    }

    /// The place of a value.
    pub(super) fn place_of(&self, bits: &Bits256) -> Option<u32> {
        self.table.values().binary_search(bits).ok().map(|place| place as u32)
    }

    /// All hashes.
    pub(super) fn iter(&self) -> impl Iterator<Item = Hash> {
        (0..self.table.len() as u32).flat_map(|place| self.hashes_at(place))
    }

    /// Bytes of memory that they take.
    pub(super) fn bytes(&self) -> usize {
        let starts = self.starts.as_ref().map_or(0, |starts| size_of_val(&**starts));
        self.table.bytes() + starts + size_of_val(&*self.entries) + size_of_val(&*self.qualities)
    }

    /// Number of hashes.
    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Writes them, as they are.
    pub(super) fn write(&self, to: &mut Encoder<'_>) -> Result<(), Stopped> {
        self.table.write(to)?;
        to.count(self.entries.len())?;
        to.words(&self.entries)?;
        to.words(&self.qualities)?;
        to.words(self.starts.as_deref().unwrap_or_default())
    }

    /// Reads what [`Self::write`] wrote, where every entry's number is below `entries`.
    pub(super) fn read(from: &mut Decoder<'_>, entries: usize) -> Result<Self, Malformed> {
        let table = Table::read(from)?;
        let hashes = from.count(5)?;
        let numbers = from.list(hashes, |some: &[u32]| {
            holds(some.iter().all(|number| (*number as usize) < entries), "a number of no entry")
        })?;
        let qualities = from.list(hashes, |some: &[u8]| {
            let good = |quality: &u8| *quality <= 100 || *quality == UNKNOWN;
            holds(some.iter().all(good), "a quality beyond the greatest")
        })?;
        let mut starts = None;
        if hashes != table.len() {
            let list: Vec<u32> = from.list(table.len() + 1, |_| Ok(()))?;
            let whole = list.first() == Some(&0) && list.last() == Some(&(hashes as u32));
            // Whoever goes through the hashes meets each value once, with one entry at least.
            let rise = list.windows(2).all(|pair| pair[0] < pair[1]);
            holds(whole && rise, "values without entries")?;
            starts = Some(list.into());
        }
        Ok(Self { table, starts, entries: numbers.into(), qualities: qualities.into() })
    }
}

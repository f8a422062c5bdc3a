//! A sheet: items that do not change any more, with all their signals, ready to be searched.

use crate::core::hamming::{self, Scratch};
use crate::core::matcher::ends::Ends;
use crate::core::matcher::perceptual::{Hash, Perceptual};
use crate::core::matcher::sorted::Sorted;
use crate::core::signal::Signal;

/// Most hashes of one sheet, but for a single item that has more: up to here a hash takes the least memory.
pub(super) const HASHES_MAX: usize = hamming::COMPACT_MAX;
/// Stands in a draft's list of numbers for an item that was not taken over.
const GONE: u32 = u32::MAX;

/// An item that a search has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    /// Its number.
    pub item: u64,
    /// Bits that differ; 0 for digests.
    pub distance: u32,
    /// Quality of its hash, 0 to 100, where known.
    pub quality: Option<u8>,
}

/// A signal of an item, with its quality where known.
pub type Given<'s> = (&'s Signal, Option<u32>);

/// Items that do not change any more.
pub(in crate::core::matcher) struct Sheet {
    /// Their numbers, rising.
    items: Box<[u64]>,
    ends: Ends,
    /// Eight bytes of each digest.
    digests: Sorted<u64>,
    pictures: Perceptual,
    frames: Perceptual,
}

/// Eight bytes of a digest: how likely two different ones have the same is of no account, and who makes such on purpose
/// finds them compared as a whole.
fn print(kind: u64, digest: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&digest[..8]);
    // The same digest is not one of two kinds.
    u64::from_be_bytes(eight).wrapping_add(kind << 61)
}

fn print_of(signal: &Signal) -> Option<u64> {
    match signal {
        Signal::Md5(value) => Some(print(1, value)),
        Signal::Sha1(value) => Some(print(2, value)),
        Signal::Sha256(value) => Some(print(3, value)),
        Signal::Pdq(_)
        | Signal::VpdqFrame(_)
        | Signal::PhotoDna(_)
        | Signal::Custom(..)
        | Signal::Advice(_) => None,
    }
}

impl Sheet {
    /// Number of items, ended ones included.
    pub(super) const fn len(&self) -> usize {
        self.items.len()
    }

    /// Number of items that have not ended.
    pub(super) fn alive(&self) -> usize {
        self.items.len() - self.ends.ended()
    }

    /// Number of items that have ended.
    pub(super) fn ended(&self) -> usize {
        self.ends.ended()
    }

    /// Number of perceptual hashes.
    pub(super) const fn hashes(&self) -> usize {
        self.pictures.len() + self.frames.len()
    }

    /// The greatest number of an item.
    pub(super) fn last(&self) -> u64 {
        self.items.last().copied().unwrap_or(0)
    }

    /// Bytes of memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        let ends = self.len() * size_of::<u32>() + self.ended() * size_of::<u32>();
        let hashes = self.pictures.bytes() + self.frames.bytes();
        size_of_val(&*self.items) + ends + self.digests.bytes() + hashes
    }

    /// Ends an item, where it is here.
    pub(super) fn end(&self, item: u64) {
        if let Ok(at) = self.items.binary_search(&item) {
            self.ends.end(at as u32, 1);
        }
    }

    /// The items that ended after the first `known` of them did.
    pub(super) fn ended_since(&self, known: usize) -> Vec<u64> {
        self.ends.since(known).into_iter().map(|at| self.items[at as usize]).collect()
    }

    fn is_alive(&self, at: u32) -> bool {
        self.ends.is_alive(at, u64::MAX)
    }

    /// The items that have not ended.
    pub(in crate::core::matcher) fn items(&self) -> impl Iterator<Item = u64> {
        (0..self.len() as u32).filter(|at| self.is_alive(*at)).map(|at| self.items[at as usize])
    }

    /// Eight bytes of each digest, in order, with the items.
    pub(in crate::core::matcher) fn prints(&self) -> impl Iterator<Item = (u64, u64)> {
        let alive = self.digests.iter().filter(|(_, at)| self.is_alive(*at));
        alive.map(|(print, at)| (*print, self.items[at as usize]))
    }

    /// The items that have a digest with these eight bytes.
    pub(in crate::core::matcher) fn with_print(&self, print: u64) -> impl Iterator<Item = u64> {
        let found = self.digests.numbers_of(&print).filter(|at| self.is_alive(*at));
        found.map(|at| self.items[at as usize])
    }

    /// Every perceptual hash, with its item.
    pub(in crate::core::matcher) fn hashes_by_item(&self) -> impl Iterator<Item = (Signal, u64)> {
        let pictures = self.pictures.iter().map(|hash| (Signal::Pdq(hash.bits), hash.entry));
        let frames = self.frames.iter().map(|hash| (Signal::VpdqFrame(hash.bits), hash.entry));
        let alive = pictures.chain(frames).filter(|(_, at)| self.is_alive(*at));
        alive.map(|(signal, at)| (signal, self.items[at as usize]))
    }

    /// Calls `found` for every item that has the signal, or a hash within a radius of it.
    pub(in crate::core::matcher) fn search(
        &self,
        signal: &Signal,
        radius: u32,
        scratch: &mut Scratch,
        mut found: impl FnMut(Sighting),
    ) {
        let mut tell = |at: u32, distance, quality| {
            if self.is_alive(at) {
                found(Sighting { item: self.items[at as usize], distance, quality });
            }
        };
        let hashes = match signal {
            Signal::Pdq(bits) => Some((&self.pictures, bits)),
            Signal::VpdqFrame(bits) => Some((&self.frames, bits)),
            _ => None,
        };
        if let Some((hashes, bits)) = hashes {
            hashes.search(bits, radius, scratch, |distance, hash| {
                tell(hash.entry, distance, hash.quality);
            });
        }
        if let Some(print) = print_of(signal) {
            self.digests.numbers_of(&print).for_each(|at| tell(at, 0, None));
        }
    }
}

/// A sheet in the making.
#[derive(Default)]
pub(super) struct Draft {
    items: Vec<u64>,
    digests: Vec<(u64, u32)>,
    pictures: Vec<Hash>,
    frames: Vec<Hash>,
}

impl Draft {
    /// Whether there is no item.
    pub(super) const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds an item, whose number is above all before it.
    pub(super) fn push(&mut self, item: u64, signals: &[Given<'_>]) {
        let at = self.items.len() as u32;
        self.items.push(item);
        for (signal, quality) in signals {
            let quality = quality.map(|quality| quality.min(100) as u8);
            match signal {
                Signal::Pdq(bits) => self.pictures.push(Hash { bits: *bits, entry: at, quality }),
                Signal::VpdqFrame(bits) => {
                    self.frames.push(Hash { bits: *bits, entry: at, quality });
                }
                other => self.digests.extend(print_of(other).map(|print| (print, at))),
            }
        }
    }

    /// Adds the items of sheets that have not ended: the numbers of those of one may lie between those of another.
    pub(super) fn absorb(&mut self, sheets: &[&Sheet]) {
        let all =
            |sheet: &Sheet| (0..sheet.len() as u32).filter(|at| sheet.is_alive(*at)).collect();
        let alive: Vec<Vec<u32>> = sheets.iter().map(|sheet| all(sheet)).collect();
        for (sheet, alive) in sheets.iter().zip(&alive) {
            self.items.extend(alive.iter().map(|at| sheet.items[*at as usize]));
        }
        self.items.sort_unstable();
        for (sheet, alive) in sheets.iter().zip(&alive) {
            let mut places = vec![GONE; sheet.len()];
            let mut next = 0;
            for at in alive {
                let item = sheet.items[*at as usize];
                // Both lists rise.
                next += self.items[next..].partition_point(|other| *other < item);
                places[*at as usize] = next as u32;
            }
            let place = |at: u32| Some(places[at as usize]).filter(|place| *place != GONE);
            let hash = |hash: Hash| place(hash.entry).map(|entry| Hash { entry, ..hash });
            self.pictures.extend(sheet.pictures.iter().filter_map(hash));
            self.frames.extend(sheet.frames.iter().filter_map(hash));
            let digests = sheet.digests.iter();
            self.digests.extend(digests.filter_map(|(print, at)| Some((*print, place(at)?))));
        }
    }

    /// The sheet.
    pub(super) fn finish(self) -> Sheet {
        Sheet {
            ends: Ends::none(self.items.len(), 0),
            items: self.items.into(),
            digests: Sorted::over(self.digests),
            pictures: Perceptual::over(self.pictures),
            frames: Perceptual::over(self.frames),
        }
    }
}

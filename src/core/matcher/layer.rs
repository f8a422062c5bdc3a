//! A layer: entries that do not change any more, with all their signals, ready to be searched.
//!
//! The one thing that happens to an entry of a layer is that it ends (see [`Ends`]).

mod written;

use crate::core::bank::{Effect, Entry};
use crate::core::hamming;
use crate::core::matcher::ends::Ends;
use crate::core::matcher::frames::{FrameHash, Frames};
use crate::core::matcher::perceptual::{Hash, Perceptual};
use crate::core::matcher::rows::{self, Name, New, Rows, Shape};
use crate::core::matcher::sorted::Sorted;
use crate::core::signal::Signal;

/// Most bytes of texts of one layer.
const TEXT_BYTES_MAX: usize = 3 << 30;
/// Bytes that building a layer is reckoned to take for each entry beside its texts and hashes. With the next it is half as
/// much again as was measured: 240 for an entry of one hash.
const ENTRY_BYTES: usize = 96;
/// The same for each perceptual hash.
const HASH_BYTES: usize = 256;
/// Time between frames of which nobody said where they are, in milliseconds: what hashing a frame a second gives.
const MILLIS_ASSUMED: u32 = 1000;

/// Entries that do not change any more.
pub(super) struct Layer {
    pub(super) rows: Rows,
    pub(super) pictures: Perceptual,
    pub(super) frames: Frames,
    pub(super) md5: Sorted<[u8; 16]>,
    pub(super) sha1: Sorted<[u8; 20]>,
    pub(super) sha256: Sorted<[u8; 32]>,
    pub(super) opaque: Sorted<Signal>,
    pub(super) ends: Ends,
}

impl Layer {
    /// Number of entries, ended ones included.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Number of the entry with this name in this bank, where it has not ended.
    pub(super) fn find(&self, name: &Name<'_>) -> Option<u32> {
        self.rows.named(name).find(|entry| self.ends.is_alive(*entry, u64::MAX))
    }

    /// Numbers of all entries that have not ended.
    pub(super) fn alive(&self) -> impl Iterator<Item = u32> {
        (0..self.len() as u32).filter(|entry| self.ends.is_alive(*entry, u64::MAX))
    }

    /// What of it is limited.
    pub(super) fn bulk(&self) -> Bulk {
        let (pictures, frames) = (self.pictures.len(), self.frames.len());
        let text = self.rows.text_bytes();
        let all = (self.len() * ENTRY_BYTES + (pictures + frames) * HASH_BYTES + text) as u64;
        let alive = (self.len() - self.ends.ended()) as u64;
        Bulk { pictures, frames, text, building: all / self.len().max(1) as u64 * alive }
    }
}

/// What is limited of a layer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bulk {
    pictures: usize,
    frames: usize,
    text: usize,
    building: u64,
}

impl Bulk {
    /// Of two layers together.
    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            pictures: self.pictures + other.pictures,
            frames: self.frames + other.frames,
            text: self.text + other.text,
            building: self.building + other.building,
        }
    }

    /// Whether one layer can be so large.
    pub(super) const fn fits(self) -> bool {
        self.pictures <= hamming::VALUES_MAX
            && self.frames <= hamming::VALUES_MAX
            && self.text <= TEXT_BYTES_MAX
    }

    /// Number of perceptual hashes.
    pub(super) const fn hashes(self) -> usize {
        self.pictures + self.frames
    }

    /// About how many bytes are taken while a layer of what has not ended is built, those that it then keeps included.
    pub(super) const fn building(self) -> u64 {
        self.building
    }
}

/// A layer in the making.
#[derive(Default)]
pub(super) struct Draft {
    rows: rows::Draft,
    /// Of the entry that is being added, so that not each takes memory for it.
    shape: Shape,
    pictures: Vec<Hash>,
    frames: Vec<FrameHash>,
    md5: Vec<([u8; 16], u32)>,
    sha1: Vec<([u8; 20], u32)>,
    sha256: Vec<([u8; 32], u32)>,
    opaque: Vec<(Signal, u32)>,
}

/// Puts how many signals of each type an entry has in the place of what `shape` was.
fn shape_of(entry: &Entry, shape: &mut Shape) {
    shape.clear();
    for banked in &entry.signals {
        let kind = banked.signal.kind();
        match shape.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => shape.push((kind, 1)),
        }
    }
    shape.sort_unstable();
}

impl Draft {
    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds an entry, whose name is `name`.
    pub(super) fn push(&mut self, name: &Name<'_>, effect: Effect, entry: &Entry) {
        shape_of(entry, &mut self.shape);
        let number = self.rows.push(&New {
            name,
            effect,
            provenance: &entry.provenance,
            shape: &self.shape,
        });
        let mut frames_before = 0_u32;
        for banked in &entry.signals {
            let quality = banked.quality.map(|quality| quality.min(100) as u8);
            match &banked.signal {
                Signal::Pdq(bits) => {
                    self.pictures.push(Hash { bits: *bits, entry: number, quality });
                }
                Signal::VpdqFrame(bits) => {
                    // Who does not say where a frame is, gives one a second.
                    let at = banked.at.unwrap_or(frames_before * MILLIS_ASSUMED);
                    frames_before += 1;
                    let hash = Hash { bits: *bits, entry: number, quality };
                    self.frames.push(FrameHash { entry: number, at, hash });
                }
                Signal::Md5(value) => self.md5.push((*value, number)),
                Signal::Sha1(value) => self.sha1.push((*value, number)),
                Signal::Sha256(value) => self.sha256.push((*value, number)),
                other @ (Signal::PhotoDna(_) | Signal::Custom(..) | Signal::Advice(_)) => {
                    self.opaque.push((other.clone(), number));
                }
            }
        }
    }

    /// Adds the entries of a layer that have not ended.
    pub(super) fn absorb(&mut self, layer: &Layer) {
        let numbers = self.rows.absorb(&layer.rows, layer.alive());
        let renumbered = |entry: u32| Some(numbers[entry as usize]).filter(|n| *n != rows::GONE);
        let hashes = |from: &Perceptual, into: &mut Vec<Hash>| {
            into.extend(
                from.iter()
                    .filter_map(|hash| renumbered(hash.entry).map(|entry| Hash { entry, ..hash })),
            );
        };
        hashes(&layer.pictures, &mut self.pictures);
        self.frames.extend(layer.frames.iter().filter_map(|frame| {
            let entry = renumbered(frame.entry)?;
            Some(FrameHash { entry, hash: Hash { entry, ..frame.hash }, ..frame })
        }));
        fn values<K: Ord + super::sorted::Lead + Clone>(
            from: &Sorted<K>,
            into: &mut Vec<(K, u32)>,
            renumbered: impl Fn(u32) -> Option<u32>,
        ) {
            into.extend(from.iter().filter_map(|(value, entry)| {
                renumbered(entry).map(|entry| (value.clone(), entry))
            }));
        }
        values(&layer.md5, &mut self.md5, renumbered);
        values(&layer.sha1, &mut self.sha1, renumbered);
        values(&layer.sha256, &mut self.sha256, renumbered);
        values(&layer.opaque, &mut self.opaque, renumbered);
    }

    /// The layer, which comes about with change `sequence`.
    pub(super) fn finish(self, sequence: u64) -> Layer {
        let rows = self.rows.finish();
        Layer {
            ends: Ends::none(rows.len(), sequence),
            rows,
            pictures: Perceptual::over(self.pictures),
            frames: Frames::over(self.frames),
            md5: Sorted::over(self.md5),
            sha1: Sorted::over(self.sha1),
            sha256: Sorted::over(self.sha256),
            opaque: Sorted::over(self.opaque),
        }
    }
}

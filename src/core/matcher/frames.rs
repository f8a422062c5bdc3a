//! The videos of a layer: their frames, ready to be searched, and each video as the sequence of its frames.

use crate::core::encoding::{Decoder, Encoder, Malformed, Stopped, holds};
use crate::core::hamming::Scratch;
use crate::core::matcher::perceptual::{Hash, Perceptual};
use crate::core::signal::Bits256;
use crate::core::video::track::{Frame, Track};
use std::ops::Range;

/// Stands for a quality that is not known.
const UNKNOWN: u8 = u8::MAX;
/// What a frame counts for of whose quality nothing is known.
const QUALITY_ASSUMED: u8 = 100;

/// A frame of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FrameHash {
    /// Number of the entry.
    pub(super) entry: u32,
    /// Milliseconds from the beginning of the video.
    pub(super) at: u32,
    /// The value.
    pub(super) hash: Hash,
}

/// The frames of videos.
pub(super) struct Frames {
    index: Perceptual,
    /// Numbers of the entries that have frames, rising.
    owners: Box<[u32]>,
    /// Where the frames of each begin, and one more at the end.
    starts: Box<[u32]>,
    /// For each frame, in the order of time, the place of its value in the index.
    places: Box<[u32]>,
    /// For each frame its milliseconds from the beginning.
    times: Box<[u32]>,
    /// For each frame its quality.
    qualities: Box<[u8]>,
}

impl Frames {
    /// Puts frames in order.
    pub(super) fn over(mut list: Vec<FrameHash>) -> Self {
        list.sort_unstable();
        let index = Perceptual::over(list.iter().map(|frame| frame.hash).collect());
        let (mut owners, mut starts) = (Vec::new(), Vec::new());
        for (at, frame) in (0_u32..).zip(&list) {
            if owners.last() != Some(&frame.entry) {
                owners.push(frame.entry);
                starts.push(at);
            }
        }
        starts.push(list.len() as u32);
        let place = |frame: &FrameHash| index.place_of(&frame.hash.bits).unwrap_or_default();
        Self {
            owners: owners.into(),
            starts: starts.into(),
            places: list.iter().map(place).collect(),
            times: list.iter().map(|frame| frame.at).collect(),
            qualities: list.iter().map(|frame| frame.hash.quality.unwrap_or(UNKNOWN)).collect(),
            index,
        }
    }

    /// Number of frames.
    pub(super) const fn len(&self) -> usize {
        self.places.len()
    }

    /// Calls `found` with the distance of every frame within a radius, and with its hash.
    pub(super) fn search(
        &self,
        bits: &Bits256,
        radius: u32,
        scratch: &mut Scratch,
        found: impl FnMut(u32, Hash),
    ) {
        self.index.search(bits, radius, scratch, found);
    }

    fn run(&self, owner: usize) -> Range<usize> {
        self.starts[owner] as usize..self.starts[owner + 1] as usize
    }

    fn frame(&self, entry: u32, at: usize) -> FrameHash {
        let quality = Some(self.qualities[at]).filter(|quality| *quality != UNKNOWN);
        let bits = self.index.value_at(self.places[at]);
        FrameHash { entry, at: self.times[at], hash: Hash { bits, entry, quality } }
    }

    /// All frames, those of one entry after another in the order of time.
    pub(super) fn iter(&self) -> impl Iterator<Item = FrameHash> {
        self.owners
            .iter()
            .enumerate()
            .flat_map(move |(owner, entry)| self.run(owner).map(move |at| self.frame(*entry, at)))
    }

    /// The video of an entry; empty where it has no frames.
    pub(super) fn track(&self, entry: u32) -> Track {
        let Ok(owner) = self.owners.binary_search(&entry) else { return Track::default() };
        let frames = self.run(owner).map(|at| {
            let FrameHash { at, hash, .. } = self.frame(entry, at);
            Frame { bits: hash.bits, quality: hash.quality.unwrap_or(QUALITY_ASSUMED), at }
        });
        // More frames than a track can have no entry has.
        Track::new(frames.collect()).unwrap_or_default()
    }

    /// Writes them, as they are.
    pub(super) fn write(&self, to: &mut Encoder<'_>) -> Result<(), Stopped> {
        self.index.write(to)?;
        to.count(self.owners.len())?;
        to.words(&self.owners)?;
        to.words(&self.starts)?;
        to.words(&self.places)?;
        to.words(&self.times)?;
        to.words(&self.qualities)
    }

    /// Reads what [`Self::write`] wrote, where every entry's number is below `entries`.
    pub(super) fn read(from: &mut Decoder<'_>, entries: usize) -> Result<Self, Malformed> {
        let index = Perceptual::read(from, entries)?;
        let (frames, values) = (index.len(), index.values());
        let count = from.count(8)?;
        let owners: Vec<u32> = from.list(count, |_| Ok(()))?;
        let rise = owners.windows(2).all(|pair| pair[0] < pair[1]);
        let known = owners.last().is_none_or(|last| (*last as usize) < entries);
        holds(rise && known, "frames of no entry")?;
        let starts: Vec<u32> = from.list(count + 1, |_| Ok(()))?;
        let whole = starts.first() == Some(&0) && starts.last() == Some(&(frames as u32));
        let rise = starts.windows(2).all(|pair| pair[0] < pair[1]);
        holds(whole && rise, "a video without frames")?;
        let places = from.list(frames, |some: &[u32]| {
            holds(some.iter().all(|place| (*place as usize) < values), "a frame without a value")
        })?;
        let times = from.list(frames, |_: &[u32]| Ok(()))?;
        let qualities = from.list(frames, |some: &[u8]| {
            let good = |quality: &u8| *quality <= 100 || *quality == UNKNOWN;
            holds(some.iter().all(good), "a quality beyond the greatest")
        })?;
        Ok(Self {
            index,
            owners: owners.into(),
            starts: starts.into(),
            places: places.into(),
            times: times.into(),
            qualities: qualities.into(),
        })
    }
}

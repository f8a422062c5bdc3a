//! Sketches and entries, one of each at every place.
//!
//! Places are in groups: first the sketches of a group, then its entries, each from a new cache line on. With entries of
//! three bytes all is one group, since few entries are read, and sketches should lie close together. With tails, in tables
//! of gigabytes, more are read, and a walk through the page tables is what each costs: there groups are of some thousand
//! places, so that the sketches and the entries of a bucket lie on one large page as a rule.

use crate::core::encoding::{Decoder, Encoder, Malformed, Stopped};
use crate::core::hamming::loops::{LANES, Line};
use crate::core::hamming::memory::{Block, prefetch};
use std::ops::Range;

/// Places of a group: so many that few buckets are cut in two, and a group is a small part of a large page.
const GROUP: usize = 1 << 14;
/// More than there can be.
const ALL: usize = 1 << 32;
const LINE_BYTES: usize = size_of::<Line>();

/// Sketches of 16 bits and entries of `B` bytes.
pub(super) struct Pairs<const B: usize> {
    len: usize,
    /// Whole lines.
    bytes: Block<u8>,
}

impl<const B: usize> Pairs<B> {
    /// Places of a group.
    const GROUP: usize = if B == 4 { GROUP } else { ALL };
    /// Lines of a whole group.
    const STRIDE: usize = Self::GROUP / LANES + Self::GROUP * B / LINE_BYTES;

    /// So many, all zero.
    pub(super) fn blank(len: usize) -> Self {
        let (groups, rest) = (len / Self::GROUP, len % Self::GROUP);
        let last = rest.div_ceil(LANES) + (rest * B).div_ceil(LINE_BYTES);
        Self { len, bytes: Block::filled(0, (groups * Self::STRIDE + last) * LINE_BYTES) }
    }

    /// All lines, those with entries among them.
    pub(super) fn lines(&self) -> &[Line] {
        self.bytes.as_chunks().0
    }

    /// The line with the sketch at a place.
    #[inline(always)]
    pub(super) const fn line_of(at: u32) -> u32 {
        let (at, beside) = (at as usize, Self::STRIDE - Self::GROUP / LANES);
        (at / LANES + at / Self::GROUP * beside) as u32
    }

    /// Where the group of a place ends.
    pub(super) const fn group_end(at: u32) -> u32 {
        (at | (Self::GROUP - 1) as u32).saturating_add(1)
    }

    /// Where the bytes of the entry at a place begin, of so many.
    #[inline(always)]
    const fn byte_among(len: usize, at: u32) -> usize {
        let (at, group) = (at as usize, at as usize / Self::GROUP);
        let left = len - group * Self::GROUP;
        let inside = if left < Self::GROUP { left } else { Self::GROUP };
        let line = group * Self::STRIDE + inside.div_ceil(LANES);
        line * LINE_BYTES + at % Self::GROUP * B
    }

    /// Where the bytes of the entry at a place begin.
    #[inline(always)]
    const fn byte_of(&self, at: u32) -> usize {
        Self::byte_among(self.len, at)
    }

    /// The sketch at a place.
    pub(super) fn sketch(&self, at: u32) -> u16 {
        sketch_in(&self.lines()[Self::line_of(at) as usize], at)
    }

    /// The entry at a place.
    pub(super) fn entry(&self, at: u32) -> [u8; B] {
        let start = self.byte_of(at);
        let bytes = &self.bytes[start..start + B];
        std::array::from_fn(|byte| bytes[byte])
    }

    /// The entries at some places, group by group.
    pub(super) fn entries(&self, places: Range<u32>) -> impl Iterator<Item = &[[u8; B]]> {
        let mut start = places.start;
        std::iter::from_fn(move || {
            let end = places.end.min(Self::group_end(start));
            let count = end.checked_sub(start).filter(|count| *count > 0)? as usize;
            let from = self.byte_of(start);
            start = end;
            Some(self.bytes[from..from + count * B].as_chunks().0)
        })
    }

    /// Where they are set, one after another.
    pub(super) fn filling(&mut self) -> Filling<'_, B> {
        Filling { len: self.len, bytes: &mut self.bytes }
    }

    /// Has the entry at a place fetched.
    #[inline(always)]
    pub(super) fn ask_for(&self, at: u32) {
        prefetch(&self.bytes, self.byte_of(at));
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.bytes)
    }

    /// Writes them, as they are.
    pub(super) fn write(&self, to: &mut Encoder<'_>) -> Result<(), Stopped> {
        to.words(self.lines())
    }

    /// Reads what [`Self::write`] wrote of so many.
    pub(super) fn read(from: &mut Decoder<'_>, len: usize) -> Result<Self, Malformed> {
        let mut read = Self::blank(len);
        from.fill(read.bytes.as_chunks_mut::<LINE_BYTES>().0, |_| Ok(()))?;
        Ok(read)
    }
}

/// Pairs that are being set: millions of times for a table, so that nothing is called for it and each is a store.
pub(super) struct Filling<'p, const B: usize> {
    len: usize,
    bytes: &'p mut [u8],
}

impl<const B: usize> Filling<'_, B> {
    /// Sets what is at a place.
    #[inline(always)]
    pub(super) fn set(&mut self, at: u32, sketch: u16, entry: [u8; B]) {
        let line = Pairs::<B>::line_of(at) as usize * LINE_BYTES;
        let places = [line + at as usize % LANES * 2, Pairs::<B>::byte_among(self.len, at)];
        if let Some(place) = self.bytes[places[0]..].first_chunk_mut() {
            *place = sketch.to_le_bytes();
        }
        if let Some(place) = self.bytes[places[1]..].first_chunk_mut() {
            *place = entry;
        }
    }
}

/// The sketch at a place, in its line.
#[inline(always)]
pub(super) fn sketch_in(line: &Line, at: u32) -> u16 {
    let lane = at as usize % LANES;
    u16::from_le_bytes([line[2 * lane], line[2 * lane + 1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps<const B: usize>(len: usize) {
        let mut pairs = Pairs::<B>::blank(len);
        let sketch = |at: u32| (at ^ 0x5a5a) as u16;
        let entry = |at: u32| -> [u8; B] {
            let bytes = at.wrapping_mul(0x9e37_79b1).to_le_bytes();
            std::array::from_fn(|byte| bytes[byte])
        };
        let mut filling = pairs.filling();
        (0..len as u32).rev().for_each(|at| filling.set(at, sketch(at), entry(at)));
        for at in 0..len as u32 {
            assert_eq!((pairs.sketch(at), pairs.entry(at)), (sketch(at), entry(at)), "{at}");
        }
        for places in [0..len as u32, 0..0, len as u32 / 3..len as u32 / 2] {
            let all: Vec<_> = pairs.entries(places.clone()).flatten().copied().collect();
            assert_eq!(all, places.map(entry).collect::<Vec<_>>());
        }
        // Two bytes of sketch and the entry, and at most two lines that are not full for each group.
        let groups = len.div_ceil(Pairs::<B>::GROUP);
        assert!((len * (2 + B)..=len * (2 + B) + 2 * groups * LINE_BYTES).contains(&pairs.bytes()));
    }

    #[test]
    fn what_is_set_at_a_place_is_there_and_nothing_else_changes() {
        for len in [0, 1, 31, 32, 33, GROUP - 1, GROUP, GROUP + 1, 3 * GROUP + 77] {
            keeps::<3>(len);
            keeps::<4>(len);
        }
    }

    #[test]
    fn groups_end_where_the_next_begins_and_the_last_is_never_passed() {
        assert_eq!(Pairs::<4>::group_end(0), GROUP as u32);
        assert_eq!(Pairs::<4>::group_end(GROUP as u32), 2 * GROUP as u32);
        assert_eq!(Pairs::<4>::group_end(u32::MAX - 64), u32::MAX);
        assert_eq!(Pairs::<3>::group_end(0), u32::MAX);
    }
}

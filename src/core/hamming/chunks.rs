//! The multi-index over a fixed list of values: places of values by each chunk, so that few values are compared.
//!
//! Per value and chunk it holds a sketch of 16 bits and an entry of three or four bytes, sorted by chunk and its value, and
//! a table of where each bucket begins. An entry is the place of the value in 24 bits, and a tail in eight
//! more where it has four bytes. Longer lists of values are cut into parts: a bucket holds the entries of the first part
//! first, and where those of each part begin is known. A query runs through the sketches of the buckets near to it, reads
//! the entries of the few that pass, then their values: three kinds of unrelated reads, each asked for a round ahead.

use crate::core::encoding::{Decoder, Encoder, Malformed, Stopped, holds};
use crate::core::hamming::loops::{Kernel, LANES, Run, Walk};
use crate::core::hamming::memory::{Block, prefetch};
use crate::core::hamming::pairs::Pairs;
use crate::core::hamming::ring::{Share, chunk, flips, keys, sketch, tail, ways, width};
use crate::core::signal::Bits256;

/// Most values of one part.
pub(super) const PART_MAX: usize = 1 << 24;
/// Most parts.
const PARTS_MAX: usize = 16;

/// Most values of `N` chunks: their entries are counted in four bytes. Two lines are left out, so that no sum with the
/// size of a line goes over.
pub(super) const fn values_max<const N: usize>() -> usize {
    ((1 << 32) - 2 * LANES) / N
}

/// What a query writes down on its way, kept for the next one.
#[derive(Default)]
pub(super) struct Notes {
    runs: Vec<Run>,
    ends: Vec<usize>,
    candidates: Vec<u32>,
    places: Vec<u32>,
    /// By which chunk each of the places was found.
    chunks: Vec<u8>,
    distances: Vec<u32>,
}

/// Buckets of entries of `B` bytes, for each of `N` chunks and each value of it.
pub(super) struct Chunks<const N: usize, const B: usize> {
    /// Values of a part; the last one may have fewer.
    part: usize,
    parts: usize,
    /// Where the entries of each bucket and part begin; one more at the end.
    starts: Block<u32>,
    /// Of all buckets one after another.
    pairs: Pairs<B>,
}

/// Values that are scanned in the time that one bucket takes.
const SCANNED_PER_PROBE: usize = 16;
/// Entries that are looked at to see whether an index is of its values.
const SAMPLES: usize = 4_096;

const fn parts_of(values: usize, part: usize) -> usize {
    let parts = values.div_ceil(part);
    if parts == 0 { 1 } else { parts }
}

impl<const N: usize, const B: usize> Chunks<N, B> {
    const HAS_TAILS: bool = B == 4;

    /// The multi-index over values at their places, in parts of so many.
    ///
    /// # Panics
    /// Where there are more than [`values_max`] values, or they do not fit into parts.
    pub(super) fn over(values: &[Bits256], part: usize) -> Self {
        const { assert!(B == 3 || B == 4, "a place, with a tail or without") };
        let parts = parts_of(values.len(), part);
        assert!(values.len() <= values_max::<N>(), "entries can be counted");
        assert!(part <= PART_MAX && parts <= PARTS_MAX, "places tell all values apart");
        let mut starts = Block::filled(0_u32, N * keys::<N>() * parts + 1);
        let mut pairs = Pairs::blank(N * values.len());
        let mut next = vec![0_u32; keys::<N>() * parts];
        let mut filling = pairs.filling();
        for i in 0..N {
            next.fill(0);
            for (nth, values) in values.chunks(part).enumerate() {
                for value in values {
                    next[usize::from(chunk::<N>(value, i)) * parts + nth] += 1;
                }
            }
            let mut start = (i * values.len()) as u32;
            let own = &mut starts[i * next.len()..][..next.len()];
            for (begins, next) in own.iter_mut().zip(&mut next) {
                *begins = start;
                start += std::mem::replace(next, start);
            }
            for (nth, values) in values.chunks(part).enumerate() {
                for (place, value) in (0_u32..).zip(values) {
                    let at = &mut next[usize::from(chunk::<N>(value, i)) * parts + nth];
                    let [a, b, c, _] = place.to_le_bytes();
                    let tail = if Self::HAS_TAILS { tail::<N>(value, i) } else { 0 };
                    let whole = [a, b, c, tail];
                    let entry = whole.first_chunk().copied().unwrap_or([0; B]);
                    filling.set(*at, sketch::<N>(value, i), entry);
                    *at += 1;
                }
            }
        }
        starts[N * keys::<N>() * parts] = (N * values.len()) as u32;
        Self { part, parts, starts, pairs }
    }

    /// Place of a value in its part.
    fn within_part(entry: [u8; B]) -> u32 {
        u32::from_le_bytes([entry[0], entry[1], entry[2], 0])
    }

    /// Place of the value of the entry at `at`, which is in this bucket.
    fn place(&self, bucket: usize, at: u32) -> u32 {
        let later = &self.starts[bucket + 1..bucket + self.parts];
        let part = later.iter().take_while(|start| **start <= at).count();
        (part * self.part) as u32 + Self::within_part(self.pairs.entry(at))
    }

    /// Number of the bucket for a value of chunk `i`.
    fn bucket(&self, i: usize, key: u16) -> usize {
        (i * keys::<N>() + usize::from(key)) * self.parts
    }

    /// Where the entries of a bucket begin and end.
    fn bounds(&self, bucket: usize) -> (u32, u32) {
        (self.starts[bucket], self.starts[bucket + self.parts])
    }

    /// Number of buckets that a query of this radius looks into; none where the radius is too wide.
    pub(super) fn probes(radius: u32) -> Option<usize> {
        let one = Share::<N>::of(radius).one;
        let most = if width::<N>() == 16 { 3 } else { 1 };
        (one <= most).then(|| N * ways::<N>(one))
    }

    /// As [`Self::query`], where that is faster than a scan of all values; says whether it was.
    pub(super) fn ask(
        &self,
        kernel: Kernel,
        values: &[Bits256],
        query: &Bits256,
        radius: u32,
        notes: &mut Notes,
        found: impl FnMut(u32, u32),
    ) -> bool {
        let worth = |probes| probes * SCANNED_PER_PROBE < values.len();
        let asked = Self::probes(radius).is_some_and(worth);
        if asked {
            self.query(kernel, values, query, radius, notes, found);
        }
        asked
    }

    /// Calls `found` once with the place and the distance of every value within a radius for which there are
    /// [`Self::probes`], in no particular order.
    pub(super) fn query(
        &self,
        kernel: Kernel,
        values: &[Bits256],
        query: &Bits256,
        radius: u32,
        notes: &mut Notes,
        mut found: impl FnMut(u32, u32),
    ) {
        let share = Share::<N>::of(radius);
        self.plan(query, share, &mut notes.runs);
        let Notes { runs, ends, candidates, places, chunks, distances } = notes;
        candidates.clear();
        places.clear();
        chunks.clear();
        let mut walk = Walk::through(self.pairs.lines(), runs, ends);
        let (mut read, mut compared) = (0, 0);
        loop {
            let (asked, filtered) = (candidates.len(), walk.ends().len());
            kernel.filter(&mut walk, candidates);
            for at in &candidates[asked..] {
                self.pairs.ask_for(*at);
            }
            // Those whose entries were asked for in the round before.
            let known = places.len();
            for nth in read..filtered {
                let begin = if nth == 0 { 0 } else { walk.ends()[nth - 1] };
                let (run, found) = (&runs[nth], &candidates[begin..walk.ends()[nth]]);
                if found.is_empty() {
                    continue;
                }
                let i = run.bucket as usize / (keys::<N>() * self.parts);
                let tail = tail::<N>(query, i);
                for at in found {
                    if self.is_near(run, *at, tail, share) {
                        let place = self.place(run.bucket as usize, *at);
                        prefetch(values, place as usize);
                        places.push(place);
                        chunks.push(i as u8);
                    }
                }
            }
            read = filtered;
            // Those whose values were.
            distances.clear();
            kernel.distances(values, &places[compared..known], query, distances);
            for (n, distance) in (compared..known).zip(&*distances) {
                if *distance > radius {
                    continue;
                }
                // The first chunk that admits an entry reports it; the later ones are silent.
                let value = &values[places[n] as usize];
                let difference = Bits256(std::array::from_fn(|w| value.0[w] ^ query.0[w]));
                let admits = |i| share.admits(&difference, i, Self::HAS_TAILS);
                if !(0..usize::from(chunks[n])).any(admits) {
                    found(places[n], *distance);
                }
            }
            compared = known;
            if walk.is_over() && read == runs.len() && compared == places.len() {
                return;
            }
        }
    }

    /// Whether an entry whose sketch is near enough still is with its tail.
    #[inline(always)]
    fn is_near(&self, run: &Run, at: u32, tail: u8, share: Share<N>) -> bool {
        if !Self::HAS_TAILS {
            return true;
        }
        let beyond = self.pairs.entry(at)[B - 1] ^ tail;
        // So many bits the chunk and its sketch may differ by more than they do.
        let left = u32::from(run.most) - (self.pairs.sketch(at) ^ run.query).count_ones();
        beyond.count_ones() <= left + share.whole - share.span
    }

    /// Notes the buckets that are near enough, chunk by chunk.
    fn plan(&self, query: &Bits256, share: Share<N>, runs: &mut Vec<Run>) {
        runs.clear();
        for i in 0..N {
            let key = chunk::<N>(query, i);
            for (flip, _) in flips::<N>(share.one) {
                prefetch(&self.starts, self.bucket(i, key ^ flip));
            }
        }
        for i in 0..N {
            let (key, sketch) = (chunk::<N>(query, i), sketch::<N>(query, i));
            for (flip, bits) in flips::<N>(share.one) {
                let bucket = self.bucket(i, key ^ flip);
                let (mut start, last) = self.bounds(bucket);
                let (most, bucket) = ((share.span - bits) as u16, bucket as u32);
                while start < last {
                    let end = last.min(Pairs::<B>::group_end(start));
                    let line = Pairs::<B>::line_of(start);
                    runs.push(Run { start, end, line, query: sketch, most, bucket });
                    start = end;
                }
            }
        }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.starts) + self.pairs.bytes()
    }

    /// Writes it, as it is.
    pub(super) fn write(&self, to: &mut Encoder<'_>) -> Result<(), Stopped> {
        to.word(self.part as u32)?;
        to.words(&self.starts)?;
        self.pairs.write(to)
    }

    /// Reads what [`Self::write`] wrote of the multi-index over `values`: nothing in it reaches beyond them.
    pub(super) fn read(from: &mut Decoder<'_>, values: &[Bits256]) -> Result<Self, Malformed> {
        let (len, all) = (values.len(), N * values.len());
        let part = from.word::<u32>()? as usize;
        holds((1..=PART_MAX).contains(&part), "a part of another size")?;
        let parts = parts_of(len, part);
        holds(
            parts <= PARTS_MAX && len <= values_max::<N>(),
            "more values than entries tell apart",
        )?;
        let mut starts = Block::filled(0_u32, N * keys::<N>() * parts + 1);
        let mut last = 0;
        from.fill(&mut starts, |some| {
            let rise = some.iter().all(|start| std::mem::replace(&mut last, *start) <= *start);
            holds(rise, "a bucket that begins before the one in front of it")
        })?;
        let ends = |i: usize| starts[i * keys::<N>() * parts] as usize == i * len;
        holds((0..=N).all(ends), "a chunk that does not hold every value")?;
        let pairs = Pairs::read(from, all)?;
        let read = Self { part, parts, starts, pairs };
        holds(read.stays_within(len), "a place beyond the values")?;
        holds(read.is_of(values), "an index of other values")?;
        Ok(read)
    }

    /// Whether every place is one of the values.
    fn stays_within(&self, len: usize) -> bool {
        self.starts.windows(2).enumerate().all(|(nth, bounds)| {
            let room = (len - nth % self.parts * self.part).min(self.part);
            let is_within = |entry: &[u8; B]| (Self::within_part(*entry) as usize) < room;
            self.pairs.entries(bounds[0]..bounds[1]).all(|some| some.iter().all(is_within))
        })
    }

    /// Whether some of what it says of the values is so: an index made by other rules is none.
    fn is_of(&self, values: &[Bits256]) -> bool {
        let all = N * values.len();
        (0..all).step_by(all.div_ceil(SAMPLES).max(1)).all(|at| {
            let (i, at) = (at / values.len(), at as u32);
            let begins = |start: &u32| *start <= at;
            let nth = self.starts.partition_point(begins) - 1;
            let bucket = nth - nth % self.parts;
            let value = &values[self.place(bucket, at) as usize];
            bucket == self.bucket(i, chunk::<N>(value, i))
                && self.pairs.sketch(at) == sketch::<N>(value, i)
                && (!Self::HAS_TAILS || self.pairs.entry(at)[B - 1] == tail::<N>(value, i))
        })
    }
}

//! The multi-index over a fixed list of values: places of values by each chunk, so that few values are compared.
//!
//! Per value and chunk it holds a sketch of 16 bits and a place of 24, in two lists sorted by chunk and its value, and
//! a table of where each bucket begins. A query runs through the sketches of the buckets near to it, reads the places
//! of the few that pass, then their values: three waves of unrelated reads, each prefetched as a whole.

use crate::core::encoding::{Decoder, Encoder, Malformed, Stopped, Word, holds};
use crate::core::hamming::loops::{Kernel, LANES, Line, Run};
use crate::core::hamming::memory::{Block, prefetch};
use crate::core::hamming::ring::{Share, chunk, flips, keys, sketch, ways, width};
use crate::core::signal::Bits256;

/// Most values that places of 24 bits can tell apart.
pub(super) const VALUES_MAX: usize = 1 << 24;

/// What a query writes down on its way, kept for the next one.
#[derive(Default)]
pub(super) struct Notes {
    runs: Vec<Run>,
    candidates: Vec<u32>,
    places: Vec<u32>,
    distances: Vec<u32>,
}

/// Buckets of places, for each of `N` chunks and each value of it.
pub(super) struct Chunks<const N: usize> {
    /// Where each bucket begins; one more at the end.
    starts: Block<u32>,
    /// Of all buckets one after another.
    sketches: Block<Line>,
    /// The lowest byte first, at the same places.
    places: Block<[u8; PLACE_BYTES]>,
}

const PLACE_BYTES: usize = 3;
/// Places that are looked at to see whether an index is of its values.
const SAMPLES: usize = 4_096;

const fn place_of([a, b, c]: [u8; PLACE_BYTES]) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

impl<const N: usize> Chunks<N> {
    /// The multi-index over values at their places.
    ///
    /// # Panics
    /// Where there are more than [`VALUES_MAX`] values.
    pub(super) fn over(values: &[Bits256]) -> Self {
        assert!(values.len() <= VALUES_MAX, "places have 24 bits");
        let mut starts = Block::filled(0_u32, N * keys::<N>() + 1);
        let lines = (N * values.len()).div_ceil(LANES);
        let mut sketches = Block::filled(Line([0; LANES]), lines);
        let mut places = Block::filled([0_u8; PLACE_BYTES], N * values.len());
        let mut next = vec![0_u32; keys::<N>()];
        for i in 0..N {
            next.fill(0);
            for value in values {
                next[usize::from(chunk::<N>(value, i))] += 1;
            }
            let mut start = (i * values.len()) as u32;
            for (key, next) in next.iter_mut().enumerate() {
                starts[i * keys::<N>() + key] = start;
                start += std::mem::replace(next, start);
            }
            for (place, value) in (0_u32..).zip(values) {
                let at = &mut next[usize::from(chunk::<N>(value, i))];
                let into = *at as usize;
                *at += 1;
                sketches[into / LANES].0[into % LANES] = sketch::<N>(value, i);
                let [a, b, c, _] = place.to_le_bytes();
                places[into] = [a, b, c];
            }
        }
        starts[N * keys::<N>()] = (N * values.len()) as u32;
        Self { starts, sketches, places }
    }

    fn place(&self, at: usize) -> u32 {
        place_of(self.places[at])
    }

    fn bucket(&self, i: usize, key: u16) -> (u32, u32) {
        let at = i * keys::<N>() + usize::from(key);
        (self.starts[at], self.starts[at + 1])
    }

    /// Number of buckets that a query of this radius looks into; none where the radius is too wide.
    pub(super) fn probes(radius: u32) -> Option<usize> {
        let one = Share::<N>::of(radius).one;
        let most = if width::<N>() == 16 { 3 } else { 1 };
        (one <= most).then(|| N * ways::<N>(one))
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
        self.gather(kernel, query, share, notes);
        let Notes { candidates, places, distances, .. } = notes;
        for at in candidates.iter() {
            prefetch(&self.places, *at as usize);
        }
        places.clear();
        for at in candidates.iter() {
            let place = self.place(*at as usize);
            prefetch(values, place as usize);
            places.push(place);
        }
        distances.clear();
        kernel.distances(values, places, query, distances);
        for ((at, place), distance) in candidates.iter().zip(places).zip(distances) {
            if *distance > radius {
                continue;
            }
            // The first chunk that admits an entry reports it; the later ones are silent.
            let i = *at as usize / values.len();
            let value = &values[*place as usize];
            let difference = Bits256(std::array::from_fn(|w| value.0[w] ^ query.0[w]));
            if !(0..i).any(|earlier| share.admits(&difference, earlier)) {
                found(*place, *distance);
            }
        }
    }

    /// Notes where the sketches stand that are near enough, chunk by chunk.
    fn gather(&self, kernel: Kernel, query: &Bits256, share: Share<N>, notes: &mut Notes) {
        let Notes { runs, candidates, .. } = notes;
        runs.clear();
        candidates.clear();
        for i in 0..N {
            let key = chunk::<N>(query, i);
            for (flip, _) in flips::<N>(share.one) {
                prefetch(&self.starts, i * keys::<N>() + usize::from(key ^ flip));
            }
        }
        for i in 0..N {
            let (key, sketch) = (chunk::<N>(query, i), sketch::<N>(query, i));
            for (flip, bits) in flips::<N>(share.one) {
                let (start, end) = self.bucket(i, key ^ flip);
                let most = (share.span - bits) as u16;
                runs.push(Run { start, end, query: sketch, most });
            }
        }
        kernel.filter(&self.sketches, runs, candidates);
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.starts) + size_of_val(&*self.sketches) + size_of_val(&*self.places)
    }

    /// Writes it, as it is.
    pub(super) fn write(&self, to: &mut Encoder<'_>) -> Result<(), Stopped> {
        to.words(&self.starts)?;
        to.words(&self.sketches)?;
        to.words(&self.places)
    }

    /// Reads what [`Self::write`] wrote of the multi-index over `values`: nothing in it reaches beyond them.
    pub(super) fn read(from: &mut Decoder<'_>, values: &[Bits256]) -> Result<Self, Malformed> {
        let (len, all) = (values.len(), N * values.len());
        let mut starts = Block::filled(0_u32, N * keys::<N>() + 1);
        let mut last = 0;
        from.fill(&mut starts, |some| {
            let rise = some.iter().all(|start| std::mem::replace(&mut last, *start) <= *start);
            holds(rise, "a bucket that begins before the one in front of it")
        })?;
        let ends = |i: usize| starts[i * keys::<N>()] as usize == i * len;
        holds((0..=N).all(ends), "a chunk that does not hold every value")?;
        let mut sketches = Block::filled(Line([0; LANES]), all.div_ceil(LANES));
        from.fill(&mut sketches, |_| Ok(()))?;
        let mut places = Block::filled([0_u8; PLACE_BYTES], all);
        let mut most = 0;
        from.fill(&mut places, |some| {
            most = some.iter().map(|place| place_of(*place)).fold(most, u32::max);
            Ok(())
        })?;
        holds(all == 0 || (most as usize) < len, "a place beyond the values")?;
        let read = Self { starts, sketches, places };
        holds(read.is_of(values), "an index of other values")?;
        Ok(read)
    }

    /// Whether some of what it says of the values is so: an index made by other rules is none.
    fn is_of(&self, values: &[Bits256]) -> bool {
        let all = N * values.len();
        (0..all).step_by(all.div_ceil(SAMPLES).max(1)).all(|at| {
            let i = at / values.len();
            let value = &values[self.place(at) as usize];
            let (start, end) = self.bucket(i, chunk::<N>(value, i));
            (start as usize..end as usize).contains(&at)
                && self.sketches[at / LANES].0[at % LANES] == sketch::<N>(value, i)
        })
    }
}

impl Word for Line {
    const BYTES: usize = 2 * LANES;

    #[inline]
    fn write(self, to: &mut Vec<u8>) {
        self.0.iter().for_each(|sketch| to.extend_from_slice(&sketch.to_le_bytes()));
    }

    #[inline]
    fn read(bytes: &[u8]) -> Self {
        Self(std::array::from_fn(|at| u16::from_le_bytes([bytes[2 * at], bytes[2 * at + 1]])))
    }
}

//! The multi-index over a fixed list of values: places of values by each chunk, so that few values are compared.
//!
//! Per value and chunk it holds a sketch of 16 bits and a place of 24, in two lists sorted by chunk and its value, and
//! a table of where each bucket begins. A query runs through the sketches of the buckets near to it, reads the places
//! of the few that pass, then their values: three waves of unrelated reads, each prefetched as a whole.

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
    /// Three bytes each, the lowest first, at the same places.
    places: Block<u8>,
}

const PLACE_BYTES: usize = 3;

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
        let mut places = Block::filled(0_u8, N * values.len() * PLACE_BYTES);
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
                places[into * PLACE_BYTES..][..PLACE_BYTES].copy_from_slice(&[a, b, c]);
            }
        }
        starts[N * keys::<N>()] = (N * values.len()) as u32;
        Self { starts, sketches, places }
    }

    fn place(&self, at: usize) -> u32 {
        let bytes = &self.places[at * PLACE_BYTES..][..PLACE_BYTES];
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])
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
            prefetch(&self.places, *at as usize * PLACE_BYTES);
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
}

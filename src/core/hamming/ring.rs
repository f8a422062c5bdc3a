//! Which entries must be looked at: the pigeonhole principle on a ring of chunks.
//!
//! **Why no entry is lost.** A value is cut into `N` equal chunks. Let it differ from the query by dᵢ bits in chunk i,
//! by r in all. Go round the chunks as round a ring. There is a chunk from which on every run of k chunks differs by
//! at most k·r/N: otherwise a run beyond its share would start at every chunk, such runs laid end to end would go round
//! the ring some whole number of times, and their sum would exceed r for each time round. So it is enough to look, for
//! each chunk, into the buckets at most r/N bits from the query's, and there only at entries whose following 16 bits,
//! kept beside the place as a *sketch*, are near enough together with the chunk itself. The more bits are kept, the fewer
//! entries pass: of the chunk behind the sketch some bits may be kept, too, as a *tail*, which differ by no more than the
//! whole chunk does.
//! (Qin and Xiao, "Pigeonring", PVLDB 12(1), 2018.)

use crate::core::signal::Bits256;

/// Bits of a sketch.
const SKETCH_BITS: usize = 16;
/// Bits of a tail.
const TAIL_BITS: usize = 8;

/// Bits of one of `N` chunks.
pub(super) const fn width<const N: usize>() -> usize {
    256 / N
}

/// Number of values of one of `N` chunks, and of buckets for it.
pub(super) const fn keys<const N: usize>() -> usize {
    1 << width::<N>()
}

/// Sixteen bits from bit `at` of the ring on.
#[inline(always)]
const fn sixteen(value: &Bits256, at: usize) -> u16 {
    let (word, shift) = (at / 64 % 4, at % 64);
    let low = value.0[word] >> shift;
    if shift <= 64 - SKETCH_BITS {
        low as u16
    } else {
        (low | value.0[(word + 1) % 4] << (64 - shift)) as u16
    }
}

/// Chunk `i` of a value, counted from bit 0.
#[inline(always)]
pub(super) const fn chunk<const N: usize>(value: &Bits256, i: usize) -> u16 {
    let bits = sixteen(value, i * width::<N>());
    if width::<N>() == 16 { bits } else { bits & ((1 << width::<N>()) - 1) }
}

/// The bits that follow chunk `i` in the ring.
#[inline(always)]
pub(super) const fn sketch<const N: usize>(value: &Bits256, i: usize) -> u16 {
    sixteen(value, (i + 1) * width::<N>())
}

/// The bits that follow the sketch of chunk `i` in the ring.
#[inline(always)]
pub(super) const fn tail<const N: usize>(value: &Bits256, i: usize) -> u8 {
    sixteen(value, (i + 1) * width::<N>() + SKETCH_BITS) as u8
}

/// How far a chunk may differ, how far it may together with its sketch, and how far with its tail besides.
#[derive(Clone, Copy)]
pub(super) struct Share<const N: usize> {
    pub(super) one: u32,
    pub(super) span: u32,
    pub(super) whole: u32,
}

impl<const N: usize> Share<N> {
    /// The shares of a radius.
    pub(super) fn of(radius: u32) -> Self {
        const { assert!(width::<N>() >= TAIL_BITS, "a tail is of one chunk") };
        let chunks = 1 + SKETCH_BITS as u32 / width::<N>() as u32;
        let share = |chunks: u32| chunks * radius / N as u32;
        Self { one: share(1), span: share(chunks), whole: share(chunks + 1) }
    }

    /// Whether an entry is to be found by chunk `i`, given how it differs from the query, where tails are kept and where
    /// not.
    pub(super) const fn admits(self, difference: &Bits256, i: usize, has_tails: bool) -> bool {
        let one = chunk::<N>(difference, i).count_ones();
        let span = one + sketch::<N>(difference, i).count_ones();
        one <= self.one
            && span <= self.span
            && (!has_tails || span + tail::<N>(difference, i).count_ones() <= self.whole)
    }
}

/// Numbers of 16 bits with at most three of them set, those with fewer first: how a chunk may differ.
const FLIPS: [u16; 697] = {
    let mut flips = [0; 697];
    let (mut at, mut ones) = (0, 0);
    while ones <= 3 {
        let mut bits = 0_u32;
        while bits < 1 << 16 {
            if bits.count_ones() == ones {
                flips[at] = bits as u16;
                at += 1;
            }
            bits += 1;
        }
        ones += 1;
    }
    flips
};

/// Every way in which a chunk may differ by at most `most` bits, at most 3, with the number of bits.
pub(super) fn flips<const N: usize>(most: u32) -> impl Iterator<Item = (u16, u32)> {
    let ways = match most {
        0 => 1,
        1 => 17,
        2 => 137,
        _ => FLIPS.len(),
    };
    let fitting = |flip: &u16| usize::from(*flip) < keys::<N>();
    FLIPS[..ways].iter().copied().filter(fitting).map(|flip| (flip, flip.count_ones()))
}

/// In how many ways a chunk may differ by at most `most` bits.
pub(super) fn ways<const N: usize>(most: u32) -> usize {
    flips::<N>(most).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_and_sketches_follow_each_other_round_the_ring() {
        let value = Bits256(std::array::from_fn(|word| {
            (0..8).fold(0, |sum, byte| sum | ((word as u64) * 8 + byte) << (8 * byte))
        }));
        for i in 0..32_usize {
            let byte = |i: usize| (i % 32) as u16;
            assert_eq!(chunk::<32>(&value, i), byte(i));
            assert_eq!(sketch::<32>(&value, i), byte(i + 1) | byte(i + 2) << 8);
            assert_eq!(u16::from(tail::<32>(&value, i)), byte(i + 3));
        }
        for i in 0..16 {
            assert_eq!(sketch::<16>(&value, i), chunk::<16>(&value, (i + 1) % 16));
            assert_eq!(u16::from(tail::<16>(&value, i)), chunk::<16>(&value, (i + 2) % 16) & 0xff);
        }
    }

    #[test]
    fn flips_are_all_that_there_are_of_each_size() {
        assert_eq!([0, 1, 2, 3].map(ways::<16>), [1, 1 + 16, 1 + 16 + 120, 1 + 16 + 120 + 560]);
        assert_eq!([0, 1].map(ways::<32>), [1, 1 + 8]);
        let mut all: Vec<_> = flips::<16>(3).map(|(flip, _)| flip).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 697);
    }
}

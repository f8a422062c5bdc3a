//! Made-up hashes for tests, the same on every machine.

use crate::core::signal::Bits256;
use crate::core::video::track::Frame;

/// A small generator of numbers.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn bits(&mut self) -> Bits256 {
        Bits256(std::array::from_fn(|_| self.next()))
    }

    /// The value with exactly this many bits changed, anywhere.
    pub fn near(&mut self, value: Bits256, distance: u32) -> Bits256 {
        let mut near = value;
        while value.distance(&near) < distance {
            let bit = self.below(256) as usize;
            let (word, mask) = (bit / 64, 1 << (bit % 64));
            near.0[word] = near.0[word] & !mask | !value.0[word] & mask;
        }
        near
    }

    /// Unrelated frames, one in so many milliseconds.
    pub fn scene(&mut self, count: u32, step_millis: u32) -> Vec<Frame> {
        let frame = |i| Frame { bits: self.bits(), quality: 100, at: i * step_millis };
        (0..count).map(frame).collect()
    }
}

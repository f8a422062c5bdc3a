//! The usable frames of a listed track, laid out to be compared with many hashes.

use super::distinct;
use super::rule::Rule;
use crate::core::signal::Bits256;
use crate::core::video::track::Track;

/// Frames whose halves are compared before any is looked at further.
const BLOCK: usize = 32;

/// The usable frames of one track, in order of time. A frame is named by its place.
pub struct Listed {
    at: Vec<u32>,
    bits: Vec<Bits256>,
    /// The lower half of each value, word by word: unrelated values differ in more bits of a half than are allowed of
    /// the whole, and words in a row are compared several at a time.
    halves: [Vec<u64>; 2],
    scenes: Vec<u32>,
    scene_count: u32,
}

/// Bits set in two words, by sums of ever wider fields: in this form the compiler makes several at a time of it.
const fn ones(a: u64, b: u64) -> u64 {
    const PAIRS: u64 = 0x5555_5555_5555_5555;
    const FOURS: u64 = 0x3333_3333_3333_3333;
    const BYTES: u64 = 0x0f0f_0f0f_0f0f_0f0f;
    let (a, b) = (a - (a >> 1 & PAIRS), b - (b >> 1 & PAIRS));
    let sum = (a & FOURS) + (a >> 2 & FOURS) + (b & FOURS) + (b >> 2 & FOURS);
    let sum = (sum & BYTES) + (sum >> 4 & BYTES);
    let sum = sum + (sum >> 8);
    let sum = sum + (sum >> 16);
    (sum + (sum >> 32)) & 0xff
}

impl Listed {
    /// Takes the frames that the rule compares.
    pub fn of(track: &Track, rule: &Rule) -> Self {
        let usable = || track.frames().iter().filter(|frame| frame.quality >= rule.quality_min);
        let bits: Vec<Bits256> = usable().map(|frame| frame.bits).collect();
        let scenes = distinct::scenes(&bits);
        Self {
            at: usable().map(|frame| frame.at).collect(),
            halves: [0, 1].map(|word| bits.iter().map(|bits| bits.0[word]).collect()),
            scene_count: distinct::count(scenes.iter().copied()),
            scenes,
            bits,
        }
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.bits.len()
    }

    /// When each frame is shown, in milliseconds.
    pub fn times(&self) -> &[u32] {
        &self.at
    }

    /// The hash of each frame.
    pub fn values(&self) -> &[Bits256] {
        &self.bits
    }

    /// The scene of each frame.
    pub fn scenes(&self) -> &[u32] {
        &self.scenes
    }

    /// How many scenes the whole track has.
    pub const fn scene_count(&self) -> u32 {
        self.scene_count
    }

    /// Time between the first and the last frame.
    pub fn span_millis(&self) -> u32 {
        self.at.last().zip(self.at.first()).map_or(0, |(last, first)| last - first)
    }

    /// Tells the place and distance of every frame that differs in at most so many bits, in order of time.
    pub fn near(&self, value: &Bits256, distance_max: u32, mut found: impl FnMut(usize, u32)) {
        let [first, second] = [value.0[0], value.0[1]];
        let limit = u64::from(distance_max) + 1;
        let blocks = self.halves[0].chunks(BLOCK).zip(self.halves[1].chunks(BLOCK));
        for (start, (a, b)) in (0..).step_by(BLOCK).zip(blocks) {
            // The highest bit of a difference says that a half is near enough.
            let near = |(a, b): (&u64, &u64)| ones(a ^ first, b ^ second).wrapping_sub(limit);
            let any = a.iter().zip(b).map(near).fold(0, |any, near| any | near);
            if any >> 63 == 0 {
                continue;
            }
            let end = start + a.len();
            for (place, bits) in (start..end).zip(&self.bits[start..end]) {
                let distance = bits.distance(value);
                if distance <= distance_max {
                    found(place, distance);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::video::numbers::Numbers;
    use crate::core::video::track::Frame;

    #[test]
    fn every_frame_within_the_distance_is_found_and_no_other() {
        let mut numbers = Numbers(1);
        let value = numbers.bits();
        let frames = (0..300).map(|at| Frame {
            bits: numbers.near(value, at % 257),
            quality: if at % 7 == 0 { 49 } else { 50 },
            at,
        });
        let frames: Vec<Frame> = frames.collect();
        let listed = Listed::of(&Track::new(frames.clone()).unwrap(), &Rule::default());
        for distance_max in [0, 1, 30, 31, 32, 127, 128, 129, 256, 1000] {
            let mut found = Vec::new();
            listed.near(&value, distance_max, |place, distance| {
                assert_eq!(listed.values()[place].distance(&value), distance);
                found.push(listed.times()[place]);
            });
            let near = |frame: &&Frame| frame.bits.distance(&value) <= distance_max;
            let usable = frames.iter().filter(|frame| frame.quality == 50);
            let expected: Vec<u32> = usable.filter(near).map(|frame| frame.at).collect();
            assert_eq!(found, expected, "{distance_max}");
        }
    }
}

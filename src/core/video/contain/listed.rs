//! The usable frames of a listed track, laid out to be compared with many hashes.

use super::distinct;
use super::rule::Rule;
use crate::core::signal::Bits256;
use crate::core::video::track::Track;

/// Frames that are compared at once.
const BLOCK: usize = 32;

/// A number for each frame of a block: in this form the compiler computes several at a time.
type Lane = [u16; BLOCK];

/// The sixteen words of 16 bits of which a value consists, in pairs.
type Words = [[u16; 2]; 8];

/// Pairs of words that are compared first: unrelated values differ in some 48 of these 96 bits, by which they are told
/// apart already.
const FIRST_PAIRS: usize = 3;

/// A distance above all that there are.
const FAR: u16 = 257;

/// The usable frames of one track, in order of time. A frame is named by its place.
pub struct Listed {
    at: Vec<u32>,
    bits: Vec<Bits256>,
    /// The same values word by word, in blocks; the last is filled up with zeros.
    blocks: Vec<[[Lane; 2]; 8]>,
    scenes: Vec<u32>,
    scene_count: u32,
}

fn words(value: &Bits256) -> Words {
    let word = |place: usize| (value.0[place / 4] >> (16 * (place % 4))) as u16;
    std::array::from_fn(|pair| [word(2 * pair), word(2 * pair + 1)])
}

fn block(values: &[Bits256]) -> [[Lane; 2]; 8] {
    let mut block = [[[0; BLOCK]; 2]; 8];
    for (place, value) in values.iter().enumerate() {
        for (lane, word) in block.as_flattened_mut().iter_mut().zip(words(value).as_flattened()) {
            lane[place] = *word;
        }
    }
    block
}

/// Bits set in each of the four nibbles of a word.
const fn nibbles(word: u16) -> u16 {
    let pairs = word - (word >> 1 & 0x5555);
    (pairs & 0x3333) + (pairs >> 2 & 0x3333)
}

/// Adds in how many bits of two words each frame of a block differs from a value: sums of two bytes side by side.
#[inline]
fn add(sums: &mut Lane, lanes: &[Lane; 2], words: [u16; 2]) {
    for (place, sum) in sums.iter_mut().enumerate() {
        let both = nibbles(lanes[0][place] ^ words[0]) + nibbles(lanes[1][place] ^ words[1]);
        *sum += (both & 0x0f0f) + (both >> 4 & 0x0f0f);
    }
}

/// In how many bits of some pairs of words each frame of a block differs from a value.
#[inline]
fn differing(lanes: &[[Lane; 2]], words: &[[u16; 2]]) -> Lane {
    let mut sums = [0; BLOCK];
    for (pair, words) in words.iter().enumerate() {
        add(&mut sums, &lanes[pair], *words);
    }
    for sum in &mut sums {
        *sum = (*sum & 0xff) + (*sum >> 8);
    }
    sums
}

impl Listed {
    /// Takes the frames that the rule compares.
    pub fn of(track: &Track, rule: &Rule) -> Self {
        let usable = || track.frames().iter().filter(|frame| frame.quality >= rule.quality_min);
        let bits: Vec<Bits256> = usable().map(|frame| frame.bits).collect();
        let scenes = distinct::scenes(&bits);
        Self {
            at: usable().map(|frame| frame.at).collect(),
            blocks: bits.chunks(BLOCK).map(block).collect(),
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

    /// Tells the place of every frame that differs in at most so many bits from any of several values, with the
    /// distance of the nearest of them, in order of time. Answers how near each value comes, if as near as that.
    pub fn near(
        &self,
        values: &[Bits256],
        distance_max: u32,
        mut found: impl FnMut(usize, u32),
    ) -> Vec<Option<u32>> {
        let max = distance_max.min(256) as u16;
        // The highest bit of the difference says that a count is near enough.
        let is_any = |counts: &Lane| {
            counts.iter().fold(0, |any, count| any | count.wrapping_sub(max + 1)) >> 15 != 0
        };
        let mut values: Vec<(Words, u16)> =
            values.iter().map(|value| (words(value), FAR)).collect();
        for (start, block) in (0..).step_by(BLOCK).zip(&self.blocks) {
            let mut nearest = [FAR; BLOCK];
            let filled = BLOCK.min(self.len() - start);
            for (value, nearest_of) in &mut values {
                let mut counts = differing(&block[..FIRST_PAIRS], &value[..FIRST_PAIRS]);
                if !is_any(&counts) {
                    continue;
                }
                let others = differing(&block[FIRST_PAIRS..], &value[FIRST_PAIRS..]);
                for (place, count) in counts.iter_mut().enumerate() {
                    *count += others[place];
                }
                counts[filled..].fill(FAR);
                for (place, near) in nearest.iter_mut().enumerate() {
                    *near = (*near).min(counts[place]);
                }
                *nearest_of = counts.iter().fold(*nearest_of, |near, count| near.min(*count));
            }
            if is_any(&nearest) {
                let near = (start..).zip(nearest).filter(|(_, distance)| *distance <= max);
                near.for_each(|(place, distance)| found(place, u32::from(distance)));
            }
        }
        let answer = |(_, near)| (near <= max).then_some(u32::from(near));
        values.into_iter().map(answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::video::tests::Numbers;
    use crate::core::video::track::Frame;

    #[test]
    fn every_frame_within_the_distance_of_any_value_is_found_and_no_other() {
        let mut numbers = Numbers(1);
        let value = numbers.bits();
        let values = [value, Bits256(value.0.map(|word| !word)), numbers.bits()];
        let frames = (0..300).map(|at| Frame {
            bits: numbers.near(value, at % 257),
            quality: if at % 7 == 0 { 49 } else { 50 },
            at,
        });
        let frames: Vec<Frame> = frames.collect();
        let listed = Listed::of(&Track::new(frames.clone()).unwrap(), &Rule::default());
        for distance_max in [0, 1, 30, 31, 32, 127, 128, 129, 255, 256, 1000, u32::MAX] {
            let mut found = Vec::new();
            let nearest = listed.near(&values, distance_max, |place, distance| {
                found.push((listed.times()[place], distance));
            });
            let usable = || frames.iter().filter(|frame| frame.quality == 50);
            let distances = |frame: &Frame| values.map(|value| value.distance(&frame.bits));
            let least = |frame: &Frame| distances(frame).into_iter().min().unwrap();
            let all = usable().map(|frame| (frame.at, least(frame)));
            let expected: Vec<(u32, u32)> =
                all.filter(|(_, distance)| *distance <= distance_max).collect();
            assert_eq!(found, expected, "{distance_max}");
            for (place, nearest) in nearest.into_iter().enumerate() {
                let least = usable().map(|frame| distances(frame)[place]).min();
                assert_eq!(nearest, least.filter(|least| *least <= distance_max));
            }
        }
    }
}

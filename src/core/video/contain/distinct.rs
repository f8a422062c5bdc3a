//! Which frames show something new, and which are one more of a still scene.

use crate::core::signal::Bits256;
use std::collections::{BTreeSet, VecDeque};

/// Most bits in which two frames of one still scene differ.
const STILL_DISTANCE_MAX: u32 = 7;

/// How many distinct frames back a frame is looked for: the time for a track grows with its length, not its square. What
/// comes back after so many others is counted again.
const LOOKED_BACK: usize = 256;

/// The scene of each frame, in order of time: that of the last distinct frame it is near to, or one of its own.
///
/// Scenes are told apart before it is known what matches: else one more matched frame could make fewer scenes.
pub fn scenes<'a>(frames: impl IntoIterator<Item = &'a Bits256>) -> Vec<u32> {
    let mut recent: VecDeque<(Bits256, u32)> = VecDeque::new();
    let mut count = 0;
    let scene = |frame: &Bits256| {
        let is_same = |(first, _): &&(Bits256, u32)| first.distance(frame) <= STILL_DISTANCE_MAX;
        if let Some((_, scene)) = recent.iter().rev().find(is_same) {
            return *scene;
        }
        if recent.len() == LOOKED_BACK {
            recent.pop_front();
        }
        recent.push_back((*frame, count));
        count += 1;
        count - 1
    };
    frames.into_iter().map(scene).collect()
}

/// How many different scenes there are.
pub fn count(scenes: impl IntoIterator<Item = u32>) -> u32 {
    scenes.into_iter().collect::<BTreeSet<u32>>().len() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::video::tests::Numbers;

    #[test]
    fn a_still_scene_is_one_scene_and_seven_bits_are_still() {
        let mut numbers = Numbers(1);
        let (first, other) = (numbers.bits(), numbers.bits());
        let (seven, eight) = (numbers.near(first, 7), numbers.near(first, 8));
        assert_eq!(scenes(&[first, first, seven, other, first]), [0, 0, 0, 1, 0]);
        assert_eq!(scenes(&[first, eight]), [0, 1]);
        assert_eq!(count([0, 0, 1, 0]), 2);
    }

    #[test]
    fn a_scene_comes_back_until_256_others_were_shown() {
        let mut numbers = Numbers(2);
        for (others, comes_back) in [(255, true), (256, false)] {
            let first = numbers.bits();
            let mut frames = vec![first];
            frames.extend((0..others).map(|_| numbers.bits()));
            frames.push(first);
            assert_eq!(scenes(&frames).last() == Some(&0), comes_back, "{others}");
        }
    }
}

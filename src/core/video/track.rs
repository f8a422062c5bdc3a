//! The frames of a video in order of time, each with its hash.

use crate::core::signal::Bits256;

/// Most frames of one track: ten hours at one a second.
pub const FRAMES_MAX: usize = 36_000;

/// The highest quality.
pub const QUALITY_MAX: u8 = 100;

/// One frame of a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Its PDQ hash.
    pub bits: Bits256,
    /// How much the frame shows, 0 to 100.
    pub quality: u8,
    /// When it is shown, in milliseconds from the beginning.
    pub at: u32,
}

/// Why frames are not a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More frames than are kept.
    #[error("must have at most {max} frames")]
    TooMany {
        /// Most frames.
        max: usize,
    },
    /// A quality above the scale.
    #[error("quality must be 0 to {max}")]
    Quality {
        /// The highest quality.
        max: u8,
    },
}

/// The frames of one video, in order of time. Without frames it is a track that nothing matches.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Track(Box<[Frame]>);

impl std::fmt::Debug for Track {
    /// Prints the number of frames only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Track({} frames)", self.0.len())
    }
}

impl Track {
    /// Puts frames in order of time; those of one time stay in the order given.
    ///
    /// # Errors
    /// [`Malformed`] beyond [`FRAMES_MAX`] or [`QUALITY_MAX`].
    pub fn new(mut frames: Vec<Frame>) -> Result<Self, Malformed> {
        if frames.len() > FRAMES_MAX {
            return Err(Malformed::TooMany { max: FRAMES_MAX });
        }
        if frames.iter().any(|frame| frame.quality > QUALITY_MAX) {
            return Err(Malformed::Quality { max: QUALITY_MAX });
        }
        frames.sort_by_key(|frame| frame.at);
        Ok(Self(frames.into()))
    }

    /// The frames, in order of time.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(at: u32, word: u64) -> Frame {
        Frame { bits: Bits256([word; 4]), quality: 100, at }
    }

    #[test]
    fn frames_are_put_in_order_of_time() {
        let track = Track::new(vec![frame(7, 1), frame(3, 2), frame(7, 3)]).unwrap();
        assert_eq!(track.frames(), [frame(3, 2), frame(7, 1), frame(7, 3)]);
    }

    #[test]
    fn a_track_is_limited_in_length_and_quality() {
        let long = vec![frame(0, 1); FRAMES_MAX + 1];
        assert_eq!(Track::new(long), Err(Malformed::TooMany { max: FRAMES_MAX }));
        assert!(Track::new(vec![frame(0, 1); FRAMES_MAX]).is_ok());
        let bad = Frame { quality: 101, ..frame(0, 1) };
        assert_eq!(Track::new(vec![bad]), Err(Malformed::Quality { max: QUALITY_MAX }));
    }

    #[test]
    fn debug_output_of_a_track_shows_its_length_only() {
        let track = Track::new(vec![frame(0, 0xdead_beef)]).unwrap();
        assert_eq!(format!("{track:?}"), "Track(1 frames)");
    }
}

//! What a verdict says that two videos have in common.

use crate::core::video::contain::Segment;
use serde::{Deserialize, Serialize};

/// How an item's video and a listed one are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Likeness {
    /// The listed video lies in the item.
    Contained,
    /// The item is a part of the listed video.
    Part,
    /// They have a stretch in common.
    Run,
}

/// A stretch in which two videos show the same; times in milliseconds from the beginning of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoSegment {
    /// First frame in the item.
    pub query_start: u32,
    /// Last frame in the item.
    pub query_end: u32,
    /// First frame in the listed video.
    pub entry_start: u32,
    /// Last frame in the listed video.
    pub entry_end: u32,
    /// Frames of the item in it that match.
    pub frames: u32,
    /// Bits by which the nearest of them differs.
    pub distance: u32,
}

impl From<&Segment> for VideoSegment {
    fn from(segment: &Segment) -> Self {
        Self {
            query_start: segment.query_start,
            query_end: segment.query_end,
            entry_start: segment.listed_start,
            entry_end: segment.listed_end,
            frames: segment.frames,
            distance: segment.best_distance,
        }
    }
}

/// What two videos have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoMatch {
    /// How they are alike.
    pub likeness: Likeness,
    /// Share of the listed video's frames that were found in the item, in percent.
    pub compared_percent: u32,
    /// Share of the item's frames that are listed, in percent.
    pub query_percent: u32,
    /// Median of the bits by which the frames differ that match.
    pub distance_median: u32,
    /// Where, the longest first.
    pub segments: Vec<VideoSegment>,
}

//! What is asked of a comparison, what goes in, what comes out.

use crate::core::signal::Bits256;

/// How near, how many, how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Most bits in which matching frames differ, 0 to 256.
    pub distance_max: u32,
    /// Least quality of a frame that is compared, on either side, 0 to 100.
    pub quality_min: u8,
    /// Least share of the listed frames that makes [`Outcome::Contained`], 0 to 100.
    pub compared_percent_min: u8,
    /// Least share of the query's frames that makes [`Outcome::PartOf`], 0 to 100.
    pub query_percent_min: u8,
    /// Fewest distinct frames of which any outcome consists.
    pub frames_min: u32,
    /// Least time between the first and the last matched frame.
    pub span_min_millis: u32,
    /// Least length of a stretch that makes [`Outcome::Run`].
    pub run_min_millis: u32,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            distance_max: 31,
            quality_min: 50,
            compared_percent_min: 80,
            query_percent_min: 80,
            frames_min: 3,
            span_min_millis: 2_000,
            run_min_millis: 8_000,
        }
    }
}

/// One frame of a query, with all its hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting<'a> {
    /// When it is shown, in milliseconds from the beginning.
    pub at: u32,
    /// How much it shows, 0 to 100.
    pub quality: u8,
    /// Its alternative hashes, the one of the frame as it stands first. The place of each means the same in every frame
    /// of a query. A frame without hashes is left out.
    pub hashes: &'a [Bits256],
}

/// What two videos are to each other, the strongest that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Outcome {
    /// Nothing that the rule asks for was found. Whether there was anything to compare says
    /// [`Compared::is_comparable`].
    #[default]
    NotMatched,
    /// A stretch of both runs in step for long enough.
    Run,
    /// The query is a part of the listed video.
    PartOf,
    /// The listed video lies in the query.
    Contained,
}

/// A stretch of a query that runs in step with a stretch of a listed video. All times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Its first frame in the query.
    pub query_start: u32,
    /// Its last frame in the query.
    pub query_end: u32,
    /// Its earliest frame in the listed video.
    pub listed_start: u32,
    /// Its latest frame in the listed video.
    pub listed_end: u32,
    /// Matched frames of the query in it.
    pub frames: u32,
    /// Distinct ones of them, or of the listed frames where those are fewer.
    pub distinct_frames: u32,
    /// The fewest bits in which two of its frames differ.
    pub best_distance: u32,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    /// What the two are to each other.
    pub outcome: Outcome,
    /// Share of the query's usable frames that are matched, 0 to 100, rounded down.
    pub query_percent: u8,
    /// Share of the usable listed frames that are matched, 0 to 100, rounded down.
    pub compared_percent: u8,
    /// The query's frames of enough quality.
    pub usable_query_frames: u32,
    /// The listed frames of enough quality.
    pub usable_listed_frames: u32,
    /// Those of the query that have a match.
    pub matched_query_frames: u32,
    /// Those listed that have a match.
    pub matched_listed_frames: u32,
    /// Distinct ones among the matched frames of the query.
    pub distinct_query_frames: u32,
    /// Distinct ones among the matched listed frames.
    pub distinct_listed_frames: u32,
    /// The fewest bits in which two frames differ, if any match.
    pub best_distance: Option<u32>,
    /// The lower median of how far matched frames of the query are from their nearest listed frame.
    pub median_distance: Option<u32>,
    /// Place of the alternative hash that is nearest in most matched frames; the first of equals.
    pub alternative: Option<usize>,
    /// Stretches in step, the longest first; no frame of the query is in two of them.
    pub segments: Vec<Segment>,
}

impl Compared {
    /// Whether both sides had a frame of enough quality. If not, "not matched" means "not checked".
    #[must_use]
    pub const fn is_comparable(&self) -> bool {
        self.usable_query_frames > 0 && self.usable_listed_frames > 0
    }
}

//! How a bank matches each type of signal: how near, of which quality, and what a match asks for.

use crate::core::signal::SignalType;
use crate::core::verdict::Disposition;
use serde::{Deserialize, Serialize};

/// Greatest Hamming distance a bank may match at.
pub const DISTANCE_BITS_MAX: u32 = 63;
/// Distance at which PDQ is usually called a confident match (PDQ reference, "confident").
pub const PDQ_DISTANCE_BITS: u32 = 31;
/// Distance below which a PDQ match blocks by default.
pub const PDQ_BLOCK_DISTANCE_BITS: u32 = 10;
/// Quality below which a PDQ hash says little (PDQ reference: discard at 49 and below).
pub const PDQ_QUALITY_MIN: u32 = 50;
/// The disposition of matches up to a distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Band {
    /// Greatest distance of the band, in bits.
    pub distance_max: u32,
    /// What a match within it asks for.
    pub disposition: Disposition,
}

/// How a bank matches one type of signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalRule {
    /// The type.
    pub kind: SignalType,
    /// Least quality on either side, 0 to 100; 0 for exact types.
    pub quality_min: u32,
    /// Bands in rising order of distance; the last one's distance is the greatest that matches.
    /// Exact types have one band of distance 0.
    pub bands: Vec<Band>,
    /// For PDQ: whether frames of videos are compared, too. For frames of videos: whether pictures are, with no more than
    /// `HOLD`.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub crosses: bool,
    /// For frames of videos: when a video matches, where that is not the usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoRule>,
}

const fn yes() -> bool {
    true
}

/// By which published or own reading of "alike" two videos match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VideoSemantics {
    /// One lies in the other, or they have a stretch in common: [`crate::core::video`].
    Contains,
    /// As the reference implementation of vPDQ has it in C++ (`matchTwoHash`).
    Reference,
    /// As python-threatexchange has it.
    Python,
}

/// When a video matches a listed one. Distance and quality of frames are those of the [`SignalRule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoRule {
    /// What "alike" means.
    pub semantics: VideoSemantics,
    /// Least share of the listed video's frames that are found, in percent.
    pub compared_percent_min: u32,
    /// Least share of the item's frames that are listed, in percent.
    pub query_percent_min: u32,
    /// Least number of different frames that are found.
    pub frames_min: u32,
    /// Least time over which they are spread, in milliseconds.
    pub span_min: u32,
    /// Length of a stretch in common that is enough by itself, in milliseconds; 0 where none is.
    pub run_min: u32,
    /// What a match asks for.
    pub disposition: Disposition,
    /// What a match by a stretch in common alone asks for.
    pub run_disposition: Disposition,
}

impl VideoRule {
    /// What is asked for where nobody says otherwise: as the readings of vPDQ are published, and for our own what
    /// finds a clip in whatever was put around it.
    #[must_use]
    pub const fn usual(semantics: VideoSemantics) -> Self {
        let (compared, query) = match semantics {
            VideoSemantics::Contains => (80, 80),
            VideoSemantics::Reference => (80, 0),
            VideoSemantics::Python => (0, 80),
        };
        Self {
            semantics,
            compared_percent_min: compared,
            query_percent_min: query,
            frames_min: 3,
            span_min: 2_000,
            run_min: 8_000,
            disposition: Disposition::Block,
            run_disposition: Disposition::Hold,
        }
    }
}

impl SignalRule {
    /// The rule a bank has for a type when its owner says nothing else.
    #[must_use]
    pub fn usual(kind: SignalType) -> Self {
        let equal = |disposition| vec![Band { distance_max: 0, disposition }];
        if kind.is_advice() {
            Self::new(kind, 0, equal(Disposition::Allow))
        } else if kind.is_perceptual() {
            let bands = vec![
                Band { distance_max: PDQ_BLOCK_DISTANCE_BITS, disposition: Disposition::Block },
                Band { distance_max: PDQ_DISTANCE_BITS, disposition: Disposition::Hold },
            ];
            Self::new(kind, PDQ_QUALITY_MIN, bands)
        } else {
            Self::new(kind, 0, equal(Disposition::Block))
        }
    }

    /// A rule that says nothing of videos.
    #[must_use]
    pub const fn new(kind: SignalType, quality_min: u32, bands: Vec<Band>) -> Self {
        Self { kind, quality_min, bands, crosses: true, video: None }
    }

    /// When a video matches.
    #[must_use]
    pub fn video(&self) -> VideoRule {
        self.video.unwrap_or(VideoRule::usual(VideoSemantics::Contains))
    }

    /// Greatest distance that matches.
    #[must_use]
    pub fn distance_max(&self) -> u32 {
        self.bands.last().map_or(0, |band| band.distance_max)
    }

    /// The disposition of a match at `distance`, if it matches at all.
    #[must_use]
    pub fn disposition_at(&self, distance: u32) -> Option<Disposition> {
        self.bands.iter().find(|band| distance <= band.distance_max).map(|band| band.disposition)
    }
}

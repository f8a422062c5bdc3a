//! The words of an answer: disposition, assurance, coverage, findings, and what they were decided from.

use crate::core::id::{BankId, EntryId, SurfaceId, VerdictId};
use crate::core::opinion::Merged;
use crate::core::signal::SignalType;
use crate::core::time::Time;
use crate::core::video::alike::VideoMatch;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What should happen to the item; later values are stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Disposition {
    /// Every required check was carried out and found nothing.
    Allow,
    /// May go on, with a pause, a warning or a limit.
    AllowWithFriction,
    /// Must wait until somebody or something has decided.
    Hold,
    /// Must not be published.
    Block,
    /// What runs must be cut.
    Interrupt,
}

/// How sure the answer is that the item is what a list says; later values are surer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Assurance {
    /// Nothing was found.
    None,
    /// Worth a look by a person.
    Investigate,
    /// One perceptual match, or a digest of a list that nobody vetted.
    Likely,
    /// Equal to an entry of a vetted list.
    VerifiedKnown,
}

/// A kind of examination that a surface can require.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Check {
    /// Digests of the bytes, and opaque signals, against the banks.
    ExactMatch,
    /// Perceptual hashes of pictures against the banks.
    ImageMatch,
    /// Perceptual hashes of video against the banks.
    VideoMatch,
    /// A score that the caller's own classifier gave.
    ExternalScore,
    /// Accounts, addresses, terms and tactics against the banks.
    AdviceMatch,
}

impl Check {
    /// Every check, in the order of the contract.
    pub const ALL: [Self; 5] = [
        Self::ExactMatch,
        Self::ImageMatch,
        Self::VideoMatch,
        Self::ExternalScore,
        Self::AdviceMatch,
    ];

    /// The check that a signal of this type takes part in.
    #[must_use]
    pub const fn of(kind: &SignalType) -> Self {
        match kind {
            SignalType::Pdq => Self::ImageMatch,
            SignalType::VpdqFrame => Self::VideoMatch,
            SignalType::Md5
            | SignalType::Sha1
            | SignalType::Sha256
            | SignalType::PhotoDna
            | SignalType::Custom(_) => Self::ExactMatch,
            SignalType::Advice(_) => Self::AdviceMatch,
        }
    }
}

/// Whether a check was carried out and, if not, what kept it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CheckState {
    /// Carried out.
    Checked,
    /// Nothing in the item that this check could examine.
    NotApplicable,
    /// No decoder here reads the format.
    UnsupportedFormat,
    /// Beyond a limit of size, pixels, frames or entries.
    TooLarge,
    /// Too few pixels to hash.
    TooSmall,
    /// A decoder failed on it.
    Corrupt,
    /// Too little structure for a meaningful hash.
    QualityTooLow,
    /// No list, or no worker, to check against or with.
    SourceUnavailable,
    /// A list is older than its bank allows.
    IndexStale,
    /// Time ran out.
    Deadline,
    /// Put off because the service was over its limits.
    Shed,
    /// A container that was not opened, or not to the end.
    NotExpanded,
    /// Encrypted.
    Encrypted,
    /// Switched off by a setting.
    Disabled,
    /// The surface asks for a legal basis and the call named none.
    NoLegalBasis,
}

impl CheckState {
    /// Whether this state lets a required check count as done.
    #[must_use]
    pub const fn is_complete(self) -> bool {
        matches!(self, Self::Checked | Self::NotApplicable)
    }
}

/// What became of one check on one part of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// Which check.
    pub check: Check,
    /// What became of it.
    pub state: CheckState,
    /// Why, in a few fixed words; empty where the state says all.
    pub reason: String,
    /// Place within the item (`3` = its fourth entry, `3/0` = the first entry of that); empty for the whole.
    pub part: String,
}

/// How a picture was changed before it was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Form {
    /// Stored pixels at full resolution, transparency ignored: what is banked and exchanged.
    Canonical,
    /// Turned as its metadata asks.
    Oriented,
    /// Uniform borders cut off.
    Trimmed,
    /// Transparent parts shown on white.
    OnWhite,
    /// Transparent parts shown on black.
    OnBlack,
}

/// One of the eight symmetries of a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Dihedral {
    /// Unchanged.
    Original,
    /// A quarter turn counter-clockwise.
    Rotated90,
    /// A half turn.
    Rotated180,
    /// Three quarter turns counter-clockwise.
    Rotated270,
    /// Top and bottom exchanged.
    Flipped,
    /// Left and right exchanged.
    Mirrored,
    /// Reflected in the main diagonal.
    Transposed,
    /// Reflected in the other diagonal.
    AntiTransposed,
}

impl Dihedral {
    /// All eight, in the order in which a hash's forms are listed.
    pub const ALL: [Self; 8] = [
        Self::Original,
        Self::Rotated90,
        Self::Rotated180,
        Self::Rotated270,
        Self::Flipped,
        Self::Mirrored,
        Self::Transposed,
        Self::AntiTransposed,
    ];
}

/// Where an entry comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// The exchange it came through; empty for entries made here.
    pub exchange: String,
    /// Who reported it.
    pub source_organisation: String,
    /// The source's own record name.
    pub source_record: String,
    /// Content class in the source's words.
    pub classification: String,
    /// Further labels of the source.
    pub tags: Vec<String>,
    /// When it was first known here.
    pub first_seen: Time,
    /// Whether a person here has confirmed it.
    pub confirmed_by_us: bool,
    /// What the opinions of all parties on it come to, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opinion: Option<Merged>,
}

/// A guard that made an answer `HOLD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Brake {
    /// The entry matched far more items than it used to.
    Flood,
    /// The bank would block a far greater share of items than it used to.
    Breaker,
    /// The sender's items were too many.
    Budget,
    /// The sender's items look as if somebody wanted to find out what is listed.
    Probing,
}

/// How soon a person should look; later values are more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReviewPriority {
    /// Nobody has verified the entry, or somebody disputes it.
    Low,
    /// Somebody vouches for the entry, and nobody disputes it.
    Normal,
    /// A person here has confirmed the entry.
    High,
}

/// A listed entry that an item's signal is equal or near to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// Bank of the entry.
    pub bank: BankId,
    /// The entry.
    pub entry: EntryId,
    /// Type of the signals compared.
    pub kind: SignalType,
    /// Bits that differ; 0 for exact types.
    pub distance: u32,
    /// Greatest distance at which the bank matches.
    pub distance_max: u32,
    /// How the query's picture was changed before hashing.
    pub form: Form,
    /// How the query's hash was turned.
    pub dihedral: Dihedral,
    /// Place within the item, as in [`Covered::part`].
    pub part: String,
    /// Disposition that the bank's band gives, before suppression and shadow mode.
    pub disposition: Disposition,
    /// Assurance of this match alone.
    pub assurance: Assurance,
    /// The negative entry that overrules this match, if one does.
    pub suppressed_by: Option<(BankId, EntryId)>,
    /// Where the entry comes from.
    pub provenance: Provenance,
    /// The guard for which it asks for no more than `HOLD`, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brake: Option<Brake>,
    /// How soon a person should look; of advice only, which asks for nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<ReviewPriority>,
    /// Where in the item's video the picture is, in milliseconds; absent for what is not a picture in a video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u32>,
    /// What the videos have in common, where both are videos.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<Box<VideoMatch>>,
}

impl Match {
    /// Lets it ask for `HOLD` at most, and be no more than a reason to look.
    pub fn hold(&mut self, brake: Brake) {
        self.disposition = self.disposition.min(Disposition::Hold);
        self.assurance = match self.kind.is_perceptual() {
            true => Assurance::Investigate,
            false => self.assurance.min(Assurance::Likely),
        };
        self.brake = Some(brake);
        self.review = self.review.map(|_| ReviewPriority::Low);
    }
}

/// A classifier's score that reached a threshold of the surface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// What the score is for.
    pub category: String,
    /// From 0 to 1.
    pub value: f64,
    /// The threshold it reached.
    pub threshold: f64,
    /// Who gave it.
    pub detector: String,
    /// Which version of it.
    pub detector_version: String,
    /// Disposition that the threshold gives.
    pub disposition: Disposition,
}

/// Something found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Finding {
    /// A listed entry.
    Match(Match),
    /// A score over a threshold.
    Score(Score),
}

impl Finding {
    /// The disposition this finding alone asks for. Advice asks for none, whatever else is said of it: this is the one place
    /// from which findings reach a verdict.
    #[must_use]
    pub const fn disposition(&self) -> Disposition {
        match self {
            Self::Match(found) if found.kind.is_advice() => Disposition::Allow,
            Self::Match(found) => found.disposition,
            Self::Score(found) => found.disposition,
        }
    }

    /// The assurance this finding alone gives. Neither advice nor a classifier ever gives more than a reason to look.
    #[must_use]
    pub const fn assurance(&self) -> Assurance {
        match self {
            Self::Match(found) if found.kind.is_advice() => Assurance::Investigate,
            Self::Match(found) => found.assurance,
            Self::Score(_) => Assurance::Investigate,
        }
    }

    /// How soon a person should look because of it, where it is advice.
    #[must_use]
    pub const fn review(&self) -> Option<ReviewPriority> {
        match self {
            Self::Match(found) => found.review,
            Self::Score(_) => None,
        }
    }
}

/// What the platform is advised to do besides the disposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RecommendedAction {
    /// Take the item out of everybody's reach, without destroying it.
    Quarantine,
    /// Keep the item and its context as evidence.
    Preserve,
    /// Let a person look.
    EnqueueReview,
    /// A report to the authority is due.
    ReportDue,
    /// Tell the user why.
    WarnUser,
    /// Show where help is found.
    ShowHelp,
    /// Limit whom the actor can contact.
    LimitContact,
}

/// What decides where a required check was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnIncomplete {
    /// Hold the item.
    Hold,
    /// Let it go on and ask again later.
    AllowAndRecheck,
    /// Block it.
    Block,
}

/// State of one bank at the time of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankVersion {
    /// Which bank.
    pub bank: BankId,
    /// Journal number of its last change.
    pub version: u64,
    /// Time since its last change.
    pub age: Duration,
}

/// From which state an answer was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Journal number up to which the index was in step.
    pub index: u64,
    /// For how long it may have missed what other processes changed.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub index_age: Duration,
    /// Every bank that was consulted.
    pub banks: Vec<BankVersion>,
    /// The surface whose policy decided.
    pub surface: SurfaceId,
    /// Version of that policy.
    pub policy: u64,
    /// Name and version of the matching rules.
    pub engine: String,
}

/// The machine's answer to a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Its name.
    pub id: VerdictId,
    /// What should happen.
    pub disposition: Disposition,
    /// How sure that is.
    pub assurance: Assurance,
    /// What was found and counted.
    pub findings: Vec<Finding>,
    /// What was found and, by shadow mode, ratio, trial or suppression, not counted.
    pub shadow_findings: Vec<Finding>,
    /// What was checked and what was not.
    pub coverage: Vec<Covered>,
    /// The rule that decided because a required check was not carried out, if one did.
    pub incomplete: Option<OnIncomplete>,
    /// Guards that made the whole answer `HOLD`, whatever was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brakes: Vec<Brake>,
    /// How soon a person should look because of what advice matched, if any did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<ReviewPriority>,
    /// Advice beside the disposition.
    pub actions: Vec<RecommendedAction>,
    /// What it was decided from.
    pub versions: Versions,
    /// When it was decided.
    pub decided: Time,
}

impl Verdict {
    /// Makes the whole answer `HOLD`, whatever was found. What runs is cut all the same.
    pub fn hold(&mut self, brake: Brake) {
        if self.disposition != Disposition::Interrupt {
            self.disposition = Disposition::Hold;
        }
        if !self.brakes.contains(&brake) {
            self.brakes.push(brake);
        }
    }
}

//! Banks, their entries, and the thresholds at which an entry matches.

use crate::core::id::{BankId, EntryId};
use crate::core::signal::{Signal, SignalType};
use crate::core::time::Time;
use crate::core::verdict::{Disposition, Provenance};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Greatest Hamming distance a bank may match at.
pub const DISTANCE_BITS_MAX: u32 = 63;
/// Distance at which PDQ is usually called a confident match (PDQ reference, "confident").
pub const PDQ_DISTANCE_BITS: u32 = 31;
/// Distance below which a PDQ match blocks by default.
pub const PDQ_BLOCK_DISTANCE_BITS: u32 = 10;
/// Quality below which a PDQ hash says little (PDQ reference: discard at 49 and below).
pub const PDQ_QUALITY_MIN: u32 = 50;
/// The enabled ratio of a bank that is on for every item, in millionths.
pub const RATIO_ALL: u32 = 1_000_000;

/// What a match with a bank means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BankRole {
    /// A match is a finding.
    Positive,
    /// A match overrules findings of positive banks.
    Negative,
}

/// Whether a bank's findings count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BankMode {
    /// Findings are shown apart and change nothing.
    Shadow,
    /// Findings count.
    Enforce,
}

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
}

impl SignalRule {
    /// The rule a bank has for a type when its owner says nothing else.
    #[must_use]
    pub fn usual(kind: SignalType) -> Self {
        if kind.is_perceptual() {
            Self {
                kind,
                quality_min: PDQ_QUALITY_MIN,
                bands: vec![
                    Band { distance_max: PDQ_BLOCK_DISTANCE_BITS, disposition: Disposition::Block },
                    Band { distance_max: PDQ_DISTANCE_BITS, disposition: Disposition::Hold },
                ],
            }
        } else {
            Self {
                kind,
                quality_min: 0,
                bands: vec![Band { distance_max: 0, disposition: Disposition::Block }],
            }
        }
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

/// A set of entries with one meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bank {
    /// Its name.
    pub id: BankId,
    /// A name for people.
    pub display_name: String,
    /// What a match means.
    pub role: BankRole,
    /// Whether matches count.
    pub mode: BankMode,
    /// Whether the bank is consulted at all.
    pub enabled: bool,
    /// Share of items for which matches count, in millionths; drawn once an item and bank.
    pub ratio_millionths: u32,
    /// One rule for each signal type the bank holds.
    pub rules: Vec<SignalRule>,
    /// Whether every entry was confirmed by an accredited body or by people here.
    pub vetted: bool,
    /// Legal basis on which it is used.
    pub legal_basis: String,
    /// Age of the last change beyond which answers say `INDEX_STALE`.
    pub freshness_max: Option<Duration>,
    /// Counts the changes of these settings; the contract's `etag`.
    pub version: u64,
    /// When it was made.
    pub created: Time,
    /// When its settings or entries last changed.
    pub changed: Time,
    /// When its entries last changed, or it was made: its freshness. Settings do not renew it.
    pub learned: Time,
}

impl Bank {
    /// The rule for a type, if the bank holds that type.
    #[must_use]
    pub fn rule(&self, kind: &SignalType) -> Option<&SignalRule> {
        self.rules.iter().find(|rule| rule.kind == *kind)
    }
}

/// Where an entry stands between being proposed and being withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EntryState {
    /// Named by somebody; not matched.
    Proposed,
    /// Set aside by a guard; not matched.
    Quarantined,
    /// Matched in the shadow.
    Trial,
    /// Matched.
    Active,
    /// Matched, but never with more than `HOLD`.
    Disputed,
    /// No longer matched.
    Retired,
    /// Removed here: its values are gone, and they are not taken in again unasked.
    Removed,
}

/// How far the matches of an entry count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Not matched.
    Absent,
    /// Shown apart.
    Shadow,
    /// Counted, at most as `HOLD`.
    HoldAtMost,
    /// Counted.
    Full,
}

impl EntryState {
    /// How far matches count.
    #[must_use]
    pub const fn effect(self) -> Effect {
        match self {
            Self::Proposed | Self::Quarantined | Self::Retired | Self::Removed => Effect::Absent,
            Self::Trial => Effect::Shadow,
            Self::Disputed => Effect::HoldAtMost,
            Self::Active => Effect::Full,
        }
    }
}

/// One signal of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankedSignal {
    /// Type and value.
    pub signal: Signal,
    /// Quality of a perceptual hash, 0 to 100, where known.
    pub quality: Option<u32>,
}

/// One item of a bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// Its signals; none once removed.
    pub signals: Vec<BankedSignal>,
    /// Where it stands.
    pub state: EntryState,
    /// Where it comes from.
    pub provenance: Provenance,
    /// A note of the curators.
    pub note: String,
    /// Counts the changes of this record; the contract's `etag`.
    pub version: u64,
    /// When it was made.
    pub created: Time,
}

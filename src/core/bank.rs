//! Banks, their entries, and the thresholds at which an entry matches.

mod rule;

pub use rule::{
    Band, DISTANCE_BITS_MAX, PDQ_BLOCK_DISTANCE_BITS, PDQ_DISTANCE_BITS, PDQ_QUALITY_MIN,
    SignalRule, VideoRule, VideoSemantics,
};

use crate::core::advice::AdviceType;
use crate::core::id::{BankId, EntryId};
use crate::core::opinion::{Opinion, Party, Value};
use crate::core::signal::{Signal, SignalType};
use crate::core::time::Time;
use crate::core::verdict::Provenance;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// Most signals of an entry, frames of a video apart.
pub const SIGNALS_PER_ENTRY_MAX: usize = 256;
/// Most frames of the video of an entry: an hour, one a second.
pub const FRAMES_PER_ENTRY_MAX: usize = 3_600;
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

/// A party whose opinions count towards a quorum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    /// The exchange through which it speaks.
    pub exchange: String,
    /// Its name there.
    pub organisation: String,
    /// Under whose law it stands; at most 16 bytes.
    pub jurisdiction: String,
    /// Whether it is enough by itself.
    pub accredited: bool,
}

/// What makes proposed entries of a bank matched without a person here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// Least number of organisations that say that an entry belongs in the bank.
    pub organisations_min: u32,
    /// Least number of jurisdictions among them.
    pub jurisdictions_min: u32,
    /// Who counts. Where nobody is named, each exchange counts as one organisation: what an exchange says of its members
    /// is only its own word.
    pub voices: Vec<Voice>,
    /// Where an entry stands from then on: `TRIAL` or `ACTIVE`.
    pub promotes_to: EntryState,
}

impl Quorum {
    /// Whether these opinions are enough. One of this platform's own people always is.
    #[must_use]
    pub fn is_met(&self, opinions: &[Opinion]) -> bool {
        let positive = || opinions.iter().filter(|opinion| opinion.value == Value::Positive);
        if positive().any(|opinion| opinion.by == Party::Here) {
            return true;
        }
        let mut organisations = BTreeSet::new();
        let mut jurisdictions = BTreeSet::new();
        for opinion in positive() {
            let Party::Member { exchange, organisation } = &opinion.by else { continue };
            if self.voices.is_empty() {
                organisations.insert((exchange, ""));
                continue;
            }
            let mut voices = self.voices.iter();
            let voice = voices
                .find(|voice| voice.exchange == *exchange && voice.organisation == *organisation);
            match voice {
                Some(voice) if voice.accredited => return true,
                Some(voice) => {
                    organisations.insert((exchange, organisation.as_str()));
                    jurisdictions.insert(voice.jurisdiction.as_str());
                }
                None => {}
            }
        }
        organisations.len() >= self.organisations_min as usize
            && jurisdictions.len() >= self.jurisdictions_min as usize
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
    /// What promotes proposed entries by themselves; nothing does where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<Quorum>,
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
    /// Place of a frame in its video, in milliseconds from the beginning, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u32>,
}

impl BankedSignal {
    /// A signal that is not from a place in a video.
    #[must_use]
    pub const fn new(signal: Signal, quality: Option<u32>) -> Self {
        Self { signal, quality, at: None }
    }
}

/// Why a guard set an entry aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Guard {
    /// It would match what is known to be good.
    KnownGood,
    /// It could not be compared with all that is known to be good.
    NotTested,
    /// It matched far more items than it used to.
    Flood,
    /// Its source brought more new entries in a day than it may.
    Cap,
}

/// An entry that a guard set aside, until a person releases it or the reason has gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Why.
    pub guard: Guard,
    /// Since when.
    pub since: Time,
    /// The good thing that it would match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<Good>,
}

/// An entry of a negative bank that another entry is near to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Good {
    /// Its bank.
    pub bank: BankId,
    /// The entry.
    pub entry: EntryId,
    /// Bits between the two; 0 for exact types.
    pub distance: u32,
}

impl Good {
    /// The order in which they count: the nearest first, then by bank and entry.
    #[must_use]
    pub fn order(&self, other: &Self) -> std::cmp::Ordering {
        let key = |good: &Self| (good.distance, good.bank.clone(), good.entry.clone());
        key(self).cmp(&key(other))
    }
}

/// The record of a source that an entry stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Name of the source.
    pub source: String,
    /// When the source last changed the record, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Time>,
    /// Whether the source withdrew it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
    /// By which names the source takes opinions on it, where those are others than that of the record; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handles: Vec<String>,
    /// When the opinion of people here was said that the source was told last, if it was told any: it is told each once,
    /// though the entry changes for other reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Time>,
}

/// What an entry's state follows from, where that is more than what its curators asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Background {
    /// Where curators, or who proposed it, want it to stand.
    pub asked: EntryState,
    /// What parties say of it, one opinion of each, in the order of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opinions: Vec<Opinion>,
    /// Why it is set aside, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// Whether a person released it although a guard had set it aside: as long as its signals stay, no guard does so again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
    /// The record it stands for, if it came from a source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Whether it came from a source and was once confirmed here: partners may have been told of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_confirmed: bool,
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
    /// What that follows from; absent where it is just what curators asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Box<Background>>,
    /// Where it comes from.
    pub provenance: Provenance,
    /// A note of the curators.
    pub note: String,
    /// Counts the changes of this record; the contract's `etag`.
    pub version: u64,
    /// When it was made.
    pub created: Time,
}

impl Entry {
    /// What its state follows from.
    #[must_use]
    pub fn background(&self) -> Background {
        self.background.as_deref().cloned().unwrap_or(Background {
            asked: self.state,
            opinions: Vec::new(),
            quarantine: None,
            released: false,
            origin: None,
            was_confirmed: false,
        })
    }

    /// What parties say of it.
    #[must_use]
    pub fn opinions(&self) -> &[Opinion] {
        self.background.as_deref().map_or(&[], |background| &background.opinions)
    }

    /// What the word of somebody else on it comes to: of an account never more than a reason to look.
    #[must_use]
    pub fn heard(&self, value: Value) -> Value {
        let account = SignalType::Advice(AdviceType::Account);
        let is_of_account = self.signals.iter().any(|banked| banked.signal.kind() == account);
        if is_of_account && value == Value::Positive { Value::Seed } else { value }
    }

    /// Why it is set aside, if it is.
    #[must_use]
    pub fn quarantine(&self) -> Option<&Quarantine> {
        self.background.as_deref()?.quarantine.as_ref()
    }

    /// The record it stands for, if it came from a source.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.background.as_deref()?.origin.as_ref()
    }

    /// Whether it is set aside because its source brought too many.
    #[must_use]
    pub fn is_over_cap(&self) -> bool {
        self.quarantine().is_some_and(|quarantine| quarantine.guard == Guard::Cap)
    }

    /// Whether its source does not list it any more, and nobody here removed it.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.state == EntryState::Removed && self.origin().is_some_and(|origin| origin.withdrawn)
    }
}

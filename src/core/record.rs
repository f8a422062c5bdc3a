//! Records: what a source says of one item, under the source's own name for it.
//!
//! A source is an exchange or a file of one. Whatever the format, a record says that an item is listed so and so, or that
//! it is withdrawn; a later record of the same name replaces the earlier one whole.

use crate::core::bank::BankedSignal;
use crate::core::opinion::Value;
use crate::core::time::Time;
use std::collections::BTreeMap;

/// The source's own identity of a record: 1 to 256 bytes without control characters. Never a name for logs: some sources
/// name records by their values.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(Box<str>);

impl RecordKey {
    /// Longest key, in bytes.
    pub const BYTES_MAX: usize = 256;

    /// Reads a key; nothing where it is empty, too long or has control characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let good =
            (1..=Self::BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        good.then(|| Self(text.into()))
    }

    /// The key as it was read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordKey({} bytes)", self.0.len())
    }
}

/// One record of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it stands in what was read: the line it begins on, or its place among the records, from 1.
    pub place: u64,
    /// Its identity at the source.
    pub key: RecordKey,
    /// When the source last changed it, where it says so: of two states of one record the later one stands.
    pub updated: Option<Time>,
    /// What it says.
    pub says: Says,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// The item is listed; everything that the source says of it now.
    Listed(Box<Listed>),
    /// The source does not list it any more.
    Withdrawn,
    /// It was not among all that the source lists. Unlike what was withdrawn, the same state of it may come again.
    Absent,
}

/// An item as a source lists it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// Its signals, each once. Types that nothing here compares by themselves are custom types, with the source's name for
    /// them in lower case.
    pub signals: Vec<BankedSignal>,
    /// Who reported it; at most 256 bytes.
    pub organisation: String,
    /// Content class in the source's words; at most 256 bytes.
    pub classification: String,
    /// Further labels: at most 32, each of at most 64 bytes.
    pub tags: Vec<String>,
    /// What members of the source say of it, one for each member. Who reported it is among them only where the source
    /// says so.
    pub opinions: Vec<SaidOpinion>,
    /// Values that come only when asked for, by the address that the source gives.
    pub links: Vec<Link>,
}

impl Listed {
    /// Bytes of its values and words, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let words = |words: &[String]| words.iter().map(String::len).sum::<usize>();
        let signals = self.signals.iter().map(|banked| banked.signal.len());
        let said = self.opinions.iter().map(|said| said.organisation.len() + words(&said.reasons));
        let links = self.links.iter().map(|link| link.kind.len() + link.address.len());
        signals.chain(said).chain(links).sum::<usize>()
            + words(&self.tags)
            + self.organisation.len()
            + self.classification.len()
    }
}

/// What a member of a source says of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidOpinion {
    /// The member, in the source's words; at most 256 bytes.
    pub organisation: String,
    /// What it says.
    pub value: Value,
    /// Why: at most 8, each of at most 128 bytes.
    pub reasons: Vec<String>,
    /// When, where the source says so.
    pub at: Option<Time>,
}

/// Kind of a link by which a source takes opinions on a record.
pub const HANDLE: &str = "handle";

/// A value that the source gives only when asked for, or what it takes opinions by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Type of the value, as the source names it, in lower case; or [`HANDLE`].
    pub kind: String,
    /// Where it is, relative to the source's own address.
    pub address: String,
}

/// A record that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// Where it stands, as in [`Record::place`].
    pub place: u64,
    /// What it must be; never what it was.
    pub must: String,
}

/// Parts of records that are not known here, by what they are: `signal type netclean`, `status 7`. They are counted, and
/// never read as if the item were not listed.
pub type Unknown = BTreeMap<String, u64>;

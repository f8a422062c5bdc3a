//! What was read of a file and not yet taken.

use crate::core::exchange_file::item::Item;
use crate::core::record::{BadRecord, HANDLE, Record, RecordKey, Says, Unknown};
use crate::core::time::Time;
use sha2::{Digest as _, Sha256};

/// Most names of unknown parts that are told apart.
const UNKNOWN_MAX: usize = 64;
/// Longest word of a source that is repeated.
const WORD_BYTES_MAX: usize = 32;

/// What was read of a file and not yet taken.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) read: Vec<Record>,
    pub(super) read_bytes: usize,
    pub(super) bad: Vec<BadRecord>,
    pub(super) bad_parts: Vec<BadRecord>,
    pub(super) unknown: Unknown,
    pub(super) not_listed: u64,
    /// Records begun.
    pub(super) place: u64,
}

impl Out {
    /// A record begins: its place.
    pub(super) fn begin(&mut self) -> u64 {
        self.place += 1;
        self.place
    }

    /// Gives a record. Refused where nothing of what it lists can be read.
    pub(super) fn give(&mut self, key: &str, updated: Option<Time>, item: Item) {
        let Some(key) = self.key(key) else { return };
        let Item { listed, faults } = item;
        let place = self.place;
        let has_values = listed.links.iter().any(|link| link.kind != HANDLE);
        if listed.signals.is_empty() && !has_values && !faults.is_empty() {
            return self.refuse(faults.join("; "));
        }
        self.bad_parts.extend(faults.into_iter().map(|must| BadRecord { place, must }));
        self.read_bytes += listed.bytes() + key.as_str().len();
        self.read.push(Record { place, key, updated, says: Says::Listed(Box::new(listed)) });
    }

    /// Gives a withdrawal.
    pub(super) fn withdraw(&mut self, key: &str, updated: Option<Time>) {
        let Some(key) = self.key(key) else { return };
        self.read_bytes += key.as_str().len();
        self.read.push(Record { place: self.place, key, updated, says: Says::Withdrawn });
    }

    fn key(&mut self, key: &str) -> Option<RecordKey> {
        let read = RecordKey::parse(key);
        if read.is_none() {
            let max = RecordKey::BYTES_MAX;
            self.refuse(format!("its name must be 1 to {max} bytes without control characters"));
        }
        read
    }

    /// Refuses the present record.
    pub(super) fn refuse(&mut self, must: impl Into<String>) {
        self.bad.push(BadRecord { place: self.place, must: must.into() });
    }

    /// Counts a part that is not known. A word that could be a value is not repeated.
    pub(super) fn count(&mut self, what: &str, word: &str) {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-. ".contains(&byte);
        let is_short = (1..=WORD_BYTES_MAX).contains(&word.len()) && word.bytes().all(is_word);
        let hex = word.bytes().filter(u8::is_ascii_hexdigit).count();
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let is_value = word.len() >= 16 && (hex == word.len() || digits > word.len() / 4);
        let word = if is_short && !is_value { word.to_ascii_lowercase() } else { "other".into() };
        let name = format!("{what} {word}");
        let is_full = self.unknown.len() >= UNKNOWN_MAX && !self.unknown.contains_key(&name);
        let name = if is_full { format!("{what} other") } else { name };
        *self.unknown.entry(name).or_default() += 1;
    }
}

/// Name of a record that its source names by type and value. A long value, or one of several lines, stands there as its digest.
#[must_use]
pub fn named_by_value(kind: &str, value: &str) -> String {
    let name = format!("{kind}/{value}");
    if name.len() <= RecordKey::BYTES_MAX && !value.chars().any(char::is_control) {
        return name;
    }
    format!("{kind}/sha256:{}", hex::encode(Sha256::digest(value)))
}

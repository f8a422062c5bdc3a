//! Requests about entries and their signals.

use crate::core::bank::{BankedSignal, EntryState};
use crate::core::curation::{EntryPatch, NewEntry};
use crate::core::id::{BankId, EntryId};
use crate::core::time::Time;
use crate::core::verdict::Provenance;
use crate::proto::v1;
use crate::services::status::Refusal;
use crate::services::words::fields::{Fields, within};
use crate::services::words::page::{self, Page};
use crate::services::words::record::{mask, read_etag, unchangeable};
use crate::services::words::request::{Keyed, keyed, read_id};
use crate::services::words::signal::{Sent, read_banked};
use crate::services::words::{moment, signal};
use bytes::Bytes;

/// Most bytes of an item that is banked in one message.
const MEDIA_BYTES_MAX: usize = 1_000_000;
const WORDS_BYTES_MAX: usize = 256;
const NOTE_BYTES_MAX: usize = 4096;
const TAGS_MAX: usize = 32;
const TAG_BYTES_MAX: usize = 64;

/// Reads a bank and which of its entries are listed.
///
/// # Errors
/// A refusal that names every bad field.
pub fn list_entries(sent: &v1::ListEntriesRequest) -> Result<(BankId, Page), Refusal> {
    let mut fields = Fields::default();
    let id = fields.name("bank_id", &sent.bank_id, BankId::parse);
    let page = page::read(&mut fields, "entries", sent.page_size, &sent.page_token);
    fields.done(id.zip(page))
}

/// Reads the names of a bank and an entry.
///
/// # Errors
/// A refusal that names every bad field.
pub fn entry_id(sent: &v1::GetEntryRequest) -> Result<(BankId, EntryId), Refusal> {
    let mut fields = Fields::default();
    let bank = fields.name("bank_id", &sent.bank_id, BankId::parse);
    let entry = fields.name("entry_id", &sent.entry_id, EntryId::parse);
    fields.done(bank.zip(entry))
}

/// Reads where an entry comes from.
pub(super) fn read_provenance(
    fields: &mut Fields,
    path: &str,
    sent: Option<v1::Provenance>,
    now: Time,
) -> Option<Provenance> {
    let sent = sent.unwrap_or_default();
    let at = |inner| within(path, inner);
    let exchange = fields.text(at("exchange"), sent.exchange, WORDS_BYTES_MAX);
    let organisation =
        fields.text(at("source_organisation"), sent.source_organisation, WORDS_BYTES_MAX);
    let record = fields.text(at("source_record"), sent.source_record, WORDS_BYTES_MAX);
    let class = fields.text(at("classification"), sent.classification, WORDS_BYTES_MAX);
    fields.count(at("tags"), sent.tags.len(), 0, TAGS_MAX);
    let tags: Vec<_> = sent
        .tags
        .into_iter()
        .enumerate()
        .map(|(place, tag)| fields.text(format!("{path}.tags[{place}]"), tag, TAG_BYTES_MAX))
        .collect();
    let seen = moment::read_time(fields, &at("first_seen_time"), sent.first_seen_time);
    Some(Provenance {
        exchange: exchange?,
        source_organisation: organisation?,
        source_record: record?,
        classification: class?,
        tags: tags.into_iter().collect::<Option<_>>()?,
        first_seen: seen?.unwrap_or(now),
        confirmed_by_us: sent.confirmed_by_us,
        opinion: None,
    })
}

/// Reads where an entry shall stand: a state that callers may give, ACTIVE where left out.
pub(super) fn read_state(fields: &mut Fields, path: &str, number: i32) -> Option<EntryState> {
    use v1::EntryState as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified | Wire::Active) => Some(EntryState::Active),
        Ok(Wire::Proposed) => Some(EntryState::Proposed),
        Ok(Wire::Trial) => Some(EntryState::Trial),
        Ok(Wire::Disputed) => Some(EntryState::Disputed),
        Ok(Wire::Quarantined | Wire::Retired | Wire::Removed) | Err(_) => {
            fields.fault(path, "must be PROPOSED, TRIAL, ACTIVE or DISPUTED");
            None
        }
    }
}

/// What an entry is made from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Signals that the caller has.
    Signals(Vec<BankedSignal>),
    /// The item itself.
    Media(Bytes),
}

impl Source {
    /// Whether it is the item itself.
    #[must_use]
    pub const fn is_media(&self) -> bool {
        matches!(self, Self::Media(_))
    }
}

/// A request to add an entry.
#[derive(Debug, Clone)]
pub struct AddEntry {
    /// To which bank.
    pub bank: BankId,
    /// What it is made from.
    pub source: Source,
    /// What else is said of it; the signals come from the source.
    pub wanted: NewEntry,
    /// Whether a value is taken in although it was removed here before.
    pub override_tombstone: bool,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads an `AddEntryRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn add_entry(sent: v1::AddEntryRequest, now: Time) -> Result<AddEntry, Refusal> {
    use v1::add_entry_request::Source as Wire;
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let bank = fields.name("bank_id", &sent.bank_id, BankId::parse);
    let id = fields.name_if_set("entry_id", &sent.entry_id, EntryId::parse);
    let source = match sent.source {
        None => fields.required("source", None),
        Some(Wire::Signals(list)) => {
            let signals = read_banked(&mut fields, "signals.signals", &list.signals);
            signals.map(Source::Signals)
        }
        Some(Wire::Media(bytes)) if (1..=MEDIA_BYTES_MAX).contains(&bytes.len()) => {
            Some(Source::Media(bytes))
        }
        Some(Wire::Media(_)) => {
            let must = format!(
                "must have 1 to {MEDIA_BYTES_MAX} bytes; a larger item goes \
                                through HashMedia first"
            );
            fields.fault("media", must);
            None
        }
    };
    let provenance = read_provenance(&mut fields, "provenance", sent.provenance, now);
    let state = read_state(&mut fields, "state", sent.state);
    let note = fields.text("note", sent.note, NOTE_BYTES_MAX);
    let whole = (|| {
        let wanted = NewEntry {
            id: id?,
            signals: Vec::new(),
            state: state?,
            provenance: provenance?,
            note: note?,
        };
        Some(AddEntry {
            bank: bank?,
            source: source?,
            wanted,
            override_tombstone: sent.override_tombstone,
            keyed: keyed?,
        })
    })();
    fields.done(whole)
}

/// Which parts of an entry's provenance a mask names.
#[derive(Clone, Debug, Default)]
pub struct ProvenanceMask(Vec<String>);

impl ProvenanceMask {
    /// The provenance after the named parts were taken over.
    #[must_use]
    pub fn apply(&self, mut present: Provenance, wanted: Provenance) -> Provenance {
        for part in &self.0 {
            match part.as_str() {
                "exchange" => present.exchange.clone_from(&wanted.exchange),
                "source_organisation" => {
                    present.source_organisation.clone_from(&wanted.source_organisation);
                }
                "source_record" => present.source_record.clone_from(&wanted.source_record),
                "classification" => present.classification.clone_from(&wanted.classification),
                "tags" => present.tags.clone_from(&wanted.tags),
                "first_seen_time" => present.first_seen = wanted.first_seen,
                "confirmed_by_us" => present.confirmed_by_us = wanted.confirmed_by_us,
                _ => {}
            }
        }
        present
    }
}

const PROVENANCE_PARTS: [&str; 7] = [
    "exchange",
    "source_organisation",
    "source_record",
    "classification",
    "tags",
    "first_seen_time",
    "confirmed_by_us",
];

/// A request to change an entry.
#[derive(Debug, Clone)]
pub struct UpdateEntry {
    /// Of which bank.
    pub bank: BankId,
    /// Which.
    pub id: EntryId,
    /// What of it; the provenance is the whole wanted one.
    pub patch: EntryPatch,
    /// Which parts of the provenance are meant.
    pub provenance_mask: ProvenanceMask,
    /// The version that the caller read.
    pub read: Option<u64>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads an `UpdateEntryRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn update_entry(sent: v1::UpdateEntryRequest, now: Time) -> Result<UpdateEntry, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let paths = mask(&mut fields, sent.update_mask.as_ref());
    let Some(entry) = fields.required("entry", sent.entry) else { return fields.done(None) };
    let bank = fields.name("entry.bank_id", &entry.bank_id, BankId::parse);
    let id = fields.name("entry.entry_id", &entry.entry_id, EntryId::parse);
    let read = read_etag(&mut fields, "entry.etag", &entry.etag);
    let mut patch = EntryPatch::default();
    let mut parts = Vec::new();
    for path in paths {
        match path.as_str() {
            "state" => patch.state = read_changed_state(&mut fields, entry.state),
            "note" => patch.note = fields.text("entry.note", entry.note.clone(), NOTE_BYTES_MAX),
            "provenance" => parts.extend(PROVENANCE_PARTS.map(str::to_owned)),
            other => match other.strip_prefix("provenance.") {
                Some(part) if PROVENANCE_PARTS.contains(&part) => parts.push(part.to_owned()),
                _ => unchangeable(&mut fields),
            },
        }
    }
    if !parts.is_empty() {
        patch.provenance = read_provenance(&mut fields, "entry.provenance", entry.provenance, now);
    }
    let provenance_mask = ProvenanceMask(parts);
    let whole = (|| {
        let (bank, id, read, keyed) = (bank?, id?, read?, keyed?);
        Some(UpdateEntry { bank, id, patch, provenance_mask, read, keyed })
    })();
    fields.done(whole)
}

/// Reads where an entry shall stand from now on: RETIRED too, which no new entry is.
fn read_changed_state(fields: &mut Fields, number: i32) -> Option<EntryState> {
    match v1::EntryState::try_from(number) {
        Ok(v1::EntryState::Retired) => Some(EntryState::Retired),
        Ok(v1::EntryState::Unspecified) => fields.required("entry.state", None),
        _ => read_state(fields, "entry.state", number),
    }
}

/// A request to remove an entry.
#[derive(Debug, Clone)]
pub struct RemoveEntry {
    /// Of which bank.
    pub bank: BankId,
    /// Which.
    pub id: EntryId,
    /// The version that the caller read.
    pub read: Option<u64>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads a `RemoveEntryRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn remove_entry(sent: &v1::RemoveEntryRequest) -> Result<RemoveEntry, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, sent));
    let bank = fields.name("bank_id", &sent.bank_id, BankId::parse);
    let id = fields.name("entry_id", &sent.entry_id, EntryId::parse);
    let read = read_etag(&mut fields, "etag", &sent.etag);
    let whole = (|| Some(RemoveEntry { bank: bank?, id: id?, read: read?, keyed: keyed? }))();
    fields.done(whole)
}

/// Reads two signals to compare.
///
/// # Errors
/// A refusal that names every bad field.
pub fn compare(sent: &v1::CompareSignalsRequest) -> Result<(Sent, Sent), Refusal> {
    let mut fields = Fields::default();
    let mut read = |path: &str, sent: &Option<v1::Signal>| {
        let sent = fields.required(path, sent.as_ref())?;
        signal::read(&mut fields, path, sent)
    };
    let first = read("first", &sent.first);
    let second = read("second", &sent.second);
    fields.done(first.zip(second))
}

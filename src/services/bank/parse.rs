//! Bank requests, read from the wire into the core; every bad field is named at once.

use crate::core::bank::{
    Band, BankMode, BankRole, BankedSignal, DISTANCE_BITS_MAX, EntryState, RATIO_ALL, SignalRule,
};
use crate::core::curation::{BankPatch, BankSettings, EntryPatch, NewBank, NewEntry};
use crate::core::id::{BankId, EntryId};
use crate::core::list_file::{Columns, Common, Format};
use crate::core::signal::SignalType;
use crate::core::time::Time;
use crate::core::verdict::{Disposition, Provenance};
use crate::proto::v1;
use crate::services::status::Refusal;
use crate::services::words::fields::{Fields, within};
use crate::services::words::page::{self, Page};
use crate::services::words::record::{mask, read_etag, unchangeable};
use crate::services::words::request::{Keyed, keyed, read_id};
use crate::services::words::signal::{Sent, read_list, read_type};
use crate::services::words::{moment, policy, signal};
use bytes::Bytes;

/// Most bytes of an item that is banked in one message.
pub const MEDIA_BYTES_MAX: usize = 1_000_000;
const SIGNALS_MAX: usize = 256;
const BANDS_MAX: usize = 8;
const RULES_MAX: usize = 32;
const WORDS_BYTES_MAX: usize = 256;
const NOTE_BYTES_MAX: usize = 4096;
const TAGS_MAX: usize = 32;
const TAG_BYTES_MAX: usize = 64;

/// The types that a bank holds when its owner names none.
const USUAL_TYPES: [SignalType; 5] =
    [SignalType::Md5, SignalType::Sha1, SignalType::Sha256, SignalType::Pdq, SignalType::VpdqFrame];

fn read_mode(fields: &mut Fields, path: &str, number: i32) -> Option<BankMode> {
    match v1::BankMode::try_from(number) {
        Ok(v1::BankMode::Shadow) => Some(BankMode::Shadow),
        Ok(v1::BankMode::Enforce) => Some(BankMode::Enforce),
        Ok(v1::BankMode::Unspecified) => fields.required(path, None),
        Err(_) => {
            fields.fault(path, "must be a value that this version knows");
            None
        }
    }
}

fn read_role(fields: &mut Fields, path: &str, number: i32) -> Option<BankRole> {
    match v1::BankRole::try_from(number) {
        Ok(v1::BankRole::Positive) => Some(BankRole::Positive),
        Ok(v1::BankRole::Negative) => Some(BankRole::Negative),
        Ok(v1::BankRole::Unspecified) => fields.required(path, None),
        Err(_) => {
            fields.fault(path, "must be a value that this version knows");
            None
        }
    }
}

/// Reads a share as millionths.
fn read_ratio(fields: &mut Fields, path: &str, ratio: f64) -> Option<u32> {
    if !(0.0..=1.0).contains(&ratio) {
        fields.fault(path, "must be from 0 to 1");
        return None;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a million")]
    Some((ratio * f64::from(RATIO_ALL)).round() as u32)
}

fn read_rules(fields: &mut Fields, path: &str, sent: &[v1::SignalRule]) -> Option<Vec<SignalRule>> {
    if sent.is_empty() {
        return Some(USUAL_TYPES.map(SignalRule::usual).to_vec());
    }
    fields.count(path, sent.len(), 1, RULES_MAX);
    let read: Vec<_> = sent
        .iter()
        .take(RULES_MAX)
        .enumerate()
        .map(|(place, rule)| read_rule(fields, &format!("{path}[{place}]"), rule))
        .collect();
    let rules: Vec<SignalRule> = read.into_iter().collect::<Option<_>>()?;
    for (place, rule) in rules.iter().enumerate() {
        if rules[..place].iter().any(|before| before.kind == rule.kind) {
            fields.fault(format!("{path}[{place}].type"), "must not have a rule already");
        }
    }
    Some(rules)
}

fn read_rule(fields: &mut Fields, path: &str, sent: &v1::SignalRule) -> Option<SignalRule> {
    let kind = read_type(fields, path, sent.r#type, &sent.custom_type);
    let bands_path = within(path, "bands");
    fields.count(&bands_path, sent.bands.len(), 1, BANDS_MAX);
    let kind = kind?;
    let is_perceptual = kind.is_perceptual();
    if sent.quality_min > 100 || (sent.quality_min > 0 && !is_perceptual) {
        let most =
            if is_perceptual { "from 0 to 100" } else { "0 for a type compared for equality" };
        fields.fault(within(path, "quality_min"), format!("must be {most}"));
    }
    let distance_max = if is_perceptual { DISTANCE_BITS_MAX } else { 0 };
    let mut bands: Vec<Band> = Vec::new();
    for (place, band) in sent.bands.iter().take(BANDS_MAX).enumerate() {
        let at = format!("{bands_path}[{place}]");
        if band.distance_max > distance_max {
            let must = format!("must be at most {distance_max} for this type");
            fields.fault(within(&at, "distance_max"), must);
        }
        if bands.last().is_some_and(|before| before.distance_max >= band.distance_max) {
            fields.fault(within(&at, "distance_max"), "must be greater than the one before");
        }
        let disposition_path = within(&at, "disposition");
        match policy::read_disposition(fields, &disposition_path, band.disposition) {
            Some(Disposition::Allow) => {
                fields.fault(disposition_path, "must be stricter than ALLOW");
            }
            Some(disposition) => {
                bands.push(Band { distance_max: band.distance_max, disposition });
            }
            None => {}
        }
    }
    Some(SignalRule { kind, quality_min: sent.quality_min, bands })
}

/// A request to make a bank.
#[derive(Debug)]
pub struct CreateBank {
    /// What is wanted.
    pub wanted: NewBank,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads a `CreateBankRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn create_bank(sent: v1::CreateBankRequest) -> Result<CreateBank, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let id = fields.name("bank_id", &sent.bank_id, BankId::parse);
    let Some(bank) = fields.required("bank", sent.bank) else { return fields.done(None) };
    if !bank.bank_id.is_empty() && bank.bank_id != sent.bank_id {
        fields.fault("bank.bank_id", "must be left out, or be bank_id");
    }
    let display_name = fields.text("bank.display_name", bank.display_name, WORDS_BYTES_MAX);
    let role = read_role(&mut fields, "bank.role", bank.role);
    let mode = read_mode(&mut fields, "bank.mode", bank.mode);
    let ratio = read_ratio(&mut fields, "bank.enabled_ratio", bank.enabled_ratio.unwrap_or(1.0));
    let rules = read_rules(&mut fields, "bank.signal_rules", &bank.signal_rules);
    let legal_basis = fields.text("bank.legal_basis", bank.legal_basis, WORDS_BYTES_MAX);
    let freshness = moment::read_span(&mut fields, "bank.freshness_limit", bank.freshness_limit);
    let whole = (|| {
        let settings = BankSettings {
            display_name: display_name?,
            role: role?,
            mode: mode?,
            enabled: bank.enabled.unwrap_or(true),
            ratio_millionths: ratio?,
            rules: rules?,
            vetted: bank.vetted,
            legal_basis: legal_basis?,
            freshness_max: freshness?,
        };
        Some(CreateBank { wanted: NewBank { id: id?, settings }, keyed: keyed? })
    })();
    fields.done(whole)
}

/// A request to change a bank.
#[derive(Debug)]
pub struct UpdateBank {
    /// Which.
    pub id: BankId,
    /// What of it.
    pub patch: BankPatch,
    /// The version that the caller read.
    pub read: Option<u64>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads an `UpdateBankRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn update_bank(sent: v1::UpdateBankRequest) -> Result<UpdateBank, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, &sent));
    let paths = mask(&mut fields, sent.update_mask.as_ref());
    let Some(bank) = fields.required("bank", sent.bank) else { return fields.done(None) };
    let id = fields.name("bank.bank_id", &bank.bank_id, BankId::parse);
    let read = read_etag(&mut fields, "bank.etag", &bank.etag);
    let mut patch = BankPatch::default();
    for path in paths {
        let at = within("bank", &path);
        match path.as_str() {
            "display_name" => {
                patch.display_name = fields.text(at, bank.display_name.clone(), WORDS_BYTES_MAX);
            }
            "mode" => patch.mode = read_mode(&mut fields, &at, bank.mode),
            "enabled" => patch.enabled = Some(bank.enabled.unwrap_or(true)),
            "enabled_ratio" => {
                patch.ratio_millionths =
                    read_ratio(&mut fields, &at, bank.enabled_ratio.unwrap_or(1.0));
            }
            "signal_rules" => patch.rules = read_rules(&mut fields, &at, &bank.signal_rules),
            "vetted" => patch.vetted = Some(bank.vetted),
            "legal_basis" => {
                patch.legal_basis = fields.text(at, bank.legal_basis.clone(), WORDS_BYTES_MAX);
            }
            "freshness_limit" => {
                patch.freshness_max = moment::read_span(&mut fields, &at, bank.freshness_limit);
            }
            _ => unchangeable(&mut fields),
        }
    }
    let whole = (|| Some(UpdateBank { id: id?, patch, read: read?, keyed: keyed? }))();
    fields.done(whole)
}

/// A request to remove a bank.
#[derive(Debug)]
pub struct DeleteBank {
    /// Which.
    pub id: BankId,
    /// The version that the caller read.
    pub read: u64,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads a `DeleteBankRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn delete_bank(sent: &v1::DeleteBankRequest) -> Result<DeleteBank, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, sent));
    let id = fields.name("bank_id", &sent.bank_id, BankId::parse);
    let read =
        read_etag(&mut fields, "etag", &sent.etag).and_then(|read| fields.required("etag", read));
    if sent.confirm.is_empty() {
        fields.fault("confirm", "must be set");
    } else if sent.confirm != sent.bank_id {
        fields.fault("confirm", "must be bank_id");
    }
    let whole = (|| Some(DeleteBank { id: id?, read: read?, keyed: keyed? }))();
    fields.done(whole)
}

/// Reads the name of a bank.
///
/// # Errors
/// A refusal that names the bad field.
pub fn bank_id(text: &str) -> Result<BankId, Refusal> {
    let mut fields = Fields::default();
    let id = fields.name("bank_id", text, BankId::parse);
    fields.done(id)
}

/// Reads which banks are listed.
///
/// # Errors
/// A refusal that names the bad field.
pub fn list_banks(sent: &v1::ListBanksRequest) -> Result<Page, Refusal> {
    let mut fields = Fields::default();
    let page = page::read(&mut fields, "banks", sent.page_size, &sent.page_token);
    fields.done(page)
}

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

fn read_provenance(
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
    })
}

/// Reads where an entry shall stand: a state that callers may give, ACTIVE where left out.
fn read_state(fields: &mut Fields, path: &str, number: i32) -> Option<EntryState> {
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
#[derive(Debug)]
pub enum Source {
    /// Signals that the caller has.
    Signals(Vec<BankedSignal>),
    /// The item itself.
    Media(Bytes),
}

/// A request to add an entry.
#[derive(Debug)]
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

fn banked(sent: Vec<Sent>) -> Vec<BankedSignal> {
    let mut signals: Vec<BankedSignal> = Vec::with_capacity(sent.len());
    for one in sent {
        if !signals.iter().any(|known| known.signal == one.signal) {
            signals.push(BankedSignal { signal: one.signal, quality: one.quality });
        }
    }
    signals
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
            let signals = read_list(&mut fields, "signals.signals", &list.signals, SIGNALS_MAX);
            signals.map(|signals| Source::Signals(banked(signals)))
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
#[derive(Debug, Default)]
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
#[derive(Debug)]
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
#[derive(Debug)]
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

/// The opening of an import.
#[derive(Debug)]
pub struct ImportOpening {
    /// Into which bank.
    pub bank: BankId,
    /// How the file is written.
    pub format: Format,
    /// What is the same for all entries.
    pub common: Common,
}

/// A message of a caller that imports a file.
#[derive(Debug)]
pub enum Imported {
    /// The opening.
    Open(Box<ImportOpening>),
    /// A piece: its number and bytes.
    Chunk(u64, Bytes),
}

/// Reads a message of `ImportEntries`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn import(sent: v1::ImportEntriesRequest, now: Time) -> Result<Imported, Refusal> {
    use v1::import_entries_request::Step as Wire;
    match sent.step {
        None => Err(Refusal::fields(vec![("step".to_owned(), "must be set".to_owned())])),
        Some(Wire::Chunk(chunk)) => {
            let mut fields = Fields::default();
            fields.piece("chunk", chunk.number, &chunk.data);
            fields.done(Some(Imported::Chunk(chunk.number, chunk.data)))
        }
        Some(Wire::Open(open)) => {
            import_opening(open, now).map(|opening| Imported::Open(Box::new(opening)))
        }
    }
}

fn import_opening(sent: v1::ImportOpen, now: Time) -> Result<ImportOpening, Refusal> {
    let mut fields = Fields::default();
    let bank = fields.name("open.bank_id", &sent.bank_id, BankId::parse);
    let names_type = sent.signal_type != 0 || !sent.custom_type.is_empty();
    let format = match v1::ImportFormat::try_from(sent.format) {
        Ok(v1::ImportFormat::Text) => {
            if sent.columns.is_some() {
                fields.fault("open.columns", "must be left out for a text file");
            }
            import_type(&mut fields, &sent).map(Format::Text)
        }
        Ok(v1::ImportFormat::Csv) => {
            let kind = if names_type { import_type(&mut fields, &sent) } else { None };
            let columns = fields.required("open.columns", sent.columns);
            columns
                .and_then(|columns| read_columns(&mut fields, columns, names_type))
                .map(|columns| Format::Csv(kind, columns))
        }
        Ok(v1::ImportFormat::Unspecified) => fields.required("open.format", None),
        Err(_) => {
            fields.fault("open.format", "must be a value that this version knows");
            None
        }
    };
    let provenance = read_provenance(&mut fields, "open.provenance", sent.provenance, now);
    let state = read_state(&mut fields, "open.state", sent.state);
    let whole = (|| {
        let common = Common { provenance: provenance?, state: state? };
        Some(ImportOpening { bank: bank?, format: format?, common })
    })();
    fields.done(whole)
}

fn import_type(fields: &mut Fields, sent: &v1::ImportOpen) -> Option<SignalType> {
    let mut inner = Fields::default();
    let kind = read_type(&mut inner, "open", sent.signal_type, &sent.custom_type);
    for (path, must) in inner.into_faults() {
        // The field has another name here than in a signal.
        fields.fault(path.replace("open.type", "open.signal_type"), must);
    }
    kind
}

fn read_columns(
    fields: &mut Fields,
    sent: v1::CsvColumns,
    has_usual_type: bool,
) -> Option<Columns> {
    if sent.value.is_empty() {
        fields.fault("open.columns.value", "must be set");
    }
    if sent.signal_type.is_empty() && !has_usual_type {
        let must = "must be set where open.signal_type and open.custom_type are not";
        fields.fault("open.columns.signal_type", must);
    }
    fields.is_clean().then_some(Columns {
        value: sent.value,
        kind: sent.signal_type,
        quality: sent.quality,
        entry: sent.entry_id,
        source_record: sent.source_record,
        classification: sent.classification,
        tags: sent.tags,
        note: sent.note,
    })
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

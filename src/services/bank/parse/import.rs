//! Messages of a caller that imports a file.

use crate::core::id::BankId;
use crate::core::list_file::{Columns, Common, Format};
use crate::core::signal::SignalType;
use crate::core::time::Time;
use crate::proto::v1;
use crate::services::bank::parse::entry::{read_provenance, read_state};
use crate::services::status::Refusal;
use crate::services::words::fields::Fields;
use crate::services::words::signal::read_type;
use bytes::Bytes;

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

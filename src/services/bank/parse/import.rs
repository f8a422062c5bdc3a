//! Messages of a caller that imports a file.

use crate::core::bank::EntryState;
use crate::core::exchange_file::Exchange;
use crate::core::id::BankId;
use crate::core::intake::Source;
use crate::core::list_file::{Common, Format};
use crate::core::time::Time;
use crate::proto::v1;
use crate::services::bank::parse::entry::{read_provenance, read_state};
use crate::services::status::Refusal;
use crate::services::words::fields::Fields;
use crate::services::words::file::{self, Sent};
use bytes::Bytes;

/// Longest name of a source.
const SOURCE_BYTES_MAX: usize = 64;

/// The opening of an import.
#[derive(Debug)]
pub struct ImportOpening {
    /// Into which bank.
    pub bank: BankId,
    /// How the file is written.
    pub written: Written,
}

/// How a file is written.
#[derive(Debug)]
pub enum Written {
    /// As a list, with what is the same for all entries.
    List(Box<(Format, Common)>),
    /// As records of a source.
    Records(Exchange, Source),
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
    let written = file::read(
        &mut fields,
        "open",
        Sent {
            format: sent.format,
            signal_type: sent.signal_type,
            custom_type: &sent.custom_type,
            columns: sent.columns.clone(),
            vics_categories: &sent.vics_categories,
        },
    );
    let written = match v1::ImportFormat::try_from(sent.format) {
        Err(_) | Ok(v1::ImportFormat::Unspecified) => None,
        Ok(format) if format.is_list() => list(&mut fields, sent, now, written),
        Ok(_) => records(&mut fields, sent, written),
    };
    let whole = (|| Some(ImportOpening { bank: bank?, written: written? }))();
    fields.done(whole)
}

fn list(
    fields: &mut Fields,
    sent: v1::ImportOpen,
    now: Time,
    written: Option<file::Written>,
) -> Option<Written> {
    if !sent.source.is_empty() {
        fields.fault("open.source", "must be left out but for files of an exchange");
    }
    let provenance = read_provenance(fields, "open.provenance", sent.provenance, now);
    let state = read_state(fields, "open.state", sent.state);
    let common = Common { provenance: provenance?, state: state? };
    match written? {
        file::Written::List(format) => Some(Written::List(Box::new((format, common)))),
        file::Written::Records(_) => None,
    }
}

/// Records say themselves of what type their values are and where they come from; whose they are says the caller.
fn records(
    fields: &mut Fields,
    sent: v1::ImportOpen,
    written: Option<file::Written>,
) -> Option<Written> {
    if sent.provenance.is_some() {
        fields.fault("open.provenance", file::RECORDS_SAY);
    }
    if sent.source.is_empty() {
        fields.fault("open.source", "must be set for a file of an exchange");
    }
    let name = fields.text("open.source", sent.source, SOURCE_BYTES_MAX)?;
    // What others list is seen in the shadow first, unless the caller knows better.
    let enters_as = match sent.state {
        0 => Some(EntryState::Trial),
        state => read_state(fields, "open.state", state),
    };
    let Some(file::Written::Records(exchange)) = written else { return None };
    let names_values = exchange.names_values();
    let source = Source { name, enters_as: enters_as?, names_values };
    fields.is_clean().then_some(Written::Records(exchange, source))
}

//! How a file of signals, or of an exchange, is written: read from the wire, and written to it.

use crate::core::exchange_file::{Category, CategoryTable, Exchange};
use crate::core::list_file::{Columns, Format};
use crate::core::signal::SignalType;
use crate::proto::v1;
use crate::services::words::fields::{Fields, within};
use crate::services::words::signal::{read_type, write_type};
use std::collections::BTreeSet;

pub use crate::core::exchange::Written;

const WORDS_BYTES_MAX: usize = 256;
/// Longest name of a country's model.
const MODEL_BYTES_MAX: usize = 32;
/// Most categories of all models.
const CATEGORIES_MAX: usize = 256;
/// What is said of fields that a record has of its own.
pub const RECORDS_SAY: &str = "must be left out for a file of an exchange: its records say it";

/// What is sent of how a file is written.
#[derive(Debug, Clone)]
pub struct Sent<'s> {
    /// Its format.
    pub format: i32,
    /// Type of values without one of their own.
    pub signal_type: i32,
    /// The same, where a source defines it.
    pub custom_type: &'s str,
    /// Which column holds what.
    pub columns: Option<v1::CsvColumns>,
    /// What categories mean.
    pub vics_categories: &'s [v1::VicsCategory],
}

impl v1::ImportFormat {
    /// Whether it is a list of values, and not records of an exchange.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(self, Self::Text | Self::Csv)
    }
}

/// Reads how a file is written; the fields are those within `path`.
pub fn read(fields: &mut Fields, path: &str, sent: Sent<'_>) -> Option<Written> {
    let records = match v1::ImportFormat::try_from(sent.format) {
        Ok(v1::ImportFormat::Unspecified) => return fields.required(within(path, "format"), None),
        Ok(v1::ImportFormat::Text | v1::ImportFormat::Csv) => return list(fields, path, sent),
        Ok(v1::ImportFormat::Ncmec) => Exchange::Ncmec,
        Ok(v1::ImportFormat::Stopncii) => Exchange::StopNcii,
        Ok(v1::ImportFormat::ThreatExchange) => Exchange::ThreatExchange,
        Ok(v1::ImportFormat::Arachnid) => Exchange::Arachnid,
        Ok(v1::ImportFormat::Vics) => {
            Exchange::Vics(read_categories(fields, path, sent.vics_categories))
        }
        Err(_) => {
            fields.fault(within(path, "format"), "must be a value that this version knows");
            return None;
        }
    };
    let own = [
        ("signal_type", sent.signal_type != 0),
        ("custom_type", !sent.custom_type.is_empty()),
        ("columns", sent.columns.is_some()),
    ];
    for (name, _) in own.iter().filter(|(_, is_set)| *is_set) {
        fields.fault(within(path, name), RECORDS_SAY);
    }
    if !matches!(records, Exchange::Vics(_)) && !sent.vics_categories.is_empty() {
        let must = "must be left out but for files of Project VIC";
        fields.fault(within(path, "vics_categories"), must);
    }
    Some(Written::Records(records))
}

fn list(fields: &mut Fields, path: &str, sent: Sent<'_>) -> Option<Written> {
    let names_type = sent.signal_type != 0 || !sent.custom_type.is_empty();
    if !sent.vics_categories.is_empty() {
        let must = "must be left out but for files of an exchange";
        fields.fault(within(path, "vics_categories"), must);
    }
    if sent.format == i32::from(v1::ImportFormat::Text) {
        if sent.columns.is_some() {
            fields.fault(within(path, "columns"), "must be left out for a text file");
        }
        return file_type(fields, path, &sent).map(|kind| Written::List(Format::Text(kind)));
    }
    let kind = if names_type { file_type(fields, path, &sent) } else { None };
    let columns = fields.required(within(path, "columns"), sent.columns);
    columns
        .and_then(|columns| read_columns(fields, path, columns, names_type))
        .map(|columns| Written::List(Format::Csv(kind, columns)))
}

fn file_type(fields: &mut Fields, path: &str, sent: &Sent<'_>) -> Option<SignalType> {
    let mut inner = Fields::default();
    let kind = read_type(&mut inner, path, sent.signal_type, sent.custom_type);
    let (there, here) = (within(path, "type"), within(path, "signal_type"));
    for (name, must) in inner.into_faults() {
        // The field has another name here than in a signal.
        fields.fault(name.replace(&there, &here), must);
    }
    kind
}

/// Writes how a file is written.
#[must_use]
pub fn write(written: &Written) -> v1::FileExchange {
    let mut file = v1::FileExchange::default();
    let format = match written {
        Written::List(Format::Text(kind)) => {
            let (number, custom) = write_type(kind);
            (file.signal_type, file.custom_type) = (number.into(), custom);
            v1::ImportFormat::Text
        }
        Written::List(Format::Csv(kind, columns)) => {
            if let Some(kind) = kind {
                let (number, custom) = write_type(kind);
                (file.signal_type, file.custom_type) = (number.into(), custom);
            }
            file.columns = Some(write_columns(columns));
            v1::ImportFormat::Csv
        }
        Written::Records(Exchange::Ncmec) => v1::ImportFormat::Ncmec,
        Written::Records(Exchange::StopNcii) => v1::ImportFormat::Stopncii,
        Written::Records(Exchange::ThreatExchange) => v1::ImportFormat::ThreatExchange,
        Written::Records(Exchange::Arachnid) => v1::ImportFormat::Arachnid,
        Written::Records(Exchange::Vics(table)) => {
            let category = |(model, number, of): (&str, i64, &Category)| v1::VicsCategory {
                model: model.to_owned(),
                number: i32::try_from(number).unwrap_or_default(),
                classification: of.class.clone(),
                taken: of.is_taken,
            };
            file.vics_categories = table.all().map(category).collect();
            v1::ImportFormat::Vics
        }
    };
    file.format = format.into();
    file
}

fn write_columns(columns: &Columns) -> v1::CsvColumns {
    v1::CsvColumns {
        value: columns.value.clone(),
        signal_type: columns.kind.clone(),
        quality: columns.quality.clone(),
        entry_id: columns.entry.clone(),
        source_record: columns.source_record.clone(),
        classification: columns.classification.clone(),
        tags: columns.tags.clone(),
        note: columns.note.clone(),
    }
}

fn read_categories(fields: &mut Fields, path: &str, sent: &[v1::VicsCategory]) -> CategoryTable {
    let mut table = CategoryTable::default();
    let mut seen = BTreeSet::new();
    if sent.is_empty() || sent.len() > CATEGORIES_MAX {
        let must = format!("must have 1 to {CATEGORIES_MAX} for a file of Project VIC");
        fields.fault(within(path, "vics_categories"), must);
        return table;
    }
    for (place, category) in sent.iter().enumerate() {
        let path = within(path, &format!("vics_categories[{place}]"));
        if category.model.is_empty() || category.model.len() > MODEL_BYTES_MAX {
            let must = format!("must have 1 to {MODEL_BYTES_MAX} bytes");
            fields.fault(format!("{path}.model"), must);
        }
        if category.classification.len() > WORDS_BYTES_MAX {
            let must = format!("must be at most {WORDS_BYTES_MAX} bytes long");
            fields.fault(format!("{path}.classification"), must);
        }
        if !seen.insert((category.model.to_ascii_lowercase(), category.number)) {
            fields.fault(format!("{path}.number"), "must not be named twice for a model");
        }
        let meaning = Category { class: category.classification.clone(), is_taken: category.taken };
        table = table.with(&category.model, category.number.into(), meaning);
    }
    table
}

fn read_columns(
    fields: &mut Fields,
    path: &str,
    sent: v1::CsvColumns,
    has_usual_type: bool,
) -> Option<Columns> {
    if sent.value.is_empty() {
        fields.fault(within(path, "columns.value"), "must be set");
    }
    if sent.signal_type.is_empty() && !has_usual_type {
        let must = format!("must be set where {path}.signal_type and {path}.custom_type are not");
        fields.fault(within(path, "columns.signal_type"), must);
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

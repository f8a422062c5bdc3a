//! How a file of signals, or of an exchange, is written, as flags.

use super::words;
use crate::proto::v1::{CsvColumns, FileExchange, ImportFormat, VicsCategory};
use std::path::Path;

/// How a file is written.
#[derive(Debug, Clone, clap::Args)]
pub struct FileArgs {
    /// How it is written: text has one value a line. Left out: csv where the file's name or a column flag says so, else text
    #[arg(long, value_parser = words::one_of(words::IMPORT_FORMATS))]
    pub format: Option<ImportFormat>,
    /// What a category of Project VIC means, as `US:1=CLASS`; `US:4=` is not taken. Files before version 2.0 are of the
    /// model `none`. Can be given several times
    #[arg(long = "category", value_name = "MODEL:NUMBER=CLASS", value_parser = category)]
    pub categories: Vec<VicsCategory>,
    /// Type of every value that has no type of its own: md5, sha1, sha256, pdq, vpdq_frame, photodna, account, url, term, tactic, or a custom name
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// The file is CSV; taken from a name that ends in .csv, and from any column flag
    #[arg(long)]
    pub csv: bool,
    /// CSV column of the value
    #[arg(long, value_name = "COLUMN", default_value = "value")]
    pub value_column: String,
    /// CSV column of the type
    #[arg(long, value_name = "COLUMN")]
    pub type_column: Option<String>,
    /// CSV column of a hash's quality
    #[arg(long, value_name = "COLUMN")]
    pub quality_column: Option<String>,
    /// CSV column of the entry's name
    #[arg(long, value_name = "COLUMN")]
    pub entry_column: Option<String>,
    /// CSV column of the source's own record name
    #[arg(long, value_name = "COLUMN")]
    pub record_column: Option<String>,
    /// CSV column of the content class
    #[arg(long, value_name = "COLUMN")]
    pub classification_column: Option<String>,
    /// CSV column of further labels, separated by `;`
    #[arg(long, value_name = "COLUMN")]
    pub tags_column: Option<String>,
    /// CSV column of a note
    #[arg(long, value_name = "COLUMN")]
    pub note_column: Option<String>,
}

impl FileArgs {
    /// What they say of a file of a name, in the words of the contract.
    #[must_use]
    pub fn written(&self, file: &Path) -> FileExchange {
        let columns = [
            &self.type_column,
            &self.quality_column,
            &self.entry_column,
            &self.record_column,
            &self.classification_column,
            &self.tags_column,
            &self.note_column,
        ];
        let is_csv = self.format == Some(ImportFormat::Csv)
            || self.csv
            || columns.iter().any(|column| column.is_some())
            || file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        let kind = self.kind.as_deref().unwrap_or_default();
        let known = words::find(words::SIGNALS, kind);
        let said = |column: &Option<String>| column.clone().unwrap_or_default();
        let usual = if is_csv { ImportFormat::Csv } else { ImportFormat::Text };
        let format = self.format.unwrap_or(usual);
        let is_csv = format == ImportFormat::Csv;
        FileExchange {
            format: format.into(),
            signal_type: known.map(i32::from).unwrap_or_default(),
            custom_type: if known.is_none() { kind.to_owned() } else { String::new() },
            columns: is_csv.then(|| CsvColumns {
                value: self.value_column.clone(),
                signal_type: said(&self.type_column),
                quality: said(&self.quality_column),
                entry_id: said(&self.entry_column),
                source_record: said(&self.record_column),
                classification: said(&self.classification_column),
                tags: said(&self.tags_column),
                note: said(&self.note_column),
            }),
            vics_categories: self.categories.clone(),
            ..FileExchange::default()
        }
    }
}

fn category(text: &str) -> Result<VicsCategory, String> {
    let bad = || "write it as US:1=CLASS".to_owned();
    let (model, rest) = text.split_once(':').ok_or_else(bad)?;
    let (number, class) = rest.split_once('=').ok_or_else(bad)?;
    let (model, classification) = (model.trim().to_owned(), class.trim().to_owned());
    let number = number.trim().parse().map_err(|_| bad())?;
    Ok(VicsCategory { model, number, taken: !classification.is_empty(), classification })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_read_and_one_without_a_class_is_not_taken() {
        let read = category("US:1=child abuse material").expect("a category");
        assert_eq!((read.model.as_str(), read.number, read.taken), ("US", 1, true));
        assert_eq!(read.classification, "child abuse material");
        assert!(!category("none:4=").expect("a category").taken);
        for bad in ["US", "US:1", "US=1", "US:x=y", ":"] {
            assert!(category(bad).is_err(), "{bad}");
        }
    }
}

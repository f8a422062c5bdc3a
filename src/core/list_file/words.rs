//! How a file of signals is described, and what can be wrong with it.

use crate::core::bank::EntryState;
use crate::core::signal::SignalType;
use crate::core::verdict::Provenance;
use serde::{Deserialize, Serialize};

/// Longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Most columns of a CSV file.
pub const COLUMNS_MAX: usize = 256;

/// Which column of a CSV file holds what, by the names in its first line; an empty name is no column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// The value; must be named.
    pub value: String,
    /// The type, in the words of [`SignalType`]'s text.
    pub kind: String,
    /// Quality, 0 to 100.
    pub quality: String,
    /// Name of the entry; lines that follow each other with one name make one entry.
    pub entry: String,
    /// The source's own record name.
    pub source_record: String,
    /// Content class in the source's words.
    pub classification: String,
    /// Labels, separated by `;`.
    pub tags: String,
    /// A note of the curators.
    pub note: String,
}

/// How a file is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Format {
    /// One value of this type a line; empty lines and lines that begin with `#` are passed over.
    Text(SignalType),
    /// CSV with a first line of names; the type is that of values without one of their own.
    Csv(Option<SignalType>, Columns),
}

/// What is the same for all entries of a file.
#[derive(Debug, Clone)]
pub struct Common {
    /// Where they come from, where a line does not say better.
    pub provenance: Provenance,
    /// Where they stand.
    pub state: EntryState,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// What it must be; never what it was.
    pub must: String,
}

/// Why a file cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFile {
    /// The first line lacks a column that the caller named.
    #[error("the first line has no column {0}")]
    NoColumn(String),
    /// More columns than are read.
    #[error("the first line must have at most {COLUMNS_MAX} columns")]
    TooManyColumns,
}

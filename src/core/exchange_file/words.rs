//! What a file of an exchange can be, what it tells beside its records, and what can be wrong with it as a whole.

use crate::core::exchange_file::category::CategoryTable;
use crate::core::time::Time;
use serde::{Deserialize, Serialize};

/// Longest record, in bytes.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting within a JSON record.
pub const JSON_DEPTH_MAX: usize = 32;
/// Deepest nesting of an XML file.
pub const XML_DEPTH_MAX: usize = 16;

/// Whose format a file has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Exchange {
    /// An answer of `entries` of the NCMEC hash sharing API, version 2: XML.
    Ncmec,
    /// Project VIC, versions 1.x and 2.0: JSON. What its categories mean is said by the operator.
    Vics(CategoryTable),
    /// An answer of `FetchHashes` of `StopNCII`: JSON.
    StopNcii,
    /// An answer of `threat_updates` of Meta's `ThreatExchange`: JSON.
    ThreatExchange,
    /// Answers of Arachnid Shield on media or on PDQ hashes: JSON, one behind the other.
    Arachnid,
}

impl Exchange {
    /// Whether its records are named by their values: such names are not shown to anybody.
    #[must_use]
    pub const fn names_values(&self) -> bool {
        match self {
            Self::StopNcii | Self::ThreatExchange | Self::Arachnid => true,
            Self::Ncmec | Self::Vics(_) => false,
        }
    }
}

/// What a file tells beside its records: where the source goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Page {
    /// Nothing.
    #[default]
    Nothing,
    /// An answer of NCMEC.
    Ncmec(NcmecPage),
    /// A file of Project VIC.
    Vics(VicsPage),
    /// An answer of `StopNCII`.
    StopNcii(StopNciiPage),
    /// An answer of `ThreatExchange`.
    ThreatExchange(ThreatExchangePage),
}

/// What an answer of NCMEC tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NcmecPage {
    /// How many images it says to have.
    pub images: Option<u64>,
    /// How many videos it says to have.
    pub videos: Option<u64>,
    /// The latest time of its records, as it says.
    pub time_max: Option<Time>,
    /// Where the next page is, relative to the base of the environment; it holds for the very range that was asked for.
    pub next: Option<String>,
}

/// What a file of Project VIC tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VicsPage {
    /// Version of the data model, as `2.0`.
    pub version: String,
    /// The country's model; [`NO_MODEL`](crate::core::exchange_file::NO_MODEL) where the file names none.
    pub model: String,
}

/// What an answer of `StopNCII` tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopNciiPage {
    /// How many records it says to have.
    pub count: Option<u64>,
    /// By what the next page is asked for; short-lived.
    pub next_page_token: Option<String>,
    /// From when to ask once all pages are read, in the source's own count.
    pub next_set_timestamp: Option<i64>,
    /// Whether there are further pages.
    pub has_more: Option<bool>,
}

/// What an answer of `ThreatExchange` tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThreatExchangePage {
    /// Address of the next page. It may hold a credential.
    pub next: Option<String>,
    /// Cursor behind the last record.
    pub after: Option<String>,
    /// The latest change among its records.
    pub updated_max: Option<Time>,
}

/// Why a file cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFile {
    /// It is not what its format asks for.
    #[error("must be {0}")]
    NotThis(&'static str),
    /// A field of the file itself comes twice: which of them holds is not known.
    #[error("must not have the field {0} twice")]
    Twice(&'static str),
    /// It has a document type: what its names stand for would be for the file to say.
    #[error("must not have a document type")]
    DocumentType,
    /// Project VIC: the file does not begin with what its categories mean.
    #[error(
        "must begin with @odata.context or odata.metadata, which names version, country model and Media or Cases"
    )]
    NoModel,
    /// Project VIC: the operator has not said what the categories of this model mean.
    #[error(
        "is of the country model {0}, whose categories are in no table: name one for each category of it, or the file cannot be read"
    )]
    UnknownModel(String),
}

//! Places in what sources tell that are asked page by page: from where each is asked on, also by another process.

use crate::core::time::Time;
use serde::{Deserialize, Serialize};

/// A place in what a source tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Place {
    /// Of NCMEC.
    Ncmec(NcmecPlace),
    /// Of `StopNCII`.
    StopNcii(StopNciiPlace),
    /// Of `ThreatExchange`.
    ThreatExchange(ThreatExchangePlace),
    /// Of a file.
    File(FilePlace),
}

impl Place {
    /// When everything was last heard that the source had to tell, if ever.
    #[must_use]
    pub const fn heard(&self) -> Option<Time> {
        match self {
            Self::Ncmec(place) => place.heard,
            Self::StopNcii(place) => place.heard,
            Self::ThreatExchange(place) => place.heard,
            Self::File(place) => place.heard,
        }
    }
}

/// A place in what NCMEC tells: ranges of time, within each of which entries come in no order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NcmecPlace {
    /// Everything that changed before this was taken in; whole seconds.
    pub from: Time,
    /// Width of the next range, in seconds, at least 1.
    pub width: u64,
    /// Ranges of few pages since the width last changed.
    pub light: u8,
    /// The range that is being taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// See [`Place::heard`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Time>,
}

/// A range of time that begins at [`NcmecPlace::from`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Its end.
    pub to: Time,
    /// Pages of it that were taken in.
    pub pages: u64,
    /// Where its next page is, by the source's own link: bound to this range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// When that link was given.
    pub given: Time,
}

/// A place in what `StopNCII` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopNciiPlace {
    /// From where it is asked, in its own count.
    pub start: i64,
    /// By what the next page of that is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// See [`Place::heard`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Time>,
}

/// A place in what `ThreatExchange` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreatExchangePlace {
    /// Everything that changed before this was taken in.
    pub since: Time,
    /// The latest change among the pages since.
    pub newest: Time,
    /// Behind which record the next page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// See [`Place::heard`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Time>,
}

/// Which state of a file was taken in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePlace {
    /// SHA-256 of it; empty before the first.
    #[serde(with = "hex::serde")]
    pub digest: Vec<u8>,
    /// Its size in bytes.
    pub size: u64,
    /// By what the source knows that state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// See [`Place::heard`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Time>,
}

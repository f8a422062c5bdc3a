//! What an exchange speaks: where it is, and by what it lets this service in.

use crate::core::exchange_file;
use crate::core::id::{BankId, PartnerId};
use crate::core::list_file;
use crate::core::refused::Refused;
use crate::core::time::Time;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use zeroize::Zeroize as _;

/// A text that only the service itself may read: a key, a password. `Debug` shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one who shows it to the other side.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Another service of this kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bulwark {
    /// Its address, `https://host:port`, or `http://` where it is on this machine.
    pub address: String,
    /// Certificates (PEM) that its own is checked against.
    pub ca: String,
    /// The key by which it knows this service.
    pub key: Secret,
    /// The name under which it knows this service as a partner.
    pub partner: PartnerId,
    /// Which of its banks.
    pub bank: BankId,
    /// Its name in what it signs.
    pub origin: String,
    /// Its Ed25519 public keys: in force, and those before or after where it changes them.
    #[serde(with = "super::partner::keys")]
    pub verifiers: Vec<[u8; 32]>,
}

/// Where a source is that is asked over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// What its addresses begin with, `https://host/path`, without a slash at its end; for a file its whole address.
    pub address: String,
    /// Certificates (PEM) that its own is checked against; where there are none, those of the public authorities.
    pub ca: String,
}

/// An environment of the NCMEC hash sharing API, version 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ncmec {
    /// Where.
    pub site: Site,
    /// By which name it knows this platform.
    pub username: String,
    /// And by which password.
    pub password: Secret,
    /// Members whose entries are taken; of all where none is named.
    pub members: Vec<String>,
    /// What changed before this is not asked for.
    pub since: Time,
    /// Reason of a negative vote, by name or GUID, where the reasons given here are none of the source's.
    pub negative_reason: String,
}

/// `StopNCII`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopNcii {
    /// Where.
    pub site: Site,
    /// Key of the end point that gives hashes.
    pub fetch_key: Secret,
    /// Key of the end point that takes feedback.
    pub feedback_key: Secret,
    /// Key of the subscription.
    pub subscription_key: Secret,
    /// Records of a page.
    pub page_size: u32,
    /// From where it is asked first, in its own count.
    pub start: i64,
}

/// A privacy group of Meta's `ThreatExchange`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreatExchange {
    /// Where, with the version of its API.
    pub site: Site,
    /// The group.
    pub privacy_group: String,
    /// By what it knows this platform.
    pub access_token: Secret,
    /// Types of indicators that are asked for; of all where none is named.
    pub types: Vec<String>,
    /// Records of a page.
    pub page_size: u32,
}

/// How a file is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Written {
    /// As a list of values.
    List(list_file::Format),
    /// As an exchange writes its records.
    Records(exchange_file::Exchange),
}

/// A file that says everything that its publisher lists: what is not in it any more is withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// Where; with `file:` it lies in the folder that the operator has set aside for that.
    pub site: Site,
    /// The header `Authorization` of the question; empty for none.
    pub authorization: Secret,
    /// How it is written.
    pub written: Written,
}

/// Arachnid Shield, which is asked about hashes while an item is screened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arachnid {
    /// Where.
    pub site: Site,
    /// By which name it knows this platform.
    pub username: String,
    /// And by which password.
    pub password: Secret,
    /// Longest wait for an answer.
    pub answer_time_max: Duration,
}

/// What an exchange speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// Another service of this kind.
    Bulwark(Box<Bulwark>),
    /// NCMEC hash sharing.
    Ncmec(Box<Ncmec>),
    /// `StopNCII`.
    StopNcii(Box<StopNcii>),
    /// Meta's `ThreatExchange`.
    ThreatExchange(Box<ThreatExchange>),
    /// A file, or what an address gives.
    File(Box<Publication>),
    /// Arachnid Shield.
    Arachnid(Box<Arachnid>),
}

impl Kind {
    /// What it is of the source's: where any of it changes, everything is taken in anew.
    #[must_use]
    pub fn about(&self) -> String {
        match self {
            Self::Bulwark(other) => format!("{}/{}", other.origin, other.bank),
            Self::Ncmec(other) => format!("ncmec {}", other.site.address),
            Self::StopNcii(other) => format!("stopncii {}", other.site.address),
            Self::ThreatExchange(other) => {
                format!("threatexchange {} {}", other.site.address, other.privacy_group)
            }
            Self::File(other) => format!("file {}", other.site.address),
            Self::Arachnid(other) => format!("arachnid {}", other.site.address),
        }
    }

    /// Where it is asked over HTTP, where it is.
    #[must_use]
    pub fn site(&self) -> Option<&Site> {
        match self {
            Self::Bulwark(_) => None,
            Self::Ncmec(other) => Some(&other.site),
            Self::StopNcii(other) => Some(&other.site),
            Self::ThreatExchange(other) => Some(&other.site),
            Self::File(other) => Some(&other.site),
            Self::Arachnid(other) => Some(&other.site),
        }
    }

    /// Whether screening asks it about each item, and nothing of it is fetched.
    #[must_use]
    pub const fn is_consulted(&self) -> bool {
        matches!(self, Self::Arachnid(_))
    }

    /// Whether it names its records by their values: such names are not shown to anybody.
    #[must_use]
    pub fn names_values(&self) -> bool {
        match self {
            Self::Bulwark(_) | Self::Ncmec(_) => false,
            Self::StopNcii(_) | Self::ThreatExchange(_) | Self::Arachnid(_) => true,
            Self::File(file) => match &file.written {
                Written::List(_) => true,
                Written::Records(exchange) => exchange.names_values(),
            },
        }
    }
}

/// A change of what lets this service in, or by what the other side is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// [`Bulwark::key`].
    BulwarkKey(Secret),
    /// [`Bulwark::verifiers`].
    BulwarkVerifiers(Vec<[u8; 32]>),
    /// [`Ncmec::username`].
    NcmecUsername(String),
    /// [`Ncmec::password`].
    NcmecPassword(Secret),
    /// [`StopNcii::fetch_key`].
    StopNciiFetchKey(Secret),
    /// [`StopNcii::feedback_key`].
    StopNciiFeedbackKey(Secret),
    /// [`StopNcii::subscription_key`].
    StopNciiSubscriptionKey(Secret),
    /// [`ThreatExchange::access_token`].
    ThreatExchangeToken(Secret),
    /// [`Publication::authorization`].
    FileAuthorization(Secret),
    /// [`Arachnid::username`].
    ArachnidUsername(String),
    /// [`Arachnid::password`].
    ArachnidPassword(Secret),
    /// [`Arachnid::answer_time_max`].
    ArachnidAnswerTime(Duration),
}

impl Kind {
    /// Takes a renewal.
    ///
    /// # Errors
    /// [`Refused::Field`] where it is of another kind.
    pub(super) fn renew(&mut self, renewal: Renewal) -> Result<(), Refused> {
        match (self, renewal) {
            (Self::Bulwark(other), Renewal::BulwarkKey(key)) => other.key = key,
            (Self::Bulwark(other), Renewal::BulwarkVerifiers(keys)) => other.verifiers = keys,
            (Self::Ncmec(other), Renewal::NcmecUsername(name)) => other.username = name,
            (Self::Ncmec(other), Renewal::NcmecPassword(password)) => other.password = password,
            (Self::StopNcii(other), Renewal::StopNciiFetchKey(key)) => other.fetch_key = key,
            (Self::StopNcii(other), Renewal::StopNciiFeedbackKey(key)) => other.feedback_key = key,
            (Self::StopNcii(other), Renewal::StopNciiSubscriptionKey(key)) => {
                other.subscription_key = key;
            }
            (Self::ThreatExchange(other), Renewal::ThreatExchangeToken(token)) => {
                other.access_token = token;
            }
            (Self::File(other), Renewal::FileAuthorization(text)) => other.authorization = text,
            (Self::Arachnid(other), Renewal::ArachnidUsername(name)) => other.username = name,
            (Self::Arachnid(other), Renewal::ArachnidPassword(word)) => other.password = word,
            (Self::Arachnid(other), Renewal::ArachnidAnswerTime(time)) => {
                other.answer_time_max = time;
            }
            _ => {
                let must = "must name fields of the kind that the exchange has".to_owned();
                return Err(Refused::Field("update_mask".to_owned(), must));
            }
        }
        Ok(())
    }
}

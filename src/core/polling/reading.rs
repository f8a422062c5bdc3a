//! What a source answers, as it is read: records, whatever the format.

use crate::core::bank::EntryState;
use crate::core::exchange::{Kind, Written};
use crate::core::exchange_file::{self, BadFile, ExchangeFile, Page, named_by_value};
use crate::core::intake::Draft;
use crate::core::list_file::{self, Common, ListFile};
use crate::core::record::{BadRecord, Listed, Record, RecordKey, Says, Unknown};
use crate::core::verdict::Provenance;

/// Records that are taken in at once, and about how many bytes of them.
const RECORDS_MUCH: usize = 1_000;
const BYTES_MUCH: usize = 1 << 20;

enum Syntax {
    List(Box<ListFile>),
    Records(Box<ExchangeFile>),
}

/// Why nothing more of an answer can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// As a list.
    #[error("it {0}")]
    List(#[from] list_file::BadFile),
    /// As an exchange's.
    #[error("it {0}")]
    Records(#[from] BadFile),
    /// It ended before its end.
    #[error("it ended before its end")]
    TornOff,
}

/// An answer as it is being read.
pub struct Reading {
    syntax: Syntax,
    members: Vec<String>,
}

impl Reading {
    /// An answer of a source of which nothing has come. Nothing for one that has no pages.
    #[must_use]
    pub fn of(kind: &Kind) -> Option<Self> {
        let records = |exchange| Syntax::Records(Box::new(ExchangeFile::new(exchange)));
        let members = match kind {
            Kind::Ncmec(of) => of.members.clone(),
            _ => Vec::new(),
        };
        let syntax = match kind {
            Kind::Bulwark(_) | Kind::Arachnid(_) => return None,
            Kind::Ncmec(_) => records(exchange_file::Exchange::Ncmec),
            Kind::StopNcii(_) => records(exchange_file::Exchange::StopNcii),
            Kind::ThreatExchange(_) => records(exchange_file::Exchange::ThreatExchange),
            Kind::File(file) => match &file.written {
                Written::Records(exchange) => records(exchange.clone()),
                Written::List(format) => {
                    let (provenance, state) = (Provenance::default(), EntryState::Proposed);
                    let list = ListFile::new(format.clone(), Common { provenance, state });
                    Syntax::List(Box::new(list))
                }
            },
        };
        Some(Self { syntax, members })
    }

    /// Takes the bytes that follow those before.
    ///
    /// # Errors
    /// [`Unreadable`]. What was read before can still be taken.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        match &mut self.syntax {
            Syntax::List(list) => Ok(list.feed(bytes)?),
            Syntax::Records(file) => Ok(file.feed(bytes)?),
        }
    }

    /// Takes the end.
    ///
    /// # Errors
    /// [`Unreadable::TornOff`] where it came too early, and as [`Self::feed`].
    pub fn end(&mut self) -> Result<(), Unreadable> {
        match &mut self.syntax {
            Syntax::List(list) => Ok(list.end()?),
            Syntax::Records(file) => {
                file.end()?;
                if file.is_whole() { Ok(()) } else { Err(Unreadable::TornOff) }
            }
        }
    }

    /// Whether so much was read that it should be taken.
    #[must_use]
    pub fn is_much(&self) -> bool {
        let (ready, bytes) = match &self.syntax {
            Syntax::List(list) => (list.ready(), list.ready_bytes()),
            Syntax::Records(file) => (file.ready(), file.ready_bytes()),
        };
        ready >= RECORDS_MUCH || bytes >= BYTES_MUCH
    }

    /// Records read so far and not yet taken, but for those of members that nobody wants.
    pub fn take(&mut self) -> Vec<Record> {
        let mut records = match &mut self.syntax {
            Syntax::List(list) => list.take().into_iter().filter_map(record_of).collect(),
            Syntax::Records(file) => file.take(),
        };
        if !self.members.is_empty() {
            let member = |record: &Record| {
                let key = record.key.as_str();
                key.split_once('/').map_or_else(String::new, |(member, _)| member.to_owned())
            };
            records.retain(|record| self.members.contains(&member(record)));
        }
        records
    }

    /// What was found unreadable so far and not yet taken.
    pub fn take_bad(&mut self) -> Vec<BadRecord> {
        match &mut self.syntax {
            Syntax::List(list) => {
                let bad = list.take_bad().into_iter();
                bad.map(|bad| BadRecord { place: bad.line, must: bad.must }).collect()
            }
            Syntax::Records(file) => {
                // A record that was taken without a part of it is taken.
                file.take_bad_parts();
                file.take_bad()
            }
        }
    }

    /// What is not known here, so far.
    #[must_use]
    pub fn unknown(&self) -> Unknown {
        match &self.syntax {
            Syntax::List(_) => Unknown::new(),
            Syntax::Records(file) => file.unknown().clone(),
        }
    }

    /// Where the source says to go on.
    #[must_use]
    pub fn page(&self) -> &Page {
        match &self.syntax {
            Syntax::List(_) => &Page::Nothing,
            Syntax::Records(file) => file.page(),
        }
    }
}

/// A line of a list as a record: named as the list names the entry, or by its first value.
fn record_of(draft: Draft) -> Option<Record> {
    let wanted = draft.wanted;
    let key = match &wanted.id {
        Some(id) => format!("entry/{id}"),
        None => {
            let signal = &wanted.signals.first()?.signal;
            named_by_value(&signal.kind().to_string().to_ascii_lowercase(), &signal.text())
        }
    };
    let listed = Listed {
        signals: wanted.signals,
        organisation: wanted.provenance.source_organisation,
        classification: wanted.provenance.classification,
        tags: wanted.provenance.tags,
        ..Listed::default()
    };
    let says = Says::Listed(Box::new(listed));
    Some(Record { place: draft.line, key: RecordKey::parse(&key)?, updated: None, says })
}

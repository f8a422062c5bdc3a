//! Files of hash exchanges, read as they come: one record at a time is held, whatever the file's size.
//!
//! A record that cannot be read is named and does not keep the others out. What is not known is counted: it is never read
//! as if an item were not listed. See `docs/decisions/0020-records.md`.

mod category;
mod words;
mod item;
mod out;
mod loose;
mod split;
mod envelope;
mod markup;
mod node;
mod ncmec;
mod vics;
mod stopncii;
mod threatexchange;
mod arachnid;

use crate::core::record::{BadRecord, Record, Unknown};
pub use category::{Category, CategoryTable, NO_MODEL};
use out::Out;
pub use out::named_by_value;
pub use words::{
    BadFile, Exchange, JSON_DEPTH_MAX, NcmecPage, Page, RECORD_BYTES_MAX, StopNciiPage,
    ThreatExchangePage, VicsPage, XML_DEPTH_MAX,
};

/// How a file is split, and what is remembered of it beside its records.
enum Syntax {
    Ncmec(markup::Splitter),
    Vics(split::Splitter, CategoryTable, vics::State),
    StopNcii(split::Splitter, Vec<&'static str>),
    ThreatExchange(split::Splitter, Vec<&'static str>),
    Arachnid(split::Splitter, arachnid::Gathered),
}

/// A file as it is being read.
pub struct ExchangeFile {
    syntax: Syntax,
    page: Page,
    out: Out,
    is_whole: bool,
}

/// Takes bytes, or the end where there are none.
macro_rules! take {
    ($splitter:expr, $to:expr, $bytes:expr) => {
        match $bytes {
            Some(bytes) => $splitter.feed(bytes, &mut $to).map(|()| false),
            None => $splitter.end(&mut $to),
        }
    };
}

impl ExchangeFile {
    /// A file of which nothing has come.
    #[must_use]
    pub fn new(exchange: Exchange) -> Self {
        let split = split::Splitter::new;
        let (syntax, page) = match exchange {
            Exchange::Ncmec => {
                (Syntax::Ncmec(markup::Splitter::new()), Page::Ncmec(NcmecPage::default()))
            }
            Exchange::Vics(table) => (
                Syntax::Vics(split(), table, vics::State::default()),
                Page::Vics(VicsPage::default()),
            ),
            Exchange::StopNcii => {
                (Syntax::StopNcii(split(), Vec::new()), Page::StopNcii(StopNciiPage::default()))
            }
            Exchange::ThreatExchange => (
                Syntax::ThreatExchange(split(), Vec::new()),
                Page::ThreatExchange(ThreatExchangePage::default()),
            ),
            Exchange::Arachnid => {
                (Syntax::Arachnid(split(), arachnid::Gathered::default()), Page::Nothing)
            }
        };
        Self { syntax, page, out: Out::default(), is_whole: false }
    }

    /// Takes the bytes that follow those before.
    ///
    /// # Errors
    /// [`BadFile`] where nothing more of the file can be read. What was read before can still be taken.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), BadFile> {
        self.go(Some(bytes)).map(|_| ())
    }

    /// Takes the end of the file. One that ends too early is named like a bad record; see [`Self::is_whole`].
    ///
    /// # Errors
    /// As [`Self::feed`].
    pub fn end(&mut self) -> Result<(), BadFile> {
        self.is_whole = self.go(None)?;
        if !self.is_whole {
            self.out.place += 1;
            self.out
                .refuse("the file must not end before its end: what it had further was not read");
        }
        Ok(())
    }

    fn go(&mut self, bytes: Option<&[u8]>) -> Result<bool, BadFile> {
        let out = &mut self.out;
        match (&mut self.syntax, &mut self.page) {
            (Syntax::Ncmec(splitter), Page::Ncmec(page)) => {
                take!(splitter, ncmec::Ncmec { out, page }, bytes)
            }
            (Syntax::Vics(splitter, table, state), Page::Vics(page)) => {
                take!(splitter, vics::Vics { out, page, state, table }, bytes)
            }
            (Syntax::StopNcii(splitter, seen), Page::StopNcii(page)) => {
                take!(splitter, stopncii::StopNcii { out, page, seen }, bytes)
            }
            (Syntax::ThreatExchange(splitter, seen), Page::ThreatExchange(page)) => {
                take!(splitter, threatexchange::ThreatExchange { out, page, seen }, bytes)
            }
            (Syntax::Arachnid(splitter, answer), _) => {
                take!(splitter, arachnid::Arachnid { out, answer }, bytes)
            }
            // Syntax and page are made together and stay.
            _ => Ok(false),
        }
    }

    /// Records read so far and not yet taken.
    pub fn take(&mut self) -> Vec<Record> {
        self.out.read_bytes = 0;
        std::mem::take(&mut self.out.read)
    }

    /// Number of records that [`Self::take`] would give.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.out.read.len()
    }

    /// Bytes of the records that [`Self::take`] would give, about.
    #[must_use]
    pub fn ready_bytes(&self) -> usize {
        self.out.read_bytes
    }

    /// Records that were found unreadable so far and not yet taken.
    pub fn take_bad(&mut self) -> Vec<BadRecord> {
        std::mem::take(&mut self.out.bad)
    }

    /// Parts that were found unreadable, of records that were read without them, so far and not yet taken.
    pub fn take_bad_parts(&mut self) -> Vec<BadRecord> {
        std::mem::take(&mut self.out.bad_parts)
    }

    /// What is not known here, so far.
    #[must_use]
    pub fn unknown(&self) -> &Unknown {
        &self.out.unknown
    }

    /// How many answers say that nothing is known of an item.
    #[must_use]
    pub fn not_listed(&self) -> u64 {
        self.out.not_listed
    }

    /// What the file tells beside its records. All of it is known at the end.
    #[must_use]
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// Whether the file had its end: a source must not be asked on from one that had not.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Bytes held of the record that is being read.
    #[cfg(test)]
    fn held(&self) -> usize {
        match &self.syntax {
            Syntax::Ncmec(splitter) => splitter.held(),
            Syntax::Vics(splitter, ..)
            | Syntax::StopNcii(splitter, _)
            | Syntax::ThreatExchange(splitter, _) => splitter.held(),
            Syntax::Arachnid(splitter, answer) => splitter.held() + answer.held(),
        }
    }
}

#[cfg(test)]
mod tests;

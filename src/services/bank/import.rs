//! Files of signals and of exchanges, taken into a bank as they come.

mod keeping;

use crate::core::curation::existing_bank;
use crate::core::event::ENTRIES_PER_EVENT_MAX;
use crate::core::exchange_file::ExchangeFile;
use crate::core::intake::{Draft, Source};
use crate::core::list_file::ListFile;
use crate::core::record::{Record, Says};
use crate::proto::v1;
use crate::services::bank::parse::{ImportOpening, Imported, Written};
use crate::services::desk::{CHUNK_BYTES_MAX, Call, Desk};
use crate::services::status::{Reason, Refusal};
use keeping::{GROUP_BYTES, Group, Keeping, REFUSALS_MAX, Tally};
use std::sync::Arc;

/// A file as it is being read.
enum File {
    /// A list of values.
    List(Box<ListFile>),
    /// Records of a source.
    Records(Box<ExchangeFile>, Arc<Source>),
}

/// What was read of a file and not yet kept.
enum Read {
    Drafts(Vec<Draft>),
    Records(Arc<Source>, Vec<Record>),
}

/// Where something cannot be taken, and what it must be.
type Faults = Vec<(u64, String)>;

/// An import so far.
pub struct Import {
    desk: Desk,
    call: Call,
    opened: Option<(File, Keeping)>,
    chunks: u64,
    answer: v1::ImportEntriesResponse,
}

impl Import {
    /// An import of which nothing has come.
    #[must_use]
    pub fn new(desk: Desk, call: &Call) -> Self {
        let answer = v1::ImportEntriesResponse::default();
        Self { desk, call: call.clone(), opened: None, chunks: 0, answer }
    }

    /// Takes a message.
    ///
    /// # Errors
    /// A refusal that ends the import; what was taken until then stays taken.
    pub async fn on(&mut self, message: Imported) -> Result<(), Refusal> {
        match message {
            Imported::Open(opening) => self.open(*opening).await,
            Imported::Chunk(number, data) => self.chunk(number, &data).await,
        }
    }

    async fn open(&mut self, opening: ImportOpening) -> Result<(), Refusal> {
        if self.opened.is_some() {
            return Err(order("only the first message may open"));
        }
        let ImportOpening { bank, written } = opening;
        let present = self.desk.store.bank(&self.call.caller.scope, &bank).await?;
        existing_bank(present, &bank)?;
        let file = match written {
            Written::List(list) => {
                let (format, common) = *list;
                File::List(Box::new(ListFile::new(format, common)))
            }
            Written::Records(exchange, source) => {
                File::Records(Box::new(ExchangeFile::new(exchange)), Arc::new(source))
            }
        };
        let keeping = Keeping::begin(self.desk.clone(), self.call.clone(), bank);
        self.opened = Some((file, keeping));
        Ok(())
    }

    async fn chunk(&mut self, number: u64, data: &[u8]) -> Result<(), Refusal> {
        let Some((file, _)) = &mut self.opened else {
            return Err(order("the first message must open"));
        };
        if number != self.chunks + 1 {
            return Err(order(format!("chunk {} must come next", self.chunks + 1)));
        }
        if data.is_empty() || data.len() as u64 > CHUNK_BYTES_MAX {
            let must = format!("must have 1 to {CHUNK_BYTES_MAX} bytes");
            return Err(Refusal::fields(vec![("chunk.data".to_owned(), must)]));
        }
        self.chunks = number;
        let fed = file.feed(data);
        let is_much = file.is_much();
        // Named or counted at once: a file of nothing but bad lines must not gather in memory.
        self.refuse_bad();
        if is_much || fed.is_err() {
            self.keep_ready().await?;
        }
        fed
    }

    /// Takes the end of the file, and gives the answer.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub async fn end(mut self) -> Result<v1::ImportEntriesResponse, Refusal> {
        let Some((file, _)) = &mut self.opened else {
            return Err(order("the first message must open"));
        };
        let ended = file.end();
        self.refuse_bad();
        self.keep_ready().await?;
        let Some((file, keeping)) = self.opened.take() else { return Ok(self.answer) };
        let Tally { intake, refused, number } = keeping.end().await?;
        ended?;
        for (place, _, must) in intake.refused {
            self.refuse(place, 0, must);
        }
        self.answer.refused_count += refused;
        self.answer.taken_count = intake.taken;
        self.answer.replaced_count = intake.replaced;
        self.answer.withdrawn_count = intake.withdrawn;
        self.answer.already_present_count = intake.already_present;
        self.answer.tombstoned_count = intake.tombstoned;
        if let File::Records(file, _) = &file {
            self.answer.not_listed_count = file.not_listed();
            let unknown = file.unknown().iter();
            self.answer.unknown = unknown
                .map(|(what, count)| v1::ImportUnknown { what: what.clone(), count: *count })
                .collect();
        }
        self.answer.refusals.sort_by_key(|refusal| refusal.line_number);
        let applied = || self.desk.store.resident().read().applied();
        self.answer.journal_number = number.unwrap_or_else(applied);
        Ok(self.answer)
    }

    fn refuse_bad(&mut self) {
        let Some((file, _)) = &mut self.opened else { return };
        let (bad, bad_parts) = file.take_bad();
        for (place, must) in bad {
            self.refuse(place, 1, must);
        }
        for (line_number, reason) in bad_parts {
            self.answer.partly_refused_count += 1;
            if self.answer.partial_refusals.len() < REFUSALS_MAX {
                self.answer.partial_refusals.push(v1::ImportRefusal { line_number, reason });
            }
        }
    }

    fn refuse(&mut self, line_number: u64, lines: u64, reason: String) {
        self.answer.refused_count += lines;
        if self.answer.refusals.len() < REFUSALS_MAX {
            self.answer.refusals.push(v1::ImportRefusal { line_number, reason });
        }
    }

    async fn keep_ready(&mut self) -> Result<(), Refusal> {
        let Some((file, keeping)) = &mut self.opened else { return Ok(()) };
        match file.take() {
            Read::Drafts(drafts) => {
                for group in groups(drafts, Draft::bytes) {
                    keeping.take(Group::Drafts(group)).await?;
                }
            }
            Read::Records(source, records) => {
                for group in groups(records, record_bytes) {
                    keeping.take(Group::Records(Arc::clone(&source), group)).await?;
                }
            }
        }
        Ok(())
    }
}

/// Parts that each make one event.
fn groups<T>(all: Vec<T>, bytes_of: fn(&T) -> usize) -> impl Iterator<Item = Vec<T>> {
    let mut all = all.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let group = std::iter::from_fn(|| {
            let more = bytes < GROUP_BYTES;
            all.next_if(|_| more).inspect(|one| bytes += bytes_of(one))
        });
        Some(group.take(ENTRIES_PER_EVENT_MAX).collect::<Vec<_>>())
            .filter(|group| !group.is_empty())
    })
}

/// Bytes of a record's values and words, about.
fn record_bytes(record: &Record) -> usize {
    match &record.says {
        Says::Listed(listed) => listed.bytes() + record.key.as_str().len(),
        Says::Withdrawn | Says::Absent => record.key.as_str().len(),
    }
}

impl File {
    fn feed(&mut self, data: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::List(file) => file.feed(data).map_err(|fault| refuse_file(&fault.to_string())),
            Self::Records(file, _) => {
                file.feed(data).map_err(|fault| refuse_file(&fault.to_string()))
            }
        }
    }

    fn end(&mut self) -> Result<(), Refusal> {
        match self {
            Self::List(file) => file.end().map_err(|fault| refuse_file(&fault.to_string())),
            Self::Records(file, _) => file.end().map_err(|fault| refuse_file(&fault.to_string())),
        }
    }

    /// Whether there is enough to make an event.
    fn is_much(&self) -> bool {
        let (ready, bytes) = match self {
            Self::List(file) => (file.ready(), file.ready_bytes()),
            Self::Records(file, _) => (file.ready(), file.ready_bytes()),
        };
        ready >= ENTRIES_PER_EVENT_MAX || bytes >= GROUP_BYTES
    }

    fn take(&mut self) -> Read {
        match self {
            Self::List(file) => Read::Drafts(file.take()),
            Self::Records(file, source) => Read::Records(Arc::clone(source), file.take()),
        }
    }

    /// What could not be read: lines or records, and parts of records.
    fn take_bad(&mut self) -> (Faults, Faults) {
        match self {
            Self::List(file) => {
                let bad = file.take_bad().into_iter().map(|bad| (bad.line, bad.must));
                (bad.collect(), Vec::new())
            }
            Self::Records(file, _) => {
                let bad = file.take_bad().into_iter().map(|bad| (bad.place, bad.must));
                let parts = file.take_bad_parts().into_iter().map(|bad| (bad.place, bad.must));
                (bad.collect(), parts.collect())
            }
        }
    }
}

fn order(message: impl Into<String>) -> Refusal {
    Refusal::new(Reason::StreamOrder, message)
}

fn refuse_file(fault: &str) -> Refusal {
    Refusal::fields(vec![("chunk.data".to_owned(), format!("cannot be read: {fault}"))])
}

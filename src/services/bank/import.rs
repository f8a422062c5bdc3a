//! Files of signals, taken into a bank as they come.

use crate::core::access::Scope;
use crate::core::bank::Entry;
use crate::core::curation::{Draft, Intake, existing_bank, take_in};
use crate::core::event::{ENTRIES_PER_EVENT_MAX, Event};
use crate::core::id::{BankId, EntryId};
use crate::core::list_file::{BadFile, ListFile};
use crate::core::signal::Signal;
use crate::io::store::Tx;
use crate::proto::v1;
use crate::services::bank::parse::{ImportOpening, Imported};
use crate::services::desk::{CHUNK_BYTES_MAX, Call, Desk, Keep};
use crate::services::status::{Reason, Refusal};
use parking_lot::Mutex;
use std::sync::Arc;

/// Bytes of values and words that are kept together, about: one event must stay a size that any database takes.
const GROUP_BYTES: usize = 1 << 20;
/// Refused lines that are named in the answer.
const REFUSALS_MAX: usize = 100;

/// An import so far.
pub struct Import {
    desk: Desk,
    scope: Scope,
    opened: Option<(BankId, ListFile)>,
    chunks: u64,
    answer: v1::ImportEntriesResponse,
}

impl Import {
    /// An import of which nothing has come.
    #[must_use]
    pub fn new(desk: Desk, call: &Call) -> Self {
        let answer = v1::ImportEntriesResponse::default();
        Self { desk, scope: call.caller.scope.clone(), opened: None, chunks: 0, answer }
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
        let present = self.desk.store.bank(&self.scope, &opening.bank).await?;
        existing_bank(present, &opening.bank)?;
        let file = ListFile::new(opening.format, opening.common);
        self.opened = Some((opening.bank, file));
        Ok(())
    }

    async fn chunk(&mut self, number: u64, data: &[u8]) -> Result<(), Refusal> {
        let Some((_, file)) = &mut self.opened else {
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
        file.feed(data).map_err(|fault| refuse_file(&fault))?;
        let is_much = file.ready() >= ENTRIES_PER_EVENT_MAX || file.ready_bytes() >= GROUP_BYTES;
        let bad = file.take_bad();
        // Named or counted at once: a file of nothing but bad lines must not gather in memory.
        for bad in bad {
            self.refuse(bad.line, 1, bad.must);
        }
        if is_much { self.keep_ready().await } else { Ok(()) }
    }

    /// Takes the end of the file, and gives the answer.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub async fn end(mut self) -> Result<v1::ImportEntriesResponse, Refusal> {
        let Some((_, file)) = &mut self.opened else {
            return Err(order("the first message must open"));
        };
        file.end().map_err(|fault| refuse_file(&fault))?;
        self.keep_ready().await?;
        self.answer.refusals.sort_by_key(|refusal| refusal.line_number);
        if self.answer.journal_number == 0 {
            self.answer.journal_number = self.desk.store.resident().read().applied();
        }
        Ok(self.answer)
    }

    async fn keep_ready(&mut self) -> Result<(), Refusal> {
        let Some((bank, file)) = &mut self.opened else { return Ok(()) };
        let (bank, drafts, bad) = (bank.clone(), file.take(), file.take_bad());
        for bad in bad {
            self.refuse(bad.line, 1, bad.must);
        }
        let mut drafts = drafts.into_iter().peekable();
        while drafts.peek().is_some() {
            let mut bytes = 0;
            let group: Vec<_> = std::iter::from_fn(|| {
                let more = bytes < GROUP_BYTES;
                drafts.next_if(|_| more).inspect(|draft| bytes += draft.bytes())
            })
            .take(ENTRIES_PER_EVENT_MAX)
            .collect();
            let (number, intake) = self.keep(bank.clone(), group).await?;
            self.answer.taken_count += intake.taken;
            self.answer.already_present_count += intake.already_present;
            self.answer.tombstoned_count += intake.tombstoned;
            self.answer.journal_number = number.unwrap_or(self.answer.journal_number);
            for (line, lines, must) in intake.refused {
                self.refuse(line, lines, must);
            }
        }
        Ok(())
    }

    fn refuse(&mut self, line_number: u64, lines: u64, reason: String) {
        self.answer.refused_count += lines;
        if self.answer.refusals.len() < REFUSALS_MAX {
            self.answer.refusals.push(v1::ImportRefusal { line_number, reason });
        }
    }

    async fn keep(
        &self,
        bank: BankId,
        drafts: Vec<Draft>,
    ) -> Result<(Option<u64>, Intake), Refusal> {
        let scope = self.scope.clone();
        let taken: Arc<Mutex<Intake>> = Arc::default();
        let result = Arc::clone(&taken);
        let answer = self.desk.keep_change(None, move |tx| {
            Box::pin(async move {
                *result.lock() = take_group(tx, &scope, &bank, drafts).await?;
                Ok(Vec::new())
            })
        });
        let number = answer.await?.number;
        let intake = std::mem::take(&mut *taken.lock());
        Ok((number, intake))
    }
}

/// Takes up to [`ENTRIES_PER_EVENT_MAX`] drafts in, as one event.
async fn take_group(tx: &mut Tx, scope: &Scope, bank: &BankId, drafts: Vec<Draft>) -> Keep<Intake> {
    let settings = existing_bank(tx.bank(scope, bank).await?, bank)?;
    let signals: Vec<Signal> = drafts
        .iter()
        .flat_map(|draft| draft.wanted.signals.iter().map(|banked| banked.signal.clone()))
        .collect();
    let known = tx.entries_by_signal(scope, bank, &signals).await?;
    let mut names = Vec::with_capacity(drafts.len());
    for draft in &drafts {
        names.push(match &draft.wanted.id {
            Some(id) => tx.entry(scope, bank, id).await?.is_some(),
            None => false,
        });
    }
    let (now, fresh) = (tx.now(), || EntryId::parse(&tx.fresh_id()).ok());
    let mut intake = take_in(&settings, drafts, &known, &names, fresh, now);
    let entries: Vec<Entry> = std::mem::take(&mut intake.entries);
    if !entries.is_empty() {
        let (scope, bank) = (scope.clone(), bank.clone());
        tx.record(Event::EntriesPut { scope, bank, entries, at: now }).await?;
    }
    Ok(intake)
}

fn order(message: impl Into<String>) -> Refusal {
    Refusal::new(Reason::StreamOrder, message)
}

fn refuse_file(fault: &BadFile) -> Refusal {
    Refusal::fields(vec![("chunk.data".to_owned(), format!("cannot be read: {fault}"))])
}

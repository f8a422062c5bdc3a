//! What the thread of look-back has, and how it reads the journal.

use super::super::dialect::Conn;
use super::super::error::StoreError;
use super::super::inbox::Shared;
use super::super::journal;
use super::super::replica::Name;
use super::super::settings::Settings;
use super::ask::Figures;
use super::log::Log;
use super::{pairs, rows};
use crate::core::access::Scope;
use crate::core::event::{Event, EventKind};
use crate::core::hamming::Scratch;
use crate::core::journal::envelope::event_kind_code;
use crate::core::lookback::{Banks, Screened};
use crate::core::matcher::window::Gathered;
use crate::io::clock::Clock;
use crate::io::seal::KeyRing;
use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

/// Events that are heeded before anything else gets a turn.
const EVENTS_MAX: u64 = 32;
/// Kinds of events that are heeded.
const HEEDED: [EventKind; 3] = [EventKind::BankPut, EventKind::BankDeleted, EventKind::EntriesPut];

/// An item on its way, with the bytes that it was counted for.
pub type Waiting = (Box<Screened>, u64);

/// Items that wait to be written.
#[derive(Default)]
pub struct Batch {
    pub(super) items: Vec<Waiting>,
    since: Option<Instant>,
}

impl Batch {
    /// Adds an item.
    pub fn push(&mut self, item: Box<Screened>, bytes: u64) {
        self.since.get_or_insert_with(Instant::now);
        self.items.push((item, bytes));
    }

    /// Number of items.
    pub const fn len(&self) -> usize {
        self.items.len()
    }

    /// Since when the first one waits.
    pub const fn since(&self) -> Option<Instant> {
        self.since
    }
}

/// Logs of processes that are gone, and since when that was seen.
pub type Left = HashMap<u64, Instant>;

/// Sheets that become one on a thread of their own.
pub struct Gathering {
    pub(super) log: u64,
    pub(super) scope: Scope,
    pub(super) running: JoinHandle<Gathered>,
}

/// The thread and what it has.
pub struct Worker {
    pub(super) settings: Settings,
    pub(super) keys: Arc<KeyRing>,
    pub(super) clock: Clock,
    pub(super) shared: Arc<Shared>,
    /// Who this process is among those that share a database; nothing where there are no others.
    pub(super) owner: Vec<u8>,
    pub(super) figures: Arc<Figures>,
    /// Where the rows of look-back are.
    pub(super) conn: Option<Conn>,
    /// Where the journal is.
    pub(super) main: Option<Conn>,
    pub(super) logs: Vec<Log>,
    /// Whether the logs of this process were looked up.
    pub(super) opened: bool,
    /// The banks, and up to which event they were taken into account.
    pub(super) banks: Option<(Banks, u64)>,
    pub(super) scratch: Scratch,
    pub(super) batch: Batch,
    pub(super) gathering: Option<Gathering>,
    pub(super) left: Left,
    pub(super) tidied: Option<Instant>,
    pub(super) failing: bool,
}

impl Worker {
    /// A thread that has done nothing yet.
    pub fn new(
        settings: Settings,
        keys: Arc<KeyRing>,
        clock: Clock,
        shared: Arc<Shared>,
        name: Option<&Name>,
        figures: Arc<Figures>,
    ) -> Self {
        Self {
            settings,
            keys,
            clock,
            shared,
            owner: name.map(|name| name.bytes().to_vec()).unwrap_or_default(),
            figures,
            conn: None,
            main: None,
            logs: Vec::new(),
            opened: false,
            banks: None,
            scratch: Scratch::default(),
            batch: Batch::default(),
            gathering: None,
            left: Left::default(),
            tidied: None,
            failing: false,
        }
    }

    /// Whether others may share the database.
    pub(super) const fn has_others(&self) -> bool {
        !self.owner.is_empty()
    }

    /// Others took a log over, or it is not known what was written: what is in memory is read again.
    pub(super) fn start_over(&mut self) {
        self.logs.clear();
        self.gathering = None;
        self.opened = false;
    }

    /// Takes a log of this process that was not in memory.
    pub(super) async fn take_log(&mut self, row: &rows::LogRow) -> Result<(), StoreError> {
        if self.logs.iter().any(|log| log.log == row.log) {
            return Ok(());
        }
        let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
        let last = rows::last(conn, row.log).await?;
        let sweeps = pairs::sweeps(conn, row.log).await?;
        let mut log = Log::new(row, last, sweeps);
        if log.searched > self.shared.memory.read().applied() {
            // The journal was set back: nothing of it can be taken for searched.
            log.searched = 0;
        }
        self.logs.push(log);
        Ok(())
    }

    /// The banks as of some event, for whoever needs them; up to where they were taken into account.
    pub(super) fn know_banks(&mut self) -> u64 {
        let (_, taken) = self.banks.get_or_insert_with(|| {
            let resident = self.shared.memory.read();
            (Banks::of(&resident), resident.applied())
        });
        *taken
    }

    /// The next events behind a number that are of account, and up to where there are no others.
    pub(super) async fn events(
        &mut self,
        after: u64,
        until: u64,
    ) -> Result<(Vec<(u64, Event)>, u64), StoreError> {
        let conn = self.main.as_mut().ok_or(StoreError::Broken)?;
        let mut values = vec![after.into(), until.into(), EVENTS_MAX.into()];
        values.extend(HEEDED.map(|kind| u64::from(event_kind_code(kind)).into()));
        let sql = "SELECT number FROM journal WHERE number > $1 AND number <= $2 \
                   AND kind IN ($4, $5, $6) ORDER BY number LIMIT $3";
        let found = conn.rows(sql, values).await?;
        let mut events = Vec::with_capacity(found.len());
        for row in &found {
            let number = row.number(0)?;
            let recorded = journal::event(conn, &self.keys, number).await?;
            let recorded = recorded.ok_or(StoreError::Corrupt("journal is not dense"))?;
            events.extend(recorded.event.map(|event| (number, event)));
        }
        let is_full = found.len() as u64 == EVENTS_MAX;
        let last = found.last().map(|row| row.number(0)).transpose()?;
        Ok((events, if is_full { last.unwrap_or(until) } else { until }))
    }
}

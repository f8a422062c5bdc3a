//! Writing items that were screened: into rows, into the window, and past what was learned while they were on their way.

use super::super::dialect::Conn;
use super::super::error::StoreError;
use super::log::Log;
use super::pairs;
use super::rows::{self, LogRow};
use super::worker::{Batch, Worker};
use crate::core::access::Scope;
use crate::core::lookback::{Screened, pair_id};
use crate::core::time::Time;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// For how long an item that was forgotten is not taken that was on its way then.
pub(super) const UNWANTED: Duration = Duration::from_secs(120);

/// What becomes of the items of a batch.
struct Sorted<'b> {
    /// To be written, with what their verdicts told.
    new: Vec<(rows::New, &'b Screened)>,
    /// Known already, with log and number.
    known: Vec<(rows::New, &'b Screened, (u64, u64))>,
}

impl Worker {
    /// Writes what waits. Where it fails everything waits on.
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        if self.batch.items.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        match self.write(&batch).await {
            Ok(()) => {
                let bytes = batch.items.iter().map(|(_, bytes)| bytes).sum();
                self.figures.waiting.fetch_sub(bytes, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                // What came meanwhile is nothing: only this thread takes items in.
                self.batch = batch;
                Err(error)
            }
        }
    }

    async fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let (_, bytes) = self
            .logs
            .iter()
            .map(Log::size)
            .fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1 as u64));
        if bytes > self.settings.lookback_memory_bytes_max {
            self.figures.crowded.fetch_add(batch.len() as u64, Ordering::Relaxed);
            return Ok(());
        }
        let at = self.own_log().await?;
        let (log, next) = (self.logs[at].log, self.logs[at].next);
        let sorted = self.sort(batch, (log, next)).await?;
        let index = sorted.new.iter().map(|(_, item)| item.index).min();
        let searched = self.logs[at].searched;
        let lowest = searched.min(index.unwrap_or(searched));
        let epoch = self.clock.fresh_id();
        let now = self.clock.now();
        let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
        conn.begin("SELECT 1").await?;
        let written = async {
            // Until it was searched for what was learned meanwhile, the log counts as searched to here only.
            rows::hold(conn, log, &self.owner, lowest).await?;
            let (new, items): (Vec<_>, Vec<_>) = sorted.new.into_iter().unzip();
            rows::insert(conn, &self.keys, log, &new).await?;
            for (row, _, place) in &sorted.known {
                rows::renew(conn, &self.keys, *place, row).await?;
            }
            let told = new.iter().zip(&items).map(|(row, item)| (log, row.number, *item));
            let known = sorted.known.iter().map(|(_, item, place)| (place.0, place.1, *item));
            tell(conn, &self.keys, &epoch, told.chain(known), now).await?;
            Ok((new, items))
        };
        let (new, items) = match written.await {
            Ok(written) => written,
            Err(error) => {
                conn.roll_back().await;
                return Err(error);
            }
        };
        if let Err(error) = conn.commit().await {
            // They may have been written: whoever reads the log again finds out.
            self.start_over();
            return Err(error);
        }
        self.logs[at].told = lowest;
        self.join(at, &new, &items);
        let Some(index) = index.filter(|index| *index < searched) else { return Ok(()) };
        let caught_up = self.catch_up(at, index, searched, next).await;
        if caught_up.is_err() {
            // All of it is searched again from there.
            self.logs[at].searched = lowest;
        }
        caught_up
    }

    /// Puts items into memory.
    fn join(&mut self, at: usize, new: &[rows::New], items: &[&Screened]) {
        let log = &mut self.logs[at];
        let mut by_scope: HashMap<&Scope, Vec<_>> = HashMap::new();
        for (row, item) in new.iter().zip(items) {
            by_scope.entry(&row.scope).or_default().push((row.number, &item.item));
            log.surfaces.insert((row.scope.clone(), row.surface.to_string()));
        }
        for (scope, items) in by_scope {
            log.add(scope, items);
        }
        log.next = log.next.max(new.last().map_or(0, |row| row.number + 1));
    }

    /// Searches items from a number on for what was learned since the first of them was decided on.
    async fn catch_up(
        &mut self,
        at: usize,
        after: u64,
        searched: u64,
        first: u64,
    ) -> Result<(), StoreError> {
        let mut reached = after;
        while reached < searched {
            let (events, next) = self.events(reached, searched).await?;
            self.know_banks();
            self.heed_all(at, &events, first).await?;
            reached = next;
        }
        Ok(())
    }

    /// Which of the logs new items go to: the first that this process has; one is made where there is none.
    async fn own_log(&mut self) -> Result<usize, StoreError> {
        if !self.logs.is_empty() {
            return Ok(0);
        }
        let random = u64::from_be_bytes(self.clock.random::<8>());
        let searched = self.shared.memory.read().applied();
        // Never 0, and a whole number in every database.
        let row = LogRow { log: random >> 2 | 1, searched };
        let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
        rows::create(conn, row.log, &self.owner, searched).await?;
        self.logs.push(Log::new(&row, 0, Vec::new()));
        Ok(0)
    }

    /// Tells items apart that are new, that are known, and that nobody wants any more.
    async fn sort<'b>(
        &mut self,
        batch: &'b Batch,
        (log, first): (u64, u64),
    ) -> Result<Sorted<'b>, StoreError> {
        let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
        let since = Time::from_millis(
            self.clock.now().millis() - i64::try_from(UNWANTED.as_millis()).unwrap_or(0),
        );
        let gone: HashMap<_, _> = rows::lately_gone(conn, since).await?.into_iter().collect();
        let mut all = Vec::with_capacity(batch.len());
        for (item, _) in &batch.items {
            let bytes = item.item.to_bytes();
            let row = rows::New {
                number: 0,
                print: rows::print(&self.keys, &item.scope, &item.item.item),
                content: rows::content(&bytes),
                bytes,
                scope: item.scope.clone(),
                surface: item.item.surface.clone(),
                screened: item.item.screened,
            };
            if gone.get(&row.print).is_none_or(|at| *at < row.screened) {
                all.push((row, &**item));
            }
        }
        let prints: Vec<_> = all.iter().map(|(row, _)| row.print).collect();
        let known = rows::known(conn, &prints).await?;
        let known: HashMap<_, _> = known
            .into_iter()
            .map(|(print, content, log, number)| ((print, content), (log, number)))
            .collect();
        let mut sorted = Sorted { new: Vec::new(), known: Vec::new() };
        let mut here = BTreeMap::new();
        let mut number = first;
        for (mut row, item) in all {
            let name = (row.print, row.content);
            if let Some(place) = known.get(&name) {
                sorted.known.push((row, item, *place));
            } else if let Some(place) = here.get(&name) {
                // Twice in one batch.
                sorted.known.push((row, item, *place));
            } else {
                row.number = number;
                here.insert(name, (log, number));
                sorted.new.push((row, item));
                number += 1;
            }
        }
        Ok(sorted)
    }
}

/// Writes down which pairs verdicts have told.
async fn tell(
    conn: &mut Conn,
    keys: &crate::io::seal::KeyRing,
    epoch: &str,
    items: impl Iterator<Item = (u64, u64, &Screened)>,
    now: Time,
) -> Result<(), StoreError> {
    let mut told: BTreeMap<(u64, Scope), Vec<pairs::New>> = BTreeMap::new();
    for (log, number, item) in items {
        let seen: BTreeSet<_> = item.told.iter().collect();
        for (bank, entry) in seen {
            let id = pair_id(&item.scope, bank, entry, &item.item.item);
            let (bank, entry) = (bank.clone(), entry.clone());
            let new = pairs::New { id, item: number, bank, entry, told: None };
            told.entry((log, item.scope.clone())).or_default().push(new);
        }
    }
    for ((log, scope), new) in told {
        pairs::insert(conn, keys, (log, &scope, epoch), &new, now).await?;
    }
    Ok(())
}

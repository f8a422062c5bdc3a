//! Doing what events ask: items that match are found, compared as a whole, and their pairs are written.

use super::super::error::StoreError;
use super::super::rows::{self as entries, Which};
use super::log::Log;
use super::worker::Worker;
use super::{pairs, rows};
use crate::core::access::Scope;
use crate::core::bank::{Bank, Entry};
use crate::core::event::Event;
use crate::core::id::BankId;
use crate::core::lookback::{Task, is_told, looks_back, meet, pair_id};
use std::collections::HashMap;
use std::sync::atomic::Ordering;

/// Candidates that are compared, and pairs that are written, at once: the first are told while others are looked for.
const AT_ONCE: usize = 256;
/// Entries of a bank that are compared before anything else gets a turn.
const SWEPT_AT_ONCE: u64 = 256;

impl Worker {
    /// Does what events ask of a log's items from number `from` on.
    pub(super) async fn heed_all(
        &mut self,
        at: usize,
        events: &[(u64, Event)],
        from: u64,
    ) -> Result<(), StoreError> {
        for (number, event) in events {
            let Some((banks, _)) = &self.banks else { return Err(StoreError::Broken) };
            let tasks = banks.heed(*number, event);
            for task in tasks {
                self.task(at, task, from).await?;
            }
        }
        Ok(())
    }

    async fn task(&mut self, at: usize, task: Task<'_>, from: u64) -> Result<(), StoreError> {
        let log = self.logs[at].log;
        match task {
            Task::Withdraw(_, _, gone) if gone.is_empty() => Ok(()),
            Task::Withdraw(scope, bank, gone) => {
                let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
                pairs::withdraw(conn, (log, from), scope, bank, &gone).await
            }
            Task::Close(scope, bank) => {
                let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
                if from == 0 {
                    self.logs[at].sweeps.remove(&(scope.clone(), bank.clone()));
                    pairs::set_sweep(conn, log, scope, bank, None).await?;
                }
                pairs::close(conn, (log, from), scope, bank).await
            }
            Task::Seek(scope, bank, sought) => {
                let known = self.banks.as_ref().and_then(|(banks, _)| banks.get(scope, bank));
                let Some(known) = known.cloned() else { return Ok(()) };
                self.seek(at, scope, &known, &sought, from).await
            }
            Task::Sweep(scope, bank) => {
                let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
                pairs::set_sweep(conn, log, scope, bank, Some("")).await?;
                self.logs[at].sweeps.insert((scope.clone(), bank.clone()), String::new());
                Ok(())
            }
        }
    }

    /// Finds the items that match entries of a bank, and writes the pairs.
    async fn seek(
        &mut self,
        at: usize,
        scope: &Scope,
        bank: &Bank,
        sought: &[&Entry],
        from: u64,
    ) -> Result<(), StoreError> {
        // Which entries each candidate may match.
        let mut candidates: HashMap<u64, Vec<&Entry>> = HashMap::new();
        for entry in sought {
            let near = self.logs[at].near(scope, bank, entry, from, &mut self.scratch);
            near.into_iter().for_each(|item| candidates.entry(item).or_default().push(entry));
        }
        let mut numbers: Vec<u64> = candidates.keys().copied().collect();
        numbers.sort_unstable();
        let log = self.logs[at].log;
        for some in numbers.chunks(AT_ONCE) {
            let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
            let items = rows::some(conn, &self.keys, log, some).await?;
            let mut found = Vec::new();
            for read in &items {
                let (Some(item), Some(entries)) = (&read.item, candidates.get(&read.number)) else {
                    continue;
                };
                for entry in entries.iter().filter(|_| read.scope == *scope) {
                    let Some(matching) = meet(bank, entry, item) else { continue };
                    found.push(pairs::New {
                        id: pair_id(scope, &bank.id, &entry.id, &item.item),
                        item: read.number,
                        bank: bank.id.clone(),
                        entry: entry.id.clone(),
                        told: Some((matching, entry.state)),
                    });
                }
            }
            for some in found.chunks(AT_ONCE) {
                self.write_pairs(at, scope, some).await?;
            }
        }
        Ok(())
    }

    /// Writes pairs, unless others have taken the log over, and tells those who wait for some.
    async fn write_pairs(
        &mut self,
        at: usize,
        scope: &Scope,
        found: &[pairs::New],
    ) -> Result<(), StoreError> {
        let (log, told) = (self.logs[at].log, self.logs[at].told);
        let (epoch, now) = (self.clock.fresh_id(), self.clock.now());
        let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
        conn.begin("SELECT 1").await?;
        let written = async {
            rows::hold(conn, log, &self.owner, told).await?;
            pairs::insert(conn, &self.keys, (log, scope, &epoch), found, now).await?;
            conn.commit().await
        };
        if let Err(error) = written.await {
            conn.roll_back().await;
            return Err(error);
        }
        self.figures.pairs.fetch_add(found.len() as u64, Ordering::Relaxed);
        self.figures.moved.notify_waiters();
        Ok(())
    }

    /// Compares some more entries of a bank that reaches further than before. Says whether there is more to be done.
    pub(super) async fn sweep(&mut self) -> Result<bool, StoreError> {
        let due = |log: &Log| log.is_whole() && !log.sweeps.is_empty();
        let Some(at) = self.logs.iter().position(due) else { return Ok(false) };
        let Some(((scope, bank), after)) = self.logs[at].sweeps.iter().next() else {
            return Ok(false);
        };
        let (scope, bank, after) = (scope.clone(), bank.clone(), after.clone());
        let reached = self.sweep_some(at, &scope, &bank, &after).await?;
        let log = self.logs[at].log;
        let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
        pairs::set_sweep(conn, log, &scope, &bank, reached.as_deref()).await?;
        let sweeps = &mut self.logs[at].sweeps;
        match reached {
            Some(reached) => sweeps.insert((scope, bank), reached),
            None => sweeps.remove(&(scope, bank)),
        };
        Ok(true)
    }

    async fn sweep_some(
        &mut self,
        at: usize,
        scope: &Scope,
        bank: &BankId,
        after: &str,
    ) -> Result<Option<String>, StoreError> {
        self.know_banks();
        let known = self.banks.as_ref().and_then(|(banks, _)| banks.get(scope, bank));
        let Some(known) = known.filter(|bank| looks_back(bank)).cloned() else { return Ok(None) };
        let main = self.main.as_mut().ok_or(StoreError::Broken)?;
        let (of, which) = (scope.to_string(), Which::NotRemoved);
        let after = Some(after).filter(|after| !after.is_empty());
        let page =
            entries::entries(main, &self.keys, &of, bank, which, after, SWEPT_AT_ONCE).await?;
        let sought: Vec<&Entry> = page.iter().filter(|entry| is_told(entry)).collect();
        self.seek(at, scope, &known, &sought, 0).await?;
        let is_full = page.len() as u64 == SWEPT_AT_ONCE;
        Ok(page.last().filter(|_| is_full).map(|entry| entry.id.to_string()))
    }
}

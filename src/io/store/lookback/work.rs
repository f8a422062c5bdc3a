//! The thread of look-back: what it does next.

use super::super::dialect;
use super::super::error::StoreError;
use super::ask::Ask;
use super::log::Log;
use super::rows;
use super::worker::Worker;
use crate::core::access::Scope;
use crate::core::id::ItemId;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long the first item waits for others to be written with it.
const GATHER: Duration = Duration::from_millis(100);
/// Items that are written at once.
const BATCH_MAX: usize = 1024;
/// How long nothing is done after the database refused.
const REST: Duration = Duration::from_millis(250);
/// How often something is looked after at least.
const TICK: Duration = Duration::from_millis(500);

impl Worker {
    /// Works until it is closed, or nobody is left who could ask.
    pub async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Ask>) {
        let mut more = true;
        loop {
            let ask = self.next(&mut inbox, more).await;
            let ended = match ask {
                Next::Ask(ask) => self.hear(ask, &mut inbox).await,
                Next::Nothing => None,
                Next::Gone => Some(None),
            };
            let worked = self.turn(ended.is_some()).await;
            self.show();
            if let Some(done) = ended {
                if let Err(error) = worked {
                    tracing::warn!(%error, "what waited to be remembered was not written");
                }
                let _ = self.bid_farewell().await;
                drop(done);
                return;
            }
            more = self.judge(worked).await;
        }
    }

    /// What became of a turn: whether there is more to be done at once. After a failure there is a rest.
    async fn judge(&mut self, worked: Result<bool, StoreError>) -> bool {
        match worked {
            Ok(more) => {
                self.failing = false;
                more
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "look-back waits for the database");
                }
                if matches!(error, StoreError::Overtaken) {
                    self.start_over();
                }
                self.figures.failures.fetch_add(1, Ordering::Relaxed);
                (self.conn, self.main) = (None, None);
                tokio::time::sleep(REST).await;
                true
            }
        }
    }

    async fn next(&self, inbox: &mut mpsc::UnboundedReceiver<Ask>, more: bool) -> Next {
        if let Ok(ask) = inbox.try_recv() {
            return Next::Ask(ask);
        }
        let patience = match self.batch.since() {
            _ if more => return Next::Nothing,
            Some(since) => GATHER.saturating_sub(since.elapsed()),
            None => TICK,
        };
        let behind = self.position() + 1;
        tokio::select! {
            ask = inbox.recv() => ask.map_or(Next::Gone, Next::Ask),
            () = self.shared.step.wait(&self.shared.memory, behind, patience) => Next::Nothing,
        }
    }

    /// Up to which event everything was heeded.
    fn position(&self) -> u64 {
        let applied = || self.shared.memory.read().applied();
        self.banks.as_ref().map_or_else(applied, |(_, taken)| *taken)
    }

    /// Takes what is asked, and what was asked behind it. Says so where it is the end.
    async fn hear(
        &mut self,
        ask: Ask,
        inbox: &mut mpsc::UnboundedReceiver<Ask>,
    ) -> Option<Option<oneshot::Sender<()>>> {
        let mut next = Some(ask);
        while let Some(ask) = next {
            match ask {
                Ask::Remember(item, bytes) => self.batch.push(item, bytes),
                Ask::Forget(scope, item, done) => {
                    let forgotten = self.forget(&scope, &item).await;
                    if forgotten.is_err() {
                        (self.conn, self.main) = (None, None);
                    }
                    // Who has the answer sees figures that are not older.
                    self.show();
                    let _ = done.send(forgotten);
                }
                Ask::Windows(scope, done) => {
                    let logs = self.logs.iter_mut();
                    let picture = |log: &mut Log| Some((log.log, log.window(&scope)?.clone()));
                    let _ = done.send(logs.filter_map(picture).collect());
                }
                Ask::Close(done) => return Some(Some(done)),
            }
            if self.batch.len() >= BATCH_MAX {
                break;
            }
            next = inbox.try_recv().ok();
        }
        None
    }

    /// Forgets an item, those on the way to being written included.
    async fn forget(&mut self, scope: &Scope, item: &ItemId) -> Result<u64, StoreError> {
        match self.forget_once(scope, item).await {
            Err(StoreError::Overtaken) => {
                self.start_over();
                self.forget_once(scope, item).await
            }
            other => other,
        }
    }

    async fn forget_once(&mut self, scope: &Scope, item: &ItemId) -> Result<u64, StoreError> {
        self.open().await?;
        self.flush().await?;
        self.erase(scope, item).await
    }

    /// Does of everything that is due a part. Says whether there is more.
    async fn turn(&mut self, is_last: bool) -> Result<bool, StoreError> {
        self.open().await?;
        let is_due = self.batch.since().is_some_and(|since| since.elapsed() >= GATHER);
        if is_last || is_due || self.batch.len() >= BATCH_MAX {
            self.flush().await?;
        }
        if is_last {
            return self.tell_searched().await.map(|()| false);
        }
        let mut more = self.load().await?;
        more |= self.heed().await?;
        if !more {
            more = self.sweep().await?;
        }
        self.gather();
        more |= self.tidy().await?;
        Ok(more)
    }

    /// Makes connections where there are none, and looks up the logs of this process.
    async fn open(&mut self) -> Result<(), StoreError> {
        if self.conn.is_none() {
            self.conn = Some(dialect::connect_lookback(&self.settings.of_lookback()).await?);
        }
        if self.main.is_none() {
            let mut main = dialect::connect_reading(&self.settings).await?;
            main.hurry(&self.settings).await?;
            self.main = Some(main);
        }
        if !self.opened {
            let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
            for row in rows::logs(conn, &self.owner).await? {
                self.take_log(&row).await?;
            }
            self.opened = true;
        }
        Ok(())
    }

    /// Heeds the next events, for every log that is here as a whole. Says whether there are more.
    async fn heed(&mut self) -> Result<bool, StoreError> {
        let applied = self.shared.memory.read().applied();
        if self.logs.iter().all(Log::is_empty) {
            // Nothing can match. What the banks are is looked up when there is something again.
            self.banks = None;
            for log in &mut self.logs {
                log.searched = applied;
            }
            return Ok(false);
        }
        let taken = self.know_banks();
        let mut more = false;
        if taken < applied {
            let (events, reached) = self.events(taken, applied).await?;
            if let Some((banks, taken)) = &mut self.banks {
                events.iter().for_each(|(number, event)| banks.take(*number, event));
                *taken = reached;
            }
            for at in 0..self.logs.len() {
                if self.logs[at].is_whole() && self.logs[at].searched == taken {
                    self.heed_all(at, &events, 0).await?;
                    self.logs[at].searched = reached;
                }
            }
            more |= reached < applied;
        }
        let taken = self.know_banks();
        for at in 0..self.logs.len() {
            let (whole, searched) = (self.logs[at].is_whole(), self.logs[at].searched);
            if whole && searched < taken {
                let (events, reached) = self.events(searched, taken).await?;
                self.heed_all(at, &events, 0).await?;
                self.logs[at].searched = reached;
                more |= reached < taken;
            }
        }
        Ok(more)
    }

    /// Shows how it is.
    fn show(&self) {
        let (mut items, mut bytes, mut sweeps) = (0, 0, 0);
        for log in &self.logs {
            let (more, size) = log.size();
            items += more as u64;
            bytes += size as u64;
            sweeps += log.sweeps.len() as u64;
        }
        let applied = self.shared.memory.read().applied();
        let full = self.logs.iter().filter(|log| !log.is_empty());
        let searched = full.map(|log| log.searched).min().unwrap_or(applied);
        let figures = &self.figures;
        figures.items.store(items, Ordering::Relaxed);
        figures.bytes.store(bytes, Ordering::Relaxed);
        figures.sweeps.store(sweeps, Ordering::Relaxed);
        // Last: who sees how far it is sees the rest as it was then.
        figures.searched.store(searched, Ordering::Release);
    }
}

/// What comes next.
enum Next {
    /// Something is asked.
    Ask(Ask),
    /// Something may be due.
    Nothing,
    /// Nobody is left who could ask.
    Gone,
}

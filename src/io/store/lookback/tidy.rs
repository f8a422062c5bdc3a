//! What is looked after now and then: reading logs into memory, erasing what is past its time, sheets that become one, and
//! logs of processes that are gone.

use super::super::error::StoreError;
use super::log::Log;
use super::worker::{Gathering, Worker};
use super::{pairs, rows};
use crate::core::access::Scope;
use crate::core::id::{ItemId, SurfaceId};
use std::time::{Duration, Instant};

/// Items that are read into memory before anything else gets a turn.
const LOADED_AT_ONCE: u64 = 4096;
/// Items that are erased before anything else gets a turn.
const ERASED_AT_ONCE: u64 = 1024;
/// How often it is looked after what is past its time.
const TIDY_EVERY: Duration = Duration::from_secs(1);
/// For how long a process must be gone before its log is taken over: one that is only started anew keeps its own.
const LEFT_FOR: Duration = Duration::from_secs(10);

impl Worker {
    /// Reads some more items into memory. Says whether there are more.
    pub(super) async fn load(&mut self) -> Result<bool, StoreError> {
        let Some(at) = self.logs.iter().position(|log| !log.is_whole()) else { return Ok(false) };
        let log = &mut self.logs[at];
        let Some((after, until)) = log.loading else { return Ok(false) };
        let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
        let page = rows::page(conn, &self.keys, log.log, (after, until), LOADED_AT_ONCE).await?;
        log.take(&page);
        log.loading = page.last().map(|(read, _)| (read.number, until));
        Ok(true)
    }

    /// Erases an item in every log, and tells those who have it in memory, or on its way.
    pub(super) async fn erase(&mut self, scope: &Scope, item: &ItemId) -> Result<u64, StoreError> {
        let (print, now) = (rows::print(&self.keys, scope, item), self.clock.now());
        let others = self.has_others();
        let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
        conn.begin("SELECT 1").await?;
        let erasing = async {
            let erased = rows::erase_named(conn, &print).await?;
            for (log, number) in &erased {
                pairs::erase(conn, *log, &[*number]).await?;
            }
            if others || !erased.is_empty() {
                rows::tell_gone(conn, &print, &erased, now).await?;
            }
            conn.commit().await?;
            Ok(erased.len() as u64)
        };
        let erased: Result<u64, StoreError> = erasing.await;
        if erased.is_err() {
            conn.roll_back().await;
        }
        self.tidied = None;
        erased
    }

    /// Looks after what is past its time, now and then. Says whether there is more to be done at once.
    pub(super) async fn tidy(&mut self) -> Result<bool, StoreError> {
        if self.tidied.is_some_and(|tidied| tidied.elapsed() < TIDY_EVERY) {
            return Ok(false);
        }
        self.tell_searched().await?;
        let mut more = false;
        for at in 0..self.logs.len() {
            more |= self.erase_past(at).await?;
        }
        self.drop_empty().await?;
        if self.has_others() {
            self.look_for_left().await?;
        }
        if !more {
            self.tidied = Some(Instant::now());
        }
        Ok(more)
    }

    /// Says up to where logs were searched, where the database does not know.
    pub(super) async fn tell_searched(&mut self) -> Result<(), StoreError> {
        let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
        for log in self.logs.iter_mut().filter(|log| log.told != log.searched) {
            rows::hold(conn, log.log, &self.owner, log.searched).await?;
            log.told = log.searched;
        }
        Ok(())
    }

    /// Says goodbye to the database.
    pub(super) async fn bid_farewell(&mut self) -> Result<(), StoreError> {
        for conn in [self.conn.take(), self.main.take()].into_iter().flatten() {
            conn.close().await?;
        }
        Ok(())
    }

    /// Erases items of a log that are past the time of their surface, or whose surface remembers nothing any more.
    async fn erase_past(&mut self, at: usize) -> Result<bool, StoreError> {
        let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
        let log = &mut self.logs[at];
        let gone = rows::take_gone(conn, log.log).await?;
        log.end(&gone);
        let now = self.clock.now().millis();
        let windows: Vec<(Scope, String, i64)> = {
            let resident = self.shared.memory.read();
            let window = |scope: &Scope, surface: &str| {
                let surface = SurfaceId::parse(surface).ok()?;
                resident.tenant(&scope.tenant).filter(|tenant| tenant.revoked.is_none())?;
                let surface = resident.of(scope)?.surfaces.get(&surface)?;
                surface.lookback.filter(|_| surface.revoked.is_none())
            };
            let before = |window: Option<Duration>| match window {
                None => i64::MAX,
                Some(window) => {
                    now.saturating_sub(i64::try_from(window.as_millis()).unwrap_or(i64::MAX))
                }
            };
            let of = |(scope, surface): &(Scope, String)| {
                (scope.clone(), surface.clone(), before(window(scope, surface)))
            };
            log.surfaces.iter().map(of).collect()
        };
        let mut more = false;
        for (scope, surface, before) in windows {
            let place = (&*scope.to_string(), &*surface);
            let erased = rows::erase_older(conn, log.log, place, before, ERASED_AT_ONCE).await?;
            pairs::erase(conn, log.log, &erased).await?;
            log.end(&erased);
            let is_full = erased.len() as u64 == ERASED_AT_ONCE;
            more |= is_full;
            if before == i64::MAX && !is_full && log.is_whole() {
                log.surfaces.remove(&(scope, surface));
            }
        }
        Ok(more)
    }

    /// Takes logs away in which nothing is any more, but for the one that new items go to.
    async fn drop_empty(&mut self) -> Result<(), StoreError> {
        let Some(at) = self.logs.iter().skip(1).position(Log::is_empty) else { return Ok(()) };
        let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
        rows::drop_log(conn, self.logs[at + 1].log, &self.owner).await?;
        self.logs.remove(at + 1);
        Ok(())
    }

    /// Takes over logs of processes that have been gone for a while.
    async fn look_for_left(&mut self) -> Result<(), StoreError> {
        let conn = self.conn.as_mut().ok_or(StoreError::Broken)?;
        let left = rows::left(conn).await?;
        self.left.retain(|log, _| left.iter().any(|(other, _)| other == log));
        let mut taken = false;
        for (log, owner) in left.iter().filter(|(_, owner)| *owner != self.owner) {
            let since = *self.left.entry(*log).or_insert_with(Instant::now);
            if since.elapsed() >= LEFT_FOR {
                taken |= rows::take_over(conn, *log, owner, &self.owner).await?;
            }
        }
        if taken {
            for row in rows::logs(conn, &self.owner.clone()).await? {
                self.take_log(&row).await?;
            }
            tracing::info!("items that a process remembered which is gone were taken over");
        }
        Ok(())
    }

    /// Adopts sheets that became one, and lets the next ones become so, on a thread of their own.
    pub(super) fn gather(&mut self) {
        if let Some(gathering) = self.gathering.take_if(|gathering| gathering.running.is_finished())
        {
            let Gathering { log, scope, running } = gathering;
            let log = self.logs.iter_mut().find(|known| known.log == log);
            let window = log.and_then(|log| log.window(&scope));
            if let (Some(window), Ok(gathered)) = (window, running.join()) {
                window.adopt(gathered);
            }
        }
        if self.gathering.is_some() {
            return;
        }
        for log in &mut self.logs {
            let number = log.log;
            for (scope, window) in log.windows() {
                let Some(due) = window.gathering() else { continue };
                let thread = std::thread::Builder::new().name("look-back-gatherer".to_owned());
                if let Ok(running) = thread.spawn(move || due.run()) {
                    self.gathering = Some(Gathering { log: number, scope: scope.clone(), running });
                }
                return;
            }
        }
    }
}

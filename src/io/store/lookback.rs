//! Look-back: items that were screened, remembered for a while, and told of when a bank learns something that they match.
//!
//! It stands apart from the journal, so that all of it can be erased. What is remembered is handed over without waiting and
//! written within a moment: a crash loses what came in the last second. A thread of its own searches for what each event
//! of the journal teaches; up to which number it has come is kept with what it found, so that nothing is passed over.

mod rows;
mod pairs;
mod log;
mod ask;
mod worker;
mod search;
mod flush;
mod tidy;
mod work;

use super::dialect::{self, Pool, Readers};
use super::error::StoreError;
use super::inbox::Shared;
use super::replica::Name;
use super::settings::Settings;
use crate::core::access::Scope;
use crate::core::id::ItemId;
use crate::core::lookback::{Remembered, Screened};
use crate::core::matcher::window::Window;
use crate::io::clock::Clock;
use crate::io::seal::KeyRing;
use ask::Ask;
pub use ask::Figures;
pub use pairs::{Cursor, Pair};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Connections that read pairs.
const READERS: u32 = 2;
/// How often it is looked for pairs that other processes found.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The way to look-back.
pub struct Lookback {
    asks: mpsc::UnboundedSender<Ask>,
    figures: Arc<Figures>,
    pool: Pool,
    keys: Arc<KeyRing>,
    waiting_max: u64,
    /// Whether other processes may find pairs, too.
    shared: bool,
}

impl Lookback {
    /// Opens the rows and starts the thread.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses, or the system gives no thread.
    pub(super) async fn start(
        settings: &Settings,
        keys: &Arc<KeyRing>,
        clock: &Clock,
        shared: &Arc<Shared>,
        name: Option<&Name>,
    ) -> Result<Self, StoreError> {
        let (asks, inbox) = mpsc::unbounded_channel();
        let figures = Arc::new(Figures::default());
        let own = settings.of_lookback();
        if name.is_none() {
            // Whoever reads finds the file.
            dialect::connect_lookback(&own).await?.close().await?;
        }
        let pool = Pool::new(&own, READERS, Readers::Fresh);
        let worker = worker::Worker::new(
            settings.clone(),
            Arc::clone(keys),
            clock.clone(),
            Arc::clone(shared),
            name,
            Arc::clone(&figures),
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new()
            .name("look-back".to_owned())
            .spawn(move || runtime.block_on(worker.run(inbox)))?;
        let waiting_max = settings.lookback_waiting_bytes_max;
        let keys = Arc::clone(keys);
        Ok(Self { asks, figures, pool, keys, waiting_max, shared: name.is_some() })
    }

    /// Hands over an item to be remembered. Never waits: where too much waits already, it is counted and not remembered.
    pub fn remember(&self, item: Box<Screened>) {
        let bytes = item.bytes() as u64;
        let before = self.figures.waiting.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.waiting_max;
        if !fits || self.asks.send(Ask::Remember(item, bytes)).is_err() {
            self.figures.waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.figures.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Forgets an item, whoever remembers it, with all that was found of it; gives how many screenings of it were
    /// remembered.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses: it may still be remembered.
    pub async fn forget(&self, scope: &Scope, item: &ItemId) -> Result<u64, StoreError> {
        let (done, answered) = oneshot::channel();
        let ask = Ask::Forget(scope.clone(), item.clone(), done);
        self.asks.send(ask).map_err(|_| StoreError::Failed)?;
        answered.await.map_err(|_| StoreError::Failed)?
    }

    /// Pairs behind a cursor, at most so many, and where it goes on behind them.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn behind(
        &self,
        scope: &Scope,
        after: &Cursor,
        limit: u64,
    ) -> Result<(Vec<Pair>, Cursor), StoreError> {
        let mut conn = self.pool.connection().await?;
        pairs::behind(&mut conn, &self.keys, scope, after, limit).await
    }

    /// Pairs behind a cursor, waiting for one at most for a while.
    ///
    /// # Errors
    /// As [`Self::behind`].
    pub async fn next(
        &self,
        scope: &Scope,
        after: &Cursor,
        limit: u64,
        patience: Duration,
    ) -> Result<(Vec<Pair>, Cursor), StoreError> {
        let (until, mut after) = (Instant::now() + patience, after.clone());
        loop {
            // Told of what comes after this line, whenever it is asked.
            let mut moved = std::pin::pin!(self.figures.moved.notified());
            moved.as_mut().enable();
            let (pairs, reached) = self.behind(scope, &after, limit).await?;
            let left = until.saturating_duration_since(Instant::now());
            if !pairs.is_empty() || left.is_zero() {
                return Ok((pairs, reached));
            }
            after = reached;
            // Others find pairs without anybody here being told.
            let patience = if self.shared { left.min(LOOK_AGAIN) } else { left };
            let _ = tokio::time::timeout(patience, moved).await;
        }
    }

    /// What this process has in memory of a scope: pictures of windows, with the number of the log of each.
    ///
    /// # Errors
    /// [`StoreError::Failed`] where look-back has ended.
    pub async fn windows(&self, scope: &Scope) -> Result<Vec<(u64, Window)>, StoreError> {
        let (done, answered) = oneshot::channel();
        self.asks.send(Ask::Windows(scope.clone(), done)).map_err(|_| StoreError::Failed)?;
        answered.await.map_err(|_| StoreError::Failed)
    }

    /// Items of a scope by log and number, those that are still there.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn items(
        &self,
        scope: &Scope,
        places: &[(u64, u64)],
    ) -> Result<HashMap<(u64, u64), Remembered>, StoreError> {
        let mut by_log: HashMap<u64, Vec<u64>> = HashMap::new();
        for (log, number) in places {
            by_log.entry(*log).or_default().push(*number);
        }
        let mut conn = self.pool.connection().await?;
        let mut items = HashMap::new();
        for (log, numbers) in by_log {
            for read in rows::some(&mut conn, &self.keys, log, &numbers).await? {
                if let (true, Some(item)) = (read.scope == *scope, read.item) {
                    items.insert((log, read.number), item);
                }
            }
        }
        Ok(items)
    }

    /// How it is.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Writes what waits, and ends.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.asks.send(Ask::Close(done)).is_ok() {
            let _ = closed.await;
        }
        self.pool.close().await;
    }
}

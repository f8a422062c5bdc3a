//! Starting and ending: opening the store, making its tables, closing it in order.

use super::counters::Counters;
use super::dialect::{self, Pool, Readers};
use super::error::StoreError;
use super::follow::{Follower, Own};
use super::handle::{Inner, Store};
use super::head;
use super::held::Held;
use super::inbox::{Message, Shared};
use super::lease::{Leases, Watched};
use super::lookback::Lookback;
use super::memory::Memory;
use super::open;
use super::recall;
use super::replica::{self, Address, Name, Replica};
use super::settings::Settings;
use super::snapshots::{Plan, Reached, Snapshots};
use super::spool::Spool;
use super::step::Step;
use super::tx::Tx;
use super::witness;
use super::writer::Writer;
use crate::core::event::Event;
use crate::core::journal::envelope::EVENT_KIND_MAX;
use crate::io::clock::{Clock, log_time};
use crate::io::seal::KeyRing;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Connections kept for what screening looks up; each look-up takes well under a millisecond.
pub(super) const LOOKUP_READERS: u32 = 4;

impl Store {
    /// Opens the store for reading and writing; makes it where there is none, and brings its tables forward. Checks the signed head and the last leaves,
    /// loads the memory of the process, and records it where the process before ended without flushing its counts.
    ///
    /// # Errors
    /// [`StoreError`]: damaged data, tables of another version, another process that writes.
    pub async fn open(
        settings: Settings,
        keys: Arc<KeyRing>,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let lock = open::lock(&settings).await?;
        witness::guard(&settings, &keys).await?;
        let store = Self::open_with(settings, keys, clock, Some(lock)).await?;
        store.remember().await;
        Ok(store)
    }

    pub(super) async fn open_with(
        settings: Settings,
        keys: Arc<KeyRing>,
        clock: Clock,
        lock: Option<std::fs::File>,
    ) -> Result<Self, StoreError> {
        let mut conn = dialect::connect(&settings, true).await?;
        open::make_ready(&mut conn, &keys).await?;
        let own = if conn.is_remote() { Some(own(&settings, &keys, &clock)?) } else { None };
        let name = own.as_ref().map(|own| own.replica.name.clone());
        let asked = Instant::now();
        let (lost_since, head) = match &own {
            None => {
                let (before, head) = open::take_over(&mut conn, &keys).await?;
                ((!before.clean).then_some(before.time), head)
            }
            Some(own) => {
                let lost_since = replica::unfinished(&mut conn, &own.replica.name).await?;
                // Others go on writing: what is read here is as it was at one moment.
                conn.begin_reading().await?;
                (lost_since, head::read(&mut conn, &keys).await?)
            }
        };
        let frontier = open::check_tail(&mut conn, &keys, &head).await?;
        let (resident, from) = recall::load(&mut conn, &keys, &head, &settings).await?;
        if own.is_some() {
            conn.roll_back().await;
        }
        let shared = Arc::new(Shared {
            memory: Memory::share(resident)?,
            failed: AtomicBool::new(false),
            away: AtomicBool::new(false),
            back: Arc::default(),
            commits: AtomicU64::new(0),
            step: Step::default(),
            counted: Mutex::new(lost_since.unwrap_or_else(|| clock.now())),
            leases: Leases::new(own.is_none()),
            #[cfg(test)]
            fault: parking_lot::Mutex::default(),
        });
        shared.step.reach(asked);
        let plan = Plan {
            path: settings.snapshot.clone(),
            changes: settings.snapshot_changes,
            pause: settings.snapshot_pause,
        };
        let reached = Reached { number: head.size, root: head.root };
        let snapshots = Snapshots::begin(plan, &keys, &clock, &shared.memory, reached, from)?;
        let snapshots_watched = snapshots.watched();
        conn.hurry(&settings).await?;
        let tx = Tx::new(conn, Arc::clone(&keys), clock.clone(), head, Arc::clone(&shared.memory));
        let mut at = Follower {
            tx,
            frontier,
            settings: settings.clone(),
            shared: Arc::clone(&shared),
            snapshots,
            own,
            unsure: None,
        };
        // What others wrote while this process was loading.
        at.look().await?;
        at.beat().await?;
        let writer = Writer { at, cleared: 0, lock };
        let (messages, inbox) = mpsc::channel(settings.waiting_max.max(1));
        start(writer, inbox)?;
        let pool = Pool::new(&settings, settings.readers, Readers::Fresh);
        let lists = Pool::new(&settings, settings.readers, Readers::Lists);
        let lookups = Pool::new(&settings, LOOKUP_READERS, Readers::Fresh);
        let (path, bytes_max) = (&settings.spool, settings.spool_bytes_max);
        let (torn, mut held) = (clock.fresh_id(), Held::default());
        let spool = Spool::open(path, bytes_max, &keys, &torn, |waiting| held.put(&waiting))?;
        let lookback = Lookback::start(&settings, &keys, &clock, &shared, name.as_ref()).await?;
        let inner = Inner {
            lookback,
            waiting: RwLock::new(held),
            snapshots: snapshots_watched,
            settings,
            name,
            keys,
            clock,
            lists,
            pool,
            lookups,
            shared,
            messages,
            counters: Counters::default(),
            spool: Mutex::new(spool),
            drains: tokio::sync::Mutex::default(),
            counts_lost: Mutex::default(),
        };
        let store = Self(Arc::new(inner));
        if let Some(since) = lost_since {
            let at = log_time(since, store.0.clock.now());
            store.record(Event::CountsLost { since, at }).await?;
            *store.0.shared.counted.lock() = at;
        }
        if store.drain_spool().await.is_err() {
            // What waits stays where it is; upkeep tries again.
            tracing::warn!("the spool could not be drained");
        }
        store.keep_up();
        store.reap();
        Ok(store)
    }

    /// Brings the tables of a store to the version this program needs; makes the store where there is none.
    ///
    /// # Errors
    /// [`StoreError`] where another process writes, or the tables are of a later version.
    pub async fn migrate(settings: &Settings, keys: &KeyRing) -> Result<(), StoreError> {
        let _lock = open::lock(settings).await?;
        witness::guard(settings, keys).await?;
        let mut conn = dialect::connect(settings, true).await?;
        open::make_ready(&mut conn, keys).await?;
        conn.close().await
    }

    /// Refuses a place where a restore was broken off.
    ///
    /// # Errors
    /// [`StoreError::Restoring`].
    pub fn check_not_restoring(settings: &Settings) -> Result<(), StoreError> {
        let is_half = witness::restoring(settings).exists();
        if is_half { Err(StoreError::Restoring) } else { Ok(()) }
    }

    /// Whether there is a store already, or was one: then its witness is there.
    ///
    /// # Errors
    /// [`StoreError`] where that cannot be found out.
    pub async fn exists(settings: &Settings) -> Result<bool, StoreError> {
        if witness::path(settings).exists() {
            return Ok(true);
        }
        if settings.server.is_none() {
            return Ok(settings.database.exists());
        }
        let mut conn = dialect::connect_reading(settings).await?;
        let version = conn.version().await?;
        conn.close().await?;
        Ok(version != 0)
    }

    /// Flushes counts and ends writing in order; later changes are refused. Everything is on disk when it answers.
    ///
    /// # Errors
    /// [`StoreError`] where the end could not be marked: the next start says so.
    pub async fn close(&self) -> Result<(), StoreError> {
        let flushed = self.flush_counts().await.map(drop);
        self.0.lookback.close().await;
        self.remember().await;
        let (done, closed) = oneshot::channel();
        self.0.lists.close().await;
        self.0.pool.close().await;
        self.0.lookups.close().await;
        let close = Message::Close { clean: flushed.is_ok(), done };
        self.0.messages.send(close).await.map_err(|_| StoreError::Failed)?;
        closed.await.map_err(|_| StoreError::Failed)?.and(flushed)
    }
}

/// What others will know of this process.
fn own(settings: &Settings, keys: &KeyRing, clock: &Clock) -> Result<Own, StoreError> {
    let (now, name) = (clock.now(), Name::of(settings)?);
    let address = Address::new(keys, &name, settings.shard, &settings.address);
    let replica = Replica {
        name,
        title: settings.title.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        shard: settings.shard,
        address,
        began: now,
        beat: 0,
        beaten: now,
        counted: now,
        applied: 0,
        entries: 0,
        speaks: u64::from(EVENT_KIND_MAX),
    };
    Ok(Own { replica, beaten: None, watched: Watched::default() })
}

/// Starts the writer on a thread of its own, so that sealing and hashing never hold up the callers' runtime.
fn start(writer: Writer, inbox: mpsc::Receiver<Message>) -> Result<(), StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || runtime.block_on(writer.run(inbox)))?;
    Ok(())
}

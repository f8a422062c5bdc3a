//! The store as everybody else sees it: opening, keeping changes, closing.

use super::counters::Counters;
use super::dialect::{self, Pool};
use super::error::StoreError;
use super::open;
use super::settings::Settings;
use super::spool::Spool;
use super::tx::Tx;
use super::writer::{Change, Job, Message, Refusal, Shared, Writer};
use crate::core::access::Scope;
use crate::core::event::Event;
use crate::core::id::RequestId;
use crate::core::resident::Resident;
use crate::io::clock::{Clock, log_time};
use crate::io::seal::KeyRing;
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// A caller's key for one request, with a digest of what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// Whose.
    pub scope: Scope,
    /// Which rpc.
    pub method: &'static str,
    /// The key.
    pub id: RequestId,
    /// SHA-256 of the request's content.
    pub digest: [u8; 32],
}

/// What a change answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the change gave; of a repeated request, what it gave the first time.
    pub bytes: Vec<u8>,
    /// Number of the last event it recorded, if it recorded any.
    pub number: Option<u64>,
    /// Whether it was carried out now, rather than answered from what was kept.
    pub first: bool,
}

/// Why a change was not kept.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum KeepError<E> {
    /// The change refused itself; nothing was kept.
    #[error("refused")]
    Refused(E),
    /// The request's key was used before for other content.
    #[error("the request id was used before for other content")]
    RequestIdReused,
    /// The store could not.
    #[error(transparent)]
    Store(StoreError),
}

impl<E> From<StoreError> for KeepError<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl PartialEq for StoreError {
    /// Errors of the same kind are equal, whatever the database said.
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// The store. Clones are the same store.
#[derive(Clone)]
pub struct Store(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) keys: Arc<KeyRing>,
    pub(super) clock: Clock,
    pub(super) pool: Pool,
    pub(super) shared: Arc<Shared>,
    pub(super) messages: mpsc::Sender<Message>,
    pub(super) counters: Counters,
    pub(super) spool: tokio::sync::Mutex<Spool>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store(failed: {})", self.has_failed())
    }
}

impl Store {
    /// Opens the store for reading and writing; makes it where there is none. Checks the signed head and the last leaves,
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
        Self::open_with(settings, keys, clock, Some(lock)).await
    }

    pub(super) async fn open_with(
        settings: Settings,
        keys: Arc<KeyRing>,
        clock: Clock,
        lock: Option<std::fs::File>,
    ) -> Result<Self, StoreError> {
        let mut conn = dialect::connect(&settings, true).await?;
        if conn.version().await? == 0 {
            open::migrate(&mut conn, &keys).await?;
        }
        open::check_version(&mut conn).await?;
        let (before, head) = open::take_over(&mut conn, &keys).await?;
        let frontier = open::check_tail(&mut conn, &keys, &head).await?;
        let resident = open::load(&mut conn, &keys, &head).await?;
        let shared = Arc::new(Shared {
            resident: Arc::new(RwLock::new(resident)),
            failed: AtomicBool::new(false),
            commits: AtomicU64::new(0),
        });
        let writer = Writer {
            tx: Tx::new(conn, Arc::clone(&keys), clock.clone(), head),
            frontier,
            settings: settings.clone(),
            shared: Arc::clone(&shared),
            cleared: 0,
            lock,
        };
        let (messages, inbox) = mpsc::channel(settings.waiting_max.max(1));
        start(writer, inbox)?;
        let pool = Pool::new(&settings);
        let spool = Spool::at(&settings.spool, settings.spool_bytes_max);
        let spool = tokio::sync::Mutex::new(spool);
        let counters = Counters::default();
        let inner = Inner { settings, keys, clock, pool, shared, messages, counters, spool };
        let store = Self(Arc::new(inner));
        if !before.clean {
            let at = log_time(before.time, store.0.clock.now());
            store.record(Event::CountsLost { since: before.time, at }).await?;
        }
        store.drain_spool().await?;
        store.keep_up();
        Ok(store)
    }

    /// Brings the tables of a store to the version this program needs; makes the store where there is none.
    ///
    /// # Errors
    /// [`StoreError`] where another process writes, or the tables are of a later version.
    pub async fn migrate(settings: &Settings, keys: &KeyRing) -> Result<(), StoreError> {
        let _lock = open::lock(settings).await?;
        let mut conn = dialect::connect(settings, true).await?;
        open::migrate(&mut conn, keys).await?;
        conn.close().await
    }

    /// Keeps a change: runs it on fresh rows in a transaction, and answers once what it recorded is on disk and in the
    /// memory of the process. A change that refuses leaves no trace. With a request's key that was kept before, the
    /// change is not run: the first answer is given again.
    ///
    /// # Errors
    /// [`KeepError`]: the change's own refusal, a request's key used for other content, or the store's failure.
    pub async fn keep<E, F>(
        &self,
        request: Option<RequestKey>,
        change: F,
    ) -> Result<Answer, KeepError<E>>
    where
        E: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<Vec<u8>, KeepError<E>>>
            + Send
            + 'static,
    {
        let gone =
            || if self.has_failed() { StoreError::Failed } else { StoreError::OutcomeUnknown };
        if self.has_failed() {
            return Err(KeepError::Store(StoreError::Failed));
        }
        let (answer, answered) = oneshot::channel();
        let change: Change = Box::new(move |tx| {
            let running = change(tx);
            Box::pin(async move {
                running.await.map_err(|error| match error {
                    KeepError::Refused(refused) => Refusal::Domain(Box::new(refused)),
                    KeepError::RequestIdReused => Refusal::RequestIdReused,
                    KeepError::Store(error) => Refusal::Store(error),
                })
            })
        });
        let job = Message::Job(Job { request, change, answer });
        self.0.messages.send(job).await.map_err(|_| KeepError::Store(StoreError::Failed))?;
        match answered.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Refusal::Domain(refused))) => Err(match refused.downcast::<E>() {
                Ok(refused) => KeepError::Refused(*refused),
                Err(_) => KeepError::Store(StoreError::Broken),
            }),
            Ok(Err(Refusal::RequestIdReused)) => Err(KeepError::RequestIdReused),
            Ok(Err(Refusal::Store(error))) => Err(KeepError::Store(error)),
            Err(_) => Err(KeepError::Store(gone())),
        }
    }

    /// Records one event by itself and gives its number.
    ///
    /// # Errors
    /// [`StoreError`] where it was not kept.
    pub async fn record(&self, event: Event) -> Result<u64, StoreError> {
        let kept = self.keep::<std::convert::Infallible, _>(None, move |tx| {
            Box::pin(async move {
                tx.record(event).await?;
                Ok(Vec::new())
            })
        });
        match kept.await {
            Ok(answer) => answer.number.ok_or(StoreError::Broken),
            Err(KeepError::Store(error)) => Err(error),
            Err(KeepError::RequestIdReused) => Err(StoreError::Broken),
            Err(KeepError::Refused(never)) => match never {},
        }
    }

    /// The memory of the process, in step with everything that was answered.
    #[must_use]
    pub fn resident(&self) -> &Arc<RwLock<Resident>> {
        &self.0.shared.resident
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &Arc<KeyRing> {
        &self.0.keys
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Whether writing has ended because the outcome of a commit was unknown.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.0.shared.failed.load(Ordering::SeqCst)
    }

    /// Number of commits that wrote something since the store was opened.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.0.shared.commits.load(Ordering::Relaxed)
    }

    /// Whether the writer has gone: closed, or failed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.messages.is_closed()
    }

    /// Flushes counts and ends writing in order; later changes are refused. Everything is on disk when it answers.
    ///
    /// # Errors
    /// [`StoreError`] where the end could not be marked: the next start says so.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.flush_counts().await?;
        let (done, closed) = oneshot::channel();
        self.0.pool.close().await;
        self.0.messages.send(Message::Close(done)).await.map_err(|_| StoreError::Failed)?;
        closed.await.map_err(|_| StoreError::Failed)?
    }
}

/// Starts the writer on a thread of its own, so that sealing and hashing never hold up the callers' runtime.
fn start(writer: Writer, inbox: mpsc::Receiver<Message>) -> Result<(), StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || runtime.block_on(writer.run(inbox)))?;
    Ok(())
}

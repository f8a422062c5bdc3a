//! The handle of the store: keeping changes, and what everybody else may know of it.

use super::counters::Counters;
use super::dialect::Pool;
use super::error::StoreError;
use super::figures::SnapshotFigures;
use super::held::Held;
use super::inbox::{Change, Job, Message, Refusal, Shared};
use super::lease::{Lease, Task};
use super::lookback::Lookback;
use super::memory::Memory;
use super::replica::Name;
use super::requests::Key;
use super::settings::Settings;
use super::snapshots::Watched;
use super::spool::{Asked, Spool};
use super::tx::Tx;
use super::words::{Answer, KeepError, RequestKey};

use crate::core::event::Event;
use crate::core::time::Time;
use crate::io::clock::Clock;
use crate::io::seal::KeyRing;
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The store. Clones are the same store.
#[derive(Clone)]
pub struct Store(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) settings: Settings,
    /// By what name others know this process, where there can be others.
    pub(super) name: Option<Name>,
    pub(super) keys: Arc<KeyRing>,
    pub(super) clock: Clock,
    /// Connections for lists, which may come from a replica.
    pub(super) lists: Pool,
    /// Connections for whoever else has time.
    pub(super) pool: Pool,
    /// Connections for what screening looks up: a slow list never holds one.
    pub(super) lookups: Pool,
    pub(super) shared: Arc<Shared>,
    pub(super) messages: mpsc::Sender<Message>,
    pub(super) counters: Counters,
    pub(super) lookback: Lookback,
    /// Held while its file is written or moved, never while the database is waited for.
    pub(super) spool: Mutex<Spool>,
    /// Answers to requests whose verdicts wait in the spool.
    pub(super) waiting: RwLock<Held>,
    pub(super) snapshots: Watched,
    /// Held by the one who drains.
    pub(super) drains: tokio::sync::Mutex<()>,
    /// Since when counts may have been lost with a commit whose answer was.
    pub(super) counts_lost: Mutex<Option<Time>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store(failed: {})", self.has_failed())
    }
}

impl Store {
    /// Keeps a change: runs it on fresh rows in a transaction, and answers once what it recorded is on disk and in the
    /// memory of the process. Where the database was lost meanwhile, the change may be run again: it has to do the same then.
    /// A change that refuses leaves no trace. With a request's key that was kept before, the
    /// change is not run: the first answer is given again. A change that nobody waits for any more when its turn comes is
    /// not run either.
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
            + Clone
            + Send
            + 'static,
    {
        self.keep_asked(request.map(|request| self.asked(&request)), change).await
    }

    pub(super) fn asked(&self, request: &RequestKey) -> Asked {
        Asked { key: Key::of(&self.0.keys, request), digest: request.digest }
    }

    /// [`Self::keep`] for a request whose key is read already.
    pub(super) async fn keep_asked<E, F>(
        &self,
        request: Option<Asked>,
        change: F,
    ) -> Result<Answer, KeepError<E>>
    where
        E: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<Vec<u8>, KeepError<E>>>
            + Clone
            + Send
            + 'static,
    {
        let gone =
            || if self.has_failed() { StoreError::Failed } else { StoreError::OutcomeUnknown };
        if self.has_failed() {
            return Err(KeepError::Store(StoreError::Failed));
        }
        let (answer, answered) = oneshot::channel();
        let mut change = Some(change);
        let change: Change = Box::new(move |tx| {
            // Only a database that can be lost makes a transaction run again.
            let next = if tx.conn.is_remote() { change.clone() } else { change.take() };
            let running = next.map(|change| change(tx));
            Box::pin(async move {
                let Some(running) = running else { return Err(Refusal::Store(StoreError::Broken)) };
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
    pub fn resident(&self) -> &Arc<Memory> {
        &self.0.shared.memory
    }

    /// Items that are remembered, and what was found of them.
    #[must_use]
    pub fn lookback(&self) -> &Lookback {
        &self.0.lookback
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

    /// Whether the database is away: verdicts wait in the spool, and other changes are refused until it is back.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.0.shared.away.load(Ordering::SeqCst)
    }

    /// For how long the memory may have fallen behind what others wrote to the database; zero where there are no others.
    #[must_use]
    pub fn age(&self) -> Duration {
        if self.0.name.is_none() { Duration::ZERO } else { self.0.shared.step.age() }
    }

    /// Waits, where others may write, until the memory has come as far as `number`, at most for a while: whoever asks
    /// looks how far it is.
    pub async fn wait_for(&self, number: u64, patience: Duration) {
        if self.0.name.is_some() {
            self.0.shared.step.wait(&self.0.shared.memory, number, patience).await;
        }
    }

    /// The right to do what only one process may do, where this is the one.
    #[must_use]
    pub fn lease(&self, task: Task) -> Option<Lease> {
        self.0.shared.leases.of(task)
    }

    /// Number of commits that wrote something since the store was opened.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.0.shared.commits.load(Ordering::Relaxed)
    }

    /// What became of snapshots of the memory.
    #[must_use]
    pub fn snapshots(&self) -> SnapshotFigures {
        self.0.snapshots.figures()
    }

    /// Whether the writer has gone: closed, or failed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.messages.is_closed()
    }
}

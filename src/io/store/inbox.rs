//! What the writer is asked, and what it shares with those who ask it.

use super::error::StoreError;
use super::lease::Leases;
use super::memory::Memory;
use super::spool::Asked;
use super::step::Step;
use super::tx::Tx;
use super::words::Answer;
use crate::core::time::Time;
use futures_util::future::BoxFuture;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use tokio::sync::{Notify, oneshot};

/// Why a change was not kept.
pub(super) enum Refusal {
    /// It refused itself; what it said, for the caller who knows the type.
    Domain(Box<dyn Any + Send>),
    /// Its request's key stands for other content.
    RequestIdReused,
    /// The store could not.
    Store(StoreError),
}

/// What is run in a transaction, and again where that has to be repeated.
pub(super) type Change =
    Box<dyn for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<Vec<u8>, Refusal>> + Send>;

pub(super) struct Job {
    pub(super) request: Option<Asked>,
    pub(super) change: Change,
    pub(super) answer: oneshot::Sender<Result<Answer, Refusal>>,
}

pub(super) enum Message {
    Job(Job),
    /// Ends writing; marks that it ended in order, with everything flushed, where `clean` says so.
    Close {
        clean: bool,
        done: oneshot::Sender<Result<(), StoreError>>,
    },
}

impl Job {
    /// Tells the caller that the database is away.
    pub(super) fn refuse_away(self) {
        let lost = sqlx::Error::Io(std::io::ErrorKind::NotConnected.into());
        let _ = self.answer.send(Err(Refusal::Store(StoreError::Away(Arc::new(lost)))));
    }
}

/// What the writer shares with those who ask it.
pub(super) struct Shared {
    pub(super) memory: Arc<Memory>,
    pub(super) failed: AtomicBool,
    /// Whether the database is away.
    pub(super) away: AtomicBool,
    /// Told when it is back.
    pub(super) back: Arc<Notify>,
    /// Commits that wrote something.
    pub(super) commits: AtomicU64,
    /// When the memory was last known to be in step.
    pub(super) step: Step,
    /// Up to when everything that was counted is in the journal.
    pub(super) counted: parking_lot::Mutex<Time>,
    /// What this process may do that only one may.
    pub(super) leases: Leases,
    /// What happens to the next commit.
    #[cfg(test)]
    pub(super) fault: parking_lot::Mutex<Option<Fault>>,
}

/// A commit whose answer is lost.
#[cfg(test)]
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// What was written is on disk.
    Persisted,
    /// What was written is gone.
    Lost,
}

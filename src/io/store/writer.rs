//! The writer: one thread that gathers changes and commits them together, with one signed checkpoint a commit.

use super::dialect::{Batch, Value};
use super::error::StoreError;
use super::head::{self, Head};
use super::journal;
use super::memory::Memory;
use super::project::push_late;
use super::requests::{self, Kept, Key};
use super::settings::{OnFailure, Settings};
use super::snapshots::Snapshots;
use super::spool::Asked;
use super::tx::Tx;
use super::words::Answer;
use crate::core::event::Event;
use crate::core::journal::merkle::Frontier;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Why a change was not kept.
pub(super) enum Refusal {
    /// It refused itself; what it said, for the caller who knows the type.
    Domain(Box<dyn Any + Send>),
    /// Its request's key stands for other content.
    RequestIdReused,
    /// The store could not.
    Store(StoreError),
}

pub(super) type Change =
    Box<dyn for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<Vec<u8>, Refusal>> + Send>;

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

/// What the writer shares with those who ask it.
pub(super) struct Shared {
    pub(super) memory: Arc<Memory>,
    pub(super) failed: AtomicBool,
    /// Commits that wrote something.
    pub(super) commits: AtomicU64,
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

pub(super) struct Writer {
    pub(super) tx: Tx,
    pub(super) frontier: Frontier,
    pub(super) settings: Settings,
    pub(super) shared: Arc<Shared>,
    /// Log time in milliseconds at which old requests were last cleared away.
    pub(super) cleared: i64,
    /// Ends before the lock does.
    pub(super) snapshots: Snapshots,
    /// Held for as long as this process may write.
    pub(super) lock: Option<std::fs::File>,
}

type Outcome = (oneshot::Sender<Result<Answer, Refusal>>, Result<Answer, Refusal>);

/// How often requests past their time are cleared away.
const CLEAR_EVERY: Duration = Duration::from_secs(600);
/// How long callers have to hear of a failure before the process ends.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Exit code for an input or output error (`sysexits.h`, `EX_IOERR`).
const EXIT_IO: i32 = 74;

impl Writer {
    /// Serves until it is closed, all who could ask it are gone, or a commit failed.
    pub(super) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(first) = messages.recv().await {
            let mut jobs = Vec::new();
            let mut close = None;
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Job(job) => jobs.push(job),
                    Message::Close { clean, done } => {
                        close = Some((clean, done));
                        break;
                    }
                }
                if jobs.len() >= self.settings.group_max.max(1) {
                    break;
                }
                next = messages.try_recv().ok();
            }
            if !jobs.is_empty() && !self.group(jobs).await {
                self.fail();
                return;
            }
            if let Some((clean, done)) = close {
                let result = if clean { self.finish().await } else { Ok(()) };
                let Self { tx, lock, snapshots, .. } = self;
                let result = result.and(tx.conn.close().await);
                if clean && result.is_ok() {
                    snapshots.end();
                } else {
                    drop(snapshots);
                }
                drop(lock);
                let _ = done.send(result);
                return;
            }
        }
    }

    fn fail(&self) {
        self.shared.failed.store(true, Ordering::SeqCst);
        tracing::error!("the store stopped writing: only a restart can tell what was kept");
        if self.settings.on_failure == OnFailure::Exit {
            std::thread::sleep(LAST_WORDS);
            std::process::exit(EXIT_IO);
        }
    }

    /// Runs changes in one transaction and answers them; says whether writing may go on.
    async fn group(&mut self, jobs: Vec<Job>) -> bool {
        let mut outcomes = Vec::with_capacity(jobs.len());
        match self.transact(jobs, &mut outcomes).await {
            Ok(events) => {
                self.apply(events);
                for (answer, outcome) in outcomes {
                    let _ = answer.send(outcome);
                }
                true
            }
            Err((error, go_on)) => {
                if !go_on {
                    self.shared.failed.store(true, Ordering::SeqCst);
                }
                for (answer, outcome) in outcomes {
                    let refused = match outcome {
                        Err(refusal) => refusal,
                        Ok(_) => Refusal::Store(error.clone()),
                    };
                    let _ = answer.send(Err(refused));
                }
                go_on
            }
        }
    }

    fn apply(&self, events: Vec<(u64, Event)>) {
        if !events.is_empty() {
            self.shared.memory.apply(&events);
            self.snapshots.reach(self.tx.head.size, self.tx.head.root);
        }
    }

    /// Gives the events that were committed, or an error and whether writing may go on. Every job ends up in `outcomes`.
    async fn transact(
        &mut self,
        jobs: Vec<Job>,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<Vec<(u64, Event)>, (StoreError, bool)> {
        let mut jobs = jobs.into_iter();
        let result = self.changes(&mut jobs, outcomes).await;
        if let Err(error) = result {
            self.tx.conn.roll_back().await;
            let go_on = !matches!(error, StoreError::InUse | StoreError::Corrupt("head"));
            for job in jobs {
                outcomes.push((job.answer, Err(Refusal::Store(error.clone()))));
            }
            return Err((error, go_on));
        }
        if self.tx.recorded.is_empty() {
            self.tx.conn.roll_back().await;
            return Ok(Vec::new());
        }
        match self.append().await {
            Ok((frontier, after)) => {
                if self.commit().await.is_err() {
                    // What was written may have reached the disk or not: nobody may be told either.
                    return Err((StoreError::OutcomeUnknown, false));
                }
                let first = self.tx.head.size + 1;
                self.frontier = frontier;
                self.tx.head = after;
                self.shared.commits.fetch_add(1, Ordering::Relaxed);
                let events = self.tx.recorded.drain(..);
                Ok((first..).zip(events).collect())
            }
            Err(error) => {
                self.tx.conn.roll_back().await;
                let go_on = !matches!(error, StoreError::InUse);
                Err((error, go_on))
            }
        }
    }

    async fn changes(
        &mut self,
        jobs: &mut impl Iterator<Item = Job>,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), StoreError> {
        let head = head::begin(&mut self.tx.conn, &self.tx.keys).await?;
        let ours = self.tx.head;
        if (head.size, head.root, head.epoch) != (ours.size, ours.root, ours.epoch) {
            return Err(StoreError::InUse);
        }
        self.tx.begin(head);
        self.tx.conn.take_erred();
        let mut requests = HashMap::new();
        for Job { request, change, answer } in jobs {
            if answer.is_closed() {
                // Nobody waits for it any more: its verdict went to the spool or was counted, or its caller has gone.
                continue;
            }
            let outcome = self.one(request, change, &mut requests).await;
            let outcome = match outcome {
                // The caller is told what its statement failed of; the others share its fate.
                Ok(Err(Refusal::Store(error))) if self.tx.conn.take_erred() => Err(error),
                Ok(_) if self.tx.conn.take_erred() => Err(StoreError::Broken),
                other => other,
            };
            match outcome {
                Ok(outcome) => outcomes.push((answer, outcome)),
                Err(error) => {
                    outcomes.push((answer, Err(Refusal::Store(error.clone()))));
                    return Err(error);
                }
            }
        }
        self.keep_requests(requests).await
    }

    /// Runs one change. The outer error is one that the whole transaction does not survive.
    async fn one(
        &mut self,
        request: Option<Asked>,
        change: Change,
        requests: &mut HashMap<Key, Kept>,
    ) -> Result<Result<Answer, Refusal>, StoreError> {
        let key = request.map(|asked| (asked.key, asked.digest));
        let oldest = self.oldest();
        if let Some((key, digest)) = &key {
            let kept = match requests.get(key) {
                Some(kept) => Some(kept.clone()),
                None => match requests::find(&mut self.tx.conn, &self.tx.keys, key, oldest).await {
                    Ok(kept) => kept,
                    Err(error) => return Ok(Err(Refusal::Store(error))),
                },
            };
            if let Some(kept) = kept {
                return Ok(if kept.digest == *digest {
                    Ok(Answer { bytes: kept.answer, number: Some(kept.number), first: false })
                } else {
                    Err(Refusal::RequestIdReused)
                });
            }
        }
        let mark = self.tx.mark();
        let before = self.tx.number();
        let run = AssertUnwindSafe(async { change(&mut self.tx).await }).catch_unwind().await;
        let outcome = run.unwrap_or(Err(Refusal::Store(StoreError::Broken)));
        match outcome {
            Ok(bytes) => {
                self.tx.release().await?;
                let number = self.tx.number();
                let number = (number > before).then_some(number);
                if let (Some((key, digest)), Some(number)) = (key, number) {
                    requests.insert(key, Kept { digest, number, answer: bytes.clone() });
                }
                Ok(Ok(Answer { bytes, number, first: true }))
            }
            Err(refusal) => {
                self.tx.undo(mark).await?;
                Ok(Err(refusal))
            }
        }
    }

    /// Log time in milliseconds up to which kept requests are too old.
    fn oldest(&self) -> i64 {
        let span = i64::try_from(self.settings.request_kept.as_millis()).unwrap_or(i64::MAX);
        self.tx.now.millis().saturating_sub(span)
    }

    async fn keep_requests(&mut self, requests: HashMap<Key, Kept>) -> Result<(), StoreError> {
        let now = self.tx.now.millis();
        let clear_every = i64::try_from(CLEAR_EVERY.as_millis()).unwrap_or(i64::MAX);
        if now.saturating_sub(self.cleared) >= clear_every {
            let oldest = self.oldest();
            requests::clear(&mut self.tx.conn, oldest).await?;
            self.cleared = now;
        }
        requests::keep(&mut self.tx.conn, &self.tx.keys, now, requests).await
    }

    /// Appends the recorded events with one checkpoint and sets the head.
    async fn append(&mut self) -> Result<(Frontier, Head), StoreError> {
        let tx = &mut self.tx;
        let (before, events) = (&self.frontier, &tx.recorded);
        let mut batch = Batch::default();
        let with = (&*tx.keys, &tx.clock, tx.now);
        let frontier = journal::append(&mut tx.conn, &mut batch, with, before, events).await?;
        push_late(&mut batch, std::mem::take(&mut tx.late));
        let (size, root) = (frontier.size(), frontier.root());
        let note = vec![size.into(), Value::Text(tx.keys.sign(size, root))];
        batch.push("INSERT INTO checkpoint (size, note) VALUES (?, ?)", note);
        let after = Head { size, root, time: tx.now, ..tx.head };
        head::push_advance(&mut batch, &tx.keys, &tx.head, &after);
        head::finish(&mut tx.conn, batch).await?;
        Ok((frontier, after))
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        #[cfg(test)]
        let fault = self.shared.fault.lock().take();
        #[cfg(test)]
        if let Some(fault) = fault {
            match fault {
                Fault::Persisted => self.tx.conn.commit().await?,
                Fault::Lost => self.tx.conn.roll_back().await,
            }
            return Err(StoreError::OutcomeUnknown);
        }
        self.tx.conn.commit().await
    }

    /// Writes that everything was flushed.
    async fn finish(&mut self) -> Result<(), StoreError> {
        let tx = &mut self.tx;
        let before = head::begin(&mut tx.conn, &tx.keys).await?;
        if before.epoch != tx.head.epoch {
            tx.conn.roll_back().await;
            return Err(StoreError::InUse);
        }
        let after = Head { clean: true, ..before };
        head::advance(&mut tx.conn, &tx.keys, &before, &after).await?;
        tx.conn.commit().await
    }
}

//! The writer: one thread that gathers changes and commits them together, with one signed checkpoint a commit.
//!
//! A database on this machine that fails ends writing. One behind a line may be lost and come back: a transaction that
//! was not committed is run again, and whether one was committed whose answer was lost is read from the head.

use super::dialect::{Batch, Value};
use super::error::StoreError;
use super::head::{self, Head};
use super::inbox::{Change, Job, Message, Refusal, Shared};
use super::journal;
use super::lease::{self, Holder};
use super::line;
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
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

/// A commit whose answer was lost.
pub(super) struct Unsure {
    frontier: Frontier,
    after: Head,
    events: Vec<(u64, Event)>,
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
    /// By what name it writes to a database that others can reach.
    pub(super) holder: Option<Holder>,
    pub(super) unsure: Option<Unsure>,
}

type Outcome = Option<Result<Answer, Refusal>>;

/// What becomes of writing after a transaction failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The transaction may be run again: nothing of it was kept.
    Again,
    /// Other transactions may be run.
    GoOn,
    /// Nothing more may be written.
    Stop,
}

/// How often a transaction is run before it is given up.
const RUNS_MAX: usize = 4;
/// How often requests past their time are cleared away.
const CLEAR_EVERY: Duration = Duration::from_secs(600);
/// How long callers have to hear of a failure before the process ends.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Exit code for an input or output error (`sysexits.h`, `EX_IOERR`).
const EXIT_IO: i32 = 74;

impl Writer {
    /// Serves until it is closed, all who could ask it are gone, or a commit failed.
    pub(super) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(first) = self.next(&mut messages).await {
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

    /// The next message; none where writing has ended. Meanwhile others are told that this writer is there, and a lost
    /// connection is made again.
    async fn next(&mut self, messages: &mut mpsc::Receiver<Message>) -> Option<Message> {
        loop {
            let Some(holder) = &self.holder else { return messages.recv().await };
            if self.tx.conn.is_lost() {
                if let Some(ended) = self.be_away(messages).await {
                    return ended;
                }
                continue;
            }
            if let Ok(message) = tokio::time::timeout(lease::BEAT_EVERY, messages.recv()).await {
                return message;
            }
            if let Err(StoreError::InUse) = lease::beat(&mut self.tx.conn, holder).await {
                self.fail();
                return None;
            }
        }
    }

    /// Makes a lost connection again, and meanwhile tells everybody at once that the database is away. Gives what is to
    /// be done instead of going on, if anything is.
    async fn be_away(&mut self, messages: &mut mpsc::Receiver<Message>) -> Option<Option<Message>> {
        self.set_away(true);
        loop {
            let again = line::again(&self.settings, &self.tx.keys);
            let found = match refusing(again, messages).await {
                Ok(found) => found,
                Err(ended) => return Some(ended),
            };
            let followed = match found {
                Ok((conn, head)) => {
                    self.tx.conn = conn;
                    self.follow(&head)
                }
                Err(error) => Err(error),
            };
            match followed {
                Ok(events) => {
                    self.apply(events);
                    self.set_away(false);
                    return None;
                }
                Err(StoreError::InUse | StoreError::Corrupt("head")) => {
                    self.fail();
                    return Some(None);
                }
                Err(_) => {}
            }
            let pause = tokio::time::sleep(line::TRY_EVERY);
            if let Err(ended) = refusing(pause, messages).await {
                return Some(ended);
            }
        }
    }

    fn set_away(&self, away: bool) {
        let before = self.shared.away.swap(away, Ordering::SeqCst);
        match (before, away) {
            (false, true) => tracing::warn!("the database is away: connecting again"),
            (true, false) => {
                tracing::info!("the database is back");
                self.shared.back.notify_one();
            }
            _ => {}
        }
    }

    /// Takes note of where the head stands on a connection that was made again, and gives the events of a commit whose
    /// answer was lost and that was kept after all. Here a replica would read what others wrote meanwhile.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where somebody else moved it.
    fn follow(&mut self, head: &Head) -> Result<Vec<(u64, Event)>, StoreError> {
        let is = |other: &Head| {
            (head.size, head.root, head.epoch) == (other.size, other.root, other.epoch)
        };
        match self.unsure.take() {
            Some(Unsure { frontier, after, events }) if is(&after) => {
                self.frontier = frontier;
                self.tx.head = after;
                self.shared.commits.fetch_add(1, Ordering::Relaxed);
                Ok(events)
            }
            _ if is(&self.tx.head) => Ok(Vec::new()),
            _ => Err(StoreError::InUse),
        }
    }

    /// Makes the connection again at once; says whether that could be done, with the events that were kept.
    async fn regain(&mut self) -> Result<Vec<(u64, Event)>, StoreError> {
        let (conn, head) = line::again(&self.settings, &self.tx.keys).await?;
        self.tx.conn = conn;
        self.follow(&head)
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
    async fn group(&mut self, mut jobs: Vec<Job>) -> bool {
        for run in 1.. {
            let mut outcomes = Vec::with_capacity(jobs.len());
            let (error, mut then) = match self.transact(&mut jobs, &mut outcomes).await {
                Ok(events) => {
                    self.apply(events);
                    for (job, outcome) in jobs.into_iter().zip(outcomes) {
                        // A caller that is gone is told nothing.
                        let _ = outcome.map(|outcome| job.answer.send(outcome));
                    }
                    return true;
                }
                Err(failed) => failed,
            };
            if then == Then::Again && run < RUNS_MAX {
                if !self.tx.conn.is_lost() {
                    continue;
                }
                match self.regain().await {
                    Ok(_) => continue,
                    Err(StoreError::InUse | StoreError::Corrupt("head")) => then = Then::Stop,
                    Err(_) => self.set_away(true),
                }
            }
            if then == Then::Stop {
                self.shared.failed.store(true, Ordering::SeqCst);
            }
            outcomes.resize_with(jobs.len(), || None);
            for (job, outcome) in jobs.into_iter().zip(outcomes) {
                let refused = match outcome {
                    Some(Err(refusal)) => refusal,
                    Some(Ok(_)) | None => Refusal::Store(error.clone()),
                };
                let _ = job.answer.send(Err(refused));
            }
            return then != Then::Stop;
        }
        true
    }

    fn apply(&self, events: Vec<(u64, Event)>) {
        if !events.is_empty() {
            self.shared.memory.apply(&events);
            self.snapshots.reach(self.tx.head.size, self.tx.head.root);
        }
    }

    /// Gives the events that were committed, or an error and what becomes of writing. The outcome of every job that was
    /// run ends up in `outcomes`.
    async fn transact(
        &mut self,
        jobs: &mut [Job],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<Vec<(u64, Event)>, (StoreError, Then)> {
        let result = self.changes(jobs, outcomes).await;
        if let Err(error) = result {
            return Err(self.give_up(error).await);
        }
        if self.tx.recorded.is_empty() {
            self.tx.conn.roll_back().await;
            return Ok(Vec::new());
        }
        let (frontier, after) = match self.append().await {
            Ok(appended) => appended,
            Err(error) => return Err(self.give_up(error).await),
        };
        let committed = self.commit().await;
        let first = self.tx.head.size + 1;
        let events = (first..).zip(self.tx.recorded.drain(..)).collect();
        match committed {
            Ok(()) => {
                self.frontier = frontier;
                self.tx.head = after;
                self.shared.commits.fetch_add(1, Ordering::Relaxed);
                Ok(events)
            }
            // What was written may have reached the disk or not: nobody may be told either.
            Err(_) if self.holder.is_none() => Err((StoreError::OutcomeUnknown, Then::Stop)),
            Err(error) => {
                self.unsure = Some(Unsure { frontier, after, events });
                self.look_again(error).await
            }
        }
    }

    /// Reads from the head whether a commit was kept whose answer was lost.
    async fn look_again(
        &mut self,
        lost: StoreError,
    ) -> Result<Vec<(u64, Event)>, (StoreError, Then)> {
        match self.regain().await {
            Ok(events) if !events.is_empty() => Ok(events),
            Ok(_) => Err((lost, Then::Again)),
            Err(error @ (StoreError::InUse | StoreError::Corrupt("head"))) => {
                Err((error, Then::Stop))
            }
            Err(_) => {
                // The connection is of no use any more, whatever the server said last.
                self.tx.conn.lose();
                self.set_away(true);
                Err((StoreError::OutcomeUnknown, Then::GoOn))
            }
        }
    }

    /// Gives the transaction up, of which nothing is kept.
    async fn give_up(&mut self, error: StoreError) -> (StoreError, Then) {
        self.tx.conn.roll_back().await;
        let then = match error {
            StoreError::InUse | StoreError::Corrupt("head") => Then::Stop,
            StoreError::Conflict => Then::Again,
            _ if self.holder.is_some() && self.tx.conn.is_lost() => Then::Again,
            _ => Then::GoOn,
        };
        (error, then)
    }

    async fn changes(
        &mut self,
        jobs: &mut [Job],
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
        for job in jobs {
            if job.answer.is_closed() {
                // Nobody waits for it any more: its verdict went to the spool or was counted, or its caller has gone.
                outcomes.push(None);
                continue;
            }
            let outcome = self.one(job.request.clone(), &mut job.change, &mut requests).await;
            let outcome = match outcome {
                // The caller is told what its statement failed of; the others share its fate.
                Ok(Err(Refusal::Store(error))) if self.tx.conn.take_erred() => Err(error),
                Ok(_) if self.tx.conn.take_erred() => Err(StoreError::Broken),
                other => other,
            };
            outcomes.push(Some(outcome?));
        }
        self.keep_requests(requests).await
    }

    /// Runs one change. The outer error is one that the whole transaction does not survive.
    async fn one(
        &mut self,
        request: Option<Asked>,
        change: &mut Change,
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
                super::inbox::Fault::Persisted => self.tx.conn.commit().await?,
                super::inbox::Fault::Lost => self.tx.conn.roll_back().await,
            }
            return Err(StoreError::OutcomeUnknown);
        }
        self.tx.conn.commit().await
    }

    /// Writes that everything was flushed.
    async fn finish(&mut self) -> Result<(), StoreError> {
        let tx = &mut self.tx;
        if let Some(holder) = &self.holder {
            lease::leave(&mut tx.conn, holder).await?;
        }
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

/// Waits for something, and meanwhile tells everybody that the database is away. Any other message ends the waiting.
async fn refusing<T>(
    waiting: impl Future<Output = T>,
    messages: &mut mpsc::Receiver<Message>,
) -> Result<T, Option<Message>> {
    let mut waiting = std::pin::pin!(waiting);
    loop {
        tokio::select! {
            done = &mut waiting => return Ok(done),
            message = messages.recv() => match message {
                Some(Message::Job(job)) => job.refuse_away(),
                ended => return Err(ended),
            },
        }
    }
}

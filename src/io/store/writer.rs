//! The writer: one thread that gathers changes and commits them together, with one signed checkpoint a commit.
//!
//! A database on this machine that fails ends writing. One behind a line may be lost and come back: a transaction that
//! was not committed is run again, and whether one was committed whose answer was lost is read from the head.

use super::away::Back;
use super::dialect::{Batch, Value};
use super::error::StoreError;
use super::follow::{Follower, LOOK_EVERY, Unsure};
use super::head::{self, Head};
use super::inbox::{Change, Job, Message, Refusal};
use super::journal;
use super::lease;
use super::project::push_late;
use super::replica;
use super::requests::{self, Kept, Key};
use super::settings::OnFailure;
use super::spool::Asked;
use super::words::Answer;
use crate::core::journal::merkle::Frontier;
use futures_util::FutureExt as _;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

pub(super) struct Writer {
    /// Ends before the lock does.
    pub(super) at: Follower,
    /// Log time in milliseconds at which old requests were last cleared away.
    pub(super) cleared: i64,
    /// Held for as long as this process may write.
    pub(super) lock: Option<std::fs::File>,
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
                if jobs.len() >= self.at.settings.group_max.max(1) {
                    break;
                }
                next = messages.try_recv().ok();
            }
            if !jobs.is_empty()
                && let Err(error) = self.group(jobs).await
            {
                self.fail(&error);
                return;
            }
            if let Some((clean, done)) = close {
                let result = if clean { self.finish().await } else { Ok(()) };
                let Self { at: Follower { tx, snapshots, .. }, lock, .. } = self;
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

    /// The next message; none where writing has ended. Meanwhile others are told that this process is there, what they
    /// write is taken into account, and a lost connection is made again.
    async fn next(&mut self, messages: &mut mpsc::Receiver<Message>) -> Option<Message> {
        if self.at.own.is_none() {
            return messages.recv().await;
        }
        loop {
            if self.at.tx.conn.is_lost() {
                match self.at.be_away(messages).await {
                    Ok(Back::Again) => continue,
                    Ok(Back::Asked(asked)) => return asked,
                    Err(error) => {
                        self.fail(&error);
                        return None;
                    }
                }
            }
            let mut attended = self.at.beat().await;
            if attended.is_ok() {
                match tokio::time::timeout(LOOK_EVERY, messages.recv()).await {
                    Ok(message) => return message,
                    Err(_) => attended = self.at.look().await,
                }
            }
            match attended {
                Err(error) if error.ends_writing() => {
                    self.fail(&error);
                    return None;
                }
                // What was not done for want of time is tried again.
                Err(_) if !self.at.tx.conn.is_lost() => tokio::time::sleep(LOOK_EVERY).await,
                _ => {}
            }
        }
    }

    fn fail(&self, error: &StoreError) {
        self.at.shared.failed.store(true, Ordering::SeqCst);
        tracing::error!(%error, "the store stopped writing: only a restart can tell what was kept");
        if self.at.settings.on_failure == OnFailure::Exit {
            std::thread::sleep(LAST_WORDS);
            std::process::exit(EXIT_IO);
        }
    }

    /// Runs changes in one transaction and answers them.
    ///
    /// # Errors
    /// Why writing may not go on.
    async fn group(&mut self, mut jobs: Vec<Job>) -> Result<(), StoreError> {
        for run in 1.. {
            let mut outcomes = Vec::with_capacity(jobs.len());
            let (error, mut then) = match self.transact(&mut jobs, &mut outcomes).await {
                Ok(()) => {
                    for (job, outcome) in jobs.into_iter().zip(outcomes) {
                        // A caller that is gone is told nothing.
                        let _ = outcome.map(|outcome| job.answer.send(outcome));
                    }
                    return Ok(());
                }
                Err(failed) => failed,
            };
            if then == Then::Again && run < RUNS_MAX {
                if !self.at.tx.conn.is_lost() {
                    continue;
                }
                match self.at.regain().await {
                    Ok(_) => continue,
                    Err(error) if error.ends_writing() => then = Then::Stop,
                    Err(_) => self.at.set_away(true),
                }
            }
            if then == Then::Stop {
                self.at.shared.failed.store(true, Ordering::SeqCst);
            }
            outcomes.resize_with(jobs.len(), || None);
            for (job, outcome) in jobs.into_iter().zip(outcomes) {
                let refused = match outcome {
                    Some(Err(refusal)) => refusal,
                    Some(Ok(_)) | None => Refusal::Store(error.clone()),
                };
                let _ = job.answer.send(Err(refused));
            }
            return if then == Then::Stop { Err(error) } else { Ok(()) };
        }
        Ok(())
    }

    /// Commits changes, or gives an error and what becomes of writing. The outcome of every job that was run ends up in
    /// `outcomes`.
    async fn transact(
        &mut self,
        jobs: &mut [Job],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), (StoreError, Then)> {
        let result = self.changes(jobs, outcomes).await;
        if let Err(error) = result {
            return Err(self.give_up(error).await);
        }
        if self.at.tx.recorded.is_empty() {
            self.at.tx.conn.roll_back().await;
            return Ok(());
        }
        let (frontier, after) = match self.append().await {
            Ok(appended) => appended,
            Err(error) => return Err(self.give_up(error).await),
        };
        let committed = self.commit().await;
        let first = self.at.tx.head.size + 1;
        let events: Vec<_> = (first..).zip(self.at.tx.recorded.drain(..)).collect();
        match committed {
            Ok(()) => {
                self.at.frontier = frontier;
                self.at.tx.head = after;
                self.at.shared.commits.fetch_add(1, Ordering::Relaxed);
                self.at.apply(&events);
                Ok(())
            }
            // What was written may have reached the disk or not: nobody may be told either.
            Err(_) if self.at.own.is_none() => Err((StoreError::OutcomeUnknown, Then::Stop)),
            Err(error) => {
                self.at.unsure = Some(Unsure { frontier, after, events });
                self.look_again(error).await
            }
        }
    }

    /// Finds out whether a commit was kept whose answer was lost.
    async fn look_again(&mut self, lost: StoreError) -> Result<(), (StoreError, Then)> {
        match self.at.regain().await {
            Ok(true) => Ok(()),
            Ok(false) => Err((lost, Then::Again)),
            Err(error) if error.ends_writing() => Err((error, Then::Stop)),
            Err(_) => {
                // The connection is of no use any more, whatever the server said last.
                self.at.tx.conn.lose();
                self.at.set_away(true);
                Err((StoreError::OutcomeUnknown, Then::GoOn))
            }
        }
    }

    /// Gives the transaction up, of which nothing is kept.
    async fn give_up(&mut self, error: StoreError) -> (StoreError, Then) {
        self.at.tx.conn.roll_back().await;
        let then = match error {
            _ if error.ends_writing() => Then::Stop,
            StoreError::Conflict => Then::Again,
            _ if self.at.own.is_some() && self.at.tx.conn.is_lost() => Then::Again,
            _ => Then::GoOn,
        };
        (error, then)
    }

    async fn changes(
        &mut self,
        jobs: &mut [Job],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), StoreError> {
        let head = self.at.begin().await?;
        self.at.tx.begin(head);
        self.at.tx.conn.take_erred();
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
                Ok(Err(Refusal::Store(error))) if self.at.tx.conn.take_erred() => Err(error),
                Ok(_) if self.at.tx.conn.take_erred() => Err(StoreError::Broken),
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
                None => match requests::find(&mut self.at.tx.conn, &self.at.tx.keys, key, oldest)
                    .await
                {
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
        let mark = self.at.tx.mark();
        let before = self.at.tx.number();
        let run = AssertUnwindSafe(async { change(&mut self.at.tx).await }).catch_unwind().await;
        let outcome = run.unwrap_or(Err(Refusal::Store(StoreError::Broken)));
        match outcome {
            Ok(bytes) => {
                self.at.tx.release().await?;
                let number = self.at.tx.number();
                let number = (number > before).then_some(number);
                if let (Some((key, digest)), Some(number)) = (key, number) {
                    requests.insert(key, Kept { digest, number, answer: bytes.clone() });
                }
                Ok(Ok(Answer { bytes, number, first: true }))
            }
            Err(refusal) => {
                self.at.tx.undo(mark).await?;
                Ok(Err(refusal))
            }
        }
    }

    /// Log time in milliseconds up to which kept requests are too old.
    fn oldest(&self) -> i64 {
        let span = i64::try_from(self.at.settings.request_kept.as_millis()).unwrap_or(i64::MAX);
        self.at.tx.now.millis().saturating_sub(span)
    }

    async fn keep_requests(&mut self, requests: HashMap<Key, Kept>) -> Result<(), StoreError> {
        let now = self.at.tx.now.millis();
        let clear_every = i64::try_from(CLEAR_EVERY.as_millis()).unwrap_or(i64::MAX);
        if now.saturating_sub(self.cleared) >= clear_every {
            let oldest = self.oldest();
            requests::clear(&mut self.at.tx.conn, oldest).await?;
            self.cleared = now;
        }
        requests::keep(&mut self.at.tx.conn, &self.at.tx.keys, now, requests).await
    }

    /// Appends the recorded events with one checkpoint and sets the head.
    async fn append(&mut self) -> Result<(Frontier, Head), StoreError> {
        let tx = &mut self.at.tx;
        let (before, events) = (&self.at.frontier, &tx.recorded);
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
        let fault = self.at.shared.fault.lock().take();
        #[cfg(test)]
        if let Some(fault) = fault {
            match fault {
                super::inbox::Fault::Persisted => self.at.tx.conn.commit().await?,
                super::inbox::Fault::Lost => self.at.tx.conn.roll_back().await,
            }
            return Err(StoreError::OutcomeUnknown);
        }
        self.at.tx.conn.commit().await
    }

    /// Writes that everything was flushed.
    async fn finish(&mut self) -> Result<(), StoreError> {
        let tx = &mut self.at.tx;
        if let Some(own) = &self.at.own {
            lease::leave(&mut tx.conn, &own.replica.name).await?;
            return replica::leave(&mut tx.conn, &own.replica.name, None).await.map(drop);
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

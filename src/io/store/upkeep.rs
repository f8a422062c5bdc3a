//! Upkeep: flushing counts, keeping verdicts while the database is away, draining the spool, remembering the head.

use super::counters::{COUNTS_PER_EVENT_MAX, Counters};
use super::error::StoreError;
use super::handle::{Inner, Store};
use super::spool::{Records, Spool, Waiting};
use super::tx::Tx;
use super::witness;
use super::words::{Answer, KeepError, RequestKey, VerdictKept};
use crate::core::access::Scope;
use crate::core::event::{Event, GivenVerdict};
use crate::io::seal::KeyRing;
use futures_util::future::try_join_all;
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// Verdicts out of the spool that are kept in one change.
const DRAIN_AT_ONCE: usize = 256;

async fn record_once(tx: &mut Tx, event: Event) -> Result<(), StoreError> {
    if let Event::VerdictGiven { scope, given } = &event
        && tx.verdict_number(scope, &given.verdict.id).await?.is_some()
    {
        return Ok(());
    }
    tx.record(event).await.map(drop)
}

fn next_part(records: &mut Records, keys: &KeyRing) -> Result<Vec<Waiting>, StoreError> {
    let mut part = Vec::new();
    while part.len() < DRAIN_AT_ONCE
        && let Some(waiting) = records.next(keys)?
    {
        part.push(waiting);
    }
    Ok(part)
}

impl Store {
    /// Counters of answers that keep nothing else.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Records what was counted since the last flush; gives the number of the last event, if there was anything.
    ///
    /// # Errors
    /// [`StoreError`] where it was not kept: what could not be recorded is counted on, unless the outcome is unknown.
    pub async fn flush_counts(&self) -> Result<Option<u64>, StoreError> {
        let lost = self.0.counts_lost.lock().take();
        if let Some(since) = lost {
            let at = self.0.clock.now();
            if let Err(error) = self.record(Event::CountsLost { since, at }).await {
                *self.0.counts_lost.lock() = Some(since);
                return Err(error);
            }
        }
        let now = self.0.clock.now();
        let counts = self.0.counters.take();
        let minute = self.0.clock.now().minute();
        let mut number = None;
        for (at, part) in counts.chunks(COUNTS_PER_EVENT_MAX).enumerate() {
            match self.record(Event::Counted { minute, counts: part.to_vec() }).await {
                Ok(last) => number = Some(last),
                Err(error) => {
                    // After an unknown outcome the part may be in the journal: counted twice would be worse than lost,
                    // since that counts were lost is said next time, here or by the next start.
                    let kept = usize::from(error == StoreError::OutcomeUnknown);
                    if kept > 0 {
                        *self.0.counts_lost.lock() = Some(self.0.clock.now());
                    }
                    let left = counts.chunks(COUNTS_PER_EVENT_MAX).skip(at + kept);
                    left.for_each(|part| self.0.counters.put_back(part));
                    return Err(error);
                }
            }
        }
        *self.0.shared.counted.lock() = now;
        Ok(number)
    }

    /// Keeps a verdict once, by its name; while the database is away it waits in the spool. `answer` is given again to
    /// a repeated request, in both cases.
    ///
    /// # Errors
    /// [`KeepError::RequestIdReused`]; [`StoreError::SpoolFull`] or [`StoreError::File`] where it could not be kept at all:
    /// the caller must then answer `HOLD`.
    pub async fn keep_verdict(
        &self,
        request: Option<RequestKey>,
        scope: &Scope,
        given: GivenVerdict,
        answer: Vec<u8>,
    ) -> Result<VerdictKept, KeepError<Infallible>> {
        let asked = request.map(|request| self.asked(&request));
        if let Some(asked) = &asked
            && let Some(first) = self.waiting_answer(asked)?
        {
            return Ok(VerdictKept::Pending(first));
        }
        let event = Event::VerdictGiven { scope: scope.clone(), given: Box::new(given) };
        let waiting = Waiting { event, asked, answer };
        let keeping = self.keep_waiting(waiting.clone());
        match tokio::time::timeout(self.0.settings.keep_wait_max, keeping).await {
            Ok(Ok(answer)) => Ok(VerdictKept::Kept(answer)),
            Ok(Err(KeepError::RequestIdReused)) => Err(KeepError::RequestIdReused),
            Ok(Err(KeepError::Refused(never))) => match never {},
            // Too late, or refused: it may still be kept, and draining keeps no verdict twice.
            Ok(Err(KeepError::Store(_))) | Err(_) => {
                self.spool(waiting).await.map(VerdictKept::Pending)
            }
        }
    }

    async fn keep_waiting(&self, waiting: Waiting) -> Result<Answer, KeepError<Infallible>> {
        let Waiting { event, asked, answer } = waiting;
        let keeping = self.keep_asked(asked, move |tx| {
            Box::pin(async move {
                record_once(tx, event).await?;
                Ok(answer)
            })
        });
        keeping.await
    }

    /// Works on the spool where waiting for the disk holds nobody up.
    async fn with_spool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner, &mut Spool) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.0);
        let working = move || work(&inner, &mut inner.spool.lock());
        tokio::task::spawn_blocking(working).await.map_err(|_| StoreError::Broken)
    }

    /// Puts a verdict into the spool, or gives the answer of the one that waits there under the same key.
    async fn spool(&self, waiting: Waiting) -> Result<Answer, KeepError<Infallible>> {
        let store = self.clone();
        let put = move |inner: &Inner, spool: &mut Spool| {
            if let Some(asked) = &waiting.asked
                && let Some(first) = store.waiting_answer(asked)?
            {
                return Ok(first);
            }
            spool.put(&inner.keys, &waiting)?;
            inner.waiting.write().put(&waiting);
            Ok(Answer { bytes: waiting.answer, number: None, first: true })
        };
        self.with_spool(put).await?
    }

    /// Bytes that wait in the spool.
    #[must_use]
    pub fn spooled_bytes(&self) -> u64 {
        self.0.spool.lock().bytes()
    }

    /// Keeps what waits in the spool, each verdict once and under its request's key, and empties it; gives how many
    /// verdicts waited. Others put verdicts in meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] where the database is still away: everything stays in the spool.
    pub async fn drain_spool(&self) -> Result<usize, StoreError> {
        let _turn = self.0.drains.lock().await;
        let mut count = 0;
        // What an earlier draining did not end with, then what has come since.
        for _ in 0..2 {
            let Some(taken) = self.with_spool(|_, spool| spool.take()).await?? else { break };
            let mut records = taken.records()?;
            loop {
                let part = next_part(&mut records, &self.0.keys)?;
                if part.is_empty() {
                    break;
                }
                count += part.len();
                try_join_all(part.iter().map(|waiting| self.drain(waiting.clone()))).await?;
                let mut held = self.0.waiting.write();
                for asked in part.iter().filter_map(|waiting| waiting.asked.as_ref()) {
                    held.forget(&asked.key);
                }
            }
            let aside =
                records.is_damaged().then(|| format!("damaged-{}", self.0.clock.fresh_id()));
            if aside.is_some() {
                tracing::error!("the spool did not read whole: its file was set aside");
            }
            self.with_spool(move |_, spool| spool.done(aside.as_deref())).await??;
        }
        Ok(count)
    }

    /// Keeps a verdict that waited. Where its request's key came to stand for another answer meanwhile, the verdict is
    /// recorded all the same: it was told.
    async fn drain(&self, waiting: Waiting) -> Result<(), StoreError> {
        let told = Waiting { asked: None, ..waiting.clone() };
        match self.keep_waiting(waiting).await {
            Ok(answer) if answer.first => return Ok(()),
            Ok(_) | Err(KeepError::RequestIdReused) => {}
            Err(KeepError::Store(error)) => return Err(error),
            Err(KeepError::Refused(never)) => match never {},
        }
        match self.keep_waiting(told).await {
            Ok(_) => Ok(()),
            Err(KeepError::Store(error)) => Err(error),
            Err(KeepError::RequestIdReused) => Err(StoreError::Broken),
            Err(KeepError::Refused(never)) => match never {},
        }
    }

    /// Writes down how far the journal reaches, so that a database that is set back later is noticed.
    pub(super) async fn remember(&self) {
        let (inner, reached) = (Arc::clone(&self.0), self.0.snapshots.reached());
        if reached.number == 0 {
            return;
        }
        let path = witness::path(&inner.settings);
        let writing = move || witness::write(&path, &inner.keys, reached.number, reached.root);
        let written = tokio::task::spawn_blocking(writing).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!("how far the journal reaches could not be written beside it");
        }
    }

    /// Flushes and drains at intervals for as long as the store is in use.
    pub(super) fn keep_up(&self) {
        let every = self.0.settings.flush_every;
        let (store, back) = (Arc::downgrade(&self.0), Arc::clone(&self.0.shared.back));
        tokio::spawn(upkeep(store, back, every));
    }
}

async fn upkeep(store: Weak<Inner>, back: Arc<Notify>, every: Duration) {
    let mut remembered = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = back.notified() => {}
        }
        let Some(store) = store.upgrade().map(Store) else { return };
        if store.has_failed() || store.is_closed() {
            return;
        }
        if store.flush_counts().await.is_err() {
            tracing::warn!("counts could not be flushed");
        }
        if store.drain_spool().await.is_err() {
            tracing::warn!("the spool could not be drained");
        }
        let reached = store.0.snapshots.reached().number;
        if reached != remembered {
            store.remember().await;
            remembered = reached;
        }
    }
}

//! Upkeep: flushing counts, keeping verdicts while the database is away, draining the spool.

use super::counters::{COUNTS_PER_EVENT_MAX, Counters};
use super::error::StoreError;
use super::handle::{Answer, Inner, KeepError, RequestKey, Store};
use super::tx::Tx;
use crate::core::access::Scope;
use crate::core::event::{Event, GivenVerdict};
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Verdicts out of the spool that are kept in one change.
const DRAIN_AT_ONCE: usize = 256;

/// What became of a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerdictKept {
    /// It stands in the journal.
    Kept(Answer),
    /// It waits on disk until the database is back: no receipt can be given yet.
    Pending,
}

async fn record_once(tx: &mut Tx, event: Event) -> Result<(), StoreError> {
    if let Event::VerdictGiven { scope, given } = &event
        && tx.verdict_number(scope, &given.verdict.id).await?.is_some()
    {
        return Ok(());
    }
    tx.record(event).await.map(drop)
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
        let counts = self.0.counters.take();
        let minute = self.0.clock.now().minute();
        let mut number = None;
        for (at, part) in counts.chunks(COUNTS_PER_EVENT_MAX).enumerate() {
            match self.record(Event::Counted { minute, counts: part.to_vec() }).await {
                Ok(last) => number = Some(last),
                Err(error) => {
                    // After an unknown outcome the part may be in the journal: counted twice would be worse than lost,
                    // since the next start says that counts were lost.
                    let kept = usize::from(error == StoreError::OutcomeUnknown);
                    let left = counts.chunks(COUNTS_PER_EVENT_MAX).skip(at + kept);
                    left.for_each(|part| self.0.counters.put_back(part));
                    return Err(error);
                }
            }
        }
        Ok(number)
    }

    /// Keeps a verdict once, by its name; while the database is away it waits in the spool. `answer` is given again to
    /// a repeated request.
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
        let event = Event::VerdictGiven { scope: scope.clone(), given: Box::new(given) };
        let copy = event.clone();
        let keeping = self.keep::<Infallible, _>(request, move |tx| {
            Box::pin(async move {
                record_once(tx, copy).await?;
                Ok(answer)
            })
        });
        match tokio::time::timeout(self.0.settings.keep_wait_max, keeping).await {
            Ok(Ok(answer)) => Ok(VerdictKept::Kept(answer)),
            Ok(Err(KeepError::RequestIdReused)) => Err(KeepError::RequestIdReused),
            Ok(Err(KeepError::Refused(never))) => match never {},
            // Too late, or refused: it may still be kept, and draining keeps no verdict twice.
            Ok(Err(KeepError::Store(_))) | Err(_) => {
                self.spool(event).await?;
                Ok(VerdictKept::Pending)
            }
        }
    }

    async fn spool(&self, event: Event) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.0);
        let put = move || inner.spool.blocking_lock().put(&inner.keys, &event);
        tokio::task::spawn_blocking(put).await.map_err(|_| StoreError::Broken)?
    }

    /// Bytes that wait in the spool.
    pub async fn spooled_bytes(&self) -> u64 {
        self.0.spool.lock().await.bytes()
    }

    /// Keeps what waits in the spool, each verdict once, and empties it; gives how many verdicts waited.
    ///
    /// # Errors
    /// [`StoreError`] where the database is still away: everything stays in the spool.
    pub async fn drain_spool(&self) -> Result<usize, StoreError> {
        let mut spool = self.0.spool.lock().await;
        if spool.bytes() == 0 {
            return Ok(0);
        }
        let content = spool.read(&self.0.keys)?;
        let count = content.events.len();
        let mut events = content.events.into_iter().peekable();
        while events.peek().is_some() {
            let part: Vec<Event> = events.by_ref().take(DRAIN_AT_ONCE).collect();
            let kept = self.keep::<Infallible, _>(None, move |tx| {
                Box::pin(async move {
                    for event in part {
                        record_once(tx, event).await?;
                    }
                    Ok(Vec::new())
                })
            });
            match kept.await {
                Ok(_) => {}
                Err(KeepError::Store(error)) => return Err(error),
                Err(KeepError::RequestIdReused) => return Err(StoreError::Broken),
                Err(KeepError::Refused(never)) => match never {},
            }
        }
        if content.torn {
            tracing::warn!("the spool ended in a record that was never acknowledged");
        }
        let name = content.damaged.then(|| format!("damaged-{}", self.0.clock.fresh_id()));
        if name.is_some() {
            tracing::error!("the spool was damaged: its file was set aside");
        }
        spool.clear(name.as_deref())?;
        Ok(count)
    }

    /// Flushes and drains at intervals for as long as the store is in use.
    pub(super) fn keep_up(&self) {
        let every = self.0.settings.flush_every;
        let store = Arc::downgrade(&self.0);
        tokio::spawn(upkeep(store, every));
    }
}

async fn upkeep(store: Weak<Inner>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
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
    }
}

//! What processes left behind that ended without a word: their rows, and counts that nobody will flush.

use super::error::StoreError;
use super::handle::{Inner, Store};
use super::lease::{Lease, Task};
use super::replica::{self, Name, Replica};
use super::words::KeepError;
use crate::core::event::Event;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How often the others are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// For how long nothing of a process may move before it is taken for gone. One that comes back tells of itself again,
/// and what it had counted is told a second time as lost at most: figures read "at least".
const GONE_AFTER: Duration = Duration::from_secs(15);

/// The beat of each process, and since when it has not moved.
type Seen = HashMap<Name, (u64, Instant)>;

impl Store {
    /// Looks after what others left behind, for as long as the store is in use.
    pub(super) fn reap(&self) {
        if self.0.name.is_some() {
            tokio::spawn(attend(Arc::downgrade(&self.0)));
        }
    }

    /// Tells that the counts of a process are lost, and takes its row away, unless it moved; says whether it did.
    async fn bury(&self, lease: Lease, gone: Replica) -> Result<bool, StoreError> {
        let kept = self.keep::<Infallible, _>(None, move |tx| {
            Box::pin(async move {
                tx.fence(lease).await?;
                if replica::leave(&mut tx.conn, &gone.name, Some(gone.beat)).await? {
                    let (since, at) = (gone.counted, tx.now());
                    tx.record(Event::CountsLost { since, at }).await?;
                }
                Ok(Vec::new())
            })
        });
        match kept.await {
            Ok(answer) => Ok(answer.number.is_some()),
            Err(KeepError::Store(error)) => Err(error),
            Err(KeepError::RequestIdReused) => Err(StoreError::Broken),
            Err(KeepError::Refused(never)) => match never {},
        }
    }
}

/// Those among `all` of which nothing has moved for `patience`.
fn gone(seen: &mut Seen, all: Vec<Replica>, patience: Duration) -> Vec<Replica> {
    let now = Instant::now();
    seen.retain(|name, _| all.iter().any(|replica| replica.name == *name));
    let mut is_gone = |replica: &Replica| {
        let known = seen.entry(replica.name.clone()).or_insert((replica.beat, now));
        if known.0 != replica.beat {
            *known = (replica.beat, now);
        }
        now.duration_since(known.1) >= patience
    };
    all.into_iter().filter(|replica| is_gone(replica)).collect()
}

async fn attend(store: Weak<Inner>) {
    let mut seen = Seen::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(store) = store.upgrade().map(Store) else { return };
        if store.has_failed() || store.is_closed() {
            return;
        }
        let Some(lease) = store.lease(Task::Reaping) else {
            seen.clear();
            continue;
        };
        let Some(told) = store.state().await.told else { continue };
        for replica in gone(&mut seen, told.replicas, GONE_AFTER) {
            let title = replica.title.clone();
            match store.bury(lease, replica).await {
                Ok(true) => tracing::warn!(title, "a process ended without a word"),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "what a process left could not be told"),
            }
        }
    }
}

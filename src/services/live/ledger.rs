//! What is to be put on record of live streams: in order, without anybody waiting for the disk who guards a stream.

use crate::core::event::Event;
use crate::io::store::{KeepError, RequestKey, Store};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Events that may wait before no more messages of callers are read.
const WAITING_MAX: usize = 10_000;
/// Events that are recorded in one change.
const AT_ONCE: usize = 64;
/// Time until a store that is away is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Time between two looks whether everything is recorded.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// An event that is owed to the journal.
struct Owed {
    event: Event,
    /// The request that it was made by, with what that is answered.
    asked: Option<(RequestKey, Vec<u8>)>,
    /// Who wants to know its number; nothing is told as its number while the store is out of reach.
    done: oneshot::Sender<Option<u64>>,
}

/// The way to the journal.
#[derive(Clone)]
pub struct Ledger {
    sender: mpsc::UnboundedSender<Owed>,
    waiting: Arc<AtomicUsize>,
}

impl Ledger {
    /// A ledger over a store.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        tokio::spawn(run(store, receiver, Arc::clone(&waiting)));
        Self { sender, waiting }
    }

    /// Puts an event on record, behind those before it; what this gives is told its number.
    pub fn put(
        &self,
        event: Event,
        asked: Option<(RequestKey, Vec<u8>)>,
    ) -> oneshot::Receiver<Option<u64>> {
        let (done, number) = oneshot::channel();
        self.waiting.fetch_add(1, Ordering::AcqRel);
        if self.sender.send(Owed { event, asked, done }).is_err() {
            tracing::error!("an event of a live stream cannot be put on record");
        }
        number
    }

    /// Whether so much waits that no more should come.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Acquire) >= WAITING_MAX
    }

    /// Waits until nothing is owed, at most for a while.
    pub async fn settle(&self, patience: Duration) {
        let settled = async {
            while self.waiting.load(Ordering::Acquire) > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if tokio::time::timeout(patience, settled).await.is_err() {
            tracing::error!("the store was out of reach: events of live streams are lost");
        }
    }
}

async fn run(store: Store, mut owed: mpsc::UnboundedReceiver<Owed>, waiting: Arc<AtomicUsize>) {
    let mut batch = Vec::new();
    while owed.recv_many(&mut batch, AT_ONCE).await > 0 {
        let count = batch.len();
        let mut group = Vec::new();
        for one in batch.drain(..) {
            // What has a key is a change of its own: its answer is kept with it.
            if one.asked.is_some() {
                keep(&store, std::mem::take(&mut group)).await;
                keep(&store, vec![one]).await;
            } else {
                group.push(one);
            }
        }
        keep(&store, group).await;
        waiting.fetch_sub(count, Ordering::AcqRel);
    }
}

/// Tells whoever still wants to know.
fn tell(waiting: &mut Vec<oneshot::Sender<Option<u64>>>, number: Option<u64>) {
    for done in waiting.drain(..) {
        let _ = done.send(number);
    }
}

/// Records events in one change, however long it takes. What may have been recorded already is recorded again: who is
/// told of cuts knows each by its name.
async fn keep(store: &Store, group: Vec<Owed>) {
    let mut events = Vec::with_capacity(group.len());
    let (mut asked, mut waiting) = (None, Vec::with_capacity(group.len()));
    for one in group {
        events.push(one.event);
        asked = asked.or(one.asked);
        waiting.push(one.done);
    }
    while !events.is_empty() {
        let (key, answer) = asked.clone().unzip();
        let (answer, recorded) = (answer.unwrap_or_default(), events.clone());
        let kept = store.keep::<Infallible, _>(key, move |tx| {
            Box::pin(async move {
                for event in recorded {
                    tx.record(event).await?;
                }
                Ok(answer)
            })
        });
        let error = match kept.await {
            Ok(answer) => {
                tell(&mut waiting, answer.number);
                return;
            }
            Err(KeepError::RequestIdReused) => {
                // The cut is made; only its key was used for something else at the same time.
                asked = None;
                continue;
            }
            Err(KeepError::Refused(never)) => match never {},
            Err(KeepError::Store(error)) => error,
        };
        tell(&mut waiting, None);
        if store.has_failed() || store.is_closed() {
            tracing::error!(%error, count = events.len(), "events of live streams are lost");
            return;
        }
        tracing::warn!(%error, count = events.len(), "events of live streams wait for the store");
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

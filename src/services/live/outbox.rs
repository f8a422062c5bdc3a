//! What is said to a caller whose stream is guarded: nobody waits for one who reads slowly.

use crate::proto::v1;
use crate::services::status::Refusal;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::Status;

/// Messages that may wait to be read. What does not fit is not said now: a directive that is not acknowledged is said
/// again, and who acknowledges nothing is noticed by that.
const WAITING_MAX: usize = 64;

type Message = Result<v1::GuardStreamResponse, Status>;

/// The way to a caller.
#[derive(Clone)]
pub struct Outbox {
    sender: mpsc::UnboundedSender<Message>,
    waiting: Arc<AtomicUsize>,
}

/// What the caller reads.
pub struct Saying {
    receiver: mpsc::UnboundedReceiver<Message>,
    waiting: Arc<AtomicUsize>,
}

/// A way to a caller, and its other end.
#[must_use]
pub fn open() -> (Outbox, Saying) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Outbox { sender, waiting: Arc::clone(&waiting) }, Saying { receiver, waiting })
}

impl Outbox {
    /// Says something, unless too much waits already.
    pub fn say(&self, step: v1::guard_stream_response::Step) {
        if self.waiting.load(Ordering::Acquire) < WAITING_MAX {
            self.put(Ok(v1::GuardStreamResponse { step: Some(step) }));
        }
    }

    /// Says the last thing, however much waits.
    pub fn say_last(&self, step: v1::guard_stream_response::Step) {
        self.put(Ok(v1::GuardStreamResponse { step: Some(step) }));
    }

    /// Ends the call with a refusal, however much waits.
    pub fn refuse(&self, refusal: Refusal) {
        self.put(Err(refusal.into()));
    }

    fn put(&self, message: Message) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        // A caller who has gone is noticed elsewhere.
        drop(self.sender.send(message));
    }

    /// Waits until the caller has gone.
    pub async fn gone(&self) {
        self.sender.closed().await;
    }
}

impl Stream for Saying {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let polled = self.receiver.poll_recv(cx);
        if let Poll::Ready(Some(_)) = &polled {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
        polled
    }
}

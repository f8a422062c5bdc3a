//! The two directions of a call's bytes, each held to its limits of size, silence and time.

use crate::server::admission::{Slot, exceeded};
use crate::server::fields::Fields;
use crate::server::metrics::Metrics;
use crate::server::rpc_table::Rpc;
use crate::server::watch::CallMark;
use crate::services::call::{ByteBudget, ByteLease, Deadline};
use crate::services::status::{Reason, Refusal};
use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use std::future::Future as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Code, Status};

/// The bytes that a call holds, from the head of a message until its answer has left.
pub(super) type Held = Arc<Mutex<Option<ByteLease>>>;

/// Outermost fields of one message: far more than any call has use for, and little memory.
const FIELDS_MAX: u32 = 4096;

enum Position {
    Head([u8; 5], usize),
    Message(u64, Fields),
}

/// What a caller sends. Each message's length is read before the message, and taken from the budget.
pub(super) struct RequestBody {
    inner: tonic::body::Body,
    position: Position,
    message_bytes_max: u32,
    spread: u32,
    budget: ByteBudget,
    held: Held,
    idle: Duration,
    silence: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(super) fn new(
        inner: tonic::body::Body,
        rpc: &Rpc,
        budget: ByteBudget,
        held: Held,
        idle: Duration,
    ) -> Self {
        Self {
            inner,
            position: Position::Head([0; 5], 0),
            message_bytes_max: rpc.message_bytes_max,
            spread: rpc.spread(),
            budget,
            held,
            idle,
            silence: None,
        }
    }

    /// Follows the messages through `bytes`.
    fn follow(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            match &mut self.position {
                Position::Head(head, seen) => {
                    let take = bytes.len().min(5 - *seen);
                    head[*seen..*seen + take].copy_from_slice(&bytes[..take]);
                    *seen += take;
                    bytes = &bytes[take..];
                    if *seen == 5 {
                        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
                        self.begin(length)?;
                    }
                }
                Position::Message(left, fields) => {
                    let take =
                        usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    if fields.follow(&bytes[..take]) > FIELDS_MAX {
                        let message = "the message has more fields than any call takes";
                        return Err(Refusal::new(Reason::MessageTooLarge, message)
                            .with("fields_max", FIELDS_MAX));
                    }
                    bytes = &bytes[take..];
                    *left -= take as u64;
                    if *left == 0 {
                        self.position = Position::Head([0; 5], 0);
                    }
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, length: u32) -> Result<(), Refusal> {
        if length > self.message_bytes_max {
            return Err(Refusal::new(
                Reason::MessageTooLarge,
                "the message is longer than this call takes",
            )
            .with("bytes_max", self.message_bytes_max));
        }
        let mut held = self.held.lock();
        // What came before is given back first: a stream holds one message at a time here, and what
        // a method gathers it leases itself.
        *held = None;
        *held = Some(self.budget.lease(u64::from(length) * u64::from(self.spread))?);
        self.position = if length == 0 {
            Position::Head([0; 5], 0)
        } else {
            Position::Message(u64::from(length), Fields::new())
        };
        Ok(())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.silence = None;
                if let Some(data) = frame.data_ref() {
                    this.follow(data.chunk()).map_err(Status::from)?;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(other) => Poll::Ready(other),
            Poll::Pending => {
                let idle = this.idle;
                let silence =
                    this.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
                ready!(silence.as_mut().poll(cx));
                Poll::Ready(Some(Err(Refusal::new(
                    Reason::StreamIdle,
                    "nothing came for too long",
                )
                .into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Counts a call once, however it ends.
pub(super) struct Account {
    metrics: Arc<Metrics>,
    rpc: &'static str,
    began: Instant,
    code: Option<Code>,
}

impl Account {
    pub(super) fn open(metrics: Arc<Metrics>, rpc: &'static str) -> Self {
        metrics.call_began();
        Self { metrics, rpc, began: Instant::now(), code: None }
    }

    pub(super) const fn ended_with(&mut self, code: Code) {
        self.code = Some(code);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // A call that ends without a status was given up by its caller.
        self.metrics.call_ended(
            self.rpc,
            self.code.unwrap_or(Code::Cancelled),
            self.began.elapsed(),
        );
    }
}

/// Everything that a call holds until its answer has left or been given up.
pub(super) struct Tenure {
    pub(super) account: Account,
    pub(super) slot: Option<Slot>,
    pub(super) _held: Held,
    pub(super) watch: Option<CallMark>,
}

/// What is answered. Ends in time, with a status that says why.
pub(super) struct ResponseBody {
    inner: Option<tonic::body::Body>,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Ends streams that would never end by themselves.
    draining: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    tenure: Tenure,
}

impl ResponseBody {
    pub(super) fn new(
        inner: tonic::body::Body,
        deadline: Option<Deadline>,
        draining: Option<WaitForCancellationFutureOwned>,
        tenure: Tenure,
    ) -> Self {
        let deadline = deadline.map(|at| Box::pin(tokio::time::sleep_until(at.0)));
        Self { inner: Some(inner), deadline, draining: draining.map(Box::pin), tenure }
    }

    /// Ends the stream here: nothing more is asked of the method.
    fn end_with(&mut self, refusal: Refusal) -> Frame<Bytes> {
        self.inner = None;
        self.tenure.account.ended_with(refusal.reason().code());
        self.tenure.account.metrics.refused(refusal.reason());
        Frame::trailers(headers_of(&Status::from(refusal)))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let Some(inner) = this.inner.as_mut() else { return Poll::Ready(None) };
        if let Some(deadline) = this.deadline.as_mut()
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Some(Ok(this.end_with(exceeded()))));
        }
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_frame(cx)));
        let Ok(polled) = polled else {
            let refusal = Refusal::new(Reason::Internal, "the service failed to answer");
            return Poll::Ready(Some(Ok(this.end_with(refusal))));
        };
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                let frame = match frame.into_trailers() {
                    Ok(mut trailers) => {
                        this.tenure.account.ended_with(dress(&mut trailers));
                        Frame::trailers(trailers)
                    }
                    Err(frame) => frame,
                };
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Pending
                if this.draining.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready()) =>
            {
                let refusal = Refusal::new(Reason::Draining, "the service is about to stop");
                Poll::Ready(Some(Ok(this.end_with(refusal))))
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

fn headers_of(status: &Status) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if status.add_header(&mut headers).is_err() {
        // Our own texts are all valid as headers; the bare code is what is left otherwise.
        headers.insert("grpc-status", http::HeaderValue::from(status.code() as i32));
    }
    headers
}

/// Gives a status that the library made the details that every status of the contract has.
///
/// Returns the code of the status as it leaves.
pub(super) fn dress(headers: &mut HeaderMap) -> Code {
    let Some(status) = Status::from_header_map(headers) else { return Code::Ok };
    if status.code() == Code::Ok || !status.details().is_empty() {
        return status.code();
    }
    let refusal = refusal_of(&status);
    let code = refusal.reason().code();
    for (name, value) in &headers_of(&Status::from(refusal)) {
        headers.insert(name, value.clone());
    }
    code
}

/// What the contract calls the library's own refusals. Its texts are not repeated.
fn refusal_of(status: &Status) -> Refusal {
    match status.code() {
        Code::OutOfRange => {
            Refusal::new(Reason::MessageTooLarge, "the message is longer than this call takes")
        }
        // The only way in which reading a message can fail inside the library.
        Code::Internal
            if status.message().contains("decode")
                || status.message().contains("Missing request message") =>
        {
            Refusal::new(Reason::MessageMalformed, "the message cannot be read")
        }
        Code::Unimplemented
            if status.message().contains("compress") || status.message().contains("encoding") =>
        {
            Refusal::new(Reason::CompressionUnsupported, "messages must not be compressed")
        }
        Code::Unimplemented => Refusal::new(Reason::MethodUnknown, "there is no such call"),
        Code::NotFound => Refusal::new(Reason::NotFound, "not found"),
        Code::InvalidArgument => {
            Refusal::new(Reason::MessageMalformed, "the message cannot be read")
        }
        // Nobody is left to read it.
        Code::Cancelled => Refusal::new(Reason::Internal, "the call was given up"),
        Code::DeadlineExceeded => exceeded(),
        _ => {
            tracing::error!(code = ?status.code(), "a method answered a status without details");
            Refusal::new(Reason::Internal, "the service failed to answer")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::StatusExt as _;

    fn dressed(status: &Status) -> Status {
        let mut headers = headers_of(status);
        dress(&mut headers);
        Status::from_header_map(&headers).expect("has a status")
    }

    #[test]
    fn a_bare_status_gets_details() {
        for (status, reason) in [
            (Status::out_of_range("message length too large"), Reason::MessageTooLarge),
            (Status::internal("failed to decode Protobuf message"), Reason::MessageMalformed),
            (
                Status::unimplemented("Content is compressed with `gzip` which isn't supported"),
                Reason::CompressionUnsupported,
            ),
            (Status::unimplemented(""), Reason::MethodUnknown),
            (Status::unknown("secret text"), Reason::Internal),
        ] {
            let dressed = dressed(&status);
            assert_eq!(dressed.code(), reason.code());
            let info = dressed.get_details_error_info().expect("has details");
            assert_eq!(info.reason, reason.as_str());
            assert!(!dressed.message().contains("secret"));
        }
    }

    #[test]
    fn a_status_of_ours_is_left_as_it_is() {
        let ours = Status::from(Refusal::resource(Reason::NotFound, "bank", "b"));
        let left = dressed(&ours);
        assert_eq!((left.message(), left.details()), (ours.message(), ours.details()));
        assert_eq!(dress(&mut HeaderMap::new()), Code::Ok);
    }
}

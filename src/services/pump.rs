//! The one pump of all streams: messages in, a session decides, messages out, until either side ends.

use crate::services::call::Deadline;
use crate::services::status::{Reason, Refusal};
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

/// Messages that may wait for a caller who reads slowly; then the pump stops reading from it.
const WAITING_MAX: usize = 16;

/// What a session wants after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The next message.
    More,
    /// Nothing more: the stream ends well.
    Done,
}

/// The way out of a session.
#[derive(Debug)]
pub struct Outlet<T> {
    sender: mpsc::Sender<Result<T, Status>>,
}

impl<T> Outlet<T> {
    /// Sends a message, waiting for the caller to read.
    ///
    /// # Errors
    /// A refusal where the caller has gone.
    pub async fn send(&self, message: T) -> Result<(), Refusal> {
        self.sender.send(Ok(message)).await.map_err(|_| gone())
    }
}

/// One stream's rules: what each message does. Order and limits are decided in the core.
pub trait Session: Send + 'static {
    /// A message of the caller.
    type In: Send + 'static;
    /// A message of the service.
    type Out: Clone + Send + Sync + 'static;

    /// Takes a message.
    fn on(
        &mut self,
        message: Self::In,
        out: &Outlet<Self::Out>,
    ) -> impl Future<Output = Result<Next, Refusal>> + Send;

    /// Takes the end of the caller's messages.
    fn on_end(
        &mut self,
        out: &Outlet<Self::Out>,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// A sign of life, for the time in which there is nothing else to say.
    fn heartbeat(&self) -> Option<Self::Out>;
}

/// How long a stream may be quiet on either side.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// When the whole call is over.
    pub deadline: Option<Deadline>,
    /// Longest wait for the caller's next message.
    pub idle: Duration,
    /// Time between two signs of life.
    pub heartbeat: Duration,
}

/// Runs a session over a stream. The task ends with either side.
pub fn run<S>(
    inbound: Streaming<S::In>,
    session: S,
    patience: Patience,
) -> ReceiverStream<Result<S::Out, Status>>
where
    S: Session,
{
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        let out = Outlet { sender };
        let gone = out.sender.clone();
        let work = serve(inbound, session, patience, &out);
        // A caller who has gone takes the work with it: what it asked for is not done for nobody.
        let ended = tokio::select! {
            ended = work => ended,
            () = gone.closed() => return,
        };
        if let Err(refusal) = ended {
            drop(out.sender.send(Err(refusal.into())).await);
        }
    });
    ReceiverStream::new(receiver)
}

/// Runs what only tells, until it ends or the caller has gone.
pub fn tell<T, F, W>(work: F) -> ReceiverStream<Result<T, Status>>
where
    T: Send + 'static,
    F: FnOnce(Outlet<T>) -> W + Send + 'static,
    W: Future<Output = Result<(), Refusal>> + Send,
{
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        let end = sender.clone();
        let ended = tokio::select! {
            ended = work(Outlet { sender }) => ended,
            () = end.closed() => return,
        };
        if let Err(refusal) = ended {
            drop(end.send(Err(refusal.into())).await);
        }
    });
    ReceiverStream::new(receiver)
}

async fn serve<S: Session>(
    mut inbound: Streaming<S::In>,
    mut session: S,
    patience: Patience,
    out: &Outlet<S::Out>,
) -> Result<(), Refusal> {
    let work = async {
        loop {
            let message = next(&mut inbound, session.heartbeat(), patience, out).await?;
            let Some(message) = message else { return session.on_end(out).await };
            let sign = session.heartbeat();
            let step = session.on(message, out);
            if beating(step, sign, patience.heartbeat, out).await? == Next::Done {
                return Ok(());
            }
        }
    };
    tokio::select! {
        ended = work => ended,
        () = over(patience) => Err(late()),
    }
}

/// Waits for the caller's next message, giving signs of life meanwhile.
async fn next<I, O: Clone>(
    inbound: &mut Streaming<I>,
    sign: Option<O>,
    patience: Patience,
    out: &Outlet<O>,
) -> Result<Option<I>, Refusal> {
    let idle = Instant::now() + patience.idle;
    loop {
        let beat = Instant::now() + patience.heartbeat;
        tokio::select! {
            message = inbound.message() => return message.map_err(|status| broken(&status)),
            () = sleep_until(idle) => {
                return Err(Refusal::new(Reason::StreamIdle, "nothing came for too long"));
            }
            () = sleep_until(beat) => {
                if let Some(sign) = &sign {
                    out.send(sign.clone()).await?;
                }
            }
        }
    }
}

/// Waits for a step, repeating `sign` meanwhile.
async fn beating<T, O: Clone>(
    step: impl Future<Output = Result<T, Refusal>>,
    sign: Option<O>,
    every: Duration,
    out: &Outlet<O>,
) -> Result<T, Refusal> {
    tokio::pin!(step);
    loop {
        tokio::select! {
            ended = &mut step => return ended,
            () = tokio::time::sleep(every) => {
                if let Some(sign) = &sign {
                    out.send(sign.clone()).await?;
                }
            }
        }
    }
}

/// Nobody reads it: the caller has gone.
fn gone() -> Refusal {
    Refusal::new(Reason::StreamIdle, "the caller has gone")
}

/// A stream on which only the service speaks, for as long as the caller listens.
pub trait Source: Send + 'static {
    /// A message of the service.
    type Out: Send + 'static;

    /// What comes next; nothing where nothing came for so long.
    fn next(
        &mut self,
        patience: Duration,
    ) -> impl Future<Output = Result<Vec<Self::Out>, Refusal>> + Send;

    /// A sign of life; the first message, too.
    fn heartbeat(&self) -> Self::Out;
}

/// Tells what comes out of a source until the caller has gone or the call's time is over.
pub fn pour<S: Source>(
    mut source: S,
    patience: Patience,
) -> ReceiverStream<Result<S::Out, Status>> {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        let out = Outlet { sender };
        let telling = async {
            out.send(source.heartbeat()).await?;
            loop {
                let messages = source.next(patience.heartbeat).await?;
                if messages.is_empty() {
                    out.send(source.heartbeat()).await?;
                }
                for message in messages {
                    out.send(message).await?;
                }
            }
        };
        let ended: Result<std::convert::Infallible, Refusal> = tokio::select! {
            ended = telling => ended,
            () = over(patience) => Err(late()),
            () = out.sender.closed() => return,
        };
        // It has no end of its own.
        let Err(refusal) = ended;
        drop(out.sender.send(Err(refusal.into())).await);
    });
    ReceiverStream::new(receiver)
}

/// The end of the call's time.
async fn over(patience: Patience) {
    match patience.deadline {
        Some(deadline) => sleep_until(deadline.0).await,
        None => std::future::pending().await,
    }
}

fn late() -> Refusal {
    Refusal::new(Reason::DeadlineExceeded, "the call's time is over")
}

/// The next message of a stream that the caller alone speaks on.
///
/// # Errors
/// [`Reason::StreamIdle`], [`Reason::DeadlineExceeded`], or what the transport says of a broken message.
pub async fn take<T>(inbound: &mut Streaming<T>, patience: Patience) -> Result<Option<T>, Refusal> {
    let idle = Instant::now() + patience.idle;
    let until = patience.deadline.map_or(idle, |deadline| idle.min(deadline.0));
    match tokio::time::timeout_at(until, inbound.message()).await {
        Ok(message) => message.map_err(|status| broken(&status)),
        Err(_) if until < idle => Err(late()),
        Err(_) => Err(Refusal::new(Reason::StreamIdle, "nothing came for too long")),
    }
}

/// What a broken stream means in the contract's words.
#[must_use]
pub fn broken(status: &Status) -> Refusal {
    match status.code() {
        Code::OutOfRange => Refusal::new(Reason::MessageTooLarge, "a message is too long"),
        Code::ResourceExhausted => {
            Refusal::over("limits.in_flight_bytes", "no memory is free for the message")
        }
        Code::Internal | Code::InvalidArgument => {
            Refusal::new(Reason::MessageMalformed, "a message cannot be read")
        }
        Code::Unimplemented => Refusal::new(
            Reason::CompressionUnsupported,
            "a message is compressed in an unknown way",
        ),
        _ => gone(),
    }
}

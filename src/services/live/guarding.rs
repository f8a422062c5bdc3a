//! One connection that carries a live stream: its messages are read, judged two at a time, and told in their order.

use crate::core::id::StreamId;
use crate::core::live::event::{Start as Begin, Token};
use crate::core::live::kept::Guarded;
use crate::core::live::policy::{Policy, Terms};
use crate::core::live::session::{Session, Standing};
use crate::core::policy::Context;
use crate::proto::v1;
use crate::services::desk::Call;
use crate::services::live::judging::{self, Subject, Work};
use crate::services::live::keeper::{Beginning, Keeper, Link, Order};
use crate::services::live::outbox::Outbox;
use crate::services::live::parse::{self, First, Message, Resume, Sent, Start};
use crate::services::live::shown::Shown;
use crate::services::live::streams::{Entry, Streams};
use crate::services::live::tools::Tools;
use crate::services::pump;
use crate::services::status::{Reason, Refusal, reused};
use crate::services::words::request::Keyed;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use tonic::Streaming;

/// Messages of one stream that are judged at the same time; the next ones are not read before.
const IN_WORK_MAX: usize = 2;
/// Verdicts of one stream that wait to be kept; by then no more messages are read.
const KEEPING_MAX: usize = 16;
/// Orders that may wait for a keeper.
const ORDERS_MAX: usize = 8;
/// How often it is asked whether the caller may still guard.
const ASK_AGAIN: Duration = Duration::from_secs(1);

type Judging = BoxFuture<'static, Result<Work, Refusal>>;

/// Carries a stream until either side ends.
pub async fn run(
    tools: Tools,
    streams: Streams,
    call: Call,
    mut inbound: Streaming<v1::GuardStreamRequest>,
    out: Outbox,
) {
    let carried = async {
        let patience = tools.desk.patience(&call);
        let Some(first) = pump::take(&mut inbound, patience).await? else {
            return Err(parse::order("start or resume must come first"));
        };
        let (entry, resume) = match parse::first(first)? {
            First::Start(start) => (begin(&tools, &streams, &call, *start).await?, None),
            First::Resume(resume) => {
                let Resume { stream, token, heard } = resume;
                (resumed(&streams, &call, &stream)?, Some((token, heard)))
            }
        };
        let link = join(&entry, resume, out.clone()).await?;
        Carrying::new(tools, call, entry.subject, link).carry(&mut inbound, &out).await
    };
    if let Err(refusal) = carried.await {
        out.refuse(refusal);
    }
}

/// The stream that a caller comes back to.
fn resumed(streams: &Streams, call: &Call, stream: &StreamId) -> Result<Entry, Refusal> {
    let refuse = || Refusal::new(Reason::ResumeRefused, "no such stream is guarded here");
    let entry = streams.find(&call.caller.scope, stream).ok_or_else(refuse)?;
    if entry.shown.lock().over.is_some() {
        return Err(Refusal::new(Reason::ResumeRefused, "the stream is over"));
    }
    Ok(entry)
}

/// Begins to guard a stream, or finds the one that this very request began.
async fn begin(
    tools: &Tools,
    streams: &Streams,
    call: &Call,
    start: Start,
) -> Result<Entry, Refusal> {
    let Start { context, stream, actor, keyed } = start;
    let (desk, scope) = (&tools.desk, &call.caller.scope);
    desk.admit(call, &context).await?;
    match desk.store.cut_of(scope, &stream).await {
        Ok(None) => {}
        Ok(Some(_)) => return Err(cut(&stream)),
        // Examined is better than not: what was cut is caught again by what it shows.
        Err(error) => tracing::warn!(%error, "whether a stream was cut cannot be read"),
    }
    let terms = terms_of(tools, call, &context);
    let token = desk.clock.random::<16>();
    let begin = Begin { actor, token: Token::new(token) };
    let guarded = Guarded {
        session: desk.clock.fresh_id(),
        stream: stream.clone(),
        surface: context.surface.clone(),
        actor: context.actor.clone(),
    };
    let policy = Policy::of(terms.clone()).or_else(|_| Policy::of(Terms::usual()));
    let policy = policy.map_err(|_| Refusal::new(Reason::Internal, "no terms for a stream"))?;
    let terms = policy.terms().clone();
    let now = desk.clock.now();
    let session = Session::start(Arc::new(policy), begin, now);
    let shown = Arc::new(Mutex::new(Shown {
        guarded: guarded.clone(),
        glance: session.0.glance(),
        started: now,
        last_piece: None,
        buffer_bytes: 0,
        cut: None,
        is_done: false,
        over: None,
    }));
    let (orders, received) = mpsc::channel(ORDERS_MAX);
    let entry = Entry {
        orders,
        shown: Arc::clone(&shown),
        subject: Subject::new(context),
        keyed: keyed.clone(),
    };
    let is_over = |there: &Entry| {
        let shown = there.shown.lock();
        shown.over.is_some() && shown.cut.is_none()
    };
    if let Err(there) = streams.put(scope, &stream, entry.clone(), is_over) {
        return again(there, keyed.as_ref(), &stream);
    }
    let token = hex::encode(token);
    let beginning = Beginning { scope: scope.clone(), guarded, token, terms, session, shown };
    tokio::spawn(Keeper::new(tools.clone(), beginning).run(received));
    Ok(entry)
}

/// A start for a stream that is there: the same request again, as long as nothing else was said.
fn again(there: Entry, keyed: Option<&Keyed>, stream: &StreamId) -> Result<Entry, Refusal> {
    let (is_cut, standing) = {
        let shown = there.shown.lock();
        (shown.cut.is_some(), shown.glance.standing)
    };
    if is_cut {
        return Err(cut(stream));
    }
    let exists = || Refusal::resource(Reason::AlreadyExists, "stream", stream.to_string());
    match (keyed, &there.keyed) {
        (Some(now), Some(then)) if now.id == then.id => {
            let is_first = matches!(standing, Standing::Opening | Standing::Lost);
            match now.digest == then.digest {
                true if is_first && there.shown.lock().last_piece.is_none() => Ok(there),
                true => Err(exists()),
                false => Err(reused()),
            }
        }
        _ => Err(exists()),
    }
}

fn cut(stream: &StreamId) -> Refusal {
    Refusal::resource(Reason::StreamCut, "stream", stream.to_string())
}

/// The terms of the surface that a stream is on.
fn terms_of(tools: &Tools, call: &Call, context: &Context) -> Terms {
    let resident = tools.desk.store.resident().read();
    let holding = resident.of(&call.caller.scope);
    let surface = holding.and_then(|holding| holding.surfaces.get(&context.surface));
    let terms = surface.and_then(|surface| surface.live.as_deref().cloned());
    terms.unwrap_or_else(Terms::usual)
}

async fn join(entry: &Entry, resume: Option<(Token, u64)>, out: Outbox) -> Result<Link, Refusal> {
    let over = || Refusal::new(Reason::ResumeRefused, "the stream is over");
    let (answer, joined) = oneshot::channel();
    let order = Order::Join { resume, out, answer };
    entry.orders.send(order).await.map_err(|_| over())?;
    joined.await.map_err(|_| over())?
}

/// A connection at work.
struct Carrying {
    tools: Tools,
    call: Call,
    subject: Subject,
    link: Link,
    works: FuturesOrdered<Judging>,
    keeping: Arc<Semaphore>,
    /// Number of the last message that was read.
    read: u64,
    /// Whether the caller has said that the stream is over.
    is_stopped: bool,
}

impl Carrying {
    fn new(tools: Tools, call: Call, subject: Subject, link: Link) -> Self {
        let (read, keeping) = (link.taken, Arc::new(Semaphore::new(KEEPING_MAX)));
        let works = FuturesOrdered::new();
        Self { tools, call, subject, link, works, keeping, read, is_stopped: false }
    }

    async fn carry(
        mut self,
        inbound: &mut Streaming<v1::GuardStreamRequest>,
        out: &Outbox,
    ) -> Result<(), Refusal> {
        let mut ask = interval(ASK_AGAIN);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let over = self.link.over.clone();
        let mut is_open = true;
        while is_open || !self.works.is_empty() {
            let may_read = is_open
                && !self.is_stopped
                && self.works.len() < IN_WORK_MAX
                && self.keeping.available_permits() > 0
                && !self.tools.ledger.is_full();
            tokio::select! {
                () = over.cancelled() => return Ok(()),
                () = out.gone() => return Ok(()),
                Some(work) = self.works.next(), if !self.works.is_empty() => {
                    self.tell(work?).await;
                }
                _ = ask.tick() => self.ask()?,
                message = inbound.message(), if may_read => match message {
                    Ok(Some(message)) => self.take(parse::message(message)?)?,
                    // Nothing more comes; what came is still told.
                    Ok(None) => is_open = false,
                    Err(status) => {
                        is_open = false;
                        if let Some(refusal) = broken(&status) {
                            return Err(refusal);
                        }
                    }
                },
            }
        }
        // A session that was not told that its stream is over goes on, and waits for somebody to come back.
        Err(parse::order("stop must come last"))
    }

    fn ask(&self) -> Result<(), Refusal> {
        if self.call.deadline.is_some_and(|deadline| deadline.left().is_zero()) {
            return Err(Refusal::new(Reason::DeadlineExceeded, "the call's time is over"));
        }
        self.tools.desk.is_still_let_in(&self.call)
    }

    /// Takes a message that was not taken before.
    fn take(&mut self, message: Message) -> Result<(), Refusal> {
        let expected = self.read + 1;
        if message.number < expected {
            return Ok(());
        }
        if message.number > expected {
            return Err(parse::order(format!("message {expected} must come next")));
        }
        self.read = message.number;
        self.is_stopped = matches!(message.sent, Sent::Stop);
        let is_piece = matches!(message.sent, Sent::Frame(..) | Sent::Segment(..));
        let in_work = is_piece.then(|| self.tools.work());
        let (desk, call) = (self.tools.desk.clone(), self.call.clone());
        let subject = self.subject.clone();
        self.works.push_back(Box::pin(async move {
            let _in_work = in_work;
            judging::judge(desk, call, subject, message).await
        }));
        Ok(())
    }

    /// Tells the session of a message, and then keeps what was decided of it.
    async fn tell(&mut self, mut work: Work) {
        let verdict = work.verdict.take();
        if self.link.works.send(work).await.is_err() {
            self.link.over.cancel();
        }
        let Some(verdict) = verdict else { return };
        let (desk, call) = (self.tools.desk.clone(), self.call.clone());
        let (context, turns) = (Arc::clone(&self.subject.context), Arc::clone(&self.keeping));
        let turn = turns.try_acquire_owned().ok();
        tokio::spawn(async move {
            let _turn = turn;
            judging::keep(desk, call, context, verdict).await;
        });
    }
}

/// What a broken message is refused for; nothing where only the connection broke.
fn broken(status: &tonic::Status) -> Option<Refusal> {
    let refusal = pump::broken(status);
    (refusal.reason() != Reason::StreamIdle).then_some(refusal)
}

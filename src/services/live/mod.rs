//! `LiveService`: guards for live streams, which are examined while they run and cut where they must be.

mod parse;
mod ledger;
mod tools;
mod holding;
mod outbox;
mod shown;
mod reply;
mod judging;
mod keeper;
mod streams;
mod guarding;
mod watching;

pub use tools::Figures;

use crate::core::live::kept::{Interrupt, Person};
use crate::core::refused::{Refused, Thing};
use crate::io::evidence::Evidence;
use crate::io::store::{KeepError, RequestKey, VerdictKept};
use crate::proto::v1;
use crate::proto::v1::live_service_server::LiveService;
use crate::services::call::ByteBudget;
use crate::services::desk::{Call, Desk};
use crate::services::live::keeper::{Cutting, Order};
use crate::services::live::ledger::Ledger;
use crate::services::live::outbox::Saying;
use crate::services::live::shown::{Shown, place};
use crate::services::live::streams::Streams;
use crate::services::live::tools::Tools;
use crate::services::pump;
use crate::services::status::{Reason, Refusal, reused};
use crate::services::words::page;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// Time between two looks whether evidence is past its term.
const LET_GO_EVERY: Duration = Duration::from_secs(600);
/// How long a stop waits for what is to be put on record.
const SETTLE: Duration = Duration::from_secs(5);

/// The room.
#[derive(Clone)]
pub struct Live {
    tools: Tools,
    streams: Streams,
}

impl Live {
    /// The room over a desk, with evidence and memory for the last seconds of all streams.
    #[must_use]
    pub fn new(desk: Desk, evidence: Evidence, buffer_bytes_max: u64) -> Self {
        let ledger = Ledger::start(desk.store.clone());
        let buffers = ByteBudget::new(buffer_bytes_max);
        let (figures, in_work) = (Arc::default(), Arc::default());
        let stop = CancellationToken::new();
        let tools = Tools { desk, ledger, evidence, buffers, figures, in_work, stop };
        Self { tools, streams: Streams::default() }
    }

    /// Erases what is past its term, until stopped; then waits for what is owed to the journal.
    pub async fn look_after(self, stop: CancellationToken) {
        loop {
            let evidence = self.tools.evidence.clone();
            let gone = tokio::task::spawn_blocking(move || evidence.let_go(SystemTime::now()));
            if let Ok(Err(error)) = gone.await {
                tracing::error!(%error, "evidence past its term cannot be erased");
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(LET_GO_EVERY) => {}
            }
        }
        self.tools.stop.cancel();
        self.tools.ledger.settle(SETTLE).await;
    }

    /// What happened to all streams since the start.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.tools.figures
    }

    /// How many streams are guarded now, and the bytes that are held of their last seconds and of cut ones.
    #[must_use]
    pub fn held(&self) -> (usize, u64, u64) {
        (self.streams.guarded(), self.tools.buffers.taken(), self.tools.evidence.bytes())
    }

    /// The answer that was kept under a request's key, if one was.
    async fn first(&self, key: &RequestKey) -> Result<Option<(Interrupt, Option<u64>)>, Refusal> {
        let answer = match self.tools.desk.store.first_answer(key).await {
            Ok(Some(VerdictKept::Kept(answer) | VerdictKept::Pending(answer))) => answer,
            Err(KeepError::RequestIdReused) => return Err(reused()),
            // A person who cuts waits for no store.
            Ok(None) | Err(_) => return Ok(None),
        };
        let unread = |_| Refusal::new(Reason::Internal, "a kept answer cannot be read");
        let cut = serde_json::from_slice(&answer.bytes).map_err(unread)?;
        Ok(Some((cut, answer.number)))
    }

    /// Cuts a stream, and waits until that is on record. What was begun is done whether or not its caller waits for it.
    async fn cut(
        &self,
        call: &Call,
        asked: parse::Cutting,
        key: Option<RequestKey>,
    ) -> Result<v1::InterruptStreamResponse, Refusal> {
        let parse::Cutting { stream, reason, .. } = asked;
        let missing = || Refused::Missing(Thing::Stream, stream.to_string());
        let entry = self.streams.find(&call.caller.scope, &stream).ok_or_else(missing)?;
        let person = Person { credential: call.caller.credential.clone(), reason };
        let (answer, done) = oneshot::channel();
        let order = Order::Interrupt { person, key, answer };
        let sent = entry.orders.send(order).await;
        let cutting = match sent {
            Ok(()) => done.await.ok().flatten(),
            Err(_) => None,
        };
        let before = || {
            let (cut, number) = entry.shown.lock().cut.clone()?;
            Some(Cutting { cut, number, told: None })
        };
        let Cutting { cut, number, told } = cutting.or_else(before).ok_or_else(missing)?;
        // What was cut before is answered as it stands now, a new cut as it was made.
        let (number, is_done) = match told {
            Some(told) => (told.await.ok().flatten(), false),
            None => (number, entry.shown.lock().is_done),
        };
        Ok(reply::interrupted(&cut, number, is_done))
    }
}

#[tonic::async_trait]
impl LiveService for Live {
    type GuardStreamStream = Saying;

    async fn guard_stream(
        &self,
        request: Request<Streaming<v1::GuardStreamRequest>>,
    ) -> Result<Response<Self::GuardStreamStream>, Status> {
        let call = Call::of(&request)?;
        let (out, saying) = outbox::open();
        let (tools, streams) = (self.tools.clone(), self.streams.clone());
        tokio::spawn(guarding::run(tools, streams, call, request.into_inner(), out));
        Ok(Response::new(saying))
    }

    async fn list_streams(
        &self,
        request: Request<v1::ListStreamsRequest>,
    ) -> Result<Response<v1::ListStreamsResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::list(request.get_ref())?;
        let mut found = self.streams.all(&call.caller.scope, asked.level);
        if let Some((level, stream)) = &asked.after {
            found.retain(|shown| {
                let (of, name) = place(shown);
                of < *level || (of == *level && name > stream)
            });
        }
        let name = |shown: &Shown| {
            let (level, stream) = place(shown);
            format!("{} {stream}", i32::from(reply::risk(level)))
        };
        let next_page_token = page::more(parse::STREAMS, &found, asked.rows, name);
        found.truncate(asked.rows as usize);
        let streams = found.iter().map(reply::stream).collect();
        Ok(Response::new(v1::ListStreamsResponse { streams, next_page_token }))
    }

    async fn interrupt_stream(
        &self,
        request: Request<v1::InterruptStreamRequest>,
    ) -> Result<Response<v1::InterruptStreamResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::interrupt(request.get_ref())?;
        let key = call.request_key("InterruptStream", asked.keyed.as_ref());
        if let Some(key) = &key
            && let Some((cut, number)) = self.first(key).await?
        {
            return Ok(Response::new(reply::interrupted(&cut, number, false)));
        }
        let room = self.clone();
        let cutting = tokio::spawn(async move { room.cut(&call, asked, key).await });
        let broken = |_| Refusal::new(Reason::Internal, "a cut broke down");
        Ok(Response::new(cutting.await.map_err(broken)??))
    }

    type WatchInterruptsStream = ReceiverStream<Result<v1::WatchInterruptsResponse, Status>>;

    async fn watch_interrupts(
        &self,
        request: Request<v1::WatchInterruptsRequest>,
    ) -> Result<Response<Self::WatchInterruptsStream>, Status> {
        let call = Call::of(&request)?;
        let after = parse::watch(request.get_ref())?;
        let patience = self.tools.desk.patience(&call);
        let source = watching::Watch::open(self.tools.desk.clone(), call, after).await?;
        Ok(Response::new(pump::pour(source, patience)))
    }
}

//! Many items by their signals, in numbered batches answered in order.

use crate::core::id::RequestId;
use crate::core::policy::Context;
use crate::core::screening::question::Question;
use crate::proto::v1;
use crate::services::desk::{Call, Desk};
use crate::services::judge::Asked;
use crate::services::pump::{Next, Outlet, Session};
use crate::services::screening::parse::{self, Batch, BatchItem, BatchSignals, Batched};
use crate::services::screening::reply;
use crate::services::status::{Reason, Refusal};
use crate::services::words::request::Keyed;

const METHOD: &str = "ScreenSignalsBatch";
/// Items of one result: they are looked up before others on the same thread get their turn, and a result with the
/// longest verdicts stays far below a client's usual limit of 4 MiB.
const SLICE: usize = 64;

/// A stream of batches.
pub struct ScreenBatch {
    desk: Desk,
    call: Call,
    context: Option<Box<Context>>,
    answered: u64,
}

impl ScreenBatch {
    /// A stream on which nothing has come.
    #[must_use]
    pub const fn new(desk: Desk, call: Call) -> Self {
        Self { desk, call, context: None, answered: 0 }
    }

    async fn answer(
        &mut self,
        batch: Batch,
        out: &Outlet<v1::ScreenSignalsBatchResponse>,
    ) -> Result<(), Refusal> {
        let Some(context) = self.context.as_deref() else {
            return Err(order("the first message must open"));
        };
        if batch.number != self.answered + 1 {
            return Err(order(format!("batch {} must come next", self.answered + 1)));
        }
        let mut slices = batch.items.chunks(SLICE).peekable();
        while let Some(slice) = slices.next() {
            let mut items = Vec::with_capacity(slice.len());
            for item in slice {
                items.push(match &item.read {
                    Err(faults) => reply::unread(item, faults),
                    Ok(read) => self.screen(context, item, read).await?,
                });
            }
            let complete = slices.peek().is_none();
            let result = v1::BatchResult { number: batch.number, items, complete };
            out.send(says(v1::screen_signals_batch_response::Step::Result(result))).await?;
            tokio::task::yield_now().await;
        }
        self.answered = batch.number;
        Ok(())
    }

    async fn screen(
        &self,
        context: &Context,
        item: &BatchItem,
        read: &BatchSignals,
    ) -> Result<v1::ItemResult, Refusal> {
        let asked = asked(context, read);
        let first = self.desk.first_verdict(&self.call, METHOD, &asked).await?;
        let verdict = if let Some(first) = first {
            first
        } else {
            let question = Question::of_signals(read.probes.clone(), read.kind);
            let question = question.with_scores(Vec::new());
            let decided = self.desk.decide(&self.call, &asked.context, &question)?;
            self.desk.keep(&self.call, METHOD, &asked, decided).await?
        };
        Ok(reply::item(item, verdict))
    }
}

/// What is asked of one item: its own name stands in the context, and completes the stream's request id.
fn asked(context: &Context, read: &BatchSignals) -> Asked {
    let mut context = context.clone();
    context.item = Some(read.item.clone());
    let id = context.request.as_ref().and_then(|stream| {
        // A digest, so that two long names cannot make one that is too long.
        let digest = parse::item_key(stream, &read.item);
        RequestId::parse(&digest).ok()
    });
    context.request.clone_from(&id);
    let keyed = id.map(|id| Keyed { id, digest: read.digest });
    Asked { context, keyed }
}

fn order(message: impl Into<String>) -> Refusal {
    Refusal::new(Reason::StreamOrder, message)
}

const fn says(step: v1::screen_signals_batch_response::Step) -> v1::ScreenSignalsBatchResponse {
    v1::ScreenSignalsBatchResponse { step: Some(step) }
}

impl Session for ScreenBatch {
    type In = v1::ScreenSignalsBatchRequest;
    type Out = v1::ScreenSignalsBatchResponse;

    async fn on(&mut self, message: Self::In, out: &Outlet<Self::Out>) -> Result<Next, Refusal> {
        use v1::screen_signals_batch_response::Step as Said;
        match parse::batch(message)? {
            Batched::Open(context) => {
                if self.context.is_some() {
                    return Err(order("only the first message may open"));
                }
                self.desk.admit(&self.call, &context)?;
                self.context = Some(context);
                out.send(says(Said::Accepted(reply::batches_accepted()))).await?;
            }
            Batched::Batch(batch) => self.answer(batch, out).await?,
        }
        Ok(Next::More)
    }

    async fn on_end(&mut self, _out: &Outlet<Self::Out>) -> Result<(), Refusal> {
        Ok(())
    }

    fn heartbeat(&self) -> Option<Self::Out> {
        None
    }
}

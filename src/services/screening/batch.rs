//! Many items by their signals, in numbered batches answered in order.

use crate::core::id::RequestId;
use crate::core::screening::question::Question;
use crate::proto::v1;
use crate::services::desk::{Call, Desk};
use crate::services::judge::{Asked, Judged};
use crate::services::pump::{Next, Outlet, Session};
use crate::services::screening::parse::{
    self, Batch, BatchItem, BatchOpening as Opening, BatchSignals, Batched,
};
use crate::services::screening::reply;
use crate::services::status::{Reason, Refusal};
use crate::services::words::request::{Keyed, digest};
use futures_util::future::try_join_all;
use tokio::time::Instant;

const METHOD: &str = "ScreenSignalsBatch";
/// Items that are looked up in one turn and kept in one commit.
const SLICE: usize = 64;

/// A stream of batches.
pub struct ScreenBatch {
    desk: Desk,
    call: Call,
    opening: Option<Box<Opening>>,
    answered: u64,
}

impl ScreenBatch {
    /// A stream on which nothing has come.
    #[must_use]
    pub const fn new(desk: Desk, call: Call) -> Self {
        Self { desk, call, opening: None, answered: 0 }
    }

    async fn answer(
        &mut self,
        batch: Batch,
        out: &Outlet<v1::ScreenSignalsBatchResponse>,
    ) -> Result<(), Refusal> {
        let Some(opening) = self.opening.as_deref() else {
            return Err(order("the first message must open"));
        };
        if batch.number != self.answered + 1 {
            return Err(order(format!("batch {} must come next", self.answered + 1)));
        }
        let mut items = batch.items.into_iter().peekable();
        while items.peek().is_some() {
            let slice: Vec<BatchItem> = items.by_ref().take(SLICE).collect();
            let answers = self.screen(opening, slice).await?;
            let is_last = items.peek().is_none();
            let mut parts = reply::parted(answers).into_iter().peekable();
            while let Some(items) = parts.next() {
                let complete = is_last && parts.peek().is_none();
                let result = v1::BatchResult { number: batch.number, items, complete };
                out.send(says(v1::screen_signals_batch_response::Step::Result(result))).await?;
            }
        }
        self.answered = batch.number;
        Ok(())
    }

    /// Answers some items: looked up on a thread of its own, and kept together, so that they share one commit.
    async fn screen(
        &self,
        opening: &Opening,
        slice: Vec<BatchItem>,
    ) -> Result<Vec<v1::ItemResult>, Refusal> {
        let began = Instant::now();
        let firsts = slice.into_iter().map(|item| self.first(opening, item));
        let mut stages = try_join_all(firsts).await?;
        let costs = stages.iter().map(Stage::cost).fold(0, u32::saturating_add);
        let context = &opening.context;
        let is_over = self.desk.charge_patiently(&self.call, context, costs).await?;
        let questions = stages.iter_mut().filter_map(|stage| match stage {
            Stage::Answered(_) => None,
            Stage::Asked(_, asked, question) => {
                question.over_budget = is_over;
                Some((asked.context.clone(), std::mem::take(&mut **question)))
            }
        });
        let decided = self.desk.decide_aside(&self.call, questions.collect()).await?;
        let mut decided = decided.into_iter();
        let pairs: Vec<_> = stages
            .into_iter()
            .map(|stage| match stage {
                Stage::Answered(answer) => (Stage::Answered(answer), None),
                asked @ Stage::Asked(..) => (asked, decided.next()),
            })
            .collect();
        let keeping = pairs.into_iter().map(|(stage, decided)| self.keep(stage, decided));
        let answers = try_join_all(keeping).await;
        self.desk.guards.even_out(self.call.caller.sees_match_detail(), began).await;
        answers
    }

    /// Answers an item that cannot be read, or was answered under its key before.
    async fn first(&self, opening: &Opening, item: BatchItem) -> Result<Stage, Refusal> {
        let read = match item.read {
            Ok(read) => read,
            Err(faults) => {
                return Ok(Stage::Answered(Box::new(reply::unread(item.sent_id, &faults))));
            }
        };
        let asked = asked(opening, &read);
        let first = self.desk.first_verdict(&self.call, METHOD, &asked).await?;
        Ok(match first {
            Some(first) => Stage::Answered(Box::new(reply::item(item.sent_id, first))),
            None => {
                let question = Question::of_signals(read.probes, read.kind);
                Stage::Asked(item.sent_id, Box::new(asked), Box::new(question))
            }
        })
    }

    async fn keep(&self, stage: Stage, decided: Option<Judged>) -> Result<v1::ItemResult, Refusal> {
        match (stage, decided) {
            (Stage::Answered(answer), _) => Ok(*answer),
            (Stage::Asked(item, asked, _), Some(decided)) => {
                let verdict = self.desk.keep(&self.call, METHOD, &asked, decided).await?;
                Ok(reply::item(item, verdict))
            }
            (Stage::Asked(..), None) => Err(Refusal::new(Reason::Internal, "an item was lost")),
        }
    }
}

/// How far an item has come.
enum Stage {
    /// Its answer is known.
    Answered(Box<v1::ItemResult>),
    /// It must be decided and kept.
    Asked(String, Box<Asked>, Box<Question>),
}

impl Stage {
    fn cost(&self) -> u32 {
        match self {
            Self::Answered(_) => 0,
            Self::Asked(_, _, question) => question.cost(),
        }
    }
}

/// What is asked of one item: its own name stands in the context, and completes the stream's request id.
fn asked(opening: &Opening, read: &BatchSignals) -> Asked {
    let mut context = opening.context.clone();
    context.item = Some(read.item.clone());
    let id = context.request.as_ref().and_then(|stream| {
        // A digest, so that two long names cannot make one that is too long.
        let digest = parse::item_key(stream, &read.item);
        RequestId::parse(&digest).ok()
    });
    context.request.clone_from(&id);
    let digest = digest(&(), &[&opening.digest, &read.digest]);
    let keyed = id.map(|id| Keyed { id, digest });
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
            Batched::Open(opening) => {
                if self.opening.is_some() {
                    return Err(order("only the first message may open"));
                }
                self.desk.admit(&self.call, &opening.context).await?;
                self.opening = Some(opening);
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

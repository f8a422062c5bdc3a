//! `ScreeningService`: verdicts about items, before they are published.

mod parse;
mod clusters;
mod reply;
mod upload;
mod batch;
mod lookback;

use crate::core::event::Event;
use crate::core::screening::question::Question;
use crate::proto::v1;
use crate::proto::v1::screening_service_server::ScreeningService;
use crate::services::desk::{Call, Desk, refuse_blob};
use crate::services::pump::{self, Patience};
use crate::services::status::Refusal;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

type Answers<T> = ReceiverStream<Result<T, Status>>;

/// The room.
#[derive(Clone)]
pub struct Screening {
    desk: Desk,
}

impl Screening {
    /// The room over a desk.
    #[must_use]
    pub const fn new(desk: Desk) -> Self {
        Self { desk }
    }

    async fn even_out(&self, call: &Call, began: Instant) {
        self.desk.guards.even_out(call.caller.sees_match_detail(), began).await;
    }

    fn patience(&self, call: &Call) -> Patience {
        self.desk.patience(call)
    }
}

#[tonic::async_trait]
impl ScreeningService for Screening {
    async fn screen_media(
        &self,
        request: Request<v1::ScreenMediaRequest>,
    ) -> Result<Response<v1::ScreenMediaResponse>, Status> {
        const METHOD: &str = "ScreenMedia";
        let (call, began) = (Call::of(&request)?, Instant::now());
        let media = parse::media(request.into_inner())?;
        self.desk.admit(&call, &media.asked.context).await?;
        if let Some(first) = self.desk.first_verdict(&call, METHOD, &media.asked).await? {
            return Ok(Response::new(v1::ScreenMediaResponse { verdict: Some(first) }));
        }
        let is_over = self.desk.charge(&call, &media.asked.context, 1)?;
        let blob = self.desk.blob(&media.content)?.seal().map_err(|fault| refuse_blob(&fault))?;
        let deadline = self.desk.media_deadline(&call, &blob);
        let (scope, context) = (&call.caller.scope, &media.asked.context);
        let (mut question, _) =
            self.desk.look_at(scope, context, (blob, None), media.scores, deadline).await;
        question.over_budget = is_over;
        let decided = self.desk.decide_one(&call, context, question).await?;
        let verdict = self.desk.keep(&call, METHOD, &media.asked, decided).await?;
        self.even_out(&call, began).await;
        Ok(Response::new(v1::ScreenMediaResponse { verdict: Some(verdict) }))
    }

    type ScreenUploadStream = Answers<v1::ScreenUploadResponse>;

    async fn screen_upload(
        &self,
        request: Request<Streaming<v1::ScreenUploadRequest>>,
    ) -> Result<Response<Self::ScreenUploadStream>, Status> {
        let call = Call::of(&request)?;
        let patience = self.patience(&call);
        let session = upload::ScreenUpload::new(self.desk.clone(), call)?;
        Ok(Response::new(pump::run(request.into_inner(), session, patience)))
    }

    async fn screen_signals(
        &self,
        request: Request<v1::ScreenSignalsRequest>,
    ) -> Result<Response<v1::ScreenSignalsResponse>, Status> {
        const METHOD: &str = "ScreenSignals";
        let (call, began) = (Call::of(&request)?, Instant::now());
        let signals = parse::signals(request.into_inner())?;
        if let Some(first) = self.desk.first_verdict(&call, METHOD, &signals.asked).await? {
            return Ok(Response::new(v1::ScreenSignalsResponse { verdict: Some(first) }));
        }
        let mut question =
            Question::of_signals(signals.probes, signals.kind).with_scores(signals.scores);
        let context = &signals.asked.context;
        question.over_budget = self.desk.charge(&call, context, question.cost())?;
        let decided = self.desk.decide_one(&call, context, question).await?;
        let verdict = self.desk.keep(&call, METHOD, &signals.asked, decided).await?;
        self.even_out(&call, began).await;
        Ok(Response::new(v1::ScreenSignalsResponse { verdict: Some(verdict) }))
    }

    type ScreenSignalsBatchStream = Answers<v1::ScreenSignalsBatchResponse>;

    async fn screen_signals_batch(
        &self,
        request: Request<Streaming<v1::ScreenSignalsBatchRequest>>,
    ) -> Result<Response<Self::ScreenSignalsBatchStream>, Status> {
        let call = Call::of(&request)?;
        let patience = self.patience(&call);
        let session = batch::ScreenBatch::new(self.desk.clone(), call);
        Ok(Response::new(pump::run(request.into_inner(), session, patience)))
    }

    type HashMediaStream = Answers<v1::HashMediaResponse>;

    async fn hash_media(
        &self,
        request: Request<Streaming<v1::HashMediaRequest>>,
    ) -> Result<Response<Self::HashMediaStream>, Status> {
        let call = Call::of(&request)?;
        let patience = self.patience(&call);
        let session = upload::HashMedia::new(self.desk.clone(), call)?;
        Ok(Response::new(pump::run(request.into_inner(), session, patience)))
    }

    async fn report_external_scores(
        &self,
        request: Request<v1::ReportExternalScoresRequest>,
    ) -> Result<Response<v1::ReportExternalScoresResponse>, Status> {
        const METHOD: &str = "ReportExternalScores";
        let call = Call::of(&request)?;
        let scores = parse::scores(request.into_inner())?;
        if let Some(first) = self.desk.first_verdict(&call, METHOD, &scores.asked).await? {
            return Ok(Response::new(v1::ReportExternalScoresResponse { verdict: Some(first) }));
        }
        let question = Question::of_scores(scores.scores);
        let decided = self.desk.decide_one(&call, &scores.asked.context, question).await?;
        let verdict = self.desk.keep(&call, METHOD, &scores.asked, decided).await?;
        Ok(Response::new(v1::ReportExternalScoresResponse { verdict: Some(verdict) }))
    }

    async fn record_outcome(
        &self,
        request: Request<v1::RecordOutcomeRequest>,
    ) -> Result<Response<v1::RecordOutcomeResponse>, Status> {
        let call = Call::of(&request)?;
        let recorded = parse::outcome(request.into_inner(), self.desk.clock.now())?;
        let key = call.request_key("RecordOutcome", recorded.keyed.as_ref());
        let (scope, outcome) = (call.caller.scope, recorded.outcome);
        if let Some((_, given)) = self.desk.store.verdict(&scope, &outcome.verdict).await?
            && outcome.lacks_review(&given.verdict)
        {
            return Err(parse::not_reviewed().into());
        }
        let kept = self.desk.keep_record(key, move |tx| {
            Box::pin(async move { Ok(tx.record(Event::OutcomeRecorded { scope, outcome }).await?) })
        });
        let (journal_number, _) = kept.await?;
        Ok(Response::new(v1::RecordOutcomeResponse { journal_number }))
    }

    async fn get_verdict(
        &self,
        request: Request<v1::GetVerdictRequest>,
    ) -> Result<Response<v1::GetVerdictResponse>, Status> {
        let call = Call::of(&request)?;
        let id = parse::verdict_id(request.get_ref())?;
        let verdict = self.desk.verdict(&call, &id).await?;
        Ok(Response::new(v1::GetVerdictResponse { verdict: Some(verdict) }))
    }

    type WatchLookbackStream = Answers<v1::WatchLookbackResponse>;

    async fn watch_lookback(
        &self,
        request: Request<v1::WatchLookbackRequest>,
    ) -> Result<Response<Self::WatchLookbackStream>, Status> {
        let call = Call::of(&request)?;
        let patience = self.patience(&call);
        let after = parse::watch_lookback(request.get_ref())?;
        let source = lookback::Watch::new(self.desk.clone(), call, after);
        Ok(Response::new(pump::pour(source, patience)))
    }

    async fn list_clusters(
        &self,
        request: Request<v1::ListClustersRequest>,
    ) -> Result<Response<v1::ListClustersResponse>, Status> {
        let call = Call::of(&request)?;
        let asked = parse::clusters(request.get_ref())?;
        let listed = clusters::list(&self.desk, &call, &asked).await?;
        Ok(Response::new(reply::clusters(listed, call.caller.sees_match_detail())))
    }

    async fn forget_item(
        &self,
        request: Request<v1::ForgetItemRequest>,
    ) -> Result<Response<v1::ForgetItemResponse>, Status> {
        let call = Call::of(&request)?;
        let item = parse::forget_item(request.get_ref())?;
        let forgotten = self.desk.store.lookback().forget(&call.caller.scope, &item).await;
        let forgotten_count = forgotten.map_err(Refusal::from)?;
        Ok(Response::new(v1::ForgetItemResponse { forgotten_count }))
    }
}

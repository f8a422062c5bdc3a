//! `ScreeningService`: verdicts about items, before they are published.

mod parse;
mod reply;
mod upload;
mod batch;

use crate::core::event::Event;
use crate::core::screening::question::Question;
use crate::proto::v1;
use crate::proto::v1::screening_service_server::ScreeningService;
use crate::services::desk::{Call, Desk, refuse_blob};
use crate::services::pump::{self, Patience};
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
        let call = Call::of(&request)?;
        let media = parse::media(request.into_inner())?;
        self.desk.admit(&call, &media.asked.context).await?;
        if let Some(first) = self.desk.first_verdict(&call, METHOD, &media.asked).await? {
            return Ok(Response::new(v1::ScreenMediaResponse { verdict: Some(first) }));
        }
        let blob = self.desk.blob(&media.content)?.seal().map_err(|fault| refuse_blob(&fault))?;
        let examined = self.desk.examiner.examine(blob, self.desk.item_deadline(&call)).await;
        let question = Question::of_examined(&examined).with_scores(media.scores);
        let decided = self.desk.decide_one(&call, &media.asked.context, question).await?;
        let verdict = self.desk.keep(&call, METHOD, &media.asked, decided).await?;
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
        let call = Call::of(&request)?;
        let signals = parse::signals(request.into_inner())?;
        if let Some(first) = self.desk.first_verdict(&call, METHOD, &signals.asked).await? {
            return Ok(Response::new(v1::ScreenSignalsResponse { verdict: Some(first) }));
        }
        let question =
            Question::of_signals(signals.probes, signals.kind).with_scores(signals.scores);
        let decided = self.desk.decide_one(&call, &signals.asked.context, question).await?;
        let verdict = self.desk.keep(&call, METHOD, &signals.asked, decided).await?;
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
}

//! Uploads in chunks: for a verdict, and for hashes.

use crate::core::media::{Digests, VideoFrame};
use crate::core::screening::question::Question;
use crate::core::upload::{Limits, Step, Upload};
use crate::core::verdict::{Disposition, Finding};
use crate::core::video::alike::Likeness;
use crate::io::media::Blob;
use crate::proto::v1;
use crate::services::call::ByteLease;
use crate::services::desk::{CHUNK_BYTES_MAX, Call, Desk, refuse_blob};
use crate::services::judge::Asked;
use crate::services::pump::{Next, Outlet, Session};
use crate::services::screening::parse::{self, Opening, Uploaded, refuse_upload};
use crate::services::screening::reply;
use crate::services::status::{Reason, Refusal};
use crate::services::words::request::{Keyed, digest};
use tokio::sync::mpsc;
use tokio::time::Instant;

const METHOD: &str = "ScreenUpload";

/// Frames of a video at which it is first looked whether it is listed.
const FOLLOWED_FIRST: usize = 4;
/// Frames that are taken at once.
const FRAMES_AT_ONCE: usize = 64;

/// The bytes of an upload so far, within the call's budget.
struct Receiving {
    upload: Upload,
    blob: Option<Blob>,
    lease: ByteLease,
}

/// Bytes between two acknowledgements.
const ACKNOWLEDGED_EVERY: u64 = 1024 * 1024;

impl Receiving {
    fn new(desk: &Desk, call: &Call) -> Result<Self, Refusal> {
        let limits = Limits { chunk_bytes: CHUNK_BYTES_MAX, bytes: desk.limits.upload_bytes_max };
        Ok(Self { upload: Upload::new(limits), blob: None, lease: call.budget.lease(0)? })
    }

    fn step(&mut self, step: Step) -> Result<(), Refusal> {
        self.upload = self.upload.on(step).map_err(refuse_upload)?;
        Ok(())
    }

    fn open(&mut self, desk: &Desk, step: Step) -> Result<(), Refusal> {
        self.step(step)?;
        self.blob = Some(desk.blob(&[])?);
        Ok(())
    }

    /// Takes a piece; says whether it is time to acknowledge.
    fn chunk(&mut self, step: Step, data: &[u8]) -> Result<bool, Refusal> {
        let before = self.upload.bytes();
        self.step(step)?;
        self.lease.grow(data.len() as u64)?;
        self.blob_mut()?.write(data).map_err(|fault| refuse_blob(&fault))?;
        Ok(before / ACKNOWLEDGED_EVERY != self.upload.bytes() / ACKNOWLEDGED_EVERY)
    }

    fn blob_mut(&mut self) -> Result<&mut Blob, Refusal> {
        self.blob.as_mut().ok_or_else(|| Refusal::new(Reason::Internal, "no memory was opened"))
    }

    fn finish(&mut self) -> Result<Blob, Refusal> {
        self.step(Step::Finish)?;
        self.blob.take().ok_or_else(|| Refusal::new(Reason::Internal, "no memory was opened"))
    }
}

/// An upload for a verdict.
pub struct ScreenUpload {
    desk: Desk,
    call: Call,
    receiving: Receiving,
    opening: Option<Opening>,
}

impl ScreenUpload {
    /// An upload of which nothing has come.
    ///
    /// # Errors
    /// A refusal where no memory is free.
    pub fn new(desk: Desk, call: Call) -> Result<Self, Refusal> {
        let receiving = Receiving::new(&desk, &call)?;
        Ok(Self { desk, call, receiving, opening: None })
    }

    async fn finish(&mut self, out: &Outlet<v1::ScreenUploadResponse>) -> Result<(), Refusal> {
        let began = Instant::now();
        let blob = self.receiving.finish()?.seal().map_err(|fault| refuse_blob(&fault))?;
        let Some(opening) = self.opening.take() else {
            return Err(Refusal::new(Reason::Internal, "no opening"));
        };
        // The digest of opening and content is the digest of the request.
        let content = blob.digests().sha256;
        let digest = digest(&(), &[&opening.digest, &content]);
        let keyed = opening.context.request.clone().map(|id| Keyed { id, digest });
        let asked = Asked { context: opening.context, keyed };
        if let Some(first) = self.desk.first_verdict(&self.call, METHOD, &asked).await? {
            return out.send(says(v1::screen_upload_response::Step::Verdict(first))).await;
        }
        let is_over = self.desk.charge(&self.call, &asked.context, 1)?;
        // Whether there is an early verdict would tell what the last one does not.
        let digests = *blob.digests();
        let mut wants_early = opening.early && !is_over;
        if wants_early {
            wants_early = !self.early(&asked, Question::of_digests(&digests), out).await?;
        }
        let deadline = self.desk.media_deadline(&self.call, &blob);
        let (scope, context) = (&self.call.caller.scope, &asked.context);
        let (tell, told) = mpsc::unbounded_channel();
        let tell = wants_early.then_some(tell);
        let looking = self.desk.look_at(scope, context, (blob, tell), opening.scores, deadline);
        let following = self.follow(&asked, &digests, told, out);
        let ((mut question, _), followed) = tokio::join!(looking, following);
        followed?;
        question.over_budget = is_over;
        let decided = self.desk.decide_one(&self.call, &asked.context, question).await?;
        let verdict = self.desk.keep(&self.call, METHOD, &asked, decided).await?;
        self.desk.guards.even_out(self.call.caller.sees_match_detail(), began).await;
        out.send(says(v1::screen_upload_response::Step::Verdict(verdict))).await
    }

    /// Follows a video as it is decoded, and says at once that it is not allowed where what was decoded is certain of it.
    async fn follow(
        &self,
        asked: &Asked,
        digests: &Digests,
        mut told: mpsc::UnboundedReceiver<VideoFrame>,
        out: &Outlet<v1::ScreenUploadResponse>,
    ) -> Result<(), Refusal> {
        let (mut frames, mut due) = (Vec::new(), FOLLOWED_FIRST);
        while told.recv_many(&mut frames, FRAMES_AT_ONCE).await > 0 {
            if frames.len() < due {
                continue;
            }
            // Each look costs as much as all before it together.
            due = frames.len() * 2;
            if self.early(asked, Question::of_frames(digests, &frames), out).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Says that the item is not allowed where what is asked is certain of it, before the rest is decoded; whether it said
    /// so.
    async fn early(
        &self,
        asked: &Asked,
        question: Question,
        out: &Outlet<v1::ScreenUploadResponse>,
    ) -> Result<bool, Refusal> {
        let mut judged = self.desk.decide_one(&self.call, &asked.context, question).await?;
        if !judged.decided.verdict.findings.iter().any(is_certain) {
            return Ok(false);
        }
        // Kept before it is said, by itself: the request's answer is the final verdict, and a caller who hangs up now
        // may never have that one made.
        let alone = Asked { context: asked.context.clone(), keyed: None };
        // What is remembered of it is taken from the final verdict, too.
        judged.screened = None;
        let early = self.desk.keep(&self.call, METHOD, &alone, judged).await?;
        out.send(says(v1::screen_upload_response::Step::EarlyVerdict(early))).await?;
        Ok(true)
    }
}

/// Whether a finding blocks whatever else an item shows: of a part of a video that is listed it is not known yet how much
/// more than that part there is.
fn is_certain(finding: &Finding) -> bool {
    let is_whole = match finding {
        Finding::Match(found) => {
            let likeness = found.video.as_ref().map(|video| video.likeness);
            likeness.is_none_or(|likeness| likeness == Likeness::Contained)
        }
        Finding::Score(_) => false,
    };
    is_whole && finding.disposition() >= Disposition::Block
}

const fn says(step: v1::screen_upload_response::Step) -> v1::ScreenUploadResponse {
    v1::ScreenUploadResponse { step: Some(step) }
}

impl Session for ScreenUpload {
    type In = v1::ScreenUploadRequest;
    type Out = v1::ScreenUploadResponse;

    async fn on(&mut self, message: Self::In, out: &Outlet<Self::Out>) -> Result<Next, Refusal> {
        use v1::screen_upload_response::Step as Said;
        match parse::upload(message)? {
            Uploaded::Open(step, opening) => {
                self.receiving.open(&self.desk, step)?;
                self.desk.admit(&self.call, &opening.context).await?;
                self.opening = Some(opening);
                out.send(says(Said::Accepted(reply::accepted(&self.desk.limits)))).await?;
                Ok(Next::More)
            }
            Uploaded::Chunk(step, data) => {
                if self.receiving.chunk(step, &data)? {
                    out.send(says(Said::Progress(reply::progress(self.receiving.upload)))).await?;
                }
                Ok(Next::More)
            }
            Uploaded::Finish => {
                self.finish(out).await?;
                Ok(Next::Done)
            }
        }
    }

    async fn on_end(&mut self, _out: &Outlet<Self::Out>) -> Result<(), Refusal> {
        self.receiving.upload.on_end().map_err(refuse_upload)
    }

    fn heartbeat(&self) -> Option<Self::Out> {
        let progress = reply::progress(self.receiving.upload);
        Some(says(v1::screen_upload_response::Step::Progress(progress)))
    }
}

/// An upload for hashes.
pub struct HashMedia {
    desk: Desk,
    call: Call,
    receiving: Receiving,
}

impl HashMedia {
    /// An upload of which nothing has come.
    ///
    /// # Errors
    /// A refusal where no memory is free.
    pub fn new(desk: Desk, call: Call) -> Result<Self, Refusal> {
        let receiving = Receiving::new(&desk, &call)?;
        Ok(Self { desk, call, receiving })
    }
}

const fn answers(step: v1::hash_media_response::Step) -> v1::HashMediaResponse {
    v1::HashMediaResponse { step: Some(step) }
}

impl Session for HashMedia {
    type In = v1::HashMediaRequest;
    type Out = v1::HashMediaResponse;

    async fn on(&mut self, message: Self::In, out: &Outlet<Self::Out>) -> Result<Next, Refusal> {
        use v1::hash_media_response::Step as Said;
        match parse::hash(message)? {
            Uploaded::Open(step, ()) => {
                self.receiving.open(&self.desk, step)?;
                out.send(answers(Said::Accepted(reply::accepted(&self.desk.limits)))).await?;
                Ok(Next::More)
            }
            Uploaded::Chunk(step, data) => {
                if self.receiving.chunk(step, &data)? {
                    let progress = reply::progress(self.receiving.upload);
                    out.send(answers(Said::Progress(progress))).await?;
                }
                Ok(Next::More)
            }
            Uploaded::Finish => {
                let blob = self.receiving.finish()?.seal().map_err(|fault| refuse_blob(&fault))?;
                let deadline = self.desk.media_deadline(&self.call, &blob);
                let examined = self.desk.examiner.examine_canonically(blob, deadline).await;
                for part in reply::hashes(&examined) {
                    out.send(answers(Said::Part(part))).await?;
                }
                out.send(answers(Said::Finished(reply::finished(&examined)))).await?;
                Ok(Next::Done)
            }
        }
    }

    async fn on_end(&mut self, _out: &Outlet<Self::Out>) -> Result<(), Refusal> {
        self.receiving.upload.on_end().map_err(refuse_upload)
    }

    fn heartbeat(&self) -> Option<Self::Out> {
        let progress = reply::progress(self.receiving.upload);
        Some(answers(v1::hash_media_response::Step::Progress(progress)))
    }
}

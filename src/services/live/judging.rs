//! From a message of a live stream to what its session is told of it: decoded, hashed, compared.

use crate::core::live::event::{Coverage, Found, Judged, Said, ViewerEvent};
use crate::core::live::plane;
use crate::core::media::Part;
use crate::core::policy::Context;
use crate::core::screening::question::{GivenScore, MediaKind, Probe, Question};
use crate::core::screening::recent::Recent;
use crate::core::verdict::{
    Assurance, Check, CheckState, Disposition, Finding, ReviewPriority, Verdict,
};
use crate::services::desk::{Call, Desk};
use crate::services::judge::{self, Asked};
use crate::services::live::parse::{Content, Message, Sent};
use crate::services::status::{Reason, Refusal};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::time::Instant;

/// Under which name verdicts about pieces are kept.
const METHOD: &str = "GuardStream";
const NO_FILE: &str = "a frame by its hashes is no file";

/// What the messages of one stream are judged by.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What its caller says of it.
    pub context: Arc<Context>,
    /// Since when it is guarded.
    pub began: Instant,
    /// Its last frames.
    pub recent: Arc<Mutex<Recent>>,
}

impl Subject {
    /// A stream that begins now.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context: Arc::new(context), began: Instant::now(), recent: Arc::default() }
    }
}

/// A message that was judged.
#[derive(Debug)]
pub struct Work {
    /// Its number.
    pub number: u64,
    /// What the session is told.
    pub said: Said,
    /// What was sent, where it is kept for a while.
    pub piece: Option<Bytes>,
    /// Who reported the stream, where somebody did.
    pub reporter: Option<u64>,
    /// A verdict that is to be kept, once the session was told.
    pub verdict: Option<judge::Judged>,
    /// When it had come.
    pub came: Instant,
}

/// Judges a message.
///
/// # Errors
/// A refusal where the stream can no longer be guarded at all, as where its surface was revoked. What only this message
/// was not examined for is told as such.
pub async fn judge(
    desk: Desk,
    call: Call,
    subject: Subject,
    message: Message,
) -> Result<Work, Refusal> {
    let came = Instant::now();
    let context = &subject.context;
    let (mut bytes, mut reporter, mut verdict) = (None, None, None);
    let said = match message.sent {
        Sent::Frame(content, scores) => {
            bytes = content.bytes().cloned();
            let judged;
            (judged, verdict) = piece(&desk, &call, &subject, content, scores).await?;
            Said::Frame(judged)
        }
        Sent::Segment(content, scores) => {
            bytes = content.bytes().cloned();
            let judged;
            (judged, verdict) = piece(&desk, &call, &subject, content, scores).await?;
            Said::Segment(judged)
        }
        Sent::Audio(scores) => Said::Audio(scores.into_iter().map(score).collect()),
        Sent::Chat(probes, scores) => {
            let (found, kept) = chat(&desk, &call, context, probes, scores).await?;
            verdict = kept;
            Said::Chat(found)
        }
        Sent::Viewer(event, actor) => {
            if event == ViewerEvent::Reported {
                reporter = actor.map(|actor| desk.guards.sender(&call.caller.scope, &actor));
            }
            Said::Viewer(event)
        }
        Sent::Ack(number) => Said::Ack(number),
        Sent::Stop => Said::Stop,
    };
    Ok(Work { number: message.number, said, piece: bytes, reporter, verdict, came })
}

fn score(given: GivenScore) -> Found {
    Found::Score { category: given.category, value: given.value }
}

/// Judges a picture or some seconds of video.
async fn piece(
    desk: &Desk,
    call: &Call,
    subject: &Subject,
    content: Content,
    scores: Vec<GivenScore>,
) -> Result<(Judged, Option<judge::Judged>), Refusal> {
    let (context, bytes) =
        (&subject.context, content.bytes().map_or(0, |bytes| bytes.len() as u64));
    let mut found: Vec<_> = scores.iter().cloned().map(score).collect();
    let lacking =
        |state, found| Ok((Judged { bytes, coverage: Coverage::Lacking(state), found }, None));
    if !may_cost(desk, call, context, cost(&content))? {
        return lacking(CheckState::Shed, found);
    }
    let asking = question(desk, call, context, content, scores).await;
    let (mut question, amiss) = match asking {
        Ok(Asking { question, amiss }) => (question, amiss),
        Err(state) => return lacking(state, found),
    };
    // Those of models are among them now.
    found = question.scores.iter().cloned().map(score).collect();
    let millis = u32::try_from(subject.began.elapsed().as_millis()).unwrap_or(u32::MAX);
    let frames = subject.recent.lock().join(&mut question, millis);
    let Some(judged) = decide(desk, call, context, question).await? else {
        return lacking(CheckState::SourceUnavailable, found);
    };
    subject.recent.lock().keep(frames, &judged.decided.harmless);
    found.extend(matched(&judged.decided.verdict));
    let coverage = match (judged.decided.completeness, amiss) {
        (state, _) if !state.is_complete() => Coverage::Lacking(state),
        (_, Some(state)) => Coverage::Lacking(state),
        (_, None) => Coverage::Whole,
    };
    Ok((Judged { bytes, coverage, found }, kept(desk, call, context, judged)))
}

async fn chat(
    desk: &Desk,
    call: &Call,
    context: &Context,
    probes: Vec<Probe>,
    scores: Vec<GivenScore>,
) -> Result<(Vec<Found>, Option<judge::Judged>), Refusal> {
    let mut found: Vec<_> = scores.into_iter().map(score).collect();
    if probes.is_empty() {
        return Ok((found, None));
    }
    let question = Question::of_signals(probes, MediaKind::Other);
    let judged = match may_cost(desk, call, context, question.cost())? {
        true => decide(desk, call, context, question).await?,
        false => None,
    };
    let Some(judged) = judged else {
        // What was not compared is a reason to look, not a reason to pass it over.
        found.push(Found::Advice(ReviewPriority::Low));
        return Ok((found, None));
    };
    // Nothing written beside a stream says what the stream is: only advice of it counts.
    let advice = matched(&judged.decided.verdict).filter(|one| matches!(one, Found::Advice(_)));
    found.extend(advice);
    Ok((found, kept(desk, call, context, judged)))
}

/// What a frame costs of the tenant's budget.
const fn cost(content: &Content) -> u32 {
    match content {
        Content::Image(_) | Content::Plane(..) | Content::Video(..) => 1,
        Content::Digests(_) => 4,
    }
}

/// What is said of a stream, but for who broadcasts. The guards of senders are for items: frames of one stream come all the
/// time, and each is nearly the one before.
fn nameless(context: &Context) -> Context {
    Context { actor: None, ..context.clone() }
}

fn may_cost(desk: &Desk, call: &Call, context: &Context, cost: u32) -> Result<bool, Refusal> {
    match desk.charge(call, &nameless(context), cost) {
        Ok(_) => Ok(true),
        Err(refusal) if refusal.reason() == Reason::OverCapacity => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

/// What a piece asks.
struct Asking {
    question: Question,
    /// Why it says nothing of the stream, whatever its checks come to.
    amiss: Option<CheckState>,
}

impl Asking {
    fn of(question: Question, scores: Vec<GivenScore>) -> Self {
        Self { question: question.with_scores(scores), amiss: None }
    }
}

/// What a file asks. One of another kind than its caller says, or without a picture, says nothing of the stream: every
/// check may be done with it, and nothing was seen.
async fn of_file(
    desk: &Desk,
    call: &Call,
    context: &Context,
    (bytes, scores): (&Bytes, Vec<GivenScore>),
    is_kind: impl FnOnce(&Part) -> bool,
) -> Result<Asking, CheckState> {
    let blob = desk.blob(bytes).map_err(|_| CheckState::SourceUnavailable)?;
    let blob = blob.seal().map_err(|_| CheckState::SourceUnavailable)?;
    let (scope, deadline) = (&call.caller.scope, desk.item_deadline(call));
    let (question, examined) = desk.look_at(scope, context, (blob, None), scores, deadline).await;
    let is_seen = examined.parts.first().is_some_and(is_kind);
    let amiss = (!is_seen).then_some(CheckState::UnsupportedFormat);
    Ok(Asking { question, amiss })
}

/// What a piece asks; the state of its checks where it could not be looked at at all.
async fn question(
    desk: &Desk,
    call: &Call,
    context: &Context,
    content: Content,
    scores: Vec<GivenScore>,
) -> Result<Asking, CheckState> {
    match content {
        Content::Image(bytes) => {
            let is_kind = |whole: &Part| !whole.pictures.is_empty();
            of_file(desk, call, context, (&bytes, scores), is_kind).await
        }
        Content::Video(format, bytes) => {
            let is_kind = |whole: &Part| whole.format == format && !whole.frames.is_empty();
            of_file(desk, call, context, (&bytes, scores), is_kind).await
        }
        Content::Plane(raster, _) => {
            let turn = Arc::clone(&desk.deciders).acquire_owned().await;
            let hashing = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                plane::examine(&raster)
            });
            let examined = hashing.await.map_err(|_| CheckState::SourceUnavailable)?;
            Ok(Asking::of(Question::of_examined(&examined), scores))
        }
        Content::Digests(probes) => Ok(Asking::of(of_digests(probes), scores)),
    }
}

/// What the digests of a frame ask. A frame is no file that somebody has listed by its digest: where none is given, that
/// is nothing that was left out.
fn of_digests(probes: Vec<Probe>) -> Question {
    let is_exact = |probe: &Probe| Check::of(&probe.signal.kind()) == Check::ExactMatch;
    let is_file = probes.iter().any(is_exact);
    let mut question = Question::of_signals(probes, MediaKind::Image);
    let exact = question.coverage.iter_mut().filter(|one| one.check == Check::ExactMatch);
    for one in exact.filter(|_| !is_file) {
        one.state = CheckState::NotApplicable;
        NO_FILE.clone_into(&mut one.reason);
    }
    question
}

/// Decides; nothing where what it takes is out of reach just now.
async fn decide(
    desk: &Desk,
    call: &Call,
    context: &Context,
    question: Question,
) -> Result<Option<judge::Judged>, Refusal> {
    match desk.decide_one(call, &nameless(context), question).await {
        Ok(judged) => Ok(Some(judged)),
        Err(refusal) => match refusal.reason() {
            // The surface is gone, or is another one now.
            Reason::SurfaceRevoked | Reason::NotFound | Reason::FieldInvalid => Err(refusal),
            _ => Ok(None),
        },
    }
}

/// What a verdict says that a session weighs: scores come to it by themselves, with rules of its own.
fn matched(verdict: &Verdict) -> impl Iterator<Item = Found> {
    let found = verdict.findings.iter().filter_map(|finding| match finding {
        Finding::Match(_) => Some(Found::from(finding)),
        Finding::Score(_) => None,
    });
    // A guard that holds whatever was found: nothing is to be learnt from how the stream goes on.
    let braked = (!verdict.brakes.is_empty()).then_some(Found::Match {
        disposition: Disposition::Hold,
        assurance: Assurance::Investigate,
    });
    found.chain(braked).collect::<Vec<_>>().into_iter()
}

/// A verdict that is to be kept. One that says only that something was not examined is counted: what is done about that,
/// the session keeps, and not once for each frame.
fn kept(
    desk: &Desk,
    call: &Call,
    context: &Context,
    judged: judge::Judged,
) -> Option<judge::Judged> {
    let verdict = &judged.decided.verdict;
    let is_kept =
        !verdict.findings.is_empty() || !verdict.brakes.is_empty() || verdict.review.is_some();
    if is_kept {
        return Some(judged);
    }
    let (scope, kind) = (&call.caller.scope, context.surface_kind);
    let (disposition, completeness) = (verdict.disposition, judged.decided.completeness);
    desk.store.counters().count(scope, kind, disposition, completeness);
    judged.screened.into_iter().for_each(|screened| desk.store.lookback().remember(screened));
    None
}

/// Keeps a verdict about a piece, after the session was told.
pub async fn keep(desk: Desk, call: Call, context: Arc<Context>, verdict: judge::Judged) {
    let asked = Asked { context: (*context).clone(), keyed: None };
    if let Err(refusal) = desk.keep(&call, METHOD, &asked, verdict).await {
        tracing::error!(reason = refusal.reason().as_str(), "a verdict of a stream is not kept");
    }
}

//! Screening requests, read from the wire into the core; every bad field is named at once.

use crate::core::event::{Outcome, OutcomeKind};
use crate::core::id::{ItemId, RequestId, VerdictId};
use crate::core::policy::Context;
use crate::core::screening::question::{GivenScore, MediaKind, Probe};
use crate::core::time::Time;
use crate::core::upload::Step;
use crate::io::store::Cursor;
use crate::proto::v1;
use crate::services::judge::Asked;
use crate::services::status::{Reason, Refusal};
use crate::services::words::fields::Fields;
use crate::services::words::request::{Keyed, digest, keyed};
use crate::services::words::{context, moment, page, probes, request};
use bytes::Bytes;

/// Most bytes of an item in one message.
pub const MEDIA_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most items, and most signals in all, of one batch.
pub const BATCH_MAX: usize = 1024;
const MEDIA_TYPE_BYTES_MAX: usize = 256;
/// The list that tokens of groups are of.
pub const CLUSTERS: &str = "clusters";
/// Longest name of an epoch of cursors.
const EPOCH_BYTES_MAX: usize = 64;

/// An item's bytes in one message.
#[derive(Debug)]
pub struct Media {
    /// What is asked.
    pub asked: Asked,
    /// The bytes.
    pub content: Bytes,
    /// Scores beside them.
    pub scores: Vec<GivenScore>,
}

/// Reads a `ScreenMediaRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn media(sent: v1::ScreenMediaRequest) -> Result<Media, Refusal> {
    let mut fields = Fields::default();
    let digest = digest(&sent, &[]);
    let context = context::read(&mut fields, "context", sent.context);
    let scores = context::read_scores(&mut fields, "scores", sent.scores, 0);
    fields.text("declared_media_type", sent.declared_media_type, MEDIA_TYPE_BYTES_MAX);
    if sent.content.is_empty() {
        fields.fault("content", "must be set");
    } else if sent.content.len() > MEDIA_BYTES_MAX {
        fields.fault("content", "must be at most 4 MiB long; ScreenUpload takes more");
    }
    let whole = context.zip(scores).map(|(context, scores)| Media {
        asked: asked(context, digest),
        content: sent.content,
        scores,
    });
    fields.done(whole)
}

fn asked(context: Context, digest: [u8; 32]) -> Asked {
    let keyed = context.request.clone().map(|id| Keyed { id, digest });
    Asked { context, keyed }
}

/// The opening of an upload for a verdict.
#[derive(Debug)]
pub struct Opening {
    /// What the caller says of the item.
    pub context: Context,
    /// Digest of the opening; the content's comes to it at the end.
    pub digest: [u8; 32],
    /// Scores beside the bytes.
    pub scores: Vec<GivenScore>,
    /// Whether an early verdict is wanted.
    pub early: bool,
}

/// A step of an upload, as the core's order knows it, with what it carries.
#[derive(Debug)]
pub enum Uploaded<T> {
    /// The opening.
    Open(Step, T),
    /// A piece.
    Chunk(Step, Bytes),
    /// The end.
    Finish,
}

fn chunk<T>(sent: v1::MediaChunk) -> Result<Uploaded<T>, Refusal> {
    let mut fields = Fields::default();
    fields.piece("chunk", sent.number, &sent.data);
    let step = Step::Chunk { number: sent.number, bytes: sent.data.len() as u64 };
    fields.done(Some(Uploaded::Chunk(step, sent.data)))
}

fn no_step<T>() -> Result<T, Refusal> {
    Err(Refusal::fields(vec![("step".to_owned(), "must be set".to_owned())]))
}

/// Reads a message of `ScreenUpload`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn upload(sent: v1::ScreenUploadRequest) -> Result<Uploaded<Opening>, Refusal> {
    use v1::screen_upload_request::Step as Wire;
    match sent.step {
        None => no_step(),
        Some(Wire::Chunk(sent)) => chunk(sent),
        Some(Wire::Finish(v1::MediaFinish {})) => Ok(Uploaded::Finish),
        Some(Wire::Open(sent)) => {
            let mut fields = Fields::default();
            let digest = digest(&sent, &[]);
            let context = context::read(&mut fields, "open.context", sent.context);
            let scores = context::read_scores(&mut fields, "open.scores", sent.scores, 0);
            let hint = "open.declared_media_type";
            fields.text(hint, sent.declared_media_type, MEDIA_TYPE_BYTES_MAX);
            let early = sent.early_verdict_wanted;
            let whole = context.zip(scores).map(|(context, scores)| Opening {
                context,
                digest,
                scores,
                early,
            });
            let opening = fields.done(whole)?;
            Ok(Uploaded::Open(Step::Open { declared: sent.declared_size_bytes }, opening))
        }
    }
}

/// Reads a message of `HashMedia`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn hash(sent: v1::HashMediaRequest) -> Result<Uploaded<()>, Refusal> {
    use v1::hash_media_request::Step as Wire;
    match sent.step {
        None => no_step(),
        Some(Wire::Chunk(sent)) => chunk(sent),
        Some(Wire::Finish(v1::MediaFinish {})) => Ok(Uploaded::Finish),
        Some(Wire::Open(sent)) => {
            let mut fields = Fields::default();
            let hint = "open.declared_media_type";
            fields.text(hint, sent.declared_media_type, MEDIA_TYPE_BYTES_MAX);
            fields.done(Some(()))?;
            Ok(Uploaded::Open(Step::Open { declared: sent.declared_size_bytes }, ()))
        }
    }
}

/// One item by its signals.
#[derive(Debug)]
pub struct Signals {
    /// What is asked.
    pub asked: Asked,
    /// The signals, to look for.
    pub probes: Vec<Probe>,
    /// What they were taken from.
    pub kind: MediaKind,
    /// Scores beside them.
    pub scores: Vec<GivenScore>,
}

/// Reads a `ScreenSignalsRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn signals(sent: v1::ScreenSignalsRequest) -> Result<Signals, Refusal> {
    let mut fields = Fields::default();
    // The digest costs a copy of the message, which only a request with a key needs.
    let has_key = sent.context.as_ref().is_some_and(|context| !context.request_id.is_empty());
    let digest = if has_key { digest(&sent, &[]) } else { [0; 32] };
    let context = context::read(&mut fields, "context", sent.context);
    let signals = probes::read(&mut fields, "signals", &sent.signals);
    let scores = context::read_scores(&mut fields, "scores", sent.scores, 0);
    let whole = context.zip(signals).zip(scores).map(|((context, signals), scores)| Signals {
        asked: asked(context, digest),
        probes: signals,
        kind: probes::media_kind(sent.media_kind),
        scores,
    });
    fields.done(whole)
}

/// A message of a caller that sends many items.
#[derive(Debug)]
pub enum Batched {
    /// The opening.
    Open(Box<BatchOpening>),
    /// Some items.
    Batch(Batch),
}

/// The opening of a stream of batches.
#[derive(Debug)]
pub struct BatchOpening {
    /// What is said of every item.
    pub context: Context,
    /// Digest of the opening; each item's comes to it.
    pub digest: [u8; 32],
}

/// Some items, each as far as it could be read.
#[derive(Debug)]
pub struct Batch {
    /// Its number.
    pub number: u64,
    /// In the order of the message.
    pub items: Vec<BatchItem>,
}

/// One item of a batch.
#[derive(Debug)]
pub struct BatchItem {
    /// The platform's name of the item, as it was sent.
    pub sent_id: String,
    /// What could be read, or the bad fields.
    pub read: Result<BatchSignals, Vec<(String, String)>>,
}

/// What could be read of an item.
#[derive(Debug)]
pub struct BatchSignals {
    /// The platform's name of the item.
    pub item: ItemId,
    /// The signals, to look for.
    pub probes: Vec<Probe>,
    /// What they were taken from.
    pub kind: MediaKind,
    /// Digest of the item's message.
    pub digest: [u8; 32],
}

/// Reads a message of `ScreenSignalsBatch`. A bad item is no refusal: it is answered as such beside the others.
///
/// # Errors
/// A refusal that names every bad field of the opening, or a batch beyond the limits.
pub fn batch(sent: v1::ScreenSignalsBatchRequest) -> Result<Batched, Refusal> {
    use v1::screen_signals_batch_request::Step as Wire;
    match sent.step {
        None => no_step(),
        Some(Wire::Open(sent)) => {
            let mut fields = Fields::default();
            let digest = digest(&sent, &[]);
            if sent.context.as_ref().is_some_and(|context| !context.recheck_token.is_empty()) {
                fields.fault("open.context.recheck_token", "must be left out: it is of one item");
            }
            let context = context::read(&mut fields, "open.context", sent.context);
            if context.as_ref().is_some_and(|context| context.item.is_some()) {
                fields.fault("open.context.item_id", "must be left out: each item has its own");
            }
            let opening = fields.done(context).map(|context| BatchOpening { context, digest });
            opening.map(|opening| Batched::Open(Box::new(opening)))
        }
        Some(Wire::Batch(sent)) => {
            let mut fields = Fields::default();
            if sent.number == 0 {
                fields.fault("batch.number", "must be set");
            }
            fields.count("batch.items", sent.items.len(), 1, BATCH_MAX);
            let signals = sent.items.iter().map(|item| item.signals.len()).sum::<usize>();
            if signals > BATCH_MAX {
                fields
                    .fault("batch.items", format!("must have at most {BATCH_MAX} signals in all"));
            }
            fields.done(Some(()))?;
            let items = sent.items.into_iter().map(batch_item).collect();
            Ok(Batched::Batch(Batch { number: sent.number, items }))
        }
    }
}

fn batch_item(sent: v1::SignalsItem) -> BatchItem {
    let mut fields = Fields::default();
    let digest = digest(&sent, &[]);
    let item = fields.name("item_id", &sent.item_id, ItemId::parse);
    let signals = probes::read(&mut fields, "signals", &sent.signals);
    let kind = probes::media_kind(sent.media_kind);
    let read = match (item, signals) {
        (Some(item), Some(signals)) if fields.is_clean() => {
            Ok(BatchSignals { item, probes: signals, kind, digest })
        }
        _ => Err(fields.into_faults()),
    };
    BatchItem { sent_id: sent.item_id, read }
}

/// The request id of one item of a stream: a digest, so that two long names cannot make one that is too long.
#[must_use]
pub fn item_key(stream: &RequestId, item: &ItemId) -> String {
    hex::encode(digest(&(), &[stream.as_str().as_bytes(), item.as_str().as_bytes()]))
}

/// An item's scores.
#[derive(Debug)]
pub struct Scores {
    /// What is asked.
    pub asked: Asked,
    /// The scores.
    pub scores: Vec<GivenScore>,
}

/// Reads a `ReportExternalScoresRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn scores(sent: v1::ReportExternalScoresRequest) -> Result<Scores, Refusal> {
    let mut fields = Fields::default();
    let digest = digest(&sent, &[]);
    let context = context::read(&mut fields, "context", sent.context);
    if context.as_ref().is_some_and(|context| context.item.is_none()) {
        fields.fault("context.item_id", "must be set");
    }
    let scores = context::read_scores(&mut fields, "scores", sent.scores, 1);
    let whole = context
        .zip(scores)
        .map(|(context, scores)| Scores { asked: asked(context, digest), scores });
    fields.done(whole)
}

/// What the platform did, and under which key it says so.
#[derive(Debug)]
pub struct Recorded {
    /// What it did; the time of the call where it said none.
    pub outcome: Outcome,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads a `RecordOutcomeRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn outcome(sent: v1::RecordOutcomeRequest, now: Time) -> Result<Recorded, Refusal> {
    use v1::OutcomeKind as Wire;
    let mut fields = Fields::default();
    let id = request::read_id(&mut fields, "request_id", &sent.request_id);
    let keyed = id.map(|id| keyed(id, &sent));
    let verdict = fields.name("verdict_id", &sent.verdict_id, VerdictId::parse);
    let item = fields.name_if_set("item_id", &sent.item_id, ItemId::parse);
    let kind = match Wire::try_from(sent.kind) {
        Ok(Wire::Published) => Some(OutcomeKind::Published),
        Ok(Wire::Blocked) => Some(OutcomeKind::Blocked),
        Ok(Wire::Held) => Some(OutcomeKind::Held),
        Ok(Wire::Removed) => Some(OutcomeKind::Removed),
        Ok(Wire::Restored) => Some(OutcomeKind::Restored),
        Ok(Wire::Unspecified) => fields.required("kind", None),
        Err(_) => {
            fields.fault("kind", "must be a value that this version knows");
            None
        }
    };
    let occurred = moment::read_time(&mut fields, "occur_time", sent.occur_time);
    let (views_before, after_review) = (sent.views_before, sent.acted_after_review);
    let outcome = match (verdict, item, kind, occurred) {
        (Some(verdict), Some(item), Some(kind), Some(occurred)) => {
            let occurred = occurred.unwrap_or(now);
            Some(Outcome { verdict, item, kind, occurred, views_before, after_review })
        }
        _ => None,
    };
    fields.done(outcome.zip(keyed).map(|(outcome, keyed)| Recorded { outcome, keyed }))
}

/// Refuses what was done on nothing but advice, with nobody having looked.
#[must_use]
pub fn not_reviewed() -> Refusal {
    let must = "must be true: nothing but advice was found, on which a person decides";
    Refusal::fields(vec![("acted_after_review".to_owned(), must.to_owned())])
}

/// Reads a `GetVerdictRequest`.
///
/// # Errors
/// A refusal that names the bad field.
pub fn verdict_id(sent: &v1::GetVerdictRequest) -> Result<VerdictId, Refusal> {
    let mut fields = Fields::default();
    let id = fields.name("verdict_id", &sent.verdict_id, VerdictId::parse);
    fields.done(id)
}

/// Reads a `WatchLookbackRequest`: where the stream goes on.
///
/// # Errors
/// A refusal that names the bad field.
pub fn watch_lookback(sent: &v1::WatchLookbackRequest) -> Result<Cursor, Refusal> {
    let mut fields = Fields::default();
    if sent.after.is_empty() {
        return fields.done(Some(Cursor::default()));
    }
    let is_epoch = |text: &str| {
        (1..=EPOCH_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let read = sent.after.split_once('.').and_then(|(epoch, number)| {
        let number = number.parse().ok()?;
        is_epoch(epoch).then(|| Cursor { epoch: epoch.to_owned(), number })
    });
    if read.is_none() {
        fields.fault("after", "must be the cursor of a message of this rpc");
    }
    fields.done(read)
}

/// Which page of groups is asked for.
#[derive(Debug)]
pub struct Clusters {
    /// Name of the groups that the page before was of, where there was one.
    pub of: Option<String>,
    /// Place of the first group of the page.
    pub from: usize,
    /// Most groups.
    pub rows: usize,
}

/// Reads a `ListClustersRequest`.
///
/// # Errors
/// A refusal that names the bad field.
pub fn clusters(sent: &v1::ListClustersRequest) -> Result<Clusters, Refusal> {
    let mut fields = Fields::default();
    let page = page::read(&mut fields, CLUSTERS, sent.page_size, &sent.page_token);
    let read = page.and_then(|page| {
        let rows = page.rows as usize;
        let Some(after) = page.after else { return Some(Clusters { of: None, from: 0, rows }) };
        let place = after.split_once(' ').and_then(|(of, from)| Some((of, from.parse().ok()?)));
        if place.is_none() {
            fields.fault("page_token", "must be the next_page_token of an answer of this list");
        }
        let (of, from) = place?;
        Some(Clusters { of: Some(of.to_owned()), from, rows })
    });
    fields.done(read)
}

/// Reads a `ForgetItemRequest`.
///
/// # Errors
/// A refusal that names the bad field.
pub fn forget_item(sent: &v1::ForgetItemRequest) -> Result<ItemId, Refusal> {
    let mut fields = Fields::default();
    let item = fields.name("item_id", &sent.item_id, ItemId::parse);
    fields.done(item)
}

/// An upload's fault in the contract's words.
#[must_use]
pub fn refuse_upload(fault: crate::core::upload::Fault) -> Refusal {
    use crate::core::upload::Fault;
    let field = |path: &str| Refusal::fields(vec![(path.to_owned(), fault.to_string())]);
    match fault {
        Fault::Opening | Fault::Number { .. } | Fault::AfterFinish | Fault::Unfinished => {
            Refusal::new(Reason::StreamOrder, fault.to_string())
        }
        Fault::ChunkLength { .. } => field("chunk.data"),
        Fault::SizeDiffers => field("open.declared_size_bytes"),
        Fault::TooLarge { max } => {
            Refusal::new(Reason::UploadTooLarge, fault.to_string()).with("limit_bytes", max)
        }
    }
}

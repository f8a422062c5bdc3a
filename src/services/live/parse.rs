//! Messages of live streams, read from the wire into the core; every bad field is named at once.

use crate::core::exchange::Cursor;
use crate::core::id::{ActorId, ItemId, StreamId};
use crate::core::live::event::{ActorRisk, Token, ViewerEvent};
use crate::core::live::plane::{self, NoPlane};
use crate::core::live::policy::Level;
use crate::core::media::Format;
use crate::core::policy::{Context, SurfaceKind};
use crate::core::raster::Raster;
use crate::core::screening::question::{GivenScore, Probe};
use crate::core::signal::SignalType;
use crate::proto::v1;
use crate::services::status::Refusal;
use crate::services::words::fields::Fields;
use crate::services::words::request::{Keyed, digest, keyed, read_id};
use crate::services::words::{context, page, probes};
use bytes::Bytes;

/// Most bytes of a piece.
const PIECE_BYTES_MAX: usize = crate::core::live::policy::PIECE_BYTES_MAX as usize;
/// Most signals of a frame or of something written.
const SIGNALS_MAX: usize = 64;
const REASON_BYTES_MAX: usize = 1024;
/// The list that tokens of pages are of.
pub const STREAMS: &str = "streams";

/// The first message of a connection.
#[derive(Debug)]
pub enum First {
    /// A stream begins.
    Start(Box<Start>),
    /// A caller comes back.
    Resume(Resume),
}

/// A stream that begins.
#[derive(Debug)]
pub struct Start {
    /// What is said of it; its item is the stream.
    pub context: Context,
    /// Which.
    pub stream: StreamId,
    /// How far the broadcaster is trusted.
    pub actor: ActorRisk,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// A caller who comes back.
#[derive(Debug)]
pub struct Resume {
    /// To which stream.
    pub stream: StreamId,
    /// What it shows.
    pub token: Token,
    /// Number of the last directive that it has received.
    pub heard: u64,
}

/// A numbered message.
#[derive(Debug)]
pub struct Message {
    /// Its number.
    pub number: u64,
    /// What it says.
    pub sent: Sent,
}

/// What a message says.
#[derive(Debug)]
pub enum Sent {
    /// A picture.
    Frame(Content, Vec<GivenScore>),
    /// Some seconds of video.
    Segment(Content, Vec<GivenScore>),
    /// Scores of sound.
    Audio(Vec<GivenScore>),
    /// Something written.
    Chat(Vec<Probe>, Vec<GivenScore>),
    /// Something that a viewer did.
    Viewer(ViewerEvent, Option<ActorId>),
    /// Directives were carried out.
    Ack(u64),
    /// The stream is over.
    Stop,
}

/// What a piece consists of.
#[derive(Debug)]
pub enum Content {
    /// Video in a container.
    Video(Format, Bytes),
    /// A file.
    Image(Bytes),
    /// A plane of brightness, and its bytes as they were sent.
    Plane(Box<Raster>, Bytes),
    /// Signals.
    Digests(Vec<Probe>),
}

impl Content {
    /// What was sent, but for digests.
    #[must_use]
    pub const fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Video(_, bytes) | Self::Image(bytes) | Self::Plane(_, bytes) => Some(bytes),
            Self::Digests(_) => None,
        }
    }
}

fn missing(path: &str) -> Refusal {
    Refusal::fields(vec![(path.to_owned(), "must be set".to_owned())])
}

/// Reads the first message of a connection.
///
/// # Errors
/// A refusal that names every bad field, or says that it is no first message.
pub fn first(sent: v1::GuardStreamRequest) -> Result<First, Refusal> {
    use v1::guard_stream_request::Step;
    match sent.step {
        None => Err(missing("step")),
        Some(Step::Start(sent)) => start(sent).map(|start| First::Start(Box::new(start))),
        Some(Step::Resume(sent)) => {
            let mut fields = Fields::default();
            let stream = fields.name("resume.stream_id", &sent.stream_id, StreamId::parse);
            let token = fields.name("resume.resume_token", &sent.resume_token, read_token);
            let heard = sent.received_directive;
            let whole = stream.zip(token).map(|(stream, token)| Resume { stream, token, heard });
            fields.done(whole).map(First::Resume)
        }
        Some(_) => Err(order("start or resume must come first")),
    }
}

/// A message at the wrong place.
#[must_use]
pub fn order(why: impl Into<String>) -> Refusal {
    Refusal::new(crate::services::status::Reason::StreamOrder, why)
}

fn read_token(text: &str) -> Result<Token, &'static str> {
    let mut bytes = [0; 16];
    let read = hex::decode_to_slice(text, &mut bytes);
    read.map(|()| Token::new(bytes)).map_err(|_| "must be the resume_token of an answer")
}

fn start(sent: v1::StreamStart) -> Result<Start, Refusal> {
    let mut fields = Fields::default();
    let digest = digest(&sent, &[]);
    let stream = fields.name("start.stream_id", &sent.stream_id, StreamId::parse);
    if sent.context.as_ref().is_some_and(|context| !context.recheck_token.is_empty()) {
        fields.fault("start.context.recheck_token", "must be left out");
    }
    let context = context::read(&mut fields, "start.context", sent.context);
    if let Some(context) = &context {
        if context.surface_kind != SurfaceKind::Live {
            fields.fault("start.context.surface", "must be LIVE");
        }
        if context.item.is_some() {
            fields.fault("start.context.item_id", "must be left out: the item is the stream");
        }
    }
    let actor = match v1::ActorRisk::try_from(sent.actor_risk) {
        Ok(v1::ActorRisk::Trusted) => ActorRisk::Trusted,
        Ok(v1::ActorRisk::Unspecified | v1::ActorRisk::Usual) => ActorRisk::Usual,
        Ok(v1::ActorRisk::Raised) => ActorRisk::Raised,
        Ok(v1::ActorRisk::High) | Err(_) => ActorRisk::High,
    };
    let whole = context.zip(stream).map(|(context, stream)| {
        let keyed = context.request.clone().map(|id| Keyed { id, digest });
        let item = ItemId::parse(stream.as_str()).ok();
        let context = Context { item, request: None, ..context };
        Start { context, stream, actor, keyed }
    });
    fields.done(whole)
}

/// Reads a message after the first.
///
/// # Errors
/// A refusal that names every bad field, or says that it is a first message.
pub fn message(sent: v1::GuardStreamRequest) -> Result<Message, Refusal> {
    use v1::guard_stream_request::Step;
    let mut fields = Fields::default();
    if sent.number == 0 {
        fields.fault("number", "must be set");
    }
    let read = match sent.step {
        None => fields.required("step", None),
        Some(Step::Start(_) | Step::Resume(_)) => {
            return Err(order("start and resume come first only"));
        }
        Some(Step::Frame(sent)) => frame(&mut fields, sent),
        Some(Step::Segment(sent)) => segment(&mut fields, sent),
        Some(Step::AudioScore(sent)) => {
            context::read_scores(&mut fields, "audio_score.scores", sent.scores, 1).map(Sent::Audio)
        }
        Some(Step::Chat(sent)) => chat(&mut fields, sent),
        Some(Step::ViewerEvent(sent)) => viewer(&mut fields, &sent),
        Some(Step::Ack(sent)) => {
            if sent.directive_number == 0 {
                fields.fault("ack.directive_number", "must be set");
            }
            Some(Sent::Ack(sent.directive_number))
        }
        Some(Step::Stop(v1::StreamStop {})) => Some(Sent::Stop),
    };
    let number = sent.number;
    fields.done(read.map(|sent| Message { number, sent }))
}

fn frame(fields: &mut Fields, sent: v1::StreamFrame) -> Option<Sent> {
    use v1::stream_frame::Content as Wire;
    let scores = context::read_scores(fields, "frame.scores", sent.scores, 0);
    let content = match sent.content {
        None => fields.required("frame.content", None),
        Some(Wire::Image(bytes)) => Some(Content::Image(file(fields, "frame.image", bytes))),
        Some(Wire::LumaPlane(sent)) => luma(fields, sent),
        Some(Wire::Digests(sent)) => {
            let at = "frame.digests.signals";
            probes::read_few(fields, at, &sent.signals, SIGNALS_MAX).map(Content::Digests)
        }
    };
    Some(Sent::Frame(content?, scores?))
}

fn segment(fields: &mut Fields, sent: v1::StreamSegment) -> Option<Sent> {
    use v1::stream_segment::Content as Wire;
    let scores = context::read_scores(fields, "segment.scores", sent.scores, 0);
    let content = match sent.content {
        None => fields.required("segment.content", None),
        Some(Wire::FragmentedMp4(bytes)) => {
            let bytes = file(fields, "segment.fragmented_mp4", bytes);
            Some(Content::Video(Format::IsoMedia, bytes))
        }
        Some(Wire::MpegTs(bytes)) => {
            Some(Content::Video(Format::Mpeg, file(fields, "segment.mpeg_ts", bytes)))
        }
    };
    Some(Sent::Segment(content?, scores?))
}

fn file(fields: &mut Fields, path: &str, bytes: Bytes) -> Bytes {
    if bytes.is_empty() {
        fields.fault(path, "must be set");
    } else if bytes.len() > PIECE_BYTES_MAX {
        fields.fault(path, "must be at most 4 MiB long");
    }
    bytes
}

fn luma(fields: &mut Fields, sent: v1::LumaPlane) -> Option<Content> {
    let v1::LumaPlane { width, height, stride_bytes, data } = sent;
    let measures = [
        ("frame.luma_plane.width", width == 0),
        ("frame.luma_plane.height", height == 0),
        ("frame.luma_plane.data", data.is_empty()),
    ];
    for (path, _) in measures.iter().filter(|(_, is_missing)| *is_missing) {
        fields.fault(*path, "must be set");
    }
    if data.len() > PIECE_BYTES_MAX {
        fields.fault("frame.luma_plane.data", "must be at most 4 MiB long");
    }
    if !fields.is_clean() {
        return None;
    }
    match plane::read(width, height, stride_bytes, &data) {
        Ok(raster) => Some(Content::Plane(Box::new(raster), data)),
        Err(wrong) => {
            let field = match wrong {
                NoPlane::Width => "frame.luma_plane.width",
                NoPlane::Height => "frame.luma_plane.height",
                NoPlane::Stride => "frame.luma_plane.stride_bytes",
                NoPlane::Short => "frame.luma_plane.data",
            };
            fields.fault(field, wrong);
            None
        }
    }
}

fn chat(fields: &mut Fields, sent: v1::StreamChat) -> Option<Sent> {
    let actor = fields.name_if_set("chat.actor_id", &sent.actor_id, ActorId::parse);
    let probes = match sent.signals.is_empty() {
        true => Some(Vec::new()),
        false => probes::read_few(fields, "chat.signals", &sent.signals, SIGNALS_MAX),
    };
    for (place, probe) in probes.iter().flatten().enumerate() {
        if !matches!(probe.signal.kind(), SignalType::Advice(_)) {
            let at = format!("chat.signals[{place}].type");
            fields.fault(at, "must be URL, TERM, ACCOUNT or TACTIC");
        }
    }
    let scores = context::read_scores(fields, "chat.scores", sent.scores, 0);
    actor?;
    Some(Sent::Chat(probes?, scores?))
}

fn viewer(fields: &mut Fields, sent: &v1::StreamViewerEvent) -> Option<Sent> {
    let actor = fields.name_if_set("viewer_event.actor_id", &sent.actor_id, ActorId::parse);
    let at = "viewer_event.kind";
    let event = match v1::ViewerEventKind::try_from(sent.kind) {
        Ok(v1::ViewerEventKind::Joined) => Some(ViewerEvent::Joined),
        Ok(v1::ViewerEventKind::Left) => Some(ViewerEvent::Left),
        Ok(v1::ViewerEventKind::Reported) => Some(ViewerEvent::Reported),
        Ok(v1::ViewerEventKind::Unspecified) => fields.required(at, None),
        Err(_) => {
            fields.fault(at, "must be a value that this version knows");
            None
        }
    };
    if event == Some(ViewerEvent::Reported) && sent.actor_id.is_empty() {
        fields.fault("viewer_event.actor_id", "must be set");
    }
    Some(Sent::Viewer(event?, actor?))
}

/// Which streams are listed.
#[derive(Debug)]
pub struct Listed {
    /// The least risk.
    pub level: Level,
    /// The stream before the page: its risk and its name.
    pub after: Option<(Level, StreamId)>,
    /// Most rows.
    pub rows: u32,
}

fn level_of(number: i32) -> Option<Level> {
    match v1::StreamRisk::try_from(number) {
        Ok(v1::StreamRisk::Quiet) => Some(Level::Quiet),
        Ok(v1::StreamRisk::Watch) => Some(Level::Watch),
        Ok(v1::StreamRisk::Elevated) => Some(Level::Elevated),
        Ok(v1::StreamRisk::Critical) => Some(Level::Critical),
        Ok(v1::StreamRisk::Unspecified) | Err(_) => None,
    }
}

/// Reads a `ListStreamsRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn list(sent: &v1::ListStreamsRequest) -> Result<Listed, Refusal> {
    let mut fields = Fields::default();
    let level = match sent.risk_min {
        0 => Some(Level::Quiet),
        number => level_of(number),
    };
    if level.is_none() {
        fields.fault("risk_min", "must be a value that this version knows");
    }
    let page = page::read(&mut fields, STREAMS, sent.page_size, &sent.page_token);
    let whole = level.zip(page).and_then(|(level, page)| {
        let Some(token) = page.after else {
            return Some(Listed { level, after: None, rows: page.rows });
        };
        let place = token.split_once(' ').and_then(|(risk, name)| {
            Some((level_of(risk.parse().ok()?)?, StreamId::parse(name).ok()?))
        });
        if place.is_none() {
            fields.fault("page_token", "must be the next_page_token of an answer of this list");
        }
        Some(Listed { level, after: Some(place?), rows: page.rows })
    });
    fields.done(whole)
}

/// A person's wish to cut a stream.
#[derive(Debug)]
pub struct Cutting {
    /// Which.
    pub stream: StreamId,
    /// Why.
    pub reason: String,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

/// Reads an `InterruptStreamRequest`.
///
/// # Errors
/// A refusal that names every bad field.
pub fn interrupt(sent: &v1::InterruptStreamRequest) -> Result<Cutting, Refusal> {
    let mut fields = Fields::default();
    let keyed = read_id(&mut fields, "request_id", &sent.request_id).map(|id| keyed(id, sent));
    let stream = fields.name("stream_id", &sent.stream_id, StreamId::parse);
    if sent.reason.is_empty() {
        fields.fault("reason", "must be set");
    }
    let reason = fields.text("reason", sent.reason.clone(), REASON_BYTES_MAX);
    let whole = (|| Some(Cutting { stream: stream?, reason: reason?, keyed: keyed? }))();
    fields.done(whole)
}

/// Reads a `WatchInterruptsRequest`: where the stream goes on, where the caller says so.
///
/// # Errors
/// A refusal that names the bad field.
pub fn watch(sent: &v1::WatchInterruptsRequest) -> Result<Option<Cursor>, Refusal> {
    let mut fields = Fields::default();
    if sent.after.is_empty() {
        return Ok(None);
    }
    let read = sent.after.split_once('.').and_then(|(anchor, number)| {
        Some(Cursor { number: number.parse().ok()?, anchor: hex::decode(anchor).ok()? })
    });
    if read.is_none() {
        fields.fault("after", "must be the cursor of a message of this rpc");
    }
    fields.done(read.map(Some))
}

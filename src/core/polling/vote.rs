//! What a source is told of an entry that it listed: what people here say, in its own words.

use crate::core::bank::Entry;
use crate::core::exchange::{Kind, Ncmec, Secret, StopNcii, ThreatExchange};
use crate::core::opinion::{Opinion, Party, Value};
use crate::core::polling::question::query;
use crate::core::polling::words::{Ask, Verb};
use crate::core::promotion::change;
use crate::core::signal::SignalType;
use crate::core::time::Time;
use quick_xml::escape::escape;
use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};
use std::collections::BTreeMap;

/// The namespace of NCMEC's elements.
const NAMESPACE: &str = "https://hashsharing.ncmec.org/hashsharing/v2";
const XML: &str = "application/xml; charset=utf-8";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// Why NCMEC's members say that an entry does not belong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Its identity in this environment.
    pub guid: String,
    /// Its name for people.
    pub name: String,
}

/// What a source is told of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// What it is asked to note, one after another. Each can be repeated.
    pub asks: Vec<Ask>,
}

/// Why a source cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// It has no word for this opinion, or takes none.
    #[error("the source has no word for it")]
    NoWord,
    /// None of its reasons was given.
    #[error("none of the source's reasons was given, and the exchange names no usual one")]
    NoReason,
    /// By which name it takes opinions on the entry is not known.
    #[error("it is not known by which name the source takes opinions on it")]
    NoName,
}

/// What people here say of an entry.
pub(super) fn ours(entry: &Entry) -> Option<&Opinion> {
    entry.opinions().iter().find(|opinion| opinion.by == Party::Here)
}

/// When people here said what a source was not told yet of an entry that it listed; nothing where it was told everything.
#[must_use]
pub fn untold(entry: &Entry, source: &str) -> Option<Time> {
    let origin = entry.origin().filter(|origin| origin.source == source && !origin.withdrawn)?;
    let at = ours(entry)?.at.unwrap_or_default();
    (origin.told != Some(at)).then_some(at)
}

/// The entry once its source was told what people here said at a moment.
#[must_use]
pub fn told(mut entry: Entry, at: Time) -> Entry {
    change(&mut entry, |background| {
        if let Some(origin) = &mut background.origin {
            origin.told = Some(at);
        }
    });
    entry.version += 1;
    entry
}

/// The types by which NCMEC is told of an entry: all that its fingerprints are of, for an opinion is on what they are of.
fn types_of(entry: &Entry) -> Vec<String> {
    let name = |kind: SignalType| match kind {
        SignalType::Md5 => Some("MD5".to_owned()),
        SignalType::Sha1 => Some("SHA1".to_owned()),
        SignalType::Pdq => Some("PDQ".to_owned()),
        SignalType::PhotoDna => Some("PDNA".to_owned()),
        SignalType::Custom(name) => Some(name.as_str().to_ascii_uppercase()),
        _ => None,
    };
    let mut types: Vec<String> =
        entry.signals.iter().filter_map(|banked| name(banked.signal.kind())).collect();
    types.sort();
    types.dedup();
    types
}

/// The questions for the reasons that a vote on an entry needs, by the type that each is about.
#[must_use]
pub fn reasons_asked(kind: &Kind, entry: &Entry) -> Vec<(String, Ask)> {
    let Kind::Ncmec(of) = kind else { return Vec::new() };
    if ours(entry).is_none_or(|opinion| opinion.value != Value::Negative) {
        return Vec::new();
    }
    let ask = |name: String| {
        let rest = format!("/v2/feedback/{}/reasons", segment(&name));
        let ask = Ask::get(&of.site.address, &rest).basic(&of.username, &of.password);
        (name, ask)
    };
    types_of(entry).into_iter().map(ask).collect()
}

impl Reason {
    /// Reads the reasons of an answer; nothing where it is not one.
    #[must_use]
    pub fn read_all(answer: &[u8]) -> Option<Vec<Self>> {
        let mut reader = Reader::from_reader(answer);
        let (mut reasons, mut is_answer) = (Vec::new(), false);
        loop {
            let tag = match reader.read_event().ok()? {
                Event::Start(tag) | Event::Empty(tag) => tag,
                Event::DocType(_) => return None,
                Event::Eof => return is_answer.then_some(reasons),
                _ => continue,
            };
            match tag.local_name().as_ref() {
                b"availableFeedbackReasons" => is_answer = true,
                b"reason" => {
                    let text = |name: &str| {
                        let found = tag.try_get_attribute(name).ok()??;
                        Some(found.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
                    };
                    reasons
                        .push(Self { guid: text("guid")?, name: text("name").unwrap_or_default() });
                }
                _ => {}
            }
        }
    }
}

/// What a source is told of an entry: what people here say of it. Nothing where they say nothing.
///
/// # Errors
/// [`Untold`]: it is counted, and not tried again.
pub fn votes(
    kind: &Kind,
    entry: &Entry,
    reasons: &BTreeMap<String, Vec<Reason>>,
) -> Option<Result<Vote, Untold>> {
    let opinion = ours(entry)?;
    let asks = match kind {
        Kind::Bulwark(_) | Kind::File(_) | Kind::Arachnid(_) => Err(Untold::NoWord),
        Kind::Ncmec(of) => ncmec(of, entry, opinion, reasons),
        Kind::StopNcii(of) => stopncii(of, entry, opinion),
        Kind::ThreatExchange(of) => threatexchange(of, entry, opinion),
    };
    Some(asks.map(|asks| Vote { asks }))
}

/// The same for the same opinion, however often it is sent.
fn once(ask: Ask, entry: &Entry, opinion: &Opinion) -> Ask {
    let at = opinion.at.unwrap_or_default().millis();
    ask.header("idempotency-key", Secret::new(format!("{}-{at}", entry.id)))
}

fn ncmec(
    of: &Ncmec,
    entry: &Entry,
    opinion: &Opinion,
    reasons: &BTreeMap<String, Vec<Reason>>,
) -> Result<Vec<Ask>, Untold> {
    let (member, id) = entry.provenance.source_record.split_once('/').ok_or(Untold::NoName)?;
    let types = types_of(entry);
    if types.is_empty() {
        return Err(Untold::NoName);
    }
    let ask = |name: String| {
        let said = match opinion.value {
            Value::Positive => "<affirmative/>".to_owned(),
            Value::Negative => {
                let known = reasons.get(&name).map_or(&[][..], Vec::as_slice);
                let usual = [of.negative_reason.clone()];
                let guids = named(known, &opinion.reasons).or_else(|| named(known, &usual));
                let guids = guids.ok_or(Untold::NoReason)?;
                let guid = |guid: &str| format!("<guid>{}</guid>", escape(guid));
                let guids: String = guids.into_iter().map(guid).collect();
                format!("<negative><reasonIds>{guids}</reasonIds></negative>")
            }
            Value::Seed => return Err(Untold::NoWord),
        };
        let rest =
            format!("/v2/entries/{}/{}/{}/feedback", segment(member), segment(id), segment(&name));
        let xml = format!("<feedbackSubmission xmlns=\"{NAMESPACE}\">{said}</feedbackSubmission>");
        let ask = Ask::get(&of.site.address, &rest).basic(&of.username, &of.password);
        Ok(once(ask.with_body(Verb::Put, XML, xml.into_bytes()), entry, opinion))
    };
    types.into_iter().map(ask).collect()
}

/// The source's reasons among some words; nothing where there is none.
fn named<'r>(known: &'r [Reason], words: &[String]) -> Option<Vec<&'r str>> {
    let is = |reason: &Reason, word: &String| {
        reason.guid.eq_ignore_ascii_case(word) || reason.name.eq_ignore_ascii_case(word)
    };
    let found = known.iter().filter(|reason| words.iter().any(|word| is(reason, word)));
    let guids: Vec<&str> = found.map(|reason| reason.guid.as_str()).collect();
    (!guids.is_empty()).then_some(guids)
}

fn stopncii(of: &StopNcii, entry: &Entry, opinion: &Opinion) -> Result<Vec<Ask>, Untold> {
    if entry.signals.is_empty() {
        return Err(Untold::NoName);
    }
    let said = match opinion.value {
        Value::Positive => "Blocked",
        Value::Negative => "NotBlocked",
        Value::Seed => "PendingReview",
    };
    let feedback = |value: String| serde_json::json!({"hashValue": value, "feedbackValue": said, "tags": opinion.reasons});
    let all: Vec<_> =
        entry.signals.iter().map(|banked| feedback(value_of(&banked.signal))).collect();
    let body = serde_json::json!({"count": all.len(), "hashFeedbacks": all});
    let ask = Ask::get(&of.site.address, "/SubmitFeedback")
        .with_body(Verb::Post, JSON, body.to_string().into_bytes())
        .header("x-functions-key", of.feedback_key.clone())
        .header("ocp-apim-subscription-key", of.subscription_key.clone());
    Ok(vec![once(ask, entry, opinion)])
}

/// A value as its source wrote it: what is carried as it came is text.
fn value_of(signal: &crate::core::signal::Signal) -> String {
    match signal.kind() {
        SignalType::Custom(_) => String::from_utf8_lossy(&signal.bytes()).into_owned(),
        _ => signal.text(),
    }
}

fn threatexchange(
    of: &ThreatExchange,
    entry: &Entry,
    opinion: &Opinion,
) -> Result<Vec<Ask>, Untold> {
    let handles = entry.origin().map_or(&[][..], |origin| origin.handles.as_slice());
    if handles.is_empty() {
        return Err(Untold::NoName);
    }
    let said = match opinion.value {
        Value::Positive => "HELPFUL",
        Value::Negative => "DISAGREE_WITH_TAGS",
        Value::Seed => "SAW_THIS_TOO",
    };
    let body = query([("reactions", said), ("access_token", of.access_token.reveal())]);
    let ask = |handle: &String| {
        let ask = Ask::get(&of.site.address, &format!("/{}", segment(handle)));
        once(ask.with_body(Verb::Post, FORM, body.clone().into_bytes()), entry, opinion)
    };
    Ok(handles.iter().map(ask).collect())
}

/// A word as one segment of a path.
fn segment(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
    // A segment of dots leads elsewhere, so that they are written like all else.
    word.bytes()
        .map(
            |byte| {
                if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            },
        )
        .collect()
}

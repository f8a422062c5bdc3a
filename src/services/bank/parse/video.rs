//! When a video matches, as a bank's owner says it.

use crate::core::bank::{VideoRule, VideoSemantics};
use crate::core::signal::SignalType;
use crate::core::verdict::Disposition;
use crate::proto::v1;
use crate::services::words::fields::{Fields, within};
use crate::services::words::policy;
use prost_types::Duration as WireSpan;
use std::time::Duration;

/// Most frames that a match may need: more than that nobody samples of a minute.
const FRAMES_MAX: u32 = 1_000;
/// Longest span or stretch that a match may need.
const SPAN_MAX: Duration = Duration::from_secs(3_600);

/// Reads whether a type is compared across pictures and videos.
pub fn read_crossing(
    fields: &mut Fields,
    path: &str,
    kind: &SignalType,
    sent: Option<bool>,
) -> Option<bool> {
    if sent.is_some() && !kind.is_perceptual() {
        fields.fault(within(path, "crosses_media"), "must be left out for this type");
        return None;
    }
    Some(sent.unwrap_or(true))
}

/// Reads when a video matches: the outer absence is a fault.
#[allow(clippy::option_option, reason = "three outcomes: bad, absent, present")]
pub fn read(
    fields: &mut Fields,
    path: &str,
    kind: &SignalType,
    sent: Option<v1::VideoRule>,
) -> Option<Option<VideoRule>> {
    let path = within(path, "video");
    let Some(sent) = sent else { return Some(None) };
    if *kind != SignalType::VpdqFrame {
        fields.fault(path, "must be left out for this type");
        return None;
    }
    let at = |inner| within(&path, inner);
    let semantics = read_semantics(fields, &at("semantics"), sent.semantics)?;
    let usual = VideoRule::usual(semantics);
    let compared = percent(fields, at("compared_percent_min"), sent.compared_percent_min);
    let query = percent(fields, at("query_percent_min"), sent.query_percent_min);
    let frames = sent.frames_min.unwrap_or(usual.frames_min);
    if !(1..=FRAMES_MAX).contains(&frames) {
        fields.fault(at("frames_min"), format!("must be from 1 to {FRAMES_MAX}"));
        return None;
    }
    let span_min = span(fields, at("span_min"), sent.span_min, usual.span_min);
    let run_min = span(fields, at("run_min"), sent.run_min, usual.run_min);
    let disposition = asked(fields, &at("disposition"), sent.disposition, usual.disposition);
    let by_run = at("run_disposition");
    let run_disposition = asked(fields, &by_run, sent.run_disposition, usual.run_disposition);
    Some(Some(VideoRule {
        semantics,
        compared_percent_min: compared?.unwrap_or(usual.compared_percent_min),
        query_percent_min: query?.unwrap_or(usual.query_percent_min),
        frames_min: frames,
        span_min: span_min?,
        run_min: run_min?,
        disposition: disposition?,
        run_disposition: run_disposition?,
    }))
}

fn read_semantics(fields: &mut Fields, path: &str, number: i32) -> Option<VideoSemantics> {
    use v1::VideoSemantics as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified | Wire::Contains) => Some(VideoSemantics::Contains),
        Ok(Wire::VpdqReference) => Some(VideoSemantics::Reference),
        Ok(Wire::VpdqPython) => Some(VideoSemantics::Python),
        Err(_) => {
            fields.fault(path, "must be a value that this version knows");
            None
        }
    }
}

#[allow(clippy::option_option, reason = "three outcomes: bad, absent, present")]
fn percent(fields: &mut Fields, path: String, sent: Option<u32>) -> Option<Option<u32>> {
    if sent.is_some_and(|percent| percent > 100) {
        fields.fault(path, "must be from 0 to 100");
        return None;
    }
    Some(sent)
}

/// Reads a span of zero or more, in milliseconds.
fn span(fields: &mut Fields, path: String, sent: Option<WireSpan>, usual: u32) -> Option<u32> {
    let Some(sent) = sent else { return Some(usual) };
    let span = Duration::try_from(sent).ok().filter(|span| *span <= SPAN_MAX);
    let millis = span.and_then(|span| u32::try_from(span.as_millis()).ok());
    if millis.is_none() {
        fields.fault(path, format!("must be from 0 to {} seconds", SPAN_MAX.as_secs()));
    }
    millis
}

fn asked(fields: &mut Fields, path: &str, number: i32, usual: Disposition) -> Option<Disposition> {
    if number == 0 {
        return Some(usual);
    }
    let read = policy::read_disposition(fields, path, number)?;
    if read == Disposition::Allow {
        fields.fault(path, "must be stricter than ALLOW");
        return None;
    }
    Some(read)
}

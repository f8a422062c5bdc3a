//! The signals of one item, read from the wire into what is looked for.

use crate::core::screening::question::{MediaKind, Probe};
use crate::core::signal::SignalType;
use crate::proto::v1;
use crate::services::words::fields::Fields;
use crate::services::words::signal::{Sent, millis, read_list};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Most signals of one item, frames of a video apart.
const SIGNALS_MAX: usize = 256;
/// Most frames of its video, each turned form counted: an hour of eight each, one a second.
const FRAMES_MAX: usize = 8 * 3_600;
/// Time between frames of which nobody says where they are, in milliseconds.
const FRAME_MILLIS_ASSUMED: u32 = 1000;

/// Reads the signals.
pub fn read(fields: &mut Fields, path: &str, sent: &[v1::Signal]) -> Option<Vec<Probe>> {
    let is_frame = |sent: &&v1::Signal| sent.r#type == i32::from(v1::SignalType::VpdqFrame);
    let frames = sent.iter().filter(is_frame).count().min(FRAMES_MAX);
    read_list(fields, path, sent, SIGNALS_MAX + frames).map(probes_of)
}

/// Reads the signals of something small, of which there are at most so many.
pub fn read_few(
    fields: &mut Fields,
    path: &str,
    sent: &[v1::Signal],
    most: usize,
) -> Option<Vec<Probe>> {
    read_list(fields, path, sent, most).map(probes_of)
}

/// What a caller says its signals were taken from.
#[must_use]
pub fn media_kind(number: i32) -> MediaKind {
    match v1::MediaKind::try_from(number) {
        Ok(v1::MediaKind::Image) => MediaKind::Image,
        Ok(v1::MediaKind::Video) => MediaKind::Video,
        Ok(v1::MediaKind::Other) => MediaKind::Other,
        Ok(v1::MediaKind::Unspecified) | Err(_) => MediaKind::Unsaid,
    }
}

/// Signals of one place in a video are of one frame. Of those without a place nothing tells that any two are, so that
/// each is taken for a frame of its own: what overrules one must not hide another.
fn probes_of(sent: Vec<Sent>) -> Vec<Probe> {
    let part: Arc<str> = Arc::from("");
    let mut frames: HashMap<Duration, u32> = HashMap::new();
    (0..)
        .zip(sent)
        .map(|(own, sent)| Probe {
            frame: match (sent.signal.kind(), sent.offset) {
                (SignalType::VpdqFrame, Some(offset)) => millis(offset),
                (SignalType::VpdqFrame, None) => own * FRAME_MILLIS_ASSUMED,
                (_, Some(offset)) => *frames.entry(offset).or_insert(own),
                (_, None) => own,
            },
            signal: sent.signal,
            quality: sent.quality,
            form: sent.form,
            dihedral: sent.dihedral,
            part: Arc::clone(&part),
            stream: 0,
        })
        .collect()
}

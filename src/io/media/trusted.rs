//! Pictures of bytes that are trusted, decoded in this very process: what benchmarks measure of a worker's work.

use super::decode;
use super::limits::MediaLimits;
use crate::core::media::{Picture, sniff};
use crate::core::verdict::CheckState;

/// The hashes of a picture's file with the default limits, and whether all of it was read.
///
/// Decoders meet bytes here without a jail. A service must never call this: [`super::Examiner`] examines uploads.
#[doc(hidden)]
#[must_use]
pub fn pictures(bytes: &[u8]) -> (Vec<Picture>, CheckState) {
    let limits = MediaLimits::default();
    let mut pictures = Vec::new();
    let mut tell = |picture| pictures.push(picture);
    let decoded =
        decode::decode(sniff(bytes), bytes, &limits, bytes.len() as u64, u32::MAX, &mut tell);
    (pictures, decoded.image)
}

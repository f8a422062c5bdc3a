//! Pictures decoded from hostile bytes, and hashed in every form; runs inside the jail only.

mod room;
mod complete;
mod scans;
mod thumb;
mod forms;
mod pixels;
mod still;
mod jpeg;
mod animated;
mod tiff;
#[cfg(feature = "avif")]
mod avif;
#[cfg(feature = "heic")]
mod heic;
#[cfg(feature = "jxl")]
mod jxl;

use super::limits::MediaLimits;
use super::reason::Reason;
use crate::core::media::{Format, Picture};
use crate::core::raster::Raster;
use crate::core::verdict::CheckState;
use forms::Forms;
use room::{Room, Stop};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Address space that a worker needs beside pictures: the program, its libraries, stack, and small allocations.
const BESIDE_PICTURES: u64 = 192 << 20;

/// What decoding a picture gave, beside the hashes that were handed out.
#[derive(Debug)]
pub(super) struct Decoded {
    /// Hashes of every form of every frame that could be read.
    pub(super) pictures: u32,
    /// Checked only when everything was read.
    pub(super) image: CheckState,
    /// Why not.
    pub(super) reason: Reason,
    /// Length of the codestream of a JPEG XL, which nothing but its decoder tells.
    pub(super) codestream: Option<usize>,
}

/// Decodes and hashes a picture file; `tell` is given each hash as soon as it is there, at most `pictures_left` of them.
///
/// `held_bytes` is the memory that the worker already holds for this item.
pub(super) fn decode(
    format: Format,
    bytes: &[u8],
    limits: &MediaLimits,
    held_bytes: u64,
    pictures_left: u32,
    tell: &mut dyn FnMut(Picture),
) -> Decoded {
    let room = Room {
        limits,
        file_len: bytes.len() as u64,
        memory: limits.memory_bytes_max.saturating_sub(BESIDE_PICTURES).saturating_sub(held_bytes),
    };
    let mut forms = Forms::new(limits, pictures_left, tell);
    #[cfg_attr(not(feature = "jxl"), expect(unused_mut, reason = "only JPEG XL sets it"))]
    let mut codestream = None;
    // Decoders of the image libraries document that they may panic on hostile input; what they had taken hold of
    // is dropped, and `forms` only ever hands out whole pictures.
    let outcome = catch_unwind(AssertUnwindSafe(|| match format {
        Format::Jpeg => jpeg::decode(bytes, &room, &mut forms),
        Format::Png => animated::png(bytes, &room, &mut forms),
        Format::Gif => animated::gif(bytes, &room, &mut forms),
        Format::Webp => animated::webp(bytes, &room, &mut forms),
        Format::Bmp => still::bmp(bytes, &room, &mut forms),
        Format::Tiff => tiff::decode(bytes, &room, &mut forms),
        #[cfg(feature = "avif")]
        Format::Avif => avif::decode(bytes, &room, &mut forms),
        #[cfg(feature = "heic")]
        Format::Heic => heic::decode(bytes, &room, &mut forms),
        #[cfg(feature = "jxl")]
        Format::Jxl => jxl::decode(bytes, &room, &mut forms, &mut codestream),
        _ => Err(Stop::Unsupported(Reason::NoDecoder)),
    }))
    .unwrap_or(Err(Stop::Corrupt(Reason::DecoderPanicked)));
    let pictures = forms.pictures();
    let (image, reason) = match outcome {
        Ok(()) if pictures == 0 => (CheckState::Corrupt, Reason::DecoderRefused),
        Ok(()) => (CheckState::Checked, Reason::Nothing),
        Err(stop) => stop.state(),
    };
    Decoded { pictures, image, reason, codestream }
}

/// Hashes a frame of a video in every form, as the one with this number; how many hashes were handed out, and why not all.
pub(super) fn hash_frame(
    raster: &Raster,
    (number, at_millis): (u32, u32),
    limits: &MediaLimits,
    pictures_left: u32,
    tell: &mut dyn FnMut(Picture),
) -> (u32, Option<(CheckState, Reason)>) {
    let mut forms = Forms::new(limits, pictures_left, tell).of_video(number);
    forms.at(at_millis);
    let taken = forms.take(raster, 1);
    (forms.pictures(), taken.err().map(Stop::state))
}

/// Whether a frame of this size may be hashed; else why not.
pub(super) fn admit_frame(
    width: u32,
    height: u32,
    limits: &MediaLimits,
) -> Result<(), (CheckState, Reason)> {
    // The program that decodes has limits of its own: compared are the frame and the bytes that it comes in.
    let memory = limits.memory_bytes_max.saturating_sub(BESIDE_PICTURES);
    let room = Room { limits, file_len: u64::MAX, memory };
    room.admit(width, height, 4).map_err(Stop::state)
}

//! HEIC, the primary picture, as stored and as its container turns and cuts it.

use super::super::reason::Reason;
use super::forms::Forms;
use super::{Room, Stop, pixels};
use crate::core::raster::Raster;
use heic_rs::{DecodeOptions, Error, PixelLayout, Rotation};

/// Planes of 16-bit samples, one set for a grid's tile and one for the whole, and the output.
const BYTES_PER_PIXEL: u64 = 24;

impl From<Error> for Stop {
    fn from(_: Error) -> Self {
        Self::Corrupt(Reason::DecoderRefused)
    }
}

pub(super) fn decode(bytes: &[u8], room: &Room<'_>, forms: &mut Forms<'_>) -> Result<(), Stop> {
    let info = heic_rs::probe(bytes)?;
    room.admit(info.width, info.height, BYTES_PER_PIXEL)?;
    room.admit(info.coded_width, info.coded_height, BYTES_PER_PIXEL)?;
    let layout = if info.has_alpha { PixelLayout::Rgba8 } else { PixelLayout::Rgb8 };
    let read = |transforms| -> Result<Raster, Stop> {
        let options = DecodeOptions::default()
            .with_layout(layout)
            .with_max_pixels(Some(room.limits.pixels_max))
            .with_transforms(transforms)
            .with_alpha(info.has_alpha)
            .with_strict(true)
            .with_threads(Some(1));
        let picture = heic_rs::decode(bytes, &options)?;
        pixels::interleaved(picture.width, picture.height, layout.channels(), picture.data)
    };
    let turned = info.rotation != Rotation::None
        || info.mirror.is_some()
        || (info.width, info.height) != (info.coded_width, info.coded_height);
    let stored = read(false)?;
    if turned {
        forms.take_pair(&stored, &read(true)?)?;
    } else {
        forms.take(&stored, 1)?;
    }
    // A sequence has pictures that the library does not read.
    let sequence = [&b"hevc"[..], b"hevx", b"msf1"];
    if bytes.get(8..12).is_some_and(|brand| sequence.contains(&brand)) {
        return Err(Stop::Unsupported(Reason::Sequence));
    }
    Ok(())
}

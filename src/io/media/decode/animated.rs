//! Formats that may hold several frames, each shown as a viewer would show it.

use super::super::reason::Reason;
use super::forms::Forms;
use super::{Room, Stop, complete, pixels, still};
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, DynamicImage, Frames, ImageDecoder as _};
use std::io::Cursor;
use std::time::Duration;

/// The canvas, the one before it, the frame being read, the copy handed out: four bytes a pixel each.
const BYTES_PER_PIXEL: u64 = 20;

/// PNG: the still picture first, then further frames of an animation.
pub(super) fn png(bytes: &[u8], room: &Room<'_>, forms: &mut Forms<'_>) -> Result<(), Stop> {
    let walk = complete::png(bytes);
    let open = || PngDecoder::with_limits(Cursor::new(bytes), room.library());
    let decoder = open()?;
    let animated = decoder.is_apng()?;
    let (raster, orientation) = still::whole(decoder, room)?;
    if animated && walk.still_is_frame {
        forms.at(0);
    }
    forms.take(&raster, orientation)?;
    drop(raster);
    if animated {
        let decoder = open()?;
        let (width, height) = decoder.dimensions();
        room.admit(width, height, BYTES_PER_PIXEL)?;
        rest(decoder.apng()?.into_frames(), usize::from(walk.still_is_frame), forms)?;
    }
    if walk.complete { Ok(()) } else { Err(Stop::Corrupt(Reason::Truncated)) }
}

/// GIF: the first frame with its stored colours, transparent ones included, then what a viewer shows.
pub(super) fn gif(bytes: &[u8], room: &Room<'_>, forms: &mut Forms<'_>) -> Result<(), Stop> {
    if let Some(&[a, b, c, d]) = bytes.get(6..10) {
        // The library has a limit of its own and would call a large canvas an error.
        let (width, height) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        room.admit(width.into(), height.into(), BYTES_PER_PIXEL)?;
    }
    let open = || -> Result<_, Stop> {
        let mut decoder = GifDecoder::new(Cursor::new(bytes))?;
        decoder.set_limits(room.library())?;
        Ok(decoder)
    };
    let (raster, _) = still::whole(open()?, room)?;
    forms.at(0);
    forms.take(&raster, 1)?;
    drop(raster);
    rest(open()?.into_frames(), 1, forms)?;
    if complete::gif(bytes) { Ok(()) } else { Err(Stop::Corrupt(Reason::Truncated)) }
}

/// WebP: one picture, or every frame of an animation.
pub(super) fn webp(bytes: &[u8], room: &Room<'_>, forms: &mut Forms<'_>) -> Result<(), Stop> {
    let decoder = WebPDecoder::new(Cursor::new(bytes))?;
    if decoder.has_animation() {
        let (width, height) = decoder.dimensions();
        room.admit(width, height, BYTES_PER_PIXEL)?;
        rest(decoder.into_frames(), 0, forms)?;
    } else {
        let (raster, orientation) = still::whole(decoder, room)?;
        forms.take(&raster, orientation)?;
    }
    if complete::riff(bytes) { Ok(()) } else { Err(Stop::Corrupt(Reason::Truncated)) }
}

/// Hashes the frames after the first `skipped`, until there are no more or no more are allowed, each with its time.
fn rest(frames: Frames<'_>, skipped: usize, forms: &mut Forms<'_>) -> Result<(), Stop> {
    let mut at = Duration::ZERO;
    for (number, frame) in frames.enumerate() {
        // Told before the frame is read with pixels of its own: one frame more than allowed is enough to know.
        if number >= skipped && forms.is_full() {
            return Err(Stop::TooLarge(Reason::Frames));
        }
        let frame = frame?;
        let shown_for = frame.delay().into();
        if number >= skipped {
            forms.at(u32::try_from(at.as_millis()).unwrap_or(u32::MAX));
            let picture = DynamicImage::ImageRgba8(frame.into_buffer());
            forms.take(&pixels::raster(picture)?, 1)?;
        }
        at = at.saturating_add(shown_for);
    }
    Ok(())
}

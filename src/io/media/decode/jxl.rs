//! JPEG XL, every key frame.

use super::super::reason::Reason;
use super::forms::Forms;
use super::{Room, Stop};
use crate::core::raster::Raster;
use jxl_oxide::{
    AllocTracker, EnumColourEncoding, JxlImage, JxlThreadPool, PixelFormat, RenderingIntent,
};

/// Samples are floating-point numbers, in several buffers of filters and upsampling.
const BYTES_PER_PIXEL: u64 = 64;

impl From<Box<dyn std::error::Error + Send + Sync>> for Stop {
    fn from(_: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self::Corrupt(Reason::DecoderRefused)
    }
}

/// Hashes every key frame; `end` becomes the length of the codestream as soon as it is known.
pub(super) fn decode(
    bytes: &[u8],
    room: &Room<'_>,
    forms: &mut Forms<'_>,
    end: &mut Option<usize>,
) -> Result<(), Stop> {
    let memory = usize::try_from(room.memory).unwrap_or(usize::MAX);
    let mut image = JxlImage::builder()
        .pool(JxlThreadPool::none())
        .alloc_tracker(AllocTracker::with_limit(memory))
        .read(bytes)?;
    *end = codestream_len(&image);
    room.admit(image.width(), image.height(), BYTES_PER_PIXEL)?;
    let grey = matches!(image.pixel_format(), PixelFormat::Gray | PixelFormat::Graya);
    let encoding = if grey {
        EnumColourEncoding::gray_srgb(RenderingIntent::Relative)
    } else {
        EnumColourEncoding::srgb(RenderingIntent::Relative)
    };
    image.request_color_encoding(encoding);
    for number in 0..image.num_loaded_keyframes() {
        if forms.is_full() {
            return Err(Stop::TooLarge(Reason::Frames));
        }
        // The library turns the picture upright itself.
        forms.take(&raster(&image.render_frame(number)?)?, 1)?;
    }
    if image.is_loading_done() { Ok(()) } else { Err(Stop::Corrupt(Reason::Truncated)) }
}

/// Length of the codestream, when it was read to its end: behind the groups of its last frame.
fn codestream_len(image: &JxlImage) -> Option<usize> {
    let last = image.num_loaded_frames().checked_sub(1).filter(|_| image.is_loading_done())?;
    let groups = image.frame(last)?.toc();
    image.frame_offset(last)?.checked_add(groups.bookmark())?.checked_add(groups.total_byte_size())
}

fn raster(frame: &jxl_oxide::Render) -> Result<Raster, Stop> {
    let mut stream = frame.stream();
    let (width, height, channels) = (stream.width(), stream.height(), stream.channels() as usize);
    let samples = (width as usize).saturating_mul(height as usize).saturating_mul(channels);
    let mut values = vec![0_u8; samples];
    if stream.write_to_buffer(&mut values) != samples {
        return Err(Stop::Corrupt(Reason::Truncated));
    }
    super::pixels::interleaved(width, height, channels, values)
}

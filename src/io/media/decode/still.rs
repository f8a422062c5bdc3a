//! Formats of one picture, read by the image library.

use super::forms::Forms;
use super::{Room, Stop, pixels};
use crate::core::raster::Raster;
use image::codecs::bmp::BmpDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder};
use std::io::Cursor;

pub(super) fn bmp(bytes: &[u8], room: &Room<'_>, forms: &mut Forms<'_>) -> Result<(), Stop> {
    let (raster, orientation) = whole(BmpDecoder::new(Cursor::new(bytes))?, room)?;
    forms.take(&raster, orientation)
}

/// Decodes one picture after its header was found to be within the limits; with its EXIF orientation.
pub(super) fn whole(mut decoder: impl ImageDecoder, room: &Room<'_>) -> Result<(Raster, u8), Stop> {
    let (width, height) = decoder.dimensions();
    // What the library writes, the 8-bit raster made of it, and once more of either for its own buffers.
    let written = u64::from(decoder.color_type().bytes_per_pixel());
    room.admit(width, height, 2 * written + 4)?;
    decoder.set_limits(room.library())?;
    let orientation = decoder.orientation().map_or(1, Orientation::to_exif);
    let raster = pixels::raster(DynamicImage::from_decoder(decoder)?)?;
    Ok((raster, orientation))
}

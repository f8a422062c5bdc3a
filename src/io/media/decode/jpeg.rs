//! JPEG, read strictly first; what only a lenient reading yields is hashed but not called complete.

use super::super::reason::Reason;
use super::forms::Forms;
use super::{Room, Stop, complete, scans};
use crate::core::jpeg::Limits;
use crate::core::pdq::{self, Coarse};
use crate::core::raster::Raster;
use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Coefficients of four components in a progressive file (2 bytes each), and four channels of output.
const BYTES_PER_PIXEL: u64 = 12;
/// More scans than any encoder writes; each scan of a hostile file costs a pass over all pixels.
const SCANS_MAX: usize = 64;

impl From<DecodeErrors> for Stop {
    fn from(error: DecodeErrors) -> Self {
        match error {
            DecodeErrors::Unsupported(_) => Self::Unsupported(Reason::Codec),
            DecodeErrors::LargeDimensions(_) => Self::TooLarge(Reason::Side),
            DecodeErrors::ExhaustedData => Self::Corrupt(Reason::Truncated),
            _ => Self::Corrupt(Reason::DecoderRefused),
        }
    }
}

impl From<scans::Fault> for Stop {
    fn from(fault: scans::Fault) -> Self {
        Self::Corrupt(match fault {
            scans::Fault::Short => Reason::Truncated,
            scans::Fault::Damaged => Reason::DecoderRefused,
        })
    }
}

pub(super) fn decode(bytes: &[u8], room: &Room<'_>, forms: &mut Forms<'_>) -> Result<(), Stop> {
    if room.limits.by_coefficients
        && !room.limits.is_made_small(0)
        && let Some(coarse) = by_coefficients(bytes, room)
        && forms.take_coarse(&coarse)
    {
        return Ok(());
    }
    let walk = complete::jpeg(bytes);
    let read_by = |light: Light| match read(walk.blocks(bytes), true, light, walk.adobe, room) {
        Err(stop @ Stop::Corrupt(_)) => {
            let lenient = read(bytes, false, light, walk.adobe, room);
            // Where even the lenient reading fails, the strict one tells better why.
            lenient.map(|read| (read, Some(stop))).map_err(|_| stop)
        }
        outcome => outcome.map(|read| (read, None)),
    };
    let (Read { raster, orientation, light }, strict) = read_by(Light::Luma)?;
    let sides = (raster.width() as usize, raster.height() as usize);
    match light {
        Light::Luma => {
            let colours = || Ok(read_by(Light::Colours)?.0.raster);
            forms.take_luma(&raster, orientation, colours)?;
        }
        Light::Colours => forms.take(&raster, orientation)?,
    }
    drop(raster);
    match strict {
        Some(stop) => Err(stop),
        None if !walk.complete => Err(Stop::Corrupt(Reason::Truncated)),
        // Without its end marker one scan was read strictly; of several the library takes what it gets.
        None if walk.is_one_scan() => Ok(()),
        None => Ok(scans::follow(bytes, sides.0, sides.1)?),
    }
}

/// What is made of the pixels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Light {
    /// The luma that the file holds, where it holds luma and two differences of colour.
    Luma,
    /// Red, green and blue, or grey where the file is.
    Colours,
}

/// Pixels that were read.
struct Read {
    raster: Raster,
    /// The EXIF one, 1 to 8.
    orientation: u8,
    /// What they are, which is luma only where that was asked for.
    light: Light,
}

/// The hash of a large and usual JPEG from its coefficients. Nothing where anything needs a closer look: a limit, a
/// file that is not whole, a border that would be trimmed.
fn by_coefficients(bytes: &[u8], room: &Room<'_>) -> Option<Coarse> {
    let (decoder, width, height) = open(bytes, options(true), room).ok()?;
    let limits = Limits {
        pixels_min: pdq::PIXELS_MIN,
        pixels_max: room.limits.pixels_max,
        side_max: room.limits.side_max,
    };
    let coarse = pdq::hash_coefficients(bytes, orientation(&decoder), limits).ok()?;
    let may_be_trimmed = coarse.edges.may_be_border(room.limits.border_tolerance);
    (coarse.sides == (width, height) && !may_be_trimmed).then_some(coarse)
}

fn options(strict: bool) -> DecoderOptions {
    DecoderOptions::default()
        .set_strict_mode(strict)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_max_scans(SCANS_MAX)
}

type Decoder<'a> = JpegDecoder<ZCursor<&'a [u8]>>;

/// A decoder that has read the headers, and the sides of the picture, for which there is room.
fn open<'a>(
    bytes: &'a [u8],
    options: DecoderOptions,
    room: &Room<'_>,
) -> Result<(Decoder<'a>, u32, u32), Stop> {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers()?;
    let (width, height) = decoder.dimensions().ok_or(Stop::Corrupt(Reason::DecoderRefused))?;
    let narrow = |length| u32::try_from(length).map_err(|_| Stop::TooLarge(Reason::Side));
    let (width, height) = (narrow(width)?, narrow(height)?);
    room.admit(width, height, BYTES_PER_PIXEL)?;
    Ok((decoder, width, height))
}

fn orientation(decoder: &Decoder<'_>) -> u8 {
    decoder
        .exif()
        .and_then(|exif| Orientation::from_exif_chunk(exif))
        .map_or(1, Orientation::to_exif)
}

fn read(
    bytes: &[u8],
    strict: bool,
    light: Light,
    adobe: bool,
    room: &Room<'_>,
) -> Result<Read, Stop> {
    let side = usize::try_from(room.limits.side_max).unwrap_or(usize::MAX);
    let options = options(strict);
    let (mut decoder, width, height) = open(bytes, options, room)?;
    let stored = decoder.input_colorspace().ok_or(Stop::Corrupt(Reason::DecoderRefused))?;
    let plain_inks = stored == ColorSpace::CMYK && !adobe;
    let (wanted, light) = match stored {
        ColorSpace::Luma => (ColorSpace::Luma, Light::Colours),
        ColorSpace::YCbCr if light == Light::Luma => (ColorSpace::Luma, Light::Luma),
        // The library takes inks to be inverted, as Adobe stores them.
        ColorSpace::CMYK if plain_inks => (ColorSpace::CMYK, Light::Colours),
        _ => (ColorSpace::RGB, Light::Colours),
    };
    decoder.set_options(
        options.jpeg_set_out_colorspace(wanted).set_max_width(side).set_max_height(side),
    );
    let orientation = orientation(&decoder);
    let mut values = decoder.decode()?;
    let raster = match wanted {
        ColorSpace::Luma => Raster::grey(width, height, values)?,
        ColorSpace::CMYK => {
            inks_to_light(&mut values);
            Raster::new(width, height, values)?
        }
        _ => Raster::new(width, height, values)?,
    };
    Ok(Read { raster, orientation, light })
}

/// Cyan, magenta, yellow, black (0 no ink, 255 full) to red, green, blue, in place.
fn inks_to_light(values: &mut Vec<u8>) {
    let pixels = values.len() / 4;
    for pixel in 0..pixels {
        let black = 255 - u16::from(values[pixel * 4 + 3]);
        for ink in 0..3 {
            let light = 255 - u16::from(values[pixel * 4 + ink]);
            // At most 255: both factors are.
            values[pixel * 3 + ink] = ((light * black + 127) / 255) as u8;
        }
    }
    values.truncate(pixels * 3);
}

#[cfg(test)]
mod tests;

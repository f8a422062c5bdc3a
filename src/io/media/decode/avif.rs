//! AVIF, the primary picture: its planes of luma and chroma as red, green and blue.

use super::super::reason::Reason;
use super::forms::Forms;
use super::{Room, Stop};
use crate::core::raster::Raster;
use avif_parse::Error;
use re_rav1d::dav1d::pixel::{MatrixCoefficients, YUVRange};
use re_rav1d::dav1d::{Decoder, Picture, PixelLayout, PlanarImageComponent as Plane, Settings};

/// Three planes of 16-bit samples as decoded, as kept for reference and as filtered, and the output.
const BYTES_PER_PIXEL: u64 = 24;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::Unsupported(_) => Self::Unsupported(Reason::Codec),
            Error::UnexpectedEOF => Self::Corrupt(Reason::Truncated),
            _ => Self::Corrupt(Reason::DecoderRefused),
        }
    }
}

impl From<re_rav1d::dav1d::Error> for Stop {
    fn from(_: re_rav1d::dav1d::Error) -> Self {
        Self::Corrupt(Reason::DecoderRefused)
    }
}

pub(super) fn decode(bytes: &[u8], room: &Room<'_>, forms: &mut Forms<'_>) -> Result<(), Stop> {
    let mut reader = bytes;
    let file = avif_parse::read_avif(&mut reader)?;
    let header = file.primary_item_metadata()?;
    room.admit(header.max_frame_width.get(), header.max_frame_height.get(), BYTES_PER_PIXEL)?;
    let colours = picture(&file.primary_item, room)?;
    let (width, height) = (colours.width(), colours.height());
    room.admit(width, height, BYTES_PER_PIXEL)?;
    let mut raster = Raster::new(width, height, rgb(&colours)?)?;
    drop(colours);
    if let Some(item) = &file.alpha_item {
        let alpha = picture(item, room)?;
        if (alpha.width(), alpha.height()) != (width, height) {
            return Err(Stop::Corrupt(Reason::DecoderRefused));
        }
        raster = raster.with_alpha(luma(&alpha)?)?;
    }
    forms.take(&raster, 1)?;
    if bytes.get(8..12) == Some(b"avis") {
        // A sequence has pictures that the parser does not read.
        return Err(Stop::Unsupported(Reason::Sequence));
    }
    Ok(())
}

fn picture(item: &[u8], room: &Room<'_>) -> Result<Picture, Stop> {
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_frame_size_limit(u32::try_from(room.limits.pixels_max).unwrap_or(u32::MAX));
    settings.set_strict_std_compliance(true);
    let mut decoder = Decoder::with_settings(&settings)?;
    decoder.send_data(item.to_vec(), None, None, None)?;
    Ok(decoder.get_picture()?)
}

/// Samples of one plane with their range brought to 0 to 1 (luma) or -½ to ½ (chroma).
struct Samples {
    bytes: re_rav1d::dav1d::Plane,
    stride: usize,
    wide: bool,
    zero: f32,
    span: f32,
}

impl Samples {
    /// `centred` for chroma around its middle, not for planes that hold luma or a colour itself.
    fn of(picture: &Picture, plane: Plane, centred: bool) -> Result<Self, Stop> {
        let bits = picture.bits_per_component().ok_or(Stop::Unsupported(Reason::Layout))?.0;
        let unit = (1_u32 << (bits - 8)) as f32;
        let full = ((1_u32 << bits) - 1) as f32;
        let limited = picture.color_range() == YUVRange::Limited;
        let (zero, span) = match (!centred, limited) {
            (true, true) => (16.0 * unit, 219.0 * unit),
            (true, false) => (0.0, full),
            (false, true) => (128.0 * unit, 224.0 * unit),
            (false, false) => (128.0 * unit, full),
        };
        let stride = usize::try_from(picture.stride(plane)).unwrap_or(0);
        Ok(Self { bytes: picture.plane(plane), stride, wide: bits > 8, zero, span })
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        let start = y * self.stride;
        let value = if self.wide {
            u16::from_ne_bytes([self.bytes[start + 2 * x], self.bytes[start + 2 * x + 1]])
        } else {
            u16::from(self.bytes[start + x])
        };
        (f32::from(value) - self.zero) / self.span
    }
}

/// To 8 bits; the conversion saturates.
fn byte(value: f32) -> u8 {
    (value * 255.0).round() as u8
}

fn luma(picture: &Picture) -> Result<Vec<u8>, Stop> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let samples = Samples::of(picture, Plane::Y, false)?;
    Ok((0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| byte(samples.at(x, y)))
        .collect())
}

/// Red and blue weights of luma; nothing for the identity.
fn weights(picture: &Picture) -> Result<Option<(f32, f32)>, Stop> {
    match picture.matrix_coefficients() {
        MatrixCoefficients::Identity => Ok(None),
        MatrixCoefficients::BT709 => Ok(Some((0.2126, 0.0722))),
        MatrixCoefficients::BT2020NonConstantLuminance => Ok(Some((0.2627, 0.0593))),
        MatrixCoefficients::Unspecified
        | MatrixCoefficients::BT470BG
        | MatrixCoefficients::ST170M => Ok(Some((0.299, 0.114))),
        _ => Err(Stop::Unsupported(Reason::Layout)),
    }
}

/// Source: ITU-T H.273, 8.3.
fn rgb(picture: &Picture) -> Result<Vec<u8>, Stop> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let layout = picture.pixel_layout();
    if layout == PixelLayout::I400 {
        return Ok(luma(picture)?.into_iter().flat_map(|grey| [grey; 3]).collect());
    }
    let weights = weights(picture)?;
    let luma = Samples::of(picture, Plane::Y, false)?;
    let blue = Samples::of(picture, Plane::U, weights.is_some())?;
    let red = Samples::of(picture, Plane::V, weights.is_some())?;
    let (across, down) = match layout {
        PixelLayout::I420 => (1, 1),
        PixelLayout::I422 => (1, 0),
        PixelLayout::I444 | PixelLayout::I400 => (0, 0),
    };
    let mut values = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let light = luma.at(x, y);
            let (cb, cr) = (blue.at(x >> across, y >> down), red.at(x >> across, y >> down));
            let colours = match weights {
                // Green, blue and red stand in the three planes.
                None => [cr, light, cb],
                Some((kr, kb)) => {
                    let r = 2.0f32.mul_add(cr * (1.0 - kr), light);
                    let b = 2.0f32.mul_add(cb * (1.0 - kb), light);
                    [r, (light - kr * r - kb * b) / (1.0 - kr - kb), b]
                }
            };
            values.extend(colours.map(byte));
        }
    }
    Ok(values)
}

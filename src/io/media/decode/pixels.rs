//! Pixels in any layout of the image library as an 8-bit raster.

use super::super::reason::Reason;
use super::Stop;
use crate::core::raster::{Misshapen, Raster};
use image::DynamicImage;

impl From<Misshapen> for Stop {
    fn from(_: Misshapen) -> Self {
        Self::Corrupt(Reason::DecoderRefused)
    }
}

/// 16 bits to 8, to the nearest: 0 and 65535 become 0 and 255.
const fn narrow(value: u16) -> u8 {
    // At most 255: (65535 + 128) / 257.
    ((value as u32 + 128) / 257) as u8
}

/// Moves the last of every `channels` values into a plane of its own, in place.
fn split(values: &mut Vec<u8>, channels: usize) -> Vec<u8> {
    let pixels = values.len() / channels;
    let colours = channels - 1;
    let mut alpha = Vec::with_capacity(pixels);
    for pixel in 0..pixels {
        alpha.push(values[pixel * channels + colours]);
        values.copy_within(pixel * channels..pixel * channels + colours, pixel * colours);
    }
    values.truncate(pixels * colours);
    alpha
}

fn narrowed(values: Vec<u16>) -> Vec<u8> {
    values.into_iter().map(narrow).collect()
}

/// A raster of bytes that stand as grey, grey and alpha, RGB, or RGB and alpha.
pub(super) fn interleaved(
    width: u32,
    height: u32,
    channels: usize,
    mut values: Vec<u8>,
) -> Result<Raster, Stop> {
    match channels {
        1 => Ok(Raster::grey(width, height, values)?),
        3 => Ok(Raster::new(width, height, values)?),
        2 | 4 => {
            let alpha = split(&mut values, channels);
            let raster = interleaved(width, height, channels - 1, values)?;
            Ok(raster.with_alpha(alpha)?)
        }
        _ => Err(Stop::Unsupported(Reason::Layout)),
    }
}

/// The picture with its own pixels; alpha, where there is one, in a plane beside them.
pub(super) fn raster(picture: DynamicImage) -> Result<Raster, Stop> {
    let (width, height) = (picture.width(), picture.height());
    let (channels, values) = match picture {
        DynamicImage::ImageLuma8(p) => (1, p.into_raw()),
        DynamicImage::ImageLumaA8(p) => (2, p.into_raw()),
        DynamicImage::ImageRgb8(p) => (3, p.into_raw()),
        DynamicImage::ImageRgba8(p) => (4, p.into_raw()),
        DynamicImage::ImageLuma16(p) => (1, narrowed(p.into_raw())),
        DynamicImage::ImageLumaA16(p) => (2, narrowed(p.into_raw())),
        DynamicImage::ImageRgb16(p) => (3, narrowed(p.into_raw())),
        DynamicImage::ImageRgba16(p) => (4, narrowed(p.into_raw())),
        DynamicImage::ImageRgb32F(_) => (3, picture.into_rgb8().into_raw()),
        DynamicImage::ImageRgba32F(_) => (4, picture.into_rgba8().into_raw()),
        _ => return Err(Stop::Unsupported(Reason::Layout)),
    };
    interleaved(width, height, channels, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_keep_both_ends_and_round_to_the_nearest() {
        assert_eq!([0, 128, 129, 32_768, 65_535].map(narrow), [0, 0, 1, 128, 255]);
        for value in 0..=255_u16 {
            assert_eq!(u16::from(narrow(value * 257)), value);
        }
    }

    #[test]
    fn alpha_goes_into_its_own_plane() {
        let mut values = vec![1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(split(&mut values, 4), [4, 8]);
        assert_eq!(values, [1, 2, 3, 5, 6, 7]);
    }
}

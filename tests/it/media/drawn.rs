//! Harmless pictures drawn by code.

use image::{DynamicImage, GenericImageView as _, ImageFormat, Rgb, RgbImage};
use std::io::{Cursor, Write as _};

/// Discs of all sizes over a slope: structure at every scale, as pictures of the world have it. `seed` makes others.
pub fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut number = |below: u32| {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
        (state >> 8) % below
    };
    let mut canvas = RgbImage::from_fn(width, height, |_, y| Rgb([(y * 255 / height) as u8; 3]));
    for i in 0..60 {
        let (cx, cy) = (number(width), number(height));
        let radius = 4 + number(width / 3 * (60 - i / 2) / 60);
        let light = number(256);
        let colour = [light, light + number(60), light + number(60)].map(|c| (c % 256) as u8);
        for (x, y, pixel) in canvas.enumerate_pixels_mut() {
            let (dx, dy) = (x.abs_diff(cx), y.abs_diff(cy));
            if dx * dx + dy * dy < radius * radius {
                *pixel = Rgb(colour);
            }
        }
    }
    canvas
}

/// Bytes of a picture in a format.
pub fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Bytes of a JPEG of a quality.
pub fn jpeg(picture: &DynamicImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality);
    picture.write_with_encoder(encoder).unwrap();
    bytes
}

/// The picture between bars of one colour, above and below.
pub fn letterboxed(picture: &DynamicImage, bar: u32, colour: [u8; 3]) -> DynamicImage {
    let (width, height) = picture.dimensions();
    let mut canvas = RgbImage::from_pixel(width, height + 2 * bar, Rgb(colour));
    image::imageops::replace(&mut canvas, &picture.to_rgb8(), 0, bar.into());
    canvas.into()
}

/// The JPEG with an EXIF segment that asks for this orientation.
pub fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let tiff = [
        &b"II*\0\x08\0\0\0"[..],
        b"\x01\0",
        &[0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0],
        &[0; 4],
    ]
    .concat();
    let body = [&b"Exif\0\0"[..], &tiff].concat();
    let len = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &len, &body, &jpeg[2..]].concat()
}

/// A zip of these entries.
pub fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

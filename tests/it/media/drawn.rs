//! Harmless pictures drawn by code.

use image::{DynamicImage, GenericImageView as _, ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// A picture with structure at several scales; `seed` makes different ones.
pub fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    let (w, h) = (width as f32, height as f32);
    let turn = seed as f32;
    RgbImage::from_fn(width, height, |x, y| {
        let (u, v) = (x as f32 / w, y as f32 / h);
        let wave = |a: f32, b: f32, c: f32| ((u * a + v * b + c + turn).sin() * 0.5 + 0.5) * 160.0;
        let disc = |cx: f32, cy: f32, r: f32| {
            if (u - cx).hypot(v - cy) < r { 90.0 } else { 0.0 }
        };
        let shift = (turn * 0.37).fract() * 0.3;
        Rgb([
            (wave(9.0, 4.0, 0.0) + disc(0.3 + shift, 0.3, 0.2)) as u8,
            (wave(3.0, 13.0, 1.0) + disc(0.7 - shift, 0.4, 0.15)) as u8,
            (wave(7.0, 8.0, 2.0) + disc(0.5, 0.75 - shift, 0.18)) as u8,
        ])
    })
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

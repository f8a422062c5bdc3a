//! Draws harmless pictures from a seed, as material for trials.

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// Width of a drawn picture, in pixels.
pub const WIDTH: u32 = 640;
/// Height of a drawn picture, in pixels.
pub const HEIGHT: u32 = 480;
/// Colour patches across and down of the background.
const PATCHES: usize = 9;

/// Numbers without pattern from a seed (SplitMix64, Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: u32) -> u32 {
        (self.next() % u64::from(end)) as u32
    }

    fn colour(&mut self) -> [f32; 3] {
        std::array::from_fn(|_| self.below(256) as f32)
    }
}

/// A picture of colour patches that run into each other, with discs, stripes or checkers over them. Equal seeds give
/// equal pictures, other seeds other ones.
#[must_use]
pub fn picture(seed: u64) -> RgbImage {
    let mut dice = Dice(seed);
    let mut picture = patches(&mut dice);
    match seed % 3 {
        0 => discs(&mut picture, &mut dice),
        1 => stripes(&mut picture, &mut dice),
        _ => checkers(&mut picture, &mut dice),
    }
    picture
}

fn patches(dice: &mut Dice) -> RgbImage {
    let grid: Vec<[f32; 3]> = (0..PATCHES * PATCHES).map(|_| dice.colour()).collect();
    RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let across = x as f32 / WIDTH as f32 * (PATCHES - 1) as f32;
        let down = y as f32 / HEIGHT as f32 * (PATCHES - 1) as f32;
        let (column, row) = (across as usize, down as usize);
        let (right, low) = (across.fract(), down.fract());
        let at = |column: usize, row: usize| grid[row * PATCHES + column];
        Rgb(std::array::from_fn(|channel| {
            let upper =
                at(column, row)[channel] * (1.0 - right) + at(column + 1, row)[channel] * right;
            let lower = at(column, row + 1)[channel] * (1.0 - right)
                + at(column + 1, row + 1)[channel] * right;
            (upper * (1.0 - low) + lower * low) as u8
        }))
    })
}

fn discs(picture: &mut RgbImage, dice: &mut Dice) {
    for _ in 0..24 {
        let (x, y) = (dice.below(WIDTH) as i32, dice.below(HEIGHT) as i32);
        let (radius, colour) = (20 + dice.below(50) as i32, dice.colour());
        paint(picture, colour, |px, py| (px - x).pow(2) + (py - y).pow(2) < radius.pow(2));
    }
}

fn stripes(picture: &mut RgbImage, dice: &mut Dice) {
    for _ in 0..7 {
        let (from, width) = (dice.below(WIDTH + HEIGHT) as i32, 12 + dice.below(30) as i32);
        let (colour, slope) = (dice.colour(), 1 + dice.below(3) as i32);
        paint(picture, colour, |x, y| (from..from + width).contains(&(x + y / slope)));
    }
}

fn checkers(picture: &mut RgbImage, dice: &mut Dice) {
    let cell = 56 + dice.below(24) as i32;
    let marked: u64 = dice.next() & dice.next();
    let colour = dice.colour();
    paint(picture, colour, |x, y| marked >> ((x / cell + y / cell * 11) % 64) & 1 == 1);
}

fn paint(picture: &mut RgbImage, colour: [f32; 3], inside: impl Fn(i32, i32) -> bool) {
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        if inside(x as i32, y as i32) {
            *pixel = Rgb(colour.map(|value| value as u8));
        }
    }
}

/// The picture on a black ground with bars above and below, each a quarter of its height.
#[must_use]
pub fn letterboxed(picture: &RgbImage) -> RgbImage {
    let bar = picture.height() / 4;
    let mut boxed = RgbImage::new(picture.width(), picture.height() + 2 * bar);
    image::imageops::replace(&mut boxed, picture, 0, i64::from(bar));
    boxed
}

/// The picture as a JPEG of a quality from 1 to 100.
///
/// # Panics
/// Never: a picture in memory can be written into memory.
#[must_use]
pub fn jpeg(picture: &RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode_image(picture)
        .expect("a picture in memory can be written into memory");
    bytes
}

/// The picture as a PNG.
#[must_use]
pub fn png(picture: &RgbImage) -> Vec<u8> {
    encoded(picture, ImageFormat::Png)
}

/// The picture as a GIF of 256 colours.
#[must_use]
pub fn gif(picture: &RgbImage) -> Vec<u8> {
    encoded(picture, ImageFormat::Gif)
}

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    // A GIF takes its palette from pixels with transparency.
    let picture = DynamicImage::ImageRgb8(picture.clone());
    let picture = if format == ImageFormat::Gif { picture.to_rgba8().into() } else { picture };
    picture.write_to(&mut bytes, format).expect("a picture in memory can be written into memory");
    bytes.into_inner()
}

/// A JPEG whose metadata (EXIF tag 0x0112) asks for a turn, 1 to 8.
#[must_use]
pub fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut tiff = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    tiff.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = (tiff.len() + 2) as u16;
    let (start, rest) = jpeg.split_at(2);
    [start, &[0xff, 0xe1], &length.to_be_bytes(), &tiff, rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::pdq;
    use crate::core::raster::Raster;
    use crate::core::signal::Bits256;

    fn hash(picture: &RgbImage) -> (Bits256, [Bits256; 8], u32) {
        let raster = Raster::new(picture.width(), picture.height(), picture.as_raw().clone());
        let hashed = pdq::hash(&raster.expect("well shaped"));
        (hashed.hashes[0], hashed.hashes, hashed.quality)
    }

    fn decoded(bytes: &[u8]) -> RgbImage {
        image::load_from_memory(bytes).expect("a picture").to_rgb8()
    }

    #[test]
    fn drawn_pictures_can_be_hashed_and_are_far_apart() {
        let hashes: Vec<_> = (1..=12).map(|seed| hash(&picture(seed))).collect();
        for (index, (one, _, quality)) in hashes.iter().enumerate() {
            assert!(*quality >= 50, "picture {index} has quality {quality}");
            for (_, others, _) in &hashes[..index] {
                for other in others {
                    assert!(one.distance(other) > 62, "{}", one.distance(other));
                }
            }
        }
    }

    #[test]
    fn one_seed_gives_one_picture() {
        assert_eq!(picture(3), picture(3));
        assert_ne!(picture(3), picture(4));
    }

    #[test]
    fn written_pictures_are_near_what_was_drawn() {
        for seed in 1..=6 {
            let drawn = picture(seed);
            let (original, ..) = hash(&drawn);
            for bytes in [jpeg(&drawn, 60), png(&drawn), gif(&drawn)] {
                let distance = original.distance(&hash(&decoded(&bytes)).0);
                assert!(distance <= 31, "{distance}");
            }
        }
    }

    #[test]
    fn the_turn_in_the_metadata_is_read_by_others() {
        let bytes = with_orientation(&jpeg(&picture(1), 80), 6);
        let mut decoder = image::codecs::jpeg::JpegDecoder::new(Cursor::new(&bytes)).expect("good");
        let turn = image::ImageDecoder::orientation(&mut decoder).expect("metadata");
        assert_eq!(turn.to_exif(), 6);
        assert_eq!(decoded(&bytes).width(), WIDTH);
    }

    #[test]
    fn bars_are_black_and_the_picture_is_whole() {
        let boxed = letterboxed(&picture(2));
        assert_eq!(boxed.height(), HEIGHT * 3 / 2);
        assert_eq!(boxed.get_pixel(5, 5), &Rgb([0, 0, 0]));
        assert_eq!(boxed.get_pixel(5, 120 + 5), picture(2).get_pixel(5, 5));
    }
}

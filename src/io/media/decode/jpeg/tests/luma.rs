//! A file is judged by the luma that it holds as by its colours.

use super::super::*;
use crate::core::media::{Format, Picture};
use crate::core::raster::Luma;
use crate::core::verdict::{CheckState, Form};
use crate::io::media::decode as whole;
use crate::io::media::limits::MediaLimits;
use image::codecs::jpeg::JpegEncoder;

const FIXTURES: [&[u8]; 4] = [
    include_bytes!("../../../../../../tests/fixtures/subsampled.jpg"),
    include_bytes!("../../../../../../tests/fixtures/restarts.jpg"),
    include_bytes!("../../../../../../tests/fixtures/progressive.jpg"),
    include_bytes!("../../../../../../tests/fixtures/progressive-odd.jpg"),
];

/// A picture of slopes and boxes in every colour that is not at its limits.
fn drawn(width: u32, height: u32) -> Raster {
    let rgb = (0..width * height).flat_map(|i| {
        let (x, y) = (i % width, i / width);
        let boxes = (x / (width / 9) * 7 + y / (height / 7) * 5) % 8 * 20;
        let wave = (x * x / 31 + y * y / 17) / 40 % 60;
        [30 + boxes + wave / 2, 40 + wave + boxes / 2, 180 - boxes + wave].map(|c| c as u8)
    });
    Raster::new(width, height, rgb.collect()).unwrap()
}

/// The picture between bars of a colour above and below.
fn between(picture: &Raster, bar: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Raster {
    let (width, height) = (picture.width(), picture.height() + 2 * bar);
    let rgb = (0..width * height).flat_map(|i| {
        let (x, y) = (i % width, i / width);
        let inside = (bar..height - bar).contains(&y);
        if inside { picture.pixel(x, y - bar) } else { colour(x, y) }
    });
    Raster::new(width, height, rgb.collect()).unwrap()
}

fn encoded(picture: &Raster, quality: u8) -> Vec<u8> {
    let (width, height) = (picture.width(), picture.height());
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let rgb: Vec<u8> = pixels.flat_map(|(x, y)| picture.pixel(x, y)).collect();
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode(&rgb, width, height, image::ExtendedColorType::Rgb8)
        .unwrap();
    bytes
}

fn read_as(bytes: &[u8], light: Light) -> Read {
    let limits = MediaLimits::default();
    let room = Room { limits: &limits, file_len: bytes.len() as u64, memory: 1 << 30 };
    let adobe = complete::jpeg(bytes).adobe;
    read(bytes, true, light, adobe, &room).unwrap_or_else(|stop| panic!("{stop:?}"))
}

fn found(bytes: &[u8]) -> Vec<Picture> {
    let mut pictures = Vec::new();
    let mut tell = |picture| pictures.push(picture);
    let limits = MediaLimits::default();
    let decoded = whole::decode(Format::Jpeg, bytes, &limits, 0, 100, &mut tell);
    assert_eq!(decoded.image, CheckState::Checked);
    pictures
}

/// What is found when the pixels are judged by their colours, as those of other formats are.
fn found_by_colours(bytes: &[u8]) -> Vec<Picture> {
    let limits = MediaLimits::default();
    let mut pictures = Vec::new();
    let mut tell = |picture| pictures.push(picture);
    let read = read_as(bytes, Light::Colours);
    Forms::new(&limits, 100, &mut tell).take(&read.raster, read.orientation).unwrap();
    pictures
}

fn alike(a: &[Picture], b: &[Picture]) {
    let shape = |p: &Picture| (p.form, p.frame, p.width, p.height);
    assert_eq!(a.iter().map(shape).collect::<Vec<_>>(), b.iter().map(shape).collect::<Vec<_>>());
    for (a, b) in a.iter().zip(b) {
        for (a, b) in a.hashes.iter().zip(&b.hashes) {
            assert!(a.distance(b) <= 4, "{} bits apart", a.distance(b));
        }
        assert!(a.quality.abs_diff(b.quality) <= 2);
    }
}

#[test]
fn the_luma_that_a_file_holds_is_that_of_its_colours() {
    let drawn = [(64, 48), (97, 61), (640, 360)].map(|(w, h)| encoded(&drawn(w, h), 90));
    for (case, bytes) in FIXTURES.into_iter().chain(drawn.iter().map(Vec::as_slice)).enumerate() {
        let luma = read_as(bytes, Light::Luma);
        let colours = read_as(bytes, Light::Colours);
        assert!(luma.light == Light::Luma && colours.light == Light::Colours, "{case}");
        assert_eq!(luma.orientation, colours.orientation);
        let sides = |raster: &Raster| (raster.width(), raster.height());
        assert_eq!(sides(&luma.raster), sides(&colours.raster), "{case}");
        let (a, b) = (Luma::of(&luma.raster), Luma::of(&colours.raster));
        let off = a.values().iter().zip(b.values()).map(|(a, b)| (a - b).abs());
        let mean = off.sum::<f32>() / a.values().len() as f32;
        assert!(mean < 1.0, "file {case} is {mean} grey levels off in the mean");
    }
}

#[test]
fn files_are_judged_by_their_luma_as_by_their_colours() {
    for bytes in FIXTURES {
        alike(&found(bytes), &found_by_colours(bytes));
    }
    for quality in [95, 80] {
        let bytes = encoded(&drawn(500, 350), quality);
        let by_luma = found(&bytes);
        alike(&by_luma, &found_by_colours(&bytes));
        assert_eq!(by_luma.len(), 1);
        let colours = read_as(&bytes, Light::Colours).raster;
        assert!(by_luma[0].hashes[0].distance(&pdq::hash(&colours).hashes[0]) <= 2);
    }
}

#[test]
fn a_border_is_found_and_measured_in_the_colours_of_a_file() {
    let picture = drawn(480, 320);
    // Grey, dark blue, and two colours of one luma side by side, which only colours tell to be no border.
    let grey: fn(u32, u32) -> [u8; 3] = |_, _| [128; 3];
    let blue = |_, _| [20, 30, 200];
    let two = |x, _| if x < 240 { [150, 60, 60] } else { [30, 114, 93] };
    for (case, (colour, bordered)) in
        [(grey, true), (blue, true), (two, false)].into_iter().enumerate()
    {
        let bytes = encoded(&between(&picture, 48, colour), 90);
        let luma = read_as(&bytes, Light::Luma).raster;
        assert!(luma.view().may_have_border(12), "{case}");
        let by_luma = found(&bytes);
        alike(&by_luma, &found_by_colours(&bytes));
        assert_eq!(by_luma.iter().any(|p| p.form == Form::Trimmed), bordered, "{case}");
        if bordered {
            let trimmed = &by_luma[1];
            let inside = found(&encoded(&picture, 90));
            assert_eq!((trimmed.width, trimmed.height), (480, 320));
            assert!(trimmed.hashes[0].distance(&inside[0].hashes[0]) <= 10);
        }
    }
    let luma = read_as(&encoded(&picture, 90), Light::Luma).raster;
    assert!(!luma.view().may_have_border(12), "colours are not looked at for nothing");
}

#[test]
fn a_picture_of_little_contrast_is_hashed_by_its_colours() {
    let picture = drawn(400, 300);
    for (shade, by_colours) in [(1, false), (4, true)] {
        let pixels = (0..300).flat_map(|y| (0..400).map(move |x| (x, y)));
        let rgb = pixels.flat_map(|(x, y)| picture.pixel(x, y).map(|channel| channel / shade));
        let bytes = encoded(&Raster::new(400, 300, rgb.collect()).unwrap(), 90);
        let luma = read_as(&bytes, Light::Luma).raster;
        assert_eq!(pdq::hash_freely(&luma).contrast() < 96.0, by_colours);
        assert_eq!(found(&bytes) == found_by_colours(&bytes), by_colours);
    }
}

#[test]
fn what_holds_no_luma_is_read_as_colours() {
    let grey: &[u8] = include_bytes!("../../../../../../tests/fixtures/grey.jpg");
    let inks: [&[u8]; 2] = [
        include_bytes!("../../../../../../tests/fixtures/cmyk-adobe.jpg"),
        include_bytes!("../../../../../../tests/fixtures/cmyk-plain.jpg"),
    ];
    for bytes in [grey].into_iter().chain(inks) {
        assert!(read_as(bytes, Light::Luma).light == Light::Colours);
        assert_eq!(found(bytes), found_by_colours(bytes));
    }
}

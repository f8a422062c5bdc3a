//! What the pixels of a picture become when they are turned, trimmed, composited, read as luma.

use super::*;
use proptest::prelude::*;

/// A picture whose every pixel is different.
fn numbered(width: u32, height: u32) -> Raster {
    let rgb = (0..width * height).flat_map(|n| [n as u8, (n >> 8) as u8, 7]).collect();
    Raster::new(width, height, rgb).unwrap()
}

/// A picture of dots and bars without a uniform border.
fn lively(width: u32, height: u32) -> Raster {
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let wave = (x * x / (width / 4 + 1) + y * 3) % 251;
            let bars =
                if (x / (width / 7 + 1) + y / (height / 5 + 1)).is_multiple_of(2) { 90 } else { 0 };
            let ramp = y * 120 / height;
            rgb.extend([(wave / 3 + bars + ramp / 2) as u8, (bars + ramp) as u8, (wave / 2) as u8]);
        }
    }
    Raster::new(width, height, rgb).unwrap()
}

/// The picture in a frame: left, top, right, bottom; each side in its own colour, above and below last.
fn framed(picture: &Raster, sides: [u32; 4], colours: [[u8; 3]; 4]) -> Raster {
    let [left, top, right, bottom] = sides;
    let width = left + picture.width() + right;
    let height = top + picture.height() + bottom;
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            rgb.extend(if y < top {
                colours[1]
            } else if y >= top + picture.height() {
                colours[3]
            } else if x < left {
                colours[0]
            } else if x >= left + picture.width() {
                colours[2]
            } else {
                picture.pixel(x - left, y - top)
            });
        }
    }
    Raster::new(width, height, rgb).unwrap()
}

/// The picture after a lossy codec.
fn through_jpeg(picture: &Raster, quality: u8) -> Raster {
    let mut bytes = Vec::new();
    let (width, height) = (picture.width(), picture.height());
    let rgb: Vec<u8> =
        (0..height).flat_map(|y| (0..width).flat_map(move |x| picture.pixel(x, y))).collect();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode(&rgb, width, height, image::ExtendedColorType::Rgb8)
        .unwrap();
    let decoded = image::load_from_memory(&bytes).unwrap().to_rgb8();
    Raster::new(width, height, decoded.into_raw()).unwrap()
}

#[test]
fn a_length_that_does_not_fit_is_refused() {
    assert!(Raster::new(2, 2, vec![0; 12]).is_ok());
    for (width, height, length) in
        [(2, 2, 11), (2, 2, 13), (0, 2, 0), (2, 0, 0), (u32::MAX, u32::MAX, 9)]
    {
        assert_eq!(Raster::new(width, height, vec![0; length]), Err(Misshapen));
    }
    assert!(Raster::grey(2, 2, vec![0; 4]).is_ok());
    assert_eq!(Raster::grey(2, 2, vec![0; 5]), Err(Misshapen));
    assert_eq!(numbered(2, 2).with_alpha(vec![0; 3]), Err(Misshapen));
    assert_eq!(Luma::new(2, 2, vec![0.0; 3]), Err(Misshapen));
}

#[test]
fn luma_is_summed_in_single_precision_from_left_to_right() {
    for (red, green, blue) in [(255, 255, 255), (1, 2, 3), (0, 0, 0), (200, 100, 50), (17, 250, 99)]
    {
        let expected =
            0.299_f32 * f32::from(red) + 0.587_f32 * f32::from(green) + 0.114_f32 * f32::from(blue);
        assert_eq!(luma(red, green, blue).to_bits(), expected.to_bits());
    }
    for value in 0..=255 {
        let byte = f32::from(value);
        assert_eq!(luma(value, 0, 0), 0.299_f32 * byte);
        assert_eq!(luma(0, value, 0), 0.587_f32 * byte);
        assert_eq!(luma(0, 0, value), 0.114_f32 * byte);
    }
    let raster = numbered(7, 5);
    for (y, row) in (0..5).zip(raster.luma().values().chunks(7)) {
        for (x, &value) in (0..7).zip(row) {
            let [red, green, blue] = raster.pixel(x, y);
            assert_eq!(value.to_bits(), luma(red, green, blue).to_bits());
        }
    }
    let grey = Raster::grey(3, 1, vec![0, 77, 255]).unwrap();
    assert_eq!(grey.luma().values(), [0.0, 77.0, 255.0]);
}

#[test]
fn every_orientation_puts_the_first_row_and_column_where_exif_says() {
    // Three columns, two rows; where the stored pixels (0,0), (2,0) and (0,1) stand afterwards.
    let raster = numbered(3, 2);
    let expected = [
        (1, (0, 0), (2, 0), (0, 1)),
        (2, (2, 0), (0, 0), (2, 1)),
        (3, (2, 1), (0, 1), (2, 0)),
        (4, (0, 1), (2, 1), (0, 0)),
        (5, (0, 0), (0, 2), (1, 0)),
        (6, (1, 0), (1, 2), (0, 0)),
        (7, (1, 2), (1, 0), (0, 2)),
        (8, (0, 2), (0, 0), (1, 2)),
    ];
    for (orientation, first, right, below) in expected {
        let turned = raster.oriented(orientation);
        let size = if orientation < 5 { (3, 2) } else { (2, 3) };
        assert_eq!((turned.width(), turned.height()), size);
        for ((x, y), stored) in [(first, (0, 0)), (right, (2, 0)), (below, (0, 1))] {
            assert_eq!(turned.pixel(x, y), raster.pixel(stored.0, stored.1), "{orientation}");
        }
    }
    assert!(raster.oriented(0) == raster && raster.oriented(9) == raster);
}

#[test]
fn turning_there_and_back_restores_the_picture_with_its_alpha() {
    let raster = numbered(5, 4).with_alpha((0..20).collect()).unwrap();
    for (there, back) in [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (7, 7), (8, 6)] {
        assert!(raster.oriented(there).oriented(back) == raster);
        assert!(raster.view().oriented(there).oriented(back).to_raster() == raster);
    }
    for first in 1..=8 {
        for second in 1..=8 {
            let copied = raster.oriented(first).oriented(second);
            assert!(raster.view().oriented(first).oriented(second).to_raster() == copied);
        }
    }
}

#[test]
fn two_orientations_are_one() {
    let raster = numbered(5, 4);
    for first in 0..=9 {
        for second in 0..=9 {
            let both = raster.oriented(oriented_then(first, second));
            assert!(raster.oriented(first).oriented(second) == both, "{first} then {second}");
        }
    }
}

#[test]
fn compositing_mixes_by_alpha_and_plain_luma_ignores_it() {
    let plain = Raster::new(3, 1, vec![200; 9]).unwrap();
    let raster = plain.clone().with_alpha(vec![0, 128, 255]).unwrap();
    assert!(raster.luma() == plain.luma());
    assert!(raster.is_translucent());
    assert!(!plain.is_translucent());
    assert!(!plain.clone().with_alpha(vec![255; 3]).unwrap().is_translucent());
    let on_black = raster.composited(0);
    let on_white = raster.composited(255);
    assert_eq!([0, 1, 2].map(|x| on_black.pixel(x, 0)[0]), [0, 100, 200]);
    assert_eq!([0, 1, 2].map(|x| on_white.pixel(x, 0)[0]), [255, 227, 200]);
    assert!(on_white.alpha().is_none());
    assert!(plain.composited(255) == plain);
}

#[test]
fn a_border_of_any_colour_on_any_side_is_trimmed_to_the_pixel() {
    let picture = lively(60, 44);
    let (black, white, blue, red) = ([0; 3], [255; 3], [10, 20, 240], [200, 0, 10]);
    for colours in [[black; 4], [white; 4], [blue; 4], [black, white, red, blue]] {
        for sides in [[0, 9, 0, 9], [9, 0, 9, 0], [3, 5, 7, 11], [1, 0, 0, 0], [0, 0, 0, 1]] {
            let trimmed = framed(&picture, sides, colours).trimmed(0);
            assert!(trimmed == Some(picture.clone()), "{sides:?} {colours:?}");
        }
    }
}

#[test]
fn where_there_is_nothing_to_trim_or_too_little_would_remain_nothing_is_trimmed() {
    let picture = lively(40, 40);
    assert!(picture.trimmed(0).is_none());
    assert!(Raster::new(30, 20, vec![9; 1800]).unwrap().trimmed(BORDER_TOLERANCE).is_none());
    assert!(Raster::new(1, 1, vec![9; 3]).unwrap().trimmed(0).is_none());
    assert!(framed(&picture, [60, 0, 60, 0], [[0; 3]; 4]).trimmed(0) == Some(picture.clone()));
    assert!(framed(&picture, [61, 0, 60, 0], [[0; 3]; 4]).trimmed(0).is_none());
    assert!(framed(&picture, [0, 60, 0, 61], [[0; 3]; 4]).trimmed(0).is_none());
}

#[test]
fn a_border_within_the_tolerance_is_trimmed_and_beyond_it_is_not() {
    let picture = lively(60, 60);
    let mut rgb = Vec::new();
    let bars = framed(&picture, [0, 10, 0, 10], [[100; 3]; 4]);
    for y in 0..bars.height() {
        for x in 0..bars.width() {
            let noise = if (10..70).contains(&y) { 0 } else { ((x + y) % 3) as u8 * 6 };
            rgb.extend(bars.pixel(x, y).map(|channel| channel.saturating_add(noise)));
        }
    }
    let noisy = Raster::new(bars.width(), bars.height(), rgb).unwrap();
    assert!(noisy.trimmed(6) == Some(picture));
    assert!(noisy.trimmed(5).is_none());
}

#[test]
fn a_border_that_went_through_a_lossy_codec_is_trimmed_to_the_pixel() {
    let picture = lively(640, 360);
    let is_long = std::env::var_os("BULWARK_LONG").is_some();
    let frames = [[0, 61, 0, 59], [83, 0, 77, 0], [40, 30, 40, 30]];
    let colours = [([0; 3], 90), ([0; 3], 50), ([255; 3], 75), ([30, 60, 90], 75)];
    for (number, (colour, quality)) in colours.into_iter().enumerate() {
        // In the suite each colour around one of them.
        let some = frames.into_iter().cycle().skip(number).take(if is_long { 3 } else { 1 });
        for sides in some {
            let upload = through_jpeg(&framed(&picture, sides, [colour; 4]), quality);
            let trimmed = upload.trimmed(BORDER_TOLERANCE).unwrap();
            assert_eq!((trimmed.width(), trimmed.height()), (640, 360), "{quality} {sides:?}");
            assert!(through_jpeg(&picture, quality).trimmed(BORDER_TOLERANCE).is_none());
        }
    }
}

#[test]
fn a_dark_picture_in_a_dark_frame_loses_no_more_than_a_block_on_each_side() {
    let mut rgb = Vec::new();
    for y in 0..200_u32 {
        rgb.extend((0..300_u32).flat_map(|x| [((x / 5 + y / 3) % 20) as u8; 3]));
    }
    let picture = Raster::new(300, 200, rgb).unwrap();
    let trimmed =
        framed(&picture, [30, 40, 50, 60], [[0; 3]; 4]).trimmed(BORDER_TOLERANCE).unwrap();
    assert!((284..=300).contains(&trimmed.width()), "{trimmed:?}");
    assert!((184..=200).contains(&trimmed.height()), "{trimmed:?}");
}

#[test]
fn neither_pixels_nor_luma_are_shown_in_debug_output() {
    let raster = numbered(3, 2);
    assert_eq!(format!("{raster:?} {:?}", raster.luma()), "Raster(3x2) Luma(3x2)");
}

proptest! {
    #[test]
    fn a_view_gives_the_luma_of_its_copy(
        width in 1_u32..20, height in 1_u32..20, orientation in 0_u8..10,
        background in proptest::option::of(any::<u8>()), grey in any::<bool>(),
        bytes in proptest::collection::vec(any::<u8>(), 1600),
    ) {
        let area = (width * height) as usize;
        let raster = if grey {
            Raster::grey(width, height, bytes[..area].to_vec()).unwrap()
        } else {
            Raster::new(width, height, bytes[..3 * area].to_vec()).unwrap()
        };
        let raster = raster.with_alpha(bytes[1600 - area..].to_vec()).unwrap();
        let view = raster.view().oriented(orientation);
        let view = background.map_or(view, |grey| view.composited(grey));
        prop_assert!(Luma::of(&view) == view.to_raster().luma());
    }

    #[test]
    fn whatever_has_a_border_in_its_colours_may_have_one_by_its_luma(
        inside in (8_u32..24, 8_u32..24), sides in [0_u32..6, 0..6, 0..6, 0..6],
        colours in proptest::array::uniform4(any::<[u8; 3]>()), tolerance in 0_u8..20,
        noise in proptest::collection::vec(any::<[u8; 3]>(), 40 * 40),
    ) {
        let framed = framed(&lively(inside.0, inside.1), sides, colours);
        let (width, height) = (framed.width(), framed.height());
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let rgb = pixels.zip(&noise).flat_map(|((x, y), noise)| {
            let [r, g, b] = framed.pixel(x, y);
            let within = |channel: u8, by: u8| channel.saturating_add(by % (2 * tolerance + 1)).saturating_sub(tolerance);
            [within(r, noise[0]), within(g, noise[1]), within(b, noise[2])]
        });
        let noisy = Raster::new(width, height, rgb.collect()).unwrap();
        let rounded = noisy.luma().values().iter().map(|luma| luma.round() as u8).collect();
        let luma = Raster::grey(width, height, rounded).unwrap();
        prop_assert!(noisy.trimmed(tolerance).is_none() || luma.view().may_have_border(tolerance));
    }

    #[test]
    fn trimming_any_picture_is_a_picture_inside_it(
        width in 1_u32..24, height in 1_u32..24, tolerance in any::<u8>(),
        bytes in proptest::collection::vec(0_u8..3, 24 * 24 * 3),
    ) {
        let raster = Raster::new(width, height, bytes[..(width * height * 3) as usize].to_vec()).unwrap();
        if let Some(trimmed) = raster.trimmed(tolerance) {
            prop_assert!(trimmed.width() * 4 >= width && trimmed.height() * 4 >= height);
            prop_assert!(trimmed.width() < width || trimmed.height() < height);
        }
    }
}

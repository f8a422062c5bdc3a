//! JPEG, read strictly first; what only a lenient reading yields is hashed but not called complete.

use super::super::reason::Reason;
use super::forms::Forms;
use super::{Room, Stop, complete, scans};
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

fn read(
    bytes: &[u8],
    strict: bool,
    light: Light,
    adobe: bool,
    room: &Room<'_>,
) -> Result<Read, Stop> {
    let side = usize::try_from(room.limits.side_max).unwrap_or(usize::MAX);
    let options = DecoderOptions::default()
        .set_strict_mode(strict)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_max_scans(SCANS_MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers()?;
    let (width, height) = decoder.dimensions().ok_or(Stop::Corrupt(Reason::DecoderRefused))?;
    let narrow = |length| u32::try_from(length).map_err(|_| Stop::TooLarge(Reason::Side));
    let (width, height) = (narrow(width)?, narrow(height)?);
    room.admit(width, height, BYTES_PER_PIXEL)?;
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
    let orientation = decoder
        .exif()
        .and_then(|exif| Orientation::from_exif_chunk(exif))
        .map_or(1, Orientation::to_exif);
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
mod tests {
    use super::*;
    use crate::core::media::{Format, Picture};
    use crate::core::pdq;
    use crate::core::raster::Luma;
    use crate::core::verdict::{CheckState, Form};
    use crate::io::media::limits::MediaLimits;
    use image::codecs::jpeg::JpegEncoder;

    const FIXTURES: [&[u8]; 4] = [
        include_bytes!("../../../../tests/fixtures/subsampled.jpg"),
        include_bytes!("../../../../tests/fixtures/restarts.jpg"),
        include_bytes!("../../../../tests/fixtures/progressive.jpg"),
        include_bytes!("../../../../tests/fixtures/progressive-odd.jpg"),
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
        let decoded = super::super::decode(Format::Jpeg, bytes, &limits, 0, 100, &mut tell);
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
        assert_eq!(
            a.iter().map(shape).collect::<Vec<_>>(),
            b.iter().map(shape).collect::<Vec<_>>()
        );
        for (a, b) in a.iter().zip(b) {
            for (a, b) in a.hashes.iter().zip(&b.hashes) {
                assert!(a.distance(b) <= 4, "{} bits apart", a.distance(b));
            }
            assert!(a.quality.abs_diff(b.quality) <= 2);
        }
    }

    #[test]
    fn no_ink_is_white_and_black_ink_is_black() {
        let mut values = vec![0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 10, 20, 30, 128];
        inks_to_light(&mut values);
        assert_eq!(values, [255, 255, 255, 0, 0, 0, 0, 255, 255, 122, 117, 112]);
    }

    #[test]
    fn the_luma_that_a_file_holds_is_that_of_its_colours() {
        let drawn = [(64, 48), (97, 61), (640, 360)].map(|(w, h)| encoded(&drawn(w, h), 90));
        for (case, bytes) in FIXTURES.into_iter().chain(drawn.iter().map(Vec::as_slice)).enumerate()
        {
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
        let grey: &[u8] = include_bytes!("../../../../tests/fixtures/grey.jpg");
        let inks: [&[u8]; 2] = [
            include_bytes!("../../../../tests/fixtures/cmyk-adobe.jpg"),
            include_bytes!("../../../../tests/fixtures/cmyk-plain.jpg"),
        ];
        for bytes in [grey].into_iter().chain(inks) {
            assert!(read_as(bytes, Light::Luma).light == Light::Colours);
            assert_eq!(found(bytes), found_by_colours(bytes));
        }
    }
}

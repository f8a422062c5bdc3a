//! Where a picture's own bytes end: what is behind them is another thing, which a viewer of the picture never shows.

use crate::core::media::Format;

/// Length below which there is no picture in any of the formats.
const LEN_MIN: usize = 20;

/// Length of the picture at the beginning of `bytes`; nothing where the format does not say, or the picture is cut.
#[must_use]
pub fn picture_len(format: Format, bytes: &[u8]) -> Option<usize> {
    let len = match format {
        Format::Jpeg => jpeg(bytes),
        Format::Png => png(bytes),
        Format::Gif => gif(bytes),
        Format::Webp => little_endian(bytes, 4).and_then(|size| size.checked_add(8)),
        Format::Bmp => little_endian(bytes, 2),
        _ => None,
    }?;
    // A length in a header is only believed where a picture could have it.
    (LEN_MIN..=bytes.len()).contains(&len).then_some(len)
}

fn little_endian(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at + 4)?;
    usize::try_from(u32::from_le_bytes(four.try_into().ok()?)).ok()
}

/// Behind the end marker that follows the last scan (ITU-T T.81, B.1.1).
fn jpeg(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        // Between segments: a marker, perhaps behind fill bytes.
        if *bytes.get(at)? != 0xff {
            return None;
        }
        let marker = *bytes.get(at + 1)?;
        match marker {
            0xff => at += 1,
            0xd9 => return Some(at + 2),
            0x01 | 0xd0..=0xd8 => at += 2,
            _ => {
                let length = bytes.get(at + 2..at + 4)?;
                at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
                if marker == 0xda {
                    at += scan(bytes.get(at..)?)?;
                }
            }
        }
    }
}

/// Length of entropy-coded data: up to a marker that is neither a stuffed zero nor a restart.
fn scan(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xff)?;
        match *bytes.get(at + 1)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            _ => return Some(at),
        }
    }
}

/// Behind the chunk IEND (PNG 3rd edition, 5.3).
fn png(bytes: &[u8]) -> Option<usize> {
    let mut at = 8_usize;
    loop {
        let head = bytes.get(at..at.checked_add(8)?)?;
        let length = u32::from_be_bytes(head[..4].try_into().ok()?);
        at = at.checked_add(12)?.checked_add(usize::try_from(length).ok()?)?;
        if &head[4..] == b"IEND" {
            return Some(at);
        }
    }
}

/// Behind the trailer (GIF89a, 27).
fn gif(bytes: &[u8]) -> Option<usize> {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + table(*bytes.get(10)?);
    loop {
        at = match *bytes.get(at)? {
            0x3b => return Some(at + 1),
            0x21 => blocks(bytes, at + 2)?,
            0x2c => blocks(bytes, at + 11 + table(*bytes.get(at + 9)?))?,
            _ => return None,
        };
    }
}

/// Behind a row of data blocks, each with its length before it, the last one empty.
fn blocks(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}

/// Whether a zip archive ends in these bytes (APPNOTE 4.3.16): its directory is found from the end, whatever it follows.
#[must_use]
pub fn ends_as_zip(bytes: &[u8]) -> bool {
    const RECORD: usize = 22;
    const COMMENT_MAX: usize = 65_535;
    let from = bytes.len().saturating_sub(RECORD + COMMENT_MAX);
    bytes[from..].windows(4).any(|four| four == b"PK\x05\x06")
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, ImageFormat};
    use proptest::prelude::*;
    use std::io::Cursor;

    const FORMATS: [(Format, ImageFormat); 5] = [
        (Format::Jpeg, ImageFormat::Jpeg),
        (Format::Png, ImageFormat::Png),
        (Format::Gif, ImageFormat::Gif),
        (Format::Webp, ImageFormat::WebP),
        (Format::Bmp, ImageFormat::Bmp),
    ];

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let drawn = image::RgbImage::from_fn(40, 30, |x, y| {
            image::Rgb([(x * 6) as u8, (y * 8) as u8, (x * y) as u8])
        });
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(drawn).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn the_end_of_a_picture_is_found_whatever_follows() {
        for (format, codec) in FORMATS {
            let picture = encoded(codec);
            for behind in [&b""[..], b"\0", b"\xff\xd9\x3bIEND", &encoded(ImageFormat::Png)] {
                let whole = [&picture, behind].concat();
                assert_eq!(picture_len(format, &whole), Some(picture.len()), "{format:?}");
            }
        }
    }

    #[test]
    fn a_cut_picture_has_no_end() {
        for (format, codec) in FORMATS {
            let picture = encoded(codec);
            for len in 0..picture.len() {
                assert_eq!(picture_len(format, &picture[..len]), None, "{format:?} {len}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>, at in 0..2000_usize, value: u8) {
            for (format, codec) in FORMATS {
                let fits = |len: Option<usize>, bytes: &[u8]| {
                    len.is_none_or(|len| len > 0 && len <= bytes.len())
                };
                prop_assert!(fits(picture_len(format, &bytes), &bytes));
                let mut changed = encoded(codec);
                let at = at % changed.len();
                changed[at] = value;
                prop_assert!(fits(picture_len(format, &changed), &changed));
            }
        }
    }
}

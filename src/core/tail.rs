//! Where a picture's own bytes end: what is behind them is another thing, which a viewer of the picture never shows.

pub mod film;
mod iso;
mod items;
pub mod tiff;
pub mod within;

use crate::core::media::Format;
use std::ops::Range;

/// Length below which there is no picture in any of the formats.
const LEN_MIN: usize = 20;

/// Length of the picture at the beginning of `bytes`; nothing where the format does not say, or the picture is cut.
///
/// Of JPEG XL only a container says; a codestream ends where its decoder says.
#[must_use]
pub fn picture_len(format: Format, bytes: &[u8]) -> Option<usize> {
    let len = match format {
        Format::Jpeg => jpeg(bytes),
        Format::Png => chunks(bytes).map(|(len, _)| len),
        Format::Gif => gif(bytes),
        Format::Webp => little_endian(bytes, 4).and_then(|size| size.checked_add(8)),
        Format::Bmp => bitmap(bytes),
        Format::Tiff => tiff::len(bytes),
        Format::Avif | Format::Heic => iso::len(bytes),
        Format::Jxl if !bytes.starts_with(b"\xff\x0a") => iso::len(bytes),
        _ => None,
    }?;
    // A length in a header is only believed where a picture could have it.
    (LEN_MIN..=bytes.len()).contains(&len).then_some(len)
}

/// What stands in the bytes of a picture and is no part of it, nor any data about it that its format knows: a viewer
/// passes over it. `bytes` are those up to [`picture_len`].
#[must_use]
pub fn unshown(format: Format, bytes: &[u8]) -> Vec<Range<usize>> {
    match format {
        Format::Png => chunks(bytes).map_or_else(Vec::new, |(_, unknown)| unknown),
        Format::Webp => riff(bytes),
        Format::Bmp => match little_endian(bytes, 10).zip(little_endian(bytes, 14)) {
            // Between the header with the longest palette and the pixels.
            Some((pixels, header)) => {
                let from = header.saturating_add(14 + 1024);
                let between = from..pixels.min(bytes.len());
                Some(between).filter(|range| !range.is_empty()).into_iter().collect()
            }
            None => Vec::new(),
        },
        Format::Tiff => tiff::unshown(bytes),
        Format::Avif | Format::Heic | Format::Jxl => iso::unshown(bytes),
        _ => Vec::new(),
    }
}

/// Whether a file of pictures also has tracks, of video or of a sequence of pictures.
#[must_use]
pub fn has_tracks(format: Format, bytes: &[u8]) -> bool {
    matches!(format, Format::Avif | Format::Heic) && iso::has_tracks(bytes)
}

/// Whether a file of pictures has some to show beside its primary one, which alone is decoded.
#[must_use]
pub fn has_more_pictures(format: Format, bytes: &[u8]) -> bool {
    matches!(format, Format::Avif | Format::Heic) && items::are_several(bytes)
}

/// What of a JPEG XL file is left behind the first `len` bytes of its codestream; the last is the end of the file where
/// nothing follows the codestream.
#[must_use]
pub fn behind_codestream(bytes: &[u8], len: usize) -> Vec<Range<usize>> {
    let naked = bytes.starts_with(b"\xff\x0a");
    let pieces =
        if naked { std::iter::once(0..bytes.len()).collect() } else { iso::codestream(bytes) };
    let mut left = len;
    let behind = pieces.into_iter().map(|piece| {
        let taken = left.min(piece.len());
        left -= taken;
        piece.start + taken..piece.end
    });
    behind.filter(|range| !range.is_empty()).collect()
}

fn little_endian(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at + 4)?;
    usize::try_from(u32::from_le_bytes(four.try_into().ok()?)).ok()
}

/// Behind the pixels, whose number the header tells; by the length in the header where they are packed.
fn bitmap(bytes: &[u8]) -> Option<usize> {
    let side = |at| Some(little_endian(bytes, at)? as u32 as i32).map(|side| side.unsigned_abs());
    let short = |at: usize| Some(u32::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    let (width, height, bits, packed) = match little_endian(bytes, 14)? {
        12 => (short(18)?, short(20)?, short(24)?, 0),
        _ => (side(18)?, side(22)?, short(28)?, little_endian(bytes, 30)?),
    };
    let pixels = if matches!(packed, 0 | 3 | 6) {
        let row = (u64::from(width) * u64::from(bits)).div_ceil(32) * 4;
        usize::try_from(row.checked_mul(height.into())?).ok()?
    } else {
        match little_endian(bytes, 34)? {
            0 => return little_endian(bytes, 2),
            len => len,
        }
    };
    little_endian(bytes, 10)?.checked_add(pixels)
}

/// Contents of the chunks of a WebP file that its specification does not know.
fn riff(bytes: &[u8]) -> Vec<Range<usize>> {
    let known: [&[u8]; 9] =
        [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "];
    let mut unknown = Vec::new();
    let mut at = 12_usize;
    while let Some(kind) = bytes.get(at..at + 4) {
        let len = little_endian(bytes, at + 4).unwrap_or(usize::MAX);
        let end = len.saturating_add(at + 8);
        if !known.contains(&kind) {
            unknown.push((at + 8).min(bytes.len())..end.min(bytes.len()));
        }
        at = end.saturating_add(len % 2);
        if at >= bytes.len() {
            break;
        }
    }
    unknown
}

/// Behind the end marker that follows the last scan (ITU-T T.81, B.1.1).
fn jpeg(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        // Between segments: a marker, perhaps behind fill bytes. Decoders pass over other bytes there, and over scans
        // that no header announces.
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xff)?;
        let marker = *bytes.get(at + 1)?;
        match marker {
            0xff => at += 1,
            0xd9 => return Some(at + 2),
            0x00 | 0x01 | 0xd0..=0xd8 => at += 2,
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

/// Behind the chunk IEND (PNG 3rd edition, 5.3), and contents of the chunks before it that nobody knows.
fn chunks(bytes: &[u8]) -> Option<(usize, Vec<Range<usize>>)> {
    // Of the standard; frames of an animation; and signed statements about the picture's origin.
    const KNOWN: [&[u8; 4]; 26] = [
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB",
        b"cICP", b"mDCV", b"cLLI", b"tEXt", b"zTXt", b"iTXt", b"bKGD", b"hIST", b"pHYs", b"sPLT",
        b"eXIf", b"tIME", b"acTL", b"fcTL", b"fdAT", b"caBX",
    ];
    let mut unknown = Vec::new();
    let mut at = 8_usize;
    loop {
        let head = bytes.get(at..at.checked_add(8)?)?;
        let length = u32::from_be_bytes(head[..4].try_into().ok()?);
        let next = at.checked_add(12)?.checked_add(usize::try_from(length).ok()?)?;
        if &head[4..] == b"IEND" {
            return Some((next, unknown));
        }
        if !KNOWN.iter().any(|known| &head[4..] == known.as_slice()) {
            unknown.push((at + 8).min(bytes.len())..(next - 4).min(bytes.len()));
        }
        at = next;
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

    const FORMATS: [(Format, ImageFormat); 6] = [
        (Format::Jpeg, ImageFormat::Jpeg),
        (Format::Png, ImageFormat::Png),
        (Format::Gif, ImageFormat::Gif),
        (Format::Webp, ImageFormat::WebP),
        (Format::Bmp, ImageFormat::Bmp),
        (Format::Tiff, ImageFormat::Tiff),
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
        // Of a TIFF whose values are cut its decoder says so.
        for (format, codec) in FORMATS.into_iter().filter(|(format, _)| *format != Format::Tiff) {
            let picture = encoded(codec);
            for len in 0..picture.len() {
                assert_eq!(picture_len(format, &picture[..len]), None, "{format:?} {len}");
            }
        }
    }

    #[test]
    fn a_bitmap_ends_behind_its_pixels_whatever_length_its_header_names() {
        let picture = encoded(ImageFormat::Bmp);
        for len in [0, 1, u32::MAX, u32::try_from(picture.len() + 4000).unwrap()] {
            let mut bytes = picture.clone();
            bytes[2..6].copy_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(&[7; 4000]);
            assert_eq!(picture_len(Format::Bmp, &bytes), Some(picture.len()));
        }
    }

    #[test]
    fn bytes_between_segments_do_not_hide_where_a_jpeg_ends() {
        let mut picture = encoded(ImageFormat::Jpeg);
        picture.splice(2..2, *b"note");
        let whole = [&picture[..], b"behind"].concat();
        assert_eq!(picture_len(Format::Jpeg, &whole), Some(picture.len()));
    }

    #[test]
    fn what_a_format_does_not_know_is_told_and_the_rest_is_not() {
        for (format, codec) in FORMATS {
            let picture = encoded(codec);
            assert!(unshown(format, &picture).iter().all(|range| range.len() < 4), "{format:?}");
        }
        let mut png = encoded(ImageFormat::Png);
        png.splice(33..33, *b"\0\0\0\x06hiDehidden\0\0\0\0");
        assert_eq!(unshown(Format::Png, &png).first(), Some(&(41..47)));
        let mut webp = encoded(ImageFormat::WebP);
        let at = webp.len() + 8;
        webp.extend_from_slice(b"HIDE\x06\0\0\0hidden");
        assert_eq!(unshown(Format::Webp, &webp).first(), Some(&(at..at + 6)));
        let mut bitmap = encoded(ImageFormat::Bmp);
        let header = 14 + u32::from_le_bytes(bitmap[14..18].try_into().unwrap()) as usize + 1024;
        bitmap[10..14].copy_from_slice(&u32::try_from(header + 9).unwrap().to_le_bytes());
        bitmap.extend_from_slice(&[0; 1100]);
        assert_eq!(unshown(Format::Bmp, &bitmap).first(), Some(&(header..header + 9)));
    }

    #[test]
    fn what_is_left_of_a_codestream_is_told() {
        assert!(behind_codestream(b"\xff\x0a12345", 7).is_empty());
        assert_eq!(behind_codestream(b"\xff\x0a12345", 4).first(), Some(&(4..7)));
        let boxes = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x0ejxlp\0\0\0\0ab\0\0\0\x0ejxlp\x80\0\0\x01cd";
        assert_eq!(behind_codestream(boxes, 3).first(), Some(&(39..40)));
        assert_eq!(behind_codestream(boxes, 1), [25..26, 38..40]);
        assert!(behind_codestream(boxes, 4).is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>, at in 0..2000_usize, value: u8) {
            for (format, codec) in FORMATS {
                let fits = |len: Option<usize>, bytes: &[u8]| {
                    len.is_none_or(|len| len > 0 && len <= bytes.len())
                };
                prop_assert!(fits(picture_len(format, &bytes), &bytes));
                let within = |bytes: &[u8]| {
                    unshown(format, bytes).iter().all(|r| r.start <= r.end && r.end <= bytes.len())
                };
                prop_assert!(within(&bytes));
                let mut changed = encoded(codec);
                let at = at % changed.len();
                changed[at] = value;
                prop_assert!(fits(picture_len(format, &changed), &changed));
                prop_assert!(within(&changed));
            }
        }
    }
}

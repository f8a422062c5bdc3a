//! What stands behind a picture in its file, or inside it where no viewer looks, is examined or named.

use super::*;

const AVIF: &[u8] = include_bytes!("../../../../../tests/fixtures/still.avif");
const HEIC: &[u8] = include_bytes!("../../../../../tests/fixtures/still.heic");
const LYING: &[u8] = include_bytes!("../../../../../tests/fixtures/lying.heic");
const JXL: &[u8] = include_bytes!("../../../../../tests/fixtures/still.jxl");
const VIDEO: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x10moovtrackstr";

fn encoded(format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::load_from_memory(&jpeg()).unwrap().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
    [&size[..], kind, content].concat()
}

/// The codestream of the fixture without its container, and the container around it.
fn jxl_forms() -> [Vec<u8>; 2] {
    let naked = match JXL {
        [0xff, 0x0a, ..] => JXL.to_vec(),
        _ => {
            let pieces = behind_codestream(JXL, 0);
            pieces.into_iter().flat_map(|piece| JXL[piece].to_vec()).collect()
        }
    };
    let container = [
        boxed(b"JXL ", b"\r\n\x87\n"),
        boxed(b"ftyp", b"jxl \0\0\0\0jxl "),
        boxed(b"jxlc", &naked),
    ];
    [naked, container.concat()]
}

/// Pictures of every format that a decoder was built in for, each in the forms that its files have.
fn pictures() -> Vec<Vec<u8>> {
    use image::ImageFormat::{Bmp, Gif, Png, Tiff, WebP};
    let mut pictures: Vec<_> = [Bmp, Gif, Png, Tiff, WebP].map(encoded).to_vec();
    pictures.push(jpeg());
    if cfg!(feature = "avif") {
        pictures.push(AVIF.to_vec());
    }
    if cfg!(feature = "heic") {
        pictures.extend([HEIC, LYING].map(<[u8]>::to_vec));
    }
    if cfg!(feature = "jxl") {
        pictures.extend(jxl_forms());
    }
    pictures
}

fn is_whole(parts: &[Part]) -> bool {
    parts[0].image == CheckState::Checked && parts[0].video == CheckState::NotApplicable
}

#[test]
fn behind_every_format_a_picture_is_examined_and_a_video_is_named() {
    let limits = MediaLimits::default();
    let (hidden, zip) = (jpeg(), zipped(&[("a", &jpeg())]));
    for picture in pictures() {
        let format = sniff(&picture);
        let alone = examine(&picture, &limits);
        assert!(is_whole(&alone) && alone.len() == 1, "{format:?}: {:?}", states(&alone));

        let parts = examine(&[&picture[..], &hidden, VIDEO].concat(), &limits);
        assert_eq!(parts.len(), 3, "{format:?}: {:?}", states(&parts));
        assert_eq!(parts[1].digests, Some(digests(&hidden)), "{format:?}");
        assert!(is_whole(&parts) && parts[1].image == CheckState::Checked);
        assert_eq!(parts[0].pictures, alone[0].pictures, "{format:?}");
        assert_eq!(
            (parts[2].format, parts[2].video),
            (Format::IsoMedia, CheckState::UnsupportedFormat)
        );
        assert_eq!(parts[2].digests, Some(digests(VIDEO)), "{format:?}");

        let parts = examine(&[&picture[..], &zip].concat(), &limits);
        assert_eq!(parts.len(), 3, "{format:?}: {:?}", states(&parts));
        assert_eq!(parts[2].digests, Some(digests(&hidden)));

        let parts = examine(&[&picture[..], &vec![7; 100_000]].concat(), &limits);
        assert_eq!(parts[0].image, CheckState::NotExpanded, "{format:?}");
        assert_eq!(parts[0].reason, Reason::Behind.text());

        let note = [&b"maker's note, and so on"[..], &[0; 100_000]].concat();
        let parts = examine(&[&picture[..], &note].concat(), &limits);
        assert!(is_whole(&parts) && parts.len() == 1, "{format:?}: {:?}", states(&parts));
    }
}

#[test]
fn a_cut_picture_with_a_video_behind_it_is_not_without_video() {
    let limits = MediaLimits::default();
    for picture in pictures() {
        let cut = &picture[..picture.len() * 2 / 3];
        let parts = examine(&[cut, VIDEO].concat(), &limits);
        let named = parts.iter().any(|part| !part.video.is_complete());
        assert!(named, "{:?}: {:?}", sniff(&picture), states(&parts));
    }
}

/// Makes a picture with these bytes inside.
type Maker<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

#[test]
fn what_is_inside_a_picture_where_no_viewer_looks_is_named() {
    let limits = MediaLimits::default();
    let png = |content: &[u8]| {
        let mut bytes = encoded(image::ImageFormat::Png);
        let len = u32::try_from(content.len()).unwrap().to_be_bytes();
        // The checksum of a chunk that may be passed over is not compared by every reader.
        let chunk = [&len[..], b"hiDe", content, &crc(b"hiDe", content)].concat();
        bytes.splice(33..33, chunk);
        bytes
    };
    let webp = |content: &[u8]| {
        let mut bytes = encoded(image::ImageFormat::WebP);
        let len = u32::try_from(content.len()).unwrap().to_le_bytes();
        bytes.extend([&b"HIDE"[..], &len, content].concat());
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        let whole = u32::try_from(bytes.len() - 8).unwrap().to_le_bytes();
        bytes[4..8].copy_from_slice(&whole);
        bytes
    };
    let tiff = |content: &[u8]| {
        let mut bytes = encoded(image::ImageFormat::Tiff);
        // The directory moves behind what is hidden, and the file ends as it should.
        let from = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        let count = usize::from(u16::from_le_bytes([bytes[from], bytes[from + 1]]));
        let directory = bytes[from..from + 2 + 12 * count + 4].to_vec();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        let to = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        bytes[4..8].copy_from_slice(&to);
        bytes.extend(directory);
        bytes
    };
    let heic = |content: &[u8]| [HEIC, &boxed(b"free", content)].concat();
    let mut makers: Vec<Maker<'_>> = vec![&png, &webp, &tiff];
    if cfg!(feature = "heic") {
        makers.push(&heic);
    }
    for (number, maker) in makers.iter().enumerate() {
        for hidden in [&jpeg()[..], VIDEO, &[7; 100_000], &zipped(&[("a", b"x")])] {
            let parts = examine(&maker(hidden), &limits);
            assert!(!parts[0].image.is_complete(), "{number}: {:?}", states(&parts));
            assert!(!parts[0].video.is_complete(), "{number}");
        }
        for harmless in [&b"some words of a program"[..], &[0; 100_000]] {
            let parts = examine(&maker(harmless), &limits);
            assert!(is_whole(&parts), "{number}: {:?}", states(&parts));
        }
    }
}

fn crc(kind: &[u8], data: &[u8]) -> [u8; 4] {
    let crc = kind.iter().chain(data).fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    (!crc).to_be_bytes()
}

#[test]
fn a_note_before_it_hides_nothing() {
    let limits = MediaLimits::default();
    for hidden in [&jpeg()[..], VIDEO, &zipped(&[("a", b"x")]), &encoded(image::ImageFormat::Gif)] {
        let behind = examine(&[&jpeg()[..], b"note", hidden].concat(), &limits);
        assert_eq!(behind[1].digests, Some(digests(hidden)), "{:?}", states(&behind));
        let behind = examine(&[&jpeg()[..], &[0; 100_000], hidden].concat(), &limits);
        assert_eq!(behind[1].digests, Some(digests(hidden)), "{:?}", states(&behind));
    }
    let long = [&jpeg()[..], &[7; 100_000], &jpeg()].concat();
    assert_eq!(examine(&long, &limits)[0].image, CheckState::NotExpanded);
}

#[test]
fn a_bitmap_that_claims_what_stands_behind_it_does_not_hide_it() {
    let mut bytes = [&encoded(image::ImageFormat::Bmp)[..], &jpeg()].concat();
    let len = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    bytes[2..6].copy_from_slice(&len);
    let parts = examine(&bytes, &MediaLimits::default());
    assert_eq!(parts[1].digests, Some(digests(&jpeg())));
}

#[test]
fn bytes_between_the_segments_of_a_jpeg_do_not_hide_what_stands_behind_it() {
    let mut bytes = jpeg();
    bytes.splice(2..2, *b"note");
    let parts = examine(&[&bytes[..], VIDEO].concat(), &MediaLimits::default());
    assert!(parts.iter().any(|part| part.video == CheckState::UnsupportedFormat));
}

#[test]
fn a_picture_in_a_box_that_goes_on_to_the_end_hides_nothing_behind_it() {
    if cfg!(feature = "jxl") {
        let [_, mut bytes] = jxl_forms();
        // The size of the box of the codestream, after those of the signature and the type.
        bytes[32..36].fill(0);
        let limits = MediaLimits::default();
        assert!(is_whole(&examine(&bytes, &limits)));
        let parts = examine(&[&bytes[..], &jpeg()].concat(), &limits);
        assert_eq!(parts[1].digests, Some(digests(&jpeg())), "{:?}", states(&parts));
    }
}

#[cfg(any(feature = "avif", feature = "heic"))]
#[test]
fn a_picture_with_tracks_of_video_beside_it_is_not_whole() {
    let files = [("avif", AVIF), ("heic", HEIC)];
    for (name, file) in files {
        let bytes = [file, &boxed(b"moov", b"tracks")].concat();
        let parts = examine(&bytes, &MediaLimits::default());
        assert!(!parts[0].image.is_complete(), "{name}");
        assert_eq!(parts[0].video, CheckState::UnsupportedFormat, "{name}");
    }
}

#[cfg(feature = "heic")]
#[test]
fn a_picture_with_another_to_show_in_its_file_is_not_whole() {
    let limits = MediaLimits::default();
    // The item with data about the picture becomes a picture of its own.
    let mut bytes = LYING.to_vec();
    let kind = bytes.windows(4).position(|four| four == b"Exif").unwrap();
    bytes[kind..kind + 4].copy_from_slice(b"hvc1");
    // And is not marked as hidden.
    bytes[kind - 5] = 0;
    let parts = examine(&bytes, &limits);
    assert_eq!(parts[0].image, CheckState::UnsupportedFormat, "{:?}", states(&parts));
    assert_eq!(parts[0].reason, Reason::Sequence.text());
    assert!(!parts[0].pictures.is_empty(), "the primary one is hashed");
    assert!(is_whole(&examine(LYING, &limits)));
}

#[test]
fn a_picture_without_a_decoder_says_what_stands_behind_it_too() {
    // Whether or not its decoder was built in.
    for picture in [AVIF, HEIC] {
        let parts = examine(&[picture, VIDEO].concat(), &MediaLimits::default());
        assert_eq!(parts[1].video, CheckState::UnsupportedFormat);
    }
}

#[test]
fn pictures_that_belong_to_a_page_are_hashed_like_pages() {
    let inner = encoded(image::ImageFormat::Tiff);
    let outer = encoded(image::ImageFormat::Tiff);
    let layout = |bytes: &[u8], at: usize| {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    };
    // One file behind the other, as a page of it: every offset of the second moves.
    let shift = outer.len().next_multiple_of(2);
    let mut bytes = outer.clone();
    bytes.resize(shift, 0);
    bytes.extend_from_slice(&inner);
    let second = shift + layout(&inner, 4);
    let count = usize::from(u16::from_le_bytes([bytes[second], bytes[second + 1]]));
    for entry in (0..count).map(|number| second + 2 + 12 * number) {
        let tag = u16::from_le_bytes([bytes[entry], bytes[entry + 1]]);
        let unit = match bytes[entry + 2] {
            3 => 2,
            4 => 4,
            5 => 8,
            _ => 1,
        };
        if layout(&bytes, entry + 4) * unit > 4 || (tag == 273 && layout(&bytes, entry + 4) == 1) {
            let moved = u32::try_from(layout(&bytes, entry + 8) + shift).unwrap().to_le_bytes();
            bytes[entry + 8..entry + 12].copy_from_slice(&moved);
        }
    }
    // The first directory again at the end, with one more entry.
    let first = layout(&outer, 4);
    let count = u16::from_le_bytes([outer[first], outer[first + 1]]);
    let directory = outer[first + 2..first + 2 + 12 * usize::from(count)].to_vec();
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    let to = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    bytes[4..8].copy_from_slice(&to);
    bytes.extend((count + 1).to_le_bytes());
    // Entries stand in the order of their tags: 330 after the strips.
    let at = directory.chunks(12).position(|e| u16::from_le_bytes([e[0], e[1]]) > 330);
    let at = 12 * at.unwrap_or(usize::from(count));
    bytes.extend_from_slice(&directory[..at]);
    bytes.extend([0x4a, 0x01, 4, 0, 1, 0, 0, 0]);
    bytes.extend(u32::try_from(second).unwrap().to_le_bytes());
    bytes.extend_from_slice(&directory[at..]);
    bytes.extend([0; 4]);
    let parts = examine(&bytes, &MediaLimits::default());
    assert_eq!(parts[0].image, CheckState::Checked, "{:?}", states(&parts));
    let frames: Vec<_> = parts[0].pictures.iter().map(|picture| picture.frame).collect();
    assert!(frames.contains(&1), "{frames:?}");
}

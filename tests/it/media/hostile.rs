//! Hostile input: a typed state for everything, and the service goes on.

use super::{drawn, examine, examiner, fixture, whole};
use bulwark::core::media::{Examined, Format, Part};
use bulwark::core::verdict::{CheckState, Form};
use bulwark::io::media::{Examiner, MediaLimits, MediaSettings};
use image::{DynamicImage, ImageFormat};
use std::time::{Duration, Instant};

const FIXTURES: [&str; 16] = [
    "base.png",
    "bilevel.png",
    "cmyk-adobe.jpg",
    "cmyk-plain.jpg",
    "grey.jpg",
    "lossy.webp",
    "moving.gif",
    "moving.png",
    "moving.webp",
    "pages.tiff",
    "palette.bmp",
    "palette.png",
    "progressive.jpg",
    "still.avif",
    "still.heic",
    "still.jxl",
];

/// Numbers that are the same in every run.
fn number(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Every part says something that a policy can act upon, and nothing says that it looked where it could not.
fn typed(name: &str, examined: &Examined) {
    let first = &examined.parts[0];
    assert_eq!(first.exact, CheckState::Checked, "{name}");
    assert!(first.digests.is_some(), "{name}");
    for part in &examined.parts {
        let empty = part.pictures.is_empty();
        assert!(part.image != CheckState::Checked || !empty, "{name} at {}", part.place);
        // A crash here would be a finding: the decoders are expected to survive these inputs.
        assert_ne!(part.reason, "decoder crashed", "{name} at {}", part.place);
    }
}

async fn still_answers(examiner: &Examiner) {
    let part = whole(examiner, &fixture("palette.png")).await;
    assert_eq!(part.image, CheckState::Checked, "{}", part.reason);
}

#[tokio::test]
async fn a_file_cut_at_any_byte_is_never_a_checked_picture() {
    let examiner = examiner(MediaSettings::default());
    let picture = DynamicImage::from(drawn::picture(24, 16, 3));
    let grey = DynamicImage::from(picture.to_luma8());
    let files = [
        ("jpeg", drawn::jpeg(&picture, 70)),
        ("grey jpeg", drawn::jpeg(&grey, 50)),
        ("png", drawn::encoded(&picture, ImageFormat::Png)),
        ("gif", drawn::encoded(&picture, ImageFormat::Gif)),
        ("webp", drawn::encoded(&picture, ImageFormat::WebP)),
        ("bmp", drawn::encoded(&picture, ImageFormat::Bmp)),
        ("tiff", drawn::encoded(&picture, ImageFormat::Tiff)),
    ];
    for (name, bytes) in files {
        assert_eq!(whole(&examiner, &bytes).await.image, CheckState::Checked, "{name} whole");
        for cut in 0..bytes.len() {
            let examined = examine(&examiner, &bytes[..cut]).await;
            typed(name, &examined);
            assert_ne!(examined.parts[0].image, CheckState::Checked, "{name} cut at {cut}");
        }
    }
    assert_eq!(examiner.status().restarts, 0);
}

#[tokio::test]
async fn a_larger_file_cut_anywhere_is_never_a_checked_picture() {
    let examiner = examiner(MediaSettings::default());
    for name in FIXTURES {
        let bytes = fixture(name);
        for part in 1..40 {
            let cut = bytes.len() * part / 40;
            let examined = examine(&examiner, &bytes[..cut]).await;
            typed(name, &examined);
            assert_ne!(examined.parts[0].image, CheckState::Checked, "{name} cut at {cut}");
        }
        // Where the last byte carries no pixel, every hash is that of the whole.
        let all = whole(&examiner, &bytes).await;
        let cut = whole(&examiner, &bytes[..bytes.len() - 1]).await;
        let complete = cut.pictures == all.pictures;
        assert!(cut.image != CheckState::Checked || complete, "{name} without its last byte");
    }
}

#[tokio::test]
async fn a_cut_jpeg_still_yields_hashes_of_what_can_be_seen() {
    let examiner = examiner(MediaSettings::default());
    let bytes = drawn::jpeg(&DynamicImage::from(drawn::picture(320, 240, 1)), 85);
    let part = whole(&examiner, &bytes[..bytes.len() - 10]).await;
    assert_eq!(part.image, CheckState::Corrupt);
    assert!(!part.pictures.is_empty());
}

#[tokio::test]
async fn files_of_every_small_size_have_a_state() {
    let examiner = examiner(MediaSettings::default());
    let mut seed = 7;
    let heads: [&[u8]; 12] = [
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\xff\x0f\0\0WEBPVP8 ",
        b"II*\0",
        b"MM\0*",
        b"PK\x03\x04",
        b"BM\0\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0",
        b"\xff\x0a",
        b"\0\0\0\x20ftypheic\0\0\0\0",
        b"\0\0\0\x20ftypavif\0\0\0\0",
    ];
    for len in [0, 1, 2, 3, 4, 5, 10, 100, 257, 511, 512, 1023, 4095, 4096, 4097] {
        for head in heads {
            for fill in ["zeros", "ones", "noise"] {
                let mut bytes: Vec<_> = match fill {
                    "zeros" => vec![0; len],
                    "ones" => vec![0xff; len],
                    _ => (0..len).map(|_| number(&mut seed) as u8).collect(),
                };
                let shared = head.len().min(len);
                bytes[..shared].copy_from_slice(&head[..shared]);
                let examined = examine(&examiner, &bytes).await;
                typed("small", &examined);
                let first = &examined.parts[0];
                assert_ne!(first.image, CheckState::Checked, "{len} {head:?} {fill}");
                assert_ne!(first.video, CheckState::Checked);
                if len == 0 {
                    let both = (first.image, first.video);
                    assert_eq!(both, (CheckState::TooSmall, CheckState::TooSmall));
                }
            }
        }
    }
    still_answers(&examiner).await;
}

#[tokio::test]
async fn flipped_bytes_never_crash_the_service() {
    let examiner = examiner(MediaSettings::default());
    let mut seed = 99;
    for name in FIXTURES {
        for _ in 0..40 {
            let mut bytes = fixture(name);
            for _ in 0..=number(&mut seed) % 8 {
                // Half of the flips hit the header, where they do most.
                let reach = if number(&mut seed).is_multiple_of(2) { 200 } else { bytes.len() };
                let place = number(&mut seed) as usize % reach.min(bytes.len());
                bytes[place] = number(&mut seed) as u8;
            }
            let examined = examine(&examiner, &bytes).await;
            typed(name, &examined);
        }
    }
    still_answers(&examiner).await;
}

#[tokio::test]
async fn two_hundred_hostile_items_do_not_keep_a_good_one_from_its_answer() {
    let settings = MediaSettings { workers: 1, recycle_after: 50, ..MediaSettings::default() };
    let examiner = examiner(settings);
    let bytes = fixture("progressive.jpg");
    for item in 0..200 {
        let mut bytes = bytes.clone();
        bytes.truncate(bytes.len() - item * 17);
        bytes[item + 2] ^= 0xff;
        typed("hostile", &examine(&examiner, &bytes).await);
    }
    still_answers(&examiner).await;
}

/// A PNG of one grey, deflated by the archive library.
fn one_colour_png(width: u32, height: u32) -> Vec<u8> {
    use std::io::Read as _;
    let row = vec![0; 1 + width.div_ceil(8) as usize];
    let raw: Vec<_> = std::iter::repeat_n(row, height as usize).flatten().collect();
    let zip = drawn::zipped(&[("x", &raw)]);
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
    let mut data = vec![0x78, 0x01];
    archive.by_index_raw(0).unwrap().read_to_end(&mut data).unwrap();
    // Adler-32 of zeros: the sum of ones is 1, the sum of sums is the length.
    let adler = ((raw.len() as u32 % 65_521) << 16) | 1;
    data.extend_from_slice(&adler.to_be_bytes());
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend_from_slice(&[1, 0, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, body) in [(b"IHDR", header), (b"IDAT", data), (b"IEND", Vec::new())] {
        png.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        let checked = [&kind[..], &body].concat();
        png.extend_from_slice(&checked);
        png.extend_from_slice(&crc(&checked).to_be_bytes());
    }
    png
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[tokio::test]
async fn a_picture_of_one_colour_and_nine_hundred_million_pixels_is_too_large() {
    let examiner = examiner(MediaSettings::default());
    let started = Instant::now();
    let part = whole(&examiner, &one_colour_png(30_000, 30_000)).await;
    assert_eq!((part.format, part.image), (Format::Png, CheckState::TooLarge));
    assert_eq!(part.reason, "side too long");
    let part = whole(&examiner, &one_colour_png(16_000, 16_000)).await;
    assert_eq!((part.image, part.reason.as_str()), (CheckState::TooLarge, "too many pixels"));
    // The same kind of file within the limits is a picture, of no structure.
    let part = whole(&examiner, &one_colour_png(2_000, 2_000)).await;
    assert_eq!((part.image, part.pictures[0].quality), (CheckState::Checked, 0), "{}", part.reason);
    assert_eq!(examiner.status().restarts, 0);
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn an_animation_of_a_hundred_thousand_frames_is_hashed_up_to_the_limit() {
    // What limits it here is the number of frames, however slow the machine is.
    let limits = MediaLimits { item_time_max: Duration::from_secs(60), ..MediaLimits::default() };
    let examiner = examiner(MediaSettings { limits, ..MediaSettings::default() });
    let still = drawn::encoded(&DynamicImage::from(drawn::picture(16, 16, 1)), ImageFormat::Gif);
    let first = still.iter().rposition(|byte| *byte == 0x3b).unwrap();
    let frame_at = 13 + if still[10] & 0x80 == 0 { 0 } else { 3 << ((still[10] & 7) + 1) };
    let mut bytes = still[..frame_at].to_vec();
    for _ in 0..100_000 {
        bytes.extend_from_slice(&still[frame_at..first]);
    }
    bytes.push(0x3b);
    let part = whole(&examiner, &bytes).await;
    assert_eq!((part.format, part.image), (Format::Gif, CheckState::TooLarge), "{}", part.reason);
    let frames = part.pictures.iter().filter(|p| p.form == Form::Canonical).count();
    assert_eq!(frames, 500);
}

#[tokio::test]
async fn bombs_of_archives_are_told_unexpanded() {
    let examiner = examiner(MediaSettings::default());
    let zeros = drawn::zipped(&[("zeros", &vec![0; 300 << 20])]);
    let part = whole(&examiner, &zeros).await;
    assert_eq!(
        (part.format, part.image, part.video),
        (Format::Zip, CheckState::NotExpanded, CheckState::NotExpanded)
    );
    // Ten archives of ten archives of ten archives of ten megabytes each.
    let mut level = drawn::zipped(&[("zeros", &vec![0; 10 << 20])]);
    for _ in 0..3 {
        let names: Vec<_> = (0..10).map(|i| format!("{i}.zip")).collect();
        let entries: Vec<_> = names.iter().map(|n| (n.as_str(), level.as_slice())).collect();
        level = drawn::zipped(&entries);
    }
    let started = Instant::now();
    let examined = examine(&examiner, &level).await;
    typed("nested", &examined);
    assert!(examined.parts.len() <= 1_001);
    let unexpanded = |part: &Part| part.image == CheckState::NotExpanded;
    assert!(examined.parts.iter().any(unexpanded));
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(examiner.status().restarts, 0);
    still_answers(&examiner).await;
}

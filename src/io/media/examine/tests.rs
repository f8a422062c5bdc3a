//! Archives within archives, and limits of what they expand to.

mod behind;

use super::super::found::Findings;
use super::*;
use crate::core::media::Part;
use std::io::Write as _;
use zip::write::SimpleFileOptions;

const GIF: &[u8] = b"GIF87a\x01\0\x01\0\0\0\0";

/// The parts that an examination tells.
fn examine(bytes: &[u8], limits: &MediaLimits) -> Vec<Part> {
    let mut findings = Findings::new(limits, sniff(bytes));
    super::examine(bytes, limits, &mut |found| findings.take(found).expect("said in order"));
    findings.whole().expect("said to the end")
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn states(parts: &[Part]) -> Vec<(&str, Format, CheckState, CheckState, &str)> {
    parts
        .iter()
        .map(|p| (p.place.as_str(), p.format, p.exact, p.image, p.reason.as_str()))
        .collect()
}

#[test]
fn entries_of_archives_in_archives_have_places_and_digests() {
    let inner = zipped(&[("a", b"text one"), ("b", GIF)]);
    let outer = zipped(&[("x", b"text two"), ("inner.zip", &inner), ("empty", b"")]);
    let parts = examine(&outer, &MediaLimits::default());
    use CheckState::{Checked, Corrupt, NotApplicable, TooSmall, UnsupportedFormat};
    assert_eq!(
        states(&parts),
        [
            ("", Format::Zip, NotApplicable, NotApplicable, ""),
            ("0", Format::Unknown, Checked, UnsupportedFormat, "no decoder for the format"),
            ("1", Format::Zip, Checked, NotApplicable, ""),
            ("1/0", Format::Unknown, Checked, UnsupportedFormat, "no decoder for the format"),
            ("1/1", Format::Gif, Checked, Corrupt, "decoder refused the data"),
            ("2", Format::Unknown, Checked, TooSmall, "no bytes"),
        ]
    );
    assert_eq!(parts[1].digests, Some(digests(b"text two")));
    assert_eq!(parts[2].digests, Some(digests(&inner)));
}

#[test]
fn an_archive_below_the_depth_limit_is_told_unexpanded() {
    let mut bytes = zipped(&[("text", b"x")]);
    for _ in 0..4 {
        bytes = zipped(&[("inner.zip", &bytes)]);
    }
    let parts = examine(&bytes, &MediaLimits::default());
    let last = parts.last().unwrap();
    assert_eq!(last.place, "0/0/0");
    assert_eq!((last.image, last.video), (CheckState::NotExpanded, CheckState::NotExpanded));
    assert_eq!(last.reason, Reason::Depth.text());
}

#[test]
fn expansion_ends_at_its_limit_and_says_so() {
    let limits = MediaLimits { expanded_bytes_max: 1000, ..MediaLimits::default() };
    let bytes = zipped(&[("a", &[0; 600]), ("b", &[0; 600]), ("c", &[0; 600])]);
    let parts = examine(&bytes, &limits);
    assert_eq!(parts.len(), 3, "the third entry is not tried");
    assert_eq!(parts[0].image, CheckState::NotExpanded);
    assert_eq!(parts[0].reason, Reason::Expansion.text());
    assert_eq!(parts[1].exact, CheckState::Checked);
    assert_eq!((parts[2].exact, parts[2].digests), (CheckState::NotExpanded, None));
    // A hundred megabytes of zeros in a hundred kilobytes: by ratio.
    let bytes = zipped(&[("a", &vec![0; 100 << 20])]);
    let parts = examine(&bytes, &MediaLimits::default());
    assert_eq!(parts[0].reason, Reason::Expansion.text());
}

#[test]
fn entries_end_at_their_limit_and_the_archive_says_so() {
    let names: Vec<_> = (0..12).map(|i| i.to_string()).collect();
    let entries: Vec<_> = names.iter().map(|n| (n.as_str(), &b"x"[..])).collect();
    let limits = MediaLimits { entries_max: 10, ..MediaLimits::default() };
    let parts = examine(&zipped(&entries), &limits);
    assert_eq!(parts.len(), 11);
    assert_eq!(
        (parts[0].image, parts[0].reason.as_str()),
        (CheckState::NotExpanded, Reason::Entries.text())
    );
}

#[test]
fn a_tar_is_walked_and_a_cut_tar_is_not_whole() {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in [("a", &b"first"[..]), ("b", &[7; 2000])] {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        builder.append_data(&mut header, name, bytes).unwrap();
    }
    let bytes = builder.into_inner().unwrap();
    let parts = examine(&bytes, &MediaLimits::default());
    assert_eq!(parts.iter().map(|p| p.place.as_str()).collect::<Vec<_>>(), ["", "0", "1"]);
    assert_eq!(parts[0].image, CheckState::NotApplicable);
    assert_eq!(parts[2].digests, Some(digests(&[7; 2000])));
    let parts = examine(&bytes[..1600], &MediaLimits::default());
    let whole = parts
        .iter()
        .all(|p| p.image == CheckState::NotApplicable || p.exact == CheckState::Checked);
    assert!(!whole, "{:?}", states(&parts));
}

#[test]
fn a_cut_zip_is_corrupt() {
    let bytes = zipped(&[("a", b"some text that is stored"), ("b", GIF)]);
    for cut in 4..bytes.len() {
        let parts = examine(&bytes[..cut], &MediaLimits::default());
        assert_eq!(parts[0].image, CheckState::Corrupt, "{cut}");
    }
}

#[test]
fn an_encrypted_entry_leaves_the_archive_unexpanded_but_the_others_examined() {
    let mut bytes = zipped(&[("a", b"secret"), ("b", b"open")]);
    // The flag of encryption in both headers of the first entry.
    bytes[6] |= 1;
    let central = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    bytes[central + 8] |= 1;
    let parts = examine(&bytes, &MediaLimits::default());
    assert_eq!(parts[0].image, CheckState::NotExpanded);
    assert_eq!(parts[0].reason, Reason::EncryptedEntries.text());
    assert_eq!((parts[1].exact, parts[1].image), (CheckState::Encrypted, CheckState::Encrypted));
    assert_eq!(parts[2].digests, Some(digests(b"open")));
}

#[test]
fn an_unknown_method_leaves_the_archive_unexpanded() {
    let mut bytes = zipped(&[("a", b"text")]);
    bytes[8] = 12;
    let central = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    bytes[central + 10] = 12;
    let parts = examine(&bytes, &MediaLimits::default());
    assert_eq!(
        (parts[0].image, parts[1].image),
        (CheckState::NotExpanded, CheckState::NotExpanded)
    );
    assert_eq!(parts[1].reason, Reason::Method.text());
}

fn jpeg() -> Vec<u8> {
    let drawn = image::RgbImage::from_fn(32, 24, |x, y| {
        image::Rgb([(x * 7) as u8, (y * 9) as u8, (x * y) as u8])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::ImageRgb8(drawn).write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

#[test]
fn what_is_hidden_behind_a_picture_is_examined_or_named() {
    use CheckState::{Checked, NotApplicable, NotExpanded};
    let (picture, limits) = (jpeg(), MediaLimits::default());
    let zip = zipped(&[("in", &picture)]);
    let video = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom";
    let junk = vec![7_u8; 100_000];

    let parts = examine(&[&picture[..], &zip].concat(), &limits);
    assert_eq!(
        states(&parts),
        [
            ("", Format::Jpeg, NotApplicable, Checked, ""),
            ("0", Format::Zip, Checked, NotApplicable, ""),
            ("0/0", Format::Jpeg, Checked, Checked, ""),
        ]
    );
    assert_eq!(parts[2].digests, Some(digests(&picture)));

    let parts = examine(&[&picture[..], b"note", &zip].concat(), &limits);
    assert_eq!(parts.len(), 3, "an archive is found behind a note");

    let parts = examine(&[&picture[..], &picture, video].concat(), &limits);
    assert_eq!(parts[1].digests, Some(digests(&picture)));
    assert_eq!(
        (parts[2].format, parts[2].video),
        (Format::IsoMedia, CheckState::UnsupportedFormat)
    );

    let parts = examine(&[&picture[..], &junk].concat(), &limits);
    assert_eq!((parts.len(), parts[0].image, parts[0].video), (1, NotExpanded, NotExpanded));
    assert_eq!(parts[0].reason, Reason::Behind.text());
    assert!(!parts[0].pictures.is_empty(), "what was found is kept");
}

#[test]
fn a_small_note_or_padding_behind_a_picture_changes_nothing() {
    let (picture, limits) = (jpeg(), MediaLimits::default());
    for behind in [&b""[..], b"maker's note", &[0; 1_000_000]] {
        let parts = examine(&[&picture[..], behind].concat(), &limits);
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].image, CheckState::Checked);
    }
}

#[test]
fn pictures_without_end_behind_a_picture_are_told_unexpanded() {
    let limits = MediaLimits { entries_max: 5, ..MediaLimits::default() };
    let parts = examine(&jpeg().repeat(20), &limits);
    assert_eq!(parts.len(), 1 + 5);
    assert_eq!(parts[0].image, CheckState::NotExpanded);
}

#[test]
fn an_archive_that_holds_more_than_its_directory_says_is_not_expanded() {
    let (one, two) = (zipped(&[("a", GIF)]), zipped(&[("b", b"text")]));
    let limits = MediaLimits::default();
    let twice = {
        // Two entries of one name: programs disagree on which of them is meant.
        let mut bytes = zipped(&[("aa", b"first"), ("ab", b"second")]);
        while let Some(at) = bytes.windows(2).position(|two| two == b"ab") {
            bytes[at + 1] = b'a';
        }
        bytes
    };
    for hidden in [[&one[..], &two].concat(), [&two[..], GIF].concat(), twice] {
        let parts = examine(&hidden, &limits);
        let whole = &parts[0];
        assert!(!whole.image.is_complete() && !whole.video.is_complete(), "{:?}", states(&parts));
    }
    assert!(examine(&two, &limits)[0].image.is_complete());
}

#[test]
fn what_stands_behind_a_tar_is_named() {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_cksum();
    tar.append_data(&mut header, "a", &b"text"[..]).unwrap();
    let (tar, limits) = (tar.into_inner().unwrap(), MediaLimits::default());
    assert!(examine(&tar, &limits)[0].image.is_complete());
    for hidden in [&jpeg(), &tar] {
        let parts = examine(&[&tar[..], hidden].concat(), &limits);
        assert!(!parts[0].image.is_complete(), "{:?}", states(&parts));
    }
}

#[test]
fn a_picture_in_the_fields_of_an_archive_is_named() {
    let tar = |comment: &[u8]| {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions([("comment", comment)]).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(4);
        builder.append_data(&mut header, "a", &b"text"[..]).unwrap();
        builder.into_inner().unwrap()
    };
    let zip = |comment: &[u8]| {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        writer.set_raw_comment(comment.into()).unwrap();
        writer.start_file("a", SimpleFileOptions::default()).unwrap();
        writer.write_all(b"text").unwrap();
        writer.finish().unwrap().into_inner()
    };
    let limits = MediaLimits::default();
    for (comment, is_whole) in [(&b"harmless"[..], true), (&jpeg(), false)] {
        for archive in [tar(comment), zip(comment)] {
            let parts = examine(&archive, &limits);
            assert_eq!(parts[0].image.is_complete(), is_whole, "{:?}", states(&parts));
            assert_eq!(parts[1].digests, Some(digests(b"text")));
        }
    }
}

#[test]
fn a_progressive_jpeg_cut_inside_a_scan_and_given_an_end_again_is_not_whole() {
    let whole = include_bytes!("../../../../tests/fixtures/progressive.jpg");
    let limits = MediaLimits::default();
    assert_eq!(examine(whole, &limits)[0].image, CheckState::Checked);
    let last = whole.windows(2).rposition(|two| two == b"\xff\xda").unwrap();
    for cut in (last + 12..whole.len() - 2).step_by(23) {
        let parts = examine(&[&whole[..cut], b"\xff\xd9"].concat(), &limits);
        assert_eq!(parts[0].image, CheckState::Corrupt, "{cut}");
        assert!(!parts[0].pictures.is_empty(), "what can be seen is hashed");
    }
}

#[test]
fn a_jpeg_cut_and_given_an_end_again_is_not_whole() {
    let (whole, limits) = (jpeg(), MediaLimits::default());
    assert_eq!(examine(&whole, &limits)[0].image, CheckState::Checked);
    for percent in [60, 70, 80, 90] {
        let cut = &whole[..whole.len() * percent / 100];
        let parts = examine(&[cut, b"\xff\xd9"].concat(), &limits);
        assert_eq!(parts[0].image, CheckState::Corrupt, "{percent}");
    }
}

//! Whole files are followed to their end, and cut ones are not.

use super::*;
use image::codecs::jpeg::JpegEncoder;
use std::ops::Range;

const PROGRESSIVE: [(&[u8], usize, usize); 5] = [
    (include_bytes!("../../../../../tests/fixtures/progressive.jpg"), 192, 144),
    (include_bytes!("../../../../../tests/fixtures/progressive-odd.jpg"), 97, 61),
    (include_bytes!("../../../../../tests/fixtures/progressive-restarts.jpg"), 97, 61),
    (include_bytes!("../../../../../tests/fixtures/progressive-grey.jpg"), 97, 61),
    (include_bytes!("../../../../../tests/fixtures/progressive-inks.jpg"), 97, 61),
];

const END: &[u8] = b"\xff\xd9";

fn grey_jpeg(side: u32, seed: u32) -> Vec<u8> {
    let drawn = image::GrayImage::from_fn(side, side, |x, y| {
        image::Luma([((x * (7 + seed)) ^ (y * 5) ^ (x * y / 3)) as u8])
    });
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 60).encode_image(&drawn).unwrap();
    bytes
}

/// Where the entropy-coded data of each scan stands.
fn scans_of(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 2;
    while bytes[at + 1] != 0xd9 {
        let is_scan = bytes[at + 1] == 0xda;
        at += 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        let start = at;
        while is_scan && (bytes[at] != 0xff || matches!(bytes[at + 1], 0 | 0xd0..=0xd7)) {
            at += 1;
        }
        if is_scan {
            found.push(start..at);
        }
    }
    found
}

/// A file of three components, each in a scan of its own.
fn three_scans(side: u32) -> Vec<u8> {
    let greys = [1, 2, 3].map(|seed| grey_jpeg(side, seed));
    let scan = scans_of(&greys[0])[0].clone();
    // Everything before the header of the scan, which has 10 bytes; with two more components in the frame.
    let mut bytes = greys[0][..scan.start - 10].to_vec();
    let frame = bytes.windows(2).position(|two| two == b"\xff\xc0").unwrap();
    assert_eq!(bytes[frame + 9], 1);
    let table = bytes[frame + 12];
    bytes[frame + 3] += 6;
    bytes[frame + 9] = 3;
    let id = bytes[frame + 10];
    let more = [id + 1, 0x11, table, id + 2, 0x11, table];
    bytes.splice(frame + 13..frame + 13, more);
    for (number, grey) in (0..).zip(&greys) {
        let scan = scans_of(grey)[0].clone();
        let mut part = grey[scan.start - 10..scan.end].to_vec();
        part[5] = id + number;
        bytes.extend_from_slice(&part);
    }
    [&bytes[..], END].concat()
}

#[test]
fn whole_files_of_many_scans_are_followed_to_their_end() {
    for (case, (bytes, width, height)) in PROGRESSIVE.iter().enumerate() {
        assert_eq!(follow(bytes, *width, *height), Ok(()), "{case}");
        assert!(scans_of(bytes).len() > 4, "{case}");
    }
    for side in [8, 31, 64] {
        assert_eq!(follow(&three_scans(side), side as usize, side as usize), Ok(()));
        assert_eq!(follow(&grey_jpeg(side, 1), side as usize, side as usize), Ok(()));
    }
}

#[test]
fn a_scan_cut_at_any_byte_and_given_an_end_again_is_short() {
    let three = three_scans(31);
    let files = PROGRESSIVE.into_iter().chain([(&three[..], 31, 31)]);
    for (case, (bytes, width, height)) in files.enumerate() {
        for (number, scan) in scans_of(bytes).into_iter().enumerate() {
            // Every byte of the smaller files, and both ends of each scan.
            let sparse =
                |cut: &usize| bytes.len() < 3000 || cut.is_multiple_of(3) || cut + 4 > scan.end;
            for cut in scan.clone().filter(sparse) {
                let ended = [&bytes[..cut], END].concat();
                let at =
                    format!("file {case}, scan {number}, {} of {}", cut - scan.start, scan.len());
                assert_eq!(follow(&ended, width, height), Err(Fault::Short), "{at}");
                if cut.is_multiple_of(5) {
                    // The scans behind it do not make up for it.
                    let spliced = [&bytes[..cut], &bytes[scan.end..]].concat();
                    assert!(follow(&spliced, width, height).is_err(), "{at}");
                }
            }
        }
    }
}

#[test]
fn a_file_that_leaves_out_later_scans_is_whole_and_one_that_leaves_out_a_component_is_not() {
    let (bytes, width, height) = PROGRESSIVE[0];
    for scan in scans_of(bytes) {
        let ended = [&bytes[..scan.end], END].concat();
        assert_eq!(follow(&ended, width, height), Ok(()));
    }
    let three = three_scans(31);
    let scans = scans_of(&three);
    for scan in &scans[..2] {
        assert_eq!(follow(&[&three[..scan.end], END].concat(), 31, 31), Err(Fault::Short));
    }
}

#[test]
fn a_lost_restart_is_not_made_up_for() {
    let (bytes, width, height) = PROGRESSIVE[2];
    let scan = scans_of(bytes)[0].clone();
    let marker = |from: usize| {
        bytes[from..scan.end].windows(2).position(|two| two[0] == 0xff && two[1] & 0xf8 == 0xd0)
    };
    let first = scan.start + marker(scan.start).unwrap();
    let second = first + 2 + marker(first + 2).unwrap();
    let without = [&bytes[..first], &bytes[second..]].concat();
    assert_eq!(follow(&without, width, height), Err(Fault::Short));
}

#[test]
fn sides_that_the_decoder_did_not_admit_reserve_nothing() {
    let (bytes, width, height) = PROGRESSIVE[0];
    assert_eq!(follow(bytes, width, height + 1), Err(Fault::Damaged));
    let frame = bytes.windows(2).position(|two| two == b"\xff\xc2").unwrap();
    let mut huge = bytes.to_vec();
    huge[frame + 5..frame + 9].fill(0xff);
    assert_eq!(follow(&huge, width, height), Err(Fault::Damaged));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn no_bytes_are_too_strange(
        at in 0..4000_usize, value: u8, noise in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
    ) {
        for (bytes, width, height) in PROGRESSIVE {
            let mut changed = bytes.to_vec();
            let at = at % changed.len();
            changed[at] = value;
            let _ = follow(&changed, width, height);
            changed.splice(at..at, noise.iter().copied());
            let _ = follow(&changed, width, height);
        }
        let _ = follow(&noise, 8, 8);
    }
}

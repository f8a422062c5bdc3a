//! Hostile files through the whole service: a typed state, never ALLOW, and nobody else is disturbed.

use crate::service::*;
use bulwark::proto::v1;
use image::ImageFormat;
use std::io::Write as _;
use v1::{CheckState, Disposition};

/// A chunk of a PNG with its checksum.
pub fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = 0xffff_ffff_u32;
    for byte in kind.iter().chain(data) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
        }
    }
    let len = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&len[..], kind, data, &(!crc).to_be_bytes()].concat()
}

/// A PNG whose header promises this size.
fn png_of_size(side: u32) -> Vec<u8> {
    let header = [&side.to_be_bytes()[..], &side.to_be_bytes(), &[1, 0, 0, 0, 0]].concat();
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &[0x78, 0x9c, 0x63, 0, 0, 0, 1, 0, 1]),
        chunk(b"IEND", &[]),
    ]
    .concat()
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Names and bytes of files that no check can be carried out on.
fn hostile() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut state = 9_u64;
    let mut noise = move |len: usize| -> Vec<u8> {
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect()
    };
    let long = std::env::var_os("BULWARK_LONG").is_some();
    let lengths = (1..=4097).filter(|len| long || len % 409 == 7);
    for len in lengths.chain([1, 2, 3, 4095, 4096, 4097]) {
        files.push((format!("noise of {len}"), noise(len)));
        files.push((format!("zeros of {len}"), vec![0; len]));
    }
    let small = image::imageops::thumbnail(&picture(1), 24, 18);
    let every = if long { 1 } else { 13 };
    for format in [
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::Gif,
        ImageFormat::WebP,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
    ] {
        let whole = encoded(&small, format);
        for len in (1..whole.len() - 1).step_by(every) {
            files.push((format!("{format:?} cut at {len}"), whole[..len].to_vec()));
        }
    }
    let mut inner = vec![0; 8 << 20];
    for depth in 0..5 {
        inner = zipped(&[("inner", &inner)]);
        files.push((format!("zip in zip, {depth}"), inner.clone()));
    }
    files.push(("huge png".into(), png_of_size(30_000)));
    files.push(("endless png".into(), png_of_size(0x7fff_ffff)));
    files.push(("html as jpeg".into(), b"<html>not a picture</html>".to_vec()));
    files.push(("jpeg head, zip body".into(), [&[0xff, 0xd8, 0xff, 0xe0][..], &inner].concat()));
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_files_are_never_allowed_and_a_healthy_caller_beside_them_is_served() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(entry_of("known", png(1))).await.expect("added");
    let healthy = tokio::spawn({
        let screener = screener.clone();
        async move {
            let mut served = 0;
            for round in 0..40 {
                let answer = screener.screening().screen_media(media("h", png(2))).await;
                let verdict = answer.expect("served").into_inner().verdict.unwrap();
                assert_eq!(verdict.disposition(), Disposition::Allow, "round {round}");
                served += 1;
            }
            served
        }
    });
    for (name, bytes) in hostile() {
        let answer = screener.screening().screen_media(media("x", bytes)).await;
        let verdict = answer.unwrap_or_else(|status| panic!("{name}: {status}"));
        let verdict = verdict.into_inner().verdict.unwrap();
        assert!(verdict.disposition() >= Disposition::Hold, "{name}: {verdict:?}");
        let open = verdict
            .coverage
            .iter()
            .any(|row| !matches!(row.state(), CheckState::Checked | CheckState::NotApplicable));
        assert!(open && verdict.incomplete.is_some(), "{name}: a state says why");
    }
    assert_eq!(healthy.await.expect("no panic"), 40);
    let empty = media("x", Vec::new());
    assert_eq!(bad_fields(screener.screening().screen_media(empty).await), ["content"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_picture_is_found_whatever_slow_file_stands_behind_it_in_an_archive() {
    let limit = std::time::Duration::from_secs(3);
    let service = Service::start_with(|settings| settings.media.item_time_max = limit).await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    curator.banks().add_entry(entry_of("known", png(1))).await.expect("added");
    let mut slow = std::io::Cursor::new(Vec::new());
    let side = if cfg!(debug_assertions) { 2_000 } else { 6_000 };
    image::DynamicImage::new_rgba16(side, side).write_to(&mut slow, ImageFormat::Png).unwrap();
    let (listed, slow) = (png(1), slow.into_inner());
    let names: Vec<_> = (0..60).map(|number| number.to_string()).collect();
    let mut entries = vec![("listed", listed.as_slice())];
    entries.extend(names.iter().map(|name| (name.as_str(), slow.as_slice())));
    let answer = screener.screening().screen_media(media("x", zipped(&entries))).await;
    let verdict = answer.expect("served").into_inner().verdict.unwrap();
    assert!(verdict.disposition() >= Disposition::Block, "{verdict:?}");
    assert!(!verdict.findings.is_empty(), "{verdict:?}");
    let late = |row: &&v1::CheckCoverage| row.state() == CheckState::Deadline;
    assert!(verdict.coverage.iter().any(|row| late(&row)), "{verdict:?}");
    assert!(verdict.incomplete.is_some());
}

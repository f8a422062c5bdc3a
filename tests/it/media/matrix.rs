//! The same picture in every format and form is found again.

use super::{drawn, examine, examiner, fixture, nearest, whole};
use bulwark::core::media::{Format, Part};
use bulwark::core::signal::Bits256;
use bulwark::core::verdict::{CheckState, Form};
use bulwark::io::media::{Examiner, MediaSettings};
use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};

/// A picture re-encoded at quality 80 or better stays this near.
const RE_ENCODED: u32 = 10;
/// The default distance at which banks match.
const MATCHES: u32 = 31;

fn checked(name: &str, part: &Part) {
    assert_eq!(
        (part.exact, part.image, part.video, part.reason.as_str()),
        (CheckState::Checked, CheckState::Checked, CheckState::NotApplicable, ""),
        "{name}"
    );
}

async fn listed(examiner: &Examiner, png: &[u8]) -> Bits256 {
    let part = whole(examiner, png).await;
    checked("listed", &part);
    assert!(part.pictures[0].quality >= 80, "quality {}", part.pictures[0].quality);
    assert_eq!(part.pictures[0].form, Form::Canonical);
    part.pictures[0].hashes[0]
}

#[tokio::test]
async fn a_jpeg_and_a_png_of_one_picture_are_near_each_other_and_another_is_far() {
    let examiner = examiner(MediaSettings::default());
    let picture = DynamicImage::from(drawn::picture(320, 240, 1));
    let listed = listed(&examiner, &drawn::encoded(&picture, ImageFormat::Png)).await;
    let part = whole(&examiner, &drawn::jpeg(&picture, 85)).await;
    checked("jpeg", &part);
    assert_eq!(part.format, Format::Jpeg);
    assert!(nearest(&part, &listed) <= RE_ENCODED);
    let status = examiner.status();
    assert!(status.ready, "{status:?}");
    assert_eq!(status.restarts, 0);
    let other = DynamicImage::from(drawn::picture(320, 240, 2));
    let other = examine(&examiner, &drawn::jpeg(&other, 85)).await;
    assert!(nearest(&other.parts[0], &listed) > 60, "another picture is far");
}

#[tokio::test]
async fn one_picture_is_found_in_every_layout_that_files_have() {
    let examiner = examiner(MediaSettings::default());
    let listed = listed(&examiner, &fixture("base.png")).await;
    let table = [
        ("progressive.jpg", Format::Jpeg, RE_ENCODED),
        ("subsampled.jpg", Format::Jpeg, RE_ENCODED),
        ("restarts.jpg", Format::Jpeg, RE_ENCODED),
        ("grey.jpg", Format::Jpeg, RE_ENCODED),
        ("cmyk-adobe.jpg", Format::Jpeg, RE_ENCODED),
        ("cmyk-plain.jpg", Format::Jpeg, RE_ENCODED),
        ("bilevel.png", Format::Png, MATCHES),
        ("palette.png", Format::Png, RE_ENCODED),
        ("palette.bmp", Format::Bmp, RE_ENCODED),
        ("still.gif", Format::Gif, RE_ENCODED),
        ("lossy.webp", Format::Webp, RE_ENCODED),
        ("lossless.webp", Format::Webp, 0),
        #[cfg(feature = "heic")]
        ("still.heic", Format::Heic, RE_ENCODED),
        #[cfg(feature = "jxl")]
        ("still.jxl", Format::Jxl, RE_ENCODED),
        #[cfg(feature = "avif")]
        ("still.avif", Format::Avif, RE_ENCODED),
    ];
    for (name, format, distance_max) in table {
        let part = whole(&examiner, &fixture(name)).await;
        checked(name, &part);
        assert_eq!(part.format, format, "{name}");
        let distance = part.pictures[0].hashes[0].distance(&listed);
        assert!(distance <= distance_max, "{name}: {distance}");
    }
}

#[tokio::test]
async fn one_picture_is_found_in_every_depth_of_colour() {
    let examiner = examiner(MediaSettings::default());
    let png = fixture("base.png");
    let listed = listed(&examiner, &png).await;
    let base = image::load_from_memory(&png).unwrap();
    let solid = |channel: &dyn Fn(u32) -> u8| {
        let mut rgba = base.to_rgba8();
        rgba.enumerate_pixels_mut().for_each(|(x, _, pixel)| pixel.0[3] = channel(x));
        DynamicImage::from(rgba)
    };
    let table = [
        ("16-bit png", DynamicImage::from(base.to_rgb16()), ImageFormat::Png, 1),
        ("16-bit grey png", DynamicImage::from(base.to_luma16()), ImageFormat::Png, RE_ENCODED),
        ("grey png", DynamicImage::from(base.to_luma8()), ImageFormat::Png, RE_ENCODED),
        ("grey alpha png", DynamicImage::from(base.to_luma_alpha8()), ImageFormat::Png, RE_ENCODED),
        ("16-bit alpha png", DynamicImage::from(base.to_rgba16()), ImageFormat::Png, 1),
        ("opaque png", solid(&|_| 255), ImageFormat::Png, 0),
        ("half transparent png", solid(&|x| if x < 100 { 255 } else { 0 }), ImageFormat::Png, 0),
        ("bmp", base.clone(), ImageFormat::Bmp, 0),
        ("tiff", base.clone(), ImageFormat::Tiff, 0),
        ("16-bit tiff", DynamicImage::from(base.to_rgb16()), ImageFormat::Tiff, 1),
        ("alpha webp", solid(&|x| if x < 100 { 255 } else { 9 }), ImageFormat::WebP, 0),
    ];
    for (name, picture, format, distance_max) in table {
        let part = whole(&examiner, &drawn::encoded(&picture, format)).await;
        checked(name, &part);
        let distance = part.pictures[0].hashes[0].distance(&listed);
        assert!(distance <= distance_max, "{name}: {distance}");
    }
}

#[tokio::test]
async fn a_transparent_picture_is_also_hashed_as_it_is_seen_on_white_and_on_black() {
    let examiner = examiner(MediaSettings::default());
    let png = fixture("base.png");
    let listed = listed(&examiner, &png).await;
    let base = image::load_from_memory(&png).unwrap().to_rgb8();
    // Stored colours hide the picture; what a person sees on white is the picture.
    let hidden = RgbaImage::from_fn(base.width(), base.height(), |x, y| {
        let seen = base.get_pixel(x, y).0;
        let luma = (u32::from(seen[0]) * 3 + u32::from(seen[1]) * 6 + u32::from(seen[2])) / 10;
        Rgba([0, 0, 0, 255 - luma as u8])
    });
    let part = whole(&examiner, &drawn::encoded(&hidden.into(), ImageFormat::Png)).await;
    checked("hidden", &part);
    let distance = |form| {
        let picture = part.pictures.iter().find(|p| p.form == form).unwrap();
        picture.hashes[0].distance(&listed)
    };
    assert!(distance(Form::Canonical) > MATCHES);
    assert!(distance(Form::OnWhite) <= RE_ENCODED, "{}", distance(Form::OnWhite));
    assert!(distance(Form::OnBlack) > MATCHES);
}

#[tokio::test]
async fn one_picture_is_found_turned_mirrored_resized_and_between_bars() {
    let examiner = examiner(MediaSettings::default());
    let base = DynamicImage::from(drawn::picture(400, 300, 1));
    let listed = listed(&examiner, &drawn::encoded(&base, ImageFormat::Png)).await;
    let half = base.resize_exact(200, 150, image::imageops::FilterType::Lanczos3);
    let table = [
        ("turned once", base.rotate90()),
        ("turned twice", base.rotate180()),
        ("turned thrice", base.rotate270()),
        ("mirrored", base.fliph()),
        ("flipped", base.flipv()),
        ("transposed", base.rotate90().fliph()),
        ("half as large", half),
        ("between black bars", drawn::letterboxed(&base, 60, [0, 0, 0])),
        ("between blue bars", drawn::letterboxed(&base, 90, [10, 20, 200])),
        ("turned between bars", drawn::letterboxed(&base, 60, [0, 0, 0]).rotate90()),
    ];
    for (name, picture) in table {
        let part = whole(&examiner, &drawn::jpeg(&picture, 85)).await;
        checked(name, &part);
        let distance = nearest(&part, &listed);
        assert!(distance <= MATCHES, "{name}: {distance}");
    }
}

#[tokio::test]
async fn a_picture_stored_lying_is_also_hashed_upright() {
    let examiner = examiner(MediaSettings::default());
    let base = DynamicImage::from(drawn::picture(300, 200, 1));
    let listed = listed(&examiner, &drawn::encoded(&base, ImageFormat::Png)).await;
    for (orientation, stored) in [
        (1, base.clone()),
        (2, base.fliph()),
        (3, base.rotate180()),
        (4, base.flipv()),
        (5, base.rotate90().fliph()),
        (6, base.rotate270()),
        (7, base.rotate270().fliph()),
        (8, base.rotate90()),
    ] {
        let jpeg = drawn::with_orientation(&drawn::jpeg(&stored, 90), orientation);
        let part = whole(&examiner, &jpeg).await;
        checked("orientation", &part);
        let form = if orientation == 1 { Form::Canonical } else { Form::Oriented };
        let upright = part.pictures.iter().find(|picture| picture.form == form).unwrap();
        assert_eq!((upright.width, upright.height), (300, 200));
        let distance = upright.hashes[0].distance(&listed);
        assert!(distance <= RE_ENCODED, "orientation {orientation}: {distance}");
    }
}

#[cfg(feature = "heic")]
#[tokio::test]
async fn a_heic_that_its_container_turns_is_hashed_as_stored_and_upright() {
    let examiner = examiner(MediaSettings::default());
    let listed = listed(&examiner, &fixture("base.png")).await;
    let part = whole(&examiner, &fixture("lying.heic")).await;
    checked("lying.heic", &part);
    let sizes: Vec<_> = part.pictures.iter().map(|p| (p.form, p.width, p.height)).collect();
    assert_eq!(sizes, [(Form::Canonical, 144, 192), (Form::Oriented, 192, 144)]);
    assert!(part.pictures[0].hashes[0].distance(&listed) > MATCHES);
    assert!(part.pictures[1].hashes[0].distance(&listed) <= RE_ENCODED);
}

#[tokio::test]
async fn every_frame_of_an_animation_and_every_page_is_hashed() {
    let examiner = examiner(MediaSettings::default());
    let listed = listed(&examiner, &fixture("base.png")).await;
    for name in ["moving.gif", "moving.png", "moving.webp", "pages.tiff"] {
        let part = whole(&examiner, &fixture(name)).await;
        checked(name, &part);
        let frames: Vec<_> = part
            .pictures
            .iter()
            .filter(|picture| picture.form == Form::Canonical)
            .map(|picture| (picture.frame, picture.hashes[0].distance(&listed) <= MATCHES))
            .collect();
        // The picture is the second of three.
        assert_eq!(frames, [(0, false), (1, true), (2, false)], "{name}");
    }
}

#[tokio::test]
async fn a_picture_in_an_archive_in_an_archive_is_found() {
    let examiner = examiner(MediaSettings::default());
    let png = fixture("base.png");
    let listed = listed(&examiner, &png).await;
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(png.len() as u64);
    builder.append_data(&mut header, "picture", png.as_slice()).unwrap();
    let inner = builder.into_inner().unwrap();
    let outer = drawn::zipped(&[("text", b"nothing"), ("inner.tar", &inner)]);
    let examined = examine(&examiner, &outer).await;
    let places: Vec<_> =
        examined.parts.iter().map(|p| (p.place.as_str(), p.format, p.image)).collect();
    assert_eq!(
        places,
        [
            ("", Format::Zip, CheckState::NotApplicable),
            ("0", Format::Unknown, CheckState::UnsupportedFormat),
            ("1", Format::Tar, CheckState::NotApplicable),
            ("1/0", Format::Png, CheckState::Checked),
        ]
    );
    assert_eq!(nearest(&examined.parts[3], &listed), 0);
    let alone = whole(&examiner, &png).await;
    assert_eq!(examined.parts[3].digests, alone.digests);
    assert_eq!(examined.parts[3].exact, CheckState::Checked);
}

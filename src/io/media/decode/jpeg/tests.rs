//! Inks become light, and hashing from coefficients changes nothing but a few bits of a hash.

mod luma;

use super::*;
use crate::core::media::{Format, Picture};
use crate::core::verdict::{CheckState, Form};
use crate::io::media::decode as whole;
use crate::io::media::limits::MediaLimits;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

#[test]
fn no_ink_is_white_and_black_ink_is_black() {
    let mut values = vec![0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 10, 20, 30, 128];
    inks_to_light(&mut values);
    assert_eq!(values, [255, 255, 255, 0, 0, 0, 0, 255, 255, 122, 117, 112]);
}

const WIDTH: u16 = 1300;
const HEIGHT: u16 = 900;

/// Rings and tiles, inside a border of so many pixels.
fn jpeg(
    width: u16,
    height: u16,
    border: u16,
    set: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let is_border = x < border || y < border || x + border >= width || y + border >= height;
            let (u, v) = (u32::from(x), u32::from(y));
            let rings = (u * u + v * v) / 2900 % 200 + 20;
            let tiles = (u / 97 + v / 61) % 5 * 40 + 30;
            rgb.extend(if is_border {
                [40; 3]
            } else {
                [rings as u8, tiles as u8, (u / 7 % 200) as u8]
            });
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 85);
    set(&mut encoder);
    encoder.encode(&rgb, width, height, ColorType::Rgb).unwrap();
    bytes
}

/// What decoding says, and every hash.
fn decoded(
    bytes: &[u8],
    limits: &MediaLimits,
    pictures_max: u32,
) -> ((CheckState, Reason), Vec<Picture>) {
    let mut found = Vec::new();
    let said = whole::decode(Format::Jpeg, bytes, limits, 0, pictures_max, &mut |p| found.push(p));
    ((said.image, said.reason), found)
}

fn limits(by_coefficients: bool) -> MediaLimits {
    MediaLimits { by_coefficients, ..MediaLimits::default() }
}

/// Decodes both ways: both must say the same of the file, and find the same forms with hashes that are near. Whether
/// any was hashed from coefficients.
fn alike(bytes: &[u8], pictures_max: u32, case: &str) -> bool {
    let (said, canonical) = decoded(bytes, &limits(false), pictures_max);
    let (said_coarse, coarse) = decoded(bytes, &limits(true), pictures_max);
    assert_eq!(said, said_coarse, "{case}");
    assert_eq!(canonical.len(), coarse.len(), "{case}");
    for (a, b) in canonical.iter().zip(&coarse) {
        assert_eq!((a.form, a.frame, a.width, a.height), (b.form, b.frame, b.width, b.height));
        assert!(a.quality.abs_diff(b.quality) <= 1 && !a.by_coefficients, "{case}");
        let apart = |at: usize| a.hashes[at].distance(&b.hashes[at]);
        assert!(apart(0) <= 4, "{case}: {}", apart(0));
        // Of coefficients symmetries are derived; pixels are turned.
        assert!((1..8).all(|at| apart(at) <= 12), "{case}: a symmetry");
    }
    coarse.iter().any(|picture| picture.by_coefficients)
}

fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    exif
}

#[test]
fn large_pictures_are_hashed_from_coefficients_only_when_asked_and_the_same_forms_are_found() {
    for sampling in [SamplingFactor::R_4_2_0, SamplingFactor::R_4_2_2, SamplingFactor::R_4_4_4] {
        let bytes = jpeg(WIDTH, HEIGHT, 0, |encoder| encoder.set_sampling_factor(sampling));
        assert!(alike(&bytes, 100, "plain"));
    }
    for orientation in [1, 2, 6, 8] {
        let bytes = jpeg(WIDTH, HEIGHT, 0, |encoder| {
            encoder.add_exif_metadata(&exif(orientation)).unwrap();
        });
        assert!(alike(&bytes, 100, &format!("orientation {orientation}")));
        let (_, found) = decoded(&bytes, &limits(true), 100);
        assert_eq!(found.len(), 1 + usize::from(orientation > 1));
        assert!(found.iter().all(|picture| picture.by_coefficients));
    }
}

#[test]
fn what_needs_a_closer_look_is_decoded_whole() {
    for border in [8, 13, 40] {
        let bytes = jpeg(WIDTH, HEIGHT, border, |_| ());
        assert!(!alike(&bytes, 100, &format!("border {border}")));
        let (_, found) = decoded(&bytes, &limits(true), 100);
        assert!(found.iter().any(|picture| picture.form == Form::Trimmed), "{border}");
    }
    assert!(!alike(&jpeg(1000, 1000, 0, |_| ()), 100, "below the size"));
    assert!(!alike(
        &jpeg(WIDTH, HEIGHT, 0, |encoder| encoder.set_progressive(true)),
        100,
        "progressive"
    ));
    let turned = jpeg(WIDTH, HEIGHT, 0, |encoder| encoder.add_exif_metadata(&exif(6)).unwrap());
    assert!(!alike(&turned, 1, "room for one form"));
}

#[test]
fn a_damaged_file_is_told_as_such_whichever_way_was_asked_for() {
    let bytes = jpeg(WIDTH, HEIGHT, 0, |_| ());
    for part in [3, 5, 9] {
        let cut = &bytes[..bytes.len() * part / 10];
        assert!(!alike(cut, 100, "cut"));
        assert!(!alike(&[cut, b"\xff\xd9"].concat(), 100, "cut and ended"));
        let mut marked = bytes.clone();
        let at = bytes.len() * part / 10;
        marked[at..at + 2].copy_from_slice(b"\xff\xd3");
        assert!(!alike(&marked, 100, "a stray restart"));
    }
    let (said, _) = decoded(&bytes[..bytes.len() - 2], &limits(true), 100);
    assert_eq!(said.0, CheckState::Corrupt);
    let small = MediaLimits { pixels_max: 1 << 20, ..limits(true) };
    assert_eq!(decoded(&bytes, &small, 100).0, (CheckState::TooLarge, Reason::Pixels));
}

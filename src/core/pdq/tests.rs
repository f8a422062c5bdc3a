//! PDQ against the rules written out plainly, against another implementation, and against itself turned.

mod same;

use super::*;
use crate::core::raster::{Luma, Raster};
use crate::core::verdict::Dihedral;
use pdqhash::image as other;
use proptest::prelude::*;

/// Sizes at which windows, centres and limits change.
pub(super) const SIZES: &[(u32, u32)] = &[
    (5, 5),
    (5, 64),
    (6, 7),
    (63, 63),
    (64, 64),
    (65, 65),
    (63, 65),
    (127, 127),
    (128, 128),
    (129, 129),
    (128, 129),
    (255, 257),
    (511, 511),
    (512, 512),
    (513, 513),
    (640, 480),
    (2049, 5),
    (5, 2049),
    (1500, 40),
    (40, 1500),
    (1027, 771),
    (65_537, 6),
];

/// The sizes for what takes long at each: of the large ones a single one, and with `BULWARK_LONG=1` all.
pub(super) fn few_sizes() -> impl Iterator<Item = (u32, u32)> {
    let is_long = std::env::var_os("BULWARK_LONG").is_some();
    SIZES
        .iter()
        .copied()
        .filter(move |size| is_long || size.0 * size.1 < 100_000 || *size == (513, 513))
}

/// A small generator of numbers, so that pictures are the same on every machine.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u32) -> u32 {
        (self.next() % u64::from(limit)) as u32
    }
}

/// A picture of coloured rectangles over a slope, with a little noise: integers only.
pub(super) fn drawn(width: u32, height: u32, seed: u64) -> Raster {
    let mut numbers = Numbers(seed);
    let boxes: Vec<_> = (0..24)
        .map(|_| {
            let (x, y) = (numbers.below(width), numbers.below(height));
            let (w, h) = (1 + numbers.below(width / 2 + 1), 1 + numbers.below(height / 2 + 1));
            (x, y, w, h, [numbers.below(256), numbers.below(256), numbers.below(256)])
        })
        .collect();
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let mut colour = [x * 255 / width, y * 255 / height, 128];
            for &(left, top, w, h, paint) in &boxes {
                if (left..left + w).contains(&x) && (top..top + h).contains(&y) {
                    colour = paint;
                }
            }
            let noise = numbers.below(8);
            rgb.extend(colour.map(|channel| (channel.saturating_add(noise)).min(255) as u8));
        }
    }
    Raster::new(width, height, rgb).unwrap()
}

/// The reference's filter, written out: two whole buffers, one line after the other.
pub(super) fn plain_filter(luma: &Luma) -> Small {
    fn line(values: &[f32], window: usize) -> Vec<f32> {
        let half = (window + 2) / 2;
        let (mut left, mut right, mut sum, mut size) = (0, 0, 0.0_f32, 0);
        let mut out = Vec::new();
        for _ in 0..half - 1 {
            sum += values[right];
            (right, size) = (right + 1, size + 1);
        }
        for _ in 0..window - half + 1 {
            sum += values[right];
            (right, size) = (right + 1, size + 1);
            out.push(sum / size as f32);
        }
        for _ in 0..values.len() - window {
            sum += values[right];
            sum -= values[left];
            (left, right) = (left + 1, right + 1);
            out.push(sum / size as f32);
        }
        for _ in 0..half - 1 {
            sum -= values[left];
            (left, size) = (left + 1, size - 1);
            out.push(sum / size as f32);
        }
        out
    }
    let (width, height) = (luma.width() as usize, luma.height() as usize);
    let (across, down) = (width.div_ceil(128), height.div_ceil(128));
    let mut picture = luma.values().to_vec();
    for _ in 0..2 {
        for row in picture.chunks_exact_mut(width) {
            let out = line(row, across);
            row.copy_from_slice(&out);
        }
        for x in 0..width {
            let column: Vec<f32> = picture.iter().skip(x).step_by(width).copied().collect();
            for (y, value) in line(&column, down).into_iter().enumerate() {
                picture[y * width + x] = value;
            }
        }
    }
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let y = ((i as f64 + 0.5) * height as f64 / 64.0) as usize;
            let x = ((j as f64 + 0.5) * width as f64 / 64.0) as usize;
            picture[y * width + x]
        })
    })
}

/// The reference's transform and bits, written out.
fn plain_bits(small: &Small) -> Bits256 {
    let scale = (2.0_f64 / 64.0).sqrt() as f32;
    let cosine = |i: usize, j: usize| {
        let angle = (std::f64::consts::PI / 2.0 / 64.0) * (i as f64 + 1.0) * (2.0 * j as f64 + 1.0);
        (f64::from(scale) * angle.cos()) as f32
    };
    let mut values = Vec::new();
    for i in 0..16 {
        let half: Vec<f32> = (0..64)
            .map(|j| (0..64).fold(0.0_f32, |sum, k| sum + cosine(i, k) * small[k][j]))
            .collect();
        for j in 0..16 {
            values.push((0..64).fold(0.0_f32, |sum, k| sum + half[k] * cosine(j, k)));
        }
    }
    let mut order = values.clone();
    order.sort_by(f32::total_cmp);
    let mut bits = Bits256::default();
    for (k, value) in values.into_iter().enumerate() {
        if value > order[127] {
            bits.0[k / 64] |= 1 << (k % 64);
        }
    }
    bits
}

fn text(bits: Bits256) -> String {
    hex::encode(bits.to_bytes())
}

/// What the crate `pdqhash` says of the same pixels.
fn peer(raster: &Raster) -> Bits256 {
    let picture = other::RgbImage::from_fn(raster.width(), raster.height(), |x, y| {
        other::Rgb(raster.pixel(x, y))
    });
    let (bytes, _) = pdqhash::generate_pdq_full_size(&other::DynamicImage::ImageRgb8(picture));
    Bits256::from_bytes(bytes)
}

#[test]
fn the_streamed_filter_equals_the_plain_one_to_the_last_bit_at_every_size() {
    for (seed, &(width, height)) in (1..).zip(SIZES) {
        let raster = drawn(width, height, seed);
        let luma = raster.luma();
        let streamed = filter::reduce(&raster);
        let plain = plain_filter(&luma);
        let exact = |small: &Small| small.map(|row| row.map(f32::to_bits));
        assert!(exact(&streamed) == exact(&plain), "filter differs at {width}x{height}");
        assert!(exact(&filter::reduce(&luma)) == exact(&plain), "luma differs at {width}x{height}");
        assert_eq!(text(hash(&raster).hashes[0]), text(plain_bits(&plain)), "{width}x{height}");
    }
}

#[test]
fn hashes_equal_those_of_another_implementation_at_every_size() {
    for (seed, &(width, height)) in (100..).zip(SIZES) {
        let raster = drawn(width, height, seed);
        let ours = hash(&raster).hashes[0];
        assert_eq!(text(ours), text(peer(&raster)), "{width}x{height}");
    }
}

#[test]
fn a_picture_below_five_pixels_has_the_zero_hash_and_no_quality() {
    for (width, height) in [(4, 5), (5, 4), (1, 1), (4, 400), (400, 4)] {
        let raster = drawn(width, height, 7);
        assert_eq!(hash(&raster).hashes, [Bits256::default(); 8]);
        assert_eq!(hash(&raster).quality, 0);
        assert_eq!(hash_512(&raster).quality, 0);
        assert_eq!(hash_one(&raster), (Bits256::default(), 0));
    }
}

#[test]
fn only_the_single_hash_takes_a_picture_of_64_by_64_as_filtered() {
    let raster = drawn(64, 64, 5);
    let luma = raster.luma();
    let small: Small = std::array::from_fn(|y| std::array::from_fn(|x| luma.values()[y * 64 + x]));
    assert_eq!(text(hash_one(&raster).0), text(plain_bits(&small)));
    assert_eq!(text(hash(&raster).hashes[0]), text(plain_bits(&plain_filter(&luma))));
    let larger = drawn(65, 64, 5);
    let hashed = hash(&larger);
    assert_eq!(hash_one(&larger), (hashed.hashes[0], hashed.quality));
}

#[test]
fn the_mode_of_512_changes_only_pictures_that_are_larger() {
    for (width, height) in [(512, 512), (100, 512), (64, 64)] {
        let raster = drawn(width, height, 11);
        assert_eq!(hash_512(&raster), hash(&raster));
    }
    for (width, height) in [(513, 100), (100, 513), (1024, 768), (1000, 2000)] {
        let raster = drawn(width, height, 12);
        let mut rgb = Vec::new();
        for y in 0..512 {
            for x in 0..512 {
                rgb.extend(raster.pixel(x * width / 512, y * height / 512));
            }
        }
        let resized = Raster::new(512, 512, rgb).unwrap();
        assert_eq!(hash_512(&raster), hash(&resized));
        let apart = hash_512(&raster).hashes[0].distance(&hash(&raster).hashes[0]);
        assert!((1..=24).contains(&apart), "{apart} bits apart at {width}x{height}");
    }
}

#[test]
fn grey_hashes_as_equal_channels_do() {
    for (seed, (width, height)) in (200..).zip(few_sizes()) {
        let picture = drawn(width, height, seed);
        let mut grey = Vec::new();
        for y in 0..height {
            grey.extend((0..width).map(|x| picture.pixel(x, y)[0]));
        }
        let rgb = grey.iter().flat_map(|&g| [g, g, g]).collect();
        let grey = hash(&Raster::grey(width, height, grey).unwrap());
        let rgb = hash(&Raster::new(width, height, rgb).unwrap());
        assert!(grey.hashes[0].distance(&rgb.hashes[0]) <= 2, "{width}x{height}");
        assert!(grey.quality.abs_diff(rgb.quality) <= 1, "{width}x{height}");
    }
}

#[test]
fn a_large_picture_really_turned_is_within_a_few_bits_of_the_turned_hash() {
    for (width, height) in [(640, 480), (333, 1024), (1100, 900)] {
        let raster = drawn(width, height, 3);
        let computed = hash(&raster);
        for (by, expected) in Dihedral::ALL.into_iter().zip(computed.hashes) {
            let really = hash(&raster.view().oriented(turning(by)));
            let apart = really.hashes[0].distance(&expected);
            assert!(apart <= 14, "{by:?} is {apart} bits off at {width}x{height}");
            assert!(really.quality.abs_diff(computed.quality) <= 3);
        }
    }
}

#[test]
fn turning_the_pixels_finds_a_small_turned_picture_without_a_bit_of_difference() {
    for (width, height) in [(200, 200), (150, 99), (64, 64)] {
        let raster = drawn(width, height, 3);
        let listed = hash(&raster).hashes[0];
        for by in Dihedral::ALL {
            let upload = raster.oriented(turning(by));
            let forms = hash_turning(&upload.view()).upright().hashes;
            assert!(forms.contains(&listed), "{by:?} at {width}x{height}");
        }
        assert_eq!(hash_turning(&raster.view()).upright().hashes[0], listed);
    }
}

#[test]
fn each_form_of_turned_pixels_stands_at_its_own_place() {
    let raster = drawn(900, 1100, 3);
    let (computed, really) = (hash(&raster), hash_turning(&raster.view()).upright());
    for (a, b) in computed.hashes.iter().zip(&really.hashes) {
        assert!(a.distance(b) <= 14);
    }
    assert_eq!(computed.quality, really.quality);
}

/// Arbitrary coefficients.
fn coefficients() -> impl Strategy<Value = dct::Coefficients> {
    proptest::collection::vec(-500.0_f32..500.0, 256)
        .prop_map(|values| std::array::from_fn(|i| std::array::from_fn(|j| values[16 * i + j])))
}

proptest! {
    #[test]
    fn the_symmetries_close_to_a_group(a in coefficients()) {
        use Dihedral::{AntiTransposed, Flipped, Mirrored, Original, Rotated90, Rotated180, Rotated270, Transposed};
        let then = |first: Dihedral, second: Dihedral| bits::turned(&bits::turned(&a, first), second);
        prop_assert_eq!(bits::turned(&a, Original), a);
        for twice in [Rotated180, Flipped, Mirrored, Transposed, AntiTransposed] {
            prop_assert_eq!(then(twice, twice), a);
        }
        prop_assert_eq!(then(Rotated90, Rotated90), bits::turned(&a, Rotated180));
        prop_assert_eq!(then(Rotated180, Rotated90), bits::turned(&a, Rotated270));
        prop_assert_eq!(then(Rotated90, Rotated270), a);
        prop_assert_eq!(then(Flipped, Mirrored), bits::turned(&a, Rotated180));
        prop_assert_eq!(then(Transposed, Flipped), bits::turned(&a, Rotated90));
        for first in Dihedral::ALL {
            for second in Dihedral::ALL {
                let both = then(first, second);
                prop_assert!(Dihedral::ALL.iter().any(|&by| bits::turned(&a, by) == both));
            }
        }
    }

    #[test]
    fn half_of_the_bits_are_set_where_no_coefficients_tie(a in coefficients()) {
        let mut distinct: Vec<u32> = a.as_flattened().iter().map(|v| v.to_bits()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        prop_assume!(distinct.len() == 256);
        prop_assert_eq!(bits::above_median(&a).distance(&Bits256::default()), 128);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_noise_hashes_as_the_plain_rules_say(
        width in 5_u32..200, height in 5_u32..200, seed in any::<u64>(),
    ) {
        let mut numbers = Numbers(seed);
        let rgb = (0..width * height * 3).map(|_| numbers.below(256) as u8).collect();
        let raster = Raster::new(width, height, rgb).unwrap();
        let plain = plain_filter(&raster.luma());
        let hashed = hash(&raster);
        prop_assert_eq!(hashed.hashes[0], plain_bits(&plain));
        prop_assert!(hashed.quality <= 100);
        prop_assert_eq!(hash(&raster.luma()), hashed);
    }
}

#[test]
fn quality_is_counted_in_whole_percents_of_difference() {
    let striped = |dark: f32, light: f32| -> Small {
        std::array::from_fn(|_| std::array::from_fn(|x| if x % 2 == 0 { dark } else { light }))
    };
    assert_eq!(bits::quality(&striped(0.0, 0.0)), 0);
    // 2.54 is 0.996 %, cut to nothing; 2.55 is one percent, 4032 times, a ninetieth of which is 44.
    assert_eq!(bits::quality(&striped(0.0, 2.54)), 0);
    assert_eq!(bits::quality(&striped(0.0, 2.551)), 44);
    assert_eq!(bits::quality(&striped(2.551, 0.0)), 44);
    assert_eq!(bits::quality(&striped(0.0, 5.11)), 89);
    assert_eq!(bits::quality(&striped(0.0, 255.0)), 100);
    let flat = Raster::grey(100, 80, vec![77; 8000]).unwrap();
    assert_eq!(hash(&flat).quality, 0);
}

#[test]
fn hashes_of_drawn_pictures_stay_what_they_are() {
    let mut table = String::new();
    for (seed, &(width, height)) in (300..).zip(SIZES) {
        let hashed = hash(&drawn(width, height, seed));
        let first = text(hashed.hashes[0]);
        table += &format!("{width}x{height} quality {} {first}\n", hashed.quality);
    }
    let turned = hash(&drawn(640, 480, 400));
    for (by, bits) in Dihedral::ALL.into_iter().zip(turned.hashes) {
        table += &format!("640x480 {by:?} {}\n", text(bits));
    }
    table += &format!("1024x768 512 {}\n", text(hash_512(&drawn(1024, 768, 401)).hashes[0]));
    insta::assert_snapshot!(table);
}

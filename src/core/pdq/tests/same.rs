//! The fast forms of the rules against straightforward ones: the same bits where that is promised, nearly so elsewhere.

use super::super::wide::Work as _;
use super::*;

/// A filtered picture of any values that can come of pixels.
fn small() -> impl Strategy<Value = Small> {
    any::<u64>().prop_map(|seed| {
        let mut numbers = Numbers(seed);
        std::array::from_fn(|_| {
            std::array::from_fn(|_| (numbers.next() >> 40) as f32 * (255.0 / (1_u32 << 24) as f32))
        })
    })
}

fn coefficients() -> impl Strategy<Value = dct::Coefficients> {
    small().prop_map(|small| {
        std::array::from_fn(|i| std::array::from_fn(|j| small[i][j] - small[i + 16][j + 16]))
    })
}

/// The quality as the reference counts it.
fn plain_quality(small: &Small) -> u32 {
    let difference = |u: f32, v: f32| ((((u - v) * 100.0) / 255.0) as i32).unsigned_abs();
    let mut sum = 0;
    for y in 0..SIDE {
        for x in 0..SIDE {
            if y + 1 < SIDE {
                sum += difference(small[y][x], small[y + 1][x]);
            }
            if x + 1 < SIDE {
                sum += difference(small[y][x], small[y][x + 1]);
            }
        }
    }
    (sum / 90).min(100)
}

/// Whether two filtered pictures are the same to the last bit.
fn same(a: &Small, b: &Small) -> bool {
    let pairs = a.as_flattened().iter().zip(b.as_flattened());
    pairs.into_iter().all(|(a, b)| a.to_bits() == b.to_bits())
}

/// Greatest difference between two filtered pictures.
fn apart(a: &Small, b: &Small) -> f32 {
    let pairs = a.as_flattened().iter().zip(b.as_flattened());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn transposed(small: &Small) -> Box<Small> {
    Box::new(std::array::from_fn(|i| std::array::from_fn(|j| small[j][i])))
}

/// The filtered picture of each symmetry, as its tents give it.
fn of(smalls: &tents::Smalls, by: Dihedral) -> Box<Small> {
    let [[original, mirrored], [flipped, both]] = smalls;
    match by {
        Dihedral::Original => Box::new(*original),
        Dihedral::Mirrored => Box::new(*mirrored),
        Dihedral::Flipped => Box::new(*flipped),
        Dihedral::Rotated180 => Box::new(*both),
        Dihedral::Transposed => transposed(original),
        Dihedral::Rotated90 => transposed(mirrored),
        Dihedral::Rotated270 => transposed(flipped),
        Dihedral::AntiTransposed => transposed(both),
    }
}

#[test]
fn tents_are_the_filter_of_the_really_turned_picture_within_a_fiftieth_of_a_grey_level() {
    for (seed, (width, height)) in (500..).zip(few_sizes()) {
        let raster = drawn(width, height, seed);
        let smalls = plane::reduce(&raster);
        for by in Dihedral::ALL {
            let really = plain_filter(&raster.oriented(turning(by)).luma());
            let apart = apart(&of(&smalls, by), &really);
            assert!(apart < 0.02, "{by:?} is {apart} off at {width}x{height}");
        }
    }
}

#[test]
fn the_hashes_of_turned_pictures_are_within_two_bits_of_those_of_really_turned_ones() {
    // Smaller pictures have coefficients that tie.
    let sizes = few_sizes().filter(|size| size.0.min(size.1) >= 63);
    for (seed, (width, height)) in (600..).zip(sizes) {
        let raster = drawn(width, height, seed);
        let (turning_, freely) = (hash_turning(&raster), hash_freely(&raster));
        assert_eq!(turning_.upright().hashes[0], hash(&raster).hashes[0], "canonical");
        assert_eq!(turning_.upright().quality, hash(&raster).quality, "canonical");
        for (place, by) in Dihedral::ALL.into_iter().enumerate() {
            let really = hash(&raster.view().oriented(turning(by)));
            for turned in [turning_, freely] {
                let apart = turned.hashes[place].distance(&really.hashes[0]);
                assert!(apart <= 2, "{by:?} is {apart} bits off at {width}x{height}");
                assert!(turned.qualities[place].abs_diff(really.quality) <= 1);
            }
        }
    }
}

#[test]
fn an_oriented_picture_has_the_hashes_of_the_stored_one_in_another_order() {
    let raster = drawn(333, 257, 8);
    let turned = hash_freely(&raster);
    for orientation in 0..=9 {
        let really = hash_freely(&raster.oriented(orientation)).upright();
        let reordered = turned.oriented(orientation);
        for (a, b) in really.hashes.iter().zip(&reordered.hashes) {
            assert!(a.distance(b) <= 2, "orientation {orientation}");
        }
        assert!(really.quality.abs_diff(reordered.quality) <= 1);
    }
    assert_eq!(turned.oriented(1), turned.upright());
    assert_eq!(
        turned.oriented(6).hashes[0],
        turned.upright().hashes[3],
        "a quarter turn clockwise"
    );
}

#[test]
fn the_forms_for_wide_registers_give_the_same_bits_as_those_for_every_processor() {
    for (seed, (width, height)) in (700..).zip(few_sizes()) {
        let raster = drawn(width, height, seed);
        let small = filter::Reduce(&raster).run::<false>();
        assert!(same(&small, &wide::run(filter::Reduce(&raster))), "{width}x{height}");
        let (beside, smalls) = filter::ReduceTurning(&raster).run::<false>();
        let (wide_beside, wide_smalls) = filter::reduce_turning(&raster);
        assert!(same(&beside, &small) && same(&wide_beside, &small));
        let freely = plane::reduce(&raster);
        for by in Dihedral::ALL {
            assert!(same(&of(&smalls, by), &of(&wide_smalls, by)), "{width}x{height}");
            assert!(same(&of(&smalls, by), &of(&freely, by)), "{width}x{height}");
        }
        let coefficients = dct::Transform(&small).run::<false>();
        assert_eq!(coefficients, wide::run(dct::Transform(&small)));
        assert_eq!(bits::Quality(&small).run::<false>(), bits::quality(&small));
        let values = || small.as_flattened().iter().copied();
        let contrast = values().fold(f32::MIN, f32::max) - values().fold(f32::MAX, f32::min);
        assert_eq!(bits::Contrast(&small).run::<false>(), contrast);
        assert_eq!(bits::contrast(&small), contrast);
    }
}

#[test]
fn bytes_are_summed_to_the_same_bits_as_their_luma() {
    let larger =
        [(2100, 300), (300, 2100), (4200, 40), (33, 5000), (12, 8192), (12, 8193), (7, 33_000)];
    for (seed, (width, height)) in (800..).zip(few_sizes().chain(larger)) {
        let picture = drawn(width, height, seed);
        let bytes = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        // The darkest and the lightest there is, side by side: the largest sums.
        let bytes = bytes.map(|(x, y)| if y < height / 3 { 255 } else { picture.pixel(x, y)[0] });
        let grey = Raster::grey(width, height, bytes.collect()).unwrap();
        let (as_bytes, as_luma) = (plane::reduce(&grey), plane::reduce(&grey.luma()));
        let values = grey.bytes().unwrap();
        let (width, height) = (width as usize, height as usize);
        let plain = plane::OfBytes { values, width, height }.run::<false>();
        for by in Dihedral::ALL {
            assert!(same(&of(&as_bytes, by), &of(&as_luma, by)), "{width}x{height}");
            assert!(same(&of(&plain, by), &of(&as_luma, by)), "{width}x{height}, any processor");
        }
    }
}

#[test]
fn a_quotient_by_product_and_rest_is_that_of_a_division_to_the_last_bit() {
    let mut numbers = Numbers(9);
    for by in (1..=600).chain([1000, 4095, 4096, 4097, 32_767, 65_535, 65_536]) {
        let by = by as f32;
        let check = |sum: f32| {
            let quotient = wide::divide::<true>(sum, by, 1.0 / by);
            assert_eq!(quotient.to_bits(), (sum / by).to_bits(), "{sum} by {by}");
        };
        check(0.0);
        for _ in 0..2000 {
            let random = numbers.next();
            // A sum of so many luma, a whole one, and what is left of one when all was taken away.
            let sum = (random >> 40) as f32 * (255.0 / (1_u32 << 24) as f32) * by;
            check(sum);
            check(sum.round());
            check(-sum * 0.5_f32.powi((random & 15) as i32 + 8));
            // Beside the middle between two quotients.
            let quotient = f32::from_bits((sum / by).to_bits() | 1);
            check(quotient * by);
            check(f32::from_bits((quotient * by).to_bits() + 1));
        }
    }
}

#[test]
fn a_square_is_turned_as_plain_code_turns_it() {
    let rows: [[f32; 4]; 4] = std::array::from_fn(|y| std::array::from_fn(|x| (10 * y + x) as f32));
    let rows = rows.each_ref();
    assert_eq!(wide::square(rows), wide::square_plain(rows));
    assert_eq!(wide::square(rows)[1], [1.0, 11.0, 21.0, 31.0]);
    let rows: [[u16; 8]; 8] =
        std::array::from_fn(|y| std::array::from_fn(|x| (65_000 - 10 * y + x) as u16));
    let rows = rows.each_ref();
    assert_eq!(wide::square_of_eight(rows), wide::square_plain(rows));
    assert_eq!(wide::square_of_eight(rows)[7][2], 64_987);
}

proptest! {
    #[test]
    fn medians_that_are_shared_give_the_bits_of_medians_of_their_own(a in coefficients()) {
        let each = Dihedral::ALL.map(|by| bits::above_median(&bits::turned(&a, by)));
        prop_assert_eq!(bits::dihedral(&a), each);
    }

    #[test]
    fn quality_is_that_of_the_plain_rule(small in small(), dim in 0..8_i32) {
        let dimmed = small.map(|row| row.map(|value| value * 0.5_f32.powi(dim)));
        prop_assert_eq!(bits::quality(&dimmed), plain_quality(&dimmed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_picture_is_filtered_as_the_plain_rules_say_however_it_is_given(
        width in 5_u32..400, height in 5_u32..400, seed in any::<u64>(),
    ) {
        let raster = drawn(width, height, seed);
        let luma: Luma = raster.luma();
        let plain = plain_filter(&luma);
        prop_assert!(same(&filter::reduce(&raster), &plain));
        let (small, smalls) = filter::reduce_turning(&luma);
        prop_assert!(same(&small, &plain));
        prop_assert!(apart(&smalls[0][0], &plain) < 0.02);
    }
}

//! What is read is what a full decoder shows; what is strange is refused, and nothing is too strange.

use super::*;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const ALL: Limits = Limits { pixels_min: 0, pixels_max: 1 << 30, side_max: 65_535 };

const SAMPLINGS: [SamplingFactor; 4] = [
    SamplingFactor::R_4_4_4,
    SamplingFactor::R_4_2_2,
    SamplingFactor::R_4_2_0,
    SamplingFactor::R_4_4_0,
];

/// Every block that was handed out.
#[derive(Default)]
struct Seen {
    low: BTreeMap<(usize, usize), Low>,
    samples: BTreeMap<(usize, usize), Centred>,
}

impl Take for Seen {
    fn low(&mut self, column: usize, row: usize, low: &Low) {
        assert!(self.low.insert((column, row), *low).is_none());
    }

    fn samples(&mut self, column: usize, row: usize, samples: &Centred) {
        assert!(self.samples.insert((column, row), *samples).is_none());
    }
}

fn see(bytes: &[u8]) -> Result<(Seen, Edges), NotThisWay> {
    let mut seen = Seen::default();
    let edges = open(bytes, ALL)?.follow(&mut seen)?;
    Ok((seen, edges))
}

fn refusal(bytes: &[u8]) -> Option<NotThisWay> {
    see(bytes).err()
}

/// A picture of soft colours, or of ones at the ends of what a byte holds.
fn drawn(width: u32, height: u32, harsh: bool) -> Vec<u8> {
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let wave = |step: f32| ((x as f32 * step).sin() + (y as f32 * step * 0.7).cos()) * 28.0;
            let soft = [128.0 + wave(0.21), 120.0 + wave(0.13), 135.0 - wave(0.33)];
            let tile = (x / 11 + y / 7) % 8;
            rgb.extend((0..3).map(|channel| match harsh {
                true => (tile >> channel & 1) as u8 * 255,
                false => soft[channel] as u8,
            }));
        }
    }
    rgb
}

fn encode(
    rgb: &[u8],
    width: u32,
    height: u32,
    set: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 85);
    set(&mut encoder);
    encoder.encode(rgb, width as u16, height as u16, ColorType::Rgb).unwrap();
    bytes
}

/// What a full decoder shows, as luma less 128.
fn decoded(bytes: &[u8]) -> (usize, usize, Vec<f32>) {
    let picture = image::load_from_memory(bytes).unwrap().into_rgb8();
    let lumas = picture.pixels().map(|p| crate::core::raster::luma(p[0], p[1], p[2]) - 128.0);
    (picture.width() as usize, picture.height() as usize, lumas.collect())
}

/// For each block that lies in the picture as a whole: what is handed out, and what a decoder shows.
fn compare(bytes: &[u8], mut with: impl FnMut(Option<&Low>, Option<&Centred>, &Centred)) -> Seen {
    let (seen, _) = see(bytes).unwrap();
    let (width, height, lumas) = decoded(bytes);
    for row in 0..height / 8 {
        for column in 0..width / 8 {
            let shown =
                std::array::from_fn(|at| lumas[(8 * row + at / 8) * width + 8 * column + at % 8]);
            let place = (column, row);
            assert!(seen.low.contains_key(&place) != seen.samples.contains_key(&place));
            with(seen.low.get(&place), seen.samples.get(&place), &shown);
        }
    }
    seen
}

/// One coefficient of a block of samples.
fn coefficient(samples: &Centred, across: usize, down: usize) -> f32 {
    let term =
        |(at, sample): (usize, &f32)| sample * basis()[across][at % 8] * basis()[down][at / 8];
    samples.iter().enumerate().map(term).sum()
}

#[test]
fn coefficients_are_those_of_the_decoded_pixels() {
    let rgb = drawn(150, 97, false);
    for sampling in SAMPLINGS {
        for (quality, restart) in [(40, 0), (85, 3), (97, 1)] {
            let bytes = encode(&rgb, 150, 97, |encoder| {
                encoder.set_quality(quality);
                encoder.set_sampling_factor(sampling);
                encoder.set_restart_interval(restart);
            });
            let seen = compare(&bytes, |low, samples, shown| {
                if let Some(low) = low {
                    // The mean of a block is its first coefficient, but for the rounding of pixels.
                    let mean = shown.iter().sum::<f32>() / 64.0;
                    assert!((low[0][0] / 8.0 - mean).abs() < 0.6, "{sampling:?} {quality}");
                    for (down, row) in low.iter().enumerate() {
                        for (across, value) in row.iter().enumerate() {
                            let off = (value - coefficient(shown, across, down)).abs();
                            assert!(off < 5.0, "{sampling:?} {quality} {across} {down}: {off}");
                        }
                    }
                }
                if let Some(samples) = samples {
                    let off = samples.iter().zip(shown).map(|(a, b)| (a - b).abs());
                    assert!(off.fold(0.0, f32::max) < 3.0, "{sampling:?} {quality}");
                }
            });
            assert!(seen.low.len() > 50, "{sampling:?} {quality}: {}", seen.low.len());
        }
    }
}

#[test]
fn where_colours_leave_their_range_pixels_are_made() {
    let rgb = drawn(192, 128, true);
    for sampling in SAMPLINGS {
        let bytes = encode(&rgb, 192, 128, |encoder| {
            encoder.set_quality(60);
            encoder.set_sampling_factor(sampling);
        });
        let (mut off, mut blocks) = (0.0, 0);
        let seen = compare(&bytes, |_, samples, shown| {
            if let Some(samples) = samples {
                // Decoders differ in how they spread colours over pixels.
                off += samples.iter().zip(shown).map(|(a, b)| a - b).sum::<f32>().abs() / 64.0;
                blocks += 1;
            }
        });
        assert!(seen.samples.len() > 20 * seen.low.len(), "{sampling:?}");
        assert!(off / (blocks as f32) < 4.0, "{sampling:?}: {}", off / blocks as f32);
    }
}

/// Bits as entropy-coded data.
#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    bits: u64,
    count: u32,
}

impl Written {
    fn put(&mut self, value: i32, count: u32) {
        self.bits = self.bits << count | (value as u64 & ((1 << count) - 1));
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.bits >> self.count) as u8;
            self.bytes.push(byte);
            if byte == 0xff {
                self.bytes.push(0);
            }
        }
    }

    /// A block that has a first coefficient only, by its difference from the last.
    fn block(&mut self, difference: i32) {
        let size = 32 - difference.unsigned_abs().leading_zeros();
        self.put(size as i32, 4);
        self.put(if difference < 0 { difference - 1 } else { difference }, size);
        self.put(0, 1);
    }
}

/// A picture of flat blocks with these samplings, three components; `mean` is the first coefficient of a block of luma.
fn flat(factors: [u8; 3], width: u16, height: u16, mean: impl Fn(usize, usize) -> i32) -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xdb\x00\x43\x00".to_vec();
    bytes.extend([1; 64]);
    bytes.extend(b"\xff\xc0\x00\x11\x08");
    bytes.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
    bytes.push(3);
    bytes.extend((1..).zip(factors).flat_map(|(id, factors)| [id, factors, 0]));
    bytes.extend(b"\xff\xc4\x00\x1f\x00\x00\x00\x00\x0c\0\0\0\0\0\0\0\0\0\0\0\0");
    bytes.extend(0..12);
    bytes.extend(b"\xff\xc4\x00\x14\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    bytes.extend(b"\xff\xda\x00\x0c\x03\x01\0\x02\0\x03\0\x00\x3f\x00");
    let (across, down) = (usize::from(factors[0] >> 4), usize::from(factors[0] & 15));
    let mut written = Written::default();
    let mut last = 0;
    for row in 0..usize::from(height).div_ceil(8 * down) {
        for column in 0..usize::from(width).div_ceil(8 * across) {
            for number in 0..across * down {
                let mean = mean(column * across + number % across, row * down + number / across);
                written.block(mean - last);
                last = mean;
            }
            for factors in &factors[1..] {
                (0..(factors >> 4) * (factors & 15)).for_each(|_| written.block(0));
            }
        }
    }
    written.put(0x7f, 7);
    bytes.extend(written.bytes);
    bytes.extend(b"\xff\xd9");
    bytes
}

#[test]
fn blocks_come_where_they_belong_in_every_sampling() {
    let mean = |column: usize, row: usize| (column * 37 + row * 101) as i32 % 900 - 450;
    let colours = [0x11, 0x12, 0x21, 0x22];
    for factors in [0x11, 0x21, 0x12, 0x22, 0x41, 0x14, 0x42, 0x24] {
        for colour in
            colours.into_iter().filter(|c| factors & 15 >= c & 15 && factors >> 4 >= c >> 4)
        {
            if 2 * (colour >> 4) * (colour & 15) + (factors >> 4) * (factors & 15) > 10 {
                continue;
            }
            let (seen, _) = see(&flat([factors, colour, colour], 200, 152, mean)).unwrap();
            assert!(!seen.low.is_empty());
            for ((column, row), low) in seen.low {
                assert_eq!(low[0][0], mean(column, row) as f32, "{factors:x} {colour:x}");
            }
            for ((column, row), samples) in seen.samples {
                let off = (samples[0] - mean(column, row) as f32 / 8.0).abs();
                assert!(off <= 0.51, "{factors:x} {colour:x}");
            }
        }
    }
}

#[test]
fn grey_is_read_whatever_sampling_it_names() {
    let grey: Vec<u8> = drawn(101, 77, false).into_iter().step_by(3).collect();
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, 80).encode(&grey, 101, 77, ColorType::Luma).unwrap();
    let seen = compare(&bytes, |low, samples, shown| {
        let mean = shown.iter().sum::<f32>() / 64.0;
        let found = low.map_or_else(
            || samples.map_or(0.0, |samples| samples.iter().sum::<f32>() / 64.0),
            |low| low[0][0] / 8.0,
        );
        assert!((found - mean).abs() < 0.6);
    });
    assert_eq!(seen.low.len() + seen.samples.len(), 13 * 10);
    let frame = place(&bytes, 0xc0);
    let mut odd = bytes.clone();
    odd[frame + 11] = 0x22;
    assert_eq!(see(&odd).unwrap().0.low, seen.low);
}

/// Where the segment with this marker begins.
fn place(bytes: &[u8], marker: u8) -> usize {
    bytes.windows(2).position(|two| two == [0xff, marker]).unwrap()
}

fn small() -> Vec<u8> {
    encode(&drawn(40, 24, false), 40, 24, |encoder| {
        encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
        encoder.set_restart_interval(2);
    })
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    // In the suite at a part of them, and at the end of the file.
    let is_long = std::env::var_os("BULWARK_LONG").is_some();
    for bytes in [small(), encode(&drawn(64, 64, true), 64, 64, |_| ())] {
        assert!(see(&bytes).is_ok());
        let every = |cut: &usize| is_long || cut.is_multiple_of(5) || cut + 64 > bytes.len();
        for cut in (0..bytes.len()).filter(every) {
            assert!(refusal(&bytes[..cut]).is_some(), "{cut}");
            // An end marker makes no whole of it.
            let data = place(&bytes, 0xda) + 14;
            if (data..bytes.len() - 2).contains(&cut) {
                let ended = [&bytes[..cut], b"\xff\xd9"].concat();
                assert!(refusal(&ended).is_some(), "{cut} and an end");
            }
        }
    }
}

#[test]
fn what_stands_around_the_data_may_vary_and_the_picture_does_not() {
    let bytes = small();
    let (seen, _) = see(&bytes).unwrap();
    let mut others = vec![[&bytes[..], b"behind"].concat()];
    // Fill bytes before markers, comments, a restart interval that is said later.
    let frame = place(&bytes, 0xc0);
    others.push([&bytes[..frame], b"\xff\xff\xff", &bytes[frame..]].concat());
    others.push([&bytes[..frame], b"\xff\xfe\x00\x06\xff\xd9ab", &bytes[frame..]].concat());
    let interval = place(&bytes, 0xdd);
    let scan = place(&bytes, 0xda);
    let (before, after) = (&bytes[..interval], &bytes[interval + 6..scan]);
    others.push([before, after, &bytes[interval..interval + 6], &bytes[scan..]].concat());
    let end = bytes.len() - 2;
    others.push([&bytes[..end], b"\xff\xff", &bytes[end..]].concat());
    for (case, other) in others.iter().enumerate() {
        let (found, _) = see(other).unwrap();
        assert!(found.low == seen.low && found.samples == seen.samples, "{case}");
    }
}

#[test]
fn what_is_unusual_is_named() {
    let bytes = small();
    let (frame, scan) = (place(&bytes, 0xc0), place(&bytes, 0xda));
    let with = |at: usize, value: u8| {
        let mut changed = bytes.clone();
        changed[at] = value;
        refusal(&changed)
    };
    assert_eq!(refusal(&bytes[1..]), Some(NotThisWay::Structure));
    assert_eq!(with(frame + 1, 0xc2), Some(NotThisWay::Progressive));
    assert_eq!(with(frame + 1, 0xc9), Some(NotThisWay::Arithmetic));
    assert_eq!(with(frame + 1, 0xc3), Some(NotThisWay::Structure));
    assert_eq!(with(frame + 4, 12), Some(NotThisWay::Depth));
    assert_eq!(with(frame + 10, b'R'), Some(NotThisWay::Colours));
    for sampling in [0x00, 0x02, 0x52, 0x05, 0x44] {
        assert_eq!(with(frame + 11, sampling), Some(NotThisWay::Sampling), "{sampling:x}");
    }
    assert_eq!(with(frame + 14, 0x00), Some(NotThisWay::Sampling));
    assert_eq!(with(frame + 12, 3), Some(NotThisWay::Tables));
    assert_eq!(with(frame + 12, 200), Some(NotThisWay::Tables));
    assert_eq!(with(scan + 6, 0x22), Some(NotThisWay::Tables));
    assert_eq!(with(scan + 6, 0xff), Some(NotThisWay::Tables));
    assert_eq!(with(scan + 5, 9), Some(NotThisWay::Scan));
    assert_eq!(with(scan + 12, 10), Some(NotThisWay::Scan));
    assert_eq!(with(place(&bytes, 0xdb) + 4, 0x10), Some(NotThisWay::Tables));
    assert_eq!(with(place(&bytes, 0xdb) + 9, 0), Some(NotThisWay::Tables));
    assert_eq!(with(place(&bytes, 0xc4) + 5, 200), Some(NotThisWay::Tables));
    let no_rows = [&bytes[..frame + 5], b"\0\0", &bytes[frame + 7..]].concat();
    assert_eq!(refusal(&no_rows), Some(NotThisWay::Frame));
    let twice = [&bytes[..frame], &bytes[frame..frame + 19], &bytes[frame..]].concat();
    assert_eq!(refusal(&twice), Some(NotThisWay::Frame));
    let adobe = b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\x00";
    assert_eq!(refusal(&[&bytes[..2], adobe, &bytes[2..]].concat()), Some(NotThisWay::Colours));
    let end = bytes.len() - 2;
    let more = [&bytes[..end], b"\xff\xfe\x00\x02", &bytes[end..]].concat();
    assert_eq!(refusal(&more), Some(NotThisWay::More));
    let lost = place(&bytes[scan..], 0xd1) + scan;
    assert_eq!(with(lost + 1, 0xd2), Some(NotThisWay::Damaged));
    let progressive = include_bytes!("../../../tests/fixtures/progressive.jpg");
    assert_eq!(refusal(progressive), Some(NotThisWay::Progressive));
    for inks in [
        &include_bytes!("../../../tests/fixtures/cmyk-adobe.jpg")[..],
        include_bytes!("../../../tests/fixtures/cmyk-plain.jpg"),
    ] {
        assert_eq!(refusal(inks), Some(NotThisWay::Colours));
    }
    for usual in [
        &include_bytes!("../../../tests/fixtures/grey.jpg")[..],
        include_bytes!("../../../tests/fixtures/restarts.jpg"),
        include_bytes!("../../../tests/fixtures/subsampled.jpg"),
    ] {
        assert_eq!(refusal(usual), None);
    }
    let sides = |limits| open(&bytes, limits).err();
    assert_eq!(sides(Limits { pixels_min: 961, ..ALL }), Some(NotThisWay::Size));
    assert_eq!(sides(Limits { pixels_max: 959, ..ALL }), Some(NotThisWay::Size));
    assert_eq!(sides(Limits { side_max: 39, ..ALL }), Some(NotThisWay::Size));
}

#[test]
fn coefficients_that_no_picture_has_are_refused() {
    // One code of four bits, for a difference of 11 bits; the greatest, again and again.
    let mut bytes = b"\xff\xd8\xff\xdb\x00\x43\x00".to_vec();
    bytes.extend([255; 64]);
    bytes.extend(b"\xff\xc0\x00\x0b\x08\x00\x40\x00\x40\x01\x01\x11\x00");
    for (kind, symbol) in [(0, 11), (0x10, 0)] {
        bytes.extend([0xff, 0xc4, 0, 20, kind]);
        bytes.extend((1..=16).map(|length| u8::from(length == 4)));
        bytes.push(symbol);
    }
    bytes.extend(b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00");
    bytes.extend(b"\x0f\xff\x00\x0f\xff\x00".repeat(64));
    assert_eq!(refusal(&bytes), Some(NotThisWay::Extreme));
}

#[test]
fn a_small_file_that_promises_a_huge_picture_costs_next_to_nothing() {
    let mut bytes = small();
    let frame = place(&bytes, 0xc0);
    bytes[frame + 5..frame + 9].fill(0xff);
    let began = Instant::now();
    let opened = open(&bytes, Limits { pixels_max: u64::MAX, ..ALL }).unwrap();
    assert!(opened.follow(&mut Seen::default()).is_err());
    assert!(began.elapsed() < Duration::from_millis(500));
    assert_eq!(refusal(&bytes), Some(NotThisWay::Size));
}

fn changes() -> u32 {
    if std::env::var_os("BULWARK_LONG").is_some() { 20_000 } else { 200 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(changes()))]

    #[test]
    fn no_bytes_are_too_strange(
        at in any::<prop::sample::Index>(),
        value: u8,
        noise in prop::collection::vec(any::<u8>(), 0..200),
        harsh: bool,
        sampling in 0..SAMPLINGS.len(),
    ) {
        let bytes = encode(&drawn(72, 40, harsh), 72, 40, |encoder| {
            encoder.set_sampling_factor(SAMPLINGS[sampling]);
            encoder.set_restart_interval(u16::from(value) % 4);
        });
        let mut changed = bytes.clone();
        let at = at.index(changed.len());
        changed[at] = value;
        let _ = see(&changed);
        changed.splice(at..at, noise.iter().copied());
        let _ = see(&changed);
        let head = place(&bytes, 0xda) + 14;
        let _ = see(&[&bytes[..head], &noise].concat());
        let _ = see(&[&b"\xff\xd8"[..], &noise].concat());
        let _ = see(&noise);
    }

    /// Whatever is flipped in the data: what is read here is what a decoder shows.
    #[test]
    fn what_is_accepted_is_shown_alike_by_a_decoder(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..3),
        harsh: bool,
        sampling in 0..3_usize,
    ) {
        let bytes = encode(&drawn(96, 96, harsh), 96, 96, |encoder| {
            encoder.set_sampling_factor(SAMPLINGS[sampling]);
        });
        let data = place(&bytes, 0xda) + 14;
        let mut changed = bytes.clone();
        for (at, bit) in flips {
            changed[data + at.index(bytes.len() - data)] ^= 1 << bit;
        }
        if let Ok((seen, _)) = see(&changed) {
            let (_, _, lumas) = decoded(&changed);
            let shown = image::load_from_memory(&changed).unwrap().into_rgb8();
            let cut: Vec<_> = shown.pixels().map(|p| p.0.contains(&0) || p.0.contains(&255)).collect();
            for row in 0..12 {
                for column in 0..12 {
                    let shown: f32 = (0..64).map(|at| lumas[(8 * row + at / 8) * 96 + 8 * column + at % 8]).sum();
                    let place = (column, row);
                    let found = seen.low.get(&place).map_or_else(
                        || seen.samples[&place].iter().sum::<f32>() / 64.0,
                        |low| low[0][0] / 8.0,
                    );
                    // Colours spread over a neighbouring block by one decoder and not by the other; those that no screen
                    // has are cut to the nearest by one, which takes up to 80 of their luma.
                    let is_cut = (0..64).any(|at| cut[(8 * row + at / 8) * 96 + 8 * column + at % 8]);
                    let apart = if is_cut { 104.0 } else { 24.0 };
                    prop_assert!((found - shown / 64.0).abs() < apart, "{place:?}");
                }
            }
        }
    }
}

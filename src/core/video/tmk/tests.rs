//! Signatures against the definition: read, refused, shifted.

use super::signature::Feature;
use super::*;
use crate::core::video::tests::Numbers;

/// A number from −1 to 1.
fn number(numbers: &mut Numbers) -> f64 {
    numbers.below(2_000_001) as f64 / 1_000_000.0 - 1.0
}

/// Frames that change slowly, as those of a video do.
fn frames(seed: u64, count: usize) -> Vec<Vec<f64>> {
    let mut numbers = Numbers(seed);
    let mean: Vec<f64> = (0..DIMENSION).map(|_| number(&mut numbers)).collect();
    let mut frame: Vec<f64> = (0..DIMENSION).map(|_| number(&mut numbers)).collect();
    let mut step = || {
        frame.iter_mut().for_each(|value| *value = 0.5 * *value + number(&mut numbers));
        frame.iter().zip(&mean).map(|(value, mean)| value + mean).collect()
    };
    (0..count).map(|_| step()).collect()
}

/// Scales to a length, but for what has none.
fn scaled(values: &[f64], length: f64) -> Feature {
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    let factor = if norm == 0.0 { 0.0 } else { length / norm };
    std::array::from_fn(|k| (values[k] * factor) as f32)
}

/// The signature of frames, the first of them at time `start`, by the definition of the reference: frames of length 1,
/// summed by cosine and sine, each sum then of the length √a.
fn signature(frames: &[Vec<f64>], start: usize, lengths: &[u32], count: usize) -> Signature {
    let weights = coefficients(count);
    let sum = |weight: &dyn Fn(f64) -> f64, is_unit: bool| -> Vec<f64> {
        let mut sum = vec![0.0; DIMENSION];
        for (place, frame) in frames.iter().enumerate() {
            let norm = frame.iter().map(|value| value * value).sum::<f64>().sqrt();
            let factor = weight((place + start) as f64) / if is_unit { norm } else { 1.0 };
            sum.iter_mut().zip(frame).for_each(|(sum, value)| *sum += factor * value);
        }
        sum
    };
    let mean = sum(&|_| 1.0 / frames.len() as f64, false);
    let fourier = |period: &u32| {
        let angle = |j: usize, t: f64| std::f64::consts::TAU * j as f64 * t / f64::from(*period);
        let features = |by: &dyn Fn(f64) -> f64| {
            (0..count)
                .map(|j| scaled(&sum(&|t| by(angle(j, t)), true), f64::from(weights[j]).sqrt()))
                .collect()
        };
        Fourier { period: *period, cosines: features(&f64::cos), sines: features(&f64::sin) }
    };
    Signature {
        frames_per_second: 15,
        frames: frames.len() as u32,
        coefficients: weights.clone(),
        average: Box::new(std::array::from_fn(|k| mean[k] as f32)),
        periods: lengths.iter().map(fourier).collect(),
    }
}

fn small() -> Signature {
    signature(&frames(1, 40), 0, &[53, 101], 8)
}

#[test]
fn the_coefficients_are_those_of_the_formula() {
    let weights = coefficients(COEFFICIENTS_NOMINAL);
    // Published values of the reference's table, first, second, and last.
    for (place, published) in [(0, 0.070_804_19), (1, 0.139_377_89), (31, 9.190_87e-8)] {
        let relative: f32 = weights[place] / published - 1.0;
        assert!(relative.abs() < 1e-5, "{place}");
    }
    // The kernel whose Fourier series this is has the value 1 at zero: `a0 + Σ aj = 1`.
    let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    assert!((sum - 1.0).abs() < 1e-6);
}

#[test]
fn a_signature_compared_with_itself_scores_one_without_an_offset() {
    for signature in [small(), signature(&frames(2, 200), 0, &[2731], COEFFICIENTS_NOMINAL)] {
        let scores = compare(&signature, &signature, Thresholds::default()).unwrap();
        let aligned = scores.level_2.unwrap();
        assert!((scores.level_1 - 1.0).abs() < 1e-9 && (aligned.score - 1.0).abs() < 1e-5);
        assert_eq!((aligned.offset, scores.is_match), (0, true));
    }
}

#[test]
fn a_shifted_video_matches_at_the_offset_it_was_shifted_by() {
    let frames = frames(3, 40);
    let first = signature(&frames, 0, &[101], COEFFICIENTS_NOMINAL);
    for shift in [1, 7, 30, 60] {
        let later = signature(&frames, shift, &[101], COEFFICIENTS_NOMINAL);
        let scores = compare(&later, &first, Thresholds::default()).unwrap();
        assert!(scores.is_match);
        let offset = scores.level_2.unwrap().offset;
        assert!(offset.abs_diff(shift as u32) <= 1, "{offset}");
        // The order of the two is the sign of the offset.
        let back = align(&first, &later).unwrap();
        assert!((back.score - scores.level_2.unwrap().score).abs() < 1e-9);
        assert_eq!(back.offset, 101 - offset);
    }
}

#[test]
fn level_2_is_computed_only_where_level_1_is_reached_and_decides_then() {
    let one = small();
    let mut other = signature(&frames(9, 40), 0, &[53, 101], 8);
    let scores = compare(&one, &other, Thresholds::default()).unwrap();
    assert!(scores.level_2.is_none() && !scores.is_match);
    other.average = one.average.clone();
    let scores = compare(&one, &other, Thresholds::default()).unwrap();
    assert!(scores.level_2.unwrap().score < 0.7 && !scores.is_match);
    let lax = Thresholds { level_1: -1.0, level_2: -1.0 };
    assert!(compare(&one, &other, lax).unwrap().is_match);
}

#[test]
fn a_mean_picture_of_zero_is_like_none() {
    let one = small();
    let mut zero = one.clone();
    zero.average.fill(0.0);
    assert_eq!((level_1(&one, &zero), level_1(&zero, &zero)), (0.0, 0.0));
    let scores = compare(&one, &zero, Thresholds::default()).unwrap();
    assert_eq!(scores, Scores { level_1: 0.0, level_2: None, is_match: false });
}

#[test]
fn signatures_of_other_sizes_are_not_compared() {
    let one = small();
    let differ = |change: &dyn Fn(&mut Signature)| {
        let mut other = one.clone();
        change(&mut other);
        compare(&one, &other, Thresholds::default()).map(|scores| scores.is_match)
    };
    assert_eq!(differ(&|_| {}), Ok(true));
    assert_eq!(differ(&|s| s.frames = 7), Ok(true));
    assert_eq!(differ(&|s| s.frames_per_second = 16), Err(Incompatible::FramesPerSecond));
    assert_eq!(differ(&|s| s.periods[1].period = 102), Err(Incompatible::Periods));
    assert_eq!(differ(&|s| s.periods.truncate(1)), Err(Incompatible::Periods));
    assert_eq!(differ(&|s| s.coefficients[2] *= 1.00001), Err(Incompatible::Coefficients));
    assert_eq!(differ(&|s| s.coefficients[2] *= 1.000_000_4), Ok(true));
    assert_eq!(differ(&|s| s.coefficients.truncate(7)), Err(Incompatible::Coefficients));
}

#[test]
fn reading_what_was_written_gives_the_same_signature() {
    let one = small();
    assert_eq!(parse(&write(&one)), Ok(one));
    let nominal = signature(&frames(2, 3), 0, &[2731, 4391, 9767, 14653], COEFFICIENTS_NOMINAL);
    assert_eq!(write(&nominal).len(), 263_344);
}

#[test]
fn a_file_that_ends_early_or_late_is_refused_wherever_it_ends() {
    let bytes = write(&small());
    let (periods, weights) = (32 + 4 * 2, 32 + 4 * (2 + 8));
    let average = weights + 4 * DIMENSION;
    let cosines = average + 4 * DIMENSION * 2 * 8;
    assert_eq!(bytes.len(), cosines + 4 * DIMENSION * 2 * 8);
    let length = Malformed::Length { expected: bytes.len() };
    for end in (0..=40).chain([periods, weights, average, cosines, bytes.len()]) {
        for end in [end.saturating_sub(1), end, end + 1].map(|end| end.min(bytes.len() - 1)) {
            let expected = if end < 32 { Malformed::Header } else { length };
            assert_eq!(parse(&bytes[..end]), Err(expected), "{end}");
        }
    }
    let long = [&bytes[..], &[0]].concat();
    assert_eq!(parse(&long), Err(length));
}

#[test]
fn hostile_counts_are_refused_before_anything_is_allocated() {
    let good = write(&small());
    let hostile = [0, -1_i32, i32::MAX, i32::MIN];
    let change = |offset: usize, value: [u8; 4]| {
        let mut bytes = good.clone();
        bytes[offset..offset + 4].copy_from_slice(&value);
        parse(&bytes)
    };
    for (offset, limit, wrong) in [
        (12, FRAMES_PER_SECOND_MAX as i32, Malformed::FramesPerSecond),
        (16, PERIODS_MAX as i32, Malformed::Periods),
        (20, COEFFICIENTS_MAX as i32, Malformed::Coefficients),
        (24, 256, Malformed::Dimension),
        (32, PERIOD_MAX as i32, Malformed::Period { place: 1 }),
        (36, PERIOD_MAX as i32, Malformed::Period { place: 2 }),
    ] {
        for value in hostile.into_iter().chain([limit + 1]) {
            assert_eq!(change(offset, value.to_le_bytes()), Err(wrong), "{offset} {value}");
        }
    }
    assert_eq!(change(28, (-1_i32).to_le_bytes()), Err(Malformed::Frames));
    assert_eq!(change(0, *b"TMK2"), Err(Malformed::Magic));
    assert_eq!(change(8, *b"PHOT"), Err(Malformed::Magic));
    assert!(matches!(change(16, 3_i32.to_le_bytes()), Err(Malformed::Length { .. })));
}

#[test]
fn what_is_not_a_finite_number_is_refused_wherever_it_stands() {
    let good = write(&small());
    let change = |offset: usize, value: f32| {
        let mut bytes = good.clone();
        bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        parse(&bytes).map(|_| ())
    };
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(change(40, wrong), Err(Malformed::Weights));
        for offset in [72, 72 + 4 * 256, good.len() - 4] {
            assert_eq!(change(offset, wrong), Err(Malformed::Infinite));
        }
    }
    assert_eq!(change(40, -0.1), Err(Malformed::Weights));
    let mut none = small();
    none.coefficients.fill(0.0);
    assert_eq!(parse(&write(&none)), Err(Malformed::Weights));
}

#[test]
fn debug_output_of_a_signature_shows_its_sizes_only() {
    assert_eq!(format!("{:?}", small()), "Signature(40 frames, 2 periods)");
}

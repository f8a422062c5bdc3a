//! The published forms and rules, each case by name.

use super::*;
use crate::core::signal::Bits256;
use crate::core::video::tests::Numbers;
use crate::core::video::track::{FRAMES_MAX, Frame};
use proptest::prelude::*;

fn any_frame() -> impl Strategy<Value = Frame> {
    let parts = (any::<[u64; 4]>(), 0..=100_u8, any::<u32>());
    parts.prop_map(|(words, quality, at)| Frame { bits: Bits256(words), quality, at })
}

fn any_line() -> impl Strategy<Value = Line> {
    (any::<u32>(), any_frame()).prop_map(|(number, frame)| Line { number, frame })
}

proptest! {
    #[test]
    fn reading_a_written_file_gives_the_same_lines(
        lines in proptest::collection::vec(any_line(), 1..20)
    ) {
        prop_assert_eq!(read_file(&write_file(&lines)), Ok(lines));
    }

    #[test]
    fn reading_a_written_signal_string_gives_the_same_frames_to_three_digits_of_the_time(
        frames in proptest::collection::vec(any_frame(), 0..20)
    ) {
        let text = write_signal(&frames);
        let read = read_signal(&text).unwrap();
        prop_assert_eq!(write_signal(&read), text);
        prop_assert_eq!(read.len(), frames.len());
        for (read, frame) in read.iter().zip(&frames) {
            prop_assert_eq!((read.bits, read.quality), (frame.bits, frame.quality));
            prop_assert!(u64::from(read.at.abs_diff(frame.at)) * 200 <= u64::from(frame.at));
        }
    }

    #[test]
    fn no_text_makes_reading_fail_otherwise_than_by_an_error(text in ".{0,200}") {
        prop_assert!(read_file(&text).is_err());
        let _ = read_signal(&text);
    }
}

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn times_are_written_as_python_writes_three_significant_digits() {
    // What `f"{millis / 1000:.3}"` gives.
    for (at, written) in [
        (0, "0.0"),
        (1, "0.001"),
        (500, "0.5"),
        (999, "0.999"),
        (1_000, "1.0"),
        (1_005, "1.0"),
        (1_234, "1.23"),
        (9_995, "9.99"),
        (9_996, "10.0"),
        (12_250, "12.2"),
        (12_350, "12.3"),
        (33_367, "33.4"),
        (99_940, "99.9"),
        (99_950, "1e+02"),
        (100_000, "1e+02"),
        (123_456, "1.23e+02"),
        (999_500, "1e+03"),
        (1_234_567, "1.23e+03"),
        (4_294_967_295, "4.29e+06"),
    ] {
        let text = write_signal(&[Frame { bits: Bits256::default(), quality: 7, at }]);
        assert_eq!(text, format!("[\"{},7,{written}\"]", "0".repeat(64)));
    }
}

#[test]
fn a_time_with_an_exponent_is_read() {
    let at = |time: &str| read_signal(&format!("[\"{HEX},100,{time}\"]")).map(|f| f[0].at);
    assert_eq!(at("1.23e+03"), Ok(1_230_000));
    assert_eq!(at("5e-3"), Ok(5));
    assert_eq!(at("12"), Ok(12_000));
    for wrong in ["-1", "nan", "inf", "infinity", "1e400", "1e7", "", "0x1", "1 2"] {
        let field = Field::Time;
        assert_eq!(at(wrong), Err(Malformed::Field { item: 1, field }), "{wrong}");
    }
}

#[test]
fn hashes_are_read_in_either_case_and_written_in_lower_case() {
    let lines = read_file(&format!("0,100,{},0.000\n", HEX.to_uppercase())).unwrap();
    assert_eq!(write_file(&lines), format!("0,100,{HEX},0.000\n"));
}

#[test]
fn a_text_that_is_not_read_says_where_and_not_what() {
    let field = |item, field| Err(Malformed::Field { item, field });
    let good = format!("0,100,{HEX},0.000\n");
    for (line, wrong) in [
        (String::new(), Err(Malformed::Fields { item: 2, fields: 4 })),
        (format!("1,100,{HEX}"), Err(Malformed::Fields { item: 2, fields: 4 })),
        (format!("1,100,{HEX},1,1"), Err(Malformed::Fields { item: 2, fields: 4 })),
        (format!("-1,100,{HEX},1"), field(2, Field::Number)),
        (format!("1,101,{HEX},1"), field(2, Field::Quality)),
        (format!("1,+9,{HEX},1"), field(2, Field::Quality)),
        (format!("1,100,{HEX}0,1"), field(2, Field::Hash)),
        (format!("1,100,{},1", &HEX[1..]), field(2, Field::Hash)),
        (format!("1,100,{},1", &HEX[..32]), field(2, Field::Hash)),
        (format!("1,100,g{},1", &HEX[1..]), field(2, Field::Hash)),
        (format!("1,100,{HEX},-0.5"), field(2, Field::Time)),
    ] {
        let read = read_file(&format!("{good}{line}\n"));
        assert_eq!(read, wrong);
        assert!(!read.unwrap_err().to_string().contains("0123"));
    }
    assert_eq!(read_file(""), Err(Malformed::Empty));
    assert_eq!(read_signal("[]"), Ok(vec![]));
    for wrong in ["", "{}", "[1]", "[\"", "[[]]", "null"] {
        assert_eq!(read_signal(wrong), Err(Malformed::Array), "{wrong}");
    }
    let two = format!("[\"{HEX},1,1\", \"{HEX},1\"]");
    assert_eq!(read_signal(&two), Err(Malformed::Fields { item: 2, fields: 3 }));
}

#[test]
fn no_more_frames_are_read_than_a_track_holds() {
    let line = format!("0,100,{HEX},0.000\n");
    assert_eq!(read_file(&line.repeat(FRAMES_MAX)).map(|lines| lines.len()), Ok(FRAMES_MAX));
    let many = Err(Malformed::TooMany { max: FRAMES_MAX });
    assert_eq!(read_file(&line.repeat(FRAMES_MAX + 1)), many);
    let texts = |count| format!("[{}\"\"]", "\"\",".repeat(count - 1));
    let many = Err(Malformed::TooMany { max: FRAMES_MAX });
    assert_eq!(read_signal(&texts(3 * FRAMES_MAX)), many);
    assert_eq!(read_signal(&texts(2)), Err(Malformed::Fields { item: 1, fields: 3 }));
}

fn of(bits: Bits256, quality: u8) -> Frame {
    Frame { bits, quality, at: 0 }
}

const BOTH: [Semantics; 2] = [Semantics::Reference, Semantics::Python];

#[test]
fn a_distance_of_31_matches_for_python_alone() {
    let mut numbers = Numbers(1);
    let bits = numbers.bits();
    for (distance, expected) in [(30, [100.0, 100.0]), (31, [0.0, 100.0]), (32, [0.0, 0.0])] {
        let other = numbers.near(bits, distance);
        for (semantics, expected) in BOTH.into_iter().zip(expected) {
            let found = percentages(&[of(bits, 100)], &[of(other, 100)], semantics);
            assert_eq!((found.query, found.compared), (expected, expected), "{distance}");
        }
    }
}

#[test]
fn a_quality_of_49_is_not_compared_and_nothing_left_is_nothing_matched() {
    let bits = Numbers(2).bits();
    for semantics in BOTH {
        let found = |quality| percentages(&[of(bits, quality)], &[of(bits, 100)], semantics);
        assert_eq!(found(50), Percentages { query: 100.0, compared: 100.0 });
        assert_eq!(found(49), Percentages::default());
        assert_eq!(percentages(&[], &[], semantics), Percentages::default());
        assert_eq!(percentages(&[of(bits, 50)], &[], semantics), Percentages::default());
    }
}

#[test]
fn duplicates_count_each_time_for_the_reference_and_once_for_python() {
    let mut numbers = Numbers(3);
    let (still, other, apart) = (numbers.bits(), numbers.bits(), numbers.bits());
    let query = [of(still, 100), of(still, 100), of(still, 100), of(other, 100)];
    let listed = [of(still, 100), of(apart, 100), of(apart, 100), of(apart, 100)];
    let found = |semantics| percentages(&query, &listed, semantics);
    assert_eq!(found(Semantics::Reference), Percentages { query: 75.0, compared: 25.0 });
    assert_eq!(found(Semantics::Python), Percentages { query: 50.0, compared: 50.0 });
}

#[test]
fn a_poor_first_copy_takes_the_good_ones_with_it_for_python() {
    let bits = Numbers(4).bits();
    let (query, listed) = ([of(bits, 49), of(bits, 100)], [of(bits, 100)]);
    let found = |semantics| percentages(&query, &listed, semantics);
    assert_eq!(found(Semantics::Reference), Percentages { query: 100.0, compared: 100.0 });
    assert_eq!(found(Semantics::Python), Percentages::default());
}

#[test]
fn padding_hides_a_clip_from_the_share_of_the_query_and_not_from_the_share_of_the_clip() {
    let mut numbers = Numbers(5);
    let listed = numbers.scene(10, 1000);
    for (others, reaches_80) in [(0, true), (1, true), (2, true), (3, false), (30, false)] {
        let mut query = listed.clone();
        query.extend(numbers.scene(others, 1000));
        for semantics in BOTH {
            let found = percentages(&query, &listed, semantics);
            let share = 1000.0 / f64::from(10 + others);
            assert!((found.query - share).abs() < 1e-9);
            assert_eq!((found.query >= 80.0, found.compared), (reaches_80, 100.0), "{others}");
        }
    }
}

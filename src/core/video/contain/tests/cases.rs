//! Uploads of listed videos: padded, cut, turned, sampled otherwise.

use super::*;
use crate::core::video::tests::Numbers;

fn at_quality(mut frames: Vec<Frame>, quality: u8) -> Vec<Frame> {
    frames.iter_mut().for_each(|frame| frame.quality = quality);
    frames
}

#[test]
fn a_listed_video_is_found_however_much_else_an_upload_shows() {
    let mut numbers = Numbers(1);
    let listed = numbers.scene(10, 1000);
    for others in [0, 2, 3, 30, 3000] {
        let mut seen = shown(&numbers.scene(others, 1000), 0);
        seen.extend(shown(&listed, others * 1000));
        seen.extend(shown(&numbers.scene(others, 1000), (others + 10) * 1000));
        let found = ask(&seen, &listed);
        assert_eq!((found.outcome, found.compared_percent), (Outcome::Contained, 100));
        assert_eq!(u32::from(found.query_percent), 1000 / (10 + 2 * others));
        let segment = Segment {
            query_start: others * 1000,
            query_end: others * 1000 + 9000,
            listed_start: 0,
            listed_end: 9000,
            frames: 10,
            distinct_frames: 10,
            best_distance: 0,
        };
        assert_eq!(found.segments, [segment]);
    }
}

#[test]
fn four_listed_frames_of_five_are_enough_and_three_are_not() {
    let mut numbers = Numbers(2);
    let listed = numbers.scene(5, 1000);
    let others = shown(&numbers.scene(20, 1000), 10_000);
    let outcome = |count: usize| {
        let seen = [shown(&listed[..count], 0), others.clone()].concat();
        ask(&seen, &listed).outcome
    };
    assert_eq!(
        [3, 4, 5].map(outcome),
        [Outcome::NotMatched, Outcome::Contained, Outcome::Contained]
    );
}

#[test]
fn twenty_unrelated_videos_are_not_matched() {
    let mut numbers = Numbers(3);
    let videos: Vec<Vec<Frame>> = (0..20).map(|_| numbers.scene(60, 1000)).collect();
    for (one, other) in videos.iter().flat_map(|one| videos.iter().map(move |other| (one, other))) {
        let found = ask(&shown(one, 0), other);
        let expected = if one == other { Outcome::Contained } else { Outcome::NotMatched };
        assert_eq!(found.outcome, expected);
        assert_eq!(found.segments.is_empty(), one != other);
    }
}

#[test]
fn a_quality_of_50_is_compared_and_one_of_49_is_not_on_either_side() {
    let frames = Numbers(4).scene(10, 1000);
    for (query, listed, outcome) in
        [(50, 50, Outcome::Contained), (49, 50, Outcome::NotMatched), (50, 49, Outcome::NotMatched)]
    {
        let seen = shown(&at_quality(frames.clone(), query), 0);
        let found = ask(&seen, &at_quality(frames.clone(), listed));
        assert_eq!(found.outcome, outcome);
        assert_eq!(found.is_comparable(), outcome == Outcome::Contained);
    }
}

#[test]
fn a_distance_of_31_matches_and_one_of_32_does_not() {
    let mut numbers = Numbers(5);
    let listed = numbers.scene(10, 1000);
    for (distance, outcome) in
        [(30, Outcome::Contained), (31, Outcome::Contained), (32, Outcome::NotMatched)]
    {
        let mut other = listed.clone();
        other.iter_mut().for_each(|frame| frame.bits = numbers.near(frame.bits, distance));
        let found = ask(&shown(&other, 0), &listed);
        assert_eq!(found.outcome, outcome);
        let expected = (distance < 32).then_some(distance);
        assert_eq!((found.best_distance, found.median_distance), (expected, expected));
    }
}

#[test]
fn the_alternative_that_fits_most_frames_is_named() {
    let mut numbers = Numbers(6);
    let listed = numbers.scene(10, 1000);
    for turned in [0, 5, 70] {
        let mut seen = shown(&listed, 0);
        for (place, one) in seen.iter_mut().enumerate() {
            let bits = one.hashes[0];
            one.hashes = (0..80).map(|_| numbers.bits()).collect();
            one.hashes[if place < 3 { 7 } else { turned }] = bits;
        }
        let found = ask(&seen, &listed);
        assert_eq!((found.outcome, found.alternative), (Outcome::Contained, Some(turned)));
    }
    assert_eq!(ask(&[], &listed).alternative, None);
}

/// A film whose picture changes every 2.5 seconds, seen at so many frames in a thousand seconds from a time on.
fn film(scenes: &[Frame], start: u32, end: u32, per_thousand_seconds: u32) -> Vec<Frame> {
    let times = (0..).map(|n| start + n * 1_000_000 / per_thousand_seconds);
    let scene = |at: u32| scenes[(at / 2500) as usize];
    times.take_while(|at| *at < end).map(|at| Frame { at, ..scene(at) }).collect()
}

#[test]
fn a_video_is_in_step_at_any_phase_and_rate_of_sampling() {
    let mut numbers = Numbers(7);
    let scenes = numbers.scene(40, 2500);
    for (listed_rate, query_rate) in
        [(1_000, 1_000), (1_000, 25_000), (29_970, 1_000), (2_000, 3_000), (500, 1_000)]
    {
        for phase in [0, 250, 499, 500, 750, 999] {
            let listed = film(&scenes, 0, 100_000, listed_rate);
            let query = film(&scenes, phase, 100_000, query_rate);
            let found = ask(&shown(&query, 33_000), &listed);
            assert_eq!(found.outcome, Outcome::Contained);
            // Where one frame in two seconds is listed, what is left at an edge can be a stretch of its own.
            assert!(found.segments.len() == 1 || listed_rate < 1_000, "{query_rate} {phase}");
            let segment = found.segments[0];
            assert!(segment.query_start <= 34_000 && segment.query_end >= 130_000);
            assert!(segment.listed_start <= 2_000 && segment.listed_end >= 97_000);
        }
    }
}

#[test]
fn a_video_played_a_little_faster_is_in_step_for_most_of_its_length() {
    let scenes = Numbers(15).scene(40, 2500);
    let listed = film(&scenes, 0, 100_000, 1_000);
    let mut query = film(&scenes, 0, 100_000, 1_000);
    query.iter_mut().for_each(|frame| frame.at = frame.at * 24 / 25);
    let found = ask(&shown(&query, 0), &listed);
    assert_eq!(found.outcome, Outcome::Contained);
    let longest = found.segments[0];
    assert!(longest.query_end - longest.query_start >= 40_000);
    let in_step: u32 = found.segments.iter().map(|segment| segment.frames).sum();
    assert!(in_step >= 90);
}

#[test]
fn eight_seconds_in_step_are_a_run_and_seven_are_not() {
    let mut numbers = Numbers(8);
    let listed = numbers.scene(100, 1000);
    for (count, outcome) in [(8, Outcome::NotMatched), (9, Outcome::Run), (30, Outcome::Run)] {
        let mut seen = shown(&numbers.scene(200, 1000), 0);
        for place in 0..count {
            seen[50 + place].hashes[0] = listed[20 + place].bits;
        }
        let found = ask(&seen, &listed);
        assert_eq!(found.outcome, outcome);
        assert_eq!((found.segments.len(), found.segments[0].frames), (1, count as u32));
        // The same frames in another order are not in step.
        for place in 0..count {
            seen[50 + place].hashes[0] = listed[20 + 7 * place % 53].bits;
        }
        assert_eq!(ask(&seen, &listed).outcome, Outcome::NotMatched);
    }
}

#[test]
fn three_seconds_without_a_match_do_not_break_a_stretch_and_four_do() {
    let mut numbers = Numbers(9);
    let listed = numbers.scene(20, 1000);
    for (missing, segments) in [(2, 1), (3, 2)] {
        let mut seen = shown(&listed, 0);
        seen[10..10 + missing].iter_mut().for_each(|one| one.hashes[0] = numbers.bits());
        assert_eq!(ask(&seen, &listed).segments.len(), segments);
    }
}

#[test]
fn a_cut_and_rearranged_video_is_answered_piece_by_piece() {
    let mut numbers = Numbers(10);
    let listed = numbers.scene(60, 1000);
    let mut query = [&listed[40..60], &listed[0..10], &listed[10..40]].concat();
    (0..).zip(&mut query).for_each(|(at, frame)| frame.at = at * 1000);
    let found = ask(&shown(&query, 0), &listed);
    assert_eq!(found.outcome, Outcome::Contained);
    let pieces: Vec<[u32; 3]> =
        found.segments.iter().map(|s| [s.query_start, s.listed_start, s.frames]).collect();
    assert_eq!(pieces, [[20_000, 0, 40], [0, 40_000, 20]]);
}

#[test]
fn a_listed_video_of_two_frames_needs_both_and_no_time_between() {
    let mut numbers = Numbers(11);
    let listed = numbers.scene(2, 500);
    let others = shown(&numbers.scene(50, 1000), 1000);
    let outcome = |seen: &[Seen]| ask(&[seen, &others].concat(), &listed).outcome;
    let both = shown(&listed, 0);
    assert_eq!(outcome(&both), Outcome::Contained);
    assert_eq!(outcome(&both[..1]), Outcome::NotMatched);
    let one = ask(&both[..1], &listed[..1]);
    assert_eq!(one.outcome, Outcome::Contained);
    assert_eq!(ask(&both, &[]).outcome, Outcome::NotMatched);
}

#[test]
fn what_is_matched_within_less_than_two_seconds_is_not_enough_unless_the_video_is_shorter() {
    let mut numbers = Numbers(12);
    let mut listed = numbers.scene(5, 100);
    assert_eq!(ask(&shown(&listed, 0), &listed).outcome, Outcome::Contained);
    listed[4].at = 60_000;
    let others = shown(&numbers.scene(50, 1000), 1000);
    let found = ask(&[shown(&listed[..4], 0), others].concat(), &listed);
    assert_eq!((found.outcome, found.compared_percent), (Outcome::NotMatched, 80));
}

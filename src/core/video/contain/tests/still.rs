//! Still scenes: what they prove, and what they cost.

use super::*;
use crate::core::video::tests::Numbers;

/// The same picture once a second.
fn still(bits: Bits256, count: u32) -> Vec<Frame> {
    (0..count).map(|i| Frame { bits, quality: 100, at: i * 1000 }).collect()
}

#[test]
fn one_picture_that_fits_sixty_listed_frames_is_one_distinct_frame_and_no_match() {
    let listed = still(Numbers(1).bits(), 60);
    let found = ask(&shown(&listed[..1], 0), &listed);
    assert_eq!((found.matched_listed_frames, found.distinct_listed_frames), (60, 1));
    assert_eq!((found.query_percent, found.compared_percent), (100, 100));
    assert_eq!(found.outcome, Outcome::NotMatched);
}

#[test]
fn one_picture_near_to_a_slow_scene_is_no_match() {
    let mut numbers = Numbers(2);
    let picture = numbers.bits();
    let mut listed = still(picture, 20);
    listed.iter_mut().for_each(|frame| frame.bits = numbers.near(picture, 20));
    let found = ask(&shown(&still(picture, 1), 0), &listed);
    assert!(found.distinct_listed_frames >= 3);
    assert_eq!((found.compared_percent, found.outcome), (100, Outcome::NotMatched));
}

#[test]
fn a_title_card_shared_by_two_films_is_no_match_however_long_it_stands() {
    let mut numbers = Numbers(3);
    let card = numbers.bits();
    let mut film = || [still(card, 300), numbers.scene(100, 1000)].concat();
    let (one, other) = (film(), film());
    let renumbered = |frames: Vec<Frame>| -> Vec<Frame> {
        (0..).zip(frames).map(|(i, frame)| Frame { at: i * 1000, ..frame }).collect()
    };
    let (one, other) = (renumbered(one), renumbered(other));
    let found = ask(&shown(&one, 0), &other);
    assert_eq!((found.outcome, found.distinct_listed_frames), (Outcome::NotMatched, 1));
    // Nor is the card alone a part of the film.
    let found = ask(&shown(&still(card, 300), 0), &other);
    assert_eq!((found.query_percent, found.outcome), (100, Outcome::NotMatched));
}

#[test]
fn a_listed_video_of_one_still_scene_is_found_where_it_is_shown_for_some_time() {
    let mut numbers = Numbers(4);
    let picture = numbers.bits();
    let others = shown(&numbers.scene(50, 1000), 100_000);
    let listed = still(picture, 60);
    for (count, outcome) in
        [(1, Outcome::NotMatched), (2, Outcome::NotMatched), (3, Outcome::Contained)]
    {
        let seen = [shown(&still(picture, count), 0), others.clone()].concat();
        assert_eq!(ask(&seen, &listed).outcome, outcome, "{count}");
    }
}

#[test]
fn a_still_scene_within_a_video_does_not_break_its_stretch() {
    let mut numbers = Numbers(5);
    let mut listed = numbers.scene(120, 1000);
    let picture = numbers.bits();
    listed[30..90].iter_mut().for_each(|frame| frame.bits = picture);
    let found = ask(&shown(&listed, 5_000), &listed);
    assert_eq!(found.outcome, Outcome::Contained);
    let [segment] = found.segments[..] else { panic!("one stretch") };
    assert_eq!((segment.query_start, segment.query_end, segment.frames), (5_000, 124_000, 120));
    assert_eq!((segment.listed_start, segment.listed_end), (0, 119_000));
    assert_eq!(segment.distinct_frames, 61);
}

#[test]
fn two_still_hours_are_compared_without_keeping_all_pairs() {
    let picture = Numbers(6).bits();
    let hour = still(picture, 3_600);
    let found = ask(&shown(&hour, 0), &hour);
    assert_eq!(found.outcome, Outcome::Contained);
    assert_eq!((found.matched_query_frames, found.distinct_query_frames), (3_600, 1));
    assert_eq!(found.segments[0].frames, 3_600);
}

#[test]
fn a_run_is_found_beside_still_scenes_that_fit_anywhere() {
    let mut numbers = Numbers(7);
    let (picture, clip) = (numbers.bits(), numbers.scene(9, 1000));
    let later = |mut frames: Vec<Frame>, later_millis: u32, step_millis: u32| -> Vec<Frame> {
        (0..).zip(&mut frames).for_each(|(i, frame)| frame.at = later_millis + i * step_millis);
        frames
    };
    let listed = [
        clip.clone(),
        later(still(picture, 300), 10_000, 1000),
        later(numbers.scene(100, 1000), 320_000, 1000),
    ];
    let query = [
        later(still(picture, 500), 0, 200),
        later(clip, 110_000, 1000),
        later(numbers.scene(300, 1000), 120_000, 1000),
    ];
    let found = ask(&shown(&query.concat(), 0), &listed.concat());
    assert_eq!(found.outcome, Outcome::Run);
    let is_clip = |segment: &Segment| segment.query_start == 110_000 && segment.frames == 9;
    assert!(found.segments.iter().any(is_clip));
}

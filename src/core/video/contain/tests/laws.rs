//! Laws that hold for all tracks, on small ones made by chance.

use super::*;
use crate::core::video::tests::Numbers;
use proptest::prelude::*;

const QUALITIES: [u8; 4] = [49, 50, 80, 100];

/// A listed track in which some frames are alike, and a query that has frames of it among others, some of them altered
/// by about as many bits as are allowed, some turned.
fn made(seed: u64, listed: u32, query: u32) -> (Vec<Frame>, Vec<Seen>) {
    let mut numbers = Numbers(seed);
    let mut frames = numbers.scene(listed, 700);
    for place in 1..frames.len() {
        if numbers.below(3) == 0 {
            let distance = numbers.below(12) as u32;
            frames[place].bits = numbers.near(frames[place - 1].bits, distance);
        }
        frames[place].quality = QUALITIES[numbers.below(4) as usize];
    }
    let mut at = 0;
    let mut from = 0;
    let seen = |_| {
        at += numbers.below(1_500) as u32;
        from = if numbers.below(6) == 0 { numbers.next() as usize } else { from + 1 };
        let mut hashes: Vec<Bits256> = (0..numbers.below(4)).map(|_| numbers.bits()).collect();
        if !frames.is_empty() && !hashes.is_empty() && numbers.below(4) > 0 {
            let place = numbers.below(hashes.len() as u64) as usize;
            let bits = frames[from % frames.len()].bits;
            let distance = 26 + numbers.below(8) as u32;
            hashes[place] = numbers.near(bits, distance);
        }
        Seen { at, quality: QUALITIES[numbers.below(4) as usize], hashes }
    };
    let seen = (0..query).map(seen).collect();
    (frames, seen)
}

/// What a comparison counts, pair by pair.
fn model(seen: &[Seen], listed: &[Frame], rule: &Rule) -> [Option<u32>; 8] {
    let usable: Vec<&Seen> =
        seen.iter().filter(|s| s.quality >= rule.quality_min && !s.hashes.is_empty()).collect();
    let listed: Vec<&Frame> = listed.iter().filter(|f| f.quality >= rule.quality_min).collect();
    let distance = |s: &Seen, f: &Frame| s.hashes.iter().map(|h| h.distance(&f.bits)).min();
    let near = |s: &Seen, f: &Frame| distance(s, f).filter(|d| *d <= rule.distance_max);
    let mut nearest: Vec<u32> =
        usable.iter().filter_map(|s| listed.iter().filter_map(|f| near(s, f)).min()).collect();
    nearest.sort_unstable();
    let matched = listed.iter().filter(|f| usable.iter().any(|s| near(s, f).is_some())).count();
    let percent = |part: usize, whole: usize| (100 * part).checked_div(whole).unwrap_or(0) as u32;
    let median = (!nearest.is_empty()).then(|| nearest[(nearest.len() - 1) / 2]);
    [
        Some(usable.len() as u32),
        Some(listed.len() as u32),
        Some(nearest.len() as u32),
        Some(matched as u32),
        Some(percent(nearest.len(), usable.len())),
        Some(percent(matched, listed.len())),
        nearest.first().copied(),
        median,
    ]
}

fn counted(found: &Compared) -> [Option<u32>; 8] {
    [
        Some(found.usable_query_frames),
        Some(found.usable_listed_frames),
        Some(found.matched_query_frames),
        Some(found.matched_listed_frames),
        Some(u32::from(found.query_percent)),
        Some(u32::from(found.compared_percent)),
        found.best_distance,
        found.median_distance,
    ]
}

fn check_segments(found: &Compared, seen: &[Seen]) {
    let lengths = found.segments.iter().map(|s| s.query_end - s.query_start);
    assert!(lengths.is_sorted_by(|a, b| a >= b));
    let frames: u32 = found.segments.iter().map(|segment| segment.frames).sum();
    assert!(frames <= found.matched_query_frames);
    if found.matched_query_frames > 0 {
        assert!(frames > 0);
    }
    for segment in &found.segments {
        assert!(segment.query_start <= segment.query_end);
        assert!(segment.listed_start <= segment.listed_end);
        assert!((1..=segment.frames).contains(&segment.distinct_frames));
        let shift = |query, listed| i64::from(query) - i64::from(listed);
        let start = shift(segment.query_start, segment.listed_start);
        let end = shift(segment.query_end, segment.listed_end);
        assert!(start.abs_diff(end) <= 6_000);
        assert!(seen.iter().any(|one| one.at == segment.query_start));
    }
}

proptest! {
    #[test]
    fn what_is_counted_is_what_a_comparison_of_all_pairs_counts(
        seed in any::<u64>(), listed in 0..40_u32, query in 0..40_u32
    ) {
        let (frames, seen) = made(seed, listed, query);
        let found = ask(&seen, &frames);
        prop_assert_eq!(counted(&found), model(&seen, &frames, &Rule::default()));
        check_segments(&found, &seen);
    }

    #[test]
    fn the_order_in_which_frames_are_given_changes_nothing(
        seed in any::<u64>(), listed in 0..30_u32, query in 0..30_u32
    ) {
        let (frames, mut seen) = made(seed, listed, query);
        seen.dedup_by_key(|one| one.at);
        let found = ask(&seen, &frames);
        let mut backwards = frames.clone();
        backwards.reverse();
        seen.reverse();
        prop_assert_eq!(ask(&seen, &backwards), found);
    }

    #[test]
    fn more_frames_in_a_query_never_hide_what_it_contains(
        seed in any::<u64>(), listed in 1..20_u32, query in 1..30_u32, more in 1..60_u32
    ) {
        let (frames, mut seen) = made(seed, listed, query);
        let before = ask(&seen, &frames);
        let (_, padding) = made(seed ^ 1, 0, more);
        seen.extend(padding);
        let (_, padding) = made(seed, listed, query + more);
        seen.extend(padding);
        let after = ask(&seen, &frames);
        prop_assert!(after.compared_percent >= before.compared_percent);
        prop_assert!(after.distinct_listed_frames >= before.distinct_listed_frames);
        if before.outcome == Outcome::Contained {
            prop_assert_eq!(after.outcome, Outcome::Contained);
        }
    }

    #[test]
    fn a_stretch_cut_out_of_a_listed_video_is_found(
        seed in any::<u64>(), listed in 3..60_u32, from in 0..60_u32, more in 0..60_u32
    ) {
        let mut numbers = Numbers(seed);
        let frames = numbers.scene(listed, 1000);
        let from = from % (listed - 2);
        let count = (3 + more).min(listed - from);
        let cut = &frames[from as usize..(from + count) as usize];
        let found = ask(&shown(cut, 0), &frames);
        let expected = if count * 100 >= listed * 80 { Outcome::Contained } else { Outcome::PartOf };
        prop_assert_eq!(found.outcome, expected);
        prop_assert_eq!(found.segments.len(), 1);
        prop_assert_eq!(found.segments[0].frames, count);
        prop_assert_eq!(found.segments[0].listed_start, from * 1000);
    }
}

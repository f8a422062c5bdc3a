//! Stretches of a query that run in step with a listed track.
//!
//! Two frames lie on the diagonal `time in the query − time in the listed track`. Every frame of the query votes for the
//! diagonals of the listed frames it is nearest to, the fewer they are the more for each, so that still scenes, which
//! fit anywhere, decide nothing. Along the diagonals with most votes the frames are compared again; the longest stretch
//! is taken, and the next longest of what is left.

use super::distinct;
use super::listed::Listed;
use super::near::Look;
use super::rule::Segment;
use std::cmp::Reverse;

/// Most segments of one comparison.
pub const SEGMENTS_MAX: usize = 32;

/// How far a frame may lie from its diagonal, in milliseconds: frames are taken at one a second on either side, at any
/// phase, and videos are played a little faster.
const TOLERANCE_MILLIS: i64 = 1_500;

/// Most time between two matched frames of one stretch, in milliseconds.
const GAP_MILLIS: u32 = 3_000;

/// Diagonals along which frames are compared again.
const DIAGONALS_MAX: usize = 32;

/// Votes within so many milliseconds are for one diagonal.
const DIAGONAL_MILLIS: i64 = 1_000;

/// What one frame of the query has to give.
const VOTES: u64 = 1_000_000;

/// A frame of the query and the listed frame that fits best on a diagonal.
#[derive(Clone, Copy)]
struct Step {
    look: usize,
    place: usize,
    distance: u32,
}

/// The diagonals worth a look, those with most votes first.
fn diagonals(looks: &[Look], listed: &Listed) -> Vec<i64> {
    let mut votes: Vec<(i64, u64)> = Vec::new();
    for look in looks {
        let weight = VOTES / u64::from(look.place_count).max(1);
        for place in &look.places {
            let at = listed.times()[*place as usize];
            votes.push((i64::from(look.at) - i64::from(at), weight));
        }
    }
    votes.sort_unstable();
    let bucket = |(at, _): &(i64, u64)| at.div_euclid(DIAGONAL_MILLIS);
    let mut ranked: Vec<(Reverse<u64>, u64, i64)> = votes
        .chunk_by(|a, b| bucket(a) == bucket(b))
        .map(|chunk| {
            let middle = chunk[(chunk.len() - 1) / 2].0;
            let weight = chunk.iter().map(|(_, weight)| weight).sum();
            (Reverse(weight), middle.unsigned_abs(), middle)
        })
        .collect();
    ranked.sort_unstable();
    let mut chosen: Vec<i64> = Vec::new();
    for (_, _, at) in ranked {
        // What lies so near a chosen diagonal is within its tolerance.
        if chosen.iter().all(|other| other.abs_diff(at) >= DIAGONAL_MILLIS as u64) {
            chosen.push(at);
        }
        if chosen.len() == DIAGONALS_MAX {
            break;
        }
    }
    chosen
}

/// The listed frame that fits best on a diagonal, for every frame of the query that has one.
fn steps(diagonal: i64, looks: &[Look], listed: &Listed, distance_max: u32) -> Vec<Step> {
    let times = listed.times();
    let mut found = Vec::new();
    for (look, one) in looks.iter().enumerate().filter(|(_, look)| !look.fits.is_empty()) {
        let middle = i64::from(one.at) - diagonal;
        let first = times.partition_point(|at| i64::from(*at) < middle - TOLERANCE_MILLIS);
        let within = |place: &usize| i64::from(times[*place]) <= middle + TOLERANCE_MILLIS;
        let ranked = (first..times.len()).take_while(within).filter_map(|place| {
            let value = &listed.values()[place];
            let distance = one.fits.iter().map(|fit| fit.distance(value)).min()?;
            let aside = i64::from(times[place]).abs_diff(middle);
            (distance <= distance_max).then_some((distance, aside, place))
        });
        if let Some((distance, _, place)) = ranked.min() {
            found.push(Step { look, place, distance });
        }
    }
    found
}

fn segment(steps: &[Step], looks: &[Look], listed: &Listed, scenes: &[u32]) -> Option<Segment> {
    let (first, last) = (steps.first()?, steps.last()?);
    let times = || steps.iter().map(|step| listed.times()[step.place]);
    let query_scenes = distinct::count(steps.iter().map(|step| scenes[step.look]));
    let listed_scenes = distinct::count(steps.iter().map(|step| listed.scenes()[step.place]));
    Some(Segment {
        query_start: looks[first.look].at,
        query_end: looks[last.look].at,
        listed_start: times().min()?,
        listed_end: times().max()?,
        frames: steps.len() as u32,
        distinct_frames: query_scenes.min(listed_scenes),
        best_distance: steps.iter().map(|step| step.distance).min()?,
    })
}

/// The stretches in step, the longest first, none within another. `looks` are in order of time, `scenes` are theirs.
pub fn segments(
    looks: &[Look],
    listed: &Listed,
    scenes: &[u32],
    distance_max: u32,
) -> Vec<Segment> {
    let mut lanes: Vec<Vec<Step>> = diagonals(looks, listed)
        .into_iter()
        .map(|diagonal| steps(diagonal, looks, listed, distance_max))
        .collect();
    let mut found = Vec::new();
    while found.len() < SEGMENTS_MAX {
        let is_one = |a: &Step, b: &Step| looks[b.look].at - looks[a.look].at <= GAP_MILLIS;
        // Of equals the earliest, and of those the one on the diagonal with most votes.
        let rank = |steps: &&[Step]| {
            let (start, end) = (looks[steps[0].look].at, looks[steps[steps.len() - 1].look].at);
            let bits: u64 = steps.iter().map(|step| u64::from(step.distance)).sum();
            (Reverse(end - start), Reverse(steps.len()), bits, start)
        };
        let stretches = lanes.iter().flat_map(|lane| lane.chunk_by(is_one));
        let Some(best) = stretches.min_by_key(rank) else { break };
        let (first, last) = (best[0].look, best[best.len() - 1].look);
        let mut used = vec![false; last - first + 1];
        for step in best {
            used[step.look - first] = true;
        }
        let Some(taken) = segment(best, looks, listed, scenes) else { break };
        let listed_range = taken.listed_start..=taken.listed_end;
        // What lies within both ranges, only further aside, would tell a reviewer nothing more.
        let is_told = |step: &Step| {
            (first..=last).contains(&step.look)
                && (used[step.look - first] || listed_range.contains(&listed.times()[step.place]))
        };
        for lane in &mut lanes {
            lane.retain(|step| !is_told(step));
        }
        found.push(taken);
    }
    found
}

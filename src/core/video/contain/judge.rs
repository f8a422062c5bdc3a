//! From frames that were compared to what two videos are to each other.

use super::distinct;
use super::listed::Listed;
use super::near::{Look, Matched};
use super::rule::{Compared, Outcome, Rule};
use super::stretch;

fn percent(part: usize, whole: usize) -> u8 {
    (part * 100).checked_div(whole).unwrap_or(0) as u8
}

/// The place of the alternative that is nearest in most frames.
fn alternative(looks: &[Look]) -> Option<usize> {
    let mut nearest: Vec<usize> =
        looks.iter().filter_map(|look| look.nearest).map(|n| n.1).collect();
    nearest.sort_unstable();
    let fewer = |a: &&[usize], b: &&[usize]| a.len().cmp(&b.len()).then(b[0].cmp(&a[0]));
    nearest.chunk_by(usize::eq).max_by(fewer).map(|most| most[0])
}

/// Judges the frames of a query by what they matched.
pub fn judge(looks: &[Look], listed: &Listed, matched: &Matched, rule: &Rule) -> Compared {
    let query_scenes = distinct::scenes(looks.iter().map(|look| &look.upright));
    let places: Vec<usize> = matched.places().collect();
    let fitting: Vec<usize> = (0..looks.len()).filter(|at| looks[*at].nearest.is_some()).collect();
    let mut distances: Vec<u32> =
        looks.iter().filter_map(|look| look.nearest).map(|n| n.0).collect();
    distances.sort_unstable();
    let query_distinct = distinct::count(fitting.iter().map(|at| query_scenes[*at]));
    let listed_distinct = distinct::count(places.iter().map(|place| listed.scenes()[*place]));
    let found = Compared {
        outcome: Outcome::NotMatched,
        query_percent: percent(fitting.len(), looks.len()),
        compared_percent: percent(places.len(), listed.len()),
        usable_query_frames: looks.len() as u32,
        usable_listed_frames: listed.len() as u32,
        matched_query_frames: fitting.len() as u32,
        matched_listed_frames: places.len() as u32,
        distinct_query_frames: query_distinct,
        distinct_listed_frames: listed_distinct,
        best_distance: distances.first().copied(),
        median_distance: distances.get(distances.len().saturating_sub(1) / 2).copied(),
        alternative: alternative(looks),
        segments: stretch::segments(looks, listed, &query_scenes, rule.distance_max),
    };
    let between = |first: Option<u32>, last: Option<u32>| {
        first.zip(last).map_or(0, |(first, last)| last - first)
    };
    let looked = |at: Option<&usize>| at.map(|at| looks[*at].at);
    let listed_at = |place: Option<&usize>| place.map(|place| listed.times()[*place]);
    let spans = Spans {
        query: between(looked(fitting.first()), looked(fitting.last())),
        query_whole: between(looks.first().map(|l| l.at), looks.last().map(|l| l.at)),
        listed: between(listed_at(places.first()), listed_at(places.last())),
        listed_whole: listed.span_millis(),
    };
    let outcome = if is_contained(&found, listed, &spans, rule) {
        Outcome::Contained
    } else if is_part(&found, &spans, rule) {
        Outcome::PartOf
    } else if is_run(&found, rule) {
        Outcome::Run
    } else {
        Outcome::NotMatched
    };
    Compared { outcome, ..found }
}

/// Time between the first and the last frame, in milliseconds: of those matched, and of all.
struct Spans {
    query: u32,
    query_whole: u32,
    listed: u32,
    listed_whole: u32,
}

fn is_contained(found: &Compared, listed: &Listed, spans: &Spans, rule: &Rule) -> bool {
    let is_whole = found.matched_listed_frames == found.usable_listed_frames;
    if found.matched_listed_frames == 0 || found.compared_percent < rule.compared_percent_min {
        return false;
    }
    // A video with so few frames is a few pictures: all of them, then, at whatever time.
    if found.usable_listed_frames < rule.frames_min {
        return is_whole;
    }
    let span = rule.span_min_millis.min(spans.listed_whole);
    if spans.listed < span {
        return false;
    }
    // A video of one still scene has no distinct frames to give: then the query shows it for some time, too.
    if listed.scene_count() < rule.frames_min {
        return is_whole && found.matched_query_frames >= rule.frames_min && spans.query >= span;
    }
    // One picture can be near to many frames of a slow scene; it bears witness for one.
    found.distinct_listed_frames.min(found.matched_query_frames) >= rule.frames_min
}

fn is_part(found: &Compared, spans: &Spans, rule: &Rule) -> bool {
    let distinct = found.distinct_listed_frames.min(found.distinct_query_frames);
    found.matched_query_frames > 0
        && found.query_percent >= rule.query_percent_min
        && distinct >= rule.frames_min
        && spans.query >= rule.span_min_millis.min(spans.query_whole)
}

fn is_run(found: &Compared, rule: &Rule) -> bool {
    found.segments.iter().any(|segment| {
        let query = segment.query_end - segment.query_start;
        let listed = segment.listed_end - segment.listed_start;
        query.min(listed) >= rule.run_min_millis && segment.distinct_frames >= rule.frames_min
    })
}

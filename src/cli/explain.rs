//! A verdict in the words of people, or as JSON.

use super::words;
use crate::proto::v1::{
    CheckState, Disposition, Finding, Match, OnIncomplete, Verdict, VideoLikeness, VideoMatch,
    VideoSegment, finding,
};
use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Width of a table where the answer goes to no terminal, in columns.
const WIDTH_ELSEWHERE: u16 = 160;

/// An empty table with these headings, as wide as the terminal.
#[must_use]
pub fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    let terminal = console::Term::stdout().size_checked();
    table.set_width(terminal.map_or(WIDTH_ELSEWHERE, |(_, columns)| columns));
    table.set_header(headings.iter().copied());
    table
}

/// What a verdict asks for, as the contract names it.
#[must_use]
pub fn disposition(verdict: &Verdict) -> &'static str {
    match words::disposition(verdict.disposition) {
        Disposition::Unspecified | Disposition::Hold => "HOLD",
        Disposition::Allow => "ALLOW",
        Disposition::AllowWithFriction => "ALLOW_WITH_FRICTION",
        Disposition::Block => "BLOCK",
        Disposition::Interrupt => "INTERRUPT",
    }
}

/// Why the verdict is what it is.
#[must_use]
pub fn why(verdict: &Verdict) -> String {
    let mut reasons = Vec::new();
    let nearest = verdict.findings.iter().min_by_key(|finding| distance(finding));
    if let Some(found) = nearest {
        let more = verdict.findings.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        reasons.push(format!("{}{more}", told(found, verdict.detail_withheld)));
    }
    if !verdict.shadow_findings.is_empty() {
        reasons.push(format!("{} found that does not count", verdict.shadow_findings.len()));
    }
    if let Some(rule) = verdict.incomplete {
        let rule = match OnIncomplete::try_from(rule) {
            Ok(OnIncomplete::AllowAndRecheck) => "allowed until asked again",
            Ok(OnIncomplete::Block) => "blocked",
            _ => "held",
        };
        reasons.push(format!("not everything was checked, so {rule}"));
    }
    if reasons.is_empty() { "nothing found".into() } else { reasons.join("; ") }
}

fn distance(finding: &Finding) -> u32 {
    match &finding.kind {
        Some(finding::Kind::Match(found)) => found.distance,
        _ => u32::MAX,
    }
}

fn told(finding: &Finding, withheld: bool) -> String {
    match &finding.kind {
        Some(finding::Kind::Match(_)) if withheld => {
            "matches a listed item (detail withheld)".into()
        }
        Some(finding::Kind::Match(found)) => format!("matches {}", matched(found)),
        Some(finding::Kind::Score(score)) => {
            format!(
                "{} scored {:.2}, threshold {:.2}",
                score.category, score.value, score.threshold
            )
        }
        None => "something this version does not know".into(),
    }
}

/// A place in a video, in minutes and seconds.
fn clock(offset: &prost_types::Duration) -> String {
    format!("{}:{:02}", offset.seconds / 60, offset.seconds % 60)
}

/// What two videos have in common, and where the longest stretch of it lies in the item.
fn alike(video: &VideoMatch) -> String {
    let how = match video.likeness() {
        VideoLikeness::Part => "is a part of it",
        VideoLikeness::Run => "shares a stretch with it",
        VideoLikeness::Contained | VideoLikeness::Unspecified => "holds it",
    };
    let mut text = format!("{how} ({} % of what is listed)", video.compared_percent);
    let ends = video
        .segments
        .first()
        .and_then(|first| first.query_start_offset.as_ref().zip(first.query_end_offset.as_ref()));
    if let Some((from, to)) = ends {
        text = format!("{text}, from {} to {}", clock(from), clock(to));
    }
    text
}

fn matched(found: &Match) -> String {
    let mut text = format!(
        "{} by {}",
        found.bank_id,
        words::signal_name(found.signal_type, &found.custom_type)
    );
    if found.distance_max > 0 {
        text = format!("{text}, {} of {} bits", found.distance, found.distance_max);
    }
    let changed = [words::form_name(found.form), words::dihedral_name(found.dihedral)];
    for word in changed
        .iter()
        .filter(|word| !["UNSPECIFIED", "CANONICAL", "ORIGINAL"].contains(&word.as_str()))
    {
        text = format!("{text}, {}", word.to_lowercase().replace('_', " "));
    }
    if let Some(offset) = &found.offset {
        text = format!("{text}, at {}", clock(offset));
    }
    if let Some(video) = &found.video {
        text = format!("{text}, {}", alike(video));
    }
    if !found.part.is_empty() {
        text = format!("{text}, in part {}", found.part);
    }
    if let Some(by) = &found.suppressed_by {
        text = format!("{text}, overruled by {}", by.bank_id);
    }
    text
}

/// What was checked and what was not, each state once.
#[must_use]
pub fn coverage(verdict: &Verdict) -> String {
    let mut by_state: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for row in &verdict.coverage {
        // What is carried out, or cannot apply, needs no reason.
        let open = ![i32::from(CheckState::Checked), i32::from(CheckState::NotApplicable)]
            .contains(&row.state);
        let mut what = words::check_name(row.check).to_lowercase().replace('_', " ");
        if !row.part.is_empty() {
            what = format!("{what} of part {}", row.part);
        }
        if open && !row.reason.is_empty() {
            what = format!("{what} ({})", row.reason);
        }
        let checks = by_state.entry(row.state).or_default();
        if !checks.contains(&what) {
            checks.push(what);
        }
    }
    let states = by_state.into_iter().map(|(state, checks)| {
        let shown = checks.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
        let more = if checks.len() > 4 {
            format!(" and {} more", checks.len() - 4)
        } else {
            String::new()
        };
        format!("{}: {shown}{more}", words::state_name(state))
    });
    states.collect::<Vec<_>>().join("\n")
}

/// A verdict as one JSON object.
#[must_use]
pub fn json(verdict: &Verdict) -> Value {
    let findings = |found: &[Finding]| found.iter().map(finding_json).collect::<Vec<_>>();
    let coverage = verdict.coverage.iter().map(|row| {
        json!({
            "check": words::check_name(row.check),
            "state": words::state_name(row.state),
            "reason": row.reason,
            "part": row.part,
        })
    });
    json!({
        "verdict_id": verdict.verdict_id,
        "disposition": disposition(verdict),
        "assurance": words::assurance_name(verdict.assurance),
        "findings": findings(&verdict.findings),
        "shadow_findings": findings(&verdict.shadow_findings),
        "detail_withheld": verdict.detail_withheld,
        "coverage": coverage.collect::<Vec<_>>(),
        "incomplete": verdict.incomplete.map(words::incomplete_name),
        "record": words::record_name(verdict.record),
    })
}

fn seconds(offset: &prost_types::Duration) -> f64 {
    offset.seconds as f64 + f64::from(offset.nanos) / 1e9
}

fn video_json(video: &VideoMatch) -> Value {
    let segment = |segment: &VideoSegment| {
        json!({
            "query_start_seconds": segment.query_start_offset.as_ref().map(seconds),
            "query_end_seconds": segment.query_end_offset.as_ref().map(seconds),
            "entry_start_seconds": segment.entry_start_offset.as_ref().map(seconds),
            "entry_end_seconds": segment.entry_end_offset.as_ref().map(seconds),
            "frame_count": segment.frame_count,
        })
    };
    json!({
        "likeness": words::likeness_name(video.likeness),
        "compared_percent": video.compared_percent,
        "query_percent": video.query_percent,
        "segments": video.segments.iter().map(segment).collect::<Vec<_>>(),
    })
}

fn finding_json(finding: &Finding) -> Value {
    match &finding.kind {
        Some(finding::Kind::Match(found)) => json!({
            "match": {
                "bank_id": found.bank_id,
                "entry_id": found.entry_id,
                "signal_type": words::signal_name(found.signal_type, &found.custom_type),
                "distance": found.distance,
                "distance_max": found.distance_max,
                "form": words::form_name(found.form),
                "dihedral": words::dihedral_name(found.dihedral),
                "part": found.part,
                "offset_seconds": found.offset.as_ref().map(seconds),
                "video": found.video.as_ref().map(video_json),
                "disposition": words::disposition_name(found.disposition),
                "suppressed_by": found.suppressed_by.as_ref().map(|by| &by.bank_id),
            }
        }),
        Some(finding::Kind::Score(score)) => json!({
            "score": {
                "category": score.category,
                "value": score.value,
                "threshold": score.threshold,
                "detector": score.detector,
            }
        }),
        None => json!({ "unknown": true }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::{Check, CheckCoverage, Dihedral, SignalType};

    fn verdict() -> Verdict {
        Verdict {
            disposition: Disposition::Hold.into(),
            findings: vec![Finding {
                kind: Some(finding::Kind::Match(Match {
                    bank_id: "pictures".into(),
                    signal_type: SignalType::Pdq.into(),
                    distance: 12,
                    distance_max: 31,
                    dihedral: Dihedral::Rotated90.into(),
                    ..Match::default()
                })),
            }],
            coverage: vec![CheckCoverage {
                check: Check::ImageMatch.into(),
                state: CheckState::Checked.into(),
                ..CheckCoverage::default()
            }],
            ..Verdict::default()
        }
    }

    #[test]
    fn a_match_is_told_with_bank_distance_and_turn() {
        assert_eq!(why(&verdict()), "matches pictures by PDQ, 12 of 31 bits, rotated 90");
    }

    #[test]
    fn what_was_not_checked_is_told() {
        let row = CheckCoverage {
            check: Check::ImageMatch.into(),
            state: CheckState::Corrupt.into(),
            reason: "a decoder failed".into(),
            part: String::new(),
        };
        let verdict = Verdict { coverage: vec![row], incomplete: Some(1), ..Verdict::default() };
        assert_eq!(coverage(&verdict), "CORRUPT: image match (a decoder failed)");
        assert_eq!(why(&verdict), "not everything was checked, so held");
    }

    #[test]
    fn an_unknown_disposition_is_printed_as_block() {
        assert_eq!(disposition(&Verdict { disposition: 42, ..Verdict::default() }), "BLOCK");
    }
}

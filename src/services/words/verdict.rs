//! Verdicts, written from the core to the wire; detail is left out for callers whose roles do not see it.

use crate::core::id::ItemId;
use crate::core::verdict::{
    Assurance, Brake, Covered, Finding, Match, OnIncomplete, Provenance, RecommendedAction,
    ReviewPriority, Score, Verdict, Versions,
};
use crate::core::video::alike::{Likeness, VideoMatch, VideoSegment};
use crate::proto::v1;
use crate::services::words::opinion::write_merged;
use crate::services::words::{moment, policy, signal};
use std::time::Duration;

/// How long a caller should wait before sending an item again whose check was incomplete.
pub const RECHECK_AFTER: Duration = Duration::from_secs(60);

/// How a verdict stands on record, and whether it answers for the first time.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Whether it is on record.
    pub record: v1::Record,
    /// Where it stands in the journal.
    pub receipt: Option<v1::Receipt>,
    /// Whether it answers this request for the first time.
    pub origin: v1::Origin,
}

/// Writes a verdict for a caller who sees detail, or does not.
#[must_use]
pub fn write(
    verdict: &Verdict,
    item: Option<&ItemId>,
    sees_detail: bool,
    standing: Standing,
) -> v1::Verdict {
    // Where somebody may want to find out what is listed, an answer says only that a person looks, whatever was found.
    let is_blank = !sees_detail && !verdict.brakes.is_empty();
    let findings = |list: &[Finding]| match is_blank {
        true => Vec::new(),
        false => told(list, sees_detail),
    };
    let assurance = if is_blank { Assurance::Investigate } else { verdict.assurance };
    let reviewed = [RecommendedAction::EnqueueReview];
    let actions = if is_blank { &reviewed[..] } else { &verdict.actions };
    let has_findings = !verdict.findings.is_empty() || !verdict.shadow_findings.is_empty();
    let is_recheck = verdict.incomplete == Some(OnIncomplete::AllowAndRecheck);
    v1::Verdict {
        verdict_id: verdict.id.to_string(),
        item_id: item.map(ToString::to_string).unwrap_or_default(),
        disposition: policy::write_disposition(verdict.disposition).into(),
        assurance: write_assurance(assurance).into(),
        findings: findings(&verdict.findings),
        // What does not count is no business of a caller who only needs the disposition.
        shadow_findings: if sees_detail { findings(&verdict.shadow_findings) } else { Vec::new() },
        detail_withheld: is_blank || (!sees_detail && has_findings),
        coverage: verdict.coverage.iter().map(coverage).collect(),
        incomplete: verdict.incomplete.map(|rule| policy::write_on_incomplete(rule).into()),
        recommended_actions: actions.iter().map(|a| action(*a).into()).collect(),
        versions: Some(versions(&verdict.versions, sees_detail)),
        record: standing.record.into(),
        receipt: standing.receipt,
        origin: standing.origin.into(),
        recheck_after: is_recheck.then(|| moment::span(RECHECK_AFTER)),
        recheck_token: if is_recheck { verdict.id.to_string() } else { String::new() },
        decide_time: Some(moment::timestamp(verdict.decided)),
        brakes: match sees_detail {
            true => verdict.brakes.iter().map(|by| brake(*by).into()).collect(),
            false => Vec::new(),
        },
        // One that is blank says only that a person looks, not why.
        review_priority: priority(verdict.review.filter(|_| !is_blank)).into(),
    }
}

const fn priority(review: Option<ReviewPriority>) -> v1::ReviewPriority {
    match review {
        None => v1::ReviewPriority::Unspecified,
        Some(ReviewPriority::Low) => v1::ReviewPriority::Low,
        Some(ReviewPriority::Normal) => v1::ReviewPriority::Normal,
        Some(ReviewPriority::High) => v1::ReviewPriority::High,
    }
}

/// Findings for a caller who sees detail, or does not: how many entries match in the same way is detail.
fn told(list: &[Finding], sees_detail: bool) -> Vec<v1::Finding> {
    let mut told: Vec<v1::Finding> = Vec::with_capacity(list.len());
    for finding in list.iter().map(|one| finding(one, sees_detail)) {
        if sees_detail || !told.contains(&finding) {
            told.push(finding);
        }
    }
    told
}

/// Writes one row of coverage.
#[must_use]
pub fn coverage(covered: &Covered) -> v1::CheckCoverage {
    v1::CheckCoverage {
        check: policy::write_check(covered.check).into(),
        state: policy::write_check_state(covered.state).into(),
        reason: covered.reason.clone(),
        part: covered.part.clone(),
    }
}

const fn write_assurance(assurance: Assurance) -> v1::Assurance {
    match assurance {
        Assurance::None => v1::Assurance::None,
        Assurance::Investigate => v1::Assurance::Investigate,
        Assurance::Likely => v1::Assurance::Likely,
        Assurance::VerifiedKnown => v1::Assurance::VerifiedKnown,
    }
}

const fn brake(brake: Brake) -> v1::Brake {
    match brake {
        Brake::Flood => v1::Brake::Flood,
        Brake::Breaker => v1::Brake::Breaker,
        Brake::Budget => v1::Brake::Budget,
        Brake::Probing => v1::Brake::Probing,
    }
}

const fn action(action: RecommendedAction) -> v1::RecommendedAction {
    use v1::RecommendedAction as Wire;
    match action {
        RecommendedAction::Quarantine => Wire::Quarantine,
        RecommendedAction::Preserve => Wire::Preserve,
        RecommendedAction::EnqueueReview => Wire::EnqueueReview,
        RecommendedAction::ReportDue => Wire::ReportDue,
        RecommendedAction::WarnUser => Wire::WarnUser,
        RecommendedAction::ShowHelp => Wire::ShowHelp,
        RecommendedAction::LimitContact => Wire::LimitContact,
    }
}

fn finding(finding: &Finding, sees_detail: bool) -> v1::Finding {
    use v1::finding::Kind;
    let kind = match finding {
        Finding::Match(found) => Kind::Match(listed(found, sees_detail)),
        Finding::Score(found) => Kind::Score(score(found)),
    };
    v1::Finding { kind: Some(kind) }
}

/// Writes a match for a caller who sees detail, or does not.
#[must_use]
pub fn listed(found: &Match, sees_detail: bool) -> v1::Match {
    let bare = v1::Match {
        part: found.part.clone(),
        disposition: policy::write_disposition(found.disposition).into(),
        assurance: write_assurance(found.assurance).into(),
        ..v1::Match::default()
    };
    if !sees_detail {
        return bare;
    }
    let (signal_type, custom_type) = signal::write_type(&found.kind);
    v1::Match {
        bank_id: found.bank.to_string(),
        entry_id: found.entry.to_string(),
        signal_type: signal_type.into(),
        custom_type,
        distance: found.distance,
        distance_max: found.distance_max,
        form: signal::write_form(found.form).into(),
        dihedral: signal::write_dihedral(found.dihedral).into(),
        suppressed_by: found.suppressed_by.as_ref().map(|(bank, entry)| v1::EntryReference {
            bank_id: bank.to_string(),
            entry_id: entry.to_string(),
        }),
        provenance: Some(provenance(&found.provenance)),
        brake: found.brake.map_or(v1::Brake::Unspecified, brake).into(),
        review_priority: priority(found.review).into(),
        video: found.video.as_deref().map(alike),
        offset: found.at.map(moment::millis),
        ..bare
    }
}

fn alike(found: &VideoMatch) -> v1::VideoMatch {
    let likeness = match found.likeness {
        Likeness::Contained => v1::VideoLikeness::Contained,
        Likeness::Part => v1::VideoLikeness::Part,
        Likeness::Run => v1::VideoLikeness::Run,
    };
    let segment = |segment: &VideoSegment| v1::VideoSegment {
        query_start_offset: Some(moment::millis(segment.query_start)),
        query_end_offset: Some(moment::millis(segment.query_end)),
        entry_start_offset: Some(moment::millis(segment.entry_start)),
        entry_end_offset: Some(moment::millis(segment.entry_end)),
        frame_count: segment.frames,
        distance: segment.distance,
    };
    v1::VideoMatch {
        likeness: likeness.into(),
        compared_percent: found.compared_percent,
        query_percent: found.query_percent,
        distance_median: found.distance_median,
        segments: found.segments.iter().map(segment).collect(),
    }
}

fn score(found: &Score) -> v1::Score {
    v1::Score {
        category: found.category.clone(),
        value: found.value,
        threshold: found.threshold,
        detector: found.detector.clone(),
        detector_version: found.detector_version.clone(),
        disposition: policy::write_disposition(found.disposition).into(),
    }
}

/// Writes where an entry comes from.
#[must_use]
pub fn provenance(provenance: &Provenance) -> v1::Provenance {
    v1::Provenance {
        exchange: provenance.exchange.clone(),
        source_organisation: provenance.source_organisation.clone(),
        source_record: provenance.source_record.clone(),
        classification: provenance.classification.clone(),
        tags: provenance.tags.clone(),
        first_seen_time: Some(moment::timestamp(provenance.first_seen)),
        confirmed_by_us: provenance.confirmed_by_us,
        merged_opinion: write_merged(provenance.opinion).into(),
    }
}

fn versions(versions: &Versions, sees_detail: bool) -> v1::Versions {
    // Which lists there are is no business of a caller who only needs the disposition.
    let banks: &[_] = if sees_detail { &versions.banks } else { &[] };
    v1::Versions {
        index_number: versions.index,
        index_age: Some(moment::span(versions.index_age)),
        banks: banks
            .iter()
            .map(|bank| v1::BankVersion {
                bank_id: bank.bank.to_string(),
                version: bank.version,
                age: Some(moment::span(bank.age)),
            })
            .collect(),
        surface_id: versions.surface.to_string(),
        policy_version: versions.policy,
        engine: versions.engine.clone(),
    }
}

//! Verdicts, written from the core to the wire; detail is left out for callers whose roles do not see it.

use crate::core::id::ItemId;
use crate::core::verdict::{
    Assurance, Covered, Finding, Match, OnIncomplete, Provenance, RecommendedAction, Score,
    Verdict, Versions,
};
use crate::proto::v1;
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
    let findings = |list: &[Finding]| list.iter().map(|f| finding(f, sees_detail)).collect();
    let has_findings = !verdict.findings.is_empty() || !verdict.shadow_findings.is_empty();
    let is_recheck = verdict.incomplete == Some(OnIncomplete::AllowAndRecheck);
    v1::Verdict {
        verdict_id: verdict.id.to_string(),
        item_id: item.map(ToString::to_string).unwrap_or_default(),
        disposition: policy::write_disposition(verdict.disposition).into(),
        assurance: write_assurance(verdict.assurance).into(),
        findings: findings(&verdict.findings),
        // What does not count is no business of a caller who only needs the disposition.
        shadow_findings: if sees_detail { findings(&verdict.shadow_findings) } else { Vec::new() },
        detail_withheld: !sees_detail && has_findings,
        coverage: verdict.coverage.iter().map(coverage).collect(),
        incomplete: verdict.incomplete.map(|rule| policy::write_on_incomplete(rule).into()),
        recommended_actions: verdict.actions.iter().map(|a| action(*a).into()).collect(),
        versions: Some(versions(&verdict.versions)),
        record: standing.record.into(),
        receipt: standing.receipt,
        origin: standing.origin.into(),
        recheck_after: is_recheck.then(|| moment::span(RECHECK_AFTER)),
        recheck_token: if is_recheck { verdict.id.to_string() } else { String::new() },
        decide_time: Some(moment::timestamp(verdict.decided)),
    }
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

fn listed(found: &Match, sees_detail: bool) -> v1::Match {
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
        ..bare
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
    }
}

fn versions(versions: &Versions) -> v1::Versions {
    v1::Versions {
        index_number: versions.index,
        index_age: Some(moment::span(versions.index_age)),
        banks: versions
            .banks
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

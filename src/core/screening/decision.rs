//! The decision: one verdict from findings, coverage and the surface's policy.

use crate::core::id::VerdictId;
use crate::core::policy::{Context, Surface};
use crate::core::resident::Holding;
use crate::core::screening::coverage::{
    completeness, cover, lacks_legal_basis, without_legal_basis,
};
use crate::core::screening::finding::{Found, look_up, weigh};
use crate::core::screening::question::Question;
use crate::core::signal::Signal;
use crate::core::time::Time;
use crate::core::verdict::{
    Assurance, BankVersion, CheckState, Disposition, Finding, OnIncomplete, RecommendedAction,
    Verdict, Versions,
};

/// What is taken from outside for one decision.
#[derive(Debug, Clone)]
pub struct Moment {
    /// When it is made.
    pub now: Time,
    /// The name the verdict gets.
    pub id: VerdictId,
    /// Journal number up to which the memory is in step.
    pub index: u64,
}

/// A verdict, and the least complete state among the required checks.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The answer.
    pub verdict: Verdict,
    /// What kept a required check from being carried out; `CHECKED` where nothing did.
    pub completeness: CheckState,
}

/// Decides. The same holding, policy, question and moment give the same verdict.
///
/// It never answers `ALLOW` for want of a list: see [`completeness`].
#[must_use]
pub fn decide(
    holding: &Holding,
    surface: &Surface,
    context: &Context,
    question: &Question,
    moment: Moment,
) -> Decided {
    let (found, coverage) = if lacks_legal_basis(surface, context) {
        (Found::default(), without_legal_basis())
    } else {
        let mut found = look_up(&holding.matcher, &question.probes, &seed(context, question));
        found.counted.extend(weigh(surface, &question.scores));
        (found, cover(&holding.matcher, surface, question, moment.now))
    };
    let completeness = completeness(surface, &coverage);
    let incomplete = (!completeness.is_complete()).then_some(surface.on_incomplete);
    let by_findings =
        found.counted.iter().map(Finding::disposition).max().unwrap_or(Disposition::Allow);
    let disposition = match incomplete {
        None | Some(OnIncomplete::AllowAndRecheck) => by_findings,
        Some(OnIncomplete::Hold) => by_findings.max(Disposition::Hold),
        Some(OnIncomplete::Block) => by_findings.max(Disposition::Block),
    };
    let assurance = found.counted.iter().map(Finding::assurance).max().unwrap_or(Assurance::None);
    let verdict = Verdict {
        id: moment.id,
        disposition,
        assurance,
        actions: actions(by_findings, assurance),
        findings: found.counted,
        shadow_findings: found.shadow,
        coverage,
        incomplete,
        versions: versions(holding, surface, moment.index, moment.now),
        decided: moment.now,
    };
    Decided { verdict, completeness }
}

/// What a bank's ratio is drawn from: the item's name; its digest, or any signal of it, where it has none.
fn seed(context: &Context, question: &Question) -> Vec<u8> {
    if let Some(item) = &context.item {
        return item.as_str().as_bytes().to_vec();
    }
    let digest = question.probes.iter().find(|probe| matches!(probe.signal, Signal::Sha256(_)));
    digest.or(question.probes.first()).map(|probe| probe.signal.bytes()).unwrap_or_default()
}

fn actions(by_findings: Disposition, assurance: Assurance) -> Vec<RecommendedAction> {
    let mut actions = Vec::new();
    if by_findings >= Disposition::Block {
        actions.extend([RecommendedAction::Quarantine, RecommendedAction::Preserve]);
    }
    match assurance {
        // Nobody need look at what a vetted exact match has settled.
        Assurance::VerifiedKnown => actions.push(RecommendedAction::ReportDue),
        Assurance::Likely | Assurance::Investigate => {
            actions.push(RecommendedAction::EnqueueReview)
        }
        Assurance::None => {}
    }
    actions
}

fn versions(holding: &Holding, surface: &Surface, index: u64, now: Time) -> Versions {
    Versions {
        index,
        banks: holding
            .matcher
            .banks()
            .filter(|status| status.bank.enabled)
            .map(|status| BankVersion {
                bank: status.bank.id.clone(),
                version: status.number,
                age: now.since(status.bank.learned),
            })
            .collect(),
        surface: surface.id.clone(),
        policy: surface.version,
        engine: crate::core::pdq::engine().to_owned(),
    }
}

#[cfg(test)]
mod tests;

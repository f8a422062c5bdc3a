//! The decision: one verdict from findings, coverage and the surface's policy.

use crate::core::id::VerdictId;
use crate::core::pdq;
use crate::core::policy::{Context, Surface};
use crate::core::resident::Holding;
use crate::core::screening::coverage::{
    completeness, cover, lacks_legal_basis, without_legal_basis,
};
use crate::core::screening::elsewhere::Elsewhere;
use crate::core::screening::finding::{Found, Lookup, keep_strictest, weigh};
use crate::core::screening::question::Question;
use crate::core::signal::Signal;
use crate::core::time::Time;
use crate::core::verdict::{
    Assurance, BankVersion, Brake, CheckState, Disposition, Finding, OnIncomplete,
    RecommendedAction, Verdict, Versions,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// What is taken from outside for one decision.
#[derive(Debug, Clone)]
pub struct Moment {
    /// When it is made.
    pub now: Time,
    /// The name the verdict gets.
    pub id: VerdictId,
    /// Journal number up to which the memory is in step.
    pub index: u64,
    /// For how long it may have missed what other processes changed.
    pub index_age: Duration,
    /// What processes say that keep other shards of the banks.
    pub elsewhere: Elsewhere,
}

/// A verdict, and the least complete state among the required checks.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The answer.
    pub verdict: Verdict,
    /// What kept a required check from being carried out; `CHECKED` where nothing did.
    pub completeness: CheckState,
    /// Places of the question's probes that are known to be harmless.
    pub harmless: BTreeSet<usize>,
}

/// A decision in the making, over one picture of the memory.
pub struct Deciding {
    /// Nothing is looked for where the law's basis is missing.
    lookup: Option<Lookup>,
    moment: Moment,
    versions: Versions,
}

impl Deciding {
    /// A decision for which nothing has been looked for.
    #[must_use]
    pub fn new(
        holding: &Holding,
        surface: &Surface,
        context: &Context,
        question: &Question,
        moment: Moment,
    ) -> Self {
        let is_lawful = !lacks_legal_basis(surface, context);
        let lookup = is_lawful.then(|| Lookup::new(seed(context, question)));
        let mut versions = versions(holding, surface, &moment);
        if question.by_coefficients {
            versions.engine = format!("{}; {}", pdq::engine(), pdq::engine_coefficients());
        }
        Self { lookup, moment, versions }
    }

    /// Looks for signals of the question until none is left or `enough`, which is asked after each, says to stop.
    /// Says whether none is left.
    pub fn look(
        &mut self,
        holding: &Holding,
        question: &Question,
        enough: impl FnMut() -> bool,
    ) -> bool {
        let (lookup, elsewhere) = (self.lookup.as_mut(), &self.moment.elsewhere);
        lookup
            .is_none_or(|lookup| lookup.look(&holding.matcher, &question.probes, elsewhere, enough))
    }

    /// Decides from what was found. A check for which signals are left was not carried out: time ran out.
    ///
    /// It never answers `ALLOW` for want of a list: see [`completeness`]. Guards are asked through `brake`, which may let
    /// matches ask for less than they did, never for `ALLOW`.
    #[must_use]
    pub fn conclude(
        self,
        holding: &Holding,
        surface: &Surface,
        question: &Question,
        brake: impl FnOnce(&mut Found),
    ) -> Decided {
        let Self { lookup, moment, mut versions } = self;
        versions.policy = surface.version;
        let harmless = lookup.as_ref().map(Lookup::harmless).unwrap_or_default();
        let (found, coverage) = match lookup {
            None => (Found::default(), without_legal_basis()),
            Some(lookup) => {
                let left = lookup.left(&question.probes);
                let (matcher, elsewhere) = (&holding.matcher, &moment.elsewhere);
                let coverage = cover(matcher, surface, question, left, elsewhere, moment.now);
                let mut found = lookup.found(matcher, question, elsewhere);
                brake(&mut found);
                keep_strictest(&mut found.counted);
                found.counted.extend(weigh(surface, &question.scores));
                (found, coverage)
            }
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
        let assurance =
            found.counted.iter().map(Finding::assurance).max().unwrap_or(Assurance::None);
        let review = found.counted.iter().filter_map(Finding::review).max();
        let mut verdict = Verdict {
            id: moment.id,
            disposition,
            assurance,
            actions: actions(by_findings, assurance),
            findings: found.counted,
            shadow_findings: found.shadow,
            coverage,
            incomplete,
            brakes: Vec::new(),
            review,
            versions,
            decided: moment.now,
        };
        if question.over_budget {
            verdict.hold(Brake::Budget);
        }
        Decided { verdict, completeness, harmless }
    }
}

/// What tells an item from others, and what a bank's ratio is drawn from: the item's name; its digest, or any signal of
/// it, where it has none.
#[must_use]
pub fn seed(context: &Context, question: &Question) -> Vec<u8> {
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

fn versions(holding: &Holding, surface: &Surface, moment: &Moment) -> Versions {
    Versions {
        // As far back as the shard that is furthest behind.
        index: moment.elsewhere.index.map_or(moment.index, |index| index.min(moment.index)),
        index_age: moment.index_age.max(moment.elsewhere.index_age),
        banks: holding
            .matcher
            .banks()
            .filter(|status| status.bank.enabled)
            .map(|status| BankVersion {
                bank: status.bank.id.clone(),
                version: status.number,
                age: moment.now.since(status.bank.learned),
            })
            .collect(),
        surface: surface.id.clone(),
        policy: surface.version,
        engine: pdq::engine().to_owned(),
    }
}

#[cfg(test)]
mod tests;

//! Coverage: what was checked, what was not, and whether the surface's requirements were met.

use crate::core::matcher::Matcher;
use crate::core::policy::{Context, Surface, Visibility};
use crate::core::screening::question::{Probe, Question};
use crate::core::time::Time;
use crate::core::verdict::{Check, CheckState, Covered, Form};
use std::collections::BTreeMap;

const NOT_GIVEN: &str = "nothing to check was given";
const NO_BANK: &str = "no enforced bank holds entries for this check";
const BANK_TOO_OLD: &str = "a bank has not changed for longer than it allows";
const NO_FRAME_GOOD_ENOUGH: &str = "too little structure for a meaningful hash";

/// Whether a call on this surface must name a legal basis and did not.
#[must_use]
pub fn lacks_legal_basis(surface: &Surface, context: &Context) -> bool {
    let is_private =
        matches!(context.visibility, Visibility::Private | Visibility::EndToEndEncrypted);
    surface.legal_basis_required && is_private && context.legal_basis.is_empty()
}

/// The coverage of a question, given the banks there are at `now`: a row at least for every check that is required.
#[must_use]
pub fn cover(matcher: &Matcher, surface: &Surface, question: &Question, now: Time) -> Vec<Covered> {
    let sources: BTreeMap<Check, (CheckState, &str)> =
        Check::ALL.into_iter().map(|check| (check, source_state(matcher, check, now))).collect();
    let qualities = best_qualities(&question.probes);
    let lacking = surface
        .required
        .iter()
        .filter(|required| question.coverage.iter().all(|covered| covered.check != **required));
    let lacking = lacking.map(|check| Covered {
        check: *check,
        state: CheckState::SourceUnavailable,
        reason: NOT_GIVEN.to_owned(),
        part: String::new(),
    });
    let mut coverage: Vec<Covered> = question
        .coverage
        .iter()
        .map(|part| {
            let mut part = part.clone();
            if part.state == CheckState::Checked && part.check != Check::ExternalScore {
                let (state, reason) = match sources[&part.check] {
                    (CheckState::Checked, _) => {
                        quality_state(matcher, part.check, qualities.get(&*part.part).copied())
                    }
                    lacking => lacking,
                };
                if state != CheckState::Checked {
                    part.state = state;
                    reason.clone_into(&mut part.reason);
                }
            }
            part
        })
        .collect();
    coverage.extend(lacking);
    coverage
}

/// What every check becomes where the law's basis is missing: nothing was looked at.
#[must_use]
pub fn without_legal_basis() -> Vec<Covered> {
    Check::ALL
        .into_iter()
        .map(|check| Covered {
            check,
            state: CheckState::NoLegalBasis,
            reason: String::new(),
            part: String::new(),
        })
        .collect()
}

fn source_state(matcher: &Matcher, check: Check, now: Time) -> (CheckState, &'static str) {
    let mut sources = matcher.sources(check).peekable();
    if sources.peek().is_none() {
        return (CheckState::SourceUnavailable, NO_BANK);
    }
    let is_stale = sources.any(|source| {
        source.bank.freshness_max.is_some_and(|limit| now.since(source.bank.changed) > limit)
    });
    if is_stale { (CheckState::IndexStale, BANK_TOO_OLD) } else { (CheckState::Checked, "") }
}

/// The best known quality among the unchanged frames of each part. An unknown quality counts as good: the value is
/// matched, which is the stricter choice.
fn best_qualities(probes: &[Probe]) -> BTreeMap<&str, u32> {
    let mut best = BTreeMap::new();
    for probe in probes.iter().filter(|probe| probe.signal.kind().is_perceptual()) {
        if probe.form == Form::Canonical {
            let quality = probe.quality.unwrap_or(100);
            let known = best.entry(&*probe.part).or_insert(quality);
            *known = quality.max(*known);
        }
    }
    best
}

fn quality_state(matcher: &Matcher, check: Check, best: Option<u32>) -> (CheckState, &'static str) {
    let needed = matcher
        .sources(check)
        .flat_map(|source| source.bank.rules.iter())
        .filter(|rule| Check::of(&rule.kind) == check)
        .map(|rule| rule.quality_min)
        .max();
    match (best, needed) {
        (Some(best), Some(needed)) if check != Check::ExactMatch && best < needed => {
            (CheckState::QualityTooLow, NO_FRAME_GOOD_ENOUGH)
        }
        _ => (CheckState::Checked, ""),
    }
}

/// The first state that keeps a required check from counting as carried out; `CHECKED` where there is none.
#[must_use]
pub fn completeness(surface: &Surface, coverage: &[Covered]) -> CheckState {
    for required in &surface.required {
        let mut states = coverage.iter().filter(|c| c.check == *required).map(|c| c.state);
        match states.next() {
            // A check that nothing speaks of was not carried out.
            None => return CheckState::SourceUnavailable,
            Some(first) => {
                let lacking = std::iter::once(first).chain(states).find(|s| !s.is_complete());
                if let Some(state) = lacking {
                    return state;
                }
            }
        }
    }
    CheckState::Checked
}

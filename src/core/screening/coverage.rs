//! Coverage: what was checked, what was not, and whether the surface's requirements were met.

use crate::core::bank::Bank;
use crate::core::matcher::Matcher;
use crate::core::policy::{Context, Surface, Visibility};
use crate::core::screening::elsewhere::Elsewhere;
use crate::core::screening::question::{Probe, Question};
use crate::core::signal::SignalType;
use crate::core::time::Time;
use crate::core::verdict::{Check, CheckState, Covered};
use std::collections::{BTreeMap, BTreeSet};

const NOT_GIVEN: &str = "nothing to check was given";
const NOT_SCORED: &str = "a category that the surface acts on was not scored";
const NO_BANK: &str = "no enforced bank holds entries for this check";
const BANK_TOO_OLD: &str = "a bank has not changed for longer than it allows";
const NOT_COMPARED: &str = "time ran out before every signal was compared";
const SHARD_MISSING: &str = "a shard of the banks did not answer";
const OUTSIDE_MISSING: &str = "a service outside was not heard of every hash";
const TOO_LITTLE_STRUCTURE: &str = "a frame has too little structure for a meaningful hash";

/// Whether a call on this surface must name a legal basis and did not.
#[must_use]
pub fn lacks_legal_basis(surface: &Surface, context: &Context) -> bool {
    let is_private =
        matches!(context.visibility, Visibility::Private | Visibility::EndToEndEncrypted);
    surface.legal_basis_required && is_private && context.legal_basis.is_empty()
}

/// The coverage of a question, given the banks there are at `now`, what other shards of them said, and the probes that were
/// not looked for: a row at least for every check that is required.
#[must_use]
pub fn cover(
    matcher: &Matcher,
    surface: &Surface,
    question: &Question,
    left: &[Probe],
    elsewhere: &Elsewhere,
    now: Time,
) -> Vec<Covered> {
    let given = given(&question.probes);
    let left: BTreeSet<_> = left.iter().map(of_probe).collect();
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
            if part.state == CheckState::Checked {
                let (state, reason) = match part.check {
                    Check::ExternalScore => score_state(surface, question),
                    check if left.contains(&(&*part.part, check)) => {
                        (CheckState::Deadline, NOT_COMPARED)
                    }
                    check => match given.get(&(&*part.part, check)) {
                        None => (CheckState::SourceUnavailable, NOT_GIVEN),
                        Some(_) if elsewhere.is_missing() => {
                            (CheckState::SourceUnavailable, SHARD_MISSING)
                        }
                        Some(given) if given.is_unheard(&part.part, elsewhere) => {
                            (CheckState::SourceUnavailable, OUTSIDE_MISSING)
                        }
                        Some(given) => given.state(matcher, elsewhere, now),
                    },
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

/// What was given of one part for one check.
#[derive(Default)]
struct Given {
    kinds: BTreeSet<SignalType>,
    /// The best known quality among the forms of each frame. An unknown quality counts as good: the value is matched,
    /// which is the stricter choice.
    qualities: BTreeMap<u32, u32>,
}

/// Which check of which part a probe serves.
fn of_probe(probe: &Probe) -> (&str, Check) {
    (&*probe.part, Check::of(&probe.signal.kind()))
}

fn given(probes: &[Probe]) -> BTreeMap<(&str, Check), Given> {
    let mut given: BTreeMap<(&str, Check), Given> = BTreeMap::new();
    for probe in probes {
        let kind = probe.signal.kind();
        let one = given.entry(of_probe(probe)).or_default();
        if kind.is_perceptual() {
            let quality = probe.quality.unwrap_or(100);
            let best = one.qualities.entry(probe.frame).or_insert(quality);
            *best = quality.max(*best);
        }
        if !one.kinds.contains(&kind) {
            one.kinds.insert(kind);
        }
    }
    given
}

impl Given {
    /// Whether a service outside was not heard that is asked about signals like these.
    fn is_unheard(&self, part: &str, elsewhere: &Elsewhere) -> bool {
        self.kinds.contains(&SignalType::Pdq) && elsewhere.outside.is_missing(part)
    }

    /// Whether some bank holds what can be compared with, is fresh, and takes the quality of every frame.
    fn state(
        &self,
        matcher: &Matcher,
        elsewhere: &Elsewhere,
        now: Time,
    ) -> (CheckState, &'static str) {
        let mut is_listed = false;
        let mut quality_min = 0;
        let is_video = self.kinds.contains(&SignalType::VpdqFrame);
        // Frames of a video are compared with pictures, too.
        let crossed = Some(SignalType::Pdq).filter(|_| is_video);
        for kind in self.kinds.iter().chain(&crossed) {
            let sources = matcher.sources(kind, |bank| elsewhere.has(kind, bank));
            let is_asked = |bank: &&Bank| {
                self.kinds.contains(kind) || bank.rule(kind).is_some_and(|rule| rule.crosses)
            };
            for bank in sources.filter(is_asked) {
                if bank.freshness_max.is_some_and(|limit| now.since(bank.learned) > limit) {
                    return (CheckState::IndexStale, BANK_TOO_OLD);
                }
                is_listed = true;
                let rule = bank.rule(kind).map_or(0, |rule| rule.quality_min);
                quality_min = quality_min.max(rule);
            }
        }
        let poor = self.qualities.values().filter(|best| **best < quality_min).count();
        // Videos have dark scenes and titles: half of the frames say what it is.
        let is_poor = if is_video { 2 * poor > self.qualities.len() } else { poor > 0 };
        if !is_listed {
            (CheckState::SourceUnavailable, NO_BANK)
        } else if is_poor {
            (CheckState::QualityTooLow, TOO_LITTLE_STRUCTURE)
        } else {
            (CheckState::Checked, "")
        }
    }
}

/// Whether everything that the surface acts on was scored.
fn score_state(surface: &Surface, question: &Question) -> (CheckState, &'static str) {
    let is_scored =
        |category: &String| question.scores.iter().any(|score| score.category == *category);
    if surface.score_thresholds.iter().all(|threshold| is_scored(&threshold.category)) {
        (CheckState::Checked, "")
    } else {
        (CheckState::SourceUnavailable, NOT_SCORED)
    }
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

//! How risky a stream is: raised at once by what speaks against it, lowered only by time in which nothing did.

use crate::core::live::event::{ActorRisk, Found};
use crate::core::live::policy::{Level, Measure, Policy, Step};
use crate::core::time::Time;
use crate::core::verdict::{Assurance, Disposition, ReviewPriority};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Why something is done to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Cause {
    /// A frame matches a listed entry.
    Match,
    /// The last frames follow a listed video.
    Rebroadcast,
    /// Advice matched.
    Advice,
    /// A classifier's scores reached a rule.
    Score,
    /// More is written beside the stream than is weighed.
    Chat,
    /// Viewers reported it.
    Viewers,
    /// Pieces could not be examined.
    Unexamined,
    /// Pieces were put off.
    Shed,
    /// Nothing came.
    Silence,
    /// The connection broke.
    Lost,
    /// Directives are not acknowledged.
    Unheard,
    /// A person said so.
    Person,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Match,
        Self::Rebroadcast,
        Self::Advice,
        Self::Score,
        Self::Chat,
        Self::Viewers,
        Self::Unexamined,
        Self::Shed,
        Self::Silence,
        Self::Lost,
        Self::Unheard,
        Self::Person,
    ];

    /// Whether a cut for it stands by itself. Any other is for now, until a person has looked: no score, and no failure
    /// to examine, ever says what a stream is.
    #[must_use]
    pub const fn is_lasting(self) -> bool {
        match self {
            Self::Match | Self::Rebroadcast | Self::Person => true,
            Self::Advice
            | Self::Score
            | Self::Chat
            | Self::Viewers
            | Self::Unexamined
            | Self::Shed
            | Self::Silence
            | Self::Lost
            | Self::Unheard => false,
        }
    }
}

/// What something speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// How risky the stream is, at least.
    pub level: Level,
    /// What is to be done, at least.
    pub step: Step,
    /// Why.
    pub cause: Cause,
    /// How soon a person should look; nothing where none is asked for.
    pub review: Option<ReviewPriority>,
}

impl Asked {
    /// What a measure asks for.
    #[must_use]
    pub const fn by(measure: Measure, cause: Cause) -> Self {
        let review = Some(ReviewPriority::Normal);
        Self { level: Level::Elevated, step: measure.step(), cause, review }
    }

    /// Only to be watched.
    #[must_use]
    pub const fn watch(cause: Cause) -> Self {
        Self { level: Level::Watch, step: Step::Continue, cause, review: None }
    }

    /// What a match of any kind asks for.
    #[must_use]
    pub const fn matched(
        policy: &Policy,
        disposition: Disposition,
        assurance: Assurance,
        cause: Cause,
    ) -> Option<Self> {
        let (level, step, priority) = match disposition {
            Disposition::Allow => return None,
            Disposition::AllowWithFriction => {
                (Level::Elevated, policy.terms().step_elevated, ReviewPriority::Normal)
            }
            Disposition::Hold => {
                (Level::Critical, policy.terms().step_critical, ReviewPriority::High)
            }
            Disposition::Block | Disposition::Interrupt => {
                (Level::Critical, Step::Interrupt, ReviewPriority::High)
            }
        };
        // What an exact match of a vetted entry has settled need not be looked at.
        let is_settled = matches!(
            (disposition, assurance),
            (Disposition::Block | Disposition::Interrupt, Assurance::VerifiedKnown)
        );
        let review = if is_settled { None } else { Some(priority) };
        Some(Self { level, step, cause, review })
    }
}

/// What all evidence so far comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Risk {
    actor: ActorRisk,
    level: Level,
    step: Step,
    quiet: Duration,
    seen: Time,
    /// For each rule of the policy, the pieces that reached its score, less those that did not.
    frames: Vec<u32>,
    reports: u32,
}

impl Risk {
    /// A stream of which nothing has come.
    #[must_use]
    pub fn new(policy: &Policy, actor: ActorRisk, now: Time) -> Self {
        let frames = vec![0; policy.terms().rules.len()];
        let (step, quiet) = (Step::Continue, Duration::ZERO);
        Self { actor, level: Self::floor(actor), step, quiet, seen: now, frames, reports: 0 }
    }

    const fn floor(actor: ActorRisk) -> Level {
        match actor {
            ActorRisk::Trusted | ActorRisk::Usual => Level::Quiet,
            ActorRisk::Raised | ActorRisk::High => Level::Watch,
        }
    }

    /// How risky the stream is.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// What is done to it.
    #[must_use]
    pub const fn step(&self) -> Step {
        self.step
    }

    /// What the platform said of the broadcaster.
    #[must_use]
    pub const fn actor(&self) -> ActorRisk {
        self.actor
    }

    /// What findings ask for, each by itself. Scores are counted here: a rule acts after as many pieces as the policy
    /// says, and after one where the broadcaster is of high risk.
    pub fn weigh(&mut self, policy: &Policy, found: &[Found]) -> Vec<Asked> {
        let mut asked: Vec<Asked> = found.iter().filter_map(|one| sole(policy, one)).collect();
        asked.extend(self.count(policy, found));
        asked
    }

    /// Counts the scores of one piece; the strictest that a rule asks for.
    fn count(&mut self, policy: &Policy, found: &[Found]) -> Option<Asked> {
        let needed = match self.actor {
            ActorRisk::Trusted | ActorRisk::Usual | ActorRisk::Raised => policy.terms().frames_up,
            ActorRisk::High => 1,
        };
        let mut asked: Option<Asked> = None;
        for (rule, frames) in policy.terms().rules.iter().zip(&mut self.frames) {
            let mut values = found.iter().filter_map(|one| match one {
                Found::Score { category, value } if *category == rule.category => Some(*value),
                Found::Score { .. }
                | Found::Match { .. }
                | Found::Rebroadcast { .. }
                | Found::Advice(_) => None,
            });
            let Some(first) = values.next() else { continue };
            // What is no number is taken for the worst.
            let is_reached = |value: f64| value >= rule.at_least || value.is_nan();
            if is_reached(first) || values.any(is_reached) {
                *frames = frames.saturating_add(1).min(needed);
                self.quiet = Duration::ZERO;
            } else {
                *frames = frames.saturating_sub(1);
            }
            if *frames < needed {
                continue;
            }
            let before = asked.map_or((Level::Quiet, Step::Continue), |one| (one.level, one.step));
            let (level, step) = (before.0.max(rule.level), before.1.max(rule.step));
            let review = Some(ReviewPriority::Normal);
            asked = Some(Asked { level, step, cause: Cause::Score, review });
        }
        asked
    }

    /// Counts a viewer's report.
    pub fn report(&mut self, policy: &Policy) -> Option<Asked> {
        self.reports = self.reports.saturating_add(1);
        if self.reports >= policy.terms().reports_elevated {
            let step = policy.terms().step_elevated;
            let review = Some(ReviewPriority::Normal);
            return Some(Asked { level: Level::Elevated, step, cause: Cause::Viewers, review });
        }
        let asked = Asked { review: Some(ReviewPriority::Low), ..Asked::watch(Cause::Viewers) };
        (self.reports >= policy.terms().reports_watch).then_some(asked)
    }

    /// Raises the risk to what is asked for, at once. What is asked for at the height of the present risk begins the quiet
    /// time anew.
    pub fn raise(&mut self, policy: &Policy, asked: Asked) {
        self.level = self.level.max(asked.level);
        self.step = self.step.max(asked.step).max(policy.step_at(self.level));
        let is_high = asked.step == self.step && self.step > Step::Continue;
        if asked.level == self.level || is_high {
            self.quiet = Duration::ZERO;
        }
    }

    /// Takes a piece into account that was not examined whole: nothing is known of the time before it.
    pub fn unexamined(&mut self, now: Time) {
        self.quiet = Duration::ZERO;
        self.seen = self.seen.max(now);
    }

    /// Takes a piece into account that was examined whole, after what it asked for: the time since the piece before was
    /// quiet, as far as one interval goes. After enough of it the risk is one level lower.
    pub fn examined(&mut self, policy: &Policy, now: Time) {
        let terms = policy.terms();
        self.quiet += now.since(self.seen).min(terms.interval_farthest);
        self.seen = self.seen.max(now);
        if self.quiet >= terms.quiet_step {
            self.quiet = Duration::ZERO;
            self.frames.fill(0);
            self.reports = 0;
            self.level = self.level.down().max(Self::floor(self.actor));
            self.step = self.step.min(policy.step_at(self.level));
        }
    }
}

/// What one finding asks for by itself. A score asks for nothing by itself.
fn sole(policy: &Policy, found: &Found) -> Option<Asked> {
    match found {
        Found::Match { disposition, assurance } => {
            Asked::matched(policy, *disposition, *assurance, Cause::Match)
        }
        Found::Rebroadcast { disposition, assurance } => {
            Asked::matched(policy, *disposition, *assurance, Cause::Rebroadcast)
        }
        Found::Advice(priority) => {
            Some(Asked { review: Some(*priority), ..Asked::watch(Cause::Advice) })
        }
        Found::Score { .. } => None,
    }
}

#[cfg(test)]
mod tests;

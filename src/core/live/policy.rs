//! What the operator of a live surface sets.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most bytes of one piece: a frame or a segment.
pub const PIECE_BYTES_MAX: u64 = 4 << 20;
/// Most rules of a policy.
pub const RULES_MAX: usize = 64;

/// How likely a stream is to be, or to become, what must not be shown; later values are riskier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    /// Examined, and nothing speaks against it.
    Quiet,
    /// Worth looking at more often.
    Watch,
    /// Something speaks against it.
    Elevated,
    /// Much does.
    Critical,
}

impl Level {
    /// All, the quietest first.
    pub const ALL: [Self; 4] = [Self::Quiet, Self::Watch, Self::Elevated, Self::Critical];

    /// The next quieter one.
    #[must_use]
    pub const fn down(self) -> Self {
        match self {
            Self::Quiet | Self::Watch => Self::Quiet,
            Self::Elevated => Self::Watch,
            Self::Critical => Self::Elevated,
        }
    }
}

/// What is done to a stream; each takes in those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Step {
    /// It goes on as it is.
    Continue,
    /// Its sound is off.
    Mute,
    /// Its picture cannot be recognised, either.
    Blur,
    /// Nothing of it is shown for now.
    Pause,
    /// It is cut.
    Interrupt,
}

/// What it means that a stream cannot be examined: never nothing. Later values are stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Measure {
    /// A person looks.
    Escalate,
    /// Nothing of it is shown until it can be examined, and a person looks.
    Pause,
    /// It is cut, until a person has looked.
    Interrupt,
}

impl Measure {
    /// What is done to the stream, beside calling a person.
    #[must_use]
    pub const fn step(self) -> Step {
        match self {
            Self::Escalate => Step::Continue,
            Self::Pause => Step::Pause,
            Self::Interrupt => Step::Interrupt,
        }
    }
}

/// What a classifier's score leads to. Alone it leads to no more than a pause, or a cut that a person reviews.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreRule {
    /// What the score is for; 1 to 64 bytes.
    pub category: String,
    /// Least score, above 0 and up to 1.
    pub at_least: f64,
    /// How risky the stream then is; not [`Level::Quiet`].
    pub level: Level,
    /// What is then done at least.
    pub step: Step,
}

/// The settings as they are written; [`Policy`] is what was found good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Shortest time between two samples.
    pub interval_closest: Duration,
    /// Time between two samples of a stream about which nothing is known.
    pub interval_usual: Duration,
    /// Longest time between two samples.
    pub interval_farthest: Duration,
    /// Longest time without a piece.
    pub silence_max: Duration,
    /// Longest time without a piece that was examined whole, while pieces come; zero: the first that is not counts.
    pub unexamined_max: Duration,
    /// What longer silence means.
    pub on_silence: Measure,
    /// What it means that pieces cannot be examined.
    pub on_unexamined: Measure,
    /// What it means that pieces are put off because the service is over its limits.
    pub on_shed: Measure,
    /// What a connection means that is broken for longer than `resume_max`.
    pub on_lost: Measure,
    /// What it means that directives are not acknowledged for longer than `acknowledge_max`.
    pub on_unheard: Measure,
    /// How long only examined, quiet pieces must come before the risk is one level lower.
    pub quiet_step: Duration,
    /// How many pieces must reach a rule's score, less those that do not, before it acts.
    pub frames_up: u32,
    /// What scores lead to.
    pub rules: Vec<ScoreRule>,
    /// What is done at least to a stream of [`Level::Elevated`].
    pub step_elevated: Step,
    /// What is done at least to a stream of [`Level::Critical`], so where a match asks for `HOLD`: blur or pause.
    pub step_critical: Step,
    /// The level from which a person is called.
    pub escalate_from: Level,
    /// Time until a person is called again for the same cause.
    pub escalate_again: Duration,
    /// Viewers' reports at which a stream is [`Level::Watch`].
    pub reports_watch: u32,
    /// Viewers' reports at which a stream is [`Level::Elevated`].
    pub reports_elevated: u32,
    /// How far back from the newest piece pieces are kept.
    pub buffer_span: Duration,
    /// Most bytes of pieces that are kept.
    pub buffer_bytes: u64,
    /// Most pieces that are kept.
    pub buffer_pieces: u32,
    /// How long before a cut evidence is preserved.
    pub preserve_before: Duration,
    /// How long after a cut evidence is preserved.
    pub preserve_after: Duration,
    /// Time until an unacknowledged directive is said again.
    pub say_again: Duration,
    /// Longest time without an acknowledgement that is due.
    pub acknowledge_max: Duration,
    /// How long a broken connection may be taken up again.
    pub resume_max: Duration,
    /// Most viewers that are counted.
    pub viewers_max: u32,
    /// Most chat messages of a second that are weighed; more make a stream [`Level::Watch`].
    pub chats_per_second_max: u32,
}

impl Terms {
    /// The settings that every live surface has from the start: strict where unsure.
    #[must_use]
    pub const fn usual() -> Self {
        Self {
            interval_closest: Duration::from_millis(500),
            interval_usual: Duration::from_secs(1),
            interval_farthest: Duration::from_secs(5),
            silence_max: Duration::from_secs(10),
            unexamined_max: Duration::from_secs(5),
            on_silence: Measure::Pause,
            on_unexamined: Measure::Pause,
            on_shed: Measure::Escalate,
            on_lost: Measure::Interrupt,
            on_unheard: Measure::Interrupt,
            quiet_step: Duration::from_secs(30),
            frames_up: 3,
            rules: Vec::new(),
            step_elevated: Step::Blur,
            step_critical: Step::Pause,
            escalate_from: Level::Elevated,
            escalate_again: Duration::from_secs(60),
            reports_watch: 1,
            reports_elevated: 3,
            buffer_span: Duration::from_secs(30),
            buffer_bytes: 16 << 20,
            buffer_pieces: 256,
            preserve_before: Duration::from_secs(30),
            preserve_after: Duration::from_secs(10),
            say_again: Duration::from_secs(2),
            acknowledge_max: Duration::from_secs(10),
            resume_max: Duration::from_secs(15),
            viewers_max: 10_000_000,
            chats_per_second_max: 50,
        }
    }

    /// Every setting that is not good, by its name and what it must be.
    #[must_use]
    pub fn wrong(&self) -> Vec<Wrong> {
        let second = Duration::from_secs(1);
        let (minute, hour) = (60 * second, 3600 * second);
        let within = |time: Duration, min: Duration, max: Duration| (min..=max).contains(&time);
        let tenth = second / 10;
        let rules = self.rules.iter().all(|rule| {
            (1..=64).contains(&rule.category.len())
                && rule.at_least > 0.0
                && rule.at_least <= 1.0
                && rule.level != Level::Quiet
        });
        let rows = [
            (within(self.interval_closest, tenth, minute), "interval_closest", "0.1 s to 1 min"),
            (
                within(self.interval_usual, self.interval_closest, self.interval_farthest),
                "interval_usual",
                "between the closest and the farthest",
            ),
            (self.interval_farthest <= minute, "interval_farthest", "at most 1 min"),
            (
                within(self.silence_max, self.interval_farthest + tenth, 10 * minute),
                "silence_max",
                "longer than the farthest interval, and at most 10 min",
            ),
            (self.unexamined_max <= self.silence_max, "unexamined_max", "at most the silence"),
            (within(self.quiet_step, second, 24 * hour), "quiet_step", "1 s to 24 h"),
            ((1..=1000).contains(&self.frames_up), "frames_up", "1 to 1,000"),
            (self.rules.len() <= RULES_MAX && rules, "rules", "at most 64 good ones"),
            (
                self.step_elevated <= self.step_critical,
                "step_elevated",
                "no stricter than that of critical",
            ),
            (
                matches!(self.step_critical, Step::Blur | Step::Pause),
                "step_critical",
                "blur or pause",
            ),
            (self.escalate_from != Level::Quiet, "escalate_from", "above quiet"),
            (within(self.escalate_again, second, hour), "escalate_again", "1 s to 1 h"),
            (self.reports_watch >= 1, "reports_watch", "at least 1"),
            (
                self.reports_elevated >= self.reports_watch,
                "reports_elevated",
                "at least as many as for watch",
            ),
            (within(self.buffer_span, second, 10 * minute), "buffer_span", "1 s to 10 min"),
            (
                (PIECE_BYTES_MAX..=1 << 30).contains(&self.buffer_bytes),
                "buffer_bytes",
                "4 MiB to 1 GiB",
            ),
            ((1..=100_000).contains(&self.buffer_pieces), "buffer_pieces", "1 to 100,000"),
            (
                self.preserve_before <= self.buffer_span,
                "preserve_before",
                "at most the span of the buffer",
            ),
            (self.preserve_after <= 10 * minute, "preserve_after", "at most 10 min"),
            (within(self.say_again, tenth, minute), "say_again", "0.1 s to 1 min"),
            (
                within(self.acknowledge_max, self.say_again, 10 * minute),
                "acknowledge_max",
                "at least as long as until it is said again, and at most 10 min",
            ),
            (self.resume_max <= 10 * minute, "resume_max", "at most 10 min"),
            (self.viewers_max >= 1, "viewers_max", "at least 1"),
            (
                (1..=10_000).contains(&self.chats_per_second_max),
                "chats_per_second_max",
                "1 to 10,000",
            ),
        ];
        let bad = rows.into_iter().filter(|(good, ..)| !good);
        bad.map(|(_, setting, must_be)| Wrong { setting, must_be }).collect()
    }
}

/// A setting that is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{setting} must be {must_be}")]
pub struct Wrong {
    /// Which setting.
    pub setting: &'static str,
    /// What it must be.
    pub must_be: &'static str,
}

/// Settings that were found good.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy(Terms);

impl Policy {
    /// Takes settings; the only way to make a policy.
    ///
    /// # Errors
    /// Every setting that is not good, at once.
    pub fn of(terms: Terms) -> Result<Self, Vec<Wrong>> {
        let wrong = terms.wrong();
        if wrong.is_empty() { Ok(Self(terms)) } else { Err(wrong) }
    }

    /// The settings.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.0
    }

    /// What is done at least to a stream of a level.
    #[must_use]
    pub const fn step_at(&self, level: Level) -> Step {
        match level {
            Level::Quiet | Level::Watch => Step::Continue,
            Level::Elevated => self.0.step_elevated,
            Level::Critical => self.0.step_critical,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_settings_are_good() {
        assert_eq!(Terms::usual().wrong(), []);
        assert!(Policy::of(Terms::usual()).is_ok());
    }

    #[test]
    fn all_wrong_settings_are_named_at_once() {
        let bad = Terms {
            frames_up: 0,
            buffer_bytes: 1,
            step_critical: Step::Interrupt,
            preserve_before: Duration::from_secs(31),
            resume_max: Duration::MAX,
            ..Terms::usual()
        };
        let names: Vec<_> = bad.wrong().into_iter().map(|wrong| wrong.setting).collect();
        let expected =
            ["frames_up", "step_critical", "buffer_bytes", "preserve_before", "resume_max"];
        assert_eq!(names, expected);
        assert_eq!(Policy::of(bad.clone()).unwrap_err(), bad.wrong());
        assert_eq!(bad.wrong()[0].to_string(), "frames_up must be 1 to 1,000");
    }

    #[test]
    fn a_score_that_is_no_number_makes_no_rule() {
        let rule = |at_least| ScoreRule {
            category: "c".into(),
            at_least,
            level: Level::Watch,
            step: Step::Continue,
        };
        for (at_least, good) in [(0.5, true), (1.0, true), (0.0, false), (f64::NAN, false)] {
            let terms = Terms { rules: vec![rule(at_least)], ..Terms::usual() };
            assert_eq!(terms.wrong().is_empty(), good, "{at_least}");
        }
    }
}

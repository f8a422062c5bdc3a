//! Terms of live surfaces, between the wire and the core: what is left out has its usual value.

use crate::core::live::policy::{Level, Measure, ScoreRule, Step, Terms};
use crate::proto::v1;
use crate::services::words::fields::{Fields, within};
use crate::services::words::moment;
use prost_types::Duration as WireSpan;
use std::time::Duration;

/// Declares reading and writing of one enum: every core value has one wire value and the reverse.
macro_rules! choice {
    ($read:ident, $write:ident, $core:ident = $wire:ident { $($value:ident),* }) => {
        fn $read(fields: &mut Fields, path: &str, number: i32, usual: Option<$core>) -> Option<$core> {
            match v1::$wire::try_from(number) {
                $(Ok(v1::$wire::$value) => Some($core::$value),)*
                Ok(v1::$wire::Unspecified) => {
                    if usual.is_none() {
                        fields.fault(path, "must be set");
                    }
                    usual
                }
                Err(_) => {
                    fields.fault(path, "must be a value that this version knows");
                    None
                }
            }
        }

        const fn $write(value: $core) -> v1::$wire {
            match value {
                $($core::$value => v1::$wire::$value,)*
            }
        }
    };
}

choice!(read_level, write_level, Level = LiveLevel { Quiet, Watch, Elevated, Critical });
choice!(read_step, write_step, Step = LiveStep { Continue, Mute, Blur, Pause, Interrupt });
choice!(read_measure, write_measure, Measure = LiveMeasure { Escalate, Pause, Interrupt });

fn read_span(
    fields: &mut Fields,
    path: String,
    sent: Option<WireSpan>,
    usual: Duration,
) -> Option<Duration> {
    let Some(sent) = sent else { return Some(usual) };
    let must = "must not be shorter than zero";
    // No finer than a millisecond: that is how finely the clock is read.
    let read = fields.read(path, Duration::try_from(sent).map_err(|_| must))?;
    Some(Duration::from_millis(u64::try_from(read.as_millis()).unwrap_or(u64::MAX)))
}

fn read_rule(fields: &mut Fields, path: &str, sent: v1::LiveScoreRule) -> Option<ScoreRule> {
    let at = |inner| within(path, inner);
    if sent.category.is_empty() {
        fields.fault(at("category"), "must be set");
    }
    if sent.score_min == 0.0 {
        fields.fault(at("score_min"), "must be set");
    }
    let level = read_level(fields, &at("level"), sent.level, None);
    let step = read_step(fields, &at("step"), sent.step, None);
    let (category, at_least) = (sent.category, sent.score_min);
    Some(ScoreRule { category, at_least, level: level?, step: step? })
}

/// Reads terms that may be left out: the outer absence is a fault.
#[allow(clippy::option_option, reason = "three outcomes: bad, absent, present")]
pub fn read(
    fields: &mut Fields,
    path: &str,
    sent: Option<v1::LiveTerms>,
) -> Option<Option<Box<Terms>>> {
    let Some(sent) = sent else { return Some(None) };
    let usual = Terms::usual();
    macro_rules! span {
        ($field:ident) => {
            read_span(fields, within(path, stringify!($field)), sent.$field, usual.$field)
        };
    }
    macro_rules! measure {
        ($field:ident) => {{
            let at = within(path, stringify!($field));
            read_measure(fields, &at, sent.$field, Some(usual.$field))
        }};
    }
    macro_rules! step {
        ($field:ident) => {{
            let at = within(path, stringify!($field));
            read_step(fields, &at, sent.$field, Some(usual.$field))
        }};
    }
    let at_rules = within(path, "score_rules");
    let rules: Vec<_> = (0..)
        .zip(sent.score_rules)
        .map(|(place, rule): (usize, _)| read_rule(fields, &format!("{at_rules}[{place}]"), rule))
        .collect();
    let at_level = within(path, "escalate_from");
    let terms = Terms {
        interval_closest: span!(interval_closest)?,
        interval_usual: span!(interval_usual)?,
        interval_farthest: span!(interval_farthest)?,
        silence_max: span!(silence_max)?,
        unexamined_max: span!(unexamined_max)?,
        on_silence: measure!(on_silence)?,
        on_unexamined: measure!(on_unexamined)?,
        on_shed: measure!(on_shed)?,
        on_lost: measure!(on_lost)?,
        on_unheard: measure!(on_unheard)?,
        quiet_step: span!(quiet_step)?,
        frames_up: sent.frames_up.unwrap_or(usual.frames_up),
        rules: rules.into_iter().collect::<Option<_>>()?,
        step_elevated: step!(step_elevated)?,
        step_critical: step!(step_critical)?,
        escalate_from: read_level(
            fields,
            &at_level,
            sent.escalate_from,
            Some(usual.escalate_from),
        )?,
        escalate_again: span!(escalate_again)?,
        reports_watch: sent.reports_watch.unwrap_or(usual.reports_watch),
        reports_elevated: sent.reports_elevated.unwrap_or(usual.reports_elevated),
        buffer_span: span!(buffer_span)?,
        buffer_bytes: sent.buffer_bytes.unwrap_or(usual.buffer_bytes),
        buffer_pieces: sent.buffer_samples.unwrap_or(usual.buffer_pieces),
        preserve_before: span!(preserve_before)?,
        preserve_after: span!(preserve_after)?,
        say_again: span!(say_again)?,
        acknowledge_max: span!(acknowledge_max)?,
        resume_max: span!(resume_max)?,
        viewers_max: sent.viewers_max.unwrap_or(usual.viewers_max),
        chats_per_second_max: sent.chats_per_second_max.unwrap_or(usual.chats_per_second_max),
    };
    let wrong = terms.wrong();
    for one in &wrong {
        let field = match one.setting {
            "rules" => "score_rules",
            "buffer_pieces" => "buffer_samples",
            other => other,
        };
        fields.fault(within(path, field), format!("must be {}", one.must_be));
    }
    wrong.is_empty().then(|| Some(Box::new(terms)))
}

/// Writes terms, with every value.
#[must_use]
pub fn write(terms: &Terms) -> v1::LiveTerms {
    let span = |span: Duration| Some(moment::span(span));
    let rule = |rule: &ScoreRule| v1::LiveScoreRule {
        category: rule.category.clone(),
        score_min: rule.at_least,
        level: write_level(rule.level).into(),
        step: write_step(rule.step).into(),
    };
    v1::LiveTerms {
        interval_closest: span(terms.interval_closest),
        interval_usual: span(terms.interval_usual),
        interval_farthest: span(terms.interval_farthest),
        silence_max: span(terms.silence_max),
        unexamined_max: span(terms.unexamined_max),
        on_silence: write_measure(terms.on_silence).into(),
        on_unexamined: write_measure(terms.on_unexamined).into(),
        on_shed: write_measure(terms.on_shed).into(),
        on_lost: write_measure(terms.on_lost).into(),
        on_unheard: write_measure(terms.on_unheard).into(),
        quiet_step: span(terms.quiet_step),
        frames_up: Some(terms.frames_up),
        score_rules: terms.rules.iter().map(rule).collect(),
        step_elevated: write_step(terms.step_elevated).into(),
        step_critical: write_step(terms.step_critical).into(),
        escalate_from: write_level(terms.escalate_from).into(),
        escalate_again: span(terms.escalate_again),
        reports_watch: Some(terms.reports_watch),
        reports_elevated: Some(terms.reports_elevated),
        buffer_span: span(terms.buffer_span),
        buffer_bytes: Some(terms.buffer_bytes),
        buffer_samples: Some(terms.buffer_pieces),
        preserve_before: span(terms.preserve_before),
        preserve_after: span(terms.preserve_after),
        say_again: span(terms.say_again),
        acknowledge_max: span(terms.acknowledge_max),
        resume_max: span(terms.resume_max),
        viewers_max: Some(terms.viewers_max),
        chats_per_second_max: Some(terms.chats_per_second_max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_were_written_are_read_as_the_same() {
        let rule = ScoreRule {
            category: "c".into(),
            at_least: 0.5,
            level: Level::Critical,
            step: Step::Interrupt,
        };
        let terms = Terms { frames_up: 7, rules: vec![rule], ..Terms::usual() };
        let mut fields = Fields::default();
        assert_eq!(read(&mut fields, "t", Some(write(&terms))), Some(Some(Box::new(terms))));
        assert!(fields.is_clean());
    }

    #[test]
    fn what_is_left_out_has_its_usual_value() {
        let mut fields = Fields::default();
        let read = read(&mut fields, "t", Some(v1::LiveTerms::default()));
        assert_eq!(read, Some(Some(Box::new(Terms::usual()))));
    }

    #[test]
    fn every_wrong_term_is_named() {
        let mut fields = Fields::default();
        let sent = v1::LiveTerms {
            frames_up: Some(0),
            buffer_samples: Some(0),
            step_critical: v1::LiveStep::Interrupt.into(),
            ..v1::LiveTerms::default()
        };
        assert_eq!(read(&mut fields, "t", Some(sent)), None);
        let paths: Vec<_> = fields.into_faults().into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["t.frames_up", "t.step_critical", "t.buffer_samples"]);
    }
}

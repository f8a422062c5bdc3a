//! Risk rises at once and falls slowly.

use crate::core::live::event::{ActorRisk, Found};
use crate::core::live::policy::{Level, Policy, ScoreRule, Step, Terms};
use crate::core::live::risk::Risk;
use crate::core::time::Time;
use crate::core::verdict::{Assurance, Disposition};
use proptest::prelude::*;

fn policy(frames_up: u32) -> Policy {
    let rule = |at_least, level, step| ScoreRule { category: "c".into(), at_least, level, step };
    let rules = vec![
        rule(0.5, Level::Watch, Step::Continue),
        rule(0.7, Level::Elevated, Step::Mute),
        rule(0.9, Level::Critical, Step::Pause),
    ];
    Policy::of(Terms { rules, frames_up, ..Terms::usual() }).unwrap()
}

fn score(value: f64) -> Found {
    Found::Score { category: "c".into(), value }
}

fn matched(disposition: Disposition) -> Found {
    Found::Match { disposition, assurance: Assurance::Likely }
}

/// A piece a second, each examined whole; every change of level with its second.
fn changes(policy: &Policy, pieces: impl IntoIterator<Item = Found>) -> Vec<(i64, Level)> {
    let mut risk = Risk::new(policy, ActorRisk::Usual, Time::default());
    let mut changes = Vec::new();
    for (second, found) in (1_i64..).zip(pieces) {
        let before = risk.level();
        for asked in risk.weigh(policy, &[found]) {
            risk.raise(policy, asked);
        }
        risk.examined(policy, Time::from_millis(second * 1000));
        if risk.level() != before {
            changes.push((second, risk.level()));
        }
    }
    changes
}

#[test]
fn risk_rises_at_once_and_falls_one_level_after_each_quiet_time() {
    let quiet = std::iter::repeat_n(matched(Disposition::Allow), 100);
    let pieces = std::iter::once(matched(Disposition::Hold)).chain(quiet);
    let expected = [(1, Level::Critical), (30, Level::Elevated), (60, Level::Watch)];
    let seen = changes(&policy(3), pieces);
    // The second before the first piece is quiet time, too, but what it asks for takes it back.
    let seen: Vec<_> = seen.into_iter().take(3).collect();
    assert_eq!(seen.len(), 3);
    for ((at, level), (expected_at, expected_level)) in seen.iter().zip(expected) {
        assert_eq!(*level, expected_level);
        assert!((*at - expected_at).abs() <= 2, "{seen:?}");
    }
}

#[test]
fn a_rule_acts_after_as_many_pieces_as_the_policy_says() {
    let seen = changes(&policy(3), [0.8, 0.8, 0.1, 0.8, 0.8, 0.8].map(score));
    assert_eq!(seen, [(5, Level::Elevated)]);
    let mut risk = Risk::new(&policy(3), ActorRisk::High, Time::default());
    assert_eq!(risk.weigh(&policy(3), &[score(0.8)])[0].level, Level::Elevated);
}

#[test]
fn a_score_that_is_no_number_counts_as_the_worst() {
    assert_eq!(changes(&policy(1), [score(f64::NAN)]), [(1, Level::Critical)]);
}

#[test]
fn a_stream_of_a_risky_broadcaster_is_never_quiet() {
    let policy = policy(3);
    for (actor, level) in
        ActorRisk::ALL.into_iter().zip([Level::Quiet, Level::Quiet, Level::Watch, Level::Watch])
    {
        let mut risk = Risk::new(&policy, actor, Time::default());
        for second in 0..200 {
            risk.examined(&policy, Time::from_millis(second * 1000));
        }
        assert_eq!(risk.level(), level);
    }
}

#[test]
fn silence_is_not_quiet_time() {
    let policy = policy(3);
    let mut risk = Risk::new(&policy, ActorRisk::Usual, Time::default());
    for asked in risk.weigh(&policy, &[matched(Disposition::Hold)]) {
        risk.raise(&policy, asked);
    }
    risk.examined(&policy, Time::from_millis(3_600_000));
    assert_eq!(risk.level(), Level::Critical);
}

#[test]
fn what_could_not_be_examined_begins_the_quiet_time_anew() {
    let policy = policy(3);
    let mut risk = Risk::new(&policy, ActorRisk::Usual, Time::default());
    for asked in risk.weigh(&policy, &[matched(Disposition::Hold)]) {
        risk.raise(&policy, asked);
    }
    for second in 1..=200 {
        let now = Time::from_millis(second * 1000);
        if second % 20 == 0 {
            risk.unexamined(now);
        } else {
            risk.examined(&policy, now);
        }
    }
    assert_eq!((risk.level(), risk.step()), (Level::Critical, Step::Pause));
}

fn any_found() -> impl Strategy<Value = Found> {
    prop_oneof![
        (0.0..=1.0_f64).prop_map(score),
        Just(matched(Disposition::Allow)),
        Just(matched(Disposition::AllowWithFriction)),
        Just(matched(Disposition::Hold)),
    ]
}

proptest! {
    #[test]
    fn what_stays_the_same_changes_the_level_at_most_once(
        found in any_found(), frames_up in 1..6_u32, times in 1..200_usize
    ) {
        let seen = changes(&policy(frames_up), std::iter::repeat_n(found, times));
        prop_assert!(seen.len() <= 1, "{seen:?}");
    }

    #[test]
    fn what_swings_around_a_threshold_faster_than_the_quiet_time_changes_the_level_at_most_once(
        high in 0.9..=1.0_f64, low in 0.0..0.5_f64, ups in 1..15_usize, downs in 1..15_usize
    ) {
        let wave = std::iter::repeat_n(high, ups).chain(std::iter::repeat_n(low, downs));
        let pieces: Vec<_> = wave.cycle().take(400).map(score).collect();
        let seen = changes(&policy(1), pieces);
        prop_assert_eq!(seen, [(1, Level::Critical)]);
    }

    #[test]
    fn between_a_change_and_a_fall_lies_the_quiet_time(
        pieces in proptest::collection::vec(any_found(), 1..300)
    ) {
        let seen = changes(&policy(2), pieces);
        let all = std::iter::once((0, Level::Quiet)).chain(seen.iter().copied());
        for ((before, from), (at, to)) in all.zip(&seen) {
            prop_assert!(*to > from || at - before >= 29, "{seen:?}");
        }
    }

    #[test]
    fn more_evidence_never_makes_less_risk(
        some in proptest::collection::vec(any_found(), 0..4), more in any_found()
    ) {
        let policy = policy(1);
        let level = |found: &[Found]| {
            let mut risk = Risk::new(&policy, ActorRisk::Usual, Time::default());
            for asked in risk.weigh(&policy, found) {
                risk.raise(&policy, asked);
            }
            (risk.level(), risk.step())
        };
        let all = [some.clone(), vec![more]].concat();
        prop_assert!(level(&all).0 >= level(&some).0 && level(&all).1 >= level(&some).1);
    }
}

//! How long a caller may wait before the next sample of a stream.

use crate::core::live::event::{ActorRisk, Load};
use crate::core::live::policy::{Level, Policy};
use std::time::Duration;

/// Time until the next sample is due. Higher risk, of the stream or of the broadcaster, never makes it longer; load
/// stretches it only while the risk is low, so that what is put off is what matters least.
#[must_use]
pub fn next_sample_interval(
    policy: &Policy,
    level: Level,
    actor: ActorRisk,
    load: Load,
) -> Duration {
    let terms = policy.terms();
    let (closest, usual, farthest) =
        (terms.interval_closest, terms.interval_usual, terms.interval_farthest);
    let between = closest + usual.saturating_sub(closest) / 2;
    // Thousandths of the way to the farthest that full load takes.
    let (base, stretch) = match (level, actor) {
        (Level::Elevated | Level::Critical, _) | (_, ActorRisk::High) => (closest, 0),
        (Level::Watch, _) | (Level::Quiet, ActorRisk::Raised) => (between, 500),
        (Level::Quiet, ActorRisk::Usual) => (usual, 1000),
        (Level::Quiet, ActorRisk::Trusted) => (farthest, 1000),
    };
    let way = farthest.saturating_sub(base);
    let share = stretch * u32::from(load.permille());
    (base + way / 1_000_000 * share).clamp(closest, farthest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::live::policy::Terms;
    use proptest::prelude::*;

    #[test]
    fn the_interval_follows_risk_trust_and_load() {
        let policy = Policy::of(Terms::usual()).unwrap();
        let millis = |level, actor, load| {
            next_sample_interval(&policy, level, actor, Load::of(load)).as_millis()
        };
        assert_eq!(millis(Level::Quiet, ActorRisk::Trusted, 0.0), 5000);
        assert_eq!(millis(Level::Quiet, ActorRisk::Usual, 0.0), 1000);
        assert_eq!(millis(Level::Quiet, ActorRisk::Usual, 0.5), 3000);
        assert_eq!(millis(Level::Quiet, ActorRisk::Usual, 1.0), 5000);
        assert_eq!(millis(Level::Quiet, ActorRisk::Raised, 0.0), 750);
        assert_eq!(millis(Level::Watch, ActorRisk::Trusted, 0.0), 750);
        assert_eq!(millis(Level::Watch, ActorRisk::Usual, 1.0), 2875);
        assert_eq!(millis(Level::Quiet, ActorRisk::High, 1.0), 500);
        assert_eq!(millis(Level::Critical, ActorRisk::Trusted, 1.0), 500);
    }

    #[test]
    fn a_load_that_is_no_number_asks_for_more_frames_and_not_for_fewer() {
        for (share, load) in [(f64::NAN, Load::NONE), (-1.0, Load::NONE), (9.0, Load::FULL)] {
            assert_eq!(Load::of(share), load);
        }
    }

    proptest! {
        #[test]
        fn higher_risk_never_gives_a_longer_interval_and_the_policy_bounds_it(
            times in proptest::collection::vec(100..=60_000_u64, 3), load in 0.0..=1.0_f64, more in 0.0..=1.0_f64
        ) {
            let mut times: Vec<_> = times.into_iter().map(Duration::from_millis).collect();
            times.sort();
            let terms = Terms {
                interval_closest: times[0],
                interval_usual: times[1],
                interval_farthest: times[2],
                silence_max: Duration::from_secs(90),
                ..Terms::usual()
            };
            let policy = Policy::of(terms).unwrap();
            let at = |level, actor, load| {
                next_sample_interval(&policy, level, actor, Load::of(load))
            };
            for level in Level::ALL {
                for actor in ActorRisk::ALL {
                    let here = at(level, actor, load);
                    prop_assert!((times[0]..=times[2]).contains(&here));
                    for riskier in Level::ALL.into_iter().filter(|other| *other >= level) {
                        for worse in ActorRisk::ALL.into_iter().filter(|other| *other >= actor) {
                            prop_assert!(at(riskier, worse, load) <= here);
                        }
                    }
                    prop_assert!(at(level, actor, load.max(more)) >= here);
                }
            }
        }
    }
}

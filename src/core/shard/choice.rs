//! Which of several processes that keep the same shard are asked, in which order, and for how long.

use std::time::Duration;

/// How long a process that did not answer is asked after all others only.
pub const SHUNNED: Duration = Duration::from_secs(2);

/// What each signal of a question adds to the time after which a second process is asked.
const SLOW_PER_SIGNAL: Duration = Duration::from_micros(500);
/// Of how many questions one may go to a second process because the first takes long: where all take long, asking twice
/// would only make them take longer.
const HEDGE_EVERY: u64 = 20;
/// Questions that may be hedged before any was asked.
const HEDGES_AHEAD: u64 = 10;
/// Into how many parts the time for an answer is cut where nobody who keeps a shard answered just now.
const SILENT_PART: u32 = 10;

/// How a process stands with the one that asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// Questions of this process that it has yet to answer.
    pub asked: u32,
    /// Time since it last failed to answer, if it did.
    pub failed: Option<Duration>,
}

impl Standing {
    /// Whether it failed to answer just now.
    #[must_use]
    pub fn is_shunned(&self) -> bool {
        self.failed.is_some_and(|since| since < SHUNNED)
    }
}

/// The places of the processes in the order in which they are asked: who answered last before who did not, then who has
/// least to answer, then each in turn.
#[must_use]
pub fn order(standings: &[Standing], turn: usize) -> Vec<usize> {
    let count = standings.len();
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_by_key(|place| {
        let standing = &standings[*place];
        (standing.is_shunned(), standing.asked, (place + count - turn % count) % count)
    });
    places
}

/// Time after which whoever has not answered a question of so many signals is slow.
#[must_use]
pub fn slow_after(hedge_after: Duration, signals: usize) -> Duration {
    let signals = u32::try_from(signals).unwrap_or(u32::MAX);
    hedge_after.saturating_add(SLOW_PER_SIGNAL.saturating_mul(signals))
}

/// Whether one more question may go to a second process because the first is slow, after so many questions of which so
/// many did.
#[must_use]
pub const fn may_hedge(asked: u64, hedged: u64) -> bool {
    hedged < HEDGES_AHEAD + asked / HEDGE_EVERY
}

/// For how long those that keep a shard are waited for: where none of them answered just now, no call waits for long, and
/// the first who answers again is asked as before.
#[must_use]
pub fn patience(standings: &[Standing], answer_time_max: Duration) -> Duration {
    let is_silent = standings.iter().all(Standing::is_shunned);
    answer_time_max / if is_silent { SILENT_PART } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_failed_just_now_is_asked_last_and_is_forgiven() {
        let failed = |millis| Standing { asked: 0, failed: Some(Duration::from_millis(millis)) };
        let busy = Standing { asked: 9, failed: None };
        assert_eq!(order(&[failed(10), busy], 0), [1, 0]);
        assert_eq!(order(&[failed(2_000), busy], 0), [0, 1]);
    }

    #[test]
    fn among_equals_each_is_first_in_turn() {
        let firsts: Vec<_> = (0..6).map(|turn| order(&[Standing::default(); 3], turn)[0]).collect();
        assert_eq!(firsts, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn who_is_asked_much_is_slow_later() {
        let after = Duration::from_millis(50);
        assert_eq!(slow_after(after, 100), Duration::from_millis(100));
        assert!(slow_after(after, usize::MAX) > slow_after(after, 4_000));
    }

    #[test]
    fn where_everybody_is_slow_few_questions_are_asked_twice() {
        let (mut asked, mut hedged) = (0, 0);
        for _ in 0..10_000 {
            asked += 1;
            if may_hedge(asked, hedged) {
                (asked, hedged) = (asked + 1, hedged + 1);
            }
        }
        assert!((500..600).contains(&hedged), "{hedged}");
    }

    #[test]
    fn a_shard_of_which_nobody_answers_is_not_waited_for_long() {
        let failed = Standing { asked: 0, failed: Some(Duration::ZERO) };
        let all = Duration::from_secs(1);
        assert_eq!(patience(&[failed, failed], all), Duration::from_millis(100));
        assert_eq!(patience(&[failed, Standing::default()], all), all);
    }

    proptest! {
        #[test]
        fn everybody_is_asked_once(
            standings in proptest::collection::vec((0..5_u32, proptest::option::of(0..5_000_u64)), 0..8), turn: usize,
        ) {
            let standings: Vec<_> = standings
                .into_iter()
                .map(|(asked, failed)| Standing { asked, failed: failed.map(Duration::from_millis) })
                .collect();
            let mut places = order(&standings, turn);
            places.sort_unstable();
            prop_assert_eq!(places, (0..standings.len()).collect::<Vec<_>>());
        }
    }
}

//! Which of several processes that keep the same shard is asked first.

use std::time::Duration;

/// How long a process that did not answer is asked after all others only.
pub const SHUNNED: Duration = Duration::from_secs(2);

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

//! Earlier items that match what a bank has learned: told as they are found, from where the caller left off.

use crate::io::store::{Cursor, Pair};
use crate::proto::v1;
use crate::services::desk::{Call, Desk};
use crate::services::pump::Source;
use crate::services::screening::reply;
use crate::services::status::Refusal;
use std::time::Duration;

/// Pairs that are read at once.
const PAIRS_MAX: u64 = 256;
/// How often it is asked whether the caller may still listen.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A stream of pairs.
pub struct Watch {
    desk: Desk,
    call: Call,
    after: Cursor,
}

impl Watch {
    /// A stream that goes on behind a cursor.
    #[must_use]
    pub const fn new(desk: Desk, call: Call, after: Cursor) -> Self {
        Self { desk, call, after }
    }

    fn write(&self, pair: &Pair) -> v1::WatchLookbackResponse {
        reply::pair(pair, self.call.caller.sees_match_detail())
    }
}

impl Source for Watch {
    type Out = v1::WatchLookbackResponse;

    async fn next(&mut self, patience: Duration) -> Result<Vec<Self::Out>, Refusal> {
        let mut left = patience;
        loop {
            self.desk.is_still_let_in(&self.call)?;
            let now = left.min(ASK_AGAIN);
            let (scope, lookback) = (&self.call.caller.scope, self.desk.store.lookback());
            let (pairs, reached) = lookback.next(scope, &self.after, PAIRS_MAX, now).await?;
            self.after = reached;
            left = left.saturating_sub(now);
            if !pairs.is_empty() || left.is_zero() {
                return Ok(pairs.iter().map(|pair| self.write(pair)).collect());
            }
        }
    }

    fn heartbeat(&self) -> Self::Out {
        reply::lookback_heartbeat(&self.after, self.desk.limits.heartbeat)
    }
}

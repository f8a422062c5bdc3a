//! Follows the calls of one connection, so that an idle, a slow or a stalled one is noticed.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Time after its deadline that an answer may take to leave.
const STALL_MAX: Duration = Duration::from_secs(2);

/// The calls of one connection.
#[derive(Debug, Default)]
pub(super) struct Watch {
    begun: AtomicU64,
    deadlines: Mutex<HashMap<u64, Instant>>,
}

impl Watch {
    /// Notes that a call began.
    pub(super) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether any call began so far.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed) > 0
    }

    /// Notes until when call `number` must be over, as long as the mark lives.
    pub(super) fn mark(self: &Arc<Self>, number: u64, deadline: Instant) -> CallMark {
        self.deadlines.lock().insert(number, deadline);
        CallMark { watch: Arc::clone(self), number }
    }

    /// Whether an answer has been ready for too long without being taken, as with a window kept at zero.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        self.deadlines.lock().values().any(|deadline| *deadline + STALL_MAX < now)
    }
}

/// A call that is being answered.
#[derive(Debug)]
pub(super) struct CallMark {
    watch: Arc<Watch>,
    number: u64,
}

impl Drop for CallMark {
    fn drop(&mut self) {
        self.watch.deadlines.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_nobody_takes_is_noticed() {
        let (watch, now) = (Arc::new(Watch::default()), Instant::now());
        let mark = watch.mark(watch.begin(), now);
        assert!(watch.has_begun());
        assert!(!watch.is_stalled(now + STALL_MAX));
        assert!(watch.is_stalled(now + STALL_MAX + Duration::from_millis(1)));
        drop(mark);
        assert!(!watch.is_stalled(now + STALL_MAX * 2));
    }
}

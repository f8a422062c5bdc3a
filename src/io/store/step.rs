//! When the memory was last known to be in step with the journal, and waiting until it has come further.

use super::memory::Memory;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// When the memory was last known to be in step.
#[derive(Debug)]
pub struct Step {
    began: Instant,
    /// Microseconds after the beginning.
    at: AtomicU64,
    moved: Notify,
}

impl Default for Step {
    fn default() -> Self {
        Self { began: Instant::now(), at: AtomicU64::new(0), moved: Notify::new() }
    }
}

impl Step {
    /// Says that the memory is in step with the journal as it was at a moment.
    pub fn reach(&self, asked: Instant) {
        let since = asked.saturating_duration_since(self.began).as_micros();
        self.at.fetch_max(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Says that the memory has come further.
    pub fn moved(&self) {
        self.moved.notify_waiters();
    }

    /// For how long nobody can have known of anything newer: at most so old is what is answered.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_micros(self.at.load(Ordering::Relaxed)))
    }

    /// Waits until a memory has come as far as `number`, at most for a while.
    pub async fn wait(&self, memory: &Memory, number: u64, patience: Duration) {
        let coming = async {
            loop {
                // Told of what comes after this line, whenever it is asked.
                let mut moved = std::pin::pin!(self.moved.notified());
                moved.as_mut().enable();
                if memory.read().applied() >= number {
                    return;
                }
                moved.await;
            }
        };
        // Whoever asked looks for itself how far it is.
        let _ = tokio::time::timeout(patience, coming).await;
    }
}

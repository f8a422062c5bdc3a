//! Items that wait so that a model is asked about several at once.
//!
//! Time is an argument: how long ago whoever drives this began, by a clock that never goes back.

use std::collections::VecDeque;
use std::time::Duration;

/// How items go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most items of one question.
    pub items_max: usize,
    /// How long the first of them waits for others.
    pub wait: Duration,
    /// Most items that wait.
    pub waiting_max: usize,
    /// Most questions at one time.
    pub calls_max: usize,
}

/// Items that wait for one model, in the order in which they came.
#[derive(Debug)]
pub struct Batching<T> {
    limits: BatchLimits,
    waiting: VecDeque<(Duration, T)>,
    asked: usize,
}

impl<T> Batching<T> {
    /// Nothing waits.
    #[must_use]
    pub const fn new(limits: BatchLimits) -> Self {
        Self { limits, waiting: VecDeque::new(), asked: 0 }
    }

    /// How many items wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many questions are on their way.
    #[must_use]
    pub const fn asked(&self) -> usize {
        self.asked
    }

    /// Whether as many items wait as may.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= self.limits.waiting_max
    }

    /// Takes in an item.
    ///
    /// # Errors
    /// The item, where as many wait as may.
    pub fn offer(&mut self, item: T, now: Duration) -> Result<(), T> {
        if self.is_full() {
            return Err(item);
        }
        self.waiting.push_back((now, item));
        Ok(())
    }

    /// Forgets items that nobody waits for any more.
    pub fn forget(&mut self, is_given_up: impl Fn(&T) -> bool) {
        self.waiting.retain(|(_, item)| !is_given_up(item));
    }

    /// The items of the next question, where it is time for one. [`Self::done`] has to be told when it has ended.
    pub fn take(&mut self, now: Duration) -> Option<Vec<T>> {
        let is_full = self.waiting.len() >= self.limits.items_max;
        let first = self.waiting.front()?.0;
        let is_due = is_full || now >= first.saturating_add(self.limits.wait);
        if !is_due || self.asked >= self.limits.calls_max {
            return None;
        }
        let count = self.waiting.len().min(self.limits.items_max);
        self.asked += 1;
        Some(self.waiting.drain(..count).map(|(_, item)| item).collect())
    }

    /// A question has ended, however it did.
    pub fn done(&mut self) {
        self.asked = self.asked.saturating_sub(1);
    }

    /// When the next question is due if nothing else happens; nothing where something else has to happen first.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        let first = self.waiting.front()?.0;
        let is_full = self.waiting.len() >= self.limits.items_max;
        let due = if is_full { first } else { first.saturating_add(self.limits.wait) };
        (self.asked < self.limits.calls_max).then_some(due)
    }
}

//! The breaker of a model that fails: it is left alone, for longer each time.
//!
//! Time is an argument: how long ago whoever drives this began, by a clock that never goes back.

use std::time::Duration;

/// When a model is left alone, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Failures without a success between them after which it is.
    pub failures: u32,
    /// For how long at first; twice as long each time that the trial fails.
    pub pause: Duration,
    /// For how long at most.
    pub pause_max: Duration,
    /// After how long a trial of which nothing was heard is taken for lost.
    pub trial: Duration,
}

/// How a breaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// The model is asked.
    Closed,
    /// It is left alone.
    Open,
    /// One question tries whether it answers again.
    Trying,
}

/// A question that began. What becomes of one that began before the breaker last changed says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Began(u64);

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failures: u32 },
    Open { until: Duration },
    Trying { until: Duration },
}

/// The breaker of one model.
#[derive(Debug)]
pub struct Breaker {
    limits: BreakerLimits,
    state: State,
    /// How often in a row it opened.
    opened: u32,
    /// Counts its changes.
    age: u64,
}

impl Breaker {
    /// A breaker that is closed.
    #[must_use]
    pub const fn new(limits: BreakerLimits) -> Self {
        Self { limits, state: State::Closed { failures: 0 }, opened: 0, age: 0 }
    }

    /// How it is.
    #[must_use]
    pub const fn circuit(&self) -> Circuit {
        match self.state {
            State::Closed { .. } => Circuit::Closed,
            State::Open { .. } => Circuit::Open,
            State::Trying { .. } => Circuit::Trying,
        }
    }

    /// Whether a question may begin now.
    #[must_use]
    pub fn may_ask(&self, now: Duration) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until } | State::Trying { until } => now >= until,
        }
    }

    /// Begins a question; nothing where the model is left alone. Of an open breaker whose time has come one question is the
    /// trial.
    pub fn begin(&mut self, now: Duration) -> Option<Began> {
        if !self.may_ask(now) {
            return None;
        }
        if !matches!(self.state, State::Closed { .. }) {
            self.turn(State::Trying { until: now.saturating_add(self.limits.trial) });
        }
        Some(Began(self.age))
    }

    /// A question was answered.
    pub fn succeeded(&mut self, began: Began) {
        if began.0 != self.age {
            return;
        }
        match &mut self.state {
            State::Closed { failures } => *failures = 0,
            State::Open { .. } | State::Trying { .. } => {
                self.opened = 0;
                self.turn(State::Closed { failures: 0 });
            }
        }
    }

    /// A question failed. `share` of 255 says how much longer than half of what is usual the model is left alone, so that
    /// not every process tries at one moment. Gives for how long, where it is left alone from now on.
    pub fn failed(&mut self, began: Began, now: Duration, share: u8) -> Option<Duration> {
        if began.0 != self.age {
            return None;
        }
        if let State::Closed { failures } = &mut self.state {
            *failures += 1;
            if *failures < self.limits.failures {
                return None;
            }
        }
        let usual = self.limits.pause.saturating_mul(2_u32.saturating_pow(self.opened.min(31)));
        let half = usual.min(self.limits.pause_max) / 2;
        let pause = half + half * u32::from(share) / 255;
        self.opened = self.opened.saturating_add(1);
        self.turn(State::Open { until: now.saturating_add(pause) });
        Some(pause)
    }

    fn turn(&mut self, state: State) {
        self.state = state;
        self.age += 1;
    }
}

//! One process of the fleet: its processors, what waits for them, and who knows of it.

use crate::fleet::Id;
use std::collections::VecDeque;

/// What a processor is busy with until it is done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// Reads a call, and asks the other shards.
    Reads(Id),
    /// Looks for what another process asks.
    Looks { id: Id, asking: usize, place: usize },
    /// Reads what another process says.
    Hears { id: Id, asking: usize, place: usize },
    /// Looks in its own memory, decides and answers.
    Decides(Id),
}

pub struct Process {
    cores: usize,
    working: usize,
    pub queue: VecDeque<Job>,
    /// Goes up when it ends, and when it begins again.
    pub life: u32,
    pub up: bool,
    pub silent: bool,
    /// Whether those who ask, and those who balance, take it to be there.
    pub listed: bool,
    pub balanced: bool,
    pub slow: f64,
    /// Calls and questions that it is answering.
    pub calls: usize,
    pub questions: usize,
    /// Nanoseconds of its processors while it was counted.
    pub busy: u64,
}

impl Process {
    pub fn new(cores: usize) -> Self {
        Self {
            cores,
            working: 0,
            queue: VecDeque::new(),
            life: 0,
            up: true,
            silent: false,
            listed: true,
            balanced: true,
            slow: 1.0,
            calls: 0,
            questions: 0,
            busy: 0,
        }
    }

    pub fn is_free(&self) -> bool {
        self.up && self.working < self.cores
    }

    /// A processor has work for so long; says for which life.
    pub fn begins(&mut self, busy: u64) -> u32 {
        self.working += 1;
        self.busy += busy;
        self.life
    }

    pub fn ends(&mut self) {
        self.working -= 1;
    }

    /// Nothing of what it did is left.
    pub fn turns(&mut self, up: bool, silent: bool) {
        self.life += 1;
        (self.up, self.silent) = (up, silent);
        (self.working, self.calls, self.questions) = (0, 0, 0);
        self.queue.clear();
    }
}

//! What a process keeps in memory to answer from: tenants, credentials, surfaces, banks and their index.

use crate::core::event::Event;

/// The memory of a process: a fold of events.
#[derive(Debug, Default)]
pub struct Resident {
    applied: u64,
}

impl Resident {
    /// Takes the event with journal number `number` into account. Numbers rise by one.
    pub fn apply(&mut self, number: u64, event: &Event) {
        let _ = event;
        self.applied = number;
    }

    /// Journal number up to which it is in step.
    #[must_use]
    pub const fn applied(&self) -> u64 {
        self.applied
    }
}

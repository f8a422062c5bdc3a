//! The memory of the process, shared: whoever reads takes a picture and waits for nobody.

use crate::core::event::Event;
use crate::core::resident::Resident;
use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Weak};

/// The memory, in step with everything that was answered.
pub struct Memory {
    latest: ArcSwap<Resident>,
    /// The next picture. Held while events are applied, which takes microseconds, and never while layers are merged.
    next: Mutex<Resident>,
    /// Tells the thread that merges layers that there may be some.
    due: SyncSender<()>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memory(as of {})", self.read().applied())
    }
}

impl Memory {
    /// Shares a memory, and merges its layers on a thread of its own from then on.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn share(resident: Resident) -> std::io::Result<Arc<Self>> {
        let (due, told) = sync_channel(1);
        let latest = ArcSwap::from_pointee(resident.clone());
        let memory = Arc::new(Self { latest, next: Mutex::new(resident), due });
        let tended = Arc::downgrade(&memory);
        let thread = std::thread::Builder::new().name("memory-merger".to_owned());
        thread.spawn(move || tend(&tended, &told))?;
        memory.tell();
        Ok(memory)
    }

    /// The memory as it is at this moment; what comes after is not seen in it.
    pub fn read(&self) -> Guard<Arc<Resident>> {
        self.latest.load()
    }

    /// Takes events into account, in the order of their numbers. A reader sees all of them or none. What was not kept
    /// in the journal first is only for measurements.
    pub fn apply(&self, events: &[(u64, Event)]) {
        let mut next = self.next.lock();
        for (number, event) in events {
            next.apply(*number, event);
        }
        self.latest.store(Arc::new(next.clone()));
        drop(next);
        let changes_layers = |(_, event): &(u64, Event)| {
            matches!(event, Event::EntriesPut { .. } | Event::BankDeleted { .. })
        };
        if events.iter().any(changes_layers) {
            self.tell();
        }
    }

    /// Whether no layers wait to be merged.
    pub fn is_settled(&self) -> bool {
        self.read().merge_due().is_none()
    }

    fn tell(&self) {
        // Where it was told already, once more would change nothing.
        let _ = self.due.try_send(());
    }

    /// Merges what should be merged first; says whether there was anything.
    fn merge(&self) -> bool {
        let due = self.read().merge_due();
        let Some((scope, merge)) = due else { return false };
        let merged = merge.run();
        let mut next = self.next.lock();
        next.adopt(&scope, merged);
        self.latest.store(Arc::new(next.clone()));
        true
    }
}

/// Merges whenever it is told, until the memory is gone.
fn tend(memory: &Weak<Memory>, told: &Receiver<()>) {
    while told.recv().is_ok() {
        while memory.upgrade().is_some_and(|memory| memory.merge()) {}
    }
}

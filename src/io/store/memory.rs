//! The memory of the process, shared: whoever reads takes a picture and waits for nobody.

use crate::core::access::Scope;
use crate::core::event::Event;
use crate::core::matcher::{Pace, Retired};
use crate::core::resident::Resident;
use crate::io::heap;
use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Paces with a thread of their own, so that what takes seconds never keeps layers of a moment waiting.
const PACES: [(Pace, &str); 2] = [(Pace::Soon, "memory-merger"), (Pace::InTime, "memory-miller")];
/// How long merged layers are kept for those who still hold pictures of before, until they are looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The memory, in step with everything that was answered.
pub struct Memory {
    latest: ArcSwap<Resident>,
    /// The next picture. Held while events are applied, which takes microseconds, and never while layers are merged.
    next: Mutex<Resident>,
    /// Tells the threads that merge layers whose there may be.
    due: [Sender<Scope>; PACES.len()],
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memory(as of {})", self.read().applied())
    }
}

impl Memory {
    /// Shares a memory, and merges its layers on threads of their own from then on.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn share(resident: Resident) -> std::io::Result<Arc<Self>> {
        heap::give_back();
        let pairs = PACES.map(|_| channel());
        let due = pairs.each_ref().map(|(due, _)| due.clone());
        let latest = ArcSwap::from_pointee(resident.clone());
        let memory = Arc::new(Self { latest, next: Mutex::new(resident), due });
        for ((pace, name), (_, told)) in PACES.into_iter().zip(pairs) {
            let memory = Arc::downgrade(&memory);
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread.spawn(move || tend(&memory, pace, &told))?;
        }
        memory.read().scopes().for_each(|scope| memory.tell(scope, &memory.read()));
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
        let before = self.latest.swap(Arc::new(next.clone()));
        for (_, event) in events {
            if let Event::EntriesPut { scope, .. } | Event::BankDeleted { scope, .. } = event {
                self.tell(scope, &next);
            }
        }
        drop(next);
        // Not while others wait for the lock.
        drop(before);
    }

    /// Whether no layers wait to be merged.
    pub fn is_settled(&self) -> bool {
        let picture = self.read();
        let due = |scope| PACES.iter().any(|(pace, _)| picture.merge_due(scope, *pace).is_some());
        !picture.scopes().any(due)
    }

    /// Wakes who merges, where there is something.
    fn tell(&self, scope: &Scope, resident: &Resident) {
        for ((pace, _), due) in PACES.iter().zip(&self.due) {
            if resident.merge_due(scope, *pace).is_some() {
                // The thread ends only with the memory.
                let _ = due.send(scope.clone());
            }
        }
    }

    /// Merges what should be merged first, and gives the layers that it was.
    fn merge(&self, scope: &Scope, pace: Pace) -> Option<Retired> {
        let due = self.read().merge_due(scope, pace);
        let merged = due?.run();
        let mut next = self.next.lock();
        let retired = next.adopt(scope, merged);
        let before = self.latest.swap(Arc::new(next.clone()));
        // The one layer may be of another pace than those it was merged from: larger, or smaller where much had ended.
        self.tell(scope, &next);
        drop(next);
        drop(before);
        Some(retired)
    }
}

/// Merges whenever it is told, until the memory is gone. Of the layers that were merged it keeps hold until nobody else
/// has: so no searcher is the one who has to give back their memory.
fn tend(memory: &Weak<Memory>, pace: Pace, told: &Receiver<Scope>) {
    let mut retired: Vec<Retired> = Vec::new();
    loop {
        let scope = if retired.is_empty() {
            told.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            told.recv_timeout(LOOK_AGAIN)
        };
        match scope {
            Ok(scope) => {
                while let Some(merged) = memory.upgrade().and_then(|m| m.merge(&scope, pace)) {
                    retired.push(merged);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        retired.retain(|layers| !layers.is_free());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::access::Environment;
    use crate::core::bank::{Bank, BankMode, BankRole, BankedSignal, Entry, EntryState, RATIO_ALL};
    use crate::core::id::{BankId, EntryId, TenantId};
    use crate::core::signal::Signal;
    use crate::core::time::Time;
    use crate::core::verdict::Provenance;

    fn scope() -> Scope {
        Scope { tenant: TenantId::parse("operator").unwrap(), environment: Environment::Test }
    }

    fn put(bank: &BankId, names: std::ops::Range<u32>, state: EntryState) -> Event {
        let entry = |n: u32| Entry {
            id: EntryId::parse(&format!("e{n}")).unwrap(),
            state,
            signals: vec![BankedSignal { signal: Signal::Md5([n as u8; 16]), quality: None }],
            provenance: Provenance::default(),
            note: String::new(),
            version: 1,
            created: Time::default(),
        };
        let entries = names.map(entry).collect();
        Event::EntriesPut { scope: scope(), bank: bank.clone(), entries, at: Time::default() }
    }

    #[test]
    fn however_layers_grow_and_shrink_all_merging_comes_to_an_end_by_itself() {
        let id = BankId::parse("known").unwrap();
        let bank = Bank {
            id: id.clone(),
            display_name: String::new(),
            role: BankRole::Positive,
            mode: BankMode::Enforce,
            enabled: true,
            ratio_millionths: RATIO_ALL,
            rules: Vec::new(),
            vetted: true,
            legal_basis: String::new(),
            freshness_max: None,
            version: 1,
            created: Time::default(),
            changed: Time::default(),
            learned: Time::default(),
        };
        let memory = Memory::share(Resident::default()).unwrap();
        memory.apply(&[(1, Event::BankPut { scope: scope(), bank })]);
        // Beyond what is merged soon, and back below it.
        for (state, step) in [(EntryState::Active, 4_000), (EntryState::Removed, 1_500)] {
            for from in (0..80_000).step_by(step) {
                memory.apply(&[(2, put(&id, from..from + step as u32, state))]);
            }
            let began = std::time::Instant::now();
            while !memory.is_settled() {
                assert!(began.elapsed() < Duration::from_secs(60), "a thread was not told");
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        let picture = memory.read();
        assert_eq!(picture.entry_count(&scope(), &id), 0);
    }
}

//! The memory of the process, shared: whoever reads takes a picture and waits for nobody.

mod due;

use crate::core::access::Scope;
use crate::core::event::Event;
use crate::core::matcher::{Pace, Retired, Room};
use crate::core::resident::Resident;
use crate::io::{heap, room};
use arc_swap::{ArcSwap, Guard};
use due::{Due, Next};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Paces with a thread of their own, so that what takes seconds never keeps layers of a moment waiting.
const PACES: [(Pace, &str); 2] = [(Pace::Soon, "memory-merger"), (Pace::InTime, "memory-miller")];
/// How long merged layers are kept for those who still hold pictures of before, until they are looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How often somebody looks whether there is room for what there was none for.
const LOOK_FOR_ROOM: Duration = Duration::from_secs(30);
/// Merging may take one part in so many of the memory that is free: others want some of it, too.
const SHARE_OF_FREE: u64 = 2;

/// The memory, in step with everything that was answered.
pub struct Memory {
    latest: ArcSwap<Resident>,
    /// The next picture. Held while events are applied, which takes microseconds, and never while layers are merged.
    next: Mutex<Resident>,
    /// Whose layers the threads that merge should look at.
    due: [Arc<Due>; PACES.len()],
    /// Bytes that merging may take, as it was when somebody looked last.
    room: AtomicU64,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memory(as of {})", self.read().applied())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.due.iter().for_each(|due| due.end());
    }
}

impl Memory {
    /// Shares a memory, and merges its layers on threads of their own from then on.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn share(resident: Resident) -> std::io::Result<Arc<Self>> {
        heap::give_back();
        let memory = Arc::new(Self {
            latest: ArcSwap::from_pointee(resident.clone()),
            next: Mutex::new(resident),
            due: PACES.map(|_| Arc::default()),
            room: AtomicU64::new(0),
        });
        for ((pace, name), due) in PACES.into_iter().zip(&memory.due) {
            let (memory, due) = (Arc::downgrade(&memory), Arc::clone(due));
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread.spawn(move || tend(&memory, pace, &due))?;
        }
        memory.look_around();
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
        let is_due = |scope, pace| picture.merge_due(scope, pace, self.room()).is_some();
        !picture.scopes().any(|scope| PACES.iter().any(|(pace, _)| is_due(scope, *pace)))
    }

    fn room(&self) -> Room {
        Room(self.room.load(Ordering::Relaxed))
    }

    fn look_for_room(&self) {
        self.room.store(room::free() / SHARE_OF_FREE, Ordering::Relaxed);
    }

    /// Looks how much room there is, and what is due for it.
    fn look_around(&self) {
        self.look_for_room();
        let picture = self.read();
        picture.scopes().for_each(|scope| self.tell(scope, &picture));
    }

    /// Wakes who merges, where there is something and they do not know.
    fn tell(&self, scope: &Scope, resident: &Resident) {
        for ((pace, _), due) in PACES.iter().zip(&self.due) {
            let is_due = || resident.merge_due(scope, *pace, self.room()).is_some();
            if !due.is_known(scope) && is_due() {
                due.add(scope);
            }
        }
    }

    /// Merges what should be merged first, and gives the layers that it was.
    fn merge(&self, scope: &Scope, pace: Pace) -> Option<Retired> {
        if pace == Pace::InTime {
            self.look_for_room();
        }
        let due = self.read().merge_due(scope, pace, self.room());
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

/// Merges whenever something is due, until the memory is gone. Of the layers that were merged it keeps hold until nobody
/// else has: so no searcher is the one who has to give back their memory.
fn tend(memory: &Weak<Memory>, pace: Pace, due: &Due) {
    let mut retired: Vec<Retired> = Vec::new();
    loop {
        let patience = if retired.is_empty() { LOOK_FOR_ROOM } else { LOOK_AGAIN };
        match due.next(patience) {
            Next::Scope(scope) => {
                while let Some(merged) = memory.upgrade().and_then(|m| m.merge(&scope, pace)) {
                    retired.push(merged);
                }
            }
            Next::Nothing if retired.is_empty() && pace == Pace::InTime => {
                memory.upgrade().iter().for_each(|memory| memory.look_around());
            }
            Next::Nothing => {}
            Next::End => return,
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
            background: None,
            id: EntryId::parse(&format!("e{n}")).unwrap(),
            state,
            signals: vec![BankedSignal::new(Signal::Md5([n as u8; 16]), None)],
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
            quorum: None,
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

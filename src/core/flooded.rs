//! What becomes of an entry that matched far more items than it used to.

use crate::core::bank::{Bank, BankRole, Entry, EntryState, Guard, Quarantine};
use crate::core::promotion::{Fired, change, settle};
use crate::core::time::Time;

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flooded {
    /// It is set aside: it asks for `HOLD` at most until a person releases it.
    SetAside(Box<Entry>),
    /// Nothing: its matches ask for no more as it is.
    Unchanged,
    /// Nothing: a person here confirmed it, or released it before.
    LeftAlone,
}

/// Sets an entry aside, unless a person here stands behind it. However often, and by however many processes, this is
/// done, it is done once.
#[must_use]
pub fn set_aside(bank: &Bank, before: &Entry, now: Time) -> Flooded {
    let background = before.background();
    if before.provenance.confirmed_by_us || background.released {
        return Flooded::LeftAlone;
    }
    let is_full = before.state == EntryState::Active && bank.role == BankRole::Positive;
    if !is_full || background.quarantine.is_some() {
        return Flooded::Unchanged;
    }
    let mut entry = before.clone();
    change(&mut entry, |background| {
        background.quarantine = Some(Quarantine { guard: Guard::Flood, since: now, good: None });
    });
    entry.version += 1;
    // It is matched as before: nothing is fired at.
    settle(bank, Some(before), &mut entry, now, |_, _| Fired::Clean);
    Flooded::SetAside(Box::new(entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::bank::{BankMode, RATIO_ALL};
    use crate::core::confirmation::release;
    use crate::core::id::{BankId, EntryId};
    use crate::core::verdict::Provenance;

    fn bank() -> Bank {
        let now = Time::default();
        Bank {
            id: BankId::parse("known").unwrap(),
            display_name: String::new(),
            role: BankRole::Positive,
            mode: BankMode::Enforce,
            enabled: true,
            ratio_millionths: RATIO_ALL,
            rules: Vec::new(),
            vetted: true,
            legal_basis: "a test".into(),
            freshness_max: None,
            quorum: None,
            version: 1,
            created: now,
            changed: now,
            learned: now,
        }
    }

    fn entry(state: EntryState) -> Entry {
        Entry {
            id: EntryId::parse("e").unwrap(),
            signals: Vec::new(),
            state,
            background: None,
            provenance: Provenance::default(),
            note: String::new(),
            version: 1,
            created: Time::default(),
        }
    }

    #[test]
    fn it_is_set_aside_once_and_a_release_is_for_good() {
        let now = Time::from_millis(5);
        let Flooded::SetAside(aside) = set_aside(&bank(), &entry(EntryState::Active), now) else {
            panic!("not set aside");
        };
        assert_eq!((aside.state, aside.version), (EntryState::Disputed, 2));
        let why = aside.quarantine().expect("a reason");
        assert_eq!((why.guard, why.since), (Guard::Flood, now));
        assert_eq!(set_aside(&bank(), &aside, now), Flooded::Unchanged);
        let free =
            release(&bank(), &aside, "a festival", None, now, |_, _| Fired::Untested).unwrap();
        assert_eq!(free.state, EntryState::Active);
        assert_eq!(set_aside(&bank(), &free, now), Flooded::LeftAlone);
    }

    #[test]
    fn what_was_confirmed_here_and_what_asks_for_no_more_is_left_as_it_is() {
        let mut confirmed = entry(EntryState::Active);
        confirmed.provenance.confirmed_by_us = true;
        assert_eq!(set_aside(&bank(), &confirmed, Time::default()), Flooded::LeftAlone);
        for state in [EntryState::Disputed, EntryState::Trial, EntryState::Removed] {
            let unchanged = set_aside(&bank(), &entry(state), Time::default());
            assert_eq!(unchanged, Flooded::Unchanged, "{state:?}");
        }
    }
}

//! What an event of the journal asks of items that are remembered.

use crate::core::access::Scope;
use crate::core::bank::{Bank, Entry};
use crate::core::event::Event;
use crate::core::id::{BankId, EntryId};
use crate::core::lookback::pair::{is_told, looks_back, reaches_further};
use crate::core::resident::Resident;
use std::collections::HashMap;

/// What is to be done about an event, in this order.
#[derive(Debug)]
pub enum Task<'e> {
    /// Pairs of these entries stand no more.
    Withdraw(&'e Scope, &'e BankId, Vec<&'e EntryId>),
    /// No pair of the bank stands any more.
    Close(&'e Scope, &'e BankId),
    /// Items that match these entries are told.
    Seek(&'e Scope, &'e BankId, Vec<&'e Entry>),
    /// Items that match any entry of the bank are told, when there is time.
    Sweep(&'e Scope, &'e BankId),
}

#[derive(Debug, Clone)]
struct Known {
    bank: Bank,
    /// Journal number of the event that last made it reach further.
    widened: u64,
}

/// The banks as events up to a number left them.
#[derive(Debug, Default)]
pub struct Banks {
    known: HashMap<(Scope, BankId), Known>,
    /// Journal number of the memory that they were first taken from: what earlier events changed is not known.
    first: u64,
}

impl Banks {
    /// The banks of a memory.
    #[must_use]
    pub fn of(resident: &Resident) -> Self {
        let mut known = HashMap::new();
        for scope in resident.scopes() {
            let banks = resident.of(scope).map(|holding| holding.matcher.banks());
            for status in banks.into_iter().flatten() {
                let (key, bank) = ((scope.clone(), status.bank.id.clone()), status.bank.clone());
                known.insert(key, Known { bank, widened: 0 });
            }
        }
        Self { known, first: resident.applied() }
    }

    /// A bank as it is known.
    #[must_use]
    pub fn get(&self, scope: &Scope, bank: &BankId) -> Option<&Bank> {
        self.known.get(&(scope.clone(), bank.clone())).map(|known| &known.bank)
    }

    /// Takes an event into account that comes for the first time, in the order of numbers.
    pub fn take(&mut self, number: u64, event: &Event) {
        match event {
            // The memory that they were taken from knew better.
            _ if number <= self.first => {}
            Event::BankPut { scope, bank } => {
                let key = (scope.clone(), bank.id.clone());
                let before = self.known.get(&key);
                let wider = reaches_further(before.map(|known| &known.bank), bank);
                let widened = before.map_or(0, |known| known.widened);
                let widened = if wider { number } else { widened };
                self.known.insert(key, Known { bank: bank.clone(), widened });
            }
            Event::BankDeleted { scope, bank, .. } => {
                self.known.remove(&(scope.clone(), bank.clone()));
            }
            _ => {}
        }
    }

    /// What an event asks that was taken into account, by the banks as they are known now: what a later event of them
    /// changes is asked by that one.
    #[must_use]
    pub fn heed<'e>(&self, number: u64, event: &'e Event) -> Vec<Task<'e>> {
        match event {
            Event::EntriesPut { scope, bank, entries, .. } => {
                let Some(known) = self.get(scope, bank) else { return Vec::new() };
                // Of several states of one entry the last one stands.
                let mut last = HashMap::new();
                for entry in entries {
                    last.insert(&entry.id, entry);
                }
                let (told, gone): (Vec<&Entry>, Vec<_>) =
                    last.into_values().partition(|entry| is_told(entry));
                let gone = gone.into_iter().map(|entry| &entry.id).collect();
                let mut tasks = vec![Task::Withdraw(scope, bank, gone)];
                if looks_back(known) {
                    tasks.push(Task::Seek(scope, bank, told));
                }
                tasks
            }
            Event::BankPut { scope, bank } => {
                let known = self.known.get(&(scope.clone(), bank.id.clone()));
                let widened = known.map_or(0, |known| known.widened);
                if !looks_back(bank) {
                    vec![Task::Close(scope, &bank.id)]
                } else if number <= self.first || widened >= number {
                    vec![Task::Sweep(scope, &bank.id)]
                } else {
                    Vec::new()
                }
            }
            Event::BankDeleted { scope, bank, .. } => vec![Task::Close(scope, bank)],
            _ => Vec::new(),
        }
    }
}

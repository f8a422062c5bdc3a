//! Confirmation: what a person's opinion of an entry changes, of the entry itself and of others.

use crate::core::bank::{Bank, BankRole, BankedSignal, Entry, EntryState};
use crate::core::curation::{Known, NewEntry, Standing, standing};
use crate::core::id::EntryId;
use crate::core::opinion::{Opinion, Party, Value};
use crate::core::promotion::{Fired, change, put_opinion, settle, withdraw_opinion};
use crate::core::refused::{Refused, Thing, unchanged};
use crate::core::time::Time;

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// This, for these reasons.
    Opinion(Value, Vec<String>),
    /// Nothing any more.
    Nothing,
}

/// An entry after a person here said what they think of it; and whether it is to be matched no more.
///
/// # Errors
/// [`Refused::Changed`] where the entry was changed since; [`Refused::Field`] where it has no room for another opinion.
pub fn opine(
    bank: &Bank,
    before: &Entry,
    said: &Said,
    ends: bool,
    read: Option<u64>,
    now: Time,
    fire: impl FnOnce(&Bank, &[BankedSignal]) -> Fired,
) -> Result<Entry, Refused> {
    unchanged(Thing::Entry, &before.id, read, before.version)?;
    let mut entry = before.clone();
    let mut is_full = false;
    change(&mut entry, |background| {
        match said {
            Said::Opinion(value, reasons) => {
                let (value, reasons, at) = (*value, reasons.clone(), Some(now));
                let opinion = Opinion { by: Party::Here, value, reasons, at };
                is_full = put_opinion(&mut background.opinions, opinion).is_err();
            }
            Said::Nothing => {
                withdraw_opinion(&mut background.opinions, &Party::Here);
            }
        }
        if ends {
            background.asked = EntryState::Retired;
        }
    });
    if is_full {
        let must = "must be an entry with room for another opinion";
        return Err(Refused::Field("entry_id".to_owned(), must.to_owned()));
    }
    entry.provenance.confirmed_by_us = matches!(said, Said::Opinion(Value::Positive, _)) && !ends;
    entry.version += 1;
    settle(bank, Some(before), &mut entry, now, fire);
    Ok(entry)
}

/// Whether a bank can hold what is confirmed by an opinion.
///
/// # Errors
/// [`Refused::Field`] where it is of the other role, or the bank of the entry itself.
pub fn may_confirm_into(bank: &Bank, of: &Bank, value: Value) -> Result<(), Refused> {
    let role = match value {
        Value::Positive => BankRole::Positive,
        Value::Negative => BankRole::Negative,
        Value::Seed => {
            return Err(refuse("must be left out: what is only a reason to look is not confirmed"));
        }
    };
    if bank.id == of.id {
        return Err(refuse("must be another bank than that of the entry"));
    }
    if bank.role != role {
        return Err(refuse(
            "must be a POSITIVE bank for what is positive, a NEGATIVE one for what is not",
        ));
    }
    Ok(())
}

fn refuse(must: &str) -> Refused {
    Refused::Field("confirm_bank_id".to_owned(), must.to_owned())
}

/// The signals of an entry that a bank can hold.
///
/// # Errors
/// [`Refused::Field`] where there is none.
pub fn signals_for(bank: &Bank, entry: &Entry) -> Result<Vec<BankedSignal>, Refused> {
    let mut signals = entry.signals.clone();
    signals.retain(|banked| bank.rule(&banked.signal.kind()).is_some());
    if signals.is_empty() {
        return Err(refuse("must be a bank with a rule for a type of the entry's signals"));
    }
    Ok(signals)
}

/// How an entry gets into the bank of what was confirmed here.
#[derive(Debug, Clone)]
pub enum Confirmed {
    /// An entry with its values is there: that one is the confirmed one.
    Present(EntryId),
    /// A new one is made. That a value was once removed there does not count: a person asks for it.
    New(Box<NewEntry>),
}

/// How an entry with these signals gets into a bank, where `known` is what that bank knows of each of them.
#[must_use]
pub fn confirmed(entry: &Entry, signals: Vec<BankedSignal>, known: &[Known]) -> Confirmed {
    if let Standing::Present(id) = standing(known) {
        return Confirmed::Present(id);
    }
    let mut provenance = entry.provenance.clone();
    provenance.confirmed_by_us = true;
    provenance.opinion = None;
    Confirmed::New(Box::new(NewEntry {
        id: None,
        signals,
        state: EntryState::Active,
        provenance,
        note: entry.note.clone(),
    }))
}

/// Releases an entry that a guard set aside, for a reason that is kept with it. One of which only too many came is fired at
/// what is known to be good first: that was not done yet.
///
/// # Errors
/// [`Refused::Changed`] where the entry was changed since; [`Refused::Field`] where no guard set it aside.
pub fn release(
    bank: &Bank,
    before: &Entry,
    reason: &str,
    read: Option<u64>,
    now: Time,
    fire: impl FnOnce(&Bank, &[BankedSignal]) -> Fired,
) -> Result<Entry, Refused> {
    unchanged(Thing::Entry, &before.id, read, before.version)?;
    if before.quarantine().is_none() {
        let must = "must be an entry that is set aside";
        return Err(Refused::Field("entry_id".to_owned(), must.to_owned()));
    }
    let mut entry = before.clone();
    change(&mut entry, |background| {
        background.quarantine = None;
        background.released = !before.is_over_cap();
    });
    let line = format!("released: {reason}");
    entry.note = if entry.note.is_empty() { line } else { format!("{}\n{line}", entry.note) };
    entry.version += 1;
    // Nothing is fired at for an entry that was released.
    settle(bank, Some(before), &mut entry, now, fire);
    Ok(entry)
}

//! Curation: which changes to banks and entries are made, and what the records are afterwards.

use crate::core::bank::{
    Bank, BankMode, BankRole, BankedSignal, Entry, EntryState, Quorum, SignalRule,
};
use crate::core::id::{BankId, EntryId};
use crate::core::promotion::{Fired, change, settle};
use crate::core::refused::{Refused, Thing, unchanged};
use crate::core::time::Time;
use crate::core::verdict::Provenance;
use std::time::Duration;

/// What a caller wants of a new bank.
#[derive(Debug, Clone)]
pub struct NewBank {
    /// Its name.
    pub id: BankId,
    /// The settings to begin with.
    pub settings: BankSettings,
}

/// Everything of a bank that can be set.
#[derive(Debug, Clone)]
pub struct BankSettings {
    /// A name for people.
    pub display_name: String,
    /// What a match means.
    pub role: BankRole,
    /// Whether matches count.
    pub mode: BankMode,
    /// Whether it is consulted at all.
    pub enabled: bool,
    /// Share of items for which matches count, in millionths.
    pub ratio_millionths: u32,
    /// One rule for each signal type it holds.
    pub rules: Vec<SignalRule>,
    /// Whether every entry was confirmed by an accredited body or by people here.
    pub vetted: bool,
    /// Legal basis on which it is used.
    pub legal_basis: String,
    /// Age of the last change beyond which answers say `INDEX_STALE`.
    pub freshness_max: Option<Duration>,
    /// What promotes proposed entries by themselves.
    pub quorum: Option<Quorum>,
}

/// The settings a caller wants changed; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct BankPatch {
    /// See [`BankSettings::display_name`].
    pub display_name: Option<String>,
    /// See [`BankSettings::mode`].
    pub mode: Option<BankMode>,
    /// See [`BankSettings::enabled`].
    pub enabled: Option<bool>,
    /// See [`BankSettings::ratio_millionths`].
    pub ratio_millionths: Option<u32>,
    /// See [`BankSettings::rules`].
    pub rules: Option<Vec<SignalRule>>,
    /// See [`BankSettings::vetted`].
    pub vetted: Option<bool>,
    /// See [`BankSettings::legal_basis`].
    pub legal_basis: Option<String>,
    /// See [`BankSettings::freshness_max`]; the inner absence takes the limit away.
    pub freshness_max: Option<Option<Duration>>,
    /// See [`BankSettings::quorum`]; the inner absence takes it away.
    pub quorum: Option<Option<Quorum>>,
}

/// A bank whose matches count must say by what right.
fn enforceable(mode: BankMode, legal_basis: &str) -> Result<(), Refused> {
    if mode == BankMode::Enforce && legal_basis.is_empty() {
        let must = "must be named before the bank is enforced";
        return Err(Refused::Field("bank.legal_basis".to_owned(), must.to_owned()));
    }
    Ok(())
}

/// Makes a bank.
///
/// # Errors
/// [`Refused::Exists`] where one of that name is there; [`Refused::Field`] where it is enforced without a legal basis.
pub fn create_bank(present: Option<&Bank>, wanted: NewBank, now: Time) -> Result<Bank, Refused> {
    if present.is_some() {
        return Err(Refused::Exists(Thing::Bank, wanted.id.to_string()));
    }
    let settings = wanted.settings;
    enforceable(settings.mode, &settings.legal_basis)?;
    Ok(Bank {
        id: wanted.id,
        display_name: settings.display_name,
        role: settings.role,
        mode: settings.mode,
        enabled: settings.enabled,
        ratio_millionths: settings.ratio_millionths,
        rules: settings.rules,
        vetted: settings.vetted,
        legal_basis: settings.legal_basis,
        freshness_max: settings.freshness_max,
        quorum: settings.quorum,
        version: 1,
        created: now,
        changed: now,
        learned: now,
    })
}

/// The bank of that name.
///
/// # Errors
/// [`Refused::Missing`] where there is none.
pub fn existing_bank(present: Option<Bank>, id: &BankId) -> Result<Bank, Refused> {
    present.ok_or_else(|| Refused::Missing(Thing::Bank, id.to_string()))
}

/// Changes a bank's settings. `read` is the version the caller read, if it said so.
///
/// # Errors
/// [`Refused::Changed`] where the bank was changed since; [`Refused::Field`] as in [`create_bank`].
pub fn update_bank(
    mut bank: Bank,
    patch: BankPatch,
    read: Option<u64>,
    now: Time,
) -> Result<Bank, Refused> {
    unchanged(Thing::Bank, &bank.id, read, bank.version)?;
    fn set<T>(field: &mut T, wanted: Option<T>) {
        if let Some(value) = wanted {
            *field = value;
        }
    }
    set(&mut bank.display_name, patch.display_name);
    set(&mut bank.mode, patch.mode);
    set(&mut bank.enabled, patch.enabled);
    set(&mut bank.ratio_millionths, patch.ratio_millionths);
    set(&mut bank.rules, patch.rules);
    set(&mut bank.vetted, patch.vetted);
    set(&mut bank.legal_basis, patch.legal_basis);
    set(&mut bank.freshness_max, patch.freshness_max);
    set(&mut bank.quorum, patch.quorum);
    enforceable(bank.mode, &bank.legal_basis)?;
    bank.version += 1;
    bank.changed = now;
    Ok(bank)
}

/// What a caller wants of a new entry.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Its name, where the caller chose one.
    pub id: Option<EntryId>,
    /// Its signals, at least one.
    pub signals: Vec<BankedSignal>,
    /// Where it begins.
    pub state: EntryState,
    /// Where it comes from.
    pub provenance: Provenance,
    /// A note of the curators.
    pub note: String,
}

/// Whether a value is known to the bank already, and by which entry.
pub type Known = Option<(EntryId, EntryState)>;

/// What is known beside an entry that shall come in.
#[derive(Debug, Clone)]
pub struct Beside {
    /// Its name: for a record of a source, the same for each state of it.
    pub id: EntryId,
    /// The entry of that name, removed ones included.
    pub entry: Option<Entry>,
    /// What the bank knows of each of its signals.
    pub known: Vec<Known>,
}

/// How a new entry relates to what its bank holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// At least one of its values is new, and none was removed here.
    New,
    /// Every value is held by entries that are there, this one among them.
    Present(EntryId),
    /// A value was removed here, with this entry.
    Tombstoned(EntryId),
}

/// Compares an entry's values with what the bank knows of each.
#[must_use]
pub fn standing(known: &[Known]) -> Standing {
    let removed = known.iter().flatten().find(|(_, state)| *state == EntryState::Removed);
    if let Some((entry, _)) = removed {
        return Standing::Tombstoned(entry.clone());
    }
    match known.iter().flatten().next() {
        Some((entry, _)) if known.iter().all(Option::is_some) => Standing::Present(entry.clone()),
        _ => Standing::New,
    }
}

/// The entry that was wanted, before anybody looked at it.
pub(super) fn made(id: EntryId, wanted: NewEntry, now: Time) -> Entry {
    Entry {
        id,
        signals: wanted.signals,
        state: wanted.state,
        background: None,
        provenance: wanted.provenance,
        note: wanted.note,
        version: 1,
        created: now,
    }
}

/// Where a signal's type is not one the bank holds.
pub(super) const TYPE_NOT_HELD: &str = "must be a type that the bank has a rule for";

/// Adds an entry; `fire` fires its signals at what is known to be good.
///
/// # Errors
/// [`Refused::Exists`] for a taken name or where every value is there; [`Refused::Tombstoned`] where a value was
/// removed here and `override_tombstone` is not set; [`Refused::Field`] for a type that the bank does not hold.
pub fn add_entry(
    bank: &Bank,
    beside: Beside,
    wanted: NewEntry,
    override_tombstone: bool,
    now: Time,
    fire: impl FnOnce(&Bank, &[BankedSignal]) -> Fired,
) -> Result<Entry, Refused> {
    let Beside { id, entry: present, known } = beside;
    for (place, banked) in wanted.signals.iter().enumerate() {
        if bank.rule(&banked.signal.kind()).is_none() {
            return Err(Refused::Field(format!("signals[{place}].type"), TYPE_NOT_HELD.to_owned()));
        }
    }
    if present.is_some() {
        return Err(Refused::Exists(Thing::Entry, id.to_string()));
    }
    match standing(&known) {
        Standing::Present(entry) => return Err(Refused::Exists(Thing::Entry, entry.to_string())),
        Standing::Tombstoned(entry) if !override_tombstone => {
            return Err(Refused::Tombstoned(entry));
        }
        Standing::Tombstoned(_) | Standing::New => {}
    }
    let mut entry = made(id, wanted, now);
    settle(bank, None, &mut entry, now, fire);
    Ok(entry)
}

/// What a caller wants changed of an entry; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct EntryPatch {
    /// Where it shall stand.
    pub state: Option<EntryState>,
    /// Where it comes from.
    pub provenance: Option<Provenance>,
    /// A note of the curators.
    pub note: Option<String>,
}

/// The entry of that name, unless it was removed.
///
/// # Errors
/// [`Refused::Missing`] where there is none.
pub fn existing_entry(present: Option<Entry>, id: &EntryId) -> Result<Entry, Refused> {
    present
        .filter(|entry| entry.state != EntryState::Removed)
        .ok_or_else(|| Refused::Missing(Thing::Entry, id.to_string()))
}

/// Changes an entry. `read` is the version the caller read, if it said so. Whatever state is asked for, opinions and guards
/// may give it another.
///
/// # Errors
/// [`Refused::Changed`] where the entry was changed since.
pub fn update_entry(
    bank: &Bank,
    before: &Entry,
    patch: EntryPatch,
    read: Option<u64>,
    now: Time,
    fire: impl FnOnce(&Bank, &[BankedSignal]) -> Fired,
) -> Result<Entry, Refused> {
    unchanged(Thing::Entry, &before.id, read, before.version)?;
    let mut entry = before.clone();
    if let Some(state) = patch.state {
        change(&mut entry, |background| background.asked = state);
    }
    if let Some(provenance) = patch.provenance {
        entry.provenance = provenance;
    }
    if let Some(note) = patch.note {
        entry.note = note;
    }
    entry.version += 1;
    settle(bank, Some(before), &mut entry, now, fire);
    Ok(entry)
}

/// Removes an entry: its values go, and a tombstone keeps them from being taken in again unasked.
///
/// # Errors
/// [`Refused::Changed`] where the entry was changed since.
pub fn remove_entry(mut entry: Entry, read: Option<u64>) -> Result<Entry, Refused> {
    unchanged(Thing::Entry, &entry.id, read, entry.version)?;
    entry.signals.clear();
    entry.state = EntryState::Removed;
    entry.version += 1;
    if entry.background.is_some() {
        change(&mut entry, |background| {
            background.asked = EntryState::Removed;
            background.quarantine = None;
        });
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::bank::RATIO_ALL;

    fn known(name: &str, state: EntryState) -> Known {
        Some((EntryId::parse(name).unwrap(), state))
    }

    #[test]
    fn new_settings_do_not_renew_what_a_bank_learned() {
        let settings = BankSettings {
            display_name: String::new(),
            role: BankRole::Positive,
            mode: BankMode::Shadow,
            enabled: true,
            ratio_millionths: RATIO_ALL,
            rules: Vec::new(),
            vetted: false,
            legal_basis: String::new(),
            freshness_max: None,
            quorum: None,
        };
        let id = BankId::parse("known").unwrap();
        let made = create_bank(None, NewBank { id, settings }, Time::from_millis(1)).unwrap();
        assert_eq!(made.learned, Time::from_millis(1));
        let patch = BankPatch { display_name: Some("other".into()), ..BankPatch::default() };
        let renamed = update_bank(made, patch, None, Time::from_millis(9)).unwrap();
        assert_eq!(
            (renamed.changed, renamed.learned),
            (Time::from_millis(9), Time::from_millis(1))
        );
    }

    #[test]
    fn an_entry_is_new_while_one_of_its_values_is() {
        assert_eq!(standing(&[None, None]), Standing::New);
        assert_eq!(standing(&[known("a", EntryState::Active), None]), Standing::New);
        let a = EntryId::parse("a").unwrap();
        let both = [known("a", EntryState::Active), known("b", EntryState::Trial)];
        assert_eq!(standing(&both), Standing::Present(a));
    }

    #[test]
    fn a_value_that_was_removed_here_is_not_taken_in_again_unasked() {
        let t = EntryId::parse("t").unwrap();
        let values = [None, known("t", EntryState::Removed), known("a", EntryState::Active)];
        assert_eq!(standing(&values), Standing::Tombstoned(t));
    }
}

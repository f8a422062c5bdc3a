//! Curation: which changes to banks and entries are made, and what the records are afterwards.

use crate::core::bank::{Bank, BankMode, BankRole, BankedSignal, Entry, EntryState, SignalRule};
use crate::core::id::{BankId, EntryId};
use crate::core::refused::{Refused, Thing, unchanged};
use crate::core::signal::Signal;
use crate::core::time::Time;
use crate::core::verdict::Provenance;
use std::collections::{HashMap, HashSet};
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

fn made(id: EntryId, wanted: NewEntry, now: Time) -> Entry {
    Entry {
        id,
        signals: wanted.signals,
        state: wanted.state,
        provenance: wanted.provenance,
        note: wanted.note,
        version: 1,
        created: now,
    }
}

/// Where a signal's type is not one the bank holds.
const TYPE_NOT_HELD: &str = "must be a type that the bank has a rule for";

/// Adds an entry named `id`. `known` says for each of its signals what the bank knows of the value.
///
/// # Errors
/// [`Refused::Exists`] for a taken name or where every value is there; [`Refused::Tombstoned`] where a value was
/// removed here and `override_tombstone` is not set; [`Refused::Field`] for a type that the bank does not hold.
pub fn add_entry(
    bank: &Bank,
    id: EntryId,
    present: Option<&Entry>,
    known: &[Known],
    wanted: NewEntry,
    override_tombstone: bool,
    now: Time,
) -> Result<Entry, Refused> {
    for (place, banked) in wanted.signals.iter().enumerate() {
        if bank.rule(&banked.signal.kind()).is_none() {
            return Err(Refused::Field(format!("signals[{place}].type"), TYPE_NOT_HELD.to_owned()));
        }
    }
    if present.is_some() {
        return Err(Refused::Exists(Thing::Entry, id.to_string()));
    }
    match standing(known) {
        Standing::Present(entry) => return Err(Refused::Exists(Thing::Entry, entry.to_string())),
        Standing::Tombstoned(entry) if !override_tombstone => {
            return Err(Refused::Tombstoned(entry));
        }
        Standing::Tombstoned(_) | Standing::New => {}
    }
    Ok(made(id, wanted, now))
}

/// An entry read from a file.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The line it begins on, from 1.
    pub line: u64,
    /// How many lines it stands on.
    pub lines: u64,
    /// What the file says.
    pub wanted: NewEntry,
}

impl Draft {
    /// Bytes of its values and words, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let provenance = &self.wanted.provenance;
        let words = provenance.tags.iter().map(String::len).sum::<usize>()
            + provenance.source_record.len()
            + provenance.classification.len()
            + self.wanted.note.len();
        let values = self.wanted.signals.iter().map(|banked| banked.signal.len()).sum::<usize>();
        words + values
    }
}

/// What became of some drafts; counts are of lines.
#[derive(Debug, Clone, Default)]
pub struct Intake {
    /// The entries to add.
    pub entries: Vec<Entry>,
    /// Lines that were taken.
    pub taken: u64,
    /// Lines whose values the bank had already.
    pub already_present: u64,
    /// Lines whose values were removed here before.
    pub tombstoned: u64,
    /// Lines refused in the light of what is kept, with what they must be.
    pub refused: Vec<(u64, u64, String)>,
}

/// Takes drafts in. `known` says for every signal of every draft, in order, what the bank knows of the value;
/// `names` for every draft whether an entry of its name is there. Values that come twice are taken once.
pub fn take_in(
    bank: &Bank,
    drafts: Vec<Draft>,
    known: &[Known],
    names: &[bool],
    mut fresh_id: impl FnMut() -> Option<EntryId>,
    now: Time,
) -> Intake {
    let mut intake = Intake::default();
    let mut fresh: HashMap<Signal, EntryId> = HashMap::new();
    let mut taken_names: HashSet<EntryId> = HashSet::new();
    let mut known = known.iter();
    for (draft, is_named) in drafts.into_iter().zip(names) {
        let wanted = draft.wanted;
        let known: Vec<Known> = wanted
            .signals
            .iter()
            .zip(known.by_ref())
            .map(|(banked, known)| {
                let here = || Some((fresh.get(&banked.signal)?.clone(), wanted.state));
                known.clone().or_else(here)
            })
            .collect();
        match standing(&known) {
            Standing::Tombstoned(_) => intake.tombstoned += draft.lines,
            Standing::Present(_) => intake.already_present += draft.lines,
            Standing::New => {
                let is_taken = |id: &EntryId| *is_named || taken_names.contains(id);
                if wanted.signals.iter().any(|banked| bank.rule(&banked.signal.kind()).is_none()) {
                    intake.refused.push((draft.line, draft.lines, format!("type {TYPE_NOT_HELD}")));
                } else if wanted.id.as_ref().is_some_and(is_taken) {
                    let must = "entry name must not be that of another entry".to_owned();
                    intake.refused.push((draft.line, draft.lines, must));
                } else if let Some(id) = wanted.id.clone().or_else(&mut fresh_id) {
                    let signals = wanted.signals.iter().map(|banked| banked.signal.clone());
                    fresh.extend(signals.map(|signal| (signal, id.clone())));
                    taken_names.insert(id.clone());
                    intake.taken += draft.lines;
                    intake.entries.push(made(id, wanted, now));
                }
            }
        }
    }
    intake
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

/// Changes an entry. `read` is the version the caller read, if it said so.
///
/// # Errors
/// [`Refused::Changed`] where the entry was changed since.
pub fn update_entry(
    mut entry: Entry,
    patch: EntryPatch,
    read: Option<u64>,
) -> Result<Entry, Refused> {
    unchanged(Thing::Entry, &entry.id, read, entry.version)?;
    if let Some(state) = patch.state {
        entry.state = state;
    }
    if let Some(provenance) = patch.provenance {
        entry.provenance = provenance;
    }
    if let Some(note) = patch.note {
        entry.note = note;
    }
    entry.version += 1;
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

//! Intake: what comes of entries in lists, and of records of sources, in the light of what a bank holds.

use crate::core::bank::{Bank, BankedSignal, Entry, EntryState, Guard, Origin, Quarantine};
use crate::core::curation::{Beside, Known, NewEntry, Standing, TYPE_NOT_HELD, made, standing};
use crate::core::guard::cap::Cap;
use crate::core::id::EntryId;
use crate::core::opinion::{OPINIONS_PER_ENTRY_MAX, Opinion, Party, Value, merged};
use crate::core::promotion::{Changed, Fired, change, put_opinion, settle};
use crate::core::record::{HANDLE, Listed, Record, Says};
use crate::core::signal::Signal;
use crate::core::time::Time;
use crate::core::verdict::Provenance;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{HashMap, HashSet};

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

/// What became of some drafts or records. Counts are of lines for drafts.
#[derive(Debug, Clone, Default)]
pub struct Intake {
    /// The entries that are new or changed, each settled by itself.
    pub changed: Vec<Changed>,
    /// Whether some of them may share a value with others.
    pub shares: bool,
    /// How many were taken that were not there.
    pub taken: u64,
    /// How many of those are set aside because their source brought too many.
    pub over_cap: u64,
    /// How many took the place of what the source had said before.
    pub replaced: u64,
    /// How many entries went because their source does not list them any more.
    pub withdrawn: u64,
    /// How many changed nothing: their values, or their records in this state, were there already.
    pub already_present: u64,
    /// How many were not taken because their values were removed here before.
    pub tombstoned: u64,
    /// What was refused in the light of what is kept: where it stands, on how many lines, and what it must be.
    pub refused: Vec<(u64, u64, String)>,
}

/// Takes drafts in. `known` says for every signal of every draft, in order, what the bank knows of the value;
/// `names` for every draft whether an entry of its name is there. Values that come twice are taken once.
pub fn take_drafts(
    bank: &Bank,
    drafts: Vec<Draft>,
    known: &[Known],
    names: &[bool],
    mut fresh_id: impl FnMut() -> Option<EntryId>,
    mut fire: impl FnMut(&Bank, &[BankedSignal]) -> Fired,
    now: Time,
) -> Intake {
    let mut intake = Intake::default();
    // By value, which of what is new has it.
    let mut fresh: HashMap<Signal, usize> = HashMap::with_capacity(drafts.len());
    let mut taken_names: HashSet<EntryId> = HashSet::new();
    let mut known = known.iter();
    for (draft, is_named) in drafts.into_iter().zip(names) {
        let wanted = draft.wanted;
        let known: Vec<Known> = wanted
            .signals
            .iter()
            .zip(known.by_ref())
            .map(|(banked, known)| {
                let here = || {
                    let entry: &Changed = &intake.changed[*fresh.get(&banked.signal)?];
                    Some((entry.after.id.clone(), wanted.state))
                };
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
                    fresh.extend(signals.map(|signal| (signal, intake.changed.len())));
                    taken_names.extend(wanted.id.clone());
                    intake.taken += draft.lines;
                    intake.shares |= known.iter().any(Option::is_some);
                    let mut after = made(id, wanted, now);
                    settle(bank, None, &mut after, now, &mut fire);
                    intake.changed.push(Changed { before: None, after });
                }
            }
        }
    }
    intake
}

/// Where records come from, and how they enter a bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name: of the exchange, or of the file's publisher.
    pub name: String,
    /// Where its entries stand when they enter.
    pub enters_as: EntryState,
    /// Whether it names records by their values: such names are not shown to anybody.
    pub names_values: bool,
}

/// Takes records in, in their order: a later one of the same name meets what an earlier one left. A record replaces what
/// its source said before, whole; what was said or decided here stays. New ones beyond the `cap` are set aside; what is
/// replaced or withdrawn is never kept out.
pub fn take_records(
    bank: &Bank,
    source: &Source,
    records: impl IntoIterator<Item = (Record, Beside)>,
    cap: &mut Cap,
    mut fire: impl FnMut(&Bank, &[BankedSignal]) -> Fired,
    now: Time,
) -> Intake {
    let mut intake = Intake::default();
    let mut changed: HashMap<EntryId, Changed> = HashMap::new();
    let mut order = Vec::new();
    let mut values: HashSet<Signal> = HashSet::new();
    let into = Into { bank, source, now };
    for (record, beside) in records {
        let before = changed.get(&beside.id).map(|one| &one.after).or(beside.entry.as_ref());
        let place = record.place;
        let (after, count) = match take_record(&into, record, before, &beside, cap, &mut fire) {
            Taken::Changed(entry, how) => {
                let count = match how {
                    How::New => &mut intake.taken,
                    How::Replaced => &mut intake.replaced,
                    How::Withdrawn => &mut intake.withdrawn,
                    How::Noted => &mut intake.already_present,
                };
                (Some(*entry), count)
            }
            Taken::Unchanged => (None, &mut intake.already_present),
            Taken::Tombstoned => (None, &mut intake.tombstoned),
            Taken::Refused(must) => {
                intake.refused.push((place, 1, must));
                continue;
            }
        };
        *count += 1;
        let Some(after) = after else { continue };
        intake.over_cap += u64::from(before.is_none_or(is_gone) && after.is_over_cap());
        // What had other values before may have shared those.
        intake.shares |= beside.entry.as_ref().is_some_and(|was| was.signals != after.signals)
            || beside.known.iter().flatten().any(|(id, _)| *id != beside.id);
        for banked in &after.signals {
            intake.shares |= !values.insert(banked.signal.clone());
        }
        match changed.entry(beside.id.clone()) {
            Occupied(mut place) => place.get_mut().after = after,
            Vacant(place) => {
                place.insert(Changed { before: beside.entry, after });
                order.push(beside.id);
            }
        }
    }
    intake.changed = order.iter().filter_map(|id| changed.remove(id)).collect();
    intake
}

/// How an entry changed.
enum How {
    New,
    Replaced,
    Withdrawn,
    /// Only that the source has withdrawn what was never here: so that an older state of it is not taken later.
    Noted,
}

enum Taken {
    Changed(Box<Entry>, How),
    Unchanged,
    Tombstoned,
    Refused(String),
}

/// Where records go, whose they are, and when that is.
struct Into<'a> {
    bank: &'a Bank,
    source: &'a Source,
    now: Time,
}

fn is_gone(entry: &Entry) -> bool {
    entry.state == EntryState::Removed
}

fn take_record(
    into: &Into<'_>,
    record: Record,
    before: Option<&Entry>,
    beside: &Beside,
    cap: &mut Cap,
    fire: impl FnOnce(&Bank, &[BankedSignal]) -> Fired,
) -> Taken {
    let Into { bank, source, now } = *into;
    let origin = before.and_then(Entry::origin);
    if before.is_some() && origin.is_none_or(|origin| origin.source != source.name) {
        return Taken::Refused("record must not have the name of another entry".to_owned());
    }
    let was_gone = before.is_some_and(is_gone);
    let is_withdrawn = before.is_some_and(Entry::is_withdrawn);
    // Of two states of one record the later one stands, whichever came first.
    let is_older = match (record.updated, origin.and_then(|origin| origin.updated)) {
        (Some(updated), Some(known)) => updated < known,
        _ => false,
    };
    if is_older {
        return Taken::Unchanged;
    }
    let stamp = Origin {
        source: source.name.clone(),
        updated: match record.says {
            Says::Absent => None,
            _ => record.updated.or(origin.and_then(|origin| origin.updated)),
        },
        withdrawn: matches!(record.says, Says::Withdrawn | Says::Absent),
        handles: Vec::new(),
        told: origin.and_then(|origin| origin.told),
    };
    let listed = match record.says {
        Says::Withdrawn | Says::Absent if was_gone => return Taken::Unchanged,
        // Of no time: nothing could be told to be older.
        Says::Withdrawn | Says::Absent if before.is_none() && record.updated.is_none() => {
            return Taken::Unchanged;
        }
        Says::Withdrawn | Says::Absent => {
            let how = if before.is_some() { How::Withdrawn } else { How::Noted };
            let mut entry =
                before.cloned().unwrap_or_else(|| blank(beside.id.clone(), source, now));
            entry.signals.clear();
            entry.version += u64::from(before.is_some());
            change(&mut entry, |background| {
                background.opinions.retain(|opinion| opinion.by == Party::Here);
                background.quarantine = None;
                background.origin = Some(stamp);
            });
            entry.state = EntryState::Removed;
            settle(bank, before, &mut entry, now, fire);
            return Taken::Changed(Box::new(entry), how);
        }
        Says::Listed(listed) => *listed,
    };
    let removed_here = |known: &Known| {
        known.as_ref().is_some_and(|(id, state)| *state == EntryState::Removed && *id != beside.id)
    };
    if (was_gone && !is_withdrawn) || beside.known.iter().any(removed_here) {
        return Taken::Tombstoned;
    }
    if is_withdrawn && record.updated.is_some() && record.updated == origin.and_then(|o| o.updated)
    {
        // The state that was withdrawn, once more.
        return Taken::Unchanged;
    }
    let mut entry = before.cloned().unwrap_or_else(|| blank(beside.id.clone(), source, now));
    let record_name = if source.names_values { "" } else { record.key.as_str() };
    say(&mut entry, source, record_name, listed, stamp);
    if is_withdrawn {
        entry.state = source.enters_as;
        change(&mut entry, |background| background.asked = source.enters_as);
    }
    if before.is_none() || is_withdrawn {
        if !cap.admits() {
            let quarantine = Quarantine { guard: Guard::Cap, since: now, good: None };
            change(&mut entry, |background| background.quarantine = Some(quarantine));
        }
    } else if entry.is_over_cap() && cap.admits_late() {
        // Told again on a day that has room for it.
        change(&mut entry, |background| background.quarantine = None);
    }
    let Some(before) = before else {
        settle(bank, None, &mut entry, now, fire);
        return Taken::Changed(Box::new(entry), How::New);
    };
    if !is_withdrawn && entry == *before {
        return Taken::Unchanged;
    }
    entry.version += 1;
    settle(bank, Some(before), &mut entry, now, fire);
    let how = if is_withdrawn { How::New } else { How::Replaced };
    Taken::Changed(Box::new(entry), how)
}

/// An entry of a source of which nothing is said yet.
fn blank(id: EntryId, source: &Source, now: Time) -> Entry {
    Entry {
        id,
        signals: Vec::new(),
        state: source.enters_as,
        background: None,
        provenance: Provenance {
            exchange: source.name.clone(),
            first_seen: now,
            ..Provenance::default()
        },
        note: String::new(),
        version: 1,
        created: now,
    }
}

/// Lets an entry say what its source says of it now. What was said here stays.
fn say(entry: &mut Entry, source: &Source, record: &str, listed: Listed, mut stamp: Origin) {
    let Listed { signals, organisation, classification, tags, opinions, links } = listed;
    let handles = links.into_iter().filter(|link| link.kind == HANDLE);
    stamp.handles = handles.map(|link| link.address).collect();
    entry.signals = signals;
    let positive = entry.heard(Value::Positive);
    entry.provenance.source_organisation.clone_from(&organisation);
    record.clone_into(&mut entry.provenance.source_record);
    entry.provenance.classification = classification;
    entry.provenance.tags = tags;
    let by = |organisation: String| Party::Member { exchange: source.name.clone(), organisation };
    change(entry, |background| {
        background.opinions.retain(|opinion| match &opinion.by {
            Party::Here => true,
            Party::Member { exchange, .. } => *exchange != source.name,
        });
        // Who lists an item says that it belongs there, unless it says otherwise.
        let mut said: Vec<Opinion> = Vec::with_capacity(opinions.len() + 1);
        if !organisation.is_empty() {
            let (value, at) = (positive, stamp.updated);
            said.push(Opinion { by: by(organisation), value, reasons: Vec::new(), at });
        }
        said.extend(opinions.into_iter().map(|one| Opinion {
            by: by(one.organisation),
            value: if one.value == Value::Positive { positive } else { one.value },
            reasons: one.reasons,
            at: one.at,
        }));
        for opinion in said {
            keep_opinion(&mut background.opinions, opinion);
        }
        background.origin = Some(stamp);
    });
    entry.provenance.opinion = merged(entry.opinions());
}

/// Keeps an opinion where there is room: a negative one always is kept, in the place of a positive one.
fn keep_opinion(opinions: &mut Vec<Opinion>, opinion: Opinion) {
    let Err(opinion) = put_opinion(opinions, opinion) else { return };
    debug_assert!(opinions.len() >= OPINIONS_PER_ENTRY_MAX, "refused only where there are many");
    if opinion.value == Value::Negative
        && let Some(at) = opinions.iter().position(|known| known.value != Value::Negative)
    {
        opinions.remove(at);
        let _ = put_opinion(opinions, opinion);
    }
}

#[cfg(test)]
mod tests;

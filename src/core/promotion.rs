//! Promotion: where an entry stands, from what was asked for it, what parties say of it and what guards found.

use crate::core::bank::{
    Background, Bank, BankRole, BankedSignal, Effect, Entry, EntryState, Good, Guard, Quarantine,
};
use crate::core::opinion::{self, Merged, OPINIONS_PER_ENTRY_MAX, Opinion, Party, Value};
use crate::core::signal::Signal;
use crate::core::time::Time;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What comes of firing an entry's signals at what is known to be good: at everything in negative banks, by the rule of
/// the entry's own bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fired {
    /// Nothing good would be matched.
    Clean,
    /// This would be, and nothing good is nearer.
    Hit(Good),
    /// Not all that is known to be good could be compared with.
    Untested,
}

/// What the processes that keep other shards of the banks said to firing.
#[derive(Debug, Clone, Default)]
pub struct Far {
    /// What is nearest there to each signal that all of them were asked for; nothing where nobody else is to be asked.
    nearest: Option<HashMap<Signal, Option<Good>>>,
}

impl Far {
    /// What was said to these signals by each of the other shards; an answer that is none is that of a shard that did not
    /// give one: then nothing was tested.
    #[must_use]
    pub fn said(signals: Vec<Signal>, answers: Vec<Option<Vec<Option<Good>>>>) -> Self {
        let mut nearest: Vec<Option<Good>> = vec![None; signals.len()];
        for answer in answers {
            let Some(answer) = answer.filter(|answer| answer.len() == signals.len()) else {
                return Self { nearest: Some(HashMap::new()) };
            };
            for (known, good) in nearest.iter_mut().zip(answer) {
                *known = nearer(known.take(), good);
            }
        }
        Self { nearest: Some(signals.into_iter().zip(nearest).collect()) }
    }

    /// What comes of firing signals, the nearest to which `here` is this.
    #[must_use]
    pub fn fired(&self, signals: &[BankedSignal], here: Option<Good>) -> Fired {
        let mut nearest = here;
        let mut untested = false;
        for (banked, known) in signals.iter().zip(self.nearest.iter().cycle()) {
            match known.get(&banked.signal) {
                Some(good) => nearest = nearer(nearest, good.clone()),
                None => untested = true,
            }
        }
        match nearest {
            Some(good) => Fired::Hit(good),
            None if untested => Fired::Untested,
            None => Fired::Clean,
        }
    }
}

fn nearer(one: Option<Good>, other: Option<Good>) -> Option<Good> {
    one.into_iter().chain(other).min_by(Good::order)
}

/// Where an entry would stand but for guards.
fn wanted(bank: &Bank, asked: EntryState, opinions: &[Opinion]) -> EntryState {
    let suspended = opinion::merged(opinions).is_some_and(Merged::suspends);
    let promoted = match (asked, &bank.quorum) {
        (EntryState::Proposed, Some(quorum)) if !suspended && quorum.is_met(opinions) => {
            quorum.promotes_to
        }
        (asked, _) => asked,
    };
    match promoted {
        EntryState::Active if suspended => EntryState::Disputed,
        other => other,
    }
}

/// Settles where an entry stands after a change, by itself. `before` is the entry as it was, if it was there. Before it is
/// matched, or matched with more effect than before, it is fired at what is known to be good.
pub fn settle(
    bank: &Bank,
    before: Option<&Entry>,
    entry: &mut Entry,
    now: Time,
    fire: impl FnOnce(&Bank, &[BankedSignal]) -> Fired,
) {
    settle_among(bank, before, entry, &[], now, fire);
}

/// [`settle`] for an entry of which others share values, whose opinions count as if they were on it.
fn settle_among(
    bank: &Bank,
    before: Option<&Entry>,
    entry: &mut Entry,
    others: &[Opinion],
    now: Time,
    fire: impl FnOnce(&Bank, &[BankedSignal]) -> Fired,
) {
    let mut background = entry.background();
    let opinions = [&background.opinions, others].concat();
    entry.provenance.opinion = opinion::merged(&opinions);
    background.was_confirmed |= background.origin.is_some() && entry.provenance.confirmed_by_us;
    if entry.state != EntryState::Removed {
        let before = before.filter(|before| before.signals == entry.signals);
        if before.is_none() {
            background.released = false;
            // Otherwise a source would only have to bring it anew to have it matched.
            background.quarantine.take_if(|quarantine| quarantine.guard != Guard::Cap);
        }
        let wanted = wanted(bank, background.asked, &opinions);
        let is_matched = wanted.effect() != Effect::Absent;
        let was = before.map_or(Effect::Absent, |before| before.state.effect());
        let guard = background.quarantine.as_ref().map(|quarantine| quarantine.guard);
        if guard == Some(Guard::Cap) && wanted != EntryState::Retired {
            // It stays aside, proposed or not, and is fired at nothing until it may be matched.
        } else if !is_matched {
            background.quarantine = None;
        } else if wanted.effect() > was && guard != Some(Guard::Flood) {
            let set_aside = bank.role == BankRole::Positive && !background.released;
            let fired = if set_aside { fire(bank, &entry.signals) } else { Fired::Clean };
            let since = background.quarantine.as_ref().map_or(now, |before| before.since);
            background.quarantine = match fired {
                Fired::Clean => None,
                Fired::Hit(good) => {
                    Some(Quarantine { guard: Guard::KnownGood, since, good: Some(good) })
                }
                Fired::Untested => Some(Quarantine { guard: Guard::NotTested, since, good: None }),
            };
        }
        entry.state = match &background.quarantine {
            None => wanted,
            Some(quarantine) if quarantine.guard != Guard::Flood => EntryState::Quarantined,
            Some(_) if wanted == EntryState::Active => EntryState::Disputed,
            Some(_) => wanted,
        };
    }
    let is_plain = background.asked == entry.state
        && background.opinions.is_empty()
        && background.quarantine.is_none()
        && !background.released
        && background.origin.is_none();
    entry.background = (!is_plain).then(|| Box::new(background));
}

/// An entry before and after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// As it was, if it was there.
    pub before: Option<Entry>,
    /// As it is now, settled by itself.
    pub after: Entry,
}

/// What is said of a value: each word of each party once, and of how many entries that have the value. One value may stand
/// in thousands of entries, of which the same few parties speak.
type Spoken<'e> = BTreeMap<(&'e Party, Value), (&'e Opinion, usize)>;

/// What is said of an entry as far as it counts for others with its values: who brought too much lends no other entry its
/// voice, except to say that something is wrong.
fn heard(entry: &Entry) -> impl Iterator<Item = &Opinion> {
    let is_heard = |opinion: &&Opinion| !entry.is_over_cap() || opinion.value == Value::Negative;
    entry.opinions().iter().filter(is_heard)
}

/// Whether a change brings or takes a word of some party on some value: if not, entries that share values with what changed
/// stand as they stood, however many they are. `peers` are as for [`settle_shared`].
#[must_use]
pub fn is_news(changed: &[Changed], peers: &[Entry]) -> bool {
    let mut said: HashMap<&Signal, [BTreeSet<(&Party, Value)>; 2]> = HashMap::new();
    for one in changed {
        let entries = one.before.iter().map(|entry| (0, entry)).chain([(1, &one.after)]);
        for (when, entry) in entries {
            for banked in &entry.signals {
                let words = heard(entry).map(|opinion| (&opinion.by, opinion.value));
                said.entry(&banked.signal).or_default()[when].extend(words);
            }
        }
    }
    for peer in peers {
        for banked in &peer.signals {
            let Some(both) = said.get_mut(&banked.signal) else { continue };
            for words in both {
                words.extend(heard(peer).map(|opinion| (&opinion.by, opinion.value)));
            }
        }
    }
    said.values().any(|[before, after]| before != after)
}

/// Settles entries of a bank that changed, and those that share values with them: whatever is said of a value counts for
/// every entry that has it. `peers` are those that share one with what changed, as it was or is; `outer` those that share
/// one with a peer. Gives what is to be put: what changed, and the peers that now stand differently.
pub fn settle_shared(
    bank: &Bank,
    changed: Vec<Changed>,
    peers: Vec<Entry>,
    outer: &[Entry],
    now: Time,
    mut fire: impl FnMut(&Bank, &[BankedSignal]) -> Fired,
) -> Vec<Entry> {
    let mut said: HashMap<&Signal, Spoken<'_>> = HashMap::new();
    for entry in changed.iter().map(|one| &one.after).chain(&peers).chain(outer) {
        for opinion in heard(entry) {
            for banked in &entry.signals {
                let words = said.entry(&banked.signal).or_default();
                words.entry((&opinion.by, opinion.value)).or_insert((opinion, 0)).1 += 1;
            }
        }
    }
    let others = |entry: &Entry| -> Vec<Opinion> {
        let own: BTreeSet<_> = heard(entry).map(|one| (&one.by, one.value)).collect();
        let words = entry.signals.iter().filter_map(|banked| said.get(&banked.signal)).flatten();
        let by_others =
            words.filter(|(word, (_, entries))| *entries > usize::from(own.contains(word)));
        let each: BTreeMap<_, _> = by_others.map(|(word, (opinion, _))| (word, *opinion)).collect();
        each.into_values().cloned().collect()
    };
    let mut put = Vec::with_capacity(changed.len());
    for one in &changed {
        let mut entry = one.after.clone();
        let others = others(&entry);
        if !others.is_empty() {
            settle_among(bank, one.before.as_ref(), &mut entry, &others, now, &mut fire);
        }
        put.push(entry);
    }
    for peer in &peers {
        let mut entry = peer.clone();
        settle_among(bank, Some(peer), &mut entry, &others(peer), now, &mut fire);
        if entry != *peer {
            entry.version += 1;
            put.push(entry);
        }
    }
    put
}

/// Changes what an entry's state follows from.
pub fn change(entry: &mut Entry, change: impl FnOnce(&mut Background)) {
    let mut background = entry.background();
    change(&mut background);
    entry.background = Some(Box::new(background));
}

/// Puts an opinion in the place of what its party said before.
///
/// # Errors
/// Gives it back where there are [`OPINIONS_PER_ENTRY_MAX`] of other parties.
pub fn put_opinion(opinions: &mut Vec<Opinion>, opinion: Opinion) -> Result<(), Opinion> {
    match opinions.binary_search_by(|known| known.by.cmp(&opinion.by)) {
        Ok(at) => opinions[at] = opinion,
        Err(_) if opinions.len() >= OPINIONS_PER_ENTRY_MAX => return Err(opinion),
        Err(at) => opinions.insert(at, opinion),
    }
    Ok(())
}

/// Takes a party's opinion back; says whether there was one.
pub fn withdraw_opinion(opinions: &mut Vec<Opinion>, by: &Party) -> bool {
    let before = opinions.len();
    opinions.retain(|opinion| opinion.by != *by);
    opinions.len() < before
}

#[cfg(test)]
mod tests;

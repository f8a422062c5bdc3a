//! Entries that come into a bank or change in it, within a transaction: records of sources, and what shares values with them.

use crate::core::access::Scope;
use crate::core::bank::{Bank, BankedSignal, Entry};
use crate::core::curation::{Beside, existing_bank};
use crate::core::event::{ENTRIES_PER_EVENT_MAX, Event};
use crate::core::guard::cap::{Brought, Cap};
use crate::core::id::{BankId, EntryId};
use crate::core::intake::{self, Intake, Source};
use crate::core::promotion::{Changed, Far, is_news, settle_shared};
use crate::core::record::{Record, RecordKey, Says};
use crate::core::refused::Refused;
use crate::core::signal::Signal;
use crate::io::store::{KeepError, StoreError, Tx};
use std::collections::BTreeSet;

/// Entries that share values with those of one change: more are not looked at.
const PEERS_MAX: usize = 10_000;

/// The signals of some records, in their order.
pub fn signals_of(records: &[Record]) -> impl Iterator<Item = &BankedSignal> {
    records.iter().flat_map(|record| match &record.says {
        Says::Listed(listed) => listed.signals.iter(),
        Says::Withdrawn | Says::Absent => [].iter(),
    })
}

/// Takes up to [`ENTRIES_PER_EVENT_MAX`] records of a source into a bank. `far` is what
/// other shards said to firing the signals of the records; new entries beyond the `cap` are set aside.
///
/// # Errors
/// [`Refused::Missing`] where there is no such bank, and whatever the store fails of.
pub async fn take_records(
    tx: &mut Tx,
    scope: &Scope,
    bank: &BankId,
    source: &Source,
    records: Vec<Record>,
    far: &Far,
    cap: &mut Cap,
) -> Result<Intake, KeepError<Refused>> {
    let ids = records.iter().map(|record| tx.record_entry(scope, bank, &source.name, &record.key));
    let ids: Option<Vec<_>> = ids.collect();
    let ids = ids.ok_or(KeepError::Store(StoreError::Broken))?;
    let records = records.into_iter().zip(ids).collect();
    take(tx, scope, bank, source, records, far, cap).await
}

/// Withdraws up to [`ENTRIES_PER_EVENT_MAX`] entries of a source that does not list them any more, by their own names.
///
/// # Errors
/// As [`take_records`].
pub async fn withdraw_entries(
    tx: &mut Tx,
    scope: &Scope,
    bank: &BankId,
    source: &Source,
    ids: Vec<EntryId>,
) -> Result<Intake, KeepError<Refused>> {
    let record = |(place, id): (u64, &EntryId)| {
        let key = RecordKey::parse(id.as_str())?;
        Some(Record { place, key, updated: None, says: Says::Absent })
    };
    let records: Option<Vec<_>> = (1..).zip(&ids).map(record).collect();
    let records = records.ok_or(KeepError::Store(StoreError::Broken))?;
    // Nothing new comes of it.
    let (far, mut cap) = (Far::default(), Cap::new(0, Brought::default(), tx.now()));
    let records = records.into_iter().zip(ids).collect();
    take(tx, scope, bank, source, records, &far, &mut cap).await
}

/// Takes records in, each into the entry of its name.
async fn take(
    tx: &mut Tx,
    scope: &Scope,
    bank: &BankId,
    source: &Source,
    records: Vec<(Record, EntryId)>,
    far: &Far,
    cap: &mut Cap,
) -> Result<Intake, KeepError<Refused>> {
    let settings = existing_bank(tx.bank(scope, bank).await?, bank)?;
    let (records, ids): (Vec<_>, Vec<_>) = records.into_iter().unzip();
    let entries = tx.entries_named(scope, bank, &ids).await?;
    let signals: Vec<Signal> = signals_of(&records).map(|banked| banked.signal.clone()).collect();
    let mut known = tx.entries_by_signal(scope, bank, &signals).await?.into_iter();
    let beside = records.into_iter().zip(ids.into_iter().zip(entries));
    let beside: Vec<_> = beside
        .map(|(record, (id, entry))| {
            let own = match &record.says {
                Says::Listed(listed) => listed.signals.len(),
                Says::Withdrawn | Says::Absent => 0,
            };
            let known = known.by_ref().take(own).collect();
            (record, Beside { id, entry, known })
        })
        .collect();
    let now = tx.now();
    let fire = |bank: &Bank, signals: &[BankedSignal]| tx.fired(scope, bank, signals, far);
    let mut intake = intake::take_records(&settings, source, beside, cap, fire, now);
    let changed = std::mem::take(&mut intake.changed);
    put(tx, scope, &settings, changed, intake.shares, far).await?;
    Ok(intake)
}

/// Puts entries that changed, each settled by itself, and settles what shares values with them: where `shares` says that
/// there may be such. Gives the entries that changed as they stand now.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn put(
    tx: &mut Tx,
    scope: &Scope,
    bank: &Bank,
    changed: Vec<Changed>,
    shares: bool,
    far: &Far,
) -> Result<Vec<Entry>, StoreError> {
    let count = changed.len();
    let put = if shares {
        let all = changed.iter().flat_map(|one| one.before.iter().chain([&one.after]));
        let own = values_of(all);
        let mut known: BTreeSet<EntryId> = changed.iter().map(|one| one.after.id.clone()).collect();
        let peers = sharing(tx, scope, bank, &own, &mut known).await?;
        // Where thousands share a value, most of what comes says of it what was said before.
        let (peers, outer) = if is_news(&changed, &peers) {
            let others = values_of(peers.iter());
            let outer = sharing(tx, scope, bank, &others, &mut known).await?;
            (peers, outer)
        } else {
            (Vec::new(), peers)
        };
        let (now, fire) =
            (tx.now(), |bank: &Bank, signals: &[BankedSignal]| tx.fired(scope, bank, signals, far));
        settle_shared(bank, changed, peers, &outer, now, fire)
    } else {
        changed.into_iter().map(|one| one.after).collect()
    };
    for entries in put.chunks(ENTRIES_PER_EVENT_MAX) {
        let (scope, bank, at) = (scope.clone(), bank.id.clone(), tx.now());
        tx.record(Event::EntriesPut { scope, bank, entries: entries.to_vec(), at }).await?;
    }
    Ok(put.into_iter().take(count).collect())
}

/// The values of some entries, each once.
fn values_of<'e>(entries: impl Iterator<Item = &'e Entry>) -> Vec<Signal> {
    let values: BTreeSet<&Signal> =
        entries.flat_map(|entry| entry.signals.iter().map(|banked| &banked.signal)).collect();
    values.into_iter().cloned().collect()
}

/// The entries that hold one of some values, but for those that are known, to which they are added.
async fn sharing(
    tx: &mut Tx,
    scope: &Scope,
    bank: &Bank,
    values: &[Signal],
    known: &mut BTreeSet<EntryId>,
) -> Result<Vec<Entry>, StoreError> {
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let mut names = tx.entries_sharing(scope, &bank.id, values, PEERS_MAX).await?;
    names.retain(|name| known.insert(name.clone()));
    Ok(tx.entries_named(scope, &bank.id, &names).await?.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests;

//! A drill: a backup put together in a folder of its own, verified, looked into and started, as if it were needed.

use super::super::dialect::Conn;
use super::super::journal;
use super::super::rows::{self, Which};
use super::super::{dialect, error::StoreError};
use super::error::BackupError;
use super::manifest::Manifest;
use super::stage;
use crate::core::access::Scope;
use crate::core::bank::{Bank, EntryState};
use crate::core::id::BankId;
use crate::io::clock::Clock;
use crate::io::seal::{KeyRing, Phrase};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Receipts that are made, of events spread over the journal.
const RECEIPTS: u64 = 32;
/// Entries of each bank whose signals are looked up.
const ENTRIES: u64 = 32;

/// What a drill did.
#[derive(Debug)]
pub struct Drilled {
    /// What the backup holds.
    pub manifest: Manifest,
    /// Receipts that were made and proved.
    pub receipts: u64,
    /// Signals that were looked up and found.
    pub signals: u64,
    /// Banks whose entries were counted, in the database and in memory.
    pub banks: u64,
    /// Events that the start added: counts that were lost, verdicts that waited.
    pub added: u64,
    /// Time until the backup was put together and verified.
    pub verified: Duration,
    /// Time until the store had been started from it.
    pub took: Duration,
}

/// Does it in `folder`, which must be empty and is left with everything in it.
///
/// # Errors
/// [`BackupError`]: this backup could not be restored.
pub async fn drill(
    from: &Path,
    phrase: &Phrase,
    clock: &Clock,
    folder: &Path,
) -> Result<Drilled, BackupError> {
    let began = Instant::now();
    let (opened, keys) = stage::open(from, phrase, clock)?;
    let staged = opened.stage(folder, &keys).await?;
    let verified = began.elapsed();
    let mut conn = dialect::connect_reading(&staged.settings).await?;
    let receipts = receipts(&mut conn, &keys, opened.manifest.number).await?;
    let (mut signals, mut counted) = (0, Vec::new());
    for (scope, _, bank) in rows::all_documents::<Bank>(&mut conn, &keys).await? {
        let scope = rows::scope_of(&scope)?;
        signals += look_up(&mut conn, &keys, &scope, &bank.id).await?;
        let counts = rows::entry_counts(&mut conn, &scope, &bank.id).await?;
        let is_there = |(state, _): &&(EntryState, u64)| *state != EntryState::Removed;
        let count: u64 = counts.iter().filter(is_there).map(|(_, count)| count).sum();
        counted.push((scope, bank.id, count));
    }
    conn.close().await?;
    let banks = counted.len() as u64;
    let keys = Arc::new(keys);
    let started = staged.start(&keys, clock, async |store| {
        let resident = Arc::clone(&store.resident().read());
        let same =
            counted.iter().all(|(scope, bank, count)| resident.entry_count(scope, bank) == *count);
        if same { Ok(store.head_number().await?) } else { Err(BackupError::NotTheSame) }
    });
    let added = started.await?.saturating_sub(opened.manifest.number);
    let (manifest, took) = (opened.manifest, began.elapsed());
    Ok(Drilled { manifest, receipts, signals, banks, added, verified, took })
}

/// Proves events from the first to the last.
async fn receipts(conn: &mut Conn, keys: &KeyRing, number: u64) -> Result<u64, StoreError> {
    let count = RECEIPTS.min(number);
    for at in 1..=count {
        let chosen = (number - 1) * (at - 1) / count.saturating_sub(1).max(1) + 1;
        journal::receipt(conn, keys, chosen).await?.ok_or(StoreError::Corrupt("journal"))?;
    }
    Ok(count)
}

/// Looks up the signals of the first entries of a bank.
async fn look_up(
    conn: &mut Conn,
    keys: &KeyRing,
    scope: &Scope,
    bank: &BankId,
) -> Result<u64, StoreError> {
    let text = scope.to_string();
    let entries = rows::entries(conn, keys, &text, bank, Which::NotRemoved, None, ENTRIES).await?;
    let signals: Vec<_> =
        entries.into_iter().flat_map(|entry| entry.signals).map(|banked| banked.signal).collect();
    let found = rows::entries_by_signal(conn, keys, scope, bank, &signals).await?;
    if found.iter().any(Option::is_none) {
        return Err(StoreError::Corrupt("signal"));
    }
    Ok(signals.len() as u64)
}

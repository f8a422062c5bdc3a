//! How each event changes rows: the only way in which rows of tenants, credentials, surfaces, banks and entries change.

use super::dialect::{Batch, Conn, Value};
use super::error::StoreError;
use super::rows::{self, Document, NO_SCOPE};
use crate::core::access::Scope;
use crate::core::bank::{Bank, BankedSignal, Entry, EntryState};
use crate::core::event::Event;
use crate::core::exchange::{Exchange, Progress};
use crate::core::id::BankId;
use crate::core::time::Time;
use crate::io::seal::KeyRing;
use futures_util::future::join;
use std::collections::BTreeMap;

/// Rows of entries that are sealed and inserted at a time.
const ROWS_AT_ONCE: usize = 256;

/// Rows that nothing reads within a transaction, gathered to be inserted together at its end.
#[derive(Default)]
pub struct Late {
    /// Rows `(scope, verdict, number)`.
    pub verdicts: Vec<(String, String, u64)>,
    /// Rows `(scope, verdict, number)`.
    pub outcomes: Vec<(String, String, u64)>,
}

/// Whether an event changes rows at once, rather than by way of [`Late`].
#[must_use]
pub const fn is_immediate(event: &Event) -> bool {
    match event {
        Event::TenantPut { .. }
        | Event::CredentialPut { .. }
        | Event::SurfacePut { .. }
        | Event::BankPut { .. }
        | Event::BankDeleted { .. }
        | Event::EntriesPut { .. }
        | Event::PartnerPut { .. }
        | Event::ExchangePut { .. }
        | Event::ExchangeDeleted { .. }
        | Event::ExchangeAdvanced { .. }
        | Event::StreamInterrupted { .. } => true,
        Event::VerdictGiven { .. }
        | Event::OutcomeRecorded { .. }
        | Event::Counted { .. }
        | Event::CountsLost { .. }
        | Event::Restored { .. }
        | Event::StreamCut { .. }
        | Event::StreamNoted { .. } => false,
    }
}

/// Writes what event `number` changes.
///
/// # Errors
/// [`StoreError`] where the database refuses, or the event does not fit what is kept.
pub async fn project(
    conn: &mut Conn,
    keys: &KeyRing,
    late: &mut Late,
    number: u64,
    event: &Event,
) -> Result<(), StoreError> {
    match event {
        Event::TenantPut { tenant } => {
            rows::put_document(conn, keys, NO_SCOPE, number, tenant).await
        }
        Event::CredentialPut { credential } => {
            rows::put_document(conn, keys, NO_SCOPE, number, credential).await
        }
        Event::SurfacePut { scope, surface } => {
            rows::put_document(conn, keys, &scope.to_string(), number, surface).await
        }
        Event::BankPut { scope, bank } => {
            rows::put_document(conn, keys, &scope.to_string(), number, bank).await
        }
        Event::BankDeleted { scope, bank, .. } => delete_bank(conn, scope, bank).await,
        Event::EntriesPut { scope, bank, entries, at } => {
            put_entries(conn, keys, scope, bank, entries, *at, number).await
        }
        Event::VerdictGiven { scope, given } => {
            late.verdicts.push((scope.to_string(), given.verdict.id.to_string(), number));
            Ok(())
        }
        Event::OutcomeRecorded { scope, outcome } => {
            late.outcomes.push((scope.to_string(), outcome.verdict.to_string(), number));
            Ok(())
        }
        Event::PartnerPut { scope, partner } => {
            rows::put_document(conn, keys, &scope.to_string(), number, &**partner).await
        }
        Event::ExchangePut { scope, exchange } => {
            rows::put_document(conn, keys, &scope.to_string(), number, &**exchange).await
        }
        Event::ExchangeAdvanced { scope, progress } => {
            rows::put_document(conn, keys, &scope.to_string(), number, &**progress).await
        }
        Event::ExchangeDeleted { scope, exchange, .. } => {
            for kind in [Exchange::KIND, Progress::KIND] {
                let values: Vec<Value> =
                    vec![scope.to_string().as_str().into(), exchange.as_str().into(), kind.into()];
                let sql = "DELETE FROM document WHERE scope = $1 AND name = $2 AND kind = $3";
                conn.run(sql, values).await?;
            }
            Ok(())
        }
        Event::StreamInterrupted { scope, interrupt } => {
            rows::put_document(conn, keys, &scope.to_string(), number, &**interrupt).await
        }
        Event::Counted { .. }
        | Event::CountsLost { .. }
        | Event::Restored { .. }
        | Event::StreamCut { .. }
        | Event::StreamNoted { .. } => Ok(()),
    }
}

/// Adds the insertion of what was gathered to a batch.
pub fn push_late(batch: &mut Batch, late: Late) {
    let flat = |rows: Vec<(String, String, u64)>| {
        let values = rows.into_iter().flat_map(|(scope, verdict, number)| {
            [Value::Text(scope), Value::Text(verdict), number.into()]
        });
        values.collect::<Vec<_>>()
    };
    let head = "INSERT INTO verdict (scope, verdict, number)";
    let tail = "ON CONFLICT (scope, verdict) DO NOTHING";
    batch.insert(head, 3, tail, flat(late.verdicts));
    let head = "INSERT INTO outcome (scope, verdict, number)";
    batch.insert(head, 3, "", flat(late.outcomes));
}

async fn delete_bank(conn: &mut Conn, scope: &Scope, bank: &BankId) -> Result<(), StoreError> {
    let of_bank = || vec![scope.to_string().as_str().into(), bank.as_str().into()];
    conn.run("DELETE FROM signal WHERE scope = $1 AND bank = $2", of_bank()).await?;
    conn.run("DELETE FROM entry WHERE scope = $1 AND bank = $2", of_bank()).await?;
    let mut values = of_bank();
    values.push(Bank::KIND.into());
    let sql = "DELETE FROM document WHERE scope = $1 AND name = $2 AND kind = $3";
    conn.run(sql, values).await.map(drop)
}

/// Replaces entries. Of one that was removed here the signals' fingerprints stay, so that it is not taken in again unasked;
/// of one that its source withdrew they go.
async fn put_entries(
    conn: &mut Conn,
    keys: &KeyRing,
    scope: &Scope,
    bank: &BankId,
    entries: &[Entry],
    at: Time,
    number: u64,
) -> Result<(), StoreError> {
    let scope = scope.to_string();
    let found: Option<Bank> = rows::document(conn, keys, &scope, bank.as_str()).await?;
    let mut settings = found.ok_or(StoreError::Unfit("entries of a bank that does not exist"))?;
    settings.changed = at;
    settings.learned = at;
    rows::put_document(conn, keys, &scope, number, &settings).await?;

    // Where an event names an entry twice, its later record holds.
    let last: BTreeMap<_, _> = entries.iter().map(|entry| (&entry.id, entry)).collect();
    let last: Vec<&Entry> = last.into_values().collect();
    let of_bank = [Value::from(scope.as_str()), bank.as_str().into()];
    let living = |entry: &&&Entry| entry.state != EntryState::Removed;
    // Of the first version of an entry nothing was there before.
    let renewed: Vec<Value> = last
        .iter()
        .filter(|entry| entry.version > 1 && (living(entry) || entry.is_withdrawn()))
        .map(|entry| entry.id.as_str().into())
        .collect();
    let sql = "DELETE FROM signal WHERE scope = $1 AND bank = $2 AND entry";
    conn.within(sql, &of_bank, &renewed, "").await?;

    // While the database takes in some rows, the next ones are sealed.
    let head = "INSERT INTO entry (scope, bank, entry, state, version, number, body)";
    let tail = "ON CONFLICT (scope, bank, entry) DO UPDATE SET state = excluded.state, \
                version = excluded.version, number = excluded.number, body = excluded.body";
    let mut ready: Vec<Value> = Vec::new();
    for part in last.chunks(ROWS_AT_ONCE) {
        let prepare = async {
            let row =
                |entry: &&Entry| rows::entry_values(keys, &scope, bank.as_str(), number, entry);
            part.iter().flat_map(row).collect()
        };
        let (inserted, next) = join(conn.insert(head, 7, tail, ready), prepare).await;
        inserted?;
        ready = next;
    }
    let prepare = async {
        let of_entry = |entry: &&&Entry| {
            let id = entry.id.as_str().to_owned();
            let print = |banked: &BankedSignal| (keys.fingerprint(&banked.signal), id.clone());
            entry.signals.iter().map(print).collect::<Vec<_>>()
        };
        let mut prints: Vec<_> =
            last.iter().filter(living).flat_map(|one| of_entry(&one)).collect();
        // In the order in which they lie, so that each page is come to once.
        prints.sort_unstable();
        prints
    };
    let (inserted, prints) = join(conn.insert(head, 7, tail, ready), prepare).await;
    inserted?;
    let values = prints.into_iter().flat_map(|(print, entry)| {
        let [scope, bank] = of_bank.clone();
        [scope, bank, print.as_slice().into(), Value::Text(entry)]
    });
    let head = "INSERT INTO signal (scope, bank, fingerprint, entry)";
    let tail = "ON CONFLICT (scope, bank, fingerprint, entry) DO NOTHING";
    conn.insert(head, 4, tail, values.collect()).await
}

//! Rows of documents and entries: how they are sealed, and how they are read again.
//!
//! The sealed body of a row belongs to its place, which holds every plain column: a row that was moved, renamed or set
//! back to an earlier body does not open.

use super::dialect::{Conn, Row, Value};
use super::error::StoreError;
use crate::core::access::{Credential, Environment, Scope, Tenant};
use crate::core::bank::{Bank, Entry, EntryState};
use crate::core::event::ENTRIES_PER_EVENT_MAX;
use crate::core::exchange::{Exchange, Partner, Progress};
use crate::core::id::{BankId, EntryId, TenantId};
use crate::core::journal::envelope::{entry_state_code, entry_state_of};
use crate::core::live::kept::Interrupt;
use crate::core::policy::Surface;
use crate::core::record::RecordKey;
use crate::core::signal::Signal;
use crate::io::seal::{KeyRing, Place};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap};

/// The name of the entry that stands for a record of a source.
pub(super) fn record_entry(
    keys: &KeyRing,
    scope: &Scope,
    bank: &BankId,
    source: &str,
    key: &RecordKey,
) -> Option<EntryId> {
    let place = format!("record of {scope}/{bank}/{source}");
    let print = keys.text_fingerprint(&place, key.as_str());
    EntryId::parse(&format!("r-{}", hex::encode(&print[..20]))).ok()
}

/// A record kept as one row.
pub trait Document: Serialize + DeserializeOwned + Send {
    /// Name of its kind in rows.
    const KIND: &'static str;
    /// Its name.
    fn name(&self) -> &str;
    /// Its version.
    fn version(&self) -> u64;
}

macro_rules! documents {
    ($($type:ident = $kind:literal),*) => {$(
        impl Document for $type {
            const KIND: &'static str = $kind;
            fn name(&self) -> &str { self.id.as_str() }
            fn version(&self) -> u64 { self.version }
        }
    )*};
}

documents! {
    Tenant = "tenant", Credential = "credential", Surface = "surface", Bank = "bank",
    Partner = "partner", Exchange = "exchange", Progress = "progress"
}

/// The last cut of a stream; what the platform calls the stream is in the sealed body only.
impl Document for Interrupt {
    const KIND: &'static str = "cut";
    fn name(&self) -> &str {
        &self.row
    }
    fn version(&self) -> u64 {
        self.directive
    }
}

/// Kinds of documents that stand in rows.
pub const KINDS: [&str; 8] = [
    Tenant::KIND,
    Credential::KIND,
    Surface::KIND,
    Bank::KIND,
    Partner::KIND,
    Exchange::KIND,
    Progress::KIND,
    Interrupt::KIND,
];

/// Scope column of documents that belong to no scope.
pub const NO_SCOPE: &str = "";

/// Reads the scope column.
///
/// # Errors
/// [`StoreError::Corrupt`] where it is no scope.
pub fn scope_of(text: &str) -> Result<Scope, StoreError> {
    let wrong = || StoreError::Corrupt("scope");
    let (tenant, environment) = text.split_once('/').ok_or_else(wrong)?;
    let environment = match environment {
        "test" => Environment::Test,
        "production" => Environment::Production,
        _ => return Err(wrong()),
    };
    Ok(Scope { tenant: TenantId::parse(tenant).map_err(|_| wrong())?, environment })
}

/// Place of a document's body.
#[must_use]
pub fn document_place(kind: &str, scope: &str, name: &str, version: u64, number: u64) -> Place {
    Place::of("document").text(kind).text(scope).text(name).number(version).number(number)
}

/// Place of an entry's body.
#[must_use]
pub fn entry_place(
    scope: &str,
    bank: &str,
    entry: &str,
    state: u64,
    version: u64,
    number: u64,
) -> Place {
    let place = Place::of("entry").text(scope).text(bank).text(entry);
    place.number(state).number(version).number(number)
}

/// The JSON of a record.
#[must_use]
pub fn json<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record can be written as JSON")
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|_| StoreError::Corrupt("record"))
}

/// Writes a document's row.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn put_document<T: Document>(
    conn: &mut Conn,
    keys: &KeyRing,
    scope: &str,
    number: u64,
    record: &T,
) -> Result<(), StoreError> {
    let place = document_place(T::KIND, scope, record.name(), record.version(), number);
    let body = keys.seal(&place, &json(record));
    let sql = "INSERT INTO document (kind, scope, name, version, number, body) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, scope, name) DO UPDATE \
               SET version = excluded.version, number = excluded.number, body = excluded.body";
    let values = vec![
        T::KIND.into(),
        scope.into(),
        record.name().into(),
        record.version().into(),
        number.into(),
        body.into(),
    ];
    conn.run(sql, values).await.map(drop)
}

/// Opens the body of a row `(scope, name, version, number, body)`; gives the journal number of its last change too.
///
/// # Errors
/// [`StoreError::Corrupt`] where it was changed.
pub fn read_document<T: Document>(
    keys: &KeyRing,
    row: &Row,
) -> Result<(String, u64, T), StoreError> {
    let (scope, name, version, number) =
        (row.text(0)?, row.text(1)?, row.number(2)?, row.number(3)?);
    let place = document_place(T::KIND, &scope, &name, version, number);
    let record: T = from_json(&keys.open(&place, &row.bytes(4)?)?)?;
    if record.name() != name || record.version() != version {
        return Err(StoreError::Corrupt("document"));
    }
    Ok((scope, number, record))
}

/// A document.
///
/// # Errors
/// [`StoreError`] where the database refuses or the row was changed.
pub async fn document<T: Document>(
    conn: &mut Conn,
    keys: &KeyRing,
    scope: &str,
    name: &str,
) -> Result<Option<T>, StoreError> {
    let sql = "SELECT scope, name, version, number, body FROM document \
               WHERE kind = $1 AND scope = $2 AND name = $3";
    let row = conn.row(sql, vec![T::KIND.into(), scope.into(), name.into()]).await?;
    row.map(|row| read_document(keys, &row).map(|(_, _, record)| record)).transpose()
}

/// Documents of a scope in the order of their names, after the name `after`.
///
/// # Errors
/// As [`document`].
pub async fn documents<T: Document>(
    conn: &mut Conn,
    keys: &KeyRing,
    scope: &str,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<T>, StoreError> {
    let sql = "SELECT scope, name, version, number, body FROM document \
               WHERE kind = $1 AND scope = $2 AND name > $3 ORDER BY name LIMIT $4";
    let values = vec![T::KIND.into(), scope.into(), after.unwrap_or("").into(), limit.into()];
    let rows = conn.rows(sql, values).await?;
    rows.iter().map(|row| read_document(keys, row).map(|(_, _, record)| record)).collect()
}

/// Every document of a kind: scope column, journal number of the last change, record.
///
/// # Errors
/// As [`document`].
pub async fn all_documents<T: Document>(
    conn: &mut Conn,
    keys: &KeyRing,
) -> Result<Vec<(String, u64, T)>, StoreError> {
    let sql = "SELECT scope, name, version, number, body FROM document \
               WHERE kind = $1 ORDER BY scope, name";
    let rows = conn.rows(sql, vec![T::KIND.into()]).await?;
    rows.iter().map(|row| read_document(keys, row)).collect()
}

/// Values of an entry's row, in the order scope, bank, entry, state, version, number, body.
#[must_use]
pub fn entry_values(
    keys: &KeyRing,
    scope: &str,
    bank: &str,
    number: u64,
    entry: &Entry,
) -> Vec<Value> {
    let state = u64::from(entry_state_code(entry.state));
    let place = entry_place(scope, bank, entry.id.as_str(), state, entry.version, number);
    vec![
        scope.into(),
        bank.into(),
        entry.id.as_str().into(),
        state.into(),
        entry.version.into(),
        number.into(),
        keys.seal(&place, &json(entry)).into(),
    ]
}

/// Opens a row `(scope, bank, entry, state, version, number, body)`.
///
/// # Errors
/// [`StoreError::Corrupt`] where it was changed.
pub fn read_entry(keys: &KeyRing, row: &Row) -> Result<(u64, Entry), StoreError> {
    let (scope, bank, name) = (row.text(0)?, row.text(1)?, row.text(2)?);
    let (state, version, number) = (row.number(3)?, row.number(4)?, row.number(5)?);
    let place = entry_place(&scope, &bank, &name, state, version, number);
    let entry: Entry = from_json(&keys.open(&place, &row.bytes(6)?)?)?;
    let same = entry.id.as_str() == name
        && entry.version == version
        && u64::from(entry_state_code(entry.state)) == state;
    if same { Ok((number, entry)) } else { Err(StoreError::Corrupt("entry")) }
}

/// An entry.
///
/// # Errors
/// [`StoreError`] where the database refuses or the row was changed.
pub async fn entry(
    conn: &mut Conn,
    keys: &KeyRing,
    scope: &Scope,
    bank: &BankId,
    entry: &EntryId,
) -> Result<Option<Entry>, StoreError> {
    let sql = "SELECT scope, bank, entry, state, version, number, body FROM entry \
               WHERE scope = $1 AND bank = $2 AND entry = $3";
    let values =
        vec![scope.to_string().as_str().into(), bank.as_str().into(), entry.as_str().into()];
    let row = conn.row(sql, values).await?;
    row.map(|row| read_entry(keys, &row).map(|(_, entry)| entry)).transpose()
}

/// Which entries of a bank are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All, removed ones included.
    All,
    /// All that are not removed.
    NotRemoved,
    /// Those of one state.
    In(EntryState),
    /// Those that may be set aside: quarantined, or matched with no more than `HOLD`.
    Suspended,
}

/// Entries of a bank in the order of their names, after the name `after`; of one state where one is given.
///
/// # Errors
/// As [`entry`].
pub async fn entries(
    conn: &mut Conn,
    keys: &KeyRing,
    scope: &str,
    bank: &BankId,
    which: Which,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Entry>, StoreError> {
    let mut values =
        vec![scope.into(), bank.as_str().into(), after.unwrap_or("").into(), limit.into()];
    let code = |state| u64::from(entry_state_code(state)).into();
    let sql = match which {
        Which::All => {
            "SELECT scope, bank, entry, state, version, number, body FROM entry \
             WHERE scope = $1 AND bank = $2 AND entry > $3 ORDER BY entry LIMIT $4"
        }
        Which::NotRemoved => {
            values.push(code(EntryState::Removed));
            "SELECT scope, bank, entry, state, version, number, body FROM entry \
             WHERE scope = $1 AND bank = $2 AND state <> $5 AND entry > $3 ORDER BY entry LIMIT $4"
        }
        Which::In(state) => {
            values.push(code(state));
            "SELECT scope, bank, entry, state, version, number, body FROM entry \
             WHERE scope = $1 AND bank = $2 AND state = $5 AND entry > $3 ORDER BY entry LIMIT $4"
        }
        Which::Suspended => {
            values.push(code(EntryState::Quarantined));
            values.push(code(EntryState::Disputed));
            "SELECT scope, bank, entry, state, version, number, body FROM entry \
             WHERE scope = $1 AND bank = $2 AND (state = $5 OR state = $6) AND entry > $3 \
             ORDER BY entry LIMIT $4"
        }
    };
    let rows = conn.rows(sql, values).await?;
    rows.iter().map(|row| read_entry(keys, row).map(|(_, entry)| entry)).collect()
}

/// Which entries hold some fingerprints. In no order: for the order of the entries, SQLite would go through all of the bank.
pub const BY_SIGNAL: &str = "SELECT s.fingerprint, s.entry, e.state FROM signal s LEFT JOIN entry e \
     ON e.scope = s.scope AND e.bank = s.bank AND e.entry = s.entry \
     WHERE s.scope = $1 AND s.bank = $2 AND s.fingerprint";
/// The same of entries that are in another state than one.
pub const SHARING: &str = "SELECT s.entry FROM signal s JOIN entry e \
     ON e.scope = s.scope AND e.bank = s.bank AND e.entry = s.entry \
     WHERE s.scope = $1 AND s.bank = $2 AND e.state <> $3 AND s.fingerprint";

/// The entry of a bank that holds each signal, or held it before it was removed; one that is still there goes first.
///
/// # Errors
/// As [`entry`].
pub async fn entries_by_signal(
    conn: &mut Conn,
    keys: &KeyRing,
    scope: &Scope,
    bank: &BankId,
    signals: &[Signal],
) -> Result<Vec<Option<(EntryId, EntryState)>>, StoreError> {
    let wanted: Vec<[u8; 32]> = signals.iter().map(|signal| keys.fingerprint(signal)).collect();
    let list: Vec<Value> = wanted.iter().map(|print| print.as_slice().into()).collect();
    let values = [Value::from(scope.to_string().as_str()), bank.as_str().into()];
    let mut found = HashMap::<[u8; 32], (EntryId, EntryState)>::new();
    for row in conn.within(BY_SIGNAL, &values, &list, "").await? {
        let wrong = || StoreError::Corrupt("signal");
        let id = EntryId::parse(&row.text(1)?).map_err(|_| wrong())?;
        let state = u8::try_from(row.int(2).map_err(|_| wrong())?).ok().and_then(entry_state_of);
        let state = state.ok_or_else(wrong)?;
        let print = row.exact(0)?;
        let rank = |id: &EntryId, state| (state == EntryState::Removed, id.clone());
        let better = found
            .get(&print)
            .is_none_or(|(known, known_state)| rank(&id, state) < rank(known, *known_state));
        if better {
            found.insert(print, (id, state));
        }
    }
    Ok(wanted.iter().map(|print| found.get(print).cloned()).collect())
}

/// Names of entries of a bank that are not removed and hold one of the signals, in their order; at most `most`.
///
/// # Errors
/// As [`entry`].
pub async fn entries_sharing(
    conn: &mut Conn,
    keys: &KeyRing,
    scope: &Scope,
    bank: &BankId,
    signals: &[Signal],
    most: usize,
) -> Result<Vec<EntryId>, StoreError> {
    let list: Vec<Value> =
        signals.iter().map(|signal| keys.fingerprint(signal).as_slice().into()).collect();
    let removed = u64::from(entry_state_code(EntryState::Removed));
    let values = [Value::from(scope.to_string().as_str()), bank.as_str().into(), removed.into()];
    let mut names = BTreeSet::new();
    for row in conn.within(SHARING, &values, &list, "").await? {
        names.insert(EntryId::parse(&row.text(0)?).map_err(|_| StoreError::Corrupt("signal"))?);
    }
    Ok(names.into_iter().take(most).collect())
}

/// Entries of a bank that changed behind a number of the journal, in the order of their last changes, with the numbers of
/// those: at least all of one event where there are any, and not many more than `limit`.
///
/// # Errors
/// As [`entry`].
pub async fn entries_changed(
    conn: &mut Conn,
    keys: &KeyRing,
    scope: &Scope,
    bank: &BankId,
    number: u64,
    limit: usize,
) -> Result<Vec<(u64, Entry)>, StoreError> {
    // One more than an event can have beyond the limit: the last one's rows may be cut off, those of others are not.
    let most = limit + ENTRIES_PER_EVENT_MAX + 1;
    let values = vec![
        scope.to_string().as_str().into(),
        bank.as_str().into(),
        number.into(),
        (most as u64).into(),
    ];
    let sql = "SELECT scope, bank, entry, state, version, number, body FROM entry \
               WHERE scope = $1 AND bank = $2 AND number > $3 ORDER BY number, entry LIMIT $4";
    let rows = conn.rows(sql, values).await?;
    let mut found = rows.iter().map(|row| read_entry(keys, row)).collect::<Result<Vec<_>, _>>()?;
    if found.len() == most {
        let cut = found.last().map(|(number, _)| *number);
        found.retain(|(number, _)| Some(*number) != cut);
    }
    Ok(found)
}

/// Entries of a bank by their names, removed ones included, in the order of the names given.
///
/// # Errors
/// As [`entry`].
pub async fn entries_named(
    conn: &mut Conn,
    keys: &KeyRing,
    scope: &Scope,
    bank: &BankId,
    names: &[EntryId],
) -> Result<Vec<Option<Entry>>, StoreError> {
    let list: Vec<Value> = names.iter().map(|name| name.as_str().into()).collect();
    let values = [Value::from(scope.to_string().as_str()), bank.as_str().into()];
    let sql = "SELECT scope, bank, entry, state, version, number, body FROM entry \
               WHERE scope = $1 AND bank = $2 AND entry";
    let mut found = HashMap::with_capacity(names.len());
    for row in conn.within(sql, &values, &list, "").await? {
        let (_, entry) = read_entry(keys, &row)?;
        found.insert(entry.id.clone(), entry);
    }
    Ok(names.iter().map(|name| found.get(name).cloned()).collect())
}

/// Number of entries of a bank in each state.
///
/// # Errors
/// As [`entry`].
pub async fn entry_counts(
    conn: &mut Conn,
    scope: &Scope,
    bank: &BankId,
) -> Result<Vec<(EntryState, u64)>, StoreError> {
    let sql = "SELECT state, COUNT(*) FROM entry WHERE scope = $1 AND bank = $2 \
               GROUP BY state ORDER BY state";
    let values = vec![scope.to_string().as_str().into(), bank.as_str().into()];
    let rows = conn.rows(sql, values).await?;
    let read = |row: &Row| {
        let state = u8::try_from(row.int(0)?).ok().and_then(entry_state_of);
        Ok((state.ok_or(StoreError::Corrupt("entry"))?, row.number(1)?))
    };
    rows.iter().map(read).collect()
}

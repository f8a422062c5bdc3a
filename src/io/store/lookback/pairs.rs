//! Rows of pairs: an entry, and an item that was screened before the entry counted.
//!
//! Pairs are numbered by scope, without a number being seen before a lower one: the row of the scope's head is locked
//! from taking numbers to the commit.

use super::super::dialect::{Conn, Row, Value};
use super::super::error::StoreError;
use super::rows;
use crate::core::access::Scope;
use crate::core::bank::EntryState;
use crate::core::id::{BankId, EntryId};
use crate::core::lookback::Remembered;
use crate::core::time::Time;
use crate::core::verdict::Match;
use crate::io::seal::{KeyRing, Place};
use serde::{Deserialize, Serialize};

/// A pair to be told.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Its name.
    pub id: [u8; 16],
    /// Where a stream goes on behind it.
    pub cursor: Cursor,
    /// The item as it was screened.
    pub item: Remembered,
    /// How they match.
    pub found: Match,
    /// In what state the entry was when they were found to match.
    pub state: EntryState,
    /// When that was.
    pub at: Time,
}

/// How far a stream of pairs has come: numbers count within an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Which beginning the number is counted from; empty for the very beginning.
    pub epoch: String,
    /// Number of the last pair.
    pub number: u64,
}

#[derive(Serialize, Deserialize)]
struct Body {
    found: Match,
    state: EntryState,
    at: Time,
}

/// A pair to be written.
pub struct New {
    /// Its name.
    pub id: [u8; 16],
    /// Number of the item in its log.
    pub item: u64,
    /// The entry's bank.
    pub bank: BankId,
    /// The entry.
    pub entry: EntryId,
    /// What is told of it; nothing where a verdict has told it.
    pub told: Option<(Match, EntryState)>,
}

fn place(id: &[u8], log: u64, item: u64, number: u64, scope: &str) -> Place {
    Place::of("look-back pair").bytes(id).number(log).number(item).number(number).text(scope)
}

/// Takes so many numbers of a scope; gives the first. Nobody else has numbers of it before the transaction ends.
async fn take_numbers(
    conn: &mut Conn,
    scope: &str,
    epoch: &str,
    count: u64,
) -> Result<u64, StoreError> {
    let sql = "INSERT INTO lookback_head (scope, epoch, number) VALUES ($1, $2, $3) \
               ON CONFLICT (scope) DO UPDATE SET number = lookback_head.number + excluded.number \
               RETURNING number";
    let row = conn.row(sql, vec![scope.into(), epoch.into(), count.into()]).await?;
    let last = row.map_or(Ok(0), |row| row.number(0))?;
    Ok(last.saturating_sub(count) + 1)
}

/// Writes pairs of one scope and log, in a transaction; those that stand already stay as they are.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn insert(
    conn: &mut Conn,
    keys: &KeyRing,
    (log, scope, epoch): (u64, &Scope, &str),
    pairs: &[New],
    at: Time,
) -> Result<(), StoreError> {
    let scope = scope.to_string();
    let count = pairs.iter().filter(|pair| pair.told.is_some()).count() as u64;
    let mut next = if count > 0 { take_numbers(conn, &scope, epoch, count).await? } else { 0 };
    let mut values: Vec<Value> = Vec::with_capacity(pairs.len() * 8);
    for pair in pairs {
        let (number, body) = match &pair.told {
            // What a verdict has told is not told again.
            None => (0, Vec::new()),
            Some((found, state)) => {
                let number = next;
                next += 1;
                let body = Body { found: found.clone(), state: *state, at };
                let body = serde_json::to_vec(&body).map_err(|_| StoreError::Broken)?;
                (number, keys.seal(&place(&pair.id, log, pair.item, number, &scope), &body))
            }
        };
        values.extend([
            Value::from(pair.id.as_slice()),
            log.into(),
            pair.item.into(),
            number.into(),
            scope.as_str().into(),
            pair.bank.as_str().into(),
            pair.entry.as_str().into(),
            body.into(),
        ]);
    }
    let head = "INSERT INTO lookback_pair (pair, log, item, number, scope, bank, entry, body)";
    conn.insert(head, 8, " ON CONFLICT (pair, log, item) DO NOTHING", values).await
}

/// Takes back pairs of entries and of a log's items from number `from` on.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn withdraw(
    conn: &mut Conn,
    (log, from): (u64, u64),
    scope: &Scope,
    bank: &BankId,
    entries: &[&EntryId],
) -> Result<(), StoreError> {
    let list: Vec<Value> = entries.iter().map(|entry| entry.as_str().into()).collect();
    let scope = scope.to_string();
    let values = [log.into(), scope.as_str().into(), bank.as_str().into(), Value::from(from)];
    let sql = "DELETE FROM lookback_pair WHERE log = $1 AND scope = $2 AND bank = $3 \
               AND item >= $4 AND entry";
    conn.within(sql, &values, &list, "").await.map(drop)
}

/// Takes back pairs of a whole bank and of a log's items from number `from` on.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn close(
    conn: &mut Conn,
    (log, from): (u64, u64),
    scope: &Scope,
    bank: &BankId,
) -> Result<(), StoreError> {
    let sql =
        "DELETE FROM lookback_pair WHERE log = $1 AND scope = $2 AND bank = $3 AND item >= $4";
    let scope = scope.to_string();
    let values = vec![log.into(), scope.as_str().into(), bank.as_str().into(), from.into()];
    conn.run(sql, values).await.map(drop)
}

/// Erases pairs of a log's items.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn erase(conn: &mut Conn, log: u64, items: &[u64]) -> Result<(), StoreError> {
    let list: Vec<Value> = items.iter().map(|item| (*item).into()).collect();
    let sql = "DELETE FROM lookback_pair WHERE log = $1 AND item";
    conn.within(sql, &[log.into()], &list, "").await.map(drop)
}

/// The pairs behind a cursor, in the order of their numbers, and where a stream goes on behind them. A cursor of another
/// epoch, or beyond the last pair, is of a store that is no more: everything is told again.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn behind(
    conn: &mut Conn,
    keys: &KeyRing,
    of: &Scope,
    after: &Cursor,
    limit: u64,
) -> Result<(Vec<Pair>, Cursor), StoreError> {
    let scope = of.to_string();
    let sql = "SELECT epoch, number FROM lookback_head WHERE scope = $1";
    let Some(head) = conn.row(sql, vec![scope.as_str().into()]).await? else {
        return Ok((Vec::new(), Cursor::default()));
    };
    let (epoch, last) = (head.text(0)?, head.number(1)?);
    let is_known = after.epoch == epoch && after.number <= last;
    let from = if is_known { after.number } else { 0 };
    let sql = "SELECT i.number, i.scope, i.surface, i.screened, i.body, p.log, p.pair, p.number, p.body \
               FROM lookback_pair p JOIN lookback_item i ON i.log = p.log AND i.number = p.item \
               WHERE p.scope = $1 AND p.number > $2 ORDER BY p.number LIMIT $3";
    let found = conn.rows(sql, vec![scope.as_str().into(), from.into(), limit.into()]).await?;
    let mut reached = from;
    let mut pairs = Vec::with_capacity(found.len());
    for row in &found {
        let number = row.number(7)?;
        reached = number;
        let cursor = Cursor { epoch: epoch.clone(), number };
        // What does not open was said when it was read.
        if let Some(pair) = read(keys, &scope, row, cursor)? {
            pairs.push(pair);
        }
    }
    Ok((pairs, Cursor { epoch, number: reached }))
}

fn read(
    keys: &KeyRing,
    scope: &str,
    row: &Row,
    cursor: Cursor,
) -> Result<Option<Pair>, StoreError> {
    let log = row.number(5)?;
    let item = rows::read(keys, log, row)?;
    let id: [u8; 16] = row.exact(6)?;
    let place = place(&id, log, item.number, cursor.number, scope);
    let body = keys.open(&place, &row.bytes(8)?).ok();
    let body = body.and_then(|bytes| serde_json::from_slice::<Body>(&bytes).ok());
    if body.is_none() {
        tracing::error!(log, number = cursor.number, "a pair does not open: it is passed over");
    }
    let (Some(item), Some(body)) = (item.item, body) else { return Ok(None) };
    let Body { found, state, at } = body;
    Ok(Some(Pair { id, cursor, item, found, state, at }))
}

/// Banks of which all entries are still to be compared with a log's items: scope, bank, and the entry reached.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn sweeps(conn: &mut Conn, log: u64) -> Result<Vec<(Scope, BankId, String)>, StoreError> {
    let sql = "SELECT scope, bank, reached FROM lookback_sweep WHERE log = $1 ORDER BY scope, bank";
    let found = conn.rows(sql, vec![log.into()]).await?;
    let read = |row: &Row| {
        let bank = BankId::parse(&row.text(1)?).map_err(|_| StoreError::Corrupt("sweep"))?;
        Ok((super::super::rows::scope_of(&row.text(0)?)?, bank, row.text(2)?))
    };
    found.iter().map(read).collect()
}

/// Says how far a bank's entries were compared with a log's items.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn set_sweep(
    conn: &mut Conn,
    log: u64,
    scope: &Scope,
    bank: &BankId,
    reached: Option<&str>,
) -> Result<(), StoreError> {
    let scope = scope.to_string();
    let mut values = vec![log.into(), scope.as_str().into(), bank.as_str().into()];
    let sql = match reached {
        None => "DELETE FROM lookback_sweep WHERE log = $1 AND scope = $2 AND bank = $3",
        Some(reached) => {
            values.push(reached.into());
            "INSERT INTO lookback_sweep (log, scope, bank, reached) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (log, scope, bank) DO UPDATE SET reached = excluded.reached"
        }
    };
    conn.run(sql, values).await.map(drop)
}

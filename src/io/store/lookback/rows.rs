//! Rows of logs and of the items in them.

use super::super::dialect::{Conn, Row, Value};
use super::super::error::StoreError;
use super::super::rows::scope_of;
use crate::core::access::Scope;
use crate::core::id::{ItemId, SurfaceId};
use crate::core::lookback::Remembered;
use crate::core::time::Time;
use crate::io::seal::{KeyRing, Place};
use sha2::{Digest as _, Sha256};

/// A remembered item as its row says it.
pub struct Item {
    /// Its number in its log.
    pub number: u64,
    /// Whose.
    pub scope: Scope,
    /// What is remembered; nothing where its row was changed and does not open.
    pub item: Option<Remembered>,
}

/// What stands for an item's name in rows.
#[must_use]
pub fn print(keys: &KeyRing, scope: &Scope, item: &ItemId) -> [u8; 16] {
    let whole = keys.text_fingerprint("look-back item", &format!("{scope}\n{item}"));
    let mut print = [0; 16];
    print.copy_from_slice(&whole[..16]);
    print
}

/// What tells two contents of one item apart: everything but the time.
#[must_use]
pub fn content(bytes: &[u8]) -> [u8; 16] {
    let mut print = [0; 16];
    print.copy_from_slice(&Sha256::digest(bytes.get(9..).unwrap_or_default())[..16]);
    print
}

/// Place of an item's body.
#[must_use]
pub fn place(log: u64, number: u64, scope: &str, surface: &str, screened: i64) -> Place {
    let place = Place::of("look-back item").number(log).number(number);
    place.text(scope).text(surface).bytes(&screened.to_be_bytes())
}

/// Columns that [`read`] reads, from column `at` on.
pub const COLUMNS: &str = "number, scope, surface, screened, body";

/// Opens a row.
///
/// # Errors
/// [`StoreError`] where the row is not one of these.
pub fn read(keys: &KeyRing, log: u64, row: &Row) -> Result<Item, StoreError> {
    let (number, scope, surface) = (row.number(0)?, row.text(1)?, row.text(2)?);
    let place = place(log, number, &scope, &surface, row.int(3)?);
    let opened = keys.open(&place, &row.bytes(4)?).ok();
    let item = opened.and_then(|bytes| Remembered::from_bytes(&bytes));
    if item.is_none() {
        tracing::error!(log, number, "a remembered item does not open: it is passed over");
    }
    Ok(Item { number, scope: scope_of(&scope)?, item })
}

/// A log of items: its number, and up to which journal number all of them were compared.
pub struct LogRow {
    /// Its number.
    pub log: u64,
    /// Every event up to this number was heeded for every item.
    pub searched: u64,
}

/// The logs that a process has.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn logs(conn: &mut Conn, owner: &[u8]) -> Result<Vec<LogRow>, StoreError> {
    let sql = "SELECT log, searched FROM lookback_log WHERE owner = $1 ORDER BY log";
    let rows = conn.rows(sql, vec![owner.into()]).await?;
    rows.iter().map(|row| Ok(LogRow { log: row.number(0)?, searched: row.number(1)? })).collect()
}

/// The logs of processes that are not there.
///
/// # Errors
/// As [`logs`].
pub async fn left(conn: &mut Conn) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let sql = "SELECT log, owner FROM lookback_log l WHERE NOT EXISTS \
               (SELECT 1 FROM replica r WHERE r.name = l.owner)";
    let rows = conn.rows(sql, Vec::new()).await?;
    rows.iter().map(|row| Ok((row.number(0)?, row.bytes(1)?))).collect()
}

/// Takes a log over from whoever had it; says whether nobody else was quicker.
///
/// # Errors
/// As [`logs`].
pub async fn take_over(
    conn: &mut Conn,
    log: u64,
    from: &[u8],
    owner: &[u8],
) -> Result<bool, StoreError> {
    let sql = "UPDATE lookback_log SET owner = $1 WHERE log = $2 AND owner = $3";
    Ok(conn.run(sql, vec![owner.into(), log.into(), from.into()]).await? == 1)
}

/// Makes a log.
///
/// # Errors
/// As [`logs`].
pub async fn create(
    conn: &mut Conn,
    log: u64,
    owner: &[u8],
    searched: u64,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO lookback_log (log, owner, searched) VALUES ($1, $2, $3)";
    conn.run(sql, vec![log.into(), owner.into(), searched.into()]).await.map(drop)
}

/// Says up to where a log was searched; within a transaction nobody takes it over before that ends.
///
/// # Errors
/// [`StoreError::Overtaken`] where somebody else has it.
pub async fn hold(
    conn: &mut Conn,
    log: u64,
    owner: &[u8],
    searched: u64,
) -> Result<(), StoreError> {
    let sql = "UPDATE lookback_log SET searched = $1 WHERE log = $2 AND owner = $3";
    let held = conn.run(sql, vec![searched.into(), log.into(), owner.into()]).await?;
    if held == 1 { Ok(()) } else { Err(StoreError::Overtaken) }
}

/// Takes away logs of a process in which nothing is, but for one.
///
/// # Errors
/// As [`logs`].
pub async fn drop_log(conn: &mut Conn, log: u64, owner: &[u8]) -> Result<(), StoreError> {
    let sql = "DELETE FROM lookback_log WHERE log = $1 AND owner = $2 AND NOT EXISTS \
               (SELECT 1 FROM lookback_item WHERE log = $1)";
    conn.run(sql, vec![log.into(), owner.into()]).await.map(drop)
}

/// The greatest number of a log's items; 0 where it has none.
///
/// # Errors
/// As [`logs`].
pub async fn last(conn: &mut Conn, log: u64) -> Result<u64, StoreError> {
    let sql = "SELECT COALESCE(MAX(number), 0) FROM lookback_item WHERE log = $1";
    conn.row(sql, vec![log.into()]).await?.map_or(Ok(0), |row| row.number(0))
}

/// Items of a log behind the number `after`, up to `until`.
///
/// # Errors
/// As [`logs`].
pub async fn page(
    conn: &mut Conn,
    keys: &KeyRing,
    log: u64,
    (after, until): (u64, u64),
    limit: u64,
) -> Result<Vec<(Item, String)>, StoreError> {
    let sql = "SELECT number, scope, surface, screened, body FROM lookback_item \
               WHERE log = $1 AND number > $2 AND number <= $3 ORDER BY number LIMIT $4";
    let values = vec![log.into(), after.into(), until.into(), limit.into()];
    let rows = conn.rows(sql, values).await?;
    rows.iter().map(|row| Ok((read(keys, log, row)?, row.text(2)?))).collect()
}

/// Items of a log by their numbers, those that are there.
///
/// # Errors
/// As [`logs`].
pub async fn some(
    conn: &mut Conn,
    keys: &KeyRing,
    log: u64,
    numbers: &[u64],
) -> Result<Vec<Item>, StoreError> {
    let list: Vec<Value> = numbers.iter().map(|number| (*number).into()).collect();
    let sql = format!("SELECT {COLUMNS} FROM lookback_item WHERE log = $1 AND number");
    let rows = conn.within(&sql, &[log.into()], &list, "").await?;
    rows.iter().map(|row| read(keys, log, row)).collect()
}

/// An item to be written.
pub struct New {
    /// Its number in its log.
    pub number: u64,
    /// What stands for its name.
    pub print: [u8; 16],
    /// What tells its content apart.
    pub content: [u8; 16],
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whose.
    pub scope: Scope,
    /// Where it was screened.
    pub surface: SurfaceId,
    /// When.
    pub screened: Time,
}

/// Which of these names and contents are remembered already: log and number of each.
///
/// # Errors
/// As [`logs`].
pub async fn known(
    conn: &mut Conn,
    prints: &[[u8; 16]],
) -> Result<Vec<([u8; 16], [u8; 16], u64, u64)>, StoreError> {
    let list: Vec<Value> = prints.iter().map(|print| print.as_slice().into()).collect();
    let sql = "SELECT item, content, log, number FROM lookback_item WHERE item";
    let rows = conn.within(sql, &[], &list, "").await?;
    let read = |row: &Row| Ok((row.exact(0)?, row.exact(1)?, row.number(2)?, row.number(3)?));
    rows.iter().map(read).collect()
}

/// Writes items into a log. What was written before stays.
///
/// # Errors
/// As [`logs`].
pub async fn insert(
    conn: &mut Conn,
    keys: &KeyRing,
    log: u64,
    items: &[New],
) -> Result<(), StoreError> {
    let values = items.iter().flat_map(|new| {
        let (scope, screened) = (new.scope.to_string(), new.screened.millis());
        let place = place(log, new.number, &scope, new.surface.as_str(), screened);
        [
            log.into(),
            new.number.into(),
            new.print.as_slice().into(),
            new.content.as_slice().into(),
            scope.as_str().into(),
            new.surface.as_str().into(),
            screened.into(),
            keys.seal(&place, &new.bytes).into(),
        ]
    });
    let head = "INSERT INTO lookback_item \
                (log, number, item, content, scope, surface, screened, body)";
    conn.insert(head, 8, " ON CONFLICT (log, number) DO NOTHING", values.collect()).await
}

/// Says of an item that is remembered already that it was screened again.
///
/// # Errors
/// As [`logs`].
pub async fn renew(
    conn: &mut Conn,
    keys: &KeyRing,
    (log, number): (u64, u64),
    new: &New,
) -> Result<(), StoreError> {
    let (scope, screened) = (new.scope.to_string(), new.screened.millis());
    let place = place(log, number, &scope, new.surface.as_str(), screened);
    let sql = "UPDATE lookback_item SET screened = $1, body = $2 \
               WHERE log = $3 AND number = $4 AND screened < $1";
    let body = keys.seal(&place, &new.bytes);
    conn.run(sql, vec![screened.into(), body.into(), log.into(), number.into()]).await.map(drop)
}

/// Erases the oldest items of a surface that were screened before a time; gives their numbers.
///
/// # Errors
/// As [`logs`].
pub async fn erase_older(
    conn: &mut Conn,
    log: u64,
    (scope, surface): (&str, &str),
    before: i64,
    limit: u64,
) -> Result<Vec<u64>, StoreError> {
    let sql = "DELETE FROM lookback_item WHERE log = $1 AND number IN \
               (SELECT number FROM lookback_item WHERE log = $1 AND scope = $2 AND surface = $3 \
               AND screened < $4 ORDER BY screened LIMIT $5) RETURNING number";
    let values = vec![log.into(), scope.into(), surface.into(), before.into(), limit.into()];
    let rows = conn.rows(sql, values).await?;
    rows.iter().map(|row| row.number(0)).collect()
}

/// Erases an item by what stands for its name, in every log; gives log and number of each row.
///
/// # Errors
/// As [`logs`].
pub async fn erase_named(conn: &mut Conn, print: &[u8; 16]) -> Result<Vec<(u64, u64)>, StoreError> {
    let sql = "DELETE FROM lookback_item WHERE item = $1 RETURNING log, number";
    let rows = conn.rows(sql, vec![print.as_slice().into()]).await?;
    rows.iter().map(|row| Ok((row.number(0)?, row.number(1)?))).collect()
}

/// Tells those who have items in memory that they were erased, and those who have one on its way that it is unwanted.
///
/// # Errors
/// As [`logs`].
pub async fn tell_gone(
    conn: &mut Conn,
    print: &[u8; 16],
    erased: &[(u64, u64)],
    at: Time,
) -> Result<(), StoreError> {
    // Log 0 is nobody's: that row is for whoever has the item on its way.
    let values = std::iter::once(&(0, 0)).chain(erased).flat_map(|(log, number)| {
        [print.as_slice().into(), (*log).into(), (*number).into(), at.millis().into()]
    });
    let head = "INSERT INTO lookback_gone (item, log, number, at)";
    let tail = " ON CONFLICT (item, log, number) DO UPDATE SET at = excluded.at";
    conn.insert(head, 4, tail, values.collect()).await
}

/// What others erased of a log; told once.
///
/// # Errors
/// As [`logs`].
pub async fn take_gone(conn: &mut Conn, log: u64) -> Result<Vec<u64>, StoreError> {
    let sql = "DELETE FROM lookback_gone WHERE log = $1 RETURNING number";
    let rows = conn.rows(sql, vec![log.into()]).await?;
    rows.iter().map(|row| row.number(0)).collect()
}

/// What was erased of late, by what stands for its name, and when; what is older than `since` is forgotten.
///
/// # Errors
/// As [`logs`].
pub async fn lately_gone(
    conn: &mut Conn,
    since: Time,
) -> Result<Vec<([u8; 16], Time)>, StoreError> {
    let sql = "SELECT item, at FROM lookback_gone WHERE log = 0";
    let rows = conn.rows(sql, Vec::new()).await?;
    let read = |row: &Row| Ok((row.exact(0)?, Time::from_millis(row.int(1)?)));
    let all = rows.iter().map(read).collect::<Result<Vec<_>, StoreError>>()?;
    if all.iter().any(|(_, at)| *at < since) {
        let sql = "DELETE FROM lookback_gone WHERE log = 0 AND at < $1";
        conn.run(sql, vec![since.millis().into()]).await?;
    }
    Ok(all)
}

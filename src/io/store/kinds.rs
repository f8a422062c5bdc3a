//! Which kinds of events the journal may hold: a new one is let in once nobody is there who does not know it.
//!
//! A process that met an event that it does not know would have to stop writing. So the first event of a kind that is new
//! in a version waits until every process of the version before has gone; from then on a mark beside the version of the
//! tables keeps programs from starting that do not know it.

use super::dialect::Conn;
use super::error::StoreError;
use crate::core::journal::envelope::EVENT_KIND_MAX;

/// Greatest kind that every program knows: where there is no mark, nothing greater was ever let in.
const FIRST: u64 = 11;

/// The mark's row in the table of versions.
const MARK: &str = "SELECT version FROM version WHERE id = 2";

async fn mark(conn: &mut Conn) -> Result<Option<u64>, StoreError> {
    conn.row(MARK, Vec::new()).await?.map(|row| row.number(0)).transpose()
}

async fn set_mark(conn: &mut Conn, kind: u64) -> Result<(), StoreError> {
    let sql = "INSERT INTO version (id, version) VALUES (2, $1) \
               ON CONFLICT (id) DO UPDATE SET version = excluded.version";
    conn.run(sql, vec![kind.into()]).await.map(drop)
}

/// Greatest kind that was let in.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn let_in(conn: &mut Conn) -> Result<u64, StoreError> {
    Ok(mark(conn).await?.unwrap_or(FIRST))
}

/// Checks that this program knows every kind that was let in.
///
/// # Errors
/// [`StoreError::LaterEvents`] where it does not.
pub async fn check(conn: &mut Conn) -> Result<(), StoreError> {
    let (found, known) = (let_in(conn).await?, u64::from(EVENT_KIND_MAX));
    if found <= known { Ok(()) } else { Err(StoreError::LaterEvents { found, known }) }
}

/// Lets a kind in that never was, in a transaction that holds the head: whoever starts from then on knows it.
///
/// # Errors
/// [`StoreError::NotUnderstood`] where a process is there that does not.
pub async fn let_one_in(conn: &mut Conn, kind: u64) -> Result<(), StoreError> {
    if conn.is_remote() {
        let sql =
            "SELECT title, version FROM replica WHERE speaks < $1 ORDER BY title, name LIMIT 1";
        if let Some(row) = conn.row(sql, vec![kind.into()]).await? {
            let (title, version) = (row.text(0)?, row.text(1)?);
            return Err(StoreError::NotUnderstood { kind, title, version });
        }
    }
    set_mark(conn, kind).await
}

/// Takes the mark over into a copy.
///
/// # Errors
/// [`StoreError`] where a database refuses.
pub async fn carry(from: &mut Conn, to: &mut Conn) -> Result<(), StoreError> {
    match mark(from).await? {
        Some(kind) => set_mark(to, kind).await,
        None => Ok(()),
    }
}

//! The head row: how far the journal reaches. Every transaction that writes begins by locking it.

use super::dialect::{Batch, Conn, Row, Value};
use super::error::StoreError;
use crate::core::journal::merkle::{Hash, empty_root};
use crate::core::time::Time;
use crate::io::seal::{KeyRing, Place};

/// How far the journal reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of events.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
    /// Log time of the last change.
    pub time: Time,
    /// Which opening of the store wrote last; an earlier one that finds a later number must stop.
    pub epoch: u64,
    /// Whether the process before stopped in order, with its counts flushed.
    pub clean: bool,
}

impl Head {
    /// The head of an empty journal.
    #[must_use]
    pub fn empty() -> Self {
        Self { size: 0, root: empty_root(), time: Time::default(), epoch: 0, clean: true }
    }

    fn mark(&self, keys: &KeyRing) -> [u8; 32] {
        let time = self.time.millis().cast_unsigned();
        let place = Place::of("head").number(self.size).bytes(&self.root).number(time);
        keys.mark(&place.number(self.epoch).number(u64::from(self.clean)))
    }

    fn read(row: &Row, keys: &KeyRing) -> Result<Self, StoreError> {
        let clean = match row.int(4)? {
            0 => false,
            1 => true,
            _ => return Err(StoreError::Corrupt("head")),
        };
        let head = Self {
            size: row.number(0)?,
            root: row.exact(1)?,
            time: Time::from_millis(row.int(2)?),
            epoch: row.number(3)?,
            clean,
        };
        let mark: [u8; 32] = row.exact(5)?;
        if mark == head.mark(keys) { Ok(head) } else { Err(StoreError::Corrupt("head")) }
    }

    fn values(&self, keys: &KeyRing) -> Vec<Value> {
        vec![
            self.size.into(),
            self.root.as_slice().into(),
            self.time.millis().into(),
            self.epoch.into(),
            i64::from(self.clean).into(),
            self.mark(keys).as_slice().into(),
        ]
    }
}

/// Writes the head of an empty journal.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn create(conn: &mut Conn, keys: &KeyRing) -> Result<(), StoreError> {
    let sql = "INSERT INTO head (size, root, time, epoch, clean, mark, id) VALUES ($1, $2, $3, $4, $5, $6, 1) \
               ON CONFLICT (id) DO NOTHING";
    conn.run(sql, Head::empty().values(keys)).await.map(drop)
}

/// Reads the head.
///
/// # Errors
/// [`StoreError::Corrupt`] where it was changed, or was written under another key ring.
pub async fn read(conn: &mut Conn, keys: &KeyRing) -> Result<Head, StoreError> {
    let sql = "SELECT size, root, time, epoch, clean, mark FROM head WHERE id = 1";
    let row = conn.row(sql, Vec::new()).await?.ok_or(StoreError::Corrupt("head"))?;
    Head::read(&row, keys)
}

/// Begins a transaction that writes: its first statement locks the head, which is read with it.
///
/// # Errors
/// As [`read`]. The transaction has begun all the same, and has to be rolled back.
pub async fn begin(conn: &mut Conn, keys: &KeyRing) -> Result<Head, StoreError> {
    let sql = "UPDATE head SET epoch = epoch WHERE id = 1 \
               RETURNING size, root, time, epoch, clean, mark";
    let rows = conn.begin(sql).await?;
    Head::read(rows.first().ok_or(StoreError::Corrupt("head"))?, keys)
}

/// Adds to a batch the setting of the head, where it still reaches as far as `before`: the batch gives a row where it did.
pub fn push_advance(batch: &mut Batch, keys: &KeyRing, before: &Head, after: &Head) {
    let sql = "UPDATE head SET size = ?, root = ?, time = ?, epoch = ?, clean = ?, mark = ? \
               WHERE id = 1 AND size = ? AND epoch = ? RETURNING id";
    let mut values = after.values(keys);
    values.extend([before.size.into(), before.epoch.into()]);
    batch.push(sql, values);
}

/// Sets the head, where it still reaches as far as `before`.
///
/// # Errors
/// [`StoreError::InUse`] where it does not.
pub async fn advance(
    conn: &mut Conn,
    keys: &KeyRing,
    before: &Head,
    after: &Head,
) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    push_advance(&mut batch, keys, before, after);
    finish(conn, batch).await
}

/// Runs a batch that sets the head.
///
/// # Errors
/// [`StoreError::InUse`] where the head no longer reached as far as it should.
pub async fn finish(conn: &mut Conn, batch: Batch) -> Result<(), StoreError> {
    if conn.run_batch(batch).await?.len() == 1 { Ok(()) } else { Err(StoreError::InUse) }
}

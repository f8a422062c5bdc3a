//! This process among those that share a database: by what name, and a row that says how it is.
//!
//! What keeps two from writing at once is the head, which every transaction locks. This row only tells people and the
//! others that the process is there: one that is still there after it stopped moving is of a process that ended without
//! flushing its counts.

use super::dialect::{Conn, Value};
use super::error::StoreError;
use super::settings::Settings;
use crate::core::shard::Shard;
use crate::core::time::Time;
use crate::io::clock::Clock;
use crate::io::seal::{KeyRing, Place};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

/// How often a process says that it is there.
pub const BEAT_EVERY: Duration = Duration::from_secs(1);

/// By what name a data directory is known to the others: a process that ended without a word is followed by the next one
/// there, which holds its lock.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(Vec<u8>);

impl Name {
    /// Length of a name.
    const BYTES: usize = 16;

    /// The name of the data directory that the settings are of; makes one where there is none.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn of(settings: &Settings) -> Result<Self, StoreError> {
        let path = settings.database.with_extension("replica");
        match std::fs::read(&path) {
            Ok(name) if name.len() == Self::BYTES => return Ok(Self(name)),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        // No two directories may have the same one, whatever the store's own clock and names are made of.
        let name = Clock::system().random::<{ Self::BYTES }>();
        let mut file = std::fs::File::options();
        let mut file = file.create(true).truncate(true).write(true).mode(0o600).open(path)?;
        std::io::Write::write_all(&mut file, &name)?;
        file.sync_all()?;
        Ok(Self(name.to_vec()))
    }

    pub(super) fn read(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn value(&self) -> Value {
        self.0.as_slice().into()
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// Where a process is reached, with a mark that only those can make who have the key ring: whoever can only write rows
/// leads no other process to a place of theirs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address(String);

impl Address {
    /// The address of a process that keeps a shard.
    #[must_use]
    pub fn new(keys: &KeyRing, name: &Name, shard: Shard, address: &str) -> Self {
        if address.is_empty() {
            return Self::default();
        }
        Self(format!("{address} {}", mark(keys, name, shard, address)))
    }

    /// The address, where it was told by a process with this name, shard and key ring.
    #[must_use]
    pub fn vouched(&self, keys: &KeyRing, name: &Name, shard: Shard) -> Option<&str> {
        let (address, told) = self.0.split_once(' ')?;
        (told == mark(keys, name, shard, address)).then_some(address)
    }

    /// The address as it was told, without asking by whom: for people.
    #[must_use]
    pub fn told(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }
}

fn mark(keys: &KeyRing, name: &Name, shard: Shard, address: &str) -> String {
    let (number, count) = (u64::from(shard.number()), u64::from(shard.count()));
    let place = Place::of("replica address").bytes(&name.0).number(number).number(count);
    hex::encode(keys.mark(&place.text(address)))
}

/// How a process is, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its name.
    pub name: Name,
    /// What people call it.
    pub title: String,
    /// Version of its program.
    pub version: String,
    /// Which of the entries it keeps in memory.
    pub shard: Shard,
    /// Where processes that keep other shards reach it, vouched for by its key ring; empty for nowhere.
    pub address: Address,
    /// When it began, by its own clock.
    pub began: Time,
    /// Goes up with every sign of life.
    pub beat: u64,
    /// When it gave the last sign, by its own clock.
    pub beaten: Time,
    /// Log time up to which what it counted is certain to be in the journal.
    pub counted: Time,
    /// Journal number up to which its memory is in step.
    pub applied: u64,
    /// Entries in its memory.
    pub entries: u64,
    /// Greatest code of a kind of event that it knows.
    pub speaks: u64,
}

const COLUMNS: &str = "name, title, version, began, beat, beaten, counted, applied, entries, \
                       speaks, shard, shards, address";

fn read_shard(number: u64, count: u64) -> Result<Shard, StoreError> {
    let (number, count) = (u32::try_from(number).unwrap_or(0), u32::try_from(count).unwrap_or(0));
    Shard::new(number, count).ok_or(StoreError::Corrupt("replica"))
}

/// Every process that is there, or ended without a word.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn all(conn: &mut Conn) -> Result<Vec<Replica>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM replica ORDER BY title, name");
    let rows = conn.rows(sqlx::AssertSqlSafe(sql), Vec::new()).await?;
    let read = |row: &super::dialect::Row| {
        Ok(Replica {
            name: Name::read(row.bytes(0)?),
            title: row.text(1)?,
            version: row.text(2)?,
            began: Time::from_millis(row.int(3)?),
            beat: row.number(4)?,
            beaten: Time::from_millis(row.int(5)?),
            counted: Time::from_millis(row.int(6)?),
            applied: row.number(7)?,
            entries: row.number(8)?,
            speaks: row.number(9)?,
            shard: read_shard(row.number(10)?, row.number(11)?)?,
            address: Address(row.text(12)?),
        })
    };
    rows.iter().map(read).collect()
}

/// What a process before this one, which ended without a word in the same data directory, had certainly put into the
/// journal of what it counted; none where there was none.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn unfinished(conn: &mut Conn, name: &Name) -> Result<Option<Time>, StoreError> {
    let sql = "SELECT counted FROM replica WHERE name = $1";
    let row = conn.row(sql, vec![name.value()]).await?;
    row.map(|row| Ok(Time::from_millis(row.int(0)?))).transpose()
}

/// Says that a process is there, and how it is.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn beat(conn: &mut Conn, replica: &Replica) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO replica ({COLUMNS}) \
         VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (name) DO UPDATE SET title = excluded.title, version = excluded.version, \
         began = excluded.began, beat = replica.beat + 1, beaten = excluded.beaten, \
         counted = excluded.counted, applied = excluded.applied, entries = excluded.entries, \
         speaks = excluded.speaks, shard = excluded.shard, shards = excluded.shards, \
         address = excluded.address"
    );
    let values = vec![
        replica.name.value(),
        replica.title.as_str().into(),
        replica.version.as_str().into(),
        replica.began.millis().into(),
        replica.beaten.millis().into(),
        replica.counted.millis().into(),
        replica.applied.into(),
        replica.entries.into(),
        replica.speaks.into(),
        u64::from(replica.shard.number()).into(),
        u64::from(replica.shard.count()).into(),
        replica.address.0.as_str().into(),
    ];
    conn.run(sqlx::AssertSqlSafe(sql), values).await.map(drop)
}

/// Takes the row of a process away that has nothing more to say; says whether it was there, as it was last seen.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn leave(conn: &mut Conn, name: &Name, beat: Option<u64>) -> Result<bool, StoreError> {
    let left = match beat {
        None => conn.run("DELETE FROM replica WHERE name = $1", vec![name.value()]).await?,
        Some(beat) => {
            let sql = "DELETE FROM replica WHERE name = $1 AND beat = $2";
            conn.run(sql, vec![name.value(), beat.into()]).await?
        }
    };
    Ok(left > 0)
}

//! Which process writes to a database that several machines can reach.
//!
//! The row says who, and a beat says that they are there. Nobody's clock is trusted: who finds another's name watches
//! for a while, and takes over only where nothing moves meanwhile. What keeps two from writing at once is the epoch in
//! the head, which the one who takes over raises; this row only makes the second one wait to be told no, rather than
//! put the first one out.

use super::dialect::Conn;
use super::error::StoreError;
use super::settings::Settings;
use crate::io::clock::Clock;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

/// How often a writer that has nothing else to do says that it is there.
pub const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Least time for which another's beat is watched.
const WATCH_MIN: Duration = Duration::from_secs(3);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// By what name a data directory writes: a process that ended without a word is followed at once by the next one there,
/// which holds its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(Vec<u8>);

impl Holder {
    /// Length of a name.
    const BYTES: usize = 16;

    /// The name of the data directory that the settings are of; makes one where there is none.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn of(settings: &Settings) -> Result<Self, StoreError> {
        let path = settings.database.with_extension("holder");
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
}

/// What the row says, and how far the journal reaches: whoever writes moves one of them.
#[derive(PartialEq, Eq)]
struct Seen {
    holder: Vec<u8>,
    beat: i64,
    size: i64,
    epoch: i64,
}

async fn look(conn: &mut Conn) -> Result<Seen, StoreError> {
    let sql = "SELECT w.holder, w.beat, h.size, h.epoch FROM writer w, head h WHERE w.id = 1 AND h.id = 1";
    let row = conn.row(sql, Vec::new()).await?.ok_or(StoreError::Corrupt("writer"))?;
    Ok(Seen { holder: row.bytes(0)?, beat: row.int(1)?, size: row.int(2)?, epoch: row.int(3)? })
}

/// Takes the right to write, where nobody else has it or whoever had it is gone.
///
/// # Errors
/// [`StoreError::InUse`] where somebody else writes.
pub async fn take(conn: &mut Conn, settings: &Settings, holder: &Holder) -> Result<(), StoreError> {
    let seen = look(conn).await?;
    if !seen.holder.is_empty() && seen.holder != holder.0 {
        let began = Instant::now();
        while began.elapsed() < settings.lock_wait_max.max(WATCH_MIN) {
            tokio::time::sleep(LOOK_EVERY).await;
            if look(conn).await? != seen {
                return Err(StoreError::InUse);
            }
        }
        tracing::warn!("whoever wrote to this database is gone without a word: taking over");
    }
    let sql =
        "UPDATE writer SET holder = $1, beat = beat + 1 WHERE id = 1 AND holder = $2 AND beat = $3";
    let values = vec![holder.0.as_slice().into(), seen.holder.into(), seen.beat.into()];
    if conn.run(sql, values).await? == 1 { Ok(()) } else { Err(StoreError::InUse) }
}

/// Says that the writer is there.
///
/// # Errors
/// [`StoreError::InUse`] where another one took over.
pub async fn beat(conn: &mut Conn, holder: &Holder) -> Result<(), StoreError> {
    let sql = "UPDATE writer SET beat = beat + 1 WHERE id = 1 AND holder = $1";
    let beaten = conn.run(sql, vec![holder.0.as_slice().into()]).await?;
    if beaten == 1 { Ok(()) } else { Err(StoreError::InUse) }
}

/// Leaves the right to write to whoever comes next.
///
/// # Errors
/// [`StoreError`] where the database refuses: the next one then has to watch for a while.
pub async fn leave(conn: &mut Conn, holder: &Holder) -> Result<(), StoreError> {
    let sql = "UPDATE writer SET holder = $1, beat = beat + 1 WHERE id = 1 AND holder = $2";
    conn.run(sql, vec![Vec::new().into(), holder.0.as_slice().into()]).await.map(drop)
}

//! What can be set about the store.

use crate::config::Secret;
use crate::core::shard::Shard;
use crate::io::objects::Place;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What happens after the outcome of a commit is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The process ends with code 74, so that a restart reads what was kept.
    Exit,
    /// The process stays; every later change is refused.
    Stay,
}

/// A PostgreSQL server, or one that speaks its protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its address, as `postgres://user@host/database`; may hold a password, so that it is shown to nobody.
    pub url: Secret,
    /// Address of a replica that lists are read from.
    pub replica_url: Option<Secret>,
    /// The file that holds the password; read whenever a connection is made.
    pub password_file: Option<PathBuf>,
    /// How long making a connection may take.
    pub connect_time_max: Duration,
    /// How long a statement may take.
    pub statement_time_max: Duration,
    /// How long a statement may wait for a lock.
    pub lock_time_max: Duration,
}

impl Server {
    /// A server with the usual times.
    #[must_use]
    pub const fn at(url: Secret) -> Self {
        Self {
            url,
            replica_url: None,
            password_file: None,
            connect_time_max: Duration::from_secs(3),
            statement_time_max: Duration::from_secs(3),
            lock_time_max: Duration::from_secs(2),
        }
    }
}

/// What can be set about the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What people call this process, among others that share a database.
    pub title: String,
    /// Which of the entries this process keeps in memory.
    pub shard: Shard,
    /// Where processes that keep other shards reach this one, as `https://host:port`; empty where there are none.
    pub address: String,
    /// The database file of SQLite; beside it lie the lock and whatever else belongs to this machine.
    pub database: PathBuf,
    /// The server that holds the database instead; none for SQLite.
    pub server: Option<Server>,
    /// The file that events wait in while the database is away.
    pub spool: PathBuf,
    /// Greatest size of the spool, in bytes.
    pub spool_bytes_max: u64,
    /// The file that the memory is written to, so that the next start is quick.
    pub snapshot: PathBuf,
    /// Changes after which the memory is written to it anew; 0 for never, and the next start does not read it either.
    pub snapshot_changes: u64,
    /// Least time between two snapshots; zero for none.
    pub snapshot_pause: Duration,
    /// Where machines share snapshots; none where each has only its own.
    pub snapshot_place: Option<Place>,
    /// How long a start may fetch one of them.
    pub snapshot_fetch_time_max: Duration,
    /// Most changes in one commit.
    pub group_max: usize,
    /// Most changes that wait for the writer; further callers wait to be let in.
    pub waiting_max: usize,
    /// Connections for lists and other reading that may take long; what screening looks up has its own.
    pub readers: u32,
    /// Memory for pages of a SQLite database that are written to, in bytes.
    pub cache_bytes_max: u64,
    /// How long a statement waits for a locked database.
    pub busy_max: Duration,
    /// How long opening waits for another process to let go of the store.
    pub lock_wait_max: Duration,
    /// How long a verdict waits for the database before it goes to the spool.
    pub keep_wait_max: Duration,
    /// How long answers are kept for repeated requests (AIP-155).
    pub request_kept: Duration,
    /// How often counts are flushed and the spool is looked at.
    pub flush_every: Duration,
    /// Most bytes of screened items that wait to be remembered.
    pub lookback_waiting_bytes_max: u64,
    /// Bytes of memory beyond which no further item is remembered.
    pub lookback_memory_bytes_max: u64,
    /// What happens after the outcome of a commit is unknown.
    pub on_failure: OnFailure,
}

impl Settings {
    /// The same, where the rows of look-back are: with SQLite in a file of their own.
    #[must_use]
    pub fn of_lookback(&self) -> Self {
        Self { database: self.database.with_file_name("lookback.db"), ..self.clone() }
    }

    /// The usual settings for a store in a data directory.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            database: folder.join("bulwark.db"),
            spool: folder.join("spool"),
            snapshot: folder.join("snapshot"),
            ..Self::default()
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            title: String::new(),
            shard: Shard::WHOLE,
            address: String::new(),
            database: PathBuf::from("bulwark.db"),
            server: None,
            spool: PathBuf::from("spool"),
            spool_bytes_max: 64 << 20,
            snapshot: PathBuf::from("snapshot"),
            snapshot_changes: 50_000,
            snapshot_pause: Duration::from_secs(300),
            snapshot_place: None,
            snapshot_fetch_time_max: Duration::from_secs(120),
            group_max: 1024,
            waiting_max: 4096,
            readers: 4,
            cache_bytes_max: 64 << 20,
            busy_max: Duration::from_secs(5),
            lock_wait_max: Duration::from_secs(5),
            keep_wait_max: Duration::from_secs(2),
            request_kept: Duration::from_secs(24 * 3600),
            flush_every: Duration::from_secs(60),
            lookback_waiting_bytes_max: 16 << 20,
            lookback_memory_bytes_max: 1 << 30,
            on_failure: OnFailure::Exit,
        }
    }
}

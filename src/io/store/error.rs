//! Why the store did not do what it was asked for.

use crate::core::journal::merkle::Hash;
use crate::io::seal::{RingError, SealError};
use std::sync::Arc;

/// Why the store did not do what it was asked for. Nothing of what is kept stands in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database refused or was not reached; nothing was kept. Worth another try.
    #[error("the database refused or was not reached")]
    Database(#[source] Arc<sqlx::Error>),
    /// The database did not answer within the time that a statement or a look-up has; nothing was kept.
    #[error("the database did not answer in time")]
    Late,
    /// The connection to the database was lost, or none could be made; nothing was kept. Another one is being made.
    #[error("the database cannot be reached: {0}")]
    Away(#[source] Arc<sqlx::Error>),
    /// Another transaction came first, time and again; nothing was kept. Worth another try.
    #[error("another transaction came first")]
    Conflict,
    /// The database was made with other keys than those at hand.
    #[error(
        "this database was made with other keys, or its head was changed: restore the keys.json that belongs to it"
    )]
    OtherKeys,
    /// The address of the database does not read; it is not repeated, since a password may stand in it.
    #[error("the address of the database does not read")]
    Url,
    /// This build cannot use the database that is set.
    #[error("this build has not the feature postgres")]
    NotBuilt,
    /// No room is left; nothing was kept.
    #[error("no room is left in the database")]
    Full,
    /// What is stored is not what was written.
    #[error("stored data are damaged: {0}")]
    Corrupt(&'static str),
    /// The answer of the database was lost: the change may have been kept or not.
    #[error("the outcome of the change is unknown")]
    OutcomeUnknown,
    /// An earlier failure ended writing; a restart reads what was kept.
    #[error("the store no longer writes after a failure")]
    Failed,
    /// The change itself broke down; nothing was kept.
    #[error("the change broke down")]
    Broken,
    /// Another process writes to this store.
    #[error("another process writes to this store")]
    InUse,
    /// The store, or a lease on it, was taken over: what this process still wanted to write may not be written.
    #[error("others took over")]
    Overtaken,
    /// The journal is not, or no longer, the one that this process has read.
    #[error("the journal cannot be followed: {0}")]
    Unfollowable(&'static str),
    /// The target of a copy holds a store already.
    #[error("the target holds a store already")]
    Occupied,
    /// The tables are of a version that this program cannot use.
    #[error("the tables are of version {found}, this program is for version {needed}: {}", mend(*found, *needed))]
    Schema {
        /// Version found.
        found: u64,
        /// Version this program makes.
        needed: u64,
    },
    /// The journal holds kinds of events that this program does not know.
    #[error(
        "the journal holds events of kind {found}, this program knows them up to {known}: use the one that wrote them"
    )]
    LaterEvents {
        /// Greatest kind found.
        found: u64,
        /// Greatest kind this program knows.
        known: u64,
    },
    /// A process shares the database that does not know events of this kind; nothing was kept. Worth another try once
    /// that process has ended.
    #[error(
        "events of kind {kind} wait until {title:?} of version {version}, which does not know them, has ended"
    )]
    NotUnderstood {
        /// The kind.
        kind: u64,
        /// What people call the process.
        title: String,
        /// Version of its program.
        version: String,
    },
    /// The database does not hold what was once seen in it.
    #[error("{0}")]
    Rollback(Box<SetBack>),
    /// A backup was being put in place and that was broken off.
    #[error("a restore into this data directory was broken off: run it again")]
    Restoring,
    /// There is no store yet.
    #[error("there is no store here")]
    Missing,
    /// A file beside the database cannot be used.
    #[error("a file of the store cannot be used: {0}")]
    File(Arc<std::io::Error>),
    /// The keys cannot be used.
    #[error("{0}")]
    Keys(Arc<RingError>),
    /// An event that does not fit what is kept, such as entries of a bank that does not exist.
    #[error("the event does not fit what is kept: {0}")]
    Unfit(&'static str),
    /// The spool has no room for a further event.
    #[error("the spool is full")]
    SpoolFull,
}

fn mend(found: u64, needed: u64) -> &'static str {
    if found < needed { "run migrate" } else { "use the program that made them, or a later one" }
}

/// What was seen of a journal, and what was found instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetBack {
    /// Number of events that were seen.
    pub seen: u64,
    /// Root of the tree over them.
    pub seen_root: Hash,
    /// Number of events that were found.
    pub found: u64,
    /// Root of the tree over those.
    pub found_root: Hash,
}

impl std::fmt::Display for SetBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seen, seen_root, found, found_root } = self;
        let how = if found < seen { "was set back" } else { "went another way" };
        let (seen_root, found_root) = (hex::encode(seen_root), hex::encode(found_root));
        write!(
            f,
            "the database {how}: {seen} events with root {seen_root} were seen here, it holds {found} with root \
             {found_root}; a rollback has to be approved and recorded (accept-rollback)"
        )
    }
}

/// SQLite's result codes that are told apart (<https://sqlite.org/rescode.html>).
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_NOTADB: i32 = 26;

/// What an SQLSTATE of PostgreSQL means here (its manual, appendix A).
fn by_state(state: &str, error: sqlx::Error) -> StoreError {
    match (state.get(..2).unwrap_or(""), state) {
        // Serialization failures and deadlocks.
        ("40", _) => StoreError::Conflict,
        // A statement that took too long, and a lock that another one held for too long.
        (_, "57014" | "55P03") => StoreError::Late,
        (_, "53100") => StoreError::Full,
        (_, "XX001" | "XX002") => StoreError::Corrupt("database"),
        // Connections, who may make them, and servers that start, stop, are full or only repeat another one.
        ("08" | "28" | "3D" | "53" | "57" | "58", _) | (_, "25006" | "25P03") => {
            StoreError::Away(Arc::new(error))
        }
        _ => StoreError::Database(Arc::new(error)),
    }
}

/// Length of an SQLSTATE; codes of SQLite are decimal and shorter.
const STATE_LENGTH: usize = 5;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let Some(database) = error.as_database_error() {
            let text = database.code().unwrap_or_default().into_owned();
            if text.len() == STATE_LENGTH {
                return by_state(&text, error);
            }
            let code = text.parse::<i32>().unwrap_or(0) & 0xff;
            return match code {
                SQLITE_FULL => Self::Full,
                SQLITE_CORRUPT | SQLITE_NOTADB => Self::Corrupt("database file"),
                _ => Self::Database(Arc::new(error)),
            };
        }
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt("column"),
            // Only a database behind a line gives these; after words that are out of step it is as good as cut.
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => {
                Self::Away(Arc::new(error))
            }
            _ => Self::Database(Arc::new(error)),
        }
    }
}

impl StoreError {
    /// Whether it says only that the database was not reached or did not answer: nothing about what is stored.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Late | Self::Conflict)
    }
}

impl StoreError {
    /// Whether whoever meets it may write nothing more: what is stored is others', or is not what it should be.
    #[must_use]
    pub const fn ends_writing(&self) -> bool {
        match self {
            Self::InUse | Self::Unfollowable(_) => true,
            Self::Corrupt(what) => matches!(what.as_bytes(), b"head"),
            _ => false,
        }
    }
}

impl From<SealError> for StoreError {
    fn from(_: SealError) -> Self {
        Self::Corrupt("sealed value")
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::File(Arc::new(error))
    }
}

impl From<RingError> for StoreError {
    fn from(error: RingError) -> Self {
        Self::Keys(Arc::new(error))
    }
}

impl PartialEq for StoreError {
    /// Errors of the same kind are equal, whatever the database said.
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

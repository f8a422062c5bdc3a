//! Why a backup was not made, or not put in place.

use super::super::error::StoreError;
use super::super::report::Report;
use crate::io::seal::RingError;
use std::path::{Path, PathBuf};

/// Why a backup was not made, or not put in place.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys or the pass phrase cannot be used.
    #[error(transparent)]
    Keys(#[from] RingError),
    /// A file or folder cannot be used.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// The folder for a backup holds something.
    #[error("{0} is not empty: a backup gets a folder of its own")]
    NotEmpty(PathBuf),
    /// There is no manifest, which is written last.
    #[error("{0} holds no manifest: it is no backup, or one that was broken off")]
    NoManifest(PathBuf),
    /// The manifest is not what was written, or was written under other keys.
    #[error("the manifest was changed, or is not of these keys")]
    Manifest,
    /// A part is not what was written.
    #[error("the part {0} {1}")]
    Part(String, &'static str),
    /// It was made by a later program.
    #[error("this backup was made by version {0}, which is later than this program: use that one")]
    Later(String),
    /// What is kept is not what the journal accounts for.
    #[error("{}", faults(.0))]
    Faults(Box<Report>),
    /// What was put together is not what the manifest says.
    #[error("what was read out of the backup is not what its manifest says")]
    NotTheSame,
    /// Where the store is to be, there is one already, or what is left of one.
    #[error("{0} is there already: move what is left of an earlier store away first")]
    Occupied(String),
    /// The keys in place cannot read the backup.
    #[error("{0} is of another store, or older than the backup: move it away first")]
    OtherKeys(PathBuf),
    /// Verdicts that waited could not be moved into the journal.
    #[error("the verdicts that waited in the spool could not be moved into the journal")]
    Spool,
    /// Nothing says that the store was set back.
    #[error("the database holds everything that was seen here: there is no rollback to accept")]
    NoRollback,
}

fn faults(report: &Report) -> String {
    let first = report.faults.first();
    let first = first.map(|fault| format!(", the first in {}: {}", fault.place, fault.what));
    format!("{} faults{}", report.faults_count, first.unwrap_or_default())
}

/// Says of an error of the file system which file it is about.
pub(super) fn of(path: &Path) -> impl Fn(std::io::Error) -> BackupError {
    move |error| BackupError::File(path.to_owned(), error)
}

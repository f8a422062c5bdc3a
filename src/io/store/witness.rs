//! The witness: a file beside the database that says how far its journal was once seen to reach.
//!
//! It is a signed checkpoint, as receipts hold them, so that anybody's will do. It is written at intervals and therefore
//! a lower bound: a journal must reach at least as far, and have the same root there. One that does not was set back, as by
//! an old backup, or went another way; it is not opened unless that was approved and recorded.

use super::dialect::{self, Conn, SCHEMA_VERSION};
use super::error::{SetBack, StoreError};
use super::head::{self, Head};
use super::journal;
use super::open;
use super::settings::Settings;
use crate::core::journal::checkpoint::Checkpoint;
use crate::core::journal::merkle::{Hash, empty_root};
use crate::io::seal::KeyRing;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Where the witness of a store lies.
#[must_use]
pub fn path(settings: &Settings) -> PathBuf {
    settings.database.with_extension("witness")
}

/// The folder in which a backup is made ready to be put in place. While it is there, nothing beside it may be opened.
#[must_use]
pub fn restoring(settings: &Settings) -> PathBuf {
    settings.database.with_extension("restoring")
}

/// Reads a witness; none where there is no such file.
///
/// # Errors
/// [`StoreError::Corrupt`] where no key of the ring has signed it.
pub fn read(path: &Path, keys: &KeyRing) -> Result<Option<Checkpoint>, StoreError> {
    match std::fs::read_to_string(path) {
        Ok(note) => keys.verify(&note).map(Some).ok_or(StoreError::Corrupt("witness")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(StoreError::Corrupt("witness"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes how far the journal reaches to a file, which is there whole or as it was before.
///
/// # Errors
/// The file system's.
pub fn write(path: &Path, keys: &KeyRing, size: u64, root: Hash) -> std::io::Result<()> {
    let beside = path.with_extension("witness-new");
    let mut file = File::options();
    let mut file = file.create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
    file.write_all(keys.sign(size, root).as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// What was seen and is no longer so, if anything.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn compare(
    conn: &mut Conn,
    head: &Head,
    seen: &Checkpoint,
) -> Result<Option<SetBack>, StoreError> {
    let goes_on =
        head.size >= seen.size && journal::frontier(conn, seen.size).await?.root() == seen.root;
    let set_back =
        SetBack { seen: seen.size, seen_root: seen.root, found: head.size, found_root: head.root };
    Ok((!goes_on).then_some(set_back))
}

/// What was seen of a store and is no longer so, if anything; says nothing of tables that this program cannot use.
///
/// # Errors
/// [`StoreError::OtherKeys`]; [`StoreError`] where the database refuses.
pub async fn set_back(settings: &Settings, keys: &KeyRing) -> Result<Option<SetBack>, StoreError> {
    let path = path(settings);
    if !path.exists() {
        return Ok(None);
    }
    let is_gone = settings.server.is_none() && !settings.database.exists();
    let mut conn = if is_gone { None } else { Some(dialect::connect_reading(settings).await?) };
    let version = match &mut conn {
        Some(conn) => conn.version().await?,
        None => 0,
    };
    let found = match &mut conn {
        Some(conn) if (1..=SCHEMA_VERSION + 1).contains(&version) => {
            open::check_keys(conn, keys).await?;
            let head = head::read(conn, keys).await?;
            match read(&path, keys)? {
                Some(seen) => compare(conn, &head, &seen).await?,
                None => None,
            }
        }
        _ if version == 0 => read(&path, keys)?.map(|seen| SetBack {
            seen: seen.size,
            seen_root: seen.root,
            found: 0,
            found_root: empty_root(),
        }),
        _ => None,
    };
    if let Some(conn) = conn {
        conn.close().await?;
    }
    Ok(found)
}

/// Lets nobody open what was only half put in place, or was set back.
///
/// # Errors
/// [`StoreError::Restoring`], [`StoreError::Rollback`], and those of [`set_back`].
pub async fn guard(settings: &Settings, keys: &KeyRing) -> Result<(), StoreError> {
    if restoring(settings).exists() {
        return Err(StoreError::Restoring);
    }
    match set_back(settings, keys).await? {
        Some(set_back) => Err(StoreError::Rollback(Box::new(set_back))),
        None => Ok(()),
    }
}

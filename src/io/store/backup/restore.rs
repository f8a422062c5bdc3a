//! Putting a backup in place: whole or not at all, and never unnoticed where it is older than what was seen.
//!
//! Everything is made ready in a folder beside the place; while that is there, no store is opened here. The last step is one
//! renaming, or one transaction of PostgreSQL. A note written before it says what is being put there, so that a restore
//! that was broken off at its very end is completed by the next one, and any other begins anew.

use super::super::copy::{self, Progress};
use super::super::dialect;
use super::super::error::{SetBack, StoreError};
use super::super::head::{self, Head};
use super::super::open;
use super::super::settings::Settings;
use super::super::verify::verify;
use super::super::witness;
use super::accept::given_up;
use super::error::{BackupError, of};
use super::file;
use super::manifest::Manifest;
use super::stage::{self, Opened, Staged};
use crate::core::journal::checkpoint::Checkpoint;
use crate::core::restored::{Approval, Restored};
use crate::io::clock::Clock;
use crate::io::seal::{KeyRing, Phrase, RingError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The note of what is being put in place.
const PLACING: &str = "placing";

/// What is to be put where.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Folder of the backup.
    pub from: &'a Path,
    /// What opens its keys.
    pub phrase: &'a Phrase,
    /// Where the store is to be.
    pub to: &'a Settings,
    /// Where its key ring is to be; one that is there stays, if it can read the backup.
    pub key_ring: &'a Path,
    /// A checkpoint that was kept elsewhere, such as that of a receipt, which the store must reach.
    pub seen: Option<&'a Path>,
    /// Why a later state may be given up, and by whose approval.
    pub approval: Option<Approval>,
}

/// What was put in place.
#[derive(Debug)]
pub struct PutBack {
    /// What the backup held.
    pub manifest: Manifest,
    /// Number of events that the store holds now.
    pub number: u64,
    /// Root of the tree over them.
    pub root: [u8; 32],
    /// How far the journal was known to reach before, if that was known.
    pub seen: Option<u64>,
    /// What was given up.
    pub given_up: Option<SetBack>,
    /// Whether this only completed a restore that had been broken off at its end.
    pub completed: bool,
}

/// What is ready to be put in place.
struct Ready {
    staged: Staged,
    head: Head,
    seen: Option<u64>,
    given_up: Option<SetBack>,
}

/// Puts a backup in place, where there is no store.
///
/// # Errors
/// [`StoreError::Rollback`] where a later state was seen and giving it up was not approved; [`BackupError`]. The place is
/// then as it was, unless the very last step failed: a further restore completes that one.
pub async fn restore(
    wanted: &Wanted<'_>,
    clock: &Clock,
    tell: impl FnMut(Progress) + Send,
) -> Result<PutBack, BackupError> {
    let (opened, inside) = stage::open(wanted.from, wanted.phrase, clock)?;
    let place = wanted.to.database.parent().unwrap_or(Path::new("."));
    file::folder(place)?;
    let _lock = open::lock(wanted.to).await?;
    let keys = Arc::new(match KeyRing::load(wanted.key_ring, clock) {
        Ok(own) if own.covers(&inside) => own,
        Ok(_) => return Err(BackupError::OtherKeys(wanted.key_ring.to_owned())),
        Err(RingError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => inside,
        Err(error) => return Err(error.into()),
    });
    let manifest = opened.manifest.clone();
    let folder = witness::restoring(wanted.to);
    if folder.exists() {
        if let Some(head) = put_before(wanted.to, &folder, &keys).await? {
            finish(wanted.to, &folder, &keys, &head).await?;
            let (number, root) = (head.size, head.root);
            let (seen, given_up, completed) = (None, None, true);
            return Ok(PutBack { manifest, number, root, seen, given_up, completed });
        }
        std::fs::remove_dir_all(&folder).map_err(of(&folder))?;
    }
    be_vacant(wanted.to).await?;
    file::folder(&folder)?;
    file::sync_folder(place)?;
    let ready = match ready(&opened, wanted, &folder, (&keys, clock)).await {
        Ok(ready) => ready,
        Err(error) => {
            std::fs::remove_dir_all(&folder).map_err(of(&folder))?;
            return Err(error);
        }
    };
    let Ready { staged, head, seen, given_up } = ready;
    file::write(&folder.join(PLACING), keys.sign(head.size, head.root).as_bytes())?;
    file::sync_folder(&folder)?;
    if !wanted.key_ring.exists() {
        keys.put(wanted.key_ring)?;
    }
    if wanted.to.server.is_some() {
        copy::between(&staged.settings, wanted.to, &keys, tell).await?;
    } else {
        let (from, to) = (&staged.settings.database, &wanted.to.database);
        std::fs::rename(from, to).map_err(of(to))?;
        file::sync_folder(place)?;
    }
    finish(wanted.to, &folder, &keys, &head).await?;
    let (number, root, completed) = (head.size, head.root, false);
    Ok(PutBack { manifest, number, root, seen, given_up, completed })
}

/// Makes a backup ready in `folder`: checked, verified, compared with what was seen, and started once to record that it
/// is put back.
async fn ready(
    opened: &Opened,
    wanted: &Wanted<'_>,
    folder: &Path,
    (keys, clock): (&Arc<KeyRing>, &Clock),
) -> Result<Ready, BackupError> {
    let staged = opened.stage(folder, keys).await?;
    let mut seen = Vec::new();
    seen.extend(witness::read(&witness::path(wanted.to), keys)?);
    if let Some(path) = wanted.seen {
        let elsewhere = std::io::Error::from(std::io::ErrorKind::NotFound);
        let found = witness::read(path, keys)?;
        seen.push(found.ok_or_else(|| BackupError::File(path.to_owned(), elsewhere))?);
    }
    let set_back = set_back(&staged, keys, &seen).await?;
    if let (Some(set_back), None) = (&set_back, &wanted.approval) {
        return Err(StoreError::Rollback(Box::new(set_back.clone())).into());
    }
    let manifest = &opened.manifest;
    let restored = Restored {
        number: manifest.number,
        root: manifest.root,
        backed_up: Some(manifest.made),
        given_up: set_back.as_ref().map(given_up),
        approval: wanted.approval.clone(),
        at: clock.now(),
    };
    staged.record(keys, clock, restored).await?;
    let head = head_of(&staged.settings, keys).await?.ok_or(BackupError::NotTheSame)?;
    let seen = seen.iter().map(|seen| seen.size).max();
    Ok(Ready { staged, head, seen, given_up: set_back })
}

/// The furthest of what was seen that the backup does not go on from.
async fn set_back(
    staged: &Staged,
    keys: &KeyRing,
    seen: &[Checkpoint],
) -> Result<Option<SetBack>, BackupError> {
    let mut conn = dialect::connect_reading(&staged.settings).await?;
    let head = head::read(&mut conn, keys).await?;
    let mut furthest: Option<SetBack> = None;
    for seen in seen {
        if let Some(found) = witness::compare(&mut conn, &head, seen).await?
            && furthest.as_ref().is_none_or(|other| found.seen > other.seen)
        {
            furthest = Some(found);
        }
    }
    conn.close().await?;
    Ok(furthest)
}

/// The head of a store; none where there is no store.
async fn head_of(settings: &Settings, keys: &KeyRing) -> Result<Option<Head>, StoreError> {
    if settings.server.is_none() && !settings.database.exists() {
        return Ok(None);
    }
    let mut conn = dialect::connect_reading(settings).await?;
    let head = match conn.version().await? {
        0 => None,
        _ => Some(head::read(&mut conn, keys).await?),
    };
    conn.close().await?;
    Ok(head)
}

/// The head of what an earlier restore had put in place before it was broken off; none where it had not come that far.
async fn put_before(
    to: &Settings,
    folder: &Path,
    keys: &KeyRing,
) -> Result<Option<Head>, BackupError> {
    let Some(head) = head_of(to, keys).await? else { return Ok(None) };
    match witness::read(&folder.join(PLACING), keys)? {
        Some(placing) if (placing.size, placing.root) == (head.size, head.root) => Ok(Some(head)),
        _ => Err(occupied(to)),
    }
}

fn occupied(to: &Settings) -> BackupError {
    let what = if to.server.is_some() {
        "a store in the database".to_owned()
    } else {
        to.database.display().to_string()
    };
    BackupError::Occupied(what)
}

/// Refuses a place where something is left of a store: an old write-ahead log would spoil a new database.
async fn be_vacant(to: &Settings) -> Result<(), BackupError> {
    if to.server.is_some() {
        let mut conn = dialect::connect_reading(to).await?;
        let version = conn.version().await?;
        conn.close().await?;
        return if version == 0 { Ok(()) } else { Err(occupied(to)) };
    }
    for end in ["db", "db-wal", "db-shm"] {
        let path = to.database.with_extension(end);
        if path.exists() {
            return Err(BackupError::Occupied(path.display().to_string()));
        }
    }
    Ok(())
}

/// Verifies what is in place now, remembers how far it reaches, and lets it be opened.
async fn finish(
    to: &Settings,
    folder: &Path,
    keys: &KeyRing,
    head: &Head,
) -> Result<(), BackupError> {
    // An earlier program may have put it there, and been broken off.
    let mut conn = dialect::connect(to, false).await?;
    open::make_ready(&mut conn, keys).await?;
    conn.close().await?;
    let report = verify(to, keys, Duration::ZERO).await?;
    if !report.is_good() {
        return Err(BackupError::Faults(Box::new(report)));
    }
    let path = witness::path(to);
    witness::write(&path, keys, head.size, head.root).map_err(of(&path))?;
    std::fs::remove_dir_all(folder).map_err(of(folder))?;
    Ok(())
}

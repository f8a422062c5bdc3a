//! Making a backup, beside a server that goes on writing.
//!
//! What waits in the spool is copied first, then the database as it is at one moment: a verdict that is moved from one to
//! the other meanwhile is in at least one of them, and restoring keeps it once.

use super::super::copy::{self, Progress};
use super::super::dialect::{self, SCHEMA_VERSION};
use super::super::open;
use super::super::settings::Settings;
use super::super::spool;
use super::super::verify::verify;
use super::error::{BackupError, of};
use super::file;
use super::manifest::{DATABASE, DRAINING, FORMAT, KEYS, Manifest, NAME, SPOOL};
use crate::io::clock::Clock;
use crate::io::seal::{KeyRing, Phrase};
use std::path::Path;
use std::time::Duration;

/// Name of a manifest that is being written.
const UNFINISHED: &str = "manifest.new";

/// Makes a backup of a store in a folder that is empty or not there yet; a server may use the store meanwhile. What was
/// copied is verified before the manifest is written, which makes it a backup.
///
/// # Errors
/// [`BackupError`]; nothing is left in the folder then, nor where this is given up before its end.
pub async fn backup(
    settings: &Settings,
    keys: &KeyRing,
    clock: &Clock,
    (folder, phrase): (&Path, &Phrase),
    tell: impl FnMut(Progress) + Send,
) -> Result<Manifest, BackupError> {
    file::folder(folder)?;
    if std::fs::read_dir(folder).map_err(of(folder))?.next().is_some() {
        return Err(BackupError::NotEmpty(folder.to_owned()));
    }
    let mut unfinished = Unfinished(Some(folder));
    let made = make(settings, keys, clock, (folder, phrase), tell).await?;
    unfinished.0 = None;
    Ok(made)
}

/// A folder that goes empty again unless a backup was made in it.
struct Unfinished<'a>(Option<&'a Path>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let Some(folder) = self.0 else { return };
        for name in [KEYS, DATABASE, SPOOL, DRAINING, NAME, UNFINISHED] {
            // Without a manifest it is no backup, whatever is left of it.
            let _ = std::fs::remove_file(folder.join(name));
        }
    }
}

async fn make(
    settings: &Settings,
    keys: &KeyRing,
    clock: &Clock,
    (folder, phrase): (&Path, &Phrase),
    mut tell: impl FnMut(Progress) + Send,
) -> Result<Manifest, BackupError> {
    let wrapped = keys.wrap(phrase)?;
    file::write(&folder.join(KEYS), &wrapped)?;
    let mut parts = vec![file::part(KEYS, &wrapped)];
    // In this order: what is moved aside in between is then copied twice rather than not at all.
    let draining = settings.spool.with_extension("draining");
    for (name, path) in [(SPOOL, &settings.spool), (DRAINING, &draining)] {
        if let Some(whole) = spool::whole(path, keys)? {
            parts.push(file::copy(name, whole, &folder.join(name))?);
        }
    }
    let made = clock.now();
    let mut source = dialect::connect_reading(settings).await?;
    open::check_same_version(&mut source).await?;
    open::check_keys(&mut source, keys).await?;
    let target = alone(folder);
    let mut conn = dialect::connect(&target, true).await?;
    conn.write_straight().await?;
    let copied = copy::all(&mut source, &mut conn, keys, &mut tell).await;
    source.roll_back().await;
    source.close().await?;
    let (copied, head) = copied?;
    conn.commit().await?;
    conn.close().await?;
    let path = &target.database;
    std::fs::File::open(path).and_then(|file| file.sync_all()).map_err(of(path))?;
    let report = verify(&target, keys, Duration::ZERO).await?;
    if !report.is_good() {
        return Err(BackupError::Faults(Box::new(report)));
    }
    parts.push(file::read(DATABASE, path)?);
    let manifest = Manifest {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        schema: SCHEMA_VERSION,
        origin: keys.origin().to_owned(),
        made,
        number: head.size,
        root: head.root,
        epoch: head.epoch,
        changed: head.time,
        checkpoint: keys.sign(head.size, head.root),
        rows: copied.rows.iter().map(|(table, count)| ((*table).to_owned(), *count)).collect(),
        parts,
    };
    // With its name it becomes a backup.
    let (beside, path) = (folder.join(UNFINISHED), folder.join(NAME));
    file::write(&beside, manifest.write(keys)?.as_bytes())?;
    std::fs::rename(&beside, &path).map_err(of(&path))?;
    file::sync_folder(folder)?;
    Ok(manifest)
}

/// The database of a backup, as the settings of a store.
fn alone(folder: &Path) -> Settings {
    Settings { database: folder.join(DATABASE), ..Settings::in_folder(folder) }
}

//! A backup made ready beside the place where it is to be: every part checked, the database verified, the store started once.

use super::super::copy;
use super::super::dialect;
use super::super::handle::Store;
use super::super::head;
use super::super::open;
use super::super::settings::{OnFailure, Settings};
use super::super::verify::verify;
use super::error::{BackupError, of};
use super::file;
use super::manifest::{DATABASE, DRAINING, KEYS, Manifest, Part, SPOOL};
use crate::core::event::Event;
use crate::core::restored::Restored;
use crate::io::clock::Clock;
use crate::io::seal::{KeyRing, Phrase};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Longest part with keys that is read, in bytes.
const KEYS_BYTES_MAX: u64 = 1 << 20;

/// A backup whose manifest was checked.
pub(super) struct Opened {
    folder: PathBuf,
    pub(super) manifest: Manifest,
}

/// Reads the keys and the manifest of a backup.
///
/// # Errors
/// [`BackupError`]: no backup, another pass phrase, a manifest or keys that were changed.
pub(super) fn open(
    folder: &Path,
    phrase: &Phrase,
    clock: &Clock,
) -> Result<(Opened, KeyRing), BackupError> {
    let text = Manifest::text_in(folder)?;
    let path = folder.join(KEYS);
    if std::fs::metadata(&path).map_err(of(&path))?.len() > KEYS_BYTES_MAX {
        return Err(BackupError::Part(KEYS.to_owned(), "is too long"));
    }
    let wrapped = std::fs::read(&path).map_err(of(&path))?;
    let keys = KeyRing::unwrap(&wrapped, phrase, clock)?;
    let manifest = Manifest::read(&text, &keys, dialect::SCHEMA_VERSION)?;
    let found = file::part(KEYS, &wrapped);
    same(manifest.part(KEYS), &found)?;
    Ok((Opened { folder: folder.to_owned(), manifest }, keys))
}

fn same(told: Option<&Part>, found: &Part) -> Result<(), BackupError> {
    match told {
        Some(told) if told == found => Ok(()),
        Some(_) => Err(BackupError::Part(found.name.clone(), "was changed")),
        None => Err(BackupError::Part(found.name.clone(), "is not in the manifest")),
    }
}

/// A store that is whole and in use by nobody, in a folder of its own.
pub(super) struct Staged {
    pub(super) settings: Settings,
}

impl Opened {
    /// Copies the parts into `folder`, each checked as it is copied, and verifies the whole.
    ///
    /// # Errors
    /// [`BackupError`] names the part that is not what was written.
    pub(super) async fn stage(&self, folder: &Path, keys: &KeyRing) -> Result<Staged, BackupError> {
        let settings = Settings {
            snapshot_changes: 0,
            on_failure: OnFailure::Stay,
            ..Settings::in_folder(folder)
        };
        let draining = settings.spool.with_extension("draining");
        for (name, to) in
            [(DATABASE, &settings.database), (SPOOL, &settings.spool), (DRAINING, &draining)]
        {
            let path = self.folder.join(name);
            let told = self.manifest.part(name);
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    if told.is_none() && name != DATABASE {
                        continue;
                    }
                    return Err(BackupError::Part(name.to_owned(), "is missing"));
                }
                Err(error) => return Err(BackupError::File(path, error)),
            };
            same(told, &file::copy(name, (file, u64::MAX), to)?)?;
        }
        // What was made by an earlier program is brought forward here, where nothing depends on it yet.
        let mut conn = dialect::connect(&settings, false).await?;
        open::make_ready(&mut conn, keys).await?;
        conn.close().await?;
        let report = verify(&settings, keys, Duration::ZERO).await?;
        if !report.is_good() {
            return Err(BackupError::Faults(Box::new(report)));
        }
        let mut conn = dialect::connect_reading(&settings).await?;
        let head = head::read(&mut conn, keys).await?;
        let counts = copy::counts(&mut conn).await?;
        conn.close().await?;
        let told = &self.manifest;
        let counted = |(table, count): &(&str, u64)| told.rows.get(*table) == Some(count);
        if (head.size, head.root, head.epoch) != (told.number, told.root, told.epoch)
            || report.events != told.number
            || !counts.iter().all(counted)
        {
            return Err(BackupError::NotTheSame);
        }
        Ok(Staged { settings })
    }
}

impl Staged {
    /// Starts the store as the service does, which moves what waited in the spool into the journal; `use_it` is given the
    /// store before it is closed in order.
    ///
    /// # Errors
    /// [`BackupError`]: what does not start here would not start in its place.
    pub(super) async fn start<T>(
        &self,
        keys: &Arc<KeyRing>,
        clock: &Clock,
        use_it: impl AsyncFnOnce(&Store) -> Result<T, BackupError>,
    ) -> Result<T, BackupError> {
        let store = Store::open(self.settings.clone(), Arc::clone(keys), clock.clone()).await?;
        let used = use_it(&store).await;
        let waits = store.spooled_bytes() > 0;
        store.close().await?;
        if waits {
            return Err(BackupError::Spool);
        }
        used
    }

    /// [`Self::start`], recording that the store was put back.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(super) async fn record(
        &self,
        keys: &Arc<KeyRing>,
        clock: &Clock,
        restored: Restored,
    ) -> Result<(), BackupError> {
        let event = Event::Restored { restored: Box::new(restored) };
        self.start(keys, clock, async |store| Ok(store.record(event).await.map(drop)?)).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::make::backup;
    use super::*;
    use crate::io::store::tests::{Home, fill, put_aside};

    #[tokio::test]
    async fn a_flipped_bit_anywhere_in_a_backup_is_found() {
        let is_long = std::env::var_os("BULWARK_LONG").is_some();
        let home = Home::new(330);
        let store = home.open().await;
        fill(&store).await;
        put_aside(&store, "waits", None);
        let folder = tempfile::tempdir().unwrap();
        let phrase = Phrase::new(b"nonsense for tests only").unwrap();
        let (settings, clock) = (home.settings(), Clock::system());
        let place = (folder.path(), &phrase);
        backup(&settings, &home.keys, &clock, place, |_| {}).await.unwrap();
        let (opened, keys) = open(folder.path(), &phrase, &clock).unwrap();
        let (mut flips, mut names) = (0, Vec::new());
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let whole = std::fs::read(&path).unwrap();
            // The key of the pass phrase takes a while; of a part only what it is made of has to be read again.
            let is_slow = name == KEYS || name == super::super::manifest::NAME;
            let every = match (is_slow, is_long) {
                (true, false) => whole.len() / 12,
                (true, true) => whole.len() / 200,
                (false, false) => whole.len() / 40,
                (false, true) => whole.len() / 4_000,
            };
            for at in (0..whole.len()).step_by(every.max(1)).chain([whole.len() - 1]) {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << (at % 8);
                std::fs::write(&path, &bytes).unwrap();
                let into = tempfile::tempdir().unwrap();
                let read = if is_slow {
                    open(folder.path(), &phrase, &clock).map(drop)
                } else {
                    opened.stage(into.path(), &keys).await.map(drop)
                };
                assert!(read.is_err(), "{name} {at}");
                flips += 1;
            }
            std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
            assert!(
                open(folder.path(), &phrase, &clock).is_err() || {
                    let into = tempfile::tempdir().unwrap();
                    opened.stage(into.path(), &keys).await.is_err()
                }
            );
            std::fs::write(&path, &whole).unwrap();
            names.push(name);
        }
        names.sort_unstable();
        assert_eq!(names, ["keys", "manifest", "spool", "store.db"]);
        println!("{flips} flips found");
        let into = tempfile::tempdir().unwrap();
        opened.stage(into.path(), &keys).await.unwrap();
    }
}

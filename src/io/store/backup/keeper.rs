//! Backups that a running service makes: one at a time, each in a new folder under the one that is set.

use super::super::copy::Progress;
use super::super::handle::Store;
use super::error::{BackupError, of};
use super::file;
use super::make::backup;
use super::manifest::Manifest;
use crate::io::seal::{Phrase, PhraseError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot, watch};

/// Why a service does not begin a backup.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    /// It was not set where backups go.
    #[error("it is not set where backups go")]
    NotSet,
    /// One is being made.
    #[error("another backup is being made")]
    Running,
    /// The pass phrase cannot be used.
    #[error(transparent)]
    Phrase(#[from] PhraseError),
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] BackupError),
    /// The system gives no thread.
    #[error("no thread can be started: {0}")]
    Thread(#[from] std::io::Error),
}

struct Place {
    folder: PathBuf,
    passphrase_file: PathBuf,
}

/// Where a service puts its backups, and whose turn it is.
#[derive(Clone)]
pub struct Keeper {
    place: Option<Arc<Place>>,
    turn: Arc<Semaphore>,
}

/// A backup that was made.
#[derive(Debug)]
pub struct Made {
    /// Name of its folder under the one that is set.
    pub folder: String,
    /// What it holds.
    pub manifest: Manifest,
    /// How long it took.
    pub took: Duration,
}

/// A backup that is being made; whoever lets go of this breaks it off, and nothing of it is left.
pub struct Running {
    /// How far it is.
    pub progress: watch::Receiver<Progress>,
    /// What becomes of it.
    pub done: oneshot::Receiver<Result<Made, BackupError>>,
    _wanted: oneshot::Sender<()>,
}

impl Keeper {
    /// A keeper for a folder, which is made where it is not there, and a file with the pass phrase; none where neither is
    /// set. What cannot be used is told now, and not when a backup is needed.
    ///
    /// # Errors
    /// [`NotBegun`].
    pub fn open(folder: Option<&Path>, passphrase_file: Option<&Path>) -> Result<Self, NotBegun> {
        let place = match (folder, passphrase_file) {
            (Some(folder), Some(passphrase_file)) => {
                Phrase::read(passphrase_file)?;
                file::folder(folder)?;
                std::fs::read_dir(folder).map_err(of(folder))?;
                let (folder, passphrase_file) = (folder.to_owned(), passphrase_file.to_owned());
                Some(Arc::new(Place { folder, passphrase_file }))
            }
            _ => None,
        };
        Ok(Self { place, turn: Arc::new(Semaphore::new(1)) })
    }

    /// Begins a backup of a store, on a thread of its own: digests and copies hold up nobody.
    ///
    /// # Errors
    /// [`NotBegun`].
    pub fn begin(&self, store: &Store) -> Result<Running, NotBegun> {
        let place = Arc::clone(self.place.as_ref().ok_or(NotBegun::NotSet)?);
        let turn = Arc::clone(&self.turn).try_acquire_owned().map_err(|_| NotBegun::Running)?;
        let phrase = Phrase::read(&place.passphrase_file)?;
        let (settings, keys) = (store.0.settings.clone(), Arc::clone(store.keys()));
        let clock = store.clock().clone();
        let (tell, progress) = watch::channel(Progress { rows: 0, of: 0 });
        let (finish, done) = oneshot::channel();
        let (wanted, unwanted) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let making = move || {
            let began = Instant::now();
            // Names that rise with time, and are never given twice.
            let name = clock.fresh_id();
            let folder = place.folder.join(&name);
            let made = runtime.block_on(async {
                let tell = |progress| {
                    tell.send_replace(progress);
                };
                tokio::select! {
                    made = backup(&settings, &keys, &clock, (&folder, &phrase), tell) => Some(made),
                    _ = unwanted => None,
                }
            });
            if !matches!(made, Some(Ok(_))) {
                // It is empty by now.
                let _ = std::fs::remove_dir(&folder);
            }
            drop(turn);
            let made = made.map(|made| {
                made.map(|manifest| Made { folder: name, manifest, took: began.elapsed() })
            });
            if let Some(made) = made {
                // Whoever asked may have gone by now: then it is a backup all the same.
                let _ = finish.send(made);
            }
        };
        std::thread::Builder::new().name("store-backup".to_owned()).spawn(making)?;
        Ok(Running { progress, done, _wanted: wanted })
    }
}

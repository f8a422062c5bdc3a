//! The place where machines put snapshots for each other: what is there, taking one from it, putting one there.
//!
//! A name says of what key ring, journal number and root a snapshot is. What a name says only decides whether it is worth
//! fetching; what is fetched is proved like any other. Names of other key rings, and of other shards, are left alone.

use super::settings::Settings;
use super::snapshot::{self, Title, Unwritten};
use crate::core::journal::merkle::Hash;
use crate::core::time::Time;
use crate::io::objects::{self, Found, Objects, ObjectsError};
use crate::io::seal::{KeyRing, Place};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout_at};

/// Bytes of a mark, root or id that a name says.
const SHORT: usize = 8;
/// Digits of a number: all that a number has, so that names sort by it.
const DIGITS: usize = 20;
/// How many are kept: whoever fetches one while the next is put there can go on.
const KEPT: usize = 2;
/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;
/// Bytes after which it is looked whether the disk has room.
const LOOK_BYTES: u64 = 16 << 20;

/// Why a snapshot is not fetched.
#[derive(Debug, thiserror::Error)]
pub enum Unfetched {
    /// The place refuses, or gives something else.
    #[error("{0}")]
    Objects(#[from] ObjectsError),
    /// This machine has no room.
    #[error("{0}")]
    Unwritten(#[from] Unwritten),
}

impl From<std::io::Error> for Unfetched {
    fn from(error: std::io::Error) -> Self {
        Self::Unwritten(error.into())
    }
}

/// A snapshot on the shelf, by its name.
#[derive(Debug, Clone)]
pub struct Offer {
    object: Found,
    /// Journal number up to which it is in step.
    pub number: u64,
    root: String,
}

impl Offer {
    /// Its name there.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.object.name
    }

    /// When it was put there, by the clock that is there.
    #[must_use]
    pub const fn since(&self) -> Time {
        self.object.written
    }

    /// Whether its name says that it is of a journal that had this root at its number.
    #[must_use]
    pub fn is_of(&self, root: &Hash) -> bool {
        self.root == hex::encode(&root[..SHORT])
    }
}

/// A shelf, as a key ring sees it.
#[derive(Debug, Clone)]
pub struct Shelf {
    place: objects::Place,
    begin: String,
}

impl Shelf {
    /// The shelf that is set, if one is.
    #[must_use]
    pub fn of(settings: &Settings, keys: &KeyRing) -> Option<Self> {
        let place = settings.snapshot_place.clone()?;
        let mark = keys.mark(&Place::of("snapshots that are shared"));
        let shard = settings.shard;
        let mut begin = format!("snapshot-{}-", hex::encode(&mark[..SHORT]));
        if !shard.is_whole() {
            begin.push_str(&format!("{}of{}-", shard.number(), shard.count()));
        }
        Some(Self { place, begin })
    }

    fn name(&self, title: &Title) -> String {
        let (root, id) = (hex::encode(&title.root[..SHORT]), hex::encode(&title.id[..SHORT]));
        format!("{}{:0DIGITS$}-{root}-{id}", self.begin, title.number)
    }

    fn offer(&self, object: Found) -> Option<Offer> {
        let rest = object.name.strip_prefix(&self.begin)?;
        let mut parts = rest.split('-');
        let (Some(number), Some(root), Some(id), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let is_short = |text: &str| {
            text.len() == 2 * SHORT
                && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_number = number.len() == DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || !is_short(root) || !is_short(id) {
            return None;
        }
        let (number, root) = (number.parse().ok()?, root.to_owned());
        Some(Offer { object, number, root })
    }

    /// What is there of this key ring, the newest first.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn look(&self) -> Result<Vec<Offer>, ObjectsError> {
        let found = Objects::open(&self.place)?.list().await?;
        let mut offers: Vec<_> =
            found.into_iter().filter_map(|object| self.offer(object)).collect();
        offers.sort_by(|one, other| other.object.name.cmp(&one.object.name));
        Ok(offers)
    }

    /// The same, for as long as there is time.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn look_until(&self, until: Instant) -> Result<Vec<Offer>, ObjectsError> {
        timeout_at(until, self.look()).await.unwrap_or(Err(ObjectsError::Slow))
    }

    /// Fetches one, for as long as there is time, into a file beside the snapshot's own place; gives where it is. What is
    /// not whole is removed.
    ///
    /// # Errors
    /// [`Unfetched`].
    pub async fn fetch_until(
        &self,
        until: Instant,
        offer: &Offer,
        path: &Path,
    ) -> Result<PathBuf, Unfetched> {
        let fetched = timeout_at(until, self.fetch(offer, path)).await;
        fetched.unwrap_or_else(|_| Err(ObjectsError::Slow.into()))
    }

    async fn fetch(&self, offer: &Offer, path: &Path) -> Result<PathBuf, Unfetched> {
        let beside = Beside(snapshot::beside(path, "fetched"));
        let mut options = std::fs::File::options();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside.0)?;
        let mut body = Objects::open(&self.place)?.read(&offer.object).await?;
        snapshot::has_room(&file)?;
        let looked = file.try_clone()?;
        let mut file = tokio::io::BufWriter::with_capacity(BUFFER_BYTES, File::from_std(file));
        let mut unlooked = 0;
        while let Some(piece) = body.next().await? {
            file.write_all(&piece).await?;
            unlooked += piece.len() as u64;
            if unlooked >= LOOK_BYTES {
                unlooked = 0;
                snapshot::has_room(&looked)?;
            }
        }
        file.flush().await?;
        Ok(beside.keep())
    }

    /// Puts the snapshot of a file there, then removes those that are not needed any more: all but it and the newest other
    /// one that is not known to be wrong. Given up once `stopped`. Gives since when it is there, where that is told.
    ///
    /// # Errors
    /// [`ObjectsError`] where it was not put there; what cannot be removed is tried again the next time.
    pub async fn put(
        &self,
        path: &Path,
        title: &Title,
        is_wrong: impl Fn(&Offer) -> bool,
        stopped: impl Future<Output = ()>,
    ) -> Result<Option<Time>, ObjectsError> {
        let objects = Objects::open(&self.place)?;
        let file = std::fs::File::open(path)?;
        let bytes = file.metadata()?.len();
        let name = self.name(title);
        objects.write(&name, bytes, File::from_std(file), stopped).await?;
        let (own, others): (Vec<_>, Vec<_>) = self
            .look()
            .await
            .unwrap_or_default()
            .into_iter()
            .partition(|offer| offer.name() == name);
        let mut kept = 1;
        for offer in others {
            if kept < KEPT && !is_wrong(&offer) {
                kept += 1;
            } else if let Err(error) = objects.remove(offer.name()).await {
                tracing::warn!(%error, "an old shared snapshot was not removed");
            }
        }
        Ok(own.first().map(Offer::since))
    }
}

/// A file that is removed unless it is kept.
struct Beside(PathBuf);

impl Beside {
    fn keep(mut self) -> PathBuf {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

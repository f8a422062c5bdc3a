//! The spool: a sealed file in which verdicts wait while the database is away.
//!
//! A record is its length in four bytes (big-endian) and a sealed verdict that belongs to its offset. A record is
//! acknowledged once it is on disk. To be drained, the whole file is moved aside, so that nobody who puts a verdict in
//! waits for the database; it goes once everything in it is kept. What cannot be read is set aside, never dropped.

use super::error::StoreError;
use super::journal::payload;
use super::requests::Key;
use crate::core::event::Event;
use crate::io::seal::{KeyRing, Place};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The request that a verdict answers.
#[derive(Clone, Serialize, Deserialize)]
pub struct Asked {
    /// What its answer is found by.
    pub key: Key,
    /// SHA-256 of its content.
    #[serde(with = "hex::serde")]
    pub digest: [u8; 32],
}

/// A verdict that waits to be kept.
#[derive(Clone)]
pub struct Waiting {
    /// What is to be recorded; its own name says whether it was recorded already.
    pub event: Event,
    /// The request it answers, where that had a key.
    pub asked: Option<Asked>,
    /// What that was answered.
    pub answer: Vec<u8>,
}

impl Waiting {
    /// Two lengths of four bytes, then event, request and answer.
    fn write(&self) -> Option<Vec<u8>> {
        let (event, asked) = (payload(&self.event), serde_json::to_vec(&self.asked).ok()?);
        let lengths = [u32::try_from(event.len()).ok()?, u32::try_from(asked.len()).ok()?];
        let lengths = lengths.map(u32::to_be_bytes).concat();
        Some([lengths, event, asked, self.answer.clone()].concat())
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (event, rest) = bytes.split_first_chunk::<4>()?;
        let (asked, rest) = rest.split_first_chunk::<4>()?;
        let (event, rest) = rest.split_at_checked(u32::from_be_bytes(*event) as usize)?;
        let (asked, answer) = rest.split_at_checked(u32::from_be_bytes(*asked) as usize)?;
        Some(Self {
            event: serde_json::from_slice(event).ok()?,
            asked: serde_json::from_slice(asked).ok()?,
            answer: answer.to_vec(),
        })
    }
}

/// The file, open or not yet made, and the one that is being drained.
pub struct Spool {
    path: PathBuf,
    bytes_max: u64,
    bytes: u64,
    draining: PathBuf,
    draining_bytes: u64,
    /// A write failed: what is on disk is unknown until the file is moved aside.
    broken: bool,
}

/// What a file of the spool holds.
#[derive(Default)]
pub struct Content {
    /// Verdicts in the order in which they were put in.
    pub waiting: Vec<Waiting>,
    /// Bytes up to the end of the last record that opens.
    whole_bytes: u64,
    /// Whether the file did not read whole and has to be set aside: a record does not open, or the last one is cut
    /// short, as by a write that was never acknowledged.
    pub damaged: bool,
}

fn place(offset: u64) -> Place {
    Place::of("spool").number(offset)
}

fn length(path: &Path) -> Result<u64, StoreError> {
    match std::fs::metadata(path) {
        Ok(file) => Ok(file.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error.into()),
    }
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn read(path: &Path, keys: &KeyRing) -> Result<Content, StoreError> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error.into()),
    };
    let mut content = Content::default();
    let mut at = 0;
    while at < bytes.len() {
        let record = bytes[at..].split_first_chunk::<4>().and_then(|(length, rest)| {
            let length = u32::from_be_bytes(*length) as usize;
            rest.get(..length)
        });
        let Some(sealed) = record else {
            content.damaged = true;
            break;
        };
        let opened = keys.open(&place(at as u64), sealed).ok();
        at += 4 + sealed.len();
        match opened.and_then(|bytes| Waiting::read(&bytes)) {
            Some(waiting) => {
                content.waiting.push(waiting);
                content.whole_bytes = at as u64;
            }
            None => content.damaged = true,
        }
    }
    Ok(content)
}

/// Cuts off what stands behind the last record that opens, as a write leaves it that a crash broke off, so that the next
/// record follows on a whole one. What is cut off is kept in a file beside it.
fn cut(path: &Path, whole_bytes: u64, name: &str) -> Result<(), StoreError> {
    let bytes = std::fs::read(path)?;
    let torn = usize::try_from(whole_bytes).ok().and_then(|whole| bytes.get(whole..));
    let torn = torn.unwrap_or_default();
    if torn.is_empty() {
        return Ok(());
    }
    let aside = path.with_extension(format!("torn-{name}"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    file.write_all(torn)?;
    file.sync_all()?;
    sync_folder(path)?;
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(whole_bytes)?;
    file.sync_all()?;
    tracing::error!(
        bytes = torn.len(),
        "the end of the spool was torn: it was cut off and set aside"
    );
    Ok(())
}

impl Spool {
    /// The spool in a file, which need not exist, and the verdicts that wait in it. A torn end is cut off, and kept in a
    /// file whose name ends in `name`.
    ///
    /// # Errors
    /// [`StoreError::File`] where the file cannot be read or cut.
    pub fn open(
        path: &Path,
        bytes_max: u64,
        keys: &KeyRing,
        name: &str,
    ) -> Result<(Self, Vec<Waiting>), StoreError> {
        let draining = path.with_extension("draining");
        let mut waiting = read(&draining, keys)?.waiting;
        let content = read(path, keys)?;
        if length(path)? > content.whole_bytes {
            cut(path, content.whole_bytes, name)?;
        }
        waiting.extend(content.waiting);
        let (bytes, draining_bytes) = (length(path)?, length(&draining)?);
        let path = path.to_owned();
        Ok((Self { path, bytes_max, bytes, draining, draining_bytes, broken: false }, waiting))
    }

    /// Bytes that wait.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes + self.draining_bytes
    }

    /// Puts a verdict in; it is on disk when this answers.
    ///
    /// # Errors
    /// [`StoreError::SpoolFull`] where there is no room, [`StoreError::File`] where it cannot be written.
    pub fn put(&mut self, keys: &KeyRing, waiting: &Waiting) -> Result<(), StoreError> {
        let bytes = waiting.write().ok_or(StoreError::Broken)?;
        let sealed = keys.seal(&place(self.bytes), &bytes);
        let length = u32::try_from(sealed.len()).map_err(|_| StoreError::SpoolFull)?;
        let more = 4 + u64::from(length);
        if self.broken || self.bytes() + more > self.bytes_max {
            return Err(StoreError::SpoolFull);
        }
        let record = [&length.to_be_bytes()[..], &sealed].concat();
        let written = self.write(&record);
        if let Err(error) = written {
            // What a failed write or sync left behind is unknown: nothing may be put behind it.
            self.broken = true;
            return Err(error.into());
        }
        self.bytes += more;
        Ok(())
    }

    fn write(&self, record: &[u8]) -> std::io::Result<()> {
        let fresh = !self.path.exists();
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        file.write_all(record)?;
        file.sync_data()?;
        if fresh { sync_folder(&self.path) } else { Ok(()) }
    }

    /// Moves the file aside to be drained, unless an earlier one still has to be; gives what is to be drained.
    ///
    /// # Errors
    /// [`StoreError::File`] where the file cannot be moved.
    pub fn take(&mut self) -> Result<Option<Taken>, StoreError> {
        if self.draining_bytes == 0 {
            // After a write that failed, more may be there than was acknowledged.
            let bytes = if self.broken { length(&self.path)? } else { self.bytes };
            if bytes == 0 {
                self.broken = false;
                return Ok(None);
            }
            std::fs::rename(&self.path, &self.draining)?;
            (self.bytes, self.draining_bytes, self.broken) = (0, bytes, false);
            sync_folder(&self.path)?;
        }
        Ok(Some(Taken(self.draining.clone())))
    }

    /// Ends the draining after everything that was taken is kept; a file that did not read whole is set aside under `name`.
    ///
    /// # Errors
    /// [`StoreError::File`] where the file cannot be changed.
    pub fn done(&mut self, set_aside: Option<&str>) -> Result<(), StoreError> {
        match set_aside {
            Some(name) => std::fs::rename(&self.draining, self.path.with_extension(name))?,
            None => std::fs::remove_file(&self.draining)?,
        }
        self.draining_bytes = 0;
        Ok(sync_folder(&self.path)?)
    }
}

/// A file that was moved aside to be drained: nothing is put into it any more.
pub struct Taken(PathBuf);

impl Taken {
    /// Reads what waits in it.
    ///
    /// # Errors
    /// [`StoreError::File`] where the file cannot be read.
    pub fn read(&self, keys: &KeyRing) -> Result<Content, StoreError> {
        read(&self.0, keys)
    }
}

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
use std::io::{BufReader, Read as _, Seek as _, SeekFrom, Write as _};
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

/// The records of a file, read one after the other: a long file takes no more memory than a short one.
pub struct Records {
    file: Option<BufReader<File>>,
    at: u64,
    left: u64,
    whole_bytes: u64,
    damaged: bool,
}

impl Records {
    fn of(path: &Path) -> Result<Self, StoreError> {
        let left = length(path)?;
        let file = if left == 0 { None } else { Some(BufReader::new(File::open(path)?)) };
        Ok(Self { file, at: 0, left, whole_bytes: 0, damaged: false })
    }

    /// The next verdict that can be read.
    ///
    /// # Errors
    /// [`StoreError::File`] where the file cannot be read.
    pub fn next(&mut self, keys: &KeyRing) -> Result<Option<Waiting>, StoreError> {
        let Some(file) = &mut self.file else { return Ok(None) };
        while self.left > 0 {
            let mut length = [0; 4];
            let room = self.left.checked_sub(4);
            if room.is_some() {
                file.read_exact(&mut length)?;
            }
            let bytes = u64::from(u32::from_be_bytes(length));
            let Some(left) = room.and_then(|room| room.checked_sub(bytes)) else {
                (self.left, self.damaged) = (0, true);
                break;
            };
            let mut sealed = vec![0; u32::from_be_bytes(length) as usize];
            file.read_exact(&mut sealed)?;
            let opened = keys.open(&place(self.at), &sealed).ok();
            self.at += 4 + bytes;
            self.left = left;
            match opened.and_then(|bytes| Waiting::read(&bytes)) {
                Some(waiting) => {
                    self.whole_bytes = self.at;
                    return Ok(Some(waiting));
                }
                None => self.damaged = true,
            }
        }
        Ok(None)
    }

    /// Whether something was met that did not read whole: a record that does not open, or a last one that is cut short,
    /// as by a write that was never acknowledged.
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        self.damaged
    }
}

/// The file, open at its beginning, and how long it is up to the last record that is whole, while others may put more in
/// or move it aside; none where nothing waits in it.
///
/// # Errors
/// [`StoreError::File`] where the file cannot be read.
pub fn whole(path: &Path, keys: &KeyRing) -> Result<Option<(File, u64)>, StoreError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let left = file.metadata()?.len();
    let file = Some(BufReader::new(file));
    let mut records = Records { file, at: 0, left, whole_bytes: 0, damaged: false };
    while records.next(keys)?.is_some() {}
    let (Some(file), bytes) = (records.file, records.whole_bytes) else { return Ok(None) };
    let mut file = file.into_inner();
    file.rewind()?;
    Ok((bytes > 0).then_some((file, bytes)))
}

/// Cuts off what stands behind the last record that opens, as a write leaves it that a crash broke off, so that the next
/// record follows on a whole one. What is cut off is kept in a file beside it.
fn cut(path: &Path, whole_bytes: u64, name: &str) -> std::io::Result<()> {
    let mut torn = File::open(path)?;
    torn.seek(SeekFrom::Start(whole_bytes))?;
    let beside = path.with_extension(format!("torn-{name}"));
    let mut aside = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let bytes = std::io::copy(&mut torn, &mut aside)?;
    aside.sync_all()?;
    sync_folder(path)?;
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(whole_bytes)?;
    file.sync_all()?;
    tracing::error!(bytes, "the end of the spool was torn: it was cut off and set aside");
    Ok(())
}

impl Spool {
    /// The spool in a file, which need not exist; `met` is given every verdict that waits in it. A torn end is cut off,
    /// and kept in a file whose name ends in `name`.
    ///
    /// # Errors
    /// [`StoreError::File`] where the file cannot be read.
    pub fn open(
        path: &Path,
        bytes_max: u64,
        keys: &KeyRing,
        name: &str,
        mut met: impl FnMut(Waiting),
    ) -> Result<Self, StoreError> {
        let draining = path.with_extension("draining");
        let mut earlier = Records::of(&draining)?;
        while let Some(waiting) = earlier.next(keys)? {
            met(waiting);
        }
        let mut records = Records::of(path)?;
        while let Some(waiting) = records.next(keys)? {
            met(waiting);
        }
        let mut broken = false;
        if length(path)? > records.whole_bytes && cut(path, records.whole_bytes, name).is_err() {
            // Nothing may be put behind the torn end: it goes aside when the rest is drained.
            tracing::error!("the end of the spool is torn and could not be cut off");
            broken = true;
        }
        let (bytes, draining_bytes) = (length(path)?, length(&draining)?);
        Ok(Self { path: path.to_owned(), bytes_max, bytes, draining, draining_bytes, broken })
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
    /// Reads what waits in it, from the beginning.
    ///
    /// # Errors
    /// [`StoreError::File`] where the file cannot be read.
    pub fn records(&self) -> Result<Records, StoreError> {
        Records::of(&self.0)
    }
}

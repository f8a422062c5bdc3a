//! The spool: a sealed file in which verdicts wait while the database is away.
//!
//! A record is its length in four bytes (big-endian) and a sealed event that belongs to its offset. A record is
//! acknowledged once it is on disk. What cannot be read when the spool is drained is set aside, never dropped.

use super::error::StoreError;
use crate::core::event::Event;
use crate::io::seal::{KeyRing, Place};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file, open or not yet made.
pub struct Spool {
    path: PathBuf,
    bytes_max: u64,
    bytes: u64,
    /// A write failed: what is on disk is unknown until the spool is drained.
    broken: bool,
}

/// What a spool holds.
pub struct Content {
    /// Events in the order in which they were put in.
    pub events: Vec<Event>,
    /// Whether a record was cut short: a write that was never acknowledged.
    pub torn: bool,
    /// Whether a record does not open: the file has to be set aside.
    pub damaged: bool,
}

fn place(offset: u64) -> Place {
    Place::of("spool").number(offset)
}

impl Spool {
    /// The spool in a file, which need not exist.
    #[must_use]
    pub fn at(path: &Path, bytes_max: u64) -> Self {
        let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
        Self { path: path.to_owned(), bytes_max, bytes, broken: false }
    }

    /// Bytes that wait.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts an event in; it is on disk when this answers.
    ///
    /// # Errors
    /// [`StoreError::SpoolFull`] where there is no room, [`StoreError::File`] where it cannot be written.
    pub fn put(&mut self, keys: &KeyRing, event: &Event) -> Result<(), StoreError> {
        let sealed = keys.seal(&place(self.bytes), &KeyRing::payload(event));
        let length = u32::try_from(sealed.len()).map_err(|_| StoreError::SpoolFull)?;
        let after = self.bytes + 4 + u64::from(length);
        if self.broken || after > self.bytes_max {
            return Err(StoreError::SpoolFull);
        }
        let record = [&length.to_be_bytes()[..], &sealed].concat();
        let written = self.write(&record);
        if let Err(error) = written {
            // What a failed write or sync left behind is unknown: nothing may be put behind it.
            self.broken = true;
            return Err(error.into());
        }
        self.bytes = after;
        Ok(())
    }

    fn write(&self, record: &[u8]) -> std::io::Result<()> {
        let fresh = !self.path.exists();
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        file.write_all(record)?;
        file.sync_data()?;
        if fresh && let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Reads everything that waits.
    ///
    /// # Errors
    /// [`StoreError::File`] where the file cannot be read.
    pub fn read(&self, keys: &KeyRing) -> Result<Content, StoreError> {
        let mut bytes = Vec::new();
        match File::open(&self.path) {
            Ok(mut file) => file.read_to_end(&mut bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error.into()),
        };
        let mut content = Content { events: Vec::new(), torn: false, damaged: false };
        let mut at = 0;
        while at < bytes.len() {
            let Some((length, rest)) = bytes[at..].split_first_chunk::<4>() else {
                content.torn = true;
                break;
            };
            let length = u32::from_be_bytes(*length) as usize;
            let Some(sealed) = rest.get(..length) else {
                content.torn = true;
                break;
            };
            let opened = keys.open(&place(at as u64), sealed).ok();
            match opened.and_then(|payload| serde_json::from_slice(&payload).ok()) {
                Some(event) => content.events.push(event),
                None => content.damaged = true,
            }
            at += 4 + length;
        }
        Ok(content)
    }

    /// Empties the spool after everything in it was kept; a file that did not read whole is set aside under `name`.
    ///
    /// # Errors
    /// [`StoreError::File`] where the file cannot be changed.
    pub fn clear(&mut self, set_aside: Option<&str>) -> Result<(), StoreError> {
        if self.path.exists() {
            match set_aside {
                Some(name) => {
                    std::fs::rename(&self.path, self.path.with_extension(name))?;
                }
                None => std::fs::remove_file(&self.path)?,
            }
            if let Some(folder) = self.path.parent() {
                File::open(folder)?.sync_all()?;
            }
        }
        self.bytes = 0;
        self.broken = false;
        Ok(())
    }
}

//! The file of a snapshot: the memory of the process as it was at one number of the journal, sealed.
//!
//! In clear stand magic, version, id, journal number, root of the journal's tree at that number, and number of entries;
//! then sealed chunks, each behind its length in four bytes. A chunk belongs to the whole of what stands in clear, to its
//! number, and to whether it is the last: what is cut, swapped, repeated or mixed does not open. The file is written
//! beside its place, synced and renamed: in its place it is whole. It holds nothing that is not kept elsewhere.

use crate::core::encoding::{Decoder, Encoder, Malformed, Sink, Source, Stopped};
use crate::core::journal::merkle::Hash;
use crate::core::resident::Resident;
use crate::io::seal::{KeyRing, Place};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

const MAGIC: &[u8; 16] = b"bulwark snapshot";
/// Version of everything behind the magic, down to the last byte.
const VERSION: u32 = 6;
const HEAD_BYTES: usize = 16 + 4 + 16 + 8 + 32 + 8;
/// Bytes of text in one chunk.
const CHUNK_BYTES: usize = 1 << 20;
/// Most bytes of a sealed chunk.
const SEALED_BYTES_MAX: usize = CHUNK_BYTES + (64 << 10);
/// Chunks that are read ahead.
const AHEAD: usize = 4;
/// Bytes after which what was written goes to the disk, so that nobody else's sync has to wait for much of it.
const SYNC_BYTES: usize = 16 << 20;
/// Bytes of the disk that are left to the database.
const ROOM_BYTES_MIN: u64 = 64 << 20;
/// How the name of an unfinished file goes on behind that of the finished one.
const UNFINISHED: &str = "unfinished-";

/// Why a snapshot is not used.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    File(#[from] std::io::Error),
    /// It is not what was written, or not of this store at present.
    #[error("{0}")]
    Wrong(&'static str),
}

impl From<Malformed> for Refused {
    fn from(Malformed(what): Malformed) -> Self {
        Self::Wrong(what)
    }
}

/// Why a snapshot was not written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    /// It was told to stop.
    #[error("writing was stopped")]
    Stopped,
    /// The database would have no room left.
    #[error("the disk is nearly full")]
    NoRoom,
    /// The disk refused.
    #[error("the file cannot be written: {0}")]
    File(#[from] std::io::Error),
}

/// What a snapshot is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Title {
    /// Its own name.
    pub id: [u8; 16],
    /// Journal number up to which it is in step.
    pub number: u64,
    /// Root of the journal's tree at that number.
    pub root: Hash,
    /// Number of entries.
    pub entries: u64,
}

impl Title {
    fn write(&self) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        head.extend(VERSION.to_le_bytes());
        head.extend(self.id);
        head.extend(self.number.to_le_bytes());
        head.extend(self.root);
        head.extend(self.entries.to_le_bytes());
        head
    }

    fn read(head: &[u8; HEAD_BYTES]) -> Result<Self, Refused> {
        fn part<const N: usize>(head: &[u8], at: usize) -> [u8; N] {
            std::array::from_fn(|byte| head[at + byte])
        }
        if head[..16] != MAGIC[..] {
            return Err(Refused::Wrong("it is no snapshot"));
        }
        if u32::from_le_bytes(part(head, 16)) != VERSION {
            return Err(Refused::Wrong("it is of another version"));
        }
        Ok(Self {
            id: part(head, 20),
            number: u64::from_le_bytes(part(head, 36)),
            root: part(head, 44),
            entries: u64::from_le_bytes(part(head, 76)),
        })
    }
}

fn place(head: &[u8], chunk: u64, is_last: bool) -> Place {
    Place::of("snapshot").bytes(head).number(chunk).number(is_last.into())
}

/// Seals what it is given into a file.
struct Sealing<'a> {
    keys: &'a KeyRing,
    file: File,
    head: Vec<u8>,
    text: Vec<u8>,
    chunk: u64,
    unsynced: usize,
    bytes: u64,
    is_stopped: &'a dyn Fn() -> bool,
    failed: Option<Unwritten>,
}

/// Says that the disk has room for more than the database needs.
///
/// # Errors
/// [`Unwritten::NoRoom`].
pub fn has_room(file: &File) -> Result<(), Unwritten> {
    let disk = rustix::fs::fstatvfs(file).map_err(std::io::Error::from)?;
    let room = disk.f_bavail.saturating_mul(disk.f_frsize);
    if room < ROOM_BYTES_MIN { Err(Unwritten::NoRoom) } else { Ok(()) }
}

impl Sealing<'_> {
    /// Seals the first so many bytes that wait.
    fn seal(&mut self, bytes: usize, is_last: bool) -> Result<(), Unwritten> {
        let place = place(&self.head, self.chunk, is_last);
        let sealed = self.keys.seal(&place, &self.text[..bytes]);
        self.text.drain(..bytes);
        self.chunk += 1;
        self.file.write_all(&(sealed.len() as u32).to_le_bytes())?;
        self.file.write_all(&sealed)?;
        self.bytes += 4 + sealed.len() as u64;
        self.unsynced += sealed.len();
        if self.unsynced >= SYNC_BYTES {
            self.unsynced = 0;
            self.file.sync_data()?;
            has_room(&self.file)?;
        }
        Ok(())
    }
}

impl Sink for Sealing<'_> {
    fn put(&mut self, piece: &[u8]) -> Result<(), Stopped> {
        self.text.extend_from_slice(piece);
        while self.text.len() > CHUNK_BYTES {
            if (self.is_stopped)() {
                return Err(Stopped);
            }
            if let Err(error) = self.seal(CHUNK_BYTES, false) {
                self.failed = Some(error);
                return Err(Stopped);
            }
        }
        Ok(())
    }
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Where a snapshot stands until it is finished or proved: the next start removes what is left there.
#[must_use]
pub fn beside(path: &Path, name: &str) -> PathBuf {
    path.with_extension(format!("{UNFINISHED}{name}"))
}

/// Writes a snapshot of `resident` into its place, whatever stood there; gives its size in bytes. Ends early, and leaves
/// everything as it was, once `is_stopped`.
///
/// # Errors
/// [`Unwritten`].
pub fn write(
    path: &Path,
    keys: &KeyRing,
    title: &Title,
    resident: &Resident,
    is_stopped: &dyn Fn() -> bool,
) -> Result<u64, Unwritten> {
    let beside = beside(path, &hex::encode(title.id));
    let file = File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
    let finished = finish(file, keys, title, resident, is_stopped).and_then(|bytes| {
        std::fs::rename(&beside, path)?;
        sync_folder(path)?;
        Ok(bytes)
    });
    if finished.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    finished
}

fn finish(
    mut file: File,
    keys: &KeyRing,
    title: &Title,
    resident: &Resident,
    is_stopped: &dyn Fn() -> bool,
) -> Result<u64, Unwritten> {
    has_room(&file)?;
    let head = title.write();
    file.write_all(&head)?;
    let bytes = head.len() as u64;
    let text = Vec::with_capacity(2 * CHUNK_BYTES);
    let (chunk, unsynced, failed) = (0, 0, None);
    let mut sealing =
        Sealing { keys, file, head, text, chunk, unsynced, bytes, is_stopped, failed };
    let mut encoder = Encoder::new(&mut sealing);
    let encoded = resident.write(&mut encoder).and_then(|()| encoder.finish());
    if let Err(Stopped) = encoded {
        return Err(sealing.failed.unwrap_or(Unwritten::Stopped));
    }
    sealing.seal(sealing.text.len(), true)?;
    sealing.file.sync_all()?;
    Ok(sealing.bytes)
}

/// Files of snapshots that were not finished.
fn unfinished(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_stem()) else {
        return Ok(Vec::new());
    };
    let begin = format!("{}.{UNFINISHED}", name.to_string_lossy());
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with(&begin) {
            found.push(file.path());
        }
    }
    Ok(found)
}

/// Removes what earlier processes left unfinished.
///
/// # Errors
/// Where the directory cannot be changed.
pub fn sweep(path: &Path) -> std::io::Result<()> {
    unfinished(path)?.iter().try_for_each(std::fs::remove_file)
}

/// A snapshot that was opened and not yet read.
#[derive(Debug)]
pub struct Snapshot {
    /// What it says that it is of; true once it was read.
    pub title: Title,
    file: File,
    left: u64,
}

impl Snapshot {
    /// Opens the snapshot in its place, if there is one.
    ///
    /// # Errors
    /// [`Refused`] where there is something else.
    pub fn open(path: &Path) -> Result<Option<Self>, Refused> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let bytes = file.metadata()?.len();
        let left = bytes.checked_sub(HEAD_BYTES as u64);
        let left = left.ok_or(Refused::Wrong("it is cut short"))?;
        let mut head = [0; HEAD_BYTES];
        file.read_exact(&mut head)?;
        Ok(Some(Self { title: Title::read(&head)?, file, left }))
    }

    /// Reads the memory: one thread reads and opens chunks while this one takes their text over.
    ///
    /// # Errors
    /// [`Refused`] where anything is not as it was written.
    pub fn read(self, keys: &KeyRing) -> Result<Resident, Refused> {
        let Self { title, file, left } = self;
        let (filled, pieces) = sync_channel(AHEAD);
        let (emptied, spare) = sync_channel(AHEAD + 2);
        std::thread::scope(|scope| {
            let opening = move || open_chunks(file, left, keys, &title.write(), &filled, &spare);
            std::thread::Builder::new()
                .name("snapshot-opener".to_owned())
                .spawn_scoped(scope, opening)?;
            let (text, at, failed) = (Vec::new(), 0, None);
            let mut opened = Opened { pieces, emptied, text, at, left, failed };
            let mut decoder = Decoder::new(&mut opened);
            let read = Resident::read(&mut decoder).and_then(|resident| {
                decoder.finish()?;
                Ok(resident)
            });
            // What cannot be opened is why nothing more could be read.
            if let Some(refused) = opened.failed {
                return Err(refused);
            }
            let resident = read?;
            if (resident.applied(), resident.entries()) != (title.number, title.entries) {
                return Err(Refused::Wrong("it holds something else than it says"));
            }
            Ok(resident)
        })
    }
}

/// Opens chunk after chunk, into memory that comes back, until all are opened or nobody takes them any more.
fn open_chunks(
    mut file: File,
    mut left: u64,
    keys: &KeyRing,
    head: &[u8],
    filled: &SyncSender<Result<Vec<u8>, Refused>>,
    spare: &Receiver<Vec<u8>>,
) {
    let mut sealed = Vec::with_capacity(SEALED_BYTES_MAX);
    for chunk in 0.. {
        if left == 0 {
            return;
        }
        let mut text = spare.try_recv().unwrap_or_default();
        text.clear();
        let mut open = || {
            let cut = Refused::Wrong("it is cut short or longer than it was");
            let mut length = [0; 4];
            let Some(behind) = left.checked_sub(4) else { return Err(cut) };
            file.read_exact(&mut length)?;
            let length = u32::from_le_bytes(length) as usize;
            let Some(behind) = behind.checked_sub(length as u64) else { return Err(cut) };
            if length > SEALED_BYTES_MAX {
                return Err(cut);
            }
            left = behind;
            sealed.resize(length, 0);
            file.read_exact(&mut sealed)?;
            let opened = keys.open_onto(&place(head, chunk, left == 0), &mut sealed, &mut text);
            opened.map_err(|_| Refused::Wrong("a part of it does not open"))
        };
        let opened = open();
        let is_over = opened.is_err();
        if filled.send(opened.map(|()| text)).is_err() || is_over {
            return;
        }
    }
}

/// The text of the chunks, as they come.
struct Opened {
    pieces: Receiver<Result<Vec<u8>, Refused>>,
    emptied: SyncSender<Vec<u8>>,
    text: Vec<u8>,
    at: usize,
    left: u64,
    failed: Option<Refused>,
}

impl Source for Opened {
    fn next(&mut self, most: usize) -> &[u8] {
        while self.at == self.text.len() {
            match self.pieces.recv() {
                Ok(Ok(text)) => {
                    self.at = 0;
                    let _ = self.emptied.try_send(std::mem::replace(&mut self.text, text));
                }
                Ok(Err(refused)) => {
                    self.failed = Some(refused);
                    return &[];
                }
                Err(_) => return &[],
            }
        }
        let piece = &self.text[self.at..];
        let piece = &piece[..most.min(piece.len())];
        self.at += piece.len();
        self.left = self.left.saturating_sub(piece.len() as u64);
        piece
    }

    fn left_max(&self) -> u64 {
        self.left
    }
}

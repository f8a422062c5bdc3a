//! What is preserved of live streams that were cut: sealed files with a term of their own, and a limit for all of them.
//!
//! A cut has a folder, `live/<session>`, and in it a file for every time something of it was preserved. A file is a row of
//! pieces, each behind its number, its time and its length; a piece is sealed for its session and its number, so that none
//! can be moved to another.

use crate::core::time::Time;
use crate::io::seal::{KeyRing, Place, SealError};
use bytes::Bytes;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Bytes of number, time and length before a sealed piece.
const HEAD_BYTES: usize = 8 + 8 + 4;
/// What ends the name of a file that is being written.
const UNFINISHED: &str = "unfinished";

/// A piece of a stream.
#[derive(Clone)]
pub struct Piece {
    /// Number of its message.
    pub number: u64,
    /// When it came.
    pub at: Time,
    /// What was sent.
    pub bytes: Bytes,
}

impl std::fmt::Debug for Piece {
    /// Prints number and length only: content must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Piece({}, {} bytes)", self.number, self.bytes.len())
    }
}

/// Why something is not preserved.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// All that may be kept is kept.
    #[error("the limit of what is preserved is reached: live.evidence_bytes_max")]
    Full,
    /// The disk refuses.
    #[error("the disk refuses: {0}")]
    File(#[from] std::io::Error),
    /// What was read is not what was written.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The file ends too early.
    #[error("the file is not whole")]
    Cut,
}

/// Where evidence is kept.
#[derive(Clone)]
pub struct Evidence(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    keys: Arc<KeyRing>,
    bytes_max: u64,
    term: Duration,
    bytes: AtomicU64,
}

fn place(session: &str, number: u64) -> Place {
    Place::of("live").text(session).number(number)
}

/// Bytes of all files of a folder of folders.
fn sizes(folder: &Path) -> u64 {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries(folder).flat_map(|inner| entries(&inner.path()));
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

impl Evidence {
    /// Evidence in a folder, which is made with the first piece.
    #[must_use]
    pub fn new(folder: PathBuf, keys: Arc<KeyRing>, bytes_max: u64, term: Duration) -> Self {
        let bytes = AtomicU64::new(sizes(&folder));
        Self(Arc::new(Inner { folder, keys, bytes_max, term, bytes }))
    }

    /// Bytes of everything that is kept.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Writes pieces of a session, sealed; once this returns they are on disk. It waits for the disk: to be called where
    /// that holds up nobody.
    ///
    /// # Errors
    /// [`EvidenceError`]; nothing is left of a file that could not be written whole.
    pub fn preserve(&self, session: &str, pieces: &[Piece]) -> Result<(), EvidenceError> {
        let Some(first) = pieces.first() else { return Ok(()) };
        let mut text = Vec::new();
        for piece in pieces {
            let sealed = self.0.keys.seal(&place(session, piece.number), &piece.bytes);
            text.reserve(HEAD_BYTES + sealed.len());
            text.extend(piece.number.to_be_bytes());
            text.extend(piece.at.millis().to_be_bytes());
            text.extend(u32::try_from(sealed.len()).unwrap_or(u32::MAX).to_be_bytes());
            text.extend(sealed);
        }
        let more = text.len() as u64;
        let before = self.0.bytes.fetch_add(more, Ordering::Relaxed);
        let folder = self.0.folder.join(session);
        let file = folder.join(format!("{:020}", first.number));
        let written = if before.saturating_add(more) > self.0.bytes_max {
            Err(EvidenceError::Full)
        } else {
            write(&self.0.folder, &folder, &file, &text).map_err(EvidenceError::from)
        };
        if written.is_err() {
            self.0.bytes.fetch_sub(more, Ordering::Relaxed);
        }
        written
    }

    /// Everything that is preserved of a session, in order.
    ///
    /// # Errors
    /// [`EvidenceError`] where it cannot be read or was changed.
    pub fn read(&self, session: &str) -> Result<Vec<Piece>, EvidenceError> {
        let mut files = Vec::new();
        for file in std::fs::read_dir(self.0.folder.join(session))? {
            let path = file?.path();
            if path.extension().is_none() {
                files.push(path);
            }
        }
        files.sort();
        let mut pieces = Vec::new();
        for file in files {
            let whole = std::fs::read(file)?;
            let mut rest = whole.as_slice();
            while !rest.is_empty() {
                let (head, body) = rest.split_at_checked(HEAD_BYTES).ok_or(EvidenceError::Cut)?;
                let (number, head) = head.split_first_chunk::<8>().ok_or(EvidenceError::Cut)?;
                let (at, head) = head.split_first_chunk::<8>().ok_or(EvidenceError::Cut)?;
                let length = head.first_chunk::<4>().ok_or(EvidenceError::Cut)?;
                let length = u32::from_be_bytes(*length) as usize;
                let (sealed, next) = body.split_at_checked(length).ok_or(EvidenceError::Cut)?;
                let number = u64::from_be_bytes(*number);
                let bytes = self.0.keys.open(&place(session, number), sealed)?.into();
                let at = Time::from_millis(i64::from_be_bytes(*at));
                pieces.push(Piece { number, at, bytes });
                rest = next;
            }
        }
        Ok(pieces)
    }

    /// Erases what was written before its term; how many folders went. It waits for the disk.
    ///
    /// # Errors
    /// [`EvidenceError::File`].
    pub fn let_go(&self, now: SystemTime) -> Result<u64, EvidenceError> {
        let folders = match std::fs::read_dir(&self.0.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            folders => folders?,
        };
        let mut gone = 0;
        for folder in folders {
            let folder = folder?;
            let written = folder.metadata()?.modified()?;
            if now.duration_since(written).is_ok_and(|age| age > self.0.term) {
                std::fs::remove_dir_all(folder.path())?;
                gone += 1;
            }
        }
        if gone > 0 {
            self.0.bytes.store(sizes(&self.0.folder), Ordering::Relaxed);
        }
        Ok(gone)
    }
}

/// Writes a file that must not be there yet, with the folders around it.
fn write(top: &Path, folder: &Path, path: &Path, text: &[u8]) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Whoever reads finds whole files only.
    let unfinished = path.with_extension(UNFINISHED);
    let whole = || {
        let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished);
        let mut file = open?;
        file.write_all(text)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        File::open(folder)?.sync_all()?;
        File::open(top)?.sync_all()
    };
    whole().inspect_err(|_| drop(std::fs::remove_file(&unfinished)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::clock::Clock;

    fn piece(number: u64, bytes: &'static [u8]) -> Piece {
        Piece { number, at: Time::from_millis(7), bytes: Bytes::from_static(bytes) }
    }

    fn evidence(folder: &Path, bytes_max: u64) -> Evidence {
        let keys = Arc::new(KeyRing::generate(&Clock::system()));
        Evidence::new(folder.join("live"), keys, bytes_max, Duration::from_secs(60))
    }

    #[test]
    fn what_is_preserved_is_read_as_it_was_sent_and_lies_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let evidence = evidence(folder.path(), 1 << 20);
        evidence.preserve("one", &[piece(3, b"harmless three"), piece(5, b"")]).unwrap();
        evidence.preserve("one", &[piece(6, b"harmless six")]).unwrap();
        let read = evidence.read("one").unwrap();
        let read: Vec<_> = read.iter().map(|piece| (piece.number, &piece.bytes[..])).collect();
        assert_eq!(read, [(3, &b"harmless three"[..]), (5, b""), (6, b"harmless six")]);
        let raw = std::fs::read(folder.path().join("live/one/00000000000000000003")).unwrap();
        assert!(!raw.windows(8).any(|part| part == b"harmless"));
        // A piece that was moved to another session does not open there.
        let live = folder.path().join("live");
        std::fs::rename(live.join("one"), live.join("other")).unwrap();
        assert!(matches!(evidence.read("other"), Err(EvidenceError::Seal(_))));
    }

    #[test]
    fn beyond_the_limit_nothing_is_written_and_what_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let evidence = evidence(folder.path(), 200);
        evidence.preserve("one", &[piece(1, &[7; 50])]).unwrap();
        let bytes = evidence.bytes();
        let more = evidence.preserve("two", &[piece(1, &[7; 150])]);
        assert!(matches!(more, Err(EvidenceError::Full)));
        assert_eq!(evidence.bytes(), bytes);
        assert_eq!(evidence.read("one").unwrap().len(), 1);
    }

    #[test]
    fn what_is_past_its_term_is_erased() {
        let folder = tempfile::tempdir().unwrap();
        let evidence = evidence(folder.path(), 1 << 20);
        evidence.preserve("one", &[piece(1, b"a")]).unwrap();
        assert_eq!(evidence.let_go(SystemTime::now()).unwrap(), 0);
        assert_eq!(evidence.let_go(SystemTime::now() + Duration::from_secs(120)).unwrap(), 1);
        assert_eq!(evidence.bytes(), 0);
        assert!(evidence.read("one").is_err());
    }
}

//! An upload gathered in memory outside the heap, digested while it grows, then sealed against every change.

use crate::core::media::{Digests, HEAD_BYTES};
use md5::{Digest as _, Md5};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use sha1::Sha1;
use sha2::Sha256;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Why an upload cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// More bytes than the limit given to [`Blob::new`].
    #[error("upload is longer than {0} bytes")]
    TooLong(u64),
    /// The kernel gave no memory for it.
    #[error("no memory for the upload: {0}")]
    Memory(#[from] std::io::Error),
}

/// Digests of bytes that arrive in pieces.
#[derive(Default)]
pub(super) struct Digester {
    md5: Md5,
    sha1: Sha1,
    sha256: Sha256,
}

impl Digester {
    /// Takes the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sha1.update(bytes);
        self.sha256.update(bytes);
    }

    /// The digests of everything taken.
    pub(super) fn finish(self) -> Digests {
        Digests {
            md5: self.md5.finalize().into(),
            sha1: self.sha1.finalize().into(),
            sha256: self.sha256.finalize().into(),
        }
    }
}

/// Digests of bytes that are all there.
#[must_use]
pub(super) fn digests(bytes: &[u8]) -> Digests {
    let mut digester = Digester::default();
    digester.update(bytes);
    digester.finish()
}

/// An upload that still grows.
pub struct Blob {
    file: File,
    digester: Digester,
    head: Vec<u8>,
    len: u64,
    bytes_max: u64,
}

impl Blob {
    /// Makes an empty one that will hold at most `bytes_max` bytes.
    ///
    /// # Errors
    /// [`BlobError::Memory`] when the kernel gives no memory file.
    pub fn new(bytes_max: u64) -> Result<Self, BlobError> {
        let file = memfd_create("upload", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .map_err(std::io::Error::from)?;
        Ok(Self {
            file: File::from(file),
            digester: Digester::default(),
            head: Vec::new(),
            len: 0,
            bytes_max,
        })
    }

    /// Appends bytes; after an error the upload is to be thrown away.
    ///
    /// # Errors
    /// [`BlobError::TooLong`] beyond the limit, [`BlobError::Memory`] when the kernel refuses.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let len = self.len.saturating_add(bytes.len() as u64);
        if len > self.bytes_max {
            return Err(BlobError::TooLong(self.bytes_max));
        }
        self.file.write_all(bytes)?;
        self.digester.update(bytes);
        let missing = HEAD_BYTES.saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..bytes.len().min(missing)]);
        self.len = len;
        Ok(())
    }

    /// Bytes so far.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Ends the upload: from now on nobody, here or in a worker, can change a byte of it.
    ///
    /// # Errors
    /// [`BlobError::Memory`] when the kernel refuses to seal.
    pub fn seal(self) -> Result<SealedBlob, BlobError> {
        let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        fcntl_add_seals(&self.file, seals).map_err(std::io::Error::from)?;
        Ok(SealedBlob {
            file: Arc::new(self.file.into()),
            digests: self.digester.finish(),
            head: self.head.into(),
            len: self.len,
        })
    }
}

/// A complete upload; clones share the same memory.
#[derive(Clone)]
pub struct SealedBlob {
    file: Arc<OwnedFd>,
    digests: Digests,
    head: Arc<[u8]>,
    len: u64,
}

impl SealedBlob {
    /// Digests of the bytes as uploaded.
    #[must_use]
    pub const fn digests(&self) -> &Digests {
        &self.digests
    }

    /// The first [`HEAD_BYTES`] bytes, or all when there are fewer.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was uploaded.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory file, to be handed to a worker.
    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    fn sealed(pieces: &[&[u8]]) -> SealedBlob {
        let mut blob = Blob::new(1 << 20).unwrap();
        for piece in pieces {
            blob.write(piece).unwrap();
        }
        blob.seal().unwrap()
    }

    #[test]
    fn digests_are_those_of_the_bytes_however_they_arrived() {
        let pieces = sealed(&[b"a", b"", b"bc"]);
        assert_eq!(hex::encode(pieces.digests().md5), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hex::encode(pieces.digests().sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            hex::encode(pieces.digests().sha256),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(pieces.digests(), sealed(&[b"abc"]).digests());
        assert_eq!(pieces.digests(), &digests(b"abc"));
        assert_eq!((pieces.len(), pieces.head()), (3, &b"abc"[..]));
    }

    #[test]
    fn the_head_ends_where_recognition_ends() {
        let long = vec![7; 3 * HEAD_BYTES];
        let blob = sealed(&[&long[..10], &long[10..]]);
        assert_eq!(blob.head(), &long[..HEAD_BYTES]);
        assert_eq!(blob.len(), long.len() as u64);
    }

    #[test]
    fn one_byte_over_the_limit_is_refused() {
        let mut blob = Blob::new(4).unwrap();
        blob.write(b"1234").unwrap();
        assert!(matches!(blob.write(b"5"), Err(BlobError::TooLong(4))));
        assert_eq!(blob.len(), 4);
    }

    #[test]
    fn a_sealed_upload_cannot_be_changed_cut_or_grown() {
        let blob = sealed(&[b"abc"]);
        let file = File::from(blob.file().try_clone_to_owned().unwrap());
        assert!(file.write_at(b"x", 0).is_err());
        assert!(file.set_len(1).is_err());
        assert!(file.set_len(9).is_err());
        let mut bytes = [0; 3];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"abc");
    }
}

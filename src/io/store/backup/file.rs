//! Files of a backup: copied and digested as they are read, never more than a piece of them in memory.

use super::error::{BackupError, of};
use super::manifest::Part;
use aws_lc_rs::digest::{Context, SHA256};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Bytes read at a time.
const BYTES_AT_ONCE: usize = 1 << 20;

/// Makes a folder for its owner only, and those above it; it may be there already.
pub(super) fn folder(path: &Path) -> Result<(), BackupError> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(of(path))
}

/// Puts the entries of a folder on the disk.
pub(super) fn sync_folder(path: &Path) -> Result<(), BackupError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(of(path))
}

/// A new file for its owner only.
pub(super) fn create(path: &Path) -> Result<File, BackupError> {
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600).open(path).map_err(of(path))
}

/// A new file with `bytes` in it, on the disk.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let mut file = create(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(of(path))
}

/// The part that `bytes` are.
pub(super) fn part(name: &str, bytes: &[u8]) -> Part {
    let mut digest = Context::new(&SHA256);
    digest.update(bytes);
    finish(name, bytes.len() as u64, digest)
}

fn finish(name: &str, bytes: u64, digest: Context) -> Part {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest.finish().as_ref());
    Part { name: name.to_owned(), bytes, sha256 }
}

/// Reads a file to its end and says what part it is.
pub(super) fn read(name: &str, from: &Path) -> Result<Part, BackupError> {
    let mut file = File::open(from).map_err(of(from))?;
    pour(name, &mut file, from, &mut std::io::sink())
}

/// Writes to `to` what is read of a file, and says what part it is.
fn pour(
    name: &str,
    file: &mut dyn Read,
    from: &Path,
    to: &mut dyn Write,
) -> Result<Part, BackupError> {
    let (mut digest, mut bytes) = (Context::new(&SHA256), 0);
    let mut piece = vec![0; BYTES_AT_ONCE];
    loop {
        let count = file.read(&mut piece).map_err(of(from))?;
        if count == 0 {
            return Ok(finish(name, bytes, digest));
        }
        digest.update(&piece[..count]);
        to.write_all(&piece[..count]).map_err(of(from))?;
        bytes += count as u64;
    }
}

/// Copies `bytes` of a file to a new one, on the disk, and says what part it is.
pub(super) fn copy(name: &str, (from, bytes): (File, u64), to: &Path) -> Result<Part, BackupError> {
    let mut file = create(to)?;
    let part = pour(name, &mut from.take(bytes), to, &mut file)?;
    file.sync_all().map_err(of(to))?;
    Ok(part)
}

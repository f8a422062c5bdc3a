//! The loader that a program names in its own file, without which it cannot be executed.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Segments of a program that are looked at; usual programs have about a dozen.
const SEGMENTS_MAX: u16 = 64;
/// Longest path of a loader, in bytes.
const PATH_BYTES_MAX: u64 = 512;
/// The kind of a segment that names the loader.
const NAMES_LOADER: u32 = 3;

/// The loader of a 64-bit program of this machine's byte order; nothing where it needs none.
///
/// # Errors
/// `InvalidData` when the file is no such program, or what reading it says.
pub(super) fn loader(program: &Path) -> io::Result<Option<PathBuf>> {
    let file = File::open(program)?;
    let mut head = [0; 64];
    file.read_exact_at(&mut head, 0)?;
    let order = if cfg!(target_endian = "little") { 1 } else { 2 };
    if !head.starts_with(&[0x7f, b'E', b'L', b'F', 2, order]) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let (table, size, count) = (long(&head, 32), short(&head, 54), short(&head, 56));
    for number in 0..count.min(SEGMENTS_MAX) {
        let mut segment = [0; 56];
        let place = u64::from(number) * u64::from(size);
        file.read_exact_at(&mut segment, table.saturating_add(place))?;
        if u32::from_ne_bytes([segment[0], segment[1], segment[2], segment[3]]) == NAMES_LOADER {
            let len = long(&segment, 32).min(PATH_BYTES_MAX);
            let mut path = vec![0; usize::try_from(len).unwrap_or(0)];
            file.read_exact_at(&mut path, long(&segment, 8))?;
            path.truncate(path.iter().position(|byte| *byte == 0).unwrap_or(path.len()));
            return Ok(Some(std::ffi::OsString::from_vec(path).into()));
        }
    }
    Ok(None)
}

fn long(bytes: &[u8], place: usize) -> u64 {
    let bytes = bytes.get(place..).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

fn short(bytes: &[u8], place: usize) -> u16 {
    let bytes = bytes.get(place..).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u16::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_names_a_loader_that_is_there_and_a_script_none() {
        let own = std::env::current_exe().unwrap();
        if let Some(path) = loader(&own).unwrap() {
            assert!(path.is_absolute() && path.exists(), "{path:?}");
        }
        let script = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(script.path(), "#!/bin/sh\n".repeat(20)).unwrap();
        let refused = loader(script.path()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        assert!(loader(Path::new("/nonexistent/program")).is_err());
    }
}

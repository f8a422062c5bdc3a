//! Entries of zip and tar archives, one after another, each within a limit of bytes.

use super::reason::Reason;
use crate::core::media::Format;
use crate::core::tail::within;
use std::io::{Cursor, Read};
use tar::EntryType;
use zip::{CompressionMethod, ZipArchive};

/// Bytes of a tar that may stand before one entry: the longest headers that programs write, with room.
const HEADERS_MAX: usize = 64 << 10;

/// Why an archive was not walked to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It is not what its format promises.
    Damaged,
    /// The library panicked.
    Panicked,
    /// A limit, or something that is not opened here.
    Beyond(Reason),
}

/// Why the bytes of an entry were not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// More than the limit.
    TooLong,
    /// They end early, or do not have their checksum.
    Damaged,
}

/// One entry.
pub(super) enum Entry<'a> {
    /// Has no bytes of its own: a folder, a link.
    Folder,
    /// Cannot be opened without a password.
    Encrypted,
    /// Packed by a method that is not unpacked here.
    OtherMethod,
    /// Its headers contradict each other.
    Damaged,
    /// Gives its bytes, when they are not more than the limit.
    Bytes(&'a mut dyn FnMut(u64) -> Result<Vec<u8>, Unread>),
}

/// Takes the number of an entry, from 0, and the entry; an error ends the walk.
pub(super) type Visit<'a> = dyn FnMut(usize, Entry<'_>) -> Result<(), End> + 'a;

/// Walks an archive in the order in which its entries stand.
pub(super) fn entries(format: Format, bytes: &[u8], visit: &mut Visit<'_>) -> Result<(), End> {
    match format {
        Format::Zip => zip_entries(bytes, visit),
        _ => tar_entries(bytes, visit),
    }
}

/// All of a reader, when it has `len` bytes at most `limit` (an unknown `len` is not compared).
fn read(reader: impl Read, len: Option<u64>, limit: u64) -> Result<Vec<u8>, Unread> {
    if len.is_some_and(|len| len > limit) {
        return Err(Unread::TooLong);
    }
    let mut bytes = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|_| Unread::Damaged)?;
    let read = bytes.len() as u64;
    if read > limit {
        Err(Unread::TooLong)
    } else if len.is_some_and(|len| len != read) {
        Err(Unread::Damaged)
    } else {
        Ok(bytes)
    }
}

fn zip_entries(bytes: &[u8], visit: &mut Visit<'_>) -> Result<(), End> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| End::Damaged)?;
    let whole = is_whole(&mut archive, bytes);
    for number in 0..archive.len() {
        let Ok(raw) = archive.by_index_raw(number) else {
            visit(number, Entry::Damaged)?;
            continue;
        };
        let (folder, encrypted, method) = (raw.is_dir(), raw.encrypted(), raw.compression());
        // A folder by its name that has bytes nevertheless is opened like a file.
        let empty = raw.size() == 0 && raw.compressed_size() == 0;
        drop(raw);
        if folder && empty {
            visit(number, Entry::Folder)?;
        } else if encrypted {
            visit(number, Entry::Encrypted)?;
        } else if !matches!(method, CompressionMethod::Stored | CompressionMethod::Deflated) {
            visit(number, Entry::OtherMethod)?;
        } else {
            let mut bytes = |limit| {
                let entry = archive.by_index(number).map_err(|_| Unread::Damaged)?;
                // The declared size is not believed; the checksum is, and the library compares it.
                read(entry, None, limit)
            };
            visit(number, Entry::Bytes(&mut bytes))?;
        }
    }
    if whole { Ok(()) } else { Err(End::Beyond(Reason::Hidden)) }
}

/// Whether the entries that the directory names are all that there is: no two of one name, no bytes before, between or
/// behind them, where other programs would find what this one does not.
fn is_whole(archive: &mut ZipArchive<Cursor<&[u8]>>, bytes: &[u8]) -> bool {
    const END_RECORD: usize = 22;
    const GAP_MAX: u64 = 64;
    let directory = archive.central_directory_start();
    let tail = archive.comment().len() + END_RECORD;
    let is_end =
        bytes.len().checked_sub(tail).is_some_and(|at| bytes[at..].starts_with(b"PK\x05\x06"));
    // Comments and fields for other programs, where whole files have room.
    let directory_bytes = usize::try_from(directory).ok().and_then(|from| bytes.get(from..));
    let mut holds_files = directory_bytes.is_some_and(|bytes| within::file(bytes).is_some());
    let mut spans = Vec::with_capacity(archive.len());
    for number in 0..archive.len() {
        let Ok(entry) = archive.by_index_raw(number) else { return false };
        let Some(data) = entry.data_start() else { return false };
        // Behind the signature of its own header.
        let header = usize::try_from(entry.header_start()).ok().zip(usize::try_from(data).ok());
        let header = header.and_then(|(from, until)| bytes.get(from + 4..until));
        holds_files |= header.is_some_and(|bytes| within::file(bytes).is_some());
        spans.push((entry.header_start(), data.saturating_add(entry.compressed_size())));
    }
    spans.sort_unstable();
    let mut at = 0;
    for (start, end) in spans {
        // A descriptor of at most 24 bytes, or padding for alignment, may stand between two entries.
        if start < at || start - at > GAP_MAX {
            return false;
        }
        at = end;
    }
    is_end
        && !holds_files
        && !archive.has_duplicate_names()
        && archive.offset() == 0
        && directory.checked_sub(at).is_some_and(|gap| gap <= GAP_MAX)
}

fn tar_entries(bytes: &[u8], visit: &mut Visit<'_>) -> Result<(), End> {
    let mut archive = tar::Archive::new(Cursor::new(bytes));
    let entries = archive.entries().map_err(|_| End::Damaged)?;
    let mut end = 0;
    let mut holds_files = false;
    for (number, entry) in entries.enumerate() {
        let mut entry = entry.map_err(|_| End::Damaged)?;
        let size = entry.size();
        // Long names and fields for other programs, where whole files have room.
        let header = usize::try_from(end).ok().zip(usize::try_from(entry.raw_file_position()).ok());
        let header = header.and_then(|(from, until)| bytes.get(from..until)).unwrap_or_default();
        holds_files |= header.len() > HEADERS_MAX || within::file(header).is_some();
        end = entry.raw_file_position().saturating_add(size.next_multiple_of(512));
        let kind = entry.header().entry_type();
        let linked = matches!(
            kind,
            EntryType::Directory
                | EntryType::Symlink
                | EntryType::Link
                | EntryType::Char
                | EntryType::Block
                | EntryType::Fifo
        );
        if linked && size == 0 {
            visit(number, Entry::Folder)?;
        } else {
            let mut bytes = |limit| read(&mut entry, Some(size), limit);
            visit(number, Entry::Bytes(&mut bytes))?;
        }
    }
    // Behind the empty blocks that end an archive there is nothing, or something that is hidden there.
    let behind = usize::try_from(end).ok().and_then(|end| bytes.get(end..)).unwrap_or_default();
    if !holds_files && behind.iter().all(|byte| *byte == 0) {
        Ok(())
    } else {
        Err(End::Beyond(Reason::Hidden))
    }
}

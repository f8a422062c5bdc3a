//! Directories of TIFF files (TIFF 6.0, section 2, and `BigTIFF`), and which bytes they refer to.

use std::collections::BTreeSet;
use std::ops::Range;

/// Directories that are followed, and entries and numbers in them; no file that is read to its end here has more.
const DIRECTORIES_MAX: usize = 10_000;
const NUMBERS_MAX: usize = 4_000_000;

/// Byte order and width of the offsets of a file.
#[derive(Clone, Copy)]
pub struct Layout {
    /// The highest byte of a number stands first.
    pub big_endian: bool,
    /// `BigTIFF`: offsets of eight bytes.
    wide: bool,
}

/// An entry of a directory: its tag, the length of one value, and where the values stand.
struct Entry {
    tag: usize,
    unit: usize,
    values: Range<usize>,
}

const SUB_DIRECTORIES: usize = 330;

impl Layout {
    /// The layout of a file that begins like this.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes.first_chunk()? {
            b"II*\0" => Some(Self { big_endian: false, wide: false }),
            b"MM\0*" => Some(Self { big_endian: true, wide: false }),
            b"II+\0" => Some(Self { big_endian: false, wide: true }),
            b"MM\0+" => Some(Self { big_endian: true, wide: true }),
            _ => None,
        }
    }

    /// The number of so many bytes that stands there.
    #[must_use]
    pub fn number(self, bytes: &[u8], at: usize, len: usize) -> Option<usize> {
        let field = bytes.get(at..at.checked_add(len)?)?;
        let fold = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
        let value = if self.big_endian {
            field.iter().fold(0, fold)
        } else {
            field.iter().rev().fold(0, fold)
        };
        usize::try_from(value).ok()
    }

    /// Where the offset of the first page stands, and how long it is.
    #[must_use]
    pub const fn first(self) -> (usize, usize) {
        if self.wide { (8, 8) } else { (4, 4) }
    }

    /// Lengths of the number of entries, of an entry, and of an offset.
    const fn lengths(self) -> (usize, usize, usize) {
        if self.wide { (8, 20, 8) } else { (2, 12, 4) }
    }

    /// How many entries the directory at `page` has, and where the offset of the next one stands.
    fn directory(self, bytes: &[u8], page: usize) -> Option<(usize, usize)> {
        let (count_len, entry_len, _) = self.lengths();
        let entries = self.number(bytes, page, count_len)?;
        let end = entries.checked_mul(entry_len)?.checked_add(page)?.checked_add(count_len)?;
        (end <= bytes.len()).then_some((entries, end))
    }

    /// The place of the page after the one at `page`; 0 after the last.
    #[must_use]
    pub fn next(self, bytes: &[u8], page: usize) -> Option<usize> {
        let (_, end) = self.directory(bytes, page)?;
        self.number(bytes, end, self.lengths().2)
    }

    /// The places of the pictures that belong to the page at `page` without being pages themselves.
    #[must_use]
    pub fn sub_pages(self, bytes: &[u8], page: usize) -> Vec<usize> {
        let entries = self.entries(bytes, page).unwrap_or_default();
        let lists = entries.iter().filter(|entry| entry.tag == SUB_DIRECTORIES);
        lists.flat_map(|list| self.numbers(bytes, list).take(DIRECTORIES_MAX)).collect()
    }

    fn entries(self, bytes: &[u8], page: usize) -> Option<Vec<Entry>> {
        let (count_len, entry_len, offset_len) = self.lengths();
        let (entries, _) = self.directory(bytes, page)?;
        let read = |number: usize| {
            let at = page + count_len + number * entry_len;
            let unit = match self.number(bytes, at + 2, 2)? {
                3 | 8 => 2,
                4 | 9 | 11 | 13 => 4,
                5 | 10 | 12 | 16 | 17 | 18 => 8,
                _ => 1,
            };
            let len = self.number(bytes, at + 4, offset_len)?.saturating_mul(unit);
            let inside = at + 4 + offset_len;
            let from =
                if len <= offset_len { inside } else { self.number(bytes, inside, offset_len)? };
            let until = from.saturating_add(len).min(bytes.len());
            let tag = self.number(bytes, at, 2)?;
            Some(Entry { tag, unit, values: from.min(until)..until })
        };
        (0..entries).map(read).collect()
    }

    fn numbers(self, bytes: &[u8], entry: &Entry) -> impl Iterator<Item = usize> {
        let (places, unit) = (entry.values.clone().step_by(entry.unit), entry.unit);
        places.filter_map(move |at| self.number(bytes, at, unit))
    }

    /// Everything that the directories refer to, in order and apart from each other.
    fn referred(self, bytes: &[u8]) -> Option<Vec<Range<usize>>> {
        let (at, len) = self.first();
        let mut found: Vec<_> = std::iter::once(0..at + len).collect();
        let mut directories = vec![self.number(bytes, at, len)?];
        let mut seen = BTreeSet::new();
        let mut left = NUMBERS_MAX;
        while let Some(page) = directories.pop() {
            if page == 0 || !seen.insert(page) {
                continue;
            }
            // A directory that is cut refers to nothing; the decoder says so of a page.
            let Some((entries, end)) = self.directory(bytes, page) else { continue };
            left = left.checked_sub(entries)?;
            if seen.len() > DIRECTORIES_MAX {
                return None;
            }
            found.push(page..end + self.lengths().2);
            directories.extend(self.number(bytes, end, self.lengths().2));
            let entries = self.entries(bytes, page)?;
            let mut numbers = |tag| {
                let entry = entries.iter().find(|entry| entry.tag == tag);
                let numbers: Vec<_> =
                    entry.into_iter().flat_map(|e| self.numbers(bytes, e).take(left + 1)).collect();
                left = left.checked_sub(numbers.len())?;
                Some(numbers)
            };
            // Strips, tiles, and a stream of the old kind of JPEG compression: where, and how long.
            for (places, lengths) in [(273, 279), (324, 325), (513, 514)] {
                let pieces = numbers(places)?.into_iter().zip(numbers(lengths)?);
                found.extend(pieces.map(|(from, len)| from..from.saturating_add(len)));
            }
            // Further pictures, and directories of EXIF, of a position, of interoperability.
            for tag in [SUB_DIRECTORIES, 34_665, 34_853, 40_965] {
                directories.extend(numbers(tag)?);
            }
            found.extend(entries.into_iter().map(|entry| entry.values));
        }
        found.retain(|range| range.start < range.end.min(bytes.len()));
        found.sort_unstable_by_key(|range| range.start);
        let mut apart: Vec<Range<usize>> = Vec::new();
        for range in found {
            let end = range.end.min(bytes.len());
            match apart.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(end),
                _ => apart.push(range.start..end),
            }
        }
        Some(apart)
    }
}

/// Behind the last byte that a directory refers to.
pub(super) fn len(bytes: &[u8]) -> Option<usize> {
    Layout::of(bytes)?.referred(bytes)?.last().map(|range| range.end)
}

/// Bytes between those that a directory refers to.
pub(super) fn unshown(bytes: &[u8]) -> Vec<Range<usize>> {
    let referred = Layout::of(bytes).and_then(|layout| layout.referred(bytes));
    let referred = referred.unwrap_or_default();
    referred.windows(2).map(|two| two[0].end..two[1].start).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_in_either_byte_order() {
        let little =
            [b"II*\0".as_slice(), &[8, 0, 0, 0], &[0, 0], &[14, 0, 0, 0], &[0; 6]].concat();
        let big = [b"MM\0*".as_slice(), &[0, 0, 0, 8], &[0, 0], &[0, 0, 0, 14], &[0; 6]].concat();
        for bytes in [little, big] {
            let layout = Layout::of(&bytes).unwrap();
            let (at, len) = layout.first();
            assert_eq!(layout.number(&bytes, at, len), Some(8));
            assert_eq!(layout.next(&bytes, 8), Some(14));
            assert_eq!(layout.next(&bytes, 14), Some(0));
            assert_eq!(layout.next(&bytes, 15), None, "beyond the end");
        }
    }

    #[test]
    fn what_strips_and_values_refer_to_is_known_and_what_is_between_too() {
        // Header; a gap of 4; a directory of three entries; a gap of 2; the strip; a long value.
        let (directory, strip, value) = (12, 56, 66);
        let entry = |tag: u16, kind: u16, count: u32, value: u32| {
            let mut bytes = [tag.to_le_bytes(), kind.to_le_bytes()].concat();
            bytes.extend_from_slice(&count.to_le_bytes());
            bytes.extend_from_slice(&value.to_le_bytes());
            bytes
        };
        let mut bytes = [&b"II*\0"[..], &[directory, 0, 0, 0], b"gap4", &[3, 0]].concat();
        bytes.extend(entry(273, 4, 1, strip));
        bytes.extend(entry(279, 4, 1, 10));
        bytes.extend(entry(305, 2, 7, value));
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(b"g2stripstrip program");
        let whole = bytes.len() - 1;
        assert_eq!(len(&bytes), Some(whole));
        assert_eq!(unshown(&bytes), [8..12, 54..56]);
        assert_eq!(len(&[&bytes[..whole], &[7; 500]].concat()), Some(whole));
        // A directory that refers to itself ends.
        bytes[12 + 2 + 36] = directory;
        assert_eq!(len(&bytes), Some(whole));
    }
}

//! TIFF, page after page.

use super::super::reason::Reason;
use super::forms::Forms;
use super::{Room, Stop, still};
use image::codecs::tiff::TiffDecoder;
use std::io::Cursor;

/// Byte order and width of the offsets of a file.
#[derive(Clone, Copy)]
struct Layout {
    big_endian: bool,
    /// `BigTIFF`: offsets of eight bytes.
    wide: bool,
}

impl Layout {
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes.first_chunk()? {
            b"II*\0" => Some(Self { big_endian: false, wide: false }),
            b"MM\0*" => Some(Self { big_endian: true, wide: false }),
            b"II+\0" => Some(Self { big_endian: false, wide: true }),
            b"MM\0+" => Some(Self { big_endian: true, wide: true }),
            _ => None,
        }
    }

    fn number(self, bytes: &[u8], at: usize, len: usize) -> Option<usize> {
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
    const fn first(self) -> (usize, usize) {
        if self.wide { (8, 8) } else { (4, 4) }
    }

    /// The place of the page after the one at `page`; 0 after the last.
    fn next(self, bytes: &[u8], page: usize) -> Option<usize> {
        let (count_len, entry_len, offset_len) = if self.wide { (8, 20, 8) } else { (2, 12, 4) };
        let entries = self.number(bytes, page, count_len)?;
        let end = entries.checked_mul(entry_len)?.checked_add(page)?.checked_add(count_len)?;
        self.number(bytes, end, offset_len)
    }
}

pub(super) fn decode(bytes: &[u8], room: &Room<'_>, forms: &mut Forms<'_>) -> Result<(), Stop> {
    let damaged = Stop::Corrupt(Reason::Pages);
    let layout = Layout::of(bytes).ok_or(damaged)?;
    let (at, len) = layout.first();
    let mut page = layout.number(bytes, at, len).ok_or(damaged)?;
    // The library reads the first page only: each page is made the first of a copy that is changed in one place.
    let mut copy = bytes.to_vec();
    let mut seen = std::collections::BTreeSet::new();
    while page != 0 {
        if !seen.insert(page) {
            return Err(damaged);
        }
        if forms.is_full() {
            return Err(Stop::TooLarge(Reason::Frames));
        }
        let offset = page as u64;
        let offset = if layout.big_endian { offset.to_be_bytes() } else { offset.to_le_bytes() };
        let offset = if layout.big_endian { &offset[8 - len..] } else { &offset[..len] };
        copy.get_mut(at..at + len).ok_or(damaged)?.copy_from_slice(offset);
        let (raster, orientation) =
            still::whole(TiffDecoder::new(Cursor::new(copy.as_slice()))?, room)?;
        forms.take(&raster, orientation)?;
        page = layout.next(bytes, page).ok_or(damaged)?;
    }
    Ok(())
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
}

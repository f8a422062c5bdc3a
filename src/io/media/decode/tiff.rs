//! TIFF, page after page.

use super::super::reason::Reason;
use super::forms::Forms;
use super::{Room, Stop, still};
use crate::core::tail::tiff::Layout;
use image::codecs::tiff::TiffDecoder;
use std::io::Cursor;

pub(super) fn decode(bytes: &[u8], room: &Room<'_>, forms: &mut Forms<'_>) -> Result<(), Stop> {
    let damaged = Stop::Corrupt(Reason::Pages);
    let layout = Layout::of(bytes).ok_or(damaged)?;
    let (at, len) = layout.first();
    let mut next = layout.number(bytes, at, len).ok_or(damaged)?;
    // The library reads the first page only: each page is made the first of a copy that is changed in one place.
    let mut copy = bytes.to_vec();
    let mut seen = std::collections::BTreeSet::new();
    // Pictures that belong to a page, which viewers show seldom and editors always.
    let mut sub_pages = Vec::new();
    while let Some(page) = (next != 0).then_some(next).or_else(|| sub_pages.pop()) {
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
        sub_pages.extend(layout.sub_pages(bytes, page));
        if sub_pages.len() > usize::try_from(room.limits.frames_max).unwrap_or(usize::MAX) {
            return Err(Stop::TooLarge(Reason::Frames));
        }
        let after = layout.next(bytes, page).ok_or(damaged)?;
        if page == next {
            next = after;
        } else if after != 0 {
            // Such pictures may be listed one after another too.
            sub_pages.push(after);
        }
    }
    Ok(())
}

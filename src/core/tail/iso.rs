//! Boxes of ISO base media files (ISO/IEC 14496-12, 4.2) that hold pictures: where they end, and what no picture is in.

use crate::core::media::{Format, sniff};
use std::ops::Range;

/// A box of the outermost level: its type, and where its content stands.
struct Outer {
    kind: [u8; 4],
    content: Range<usize>,
}

/// The boxes of a file, up to the first bytes that are none of it; nothing where the last one is cut.
fn outer(bytes: &[u8]) -> Option<(Vec<Outer>, usize)> {
    let mut boxes: Vec<Outer> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let Some((&[a, b, c, d, kind @ ..], _)) = rest.split_first_chunk::<8>() else { break };
        let is_kind = kind.iter().all(|byte| (0x20..0x7f).contains(byte));
        // Another file may begin with a box too; and no file says twice what it is.
        let other = !matches!(sniff(rest), Format::Unknown | Format::IsoMedia);
        let again = kind == *b"ftyp" && boxes.iter().any(|outer| outer.kind == kind);
        if !is_kind || again || (at > 0 && other) {
            break;
        }
        let (head, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, rest.len()),
            1 => {
                let wide = rest.get(8..16).and_then(|wide| wide.first_chunk())?;
                (16, usize::try_from(u64::from_be_bytes(*wide)).ok()?)
            }
            size => (8, usize::try_from(size).ok()?),
        };
        if size < head || size > rest.len() {
            // A known box that is cut makes the file cut; anything else is not a box of this file.
            if matches!(&kind, b"ftyp" | b"meta" | b"mdat" | b"moov" | b"jxlc" | b"jxlp") {
                return None;
            }
            break;
        }
        boxes.push(Outer { kind, content: at + head..at + size });
        at += size;
    }
    Some((boxes, at))
}

/// Length of the boxes at the beginning.
pub(super) fn len(bytes: &[u8]) -> Option<usize> {
    outer(bytes).map(|(_, len)| len)
}

/// Contents of boxes that have no part in a picture.
pub(super) fn unshown(bytes: &[u8]) -> Vec<Range<usize>> {
    let boxes = outer(bytes).map_or_else(Vec::new, |(boxes, _)| boxes);
    let shown: [&[u8]; 9] =
        [b"ftyp", b"meta", b"mdat", b"moov", b"moof", b"JXL ", b"jxlc", b"jxlp", b"jbrd"];
    let unshown = boxes.into_iter().filter(|outer| !shown.contains(&outer.kind.as_slice()));
    unshown.map(|outer| outer.content).collect()
}

/// Whether the file has tracks: a video, or a sequence of pictures.
pub(super) fn has_tracks(bytes: &[u8]) -> bool {
    let boxes = outer(bytes).map_or_else(Vec::new, |(boxes, _)| boxes);
    boxes.iter().any(|outer| matches!(&outer.kind, b"moov" | b"moof"))
}

/// Where the codestream of a JPEG XL container stands (ISO/IEC 18181-2, 9.9).
pub(super) fn codestream(bytes: &[u8]) -> Vec<Range<usize>> {
    let boxes = outer(bytes).map_or_else(Vec::new, |(boxes, _)| boxes);
    let pieces = boxes.into_iter().filter_map(|outer| match &outer.kind {
        b"jxlc" => Some(outer.content),
        // Behind the number of the piece.
        b"jxlp" => Some(outer.content.start + 4..outer.content.end),
        _ => None,
    });
    pieces.filter(|piece| piece.start <= piece.end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
        [&size[..], kind, content].concat()
    }

    fn file() -> Vec<u8> {
        [boxed(b"ftyp", b"avif\0\0\0\0avif"), boxed(b"meta", &[7; 30]), boxed(b"mdat", &[9; 40])]
            .concat()
    }

    #[test]
    fn boxes_end_where_another_file_begins() {
        let file = file();
        for behind in [
            &b""[..],
            b"note",
            b"\xff\xd8\xff\xe0\0\x10JFIF",
            b"PK\x03\x04\x14\0\0\0",
            b"\0\0\0\x0cJXL \r\n\x87\n",
            b"\0\0\x01\xba\x44\0\x04\0",
            &boxed(b"ftyp", b"mp42\0\0\0\0mp42"),
            &[0; 100],
        ] {
            assert_eq!(len(&[&file[..], behind].concat()), Some(file.len()), "{behind:?}");
        }
        assert_eq!(len(&file[..file.len() - 1]), None, "cut");
        let open = [&file[..], b"\0\0\0\0mdat", &[1; 50]].concat();
        assert_eq!(len(&open), Some(open.len()), "the last box may go on to the end");
        let wide = [&file[..], b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x14", &[1; 4], b"rest"].concat();
        assert_eq!(len(&wide), Some(wide.len() - 4));
    }

    #[test]
    fn boxes_without_pictures_and_tracks_are_told() {
        let file = [file(), boxed(b"free", b"abc"), boxed(b"mpvd", b"video")].concat();
        let told: Vec<_> = unshown(&file).into_iter().map(|range| &file[range]).collect();
        assert_eq!(told, [&b"abc"[..], b"video"]);
        assert!(!has_tracks(&file));
        assert!(has_tracks(&[file, boxed(b"moov", b"track")].concat()));
        let jxl = [
            boxed(b"JXL ", b"\r\n\x87\n"),
            boxed(b"ftyp", b"jxl \0\0\0\0jxl "),
            boxed(b"jxlp", b"\0\0\0\0one"),
            boxed(b"jxlp", b"\x80\0\0\x01two"),
        ];
        let jxl = jxl.concat();
        let pieces: Vec<_> = codestream(&jxl).into_iter().map(|range| &jxl[range]).collect();
        assert_eq!(pieces, [b"one", b"two"]);
        assert_eq!(len(&jxl), Some(jxl.len()));
    }
}

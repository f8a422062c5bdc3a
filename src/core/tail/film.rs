//! Containers of video, walked from piece to piece by their lengths: whether they end where they say.
//!
//! Programs that decode pass over what is damaged or missing without a word, the more the older the container is.

use crate::core::media::Format;

/// Where a container of video ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilmEnd {
    /// Here; there may be more bytes behind it.
    At(usize),
    /// Behind the end of the bytes, or in the middle of a piece.
    Cut,
    /// The container does not say.
    Unsaid,
}

/// Walks a container of video.
#[must_use]
pub fn film_end(format: Format, bytes: &[u8]) -> FilmEnd {
    match format {
        Format::IsoMedia => walk(bytes, 0, iso_box),
        Format::Avi => avi(bytes),
        Format::Flv => walk(bytes, 13, flv_tag),
        Format::Matroska => matroska(bytes),
        Format::Mpeg if bytes.starts_with(b"\0\0\x01\xba") => walk(bytes, 0, pack),
        Format::Mpeg if bytes.starts_with(b"\0\0\x01") => FilmEnd::Unsaid,
        Format::Mpeg => transport(bytes),
        _ => FilmEnd::Unsaid,
    }
}

/// The length of the piece that begins at a place; nothing where none does, and more than there is where it is cut.
type Piece = fn(&[u8]) -> Option<u64>;

/// Goes from piece to piece. Where no piece begins is the end.
fn walk(bytes: &[u8], first: usize, piece: Piece) -> FilmEnd {
    let mut at = first;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(len) = piece(rest) else { break };
        match usize::try_from(len) {
            Ok(len) if len <= rest.len() => at += len,
            _ => return FilmEnd::Cut,
        }
    }
    if at > bytes.len() { FilmEnd::Cut } else { FilmEnd::At(at) }
}

fn be(bytes: &[u8], place: usize, count: usize) -> Option<u64> {
    let bytes = bytes.get(place..place + count)?;
    Some(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// More than any file has.
const CUT: u64 = u64::MAX;

/// ISO/IEC 14496-12, 4.2.
fn iso_box(bytes: &[u8]) -> Option<u64> {
    let (Some(size), Some(kind)) = (be(bytes, 0, 4), bytes.get(4..8)) else {
        // A few zeros may fill up a file.
        return if bytes.iter().all(|byte| *byte == 0) { None } else { Some(CUT) };
    };
    // Names are printable; old ones of QuickTime begin with the sign of copyright.
    let is_name = kind.iter().all(|byte| (0x20..0x7f).contains(byte) || *byte == 0xa9);
    match size {
        _ if !is_name => None,
        0 => Some(bytes.len() as u64),
        1 => Some(be(bytes, 8, 8).filter(|size| *size >= 16).unwrap_or(CUT)),
        2..8 => Some(CUT),
        size => Some(size),
    }
}

/// A tag and the length that is repeated behind it (Adobe Flash Video File Format, annex E.3).
fn flv_tag(bytes: &[u8]) -> Option<u64> {
    if !matches!(bytes[0] & 0x1f, 8 | 9 | 18) {
        return None;
    }
    Some(be(bytes, 1, 3).map_or(CUT, |size| 11 + size + 4))
}

/// A pack header or packet of a program stream (ISO/IEC 13818-1, 2.5.3).
fn pack(bytes: &[u8]) -> Option<u64> {
    if bytes.len() < 4 {
        return if bytes.iter().all(|byte| *byte == 0) { None } else { Some(CUT) };
    }
    match bytes.strip_prefix(b"\0\0\x01") {
        Some([0xb9, ..]) => Some(4),
        Some([0xba, rest @ ..]) => Some(match rest {
            [first, ..] if first >> 6 == 1 => {
                bytes.get(13).map_or(CUT, |stuffed| 14 + u64::from(stuffed & 7))
            }
            _ => 12,
        }),
        Some([0xbb..=0xff, ..]) => Some(be(bytes, 4, 2).map_or(CUT, |size| 6 + size)),
        _ => None,
    }
}

/// Packets of one length (ISO/IEC 13818-1, 2.4.3), with a time before or a code behind each in some files.
fn transport(bytes: &[u8]) -> FilmEnd {
    let synced = |first: usize, packet: usize| {
        (0..3).all(|number| bytes.get(first + number * packet) == Some(&0x47))
    };
    let packet =
        [(0, 188), (4, 192), (0, 204)].into_iter().find(|(first, packet)| synced(*first, *packet));
    let Some((first, packet)) = packet else { return FilmEnd::Unsaid };
    for (number, piece) in bytes.chunks(packet).enumerate() {
        match piece.get(first) {
            Some(0x47) if piece.len() == packet => {}
            Some(0x47) => return FilmEnd::Cut,
            _ => return FilmEnd::At(number * packet),
        }
    }
    FilmEnd::At(bytes.len())
}

/// RIFF as AVI has it: every chunk lies within its list, and every list within the file. What stands between two chunks is
/// no sloppiness of a program that writes.
fn avi(bytes: &[u8]) -> FilmEnd {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..)
        && rest.starts_with(b"RIFF")
    {
        let end =
            little(rest).and_then(|size| size.checked_add(8)).filter(|end| *end <= rest.len());
        match end {
            Some(end) if chunks(&rest[12.min(end)..end]) => at += end + end % 2,
            _ => return FilmEnd::Cut,
        }
    }
    FilmEnd::At(at.min(bytes.len()))
}

fn little(bytes: &[u8]) -> Option<usize> {
    let size = bytes.get(4..8)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*size)).ok()
}

/// Whether bytes are whole chunks to their end; lists are looked into, which are nested three deep at most.
fn chunks(bytes: &[u8]) -> bool {
    let mut lists = vec![bytes];
    while let Some(mut rest) = lists.pop() {
        while !rest.is_empty() {
            // A last byte fills up a list of odd length.
            if rest == [0] {
                break;
            }
            let is_name =
                rest.len() >= 8 && rest[..4].iter().all(|byte| (0x20..0x7f).contains(byte));
            let Some(size) = little(rest).filter(|_| is_name) else { return false };
            let Some(body) = rest.get(8..).and_then(|body| body.get(..size)) else { return false };
            if rest.starts_with(b"LIST") && lists.len() < 8 {
                lists.push(body.get(4..).unwrap_or_default());
            }
            rest = &rest[8..][(size + size % 2).min(rest.len() - 8)..];
        }
    }
    true
}

/// EBML head and segments (RFC 8794, RFC 9559); one of unknown length goes to the end of the file.
fn matroska(bytes: &[u8]) -> FilmEnd {
    walk(bytes, 0, |bytes| {
        let id = be(bytes, 0, 4).unwrap_or(0);
        if id != 0x1a45_dfa3 && id != 0x1853_8067 {
            return None;
        }
        let Some(first) = bytes.get(4).filter(|first| **first != 0) else { return Some(CUT) };
        let more = first.leading_zeros() as usize;
        let Some(rest) = be(bytes, 5, more) else { return Some(CUT) };
        let bits = 7 * (more as u32 + 1);
        let mask = u64::MAX >> (64 - bits);
        let size = ((u64::from(*first) << (8 * more)) | rest) & mask;
        let is_unknown = size == mask;
        Some(if is_unknown { bytes.len() as u64 } else { size.saturating_add(5 + more as u64) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&name[..], &len, body, &vec![0; body.len() % 2]].concat()
    }

    fn small(format: Format) -> Vec<u8> {
        let packet = [&[0x47][..], &[1; 187]].concat();
        match format {
            Format::IsoMedia => {
                [&b"\0\0\0\x0cftypisom"[..], b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x12ab"].concat()
            }
            Format::Flv => {
                [&b"FLV\x01\x05\0\0\0\x09\0\0\0\0"[..], b"\x09\0\0\x02\0\0\0\0\0\0\0ab\0\0\0\x0d"]
                    .concat()
            }
            Format::Matroska => b"\x1a\x45\xdf\xa3\x82ab\x18\x53\x80\x67\x40\x03abc".to_vec(),
            Format::Avi => {
                let movi = [&b"movi"[..], &chunk(b"00dc", b"abc"), &chunk(b"01wb", b"ab")].concat();
                chunk(
                    b"RIFF",
                    &[&b"AVI "[..], &chunk(b"LIST", &movi), &chunk(b"idx1", b"")].concat(),
                )
            }
            Format::Mpeg => packet.repeat(4),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_whole_container_ends_where_it_says_and_a_cut_one_is_seen() {
        for format in [Format::IsoMedia, Format::Flv, Format::Matroska, Format::Avi, Format::Mpeg] {
            let whole = small(format);
            assert_eq!(film_end(format, &whole), FilmEnd::At(whole.len()), "{format:?}");
            let cut = &whole[..whole.len() - 1];
            assert_eq!(film_end(format, cut), FilmEnd::Cut, "{format:?}");
            let behind = [&whole[..], b"PK\x03\x04\x14\0\0\0 and more"].concat();
            let end = film_end(format, &behind);
            assert_eq!(end, FilmEnd::At(whole.len()), "{format:?}");
        }
        let program = b"\0\0\x01\xba\x44aaaaaaaa\xf8\0\0\x01\xe0\0\x02ab\0\0\x01\xb9";
        assert_eq!(film_end(Format::Mpeg, program), FilmEnd::At(program.len()));
        assert_eq!(film_end(Format::Mpeg, &program[..21]), FilmEnd::Cut);
        assert_eq!(film_end(Format::Mpeg, b"\0\0\x01\xb3abc"), FilmEnd::Unsaid);
    }

    #[test]
    fn garbage_between_the_chunks_of_an_avi_is_seen() {
        let mut bytes = small(Format::Avi);
        let place = bytes.windows(4).position(|name| name == b"01wb").unwrap();
        bytes[place] = 0;
        assert_eq!(film_end(Format::Avi, &bytes), FilmEnd::Cut);
    }

    proptest! {
        #[test]
        fn any_bytes_end_somewhere(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..600), flip in any::<prop::sample::Index>(),
        ) {
            for format in [Format::IsoMedia, Format::Flv, Format::Matroska, Format::Avi, Format::Mpeg] {
                let mut small = small(format);
                let place = flip.index(small.len());
                small[place] ^= bytes.first().copied().unwrap_or(1);
                for bytes in [&small, &bytes] {
                    if let FilmEnd::At(end) = film_end(format, bytes) {
                        prop_assert!(end <= bytes.len());
                    }
                }
            }
            bytes.clear();
        }
    }
}

//! Whether a file's own structure reaches its end: decoders are lenient, and a cut file must not pass as whole.

/// What the marker segments of a JPEG say before any pixel is decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct JpegWalk {
    /// An Adobe segment was there: its inks are stored inverted.
    pub(super) adobe: bool,
    /// The end marker was reached.
    pub(super) complete: bool,
    /// Where it stands.
    pub(super) end: usize,
    /// Scans that begin before it.
    pub(super) scans: u32,
    /// Each block is coded at once (SOF0, SOF1), not refined scan by scan.
    pub(super) sequential: bool,
}

impl JpegWalk {
    /// The part of `bytes` that must hold every block of the picture: without its end marker, which a decoder takes for
    /// permission to fill in what is missing. Only where all blocks are coded in one scan; elsewhere all bytes.
    pub(super) fn blocks<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        if self.complete && self.is_one_scan() { &bytes[..self.end] } else { bytes }
    }

    /// Whether all blocks are coded in one scan.
    pub(super) const fn is_one_scan(&self) -> bool {
        self.sequential && self.scans == 1
    }
}

fn big_16(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?)))
}

fn big_32(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

/// How many bytes at the beginning, at least one, are surely no part of a marker.
fn before_marker(bytes: &[u8]) -> usize {
    /// Bytes that are looked at together.
    const BLOCK: usize = 32;
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let has_marker =
        |block: &&[u8; BLOCK]| block.iter().fold(false, |has, byte| has | (*byte == 0xff));
    let passed = blocks.iter().take_while(|block| !has_marker(block)).count() * BLOCK;
    let rest = bytes.iter().skip(passed).take_while(|byte| **byte != 0xff);
    (passed + rest.count()).max(1)
}

/// Follows the segments of a JPEG from its start to its end marker.
pub(super) fn jpeg(bytes: &[u8]) -> JpegWalk {
    let mut walk = JpegWalk::default();
    let mut at = 2;
    // Each turn of the loop moves forward by at least one byte, so that it ends.
    while let Some(&byte) = bytes.get(at) {
        if byte != 0xff {
            // Entropy-coded data, or bytes between segments that decoders skip.
            at += before_marker(&bytes[at..]);
            continue;
        }
        match bytes.get(at + 1) {
            None => break,
            Some(0xd9) => {
                walk.complete = true;
                walk.end = at;
                break;
            }
            // Fill, a stuffed byte of entropy-coded data, restarts, markers without a length.
            Some(0xff) => at += 1,
            Some(0x00 | 0x01 | 0xd0..=0xd8) => at += 2,
            Some(&marker) => {
                match marker {
                    0xda => walk.scans += 1,
                    0xc0 | 0xc1 => walk.sequential = true,
                    _ => {}
                }
                if marker == 0xee && bytes.get(at + 4..).is_some_and(|b| b.starts_with(b"Adobe")) {
                    walk.adobe = true;
                }
                let Some(len) = big_16(bytes, at + 2) else { break };
                at += 2 + len.max(2);
            }
        }
    }
    walk
}

/// What the chunks of a PNG say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PngWalk {
    /// The end chunk was reached.
    pub(super) complete: bool,
    /// Frame controls stood before the picture data: the still picture is the animation's first frame.
    pub(super) still_is_frame: bool,
}

/// Follows the chunks of a PNG from its start to its end chunk.
pub(super) fn png(bytes: &[u8]) -> PngWalk {
    let mut walk = PngWalk::default();
    let mut at = 8;
    let mut data_seen = false;
    while let (Some(len), Some(kind)) = (big_32(bytes, at), bytes.get(at + 4..at + 8)) {
        let Some(end) = at.checked_add(len).and_then(|a| a.checked_add(12)) else { break };
        if bytes.len() < end {
            break;
        }
        match kind {
            b"IDAT" => data_seen = true,
            b"fcTL" if !data_seen => walk.still_is_frame = true,
            b"IEND" => {
                walk.complete = true;
                break;
            }
            _ => {}
        }
        at = end;
    }
    walk
}

/// Whether the blocks of a GIF reach its trailer.
pub(super) fn gif(bytes: &[u8]) -> bool {
    walk_gif(bytes).is_some()
}

fn walk_gif(bytes: &[u8]) -> Option<()> {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + table(*bytes.get(10)?);
    loop {
        match *bytes.get(at)? {
            0x3b => return Some(()),
            0x21 => at += 2,
            0x2c => at += 11 + table(*bytes.get(at + 9)?),
            _ => return None,
        }
        // Data sub-blocks, each with its length before it, until an empty one.
        loop {
            let len = usize::from(*bytes.get(at)?);
            at += 1 + len;
            if len == 0 {
                break;
            }
        }
    }
}

/// Whether a RIFF file is as long as its header says.
pub(super) fn riff(bytes: &[u8]) -> bool {
    let len = bytes.get(4..).and_then(|b| b.first_chunk()).map(|b| u32::from_le_bytes(*b));
    len.is_some_and(|len| u64::from(len) + 8 <= bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &[u8] =
        b"\xff\xd8\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\x00\xff\xda\x00\x02ab\xff\x00c\xff\xd0d\xff\xd9tail";

    #[test]
    fn a_jpeg_is_complete_at_its_end_marker_only() {
        let walk = jpeg(JPEG);
        assert!(walk.adobe && walk.complete && JPEG[walk.end..].starts_with(b"\xff\xd9"));
        let end = JPEG.len() - 4;
        for cut in 0..end {
            assert!(!jpeg(&JPEG[..cut]).complete, "{cut}");
        }
        // An end marker inside a segment is data.
        assert!(!jpeg(b"\xff\xd8\xff\xe0\x00\x06\xff\xd9\xff\xd9").complete);
    }

    #[test]
    fn a_png_is_complete_with_its_end_chunk_only() {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        for kind in [b"fcTL", b"IDAT", b"IEND"] {
            bytes.extend_from_slice(&[0, 0, 0, 0]);
            bytes.extend_from_slice(kind);
            bytes.extend_from_slice(&[9; 4]);
        }
        assert_eq!(png(&bytes), PngWalk { complete: true, still_is_frame: true });
        for cut in 0..bytes.len() {
            assert!(!png(&bytes[..cut]).complete, "{cut}");
        }
    }

    #[test]
    fn a_gif_is_complete_at_its_trailer_only() {
        let mut bytes = b"GIF89a\x01\0\x01\0\x80\0\0".to_vec();
        bytes.extend_from_slice(&[1; 6]);
        bytes.extend_from_slice(b"\x21\xf9\x04\0\0\0\0\0");
        bytes.extend_from_slice(b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0");
        bytes.push(0x3b);
        assert!(gif(&bytes));
        for cut in 0..bytes.len() {
            assert!(!gif(&bytes[..cut]), "{cut}");
        }
    }

    #[test]
    fn a_riff_file_shorter_than_it_says_is_cut() {
        assert!(riff(b"RIFF\x04\0\0\0WEBP"));
        assert!(!riff(b"RIFF\x05\0\0\0WEBP"));
        assert!(!riff(b"RIFF\x04"));
    }
}

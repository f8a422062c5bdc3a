//! What an examination of bytes can find: the format, the parts, their digests and picture hashes.

use crate::core::signal::Bits256;
use crate::core::verdict::{CheckState, Form};

/// Digests of the bytes of a part, as they were uploaded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-1.
    pub sha1: [u8; 20],
    /// SHA-256.
    pub sha256: [u8; 32],
}

impl std::fmt::Debug for Digests {
    /// Prints the kinds only: a digest must not reach a log by way of `{:?}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digests(MD5, SHA-1, SHA-256)")
    }
}

/// A frame made small, for who looks at its colours: transparent places are white, and it is stretched where its sides are
/// of another ratio.
#[derive(Clone, PartialEq, Eq)]
pub struct Thumb {
    /// Pixels of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Red, green and blue of each pixel, the topmost row first.
    pub rgb: Vec<u8>,
}

impl std::fmt::Debug for Thumb {
    /// Prints the size only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Thumb({} × {})", self.width, self.height)
    }
}

/// The hash of one form of one frame of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// How it was changed before hashing.
    pub form: Form,
    /// Which frame, from 0.
    pub frame: u32,
    /// When it is shown, in milliseconds from the beginning; absent where the picture has no time.
    pub at_millis: Option<u32>,
    /// Width in pixels, of this form.
    pub width: u32,
    /// Height in pixels, of this form.
    pub height: u32,
    /// PDQ quality, 0 to 100.
    pub quality: u32,
    /// Hashed from coefficients, by [`crate::core::pdq::hash_coefficients`]: not quite the canonical hash.
    pub by_coefficients: bool,
    /// PDQ of the eight symmetries, in the order of [`crate::core::verdict::Dihedral::ALL`].
    pub hashes: [Bits256; 8],
    /// The frame made small in each size that was asked for, with its first form, as far as frames are made small.
    pub thumbs: Vec<Thumb>,
}

/// The hash of one form of one frame that was sampled from a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoFrame {
    /// Which of the video streams of the file, from 0; a cover is one, too.
    pub stream: u32,
    /// The frame; its number counts the frames that were sampled from the stream, and it has a time.
    pub picture: Picture,
}

/// What was found in the whole item, or in one entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Place within the item: empty for the whole, `3` for its fourth entry, `3/0` for the first entry of that.
    pub place: String,
    /// Format, recognised from the bytes.
    pub format: Format,
    /// Digests; absent where the bytes could not be read to the end.
    pub digests: Option<Digests>,
    /// Picture hashes; may be present beside an incomplete state, when only a part could be decoded.
    pub pictures: Vec<Picture>,
    /// Hashes of frames of video, stream by stream in the order in which they were decoded; may be present beside an
    /// incomplete state.
    pub frames: Vec<VideoFrame>,
    /// What became of taking digests.
    pub exact: CheckState,
    /// What became of hashing pictures.
    pub image: CheckState,
    /// What became of hashing video.
    pub video: CheckState,
    /// Why a state is not complete, in a few fixed words; empty otherwise.
    pub reason: String,
}

/// Everything found in an item; the first part is the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The whole, then its entries in the order in which they stand.
    pub parts: Vec<Part>,
}

/// A format recognised from the first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG, animated or not.
    Png,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
    /// Windows bitmap.
    Bmp,
    /// TIFF.
    Tiff,
    /// AVIF.
    Avif,
    /// HEIC or HEIF.
    Heic,
    /// JPEG XL.
    Jxl,
    /// zip, and what is built on it.
    Zip,
    /// tar.
    Tar,
    /// ISO base media: MP4, MOV, 3GP.
    IsoMedia,
    /// Matroska or WebM.
    Matroska,
    /// AVI.
    Avi,
    /// MPEG transport or program stream.
    Mpeg,
    /// Flash video.
    Flv,
    /// Known to be none of the others, but something that can hold pictures (PDF, RAR, 7z, gzip …).
    Other,
    /// Not recognised.
    Unknown,
}

/// How many of an item's first bytes [`sniff`] looks at; more are ignored, fewer are enough for most formats.
pub const HEAD_BYTES: usize = 1024;

/// Signatures at the very beginning that say the format alone.
const SIGNATURES: &[(&[u8], Format)] = &[
    (b"\xff\xd8\xff", Format::Jpeg),
    (b"\x89PNG\r\n\x1a\n", Format::Png),
    (b"GIF87a", Format::Gif),
    (b"GIF89a", Format::Gif),
    (b"II*\0", Format::Tiff),
    (b"MM\0*", Format::Tiff),
    (b"II+\0", Format::Tiff),
    (b"MM\0+", Format::Tiff),
    (b"\xff\x0a", Format::Jxl),
    (b"\0\0\0\x0cJXL \r\n\x87\n", Format::Jxl),
    (b"PK\x03\x04", Format::Zip),
    (b"PK\x05\x06", Format::Zip),
    (b"PK\x07\x08", Format::Zip),
    (b"\x1a\x45\xdf\xa3", Format::Matroska),
    (b"\0\0\x01\xba", Format::Mpeg),
    (b"\0\0\x01\xb3", Format::Mpeg),
    (b"FLV\x01", Format::Flv),
    // Archives and compressed files.
    (b"Rar!\x1a\x07", Format::Other),
    (b"7z\xbc\xaf\x27\x1c", Format::Other),
    (b"\x1f\x8b", Format::Other),
    (b"\x1f\x9d", Format::Other),
    (b"BZh", Format::Other),
    (b"\xfd7zXZ\0", Format::Other),
    (b"\x28\xb5\x2f\xfd", Format::Other),
    (b"\x04\x22\x4d\x18", Format::Other),
    (b"LZIP", Format::Other),
    (b"MSCF", Format::Other),
    (b"xar!", Format::Other),
    (b"!<arch>\n", Format::Other),
    (b"070701", Format::Other),
    // Documents.
    (b"%PDF-", Format::Other),
    (b"%!PS", Format::Other),
    (b"{\\rtf", Format::Other),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Format::Other),
    (b"AT&TFORM", Format::Other),
    // Pictures that nothing here decodes.
    (b"8BPS", Format::Other),
    (b"gimp xcf", Format::Other),
    (b"\0\0\x01\0", Format::Other),
    (b"\0\0\x02\0", Format::Other),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Format::Other),
    (b"\xff\x4f\xff\x51", Format::Other),
    (b"II\xbc\x01", Format::Other),
    (b"\x8aMNG\r\n\x1a\n", Format::Other),
    (b"\x8bJNG\r\n\x1a\n", Format::Other),
    (b"DDS ", Format::Other),
    (b"\x76\x2f\x31\x01", Format::Other),
    (b"#?RADIANCE", Format::Other),
    (b"qoif", Format::Other),
    (b"FLIF", Format::Other),
    (b"BPG\xfb", Format::Other),
    (b"\xd7\xcd\xc6\x9a", Format::Other),
    // Video and animation that nothing here decodes.
    (b"OggS", Format::Other),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Format::Other),
    (b".RMF", Format::Other),
    (b"DKIF", Format::Other),
    (b"FWS", Format::Other),
    (b"CWS", Format::Other),
    (b"ZWS", Format::Other),
];

/// Recognises the format of an item from its first [`HEAD_BYTES`], never from a name or a declared type.
///
/// What is recognised is a promise about the first bytes only; whether the rest holds is for a decoder to find.
#[must_use]
pub fn sniff(head: &[u8]) -> Format {
    let head = &head[..head.len().min(HEAD_BYTES)];
    if let Some((_, format)) = SIGNATURES.iter().find(|(magic, _)| head.starts_with(magic)) {
        return *format;
    }
    let at = |place: usize, magic: &[u8]| head.get(place..).is_some_and(|h| h.starts_with(magic));
    if at(0, b"RIFF") || at(0, b"RIFX") {
        return match head.get(8..12) {
            Some(b"WEBP") => Format::Webp,
            Some(b"AVI ") => Format::Avi,
            _ => Format::Other,
        };
    }
    if at(4, b"ftyp") {
        return brands(head);
    }
    if [&b"moov"[..], b"mdat", b"wide", b"free", b"skip", b"pnot"].iter().any(|kind| at(4, kind)) {
        return Format::IsoMedia;
    }
    if at(257, b"ustar") {
        return Format::Tar;
    }
    if at(0, b"BM") && bitmap(head) {
        return Format::Bmp;
    }
    if transport(head, 0, 188) || transport(head, 4, 192) || transport(head, 0, 204) {
        return Format::Mpeg;
    }
    if text_picture(head) || (at(2, b"-lh") && at(6, b"-")) {
        return Format::Other;
    }
    Format::Unknown
}

/// ISO base media file: a picture as soon as any brand says so, because a viewer may show it as one.
fn brands(head: &[u8]) -> Format {
    let mut size = [0; 4];
    size.copy_from_slice(&head[..4]);
    let end = usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX).min(head.len());
    let major = head.get(8..12);
    let compatible = head.get(16..end).unwrap_or_default().chunks_exact(4);
    let all = || major.into_iter().chain(compatible.clone());
    if all().any(|brand| matches!(brand, b"avif" | b"avis")) {
        Format::Avif
    } else if all().any(|brand| {
        let pictures: [&[u8]; 9] =
            [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif"];
        pictures.contains(&brand)
    }) {
        Format::Heic
    } else {
        Format::IsoMedia
    }
}

/// Whether what follows `BM` is one of the header sizes that bitmaps have: two letters alone are too little.
fn bitmap(head: &[u8]) -> bool {
    let Some(&[a, b, c, d]) = head.get(14..18) else { return false };
    matches!(u32::from_le_bytes([a, b, c, d]), 12 | 16 | 40 | 52 | 56 | 64 | 108 | 124)
}

/// Whether sync bytes of a transport stream stand at the distance of its packets.
fn transport(head: &[u8], first: usize, packet: usize) -> bool {
    (0..3).all(|i| head.get(first + i * packet) == Some(&0x47))
}

/// Pictures written as text: SVG, portable any-map; and PDF behind a short preamble.
fn text_picture(head: &[u8]) -> bool {
    let contains = |word: &[u8]| head.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
    let body = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if contains(b"%PDF-") || (body.starts_with(b"<") && contains(b"<svg")) {
        return true;
    }
    matches!(head, [b'P', b'1'..=b'7', space, ..] if space.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn debug_output_of_digests_shows_their_kinds_only() {
        let digests = Digests { md5: [0xab; 16], sha1: [0xab; 20], sha256: [0xab; 32] };
        assert_eq!(format!("{digests:?}"), "Digests(MD5, SHA-1, SHA-256)");
    }

    fn placed(place: usize, magic: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xee; place];
        bytes.extend_from_slice(magic);
        bytes.resize(bytes.len() + 64, 0xee);
        bytes
    }

    fn iso(major: &[u8; 4], compatible: &[&[u8; 4]]) -> Vec<u8> {
        let size = u32::try_from(16 + 4 * compatible.len()).unwrap();
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.extend_from_slice(b"ftyp");
        bytes.extend_from_slice(major);
        bytes.extend_from_slice(&[0; 4]);
        for brand in compatible {
            bytes.extend_from_slice(*brand);
        }
        // What follows the box must not be read as brands.
        bytes.extend_from_slice(b"\0\0\0\x10mdatavif");
        bytes
    }

    fn synced(first: usize, packet: usize) -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        for place in (first..1024).step_by(packet) {
            bytes[place] = 0x47;
        }
        bytes
    }

    #[test]
    fn every_format_is_recognised_from_its_bytes() {
        let table: Vec<(Vec<u8>, Format)> = vec![
            (b"\xff\xd8\xff\xe0\0\x10JFIF\0".to_vec(), Format::Jpeg),
            (b"\xff\xd8\xff\xdb".to_vec(), Format::Jpeg),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), Format::Png),
            (b"GIF87a\x01\0\x01\0".to_vec(), Format::Gif),
            (b"GIF89a\x01\0\x01\0".to_vec(), Format::Gif),
            (b"RIFF\x24\0\0\0WEBPVP8 ".to_vec(), Format::Webp),
            (b"RIFF\x24\0\0\0AVI LIST".to_vec(), Format::Avi),
            (b"RIFF\x24\0\0\0WAVEfmt ".to_vec(), Format::Other),
            (placed(0, b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"), Format::Bmp),
            (placed(0, b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x7c\0\0\0"), Format::Bmp),
            (b"BMW is a make of car".to_vec(), Format::Unknown),
            (b"II*\0\x08\0\0\0".to_vec(), Format::Tiff),
            (b"MM\0*\0\0\0\x08".to_vec(), Format::Tiff),
            (b"II+\0\x08\0\0\0".to_vec(), Format::Tiff),
            (iso(b"avif", &[b"mif1", b"miaf"]), Format::Avif),
            (iso(b"mif1", &[b"avif"]), Format::Avif),
            (iso(b"avis", &[]), Format::Avif),
            (iso(b"heic", &[b"mif1"]), Format::Heic),
            (iso(b"mif1", &[b"heic"]), Format::Heic),
            (iso(b"msf1", &[b"hevc"]), Format::Heic),
            (iso(b"isom", &[b"iso2", b"avc1", b"mp41"]), Format::IsoMedia),
            (iso(b"isom", &[b"heic"]), Format::Heic),
            (iso(b"qt  ", &[]), Format::IsoMedia),
            (iso(b"3gp5", &[b"3gp4"]), Format::IsoMedia),
            (placed(4, b"moov"), Format::IsoMedia),
            (placed(4, b"mdat"), Format::IsoMedia),
            (b"\xff\x0a\xfa\x7f".to_vec(), Format::Jxl),
            (b"\0\0\0\x0cJXL \r\n\x87\n".to_vec(), Format::Jxl),
            (b"PK\x03\x04\x14\0".to_vec(), Format::Zip),
            (b"PK\x05\x06\0\0".to_vec(), Format::Zip),
            (placed(257, b"ustar\x0000"), Format::Tar),
            (placed(257, b"ustar  \0"), Format::Tar),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81".to_vec(), Format::Matroska),
            (synced(0, 188), Format::Mpeg),
            (synced(4, 192), Format::Mpeg),
            (synced(0, 190), Format::Unknown),
            (b"\0\0\x01\xba\x44".to_vec(), Format::Mpeg),
            (b"\0\0\x01\xb3\x14".to_vec(), Format::Mpeg),
            (b"FLV\x01\x05".to_vec(), Format::Flv),
            (b"%PDF-1.7".to_vec(), Format::Other),
            (b"junk before\n%PDF-1.4".to_vec(), Format::Other),
            (b"Rar!\x1a\x07\x01\0".to_vec(), Format::Other),
            (b"7z\xbc\xaf\x27\x1c".to_vec(), Format::Other),
            (b"\x1f\x8b\x08\0".to_vec(), Format::Other),
            (b"BZh91AY&SY".to_vec(), Format::Other),
            (b"\xfd7zXZ\0".to_vec(), Format::Other),
            (b"\x28\xb5\x2f\xfd".to_vec(), Format::Other),
            (b"8BPS\0\x01".to_vec(), Format::Other),
            (b"\0\0\x01\0\x01\0".to_vec(), Format::Other),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\">".to_vec(), Format::Other),
            (b"\xef\xbb\xbf  <?xml version=\"1.0\"?>\n<!-- x -->\n<svg>".to_vec(), Format::Other),
            (b"P6\n4 4\n255\n".to_vec(), Format::Other),
            (b"OggS\0\x02".to_vec(), Format::Other),
            (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11".to_vec(), Format::Other),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), Format::Other),
            (b"".to_vec(), Format::Unknown),
            (b"\xff".to_vec(), Format::Unknown),
            (b"hello, this is only text".to_vec(), Format::Unknown),
            (vec![0; 4096], Format::Unknown),
        ];
        let wrong: Vec<_> = table
            .iter()
            .filter(|(bytes, format)| sniff(bytes) != *format)
            .map(|(bytes, format)| (&bytes[..bytes.len().min(20)], format, sniff(bytes)))
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        let reached: std::collections::BTreeSet<_> = table.iter().map(|(_, f)| *f).collect();
        assert_eq!(reached.len(), 18, "the table reaches every format");
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_format(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            let whole = sniff(&bytes);
            prop_assert_eq!(whole, sniff(&bytes[..bytes.len().min(HEAD_BYTES)]));
        }
    }
}

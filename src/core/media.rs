//! What an examination of bytes can find: the format, the parts, their digests and picture hashes.

use crate::core::signal::Bits256;
use crate::core::verdict::{CheckState, Form};

/// Digests of the bytes of a part, as they were uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-1.
    pub sha1: [u8; 20],
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// The hash of one form of one frame of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// How it was changed before hashing.
    pub form: Form,
    /// Which frame, from 0.
    pub frame: u32,
    /// Width in pixels, of this form.
    pub width: u32,
    /// Height in pixels, of this form.
    pub height: u32,
    /// PDQ quality, 0 to 100.
    pub quality: u32,
    /// PDQ of the eight symmetries, in the order of [`crate::core::verdict::Dihedral::ALL`].
    pub hashes: [Bits256; 8],
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

//! Pictures decoded from hostile bytes, and hashed in every form; runs inside the jail only.

mod complete;
mod forms;
mod pixels;
mod still;
mod jpeg;
mod animated;
mod tiff;
#[cfg(feature = "avif")]
mod avif;
#[cfg(feature = "heic")]
mod heic;
#[cfg(feature = "jxl")]
mod jxl;

use super::limits::MediaLimits;
use super::reason::Reason;
use crate::core::media::{Format, Picture};
use crate::core::verdict::CheckState;
use forms::Forms;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Address space that a worker needs beside pictures: the program, its libraries, stack, and small allocations.
const BESIDE_PICTURES: u64 = 192 << 20;
/// Pictures with fewer pixels may be compressed as much as they like: little memory and time can be lost on them.
const RATIO_FROM_PIXELS: u64 = 16_000_000;

/// Why decoding ended before the end; pictures found until then are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Beyond a limit.
    TooLarge(Reason),
    /// A side is below what can be hashed.
    TooSmall,
    /// Not what its format promises.
    Corrupt(Reason),
    /// Well formed as far as one can see, but nothing here reads it.
    Unsupported(Reason),
}

impl Stop {
    const fn state(self) -> (CheckState, Reason) {
        match self {
            Self::TooLarge(reason) => (CheckState::TooLarge, reason),
            Self::TooSmall => (CheckState::TooSmall, Reason::Nothing),
            Self::Corrupt(reason) => (CheckState::Corrupt, reason),
            Self::Unsupported(reason) => (CheckState::UnsupportedFormat, reason),
        }
    }
}

impl From<image::ImageError> for Stop {
    fn from(error: image::ImageError) -> Self {
        match error {
            image::ImageError::Limits(_) => Self::TooLarge(Reason::Memory),
            image::ImageError::Unsupported(_) => Self::Unsupported(Reason::Codec),
            image::ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::Corrupt(Reason::Truncated)
            }
            _ => Self::Corrupt(Reason::DecoderRefused),
        }
    }
}

/// What decoding a picture gave.
#[derive(Debug)]
pub(super) struct Decoded {
    /// Hashes of every form of every frame that could be read.
    pub(super) pictures: Vec<Picture>,
    /// Checked only when everything was read.
    pub(super) image: CheckState,
    /// Why not.
    pub(super) reason: Reason,
}

/// What decoders may use for one picture file.
struct Room<'a> {
    limits: &'a MediaLimits,
    /// Length of the file, in bytes.
    file_len: u64,
    /// Memory that pictures may take, in bytes.
    memory: u64,
}

impl Room<'_> {
    /// Whether a picture of this size fits, by its header alone; `bytes_per_pixel` is what its decoder needs at most,
    /// its output included.
    fn admit(&self, width: u32, height: u32, bytes_per_pixel: u64) -> Result<(), Stop> {
        let pixels = u64::from(width) * u64::from(height);
        if width > self.limits.side_max || height > self.limits.side_max {
            return Err(Stop::TooLarge(Reason::Side));
        }
        if pixels > self.limits.pixels_max {
            return Err(Stop::TooLarge(Reason::Pixels));
        }
        if pixels > RATIO_FROM_PIXELS
            && pixels / self.file_len.max(1) > self.limits.pixels_per_byte_max
        {
            return Err(Stop::TooLarge(Reason::Compression));
        }
        if pixels.saturating_mul(bytes_per_pixel) > self.memory {
            return Err(Stop::TooLarge(Reason::Memory));
        }
        Ok(())
    }

    /// The limit of memory as the image library takes it; sides are compared by [`Self::admit`], which says which limit
    /// it was.
    fn library(&self) -> image::Limits {
        let mut limits = image::Limits::no_limits();
        limits.max_alloc = Some(self.memory);
        limits
    }
}

/// Whether some decoder here reads the format as a picture.
pub(super) const fn reads(format: Format) -> bool {
    match format {
        Format::Jpeg | Format::Png | Format::Gif | Format::Webp | Format::Bmp | Format::Tiff => {
            true
        }
        Format::Avif => cfg!(feature = "avif"),
        Format::Heic => cfg!(feature = "heic"),
        Format::Jxl => cfg!(feature = "jxl"),
        Format::Zip
        | Format::Tar
        | Format::IsoMedia
        | Format::Matroska
        | Format::Avi
        | Format::Mpeg
        | Format::Flv
        | Format::Other
        | Format::Unknown => false,
    }
}

/// Decodes and hashes a picture file of a format that [`reads`] knows.
///
/// `held_bytes` is the memory that the worker already holds for this item; at most `pictures_left` forms are hashed.
pub(super) fn decode(
    format: Format,
    bytes: &[u8],
    limits: &MediaLimits,
    held_bytes: u64,
    pictures_left: u32,
) -> Decoded {
    let room = Room {
        limits,
        file_len: bytes.len() as u64,
        memory: limits.memory_bytes_max.saturating_sub(BESIDE_PICTURES).saturating_sub(held_bytes),
    };
    let mut forms = Forms::new(limits, pictures_left);
    // Decoders of the image libraries document that they may panic on hostile input; what they had taken hold of
    // is dropped, and `forms` only ever holds whole pictures.
    let outcome = catch_unwind(AssertUnwindSafe(|| match format {
        Format::Jpeg => jpeg::decode(bytes, &room, &mut forms),
        Format::Png => animated::png(bytes, &room, &mut forms),
        Format::Gif => animated::gif(bytes, &room, &mut forms),
        Format::Webp => animated::webp(bytes, &room, &mut forms),
        Format::Bmp => still::bmp(bytes, &room, &mut forms),
        Format::Tiff => tiff::decode(bytes, &room, &mut forms),
        #[cfg(feature = "avif")]
        Format::Avif => avif::decode(bytes, &room, &mut forms),
        #[cfg(feature = "heic")]
        Format::Heic => heic::decode(bytes, &room, &mut forms),
        #[cfg(feature = "jxl")]
        Format::Jxl => jxl::decode(bytes, &room, &mut forms),
        _ => Err(Stop::Unsupported(Reason::NoDecoder)),
    }))
    .unwrap_or(Err(Stop::Corrupt(Reason::DecoderPanicked)));
    let pictures = forms.into_pictures();
    let (image, reason) = match outcome {
        Ok(()) if pictures.is_empty() => (CheckState::Corrupt, Reason::DecoderRefused),
        Ok(()) => (CheckState::Checked, Reason::Nothing),
        Err(stop) => stop.state(),
    };
    Decoded { pictures, image, reason }
}

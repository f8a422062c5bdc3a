//! What a decoder may use, and why it stops.

use super::super::limits::MediaLimits;
use super::super::reason::Reason;
use crate::core::verdict::CheckState;

/// Pictures with fewer pixels may be compressed as much as they like: little memory and time can be lost on them.
const RATIO_FROM_PIXELS: u64 = 16_000_000;

/// Why decoding ended before the end; pictures found until then are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
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
    /// State and reason as they are reported.
    pub(super) const fn state(self) -> (CheckState, Reason) {
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

/// What decoders may use for one picture file.
pub(super) struct Room<'a> {
    /// Limits of one item.
    pub(super) limits: &'a MediaLimits,
    /// Length of the file, in bytes.
    pub(super) file_len: u64,
    /// Memory that pictures may take, in bytes.
    pub(super) memory: u64,
}

impl Room<'_> {
    /// Whether a picture of this size fits, by its header alone; `bytes_per_pixel` is what its decoder needs at most,
    /// its output included.
    pub(super) fn admit(&self, width: u32, height: u32, bytes_per_pixel: u64) -> Result<(), Stop> {
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
    pub(super) fn library(&self) -> image::Limits {
        let mut limits = image::Limits::no_limits();
        limits.max_alloc = Some(self.memory);
        limits
    }
}

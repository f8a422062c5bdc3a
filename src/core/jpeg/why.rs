//! Why a file is not read by its coefficients.

/// Why a file is not read this way. It may be a good picture all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotThisWay {
    /// Fewer or more pixels than were asked for, or too long a side.
    #[error("not of the size that is read by coefficients")]
    Size,
    /// Segments that are not understood, or not where they usually are.
    #[error("unusual segments")]
    Structure,
    /// A header of the frame that is damaged, repeated, or without a height.
    #[error("unusual frame")]
    Frame,
    /// More or fewer than 8 bits a sample.
    #[error("not 8 bits a sample")]
    Depth,
    /// Refined scan by scan.
    #[error("progressive")]
    Progressive,
    /// Arithmetic codes.
    #[error("arithmetic codes")]
    Arithmetic,
    /// Neither grey nor luma with two colour differences.
    #[error("unusual colours")]
    Colours,
    /// Luma has not every sample, or colours one for a fraction of a pixel.
    #[error("unusual sampling")]
    Sampling,
    /// Tables that are missing, or that no encoder of 8-bit pictures writes.
    #[error("unusual tables")]
    Tables,
    /// Components in scans of their own, or a part of the coefficients.
    #[error("unusual scan")]
    Scan,
    /// Something other than the end follows the scan.
    #[error("more than one scan")]
    More,
    /// The data ends early.
    #[error("data ends early")]
    Truncated,
    /// Codes that are none, or a restart that is not where it must be.
    #[error("damaged codes")]
    Damaged,
    /// Coefficients that no 8-bit picture has.
    #[error("coefficients out of all proportion")]
    Extreme,
}

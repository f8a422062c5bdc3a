//! The file of a signature, byte by byte.
//!
//! | offset | content, little-endian |
//! |---|---|
//! | 0 | `TMK1`, `FVEC`, `PDQF` |
//! | 12 | five 32-bit numbers: frames per second, periods P, coefficients m, dimension d = 256, frames |
//! | 32 | P periods, 32-bit whole numbers |
//! | then | m coefficients, 32-bit floats, as all that follows |
//! | then | d values of the pure average |
//! | then | P × m × d values of cosine features, and as many of sine features |
//!
//! A file is exactly as long as its counts say, which is checked before anything is allocated.
//! Law: reading what was written gives the same. Source: `tmkio.cpp`, `tmkfv.cpp`.

use super::signature::{
    COEFFICIENTS_MAX, DIMENSION, FRAMES_PER_SECOND_MAX, Feature, Fourier, PERIOD_MAX, PERIODS_MAX,
    Signature,
};

const MAGIC: &[u8; 12] = b"TMK1FVECPDQF";
const HEADER_BYTES: usize = 32;

/// Why bytes are not a signature. Says where, never what stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than the fixed part.
    #[error("must have at least {HEADER_BYTES} bytes")]
    Header,
    /// Another kind of file.
    #[error("must begin with TMK1FVECPDQF")]
    Magic,
    /// Frames a second.
    #[error("frames per second must be 1 to {FRAMES_PER_SECOND_MAX}")]
    FramesPerSecond,
    /// Number of periods.
    #[error("there must be 1 to {PERIODS_MAX} periods")]
    Periods,
    /// Number of coefficients.
    #[error("there must be 1 to {COEFFICIENTS_MAX} coefficients")]
    Coefficients,
    /// Length of a feature.
    #[error("dimension must be {DIMENSION}")]
    Dimension,
    /// Number of frames.
    #[error("the number of frames must not be negative")]
    Frames,
    /// Shorter or longer than the counts say.
    #[error("must have {expected} bytes by its counts")]
    Length {
        /// How long it would be.
        expected: usize,
    },
    /// Length of a period.
    #[error("period {place}: must be 1 to {PERIOD_MAX} frames")]
    Period {
        /// Which period, from 1.
        place: usize,
    },
    /// The value of a coefficient.
    #[error("coefficients must be finite and not negative, and one above zero")]
    Weights,
    /// A feature with what is not a number, or infinite.
    #[error("features must be finite")]
    Infinite,
}

/// Reads 32-bit values one after another; of the bytes there are enough.
struct Reader<'a>(std::slice::ChunksExact<'a, u8>);

impl Reader<'_> {
    fn four(&mut self) -> [u8; 4] {
        self.0.next().and_then(|four| four.try_into().ok()).unwrap_or_default()
    }

    /// A whole number; a negative one is too large for every limit.
    fn whole(&mut self) -> u32 {
        u32::from_le_bytes(self.four())
    }

    fn float(&mut self) -> f32 {
        f32::from_le_bytes(self.four())
    }

    fn feature(&mut self) -> Result<Feature, Malformed> {
        let mut feature = [0.0; DIMENSION];
        for value in &mut feature {
            *value = self.float();
        }
        if feature.iter().all(|value| value.is_finite()) {
            Ok(feature)
        } else {
            Err(Malformed::Infinite)
        }
    }
}

/// How long the file of so many periods and coefficients is. Both are within their limits.
const fn length(periods: usize, coefficients: usize) -> usize {
    HEADER_BYTES + 4 * (periods + coefficients + DIMENSION * (1 + 2 * periods * coefficients))
}

fn counted(count: u32, max: usize, wrong: Malformed) -> Result<usize, Malformed> {
    let count = count as usize;
    if (1..=max).contains(&count) { Ok(count) } else { Err(wrong) }
}

/// Reads a file.
///
/// # Errors
/// [`Malformed`] names the first part that is wrong.
pub fn parse(bytes: &[u8]) -> Result<Signature, Malformed> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES).ok_or(Malformed::Header)?;
    let counts = header.strip_prefix(MAGIC).ok_or(Malformed::Magic)?;
    let mut counts = Reader(counts.chunks_exact(4));
    let frames_per_second = counts.whole();
    counted(frames_per_second, FRAMES_PER_SECOND_MAX as usize, Malformed::FramesPerSecond)?;
    let period_count = counted(counts.whole(), PERIODS_MAX, Malformed::Periods)?;
    let coefficient_count = counted(counts.whole(), COEFFICIENTS_MAX, Malformed::Coefficients)?;
    if counts.whole() as usize != DIMENSION {
        return Err(Malformed::Dimension);
    }
    let frames = counts.whole();
    if i32::try_from(frames).is_err() {
        return Err(Malformed::Frames);
    }
    let expected = length(period_count, coefficient_count);
    if bytes.len() != expected {
        return Err(Malformed::Length { expected });
    }

    let mut values = Reader(rest.chunks_exact(4));
    let lengths: Vec<u32> = (0..period_count).map(|_| values.whole()).collect();
    if let Some(place) = lengths.iter().position(|length| !(1..=PERIOD_MAX).contains(length)) {
        return Err(Malformed::Period { place: place + 1 });
    }
    let coefficients: Vec<f32> = (0..coefficient_count).map(|_| values.float()).collect();
    let is_weight = |weight: &f32| weight.is_finite() && *weight >= 0.0;
    if !coefficients.iter().all(is_weight) || coefficients.iter().all(|weight| *weight == 0.0) {
        return Err(Malformed::Weights);
    }
    let average = Box::new(values.feature()?);
    let mut features = || -> Result<Vec<Feature>, Malformed> {
        (0..coefficient_count).map(|_| values.feature()).collect()
    };
    let cosines = lengths.iter().map(|_| features()).collect::<Result<Vec<_>, _>>()?;
    let sines = lengths.iter().map(|_| features()).collect::<Result<Vec<_>, _>>()?;
    let periods = lengths.into_iter().zip(cosines).zip(sines);
    let periods =
        periods.map(|((period, cosines), sines)| Fourier { period, cosines, sines }).collect();
    Ok(Signature { frames_per_second, frames, coefficients, average, periods })
}

/// Writes a file.
#[must_use]
pub fn write(signature: &Signature) -> Vec<u8> {
    let (periods, coefficients) = (signature.periods.len(), signature.coefficients.len());
    let mut bytes = Vec::with_capacity(length(periods, coefficients));
    bytes.extend(MAGIC);
    let counts = [periods as u32, coefficients as u32, DIMENSION as u32, signature.frames];
    let lengths = signature.periods.iter().map(|fourier| fourier.period);
    for whole in [signature.frames_per_second].into_iter().chain(counts).chain(lengths) {
        bytes.extend(whole.to_le_bytes());
    }
    let cosines = signature.periods.iter().flat_map(|fourier| &fourier.cosines);
    let sines = signature.periods.iter().flat_map(|fourier| &fourier.sines);
    let features = [&*signature.average].into_iter().chain(cosines).chain(sines);
    for value in signature.coefficients.iter().chain(features.flatten()) {
        bytes.extend(value.to_le_bytes());
    }
    bytes
}

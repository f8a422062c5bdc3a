//! What one signature holds.

/// Length of every feature: the 16×16 coefficients of PDQ, as numbers.
pub const DIMENSION: usize = 256;

/// Most periods of one signature.
pub const PERIODS_MAX: usize = 16;

/// Longest period, in frames. Comparing takes time in proportion to the sum of the periods.
pub const PERIOD_MAX: u32 = 65_536;

/// Most Fourier coefficients.
pub const COEFFICIENTS_MAX: usize = 64;

/// Most frames per second.
pub const FRAMES_PER_SECOND_MAX: u32 = 240;

/// The features of one coefficient of one period.
pub type Feature = [f32; DIMENSION];

/// The features of one period, a pair for each coefficient.
#[derive(Clone, PartialEq)]
pub struct Fourier {
    /// Length of the period, in frames.
    pub period: u32,
    /// The sums of frames weighted by the cosine of their time, of length √a for the coefficient a.
    pub cosines: Vec<Feature>,
    /// The same by the sine.
    pub sines: Vec<Feature>,
}

/// The signature of one video. Every number in it is finite, every count within its limit.
#[derive(Clone, PartialEq)]
pub struct Signature {
    /// Frames a second at which the video was sampled.
    pub(super) frames_per_second: u32,
    /// How many frames there were.
    pub(super) frames: u32,
    /// The weight of each coefficient, none negative, not all zero.
    pub(super) coefficients: Vec<f32>,
    /// The mean of all frames.
    pub(super) average: Box<Feature>,
    /// The features of each period.
    pub(super) periods: Vec<Fourier>,
}

impl std::fmt::Debug for Fourier {
    /// Prints the sizes only: features are a hash, and must not reach a log by way of `{:?}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fourier(period {}, {} coefficients)", self.period, self.cosines.len())
    }
}

impl std::fmt::Debug for Signature {
    /// Prints the sizes only: features are a hash, and must not reach a log by way of `{:?}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature({} frames, {} periods)", self.frames, self.periods.len())
    }
}

impl Signature {
    /// Frames a second at which the video was sampled.
    #[must_use]
    pub const fn frames_per_second(&self) -> u32 {
        self.frames_per_second
    }

    /// How many frames were sampled.
    #[must_use]
    pub const fn frames(&self) -> u32 {
        self.frames
    }
}

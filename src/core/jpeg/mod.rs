//! The luma of a sequential JPEG by blocks, from coefficients, without decoding pixels where none are needed.
//!
//! Perceptual hashing of a large picture reads averages over many pixels. They are sums over coefficients, most of
//! which have no weight; so codes are read, and of most blocks the 4×4 lowest coefficients are handed on. Where samples
//! would leave the range of a byte, in luma or in any colour, and at the picture's edges, pixels are made as a decoder
//! makes them, for there the sum over coefficients is not what is seen.
//!
//! Only the usual is read: one scan of 8-bit Huffman codes, grey or JFIF's three components, every block there, the
//! end marker at once behind it. Anything else is [`NotThisWay`], which says nothing about the picture: a full decoder
//! has the word. Memory is some rows of the picture; time is bounded by its pixels or the file's bytes, whichever are
//! fewer.
//!
//! Source: ITU-T T.81; T.871 (JFIF) for colours.

mod why;
mod bits;
mod huffman;
mod headers;
mod block;
mod pixels;
mod edges;
mod units;
#[cfg(test)]
mod tests;

pub use edges::Edges;
pub use pixels::{Centred, basis};
pub use units::{KEPT, Low, Take};
pub use why::NotThisWay;

/// What may be read this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Pixels of the smallest picture.
    pub pixels_min: u64,
    /// Pixels of the largest picture.
    pub pixels_max: u64,
    /// Longer side, in pixels.
    pub side_max: u32,
}

/// A file of which everything before the scan was read.
pub struct Opened<'a> {
    bytes: &'a [u8],
    headers: headers::Headers,
}

impl std::fmt::Debug for Opened<'_> {
    /// Prints the size only: what a picture shows must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({}x{})", self.width(), self.height())
    }
}

/// Reads what stands before the scan.
///
/// # Errors
/// [`NotThisWay`] where this way does not lead to the picture.
pub fn open(bytes: &[u8], limits: Limits) -> Result<Opened<'_>, NotThisWay> {
    let headers = headers::read(bytes)?;
    let pixels = u64::from(headers.width) * u64::from(headers.height);
    let sized = (limits.pixels_min..=limits.pixels_max).contains(&pixels)
        && headers.width.max(headers.height) <= limits.side_max;
    if sized { Ok(Opened { bytes, headers }) } else { Err(NotThisWay::Size) }
}

impl Opened<'_> {
    /// Width in pixels.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.headers.width
    }

    /// Height in pixels.
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.headers.height
    }

    /// Reads the scan to its end and hands each block of luma to `take`, not in any order; what stands at the edges is
    /// returned.
    ///
    /// # Errors
    /// [`NotThisWay`] where this way does not lead to the picture; what was handed out is then of no use.
    pub fn follow(&self, take: &mut impl Take) -> Result<Edges, NotThisWay> {
        units::follow(self.bytes, &self.headers, take)
    }
}

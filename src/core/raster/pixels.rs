//! Pixels as a decoder gave them.

use super::luma::{Misshapen, area};

/// 8-bit pixels in RGB or grey, with or without an alpha plane.
///
/// Luma and hash are canonical where alpha is ignored; [`super::View::composited`] shows what a person sees.
#[derive(Clone, PartialEq, Eq)]
pub struct Raster {
    pub(super) width: u32,
    pub(super) height: u32,
    /// 3 for RGB, 1 for grey.
    pub(super) channels: usize,
    pub(super) pixels: Vec<u8>,
    pub(super) alpha: Option<Vec<u8>>,
}

impl std::fmt::Debug for Raster {
    /// Prints the size only: pixels must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raster({}x{})", self.width, self.height)
    }
}

impl Raster {
    /// A picture of interleaved red, green and blue, row by row.
    ///
    /// # Errors
    /// [`Misshapen`] if it is empty or the length is not `width · height · 3`.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self, Misshapen> {
        if area(width, height, 3) != Some(rgb.len()) {
            return Err(Misshapen);
        }
        Ok(Self { width, height, channels: 3, pixels: rgb, alpha: None })
    }

    /// A grey picture. Its luma is the byte itself, as the reference has it, which can differ in the last
    /// binary digit from the luma of an RGB picture of equal channels.
    ///
    /// # Errors
    /// [`Misshapen`] if it is empty or the length is not `width · height`.
    pub fn grey(width: u32, height: u32, grey: Vec<u8>) -> Result<Self, Misshapen> {
        if area(width, height, 1) != Some(grey.len()) {
            return Err(Misshapen);
        }
        Ok(Self { width, height, channels: 1, pixels: grey, alpha: None })
    }

    /// The same pixels with an alpha plane: 0 is transparent, 255 opaque.
    ///
    /// # Errors
    /// [`Misshapen`] if the plane's length is not `width · height`.
    pub fn with_alpha(mut self, alpha: Vec<u8>) -> Result<Self, Misshapen> {
        if area(self.width, self.height, 1) != Some(alpha.len()) {
            return Err(Misshapen);
        }
        self.alpha = Some(alpha);
        Ok(self)
    }

    /// Width in pixels, at least 1.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Red, green and blue of one pixel.
    ///
    /// # Panics
    /// Outside the picture.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(x < self.width, "outside the picture");
        self.at(y as usize * self.width as usize + x as usize)
    }

    /// Red, green and blue of the pixel with this number, counted row by row.
    pub(super) fn at(&self, index: usize) -> [u8; 3] {
        if self.channels == 1 {
            [self.pixels[index]; 3]
        } else {
            let from = index * 3;
            [self.pixels[from], self.pixels[from + 1], self.pixels[from + 2]]
        }
    }

    /// The alpha plane, if there is one.
    #[must_use]
    pub fn alpha(&self) -> Option<&[u8]> {
        self.alpha.as_deref()
    }

    /// Whether some pixel lets a background through, so that compositing changes something.
    #[must_use]
    pub fn is_translucent(&self) -> bool {
        self.alpha.as_ref().is_some_and(|plane| plane.iter().any(|&alpha| alpha < u8::MAX))
    }
}

//! Pixels of a picture as a decoder gave them, and the luma that perceptual hashing reads from them.
//!
//! A [`Raster`] owns the pixels; a [`View`] is a changed way of looking at them (cut, turned, laid over a
//! background) that copies nothing, so that a picture of a hundred megapixels is hashed in all its forms
//! within the memory of one. Whatever can give its luma row by row is [`Rows`].

mod border;
mod view;
#[cfg(test)]
mod tests;

pub use border::{BORDER_TOLERANCE, REMAINING_PERCENT_MIN};
pub use view::View;

/// Weight of red in luma (ITU-R BT.601), as PDQ's reference takes it.
const RED: f32 = 0.299;
/// Weight of green in luma.
const GREEN: f32 = 0.587;
/// Weight of blue in luma.
const BLUE: f32 = 0.114;

/// The products of a weight with every channel value, as they would be computed at each pixel.
const fn products(weight: f32) -> [f32; 256] {
    let mut table = [0.0; 256];
    let mut value = 0;
    while value < table.len() {
        table[value] = weight * value as f32;
        value += 1;
    }
    table
}

static REDS: [f32; 256] = products(RED);
static GREENS: [f32; 256] = products(GREEN);
static BLUES: [f32; 256] = products(BLUE);

/// Luma of one pixel: products and sums in single precision, from left to right.
#[must_use]
pub fn luma(red: u8, green: u8, blue: u8) -> f32 {
    REDS[usize::from(red)] + GREENS[usize::from(green)] + BLUES[usize::from(blue)]
}

/// A picture that gives its luma row by row, from top to bottom.
pub trait Rows {
    /// Width in pixels.
    fn width(&self) -> u32;
    /// Height in pixels.
    fn height(&self) -> u32;
    /// Writes the luma of row `y` into `row`, which holds exactly `width` values.
    fn luma_row(&self, y: u32, row: &mut [f32]);
}

/// Why bytes are not a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the number of values does not fit width and height")]
pub struct Misshapen;

/// Number of values that a plane of this size has with so many channels; nothing for an empty plane.
fn area(width: u32, height: u32, channels: usize) -> Option<usize> {
    (width as usize)
        .checked_mul(height as usize)?
        .checked_mul(channels)
        .filter(|&values| values > 0)
}

/// 8-bit pixels in RGB or grey, with or without an alpha plane.
///
/// Luma and hash are canonical where alpha is ignored; [`View::composited`] shows what a person sees.
#[derive(Clone, PartialEq, Eq)]
pub struct Raster {
    width: u32,
    height: u32,
    /// 3 for RGB, 1 for grey.
    channels: usize,
    pixels: Vec<u8>,
    alpha: Option<Vec<u8>>,
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
    fn at(&self, index: usize) -> [u8; 3] {
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

    /// The whole picture, unchanged, to be looked at in another way.
    #[must_use]
    pub const fn view(&self) -> View<'_> {
        View::of(self)
    }

    /// The luma of the whole picture, 4 bytes a pixel. Hashing does not need it: it reads [`Rows`].
    #[must_use]
    pub fn luma(&self) -> Luma {
        Luma::of(self)
    }

    /// A copy laid over a uniform grey background (0 black, 255 white).
    #[must_use]
    pub fn composited(&self, background: u8) -> Self {
        self.view().composited(background).to_raster()
    }

    /// A copy turned as an EXIF orientation asks, see [`View::oriented`].
    #[must_use]
    pub fn oriented(&self, exif_orientation: u8) -> Self {
        self.view().oriented(exif_orientation).to_raster()
    }

    /// A copy without its uniform border, see [`View::trimmed`].
    #[must_use]
    pub fn trimmed(&self, tolerance: u8) -> Option<Self> {
        Some(self.view().trimmed(tolerance)?.to_raster())
    }
}

impl Rows for Raster {
    fn width(&self) -> u32 {
        self.width
    }

    fn height(&self) -> u32 {
        self.height
    }

    fn luma_row(&self, y: u32, row: &mut [f32]) {
        self.view().luma_row(y, row);
    }
}

/// Luma of a whole picture, row by row.
#[derive(Clone, PartialEq)]
pub struct Luma {
    width: u32,
    height: u32,
    values: Vec<f32>,
}

impl std::fmt::Debug for Luma {
    /// Prints the size only: pixels must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Luma({}x{})", self.width, self.height)
    }
}

impl Luma {
    /// Luma that was computed elsewhere, 0 to 255.
    ///
    /// # Errors
    /// [`Misshapen`] if it is empty or the length is not `width · height`.
    pub fn new(width: u32, height: u32, values: Vec<f32>) -> Result<Self, Misshapen> {
        if area(width, height, 1) != Some(values.len()) {
            return Err(Misshapen);
        }
        Ok(Self { width, height, values })
    }

    /// The luma of any picture.
    #[must_use]
    pub fn of(picture: &impl Rows) -> Self {
        let (width, height) = (picture.width(), picture.height());
        let mut values = vec![0.0; width as usize * height as usize];
        for (y, row) in (0..height).zip(values.chunks_exact_mut(width as usize)) {
            picture.luma_row(y, row);
        }
        Self { width, height, values }
    }

    /// The values, row by row.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl Rows for Luma {
    fn width(&self) -> u32 {
        self.width
    }

    fn height(&self) -> u32 {
        self.height
    }

    fn luma_row(&self, y: u32, row: &mut [f32]) {
        let from = y as usize * self.width as usize;
        row.copy_from_slice(&self.values[from..from + self.width as usize]);
    }
}

//! Luma: of one pixel, of a row, of a whole picture.

/// Weight of red in luma (ITU-R BT.601), as PDQ's reference takes it.
pub const RED: f32 = 0.299;
/// Weight of green in luma.
pub const GREEN: f32 = 0.587;
/// Weight of blue in luma.
pub const BLUE: f32 = 0.114;

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

/// The luma of pixels of red, green and blue, one after another.
#[inline(always)]
pub(super) fn luma_of_rgb(rgb: &[u8], row: &mut [f32]) {
    let (rgb, _) = rgb.as_chunks::<3>();
    for (value, &[red, green, blue]) in row.iter_mut().zip(rgb) {
        *value = RED * f32::from(red) + GREEN * f32::from(green) + BLUE * f32::from(blue);
    }
}

/// A picture that gives its luma row by row, from top to bottom.
pub trait Rows {
    /// Width in pixels.
    fn width(&self) -> u32;
    /// Height in pixels.
    fn height(&self) -> u32;
    /// Writes the luma of row `y` into `row`, which holds exactly `width` values.
    fn luma_row(&self, y: u32, row: &mut [f32]);

    /// The luma of the whole picture, where it is there as bytes, row by row.
    fn bytes(&self) -> Option<&[u8]> {
        None
    }
}

/// Why bytes are not a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the number of values does not fit width and height")]
pub struct Misshapen;

/// Number of values that a plane of this size has with so many channels; nothing for an empty plane.
pub(super) fn area(width: u32, height: u32, channels: usize) -> Option<usize> {
    (width as usize)
        .checked_mul(height as usize)?
        .checked_mul(channels)
        .filter(|&values| values > 0)
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

    #[inline(always)]
    fn luma_row(&self, y: u32, row: &mut [f32]) {
        let from = y as usize * self.width as usize;
        row.copy_from_slice(&self.values[from..from + self.width as usize]);
    }
}

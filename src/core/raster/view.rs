//! A picture looked at in another way: cut, turned, laid over a background, without copying pixels.

use super::border;
use super::luma::{Luma, Rows, luma, luma_of_rgb};
use super::pixels::Raster;

/// One of the eight symmetries: a pixel's place with its coordinates exchanged or not, then counted from the
/// other end or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    /// Columns are read down the rows of the stored rectangle.
    transpose: bool,
    /// Stored columns are counted from the right.
    mirror: bool,
    /// Stored rows are counted from the bottom.
    flip: bool,
}

impl Turn {
    /// What an EXIF orientation asks for.
    const fn exif(orientation: u8) -> Self {
        Self {
            transpose: matches!(orientation, 5..=8),
            mirror: matches!(orientation, 2 | 3 | 7 | 8),
            flip: matches!(orientation, 3 | 4 | 6 | 7),
        }
    }

    /// The EXIF orientation that asks for this.
    const fn to_exif(self) -> u8 {
        match (self.transpose, self.mirror, self.flip) {
            (false, false, false) => 1,
            (false, true, false) => 2,
            (false, true, true) => 3,
            (false, false, true) => 4,
            (true, false, false) => 5,
            (true, false, true) => 6,
            (true, true, true) => 7,
            (true, true, false) => 8,
        }
    }

    /// This, and then that.
    const fn then(self, next: Self) -> Self {
        let (mirror, flip) =
            if self.transpose { (next.flip, next.mirror) } else { (next.mirror, next.flip) };
        Self {
            transpose: self.transpose != next.transpose,
            mirror: self.mirror != mirror,
            flip: self.flip != flip,
        }
    }
}

/// The EXIF orientation, 1 to 8, that turns a picture as one orientation and then the other does. Every other value
/// turns nothing, as for [`View::oriented`].
#[must_use]
pub const fn oriented_then(first: u8, second: u8) -> u8 {
    Turn::exif(first).then(Turn::exif(second)).to_exif()
}

/// A rectangle of a picture, turned and composited. Each change keeps the others.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    raster: &'a Raster,
    /// Left edge, in pixels of the raster.
    left: u32,
    /// Upper edge, in pixels of the raster.
    top: u32,
    /// Columns of the raster that are seen.
    columns: u32,
    /// Rows of the raster that are seen.
    rows: u32,
    /// How the rectangle is turned.
    turn: Turn,
    /// The grey that shows through where the picture is transparent; nothing where alpha is ignored.
    background: Option<u8>,
}

/// Where a row of a view lies in the raster: the number of its first pixel, and the step to the next.
#[derive(Clone, Copy)]
struct Walk {
    first: usize,
    step: isize,
}

impl Walk {
    /// Numbers of the row's pixels in the raster.
    fn indices(self, length: usize) -> impl Iterator<Item = usize> {
        (0..length).map(move |x| self.first.wrapping_add_signed(self.step * x as isize))
    }
}

impl<'a> View<'a> {
    /// The whole picture, unchanged.
    pub(super) const fn of(raster: &'a Raster) -> Self {
        Self {
            raster,
            left: 0,
            top: 0,
            columns: raster.width,
            rows: raster.height,
            turn: Turn { transpose: false, mirror: false, flip: false },
            background: None,
        }
    }

    /// Laid over a uniform grey background (0 black, 255 white), rounded to the nearest 8-bit value.
    #[must_use]
    pub const fn composited(mut self, background: u8) -> Self {
        self.background = Some(background);
        self
    }

    /// Turned so that it stands upright, by the EXIF orientation of the stored pixels: 2 mirror, 3 half
    /// turn, 4 flip, 5 transpose, 6 quarter turn clockwise, 7 anti-transpose, 8 quarter turn
    /// counter-clockwise. Every other value leaves it as it is, as viewers do. A view that was turned before
    /// is turned further.
    ///
    /// Source: EXIF 2.32, tag 0x0112.
    #[must_use]
    pub const fn oriented(mut self, exif_orientation: u8) -> Self {
        self.turn = self.turn.then(Turn::exif(exif_orientation));
        self
    }

    /// Without its uniform border of any colour; nothing when there is none, when the picture is uniform as
    /// a whole, or when too little would remain ([`super::REMAINING_PERCENT_MIN`]).
    ///
    /// `tolerance` is the greatest difference of a channel from the border's colour at which a pixel still
    /// belongs to the border; [`super::BORDER_TOLERANCE`] serves for decoded JPEG.
    #[must_use]
    pub fn trimmed(self, tolerance: u8) -> Option<Self> {
        let stored = self.upright();
        let kept = border::find(self.columns, self.rows, tolerance, |x, y| stored.pixel(x, y))?;
        Some(Self {
            left: self.left + kept.left,
            top: self.top + kept.top,
            columns: kept.columns,
            rows: kept.rows,
            ..self
        })
    }

    /// Whether a picture of which this is the luma may have a border that [`Self::trimmed`] cuts off.
    #[must_use]
    pub fn may_have_border(self, tolerance: u8) -> bool {
        let stored = self.upright();
        border::possible(self.columns, self.rows, tolerance, |x, y| stored.pixel(x, y)[0])
    }

    /// The same rectangle as it is stored.
    const fn upright(mut self) -> Self {
        self.turn = Turn::exif(1);
        self
    }

    fn walk(&self, y: u32) -> Walk {
        let stride = self.raster.width as usize;
        let index = |x: u32, y: u32| {
            (self.top as usize + y as usize) * stride + self.left as usize + x as usize
        };
        let Turn { transpose, mirror, flip } = self.turn;
        let (across, down) = if transpose { (y, 0) } else { (0, y) };
        let x = if mirror { self.columns - 1 - across } else { across };
        let y = if flip { self.rows - 1 - down } else { down };
        let (pixel, back) = if transpose { (stride as isize, flip) } else { (1, mirror) };
        Walk { first: index(x, y), step: if back { -pixel } else { pixel } }
    }

    /// Red, green and blue of a pixel of the raster, over the background.
    fn shown(&self, index: usize) -> [u8; 3] {
        let colour = self.raster.at(index);
        match (self.background, &self.raster.alpha) {
            (Some(background), Some(alpha)) => {
                let alpha = u32::from(alpha[index]);
                colour.map(|channel| {
                    let sum = u32::from(channel) * alpha + u32::from(background) * (255 - alpha);
                    ((sum + 127) / 255) as u8
                })
            }
            _ => colour,
        }
    }

    /// Red, green and blue of one pixel as it is seen.
    ///
    /// # Panics
    /// Outside the view.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(x < self.width() && y < self.height(), "outside the picture");
        let walk = self.walk(y);
        self.shown(walk.first.wrapping_add_signed(walk.step * x as isize))
    }

    /// A picture of its own with these pixels. A composited one has no alpha left.
    #[must_use]
    pub fn to_raster(&self) -> Raster {
        let (width, height) = (self.width(), self.height());
        let length = width as usize;
        let channels = self.raster.channels;
        let mut pixels = Vec::with_capacity(length * height as usize * channels);
        let mut alpha = match self.background {
            None => {
                self.raster.alpha.as_ref().map(|_| Vec::with_capacity(length * height as usize))
            }
            Some(_) => None,
        };
        for y in 0..height {
            for index in self.walk(y).indices(length) {
                pixels.extend_from_slice(&self.shown(index)[..channels]);
            }
            if let (Some(copy), Some(plane)) = (&mut alpha, &self.raster.alpha) {
                copy.extend(self.walk(y).indices(length).map(|index| plane[index]));
            }
        }
        Raster { width, height, channels, pixels, alpha }
    }
}

impl Rows for View<'_> {
    fn width(&self) -> u32 {
        if self.turn.transpose { self.rows } else { self.columns }
    }

    fn height(&self) -> u32 {
        if self.turn.transpose { self.columns } else { self.rows }
    }

    #[inline(always)]
    fn luma_row(&self, y: u32, row: &mut [f32]) {
        let walk = self.walk(y);
        let composited = self.background.is_some() && self.raster.alpha.is_some();
        let length = row.len();
        match (self.raster.channels, composited) {
            (1, false) if walk.step == 1 => {
                let bytes = &self.raster.pixels[walk.first..walk.first + length];
                for (value, &grey) in row.iter_mut().zip(bytes) {
                    *value = f32::from(grey);
                }
            }
            (1, _) => {
                for (value, index) in row.iter_mut().zip(walk.indices(length)) {
                    *value = f32::from(self.shown(index)[0]);
                }
            }
            (_, false) if walk.step == 1 => {
                let bytes = &self.raster.pixels[walk.first * 3..(walk.first + length) * 3];
                luma_of_rgb(bytes, row);
            }
            _ => {
                for (value, index) in row.iter_mut().zip(walk.indices(length)) {
                    let [red, green, blue] = self.shown(index);
                    *value = luma(red, green, blue);
                }
            }
        }
    }
}

impl Raster {
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
    fn bytes(&self) -> Option<&[u8]> {
        (self.channels == 1).then_some(&self.pixels)
    }

    fn width(&self) -> u32 {
        self.width
    }

    fn height(&self) -> u32 {
        self.height
    }

    #[inline(always)]
    fn luma_row(&self, y: u32, row: &mut [f32]) {
        self.view().luma_row(y, row);
    }
}

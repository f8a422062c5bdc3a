//! Nearest-neighbour resizing to 512×512, as the reference's command-line tool does it.

use crate::core::raster::Rows;
use std::cell::RefCell;

/// Side of the resized picture, in pixels.
pub(super) const SIDE: u32 = 512;

/// A picture looked at through a grid of 512×512 of its pixels; pixel `x` is pixel `x · width / 512` of the
/// picture, rounded down, and likewise for rows.
pub(super) struct Resized<'a, P> {
    picture: &'a P,
    /// A row of the picture, kept between rows.
    row: RefCell<Vec<f32>>,
}

impl<'a, P: Rows> Resized<'a, P> {
    /// Looks at a picture of any size through the grid.
    pub(super) fn of(picture: &'a P) -> Self {
        Self { picture, row: RefCell::new(vec![0.0; picture.width() as usize]) }
    }
}

fn source(index: u32, length: u32) -> u32 {
    (u64::from(index) * u64::from(length) / u64::from(SIDE)) as u32
}

impl<P: Rows> Rows for Resized<'_, P> {
    fn width(&self) -> u32 {
        SIDE
    }

    fn height(&self) -> u32 {
        SIDE
    }

    fn luma_row(&self, y: u32, row: &mut [f32]) {
        let mut full = self.row.borrow_mut();
        self.picture.luma_row(source(y, self.picture.height()), &mut full);
        for (x, value) in (0..).zip(row) {
            *value = full[source(x, self.picture.width()) as usize];
        }
    }
}

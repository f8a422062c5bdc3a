//! Frames made small.

use crate::core::media::Thumb;
use crate::core::raster::{Rows as _, View};
use image::{GenericImageView, Rgb, imageops};

/// A way of looking at a picture, as the library takes pictures.
struct Seen<'a, 'r>(&'a View<'r>);

impl GenericImageView for Seen<'_, '_> {
    type Pixel = Rgb<u8>;

    fn dimensions(&self) -> (u32, u32) {
        (self.0.width(), self.0.height())
    }

    fn get_pixel(&self, x: u32, y: u32) -> Rgb<u8> {
        Rgb(self.0.pixel(x, y))
    }
}

/// A picture in another size: each pixel is the mean of those that it stands for.
pub(super) fn thumb(seen: &View<'_>, width: u32, height: u32) -> Thumb {
    Thumb { width, height, rgb: imageops::thumbnail(&Seen(seen), width, height).into_raw() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::raster::Raster;

    #[test]
    fn a_pixel_is_the_mean_of_what_it_stands_for() {
        // Two halves, each of a chessboard of its own.
        let pixel = |i: u32| {
            let (x, y) = (i % 64, i / 64);
            let even = (x + y).is_multiple_of(2);
            if x < 32 {
                [if even { 100 } else { 50 }, 0, 0]
            } else {
                [0, 0, if even { 8 } else { 4 }]
            }
        };
        let raster = Raster::new(64, 16, (0..64 * 16).flat_map(pixel).collect()).unwrap();
        let small = thumb(&raster.view(), 2, 1);
        assert_eq!((small.width, small.height), (2, 1));
        assert_eq!(small.rgb, [75, 0, 0, 0, 0, 6]);
    }

    #[test]
    fn any_size_is_made_of_any_other() {
        let raster = Raster::new(3, 5, (0..45).collect()).unwrap();
        for (width, height) in [(1, 1), (3, 5), (7, 2), (224, 224)] {
            let small = thumb(&raster.view(), width, height);
            assert_eq!(small.rgb.len() as u32, width * height * 3);
        }
    }
}

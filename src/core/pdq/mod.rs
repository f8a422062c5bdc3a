//! PDQ: the perceptual hash of a picture, its quality and its eight symmetries.
//!
//! Bit-exact to the C++ reference of `facebook/ThreatExchange` (`pdq/cpp`): single precision throughout,
//! running sums in the reference's order, no fused multiply-add. See "The TMK+PDQF video-hashing algorithm
//! and the PDQ image-hashing algorithm", Meta, 2019.
//!
//! | function | reference | smaller than 5 | exactly 64×64 | larger than 512 |
//! |---|---|---|---|---|
//! | [`hash`] | the dihedral function at full resolution, as banked and exchanged | zero, quality 0 | filtered | as it is |
//! | [`hash_one`] | the single function at full resolution, as for video frames | zero, quality 0 | **not filtered** | as it is |
//! | [`hash_turning`] | none: every symmetry from turned pixels | zero, quality 0 | filtered | as it is |
//! | [`hash_512`] | the dihedral function of the command-line tool | zero, quality 0 | filtered | nearest neighbour to 512×512 first |
//! | [`hash_coefficients`] | none: near [`hash`], from the coefficients of a large JPEG | not taken | not taken | as it is |
//!
//! [`hash`] and [`hash_one`] differ on pictures of exactly 64×64 only, and there by the rounding of the filter's running
//! sums, so by no bit unless coefficients all but tie.

mod small;
mod hashed;
mod dct;
mod bits;
mod filter;
mod nearest;
mod coefficients;
#[cfg(test)]
mod tests;

use crate::core::raster::{Rows, View};
use crate::core::signal::Bits256;
use crate::core::verdict::Dihedral;
use small::{SIDE, Small};

pub use coefficients::{Coarse, PIXELS_MIN, engine_coefficients, hash_coefficients};
pub use hashed::Hashed;

/// Least width and height that can be hashed, in pixels.
pub const SIDE_MIN: u32 = 5;

/// Name and version of the hashing rules, to be kept beside every hash that is stored.
#[must_use]
pub const fn engine() -> &'static str {
    "pdq/1 full-resolution"
}

/// Name and version of the rules of [`hash_512`].
#[must_use]
pub const fn engine_512() -> &'static str {
    "pdq/1 nearest-512"
}

/// What the reference gives for a picture too small to be hashed.
const NOTHING: Hashed = Hashed { hashes: [Bits256([0; 4]); 8], quality: 0 };

fn too_small(picture: &impl Rows) -> bool {
    picture.width() < SIDE_MIN || picture.height() < SIDE_MIN
}

/// Hashes a picture at full resolution: the canonical pipeline. Memory beside the picture is
/// some tens of its rows. A picture with a side below [`SIDE_MIN`] has the zero hash and quality 0.
#[must_use]
pub fn hash(picture: &impl Rows) -> Hashed {
    if too_small(picture) {
        return NOTHING;
    }
    let small = filter::reduce(picture);
    Hashed { hashes: bits::dihedral(&dct::transform(&small)), quality: bits::quality(&small) }
}

/// Hashes a picture as it stands, with its quality, by the reference's single-hash function: a picture of
/// exactly 64×64 is taken as already filtered, which is how video frames come.
#[must_use]
pub fn hash_one(picture: &impl Rows) -> (Bits256, u32) {
    if too_small(picture) {
        return (NOTHING.hashes[0], 0);
    }
    let mut small = [[0.0; SIDE]; SIDE];
    if picture.width() as usize == SIDE && picture.height() as usize == SIDE {
        for (y, row) in (0..).zip(&mut small) {
            picture.luma_row(y, row);
        }
    } else {
        small = filter::reduce(picture);
    }
    (bits::above_median(&dct::transform(&small)), bits::quality(&small))
}

/// Hashes a picture as the reference's command-line tool does: one with a side above 512 is first resized to
/// 512×512 by nearest neighbour, whatever its proportions. Differs from [`hash`] by several bits there.
#[must_use]
pub fn hash_512(picture: &impl Rows) -> Hashed {
    if picture.width() > nearest::SIDE || picture.height() > nearest::SIDE {
        hash(&nearest::Resized::of(picture))
    } else {
        hash(picture)
    }
}

/// The EXIF orientation that turns a picture so.
const fn turning(by: Dihedral) -> u8 {
    match by {
        Dihedral::Original => 1,
        Dihedral::Mirrored => 2,
        Dihedral::Rotated180 => 3,
        Dihedral::Flipped => 4,
        Dihedral::Transposed => 5,
        Dihedral::Rotated270 => 6,
        Dihedral::AntiTransposed => 7,
        Dihedral::Rotated90 => 8,
    }
}

/// Hashes a picture in all its symmetries by turning the pixels, at eight times the cost of [`hash`].
///
/// What [`hash`] derives from one set of coefficients is off by how far the filter is from symmetric: one
/// pixel where the window is even. On a picture of 129 to 256 pixels that is a third of a field, and the
/// derived hash of a turned picture can be 48 bits away; from 1,000 pixels on it is a few. The hash of turned
/// pixels is the very hash that was listed before somebody turned the picture.
#[must_use]
pub fn hash_turning(picture: &View<'_>) -> Hashed {
    if too_small(picture) {
        return NOTHING;
    }
    let mut hashed = NOTHING;
    for (place, by) in hashed.hashes.iter_mut().zip(Dihedral::ALL) {
        let small = filter::reduce(&picture.oriented(turning(by)));
        *place = bits::above_median(&dct::transform(&small));
        if by == Dihedral::Original {
            hashed.quality = bits::quality(&small);
        }
    }
    hashed
}

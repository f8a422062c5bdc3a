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
//! | [`hash_turning`] | none: as [`hash`], and the symmetries as of turned pixels | zero, quality 0 | filtered | as it is |
//! | [`hash_freely`] | none: all symmetries as of turned pixels | zero, quality 0 | filtered | as it is |
//! | [`hash_512`] | the dihedral function of the command-line tool | zero, quality 0 | filtered | nearest neighbour to 512×512 first |
//! | [`hash_coefficients`] | none: near [`hash`], from the coefficients of a large JPEG | not taken | not taken | as it is |
//!
//! [`hash`] and [`hash_one`] differ on pictures of exactly 64×64 only, and there by the rounding of the filter's running
//! sums, so by no bit unless coefficients all but tie. In the same way, and no more, does what [`hash_freely`] computes
//! differ from the hash of the really turned picture: its filter (`tents`) takes the same sums in another order.

mod small;
mod wide;
mod turn;
mod window;
mod hashed;
mod dct;
mod bits;
mod tent;
mod tents;
mod short;
mod plane;
mod filter;
mod nearest;
mod coefficients;
#[cfg(test)]
mod tests;

use crate::core::raster::{self, Rows};
use crate::core::signal::Bits256;
use crate::core::verdict::Dihedral;
use small::{SIDE, Small};

pub use coefficients::{Coarse, PIXELS_MIN, engine_coefficients, hash_coefficients};
pub use hashed::Hashed;

/// Least width and height that can be hashed, in pixels.
pub const SIDE_MIN: u32 = 5;

/// Name and version of the rules by which uploads are hashed, to be kept beside every hash that is stored: at full
/// resolution; a JPEG that holds luma and differences of colour by that luma ([`hash_freely`]) unless it has little
/// contrast, all else by the luma of red, green and blue ([`hash_turning`]).
#[must_use]
pub const fn engine() -> &'static str {
    "pdq/2 full-resolution, jpeg by its luma"
}

/// Name and version of the rules of [`hash_512`].
#[must_use]
pub const fn engine_512() -> &'static str {
    "pdq/1 nearest-512"
}

/// What the reference gives for a picture too small to be hashed.
const NOTHING: Hashed = Hashed { hashes: [Bits256([0; 4]); 8], quality: 0 };

const NOTHING_TURNED: Turned = Turned { hashes: NOTHING.hashes, qualities: [0; 8], contrast: 0.0 };

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

/// The hashes of a picture turned in each of eight ways, each as that turned picture would be hashed.
#[derive(Clone, Copy, PartialEq)]
pub struct Turned {
    /// In the order of [`Dihedral::ALL`]; the first is the picture as it stands.
    hashes: [Bits256; 8],
    /// The quality of each.
    qualities: [u32; 8],
    /// What lies between the darkest and the lightest place of the filtered picture, in grey levels.
    contrast: f32,
}

impl std::fmt::Debug for Turned {
    /// Prints the quality only: a hash must not reach a log by way of `{:?}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Turned(quality {})", self.qualities[0])
    }
}

impl Turned {
    fn of(smalls: &tents::Smalls) -> Self {
        let each =
            |small: &Small| (bits::above_median(&dct::transform(small)), bits::quality(small));
        let [[original, mirrored], [flipped, both]] =
            [[&smalls[0][0], &smalls[0][1]], [&smalls[1][0], &smalls[1][1]]]
                .map(|two| two.map(each));
        Self {
            hashes: bits::eight(original.0, mirrored.0, flipped.0, both.0, bits::transposed),
            // The quality of a transposed picture is that of the picture.
            qualities: bits::eight(original.1, mirrored.1, flipped.1, both.1, |quality| quality),
            contrast: bits::contrast(&smalls[0][0]),
        }
    }

    /// The hashes of the picture as it stands.
    #[must_use]
    pub const fn upright(&self) -> Hashed {
        Hashed { hashes: self.hashes, quality: self.qualities[0] }
    }

    /// How far the darkest and the lightest place of the filtered picture lie apart, 0 to 255: where it is little, a
    /// grey level that was rounded away weighs in the hash.
    #[must_use]
    pub const fn contrast(&self) -> f32 {
        self.contrast
    }

    /// The hashes of the picture turned as an EXIF orientation asks: the same, in another order.
    #[must_use]
    pub fn oriented(&self, exif_orientation: u8) -> Hashed {
        let places = Dihedral::ALL.map(|by| {
            let whole = raster::oriented_then(exif_orientation, turning(by));
            Dihedral::ALL.iter().position(|&by| turning(by) == whole).unwrap_or(0)
        });
        Hashed {
            hashes: places.map(|place| self.hashes[place]),
            quality: self.qualities[places[0]],
        }
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

/// Hashes a picture in all its symmetries as if its pixels were turned; as it stands, by the canonical pipeline.
///
/// What [`hash`] derives from one set of coefficients is off by how far the filter is from symmetric: one
/// pixel where the window is even. On a picture of 129 to 256 pixels that is a third of a field, and the
/// derived hash of a turned picture can be 48 bits away; from 1,000 pixels on it is a few. The hash of turned
/// pixels is the very hash that was listed before somebody turned the picture, but for a bit where coefficients
/// all but tie: the turned pictures are filtered in sums of any order, see [`hash_freely`].
#[must_use]
pub fn hash_turning(picture: &impl Rows) -> Turned {
    if too_small(picture) {
        return NOTHING_TURNED;
    }
    let (small, smalls) = filter::reduce_turning(picture);
    let mut turned = Turned::of(&smalls);
    turned.hashes[0] = bits::above_median(&dct::transform(&small));
    turned.qualities[0] = bits::quality(&small);
    turned
}

/// Hashes a picture in all its symmetries as if its pixels were turned, with a filter whose sums are taken in any order:
/// many times faster than the canonical pipeline, and apart from it by no bit unless coefficients all but tie.
#[must_use]
pub fn hash_freely(picture: &impl Rows) -> Turned {
    if too_small(picture) { NOTHING_TURNED } else { Turned::of(&plane::reduce(picture)) }
}

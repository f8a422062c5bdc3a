//! What hashing gives.

use crate::core::signal::Bits256;

/// The hash of a picture in all its symmetries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    /// PDQ in the order of [`crate::core::verdict::Dihedral::ALL`]; the first is the picture as it stands.
    pub hashes: [Bits256; 8],
    /// How much structure there is to hash, 0 to 100; below 50 the hash says too little to match by.
    pub quality: u32,
}

impl std::fmt::Debug for Hashed {
    /// Prints the quality only: a hash must not reach a log by way of `{:?}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hashed(quality {})", self.quality)
    }
}

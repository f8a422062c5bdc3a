//! Leaves: an envelope that stays, and a salted commitment to a payload that may be erased.

use super::envelope::{Envelope, EnvelopeError};
use super::merkle::{Hash, leaf_hash};
use sha2::{Digest as _, Sha256};

/// Length of a salt, in bytes.
pub const SALT_BYTES: usize = 32;

/// Commitment to a payload: HMAC-SHA256 (RFC 2104) with the salt as key.
#[must_use]
pub fn commitment(salt: &[u8; SALT_BYTES], payload: &[u8]) -> Hash {
    let mut inner_pad = [0x36; 64];
    let mut outer_pad = [0x5c; 64];
    for ((inner, outer), byte) in inner_pad.iter_mut().zip(&mut outer_pad).zip(salt) {
        *inner ^= byte;
        *outer ^= byte;
    }
    let mut inner = Sha256::new();
    inner.update(inner_pad);
    inner.update(payload);
    let mut outer = Sha256::new();
    outer.update(outer_pad);
    outer.update(inner.finalize());
    outer.finalize().into()
}

/// What the tree commits to for one event: envelope bytes, then the 32 bytes of the commitment.
#[must_use]
pub fn leaf_bytes(envelope: &[u8], commitment: &Hash) -> Vec<u8> {
    [envelope, commitment].concat()
}

/// Hash of the leaf of an event.
#[must_use]
pub fn hash(envelope: &[u8], salt: &[u8; SALT_BYTES], payload: &[u8]) -> Hash {
    leaf_hash(&leaf_bytes(envelope, &commitment(salt, payload)))
}

/// Reads the two parts of a leaf.
///
/// # Errors
/// [`EnvelopeError`] where the envelope is not one.
pub fn read(leaf: &[u8]) -> Result<(Envelope, Hash), EnvelopeError> {
    let (envelope, commitment) = leaf.split_last_chunk::<32>().ok_or(EnvelopeError::Short)?;
    Ok((Envelope::read(envelope)?, *commitment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commitment_is_hmac_sha256() {
        // RFC 4231, test case 1, whose key of 20 bytes is the same as one padded with zeros.
        let mut salt = [0; 32];
        salt[..20].fill(0x0b);
        assert_eq!(
            hex::encode(commitment(&salt, b"Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }

    #[test]
    fn another_salt_is_another_leaf() {
        assert_ne!(hash(b"e", &[1; 32], b"p"), hash(b"e", &[2; 32], b"p"));
        assert_ne!(hash(b"e", &[1; 32], b"p"), hash(b"f", &[1; 32], b"p"));
    }
}

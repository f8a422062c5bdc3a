//! Signatures of others: whether they have signed what they say.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

/// What is signed of bytes, so that it cannot be taken for something else.
pub fn for_purpose(purpose: &str, bytes: &[u8]) -> Vec<u8> {
    [purpose.as_bytes(), b"\n", bytes].concat()
}

/// Whether one of these public keys has signed bytes for a purpose, as a key ring does.
#[must_use]
pub fn has_signed(keys: &[[u8; 32]], purpose: &str, bytes: &[u8], signature: &[u8]) -> bool {
    let said = for_purpose(purpose, bytes);
    keys.iter().any(|key| UnparsedPublicKey::new(&ED25519, key).verify(&said, signature).is_ok())
}

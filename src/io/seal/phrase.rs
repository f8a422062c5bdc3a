//! A pass phrase, and the key that is made of it.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use std::num::NonZeroU32;
use std::path::Path;
use zeroize::Zeroizing;

/// Least length of a pass phrase, in bytes.
pub const PHRASE_BYTES_MIN: usize = 12;
/// How keys are made of it.
pub const DERIVATION: &str = "PBKDF2-HMAC-SHA256";

/// Why there is no pass phrase.
#[derive(Debug, thiserror::Error)]
pub enum PhraseError {
    /// Its file cannot be read.
    #[error("the file of the pass phrase cannot be read: {0}")]
    File(std::io::Error),
    /// Anybody could guess it.
    #[error("the pass phrase must have at least {PHRASE_BYTES_MIN} bytes")]
    Short,
}

/// A pass phrase: leaves no trace in memory or in `{:?}`.
pub struct Phrase(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Phrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Phrase(…)")
    }
}

impl Phrase {
    /// A pass phrase from its bytes; line breaks at their end are left out.
    ///
    /// # Errors
    /// [`PhraseError::Short`].
    pub fn new(bytes: &[u8]) -> Result<Self, PhraseError> {
        let end = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
        let bytes = &bytes[..end.map_or(0, |last| last + 1)];
        if bytes.len() < PHRASE_BYTES_MIN {
            return Err(PhraseError::Short);
        }
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    /// Reads a pass phrase from a file.
    ///
    /// # Errors
    /// [`PhraseError::File`] where it cannot be read, [`PhraseError::Short`].
    pub fn read(path: &Path) -> Result<Self, PhraseError> {
        Self::new(&Zeroizing::new(std::fs::read(path).map_err(PhraseError::File)?))
    }

    /// The key that it makes with a salt (PBKDF2-HMAC-SHA256, RFC 8018).
    ///
    /// # Panics
    /// Never: 32 bytes are an AES-256 key.
    #[must_use]
    pub fn key(&self, salt: &[u8], iterations: NonZeroU32) -> LessSafeKey {
        let mut key = Zeroizing::new([0; 32]);
        pbkdf2::derive(PBKDF2_HMAC_SHA256, iterations, salt, &self.0, key.as_mut_slice());
        LessSafeKey::new(
            UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("32 bytes are an AES-256 key"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_as_long_as_it_is_without_line_breaks_at_its_end() {
        assert!(matches!(Phrase::new(b"short\n\n\n\n\n\n\n"), Err(PhraseError::Short)));
        assert!(matches!(Phrase::new(b""), Err(PhraseError::Short)));
        let (bare, typed) = (Phrase::new(b"twelve bytes"), Phrase::new(b"twelve bytes\r\n"));
        assert_eq!(bare.unwrap().0, typed.unwrap().0);
        assert!(matches!(Phrase::read(Path::new("/nowhere/at/all")), Err(PhraseError::File(_))));
    }

    #[test]
    fn debug_output_shows_no_phrase() {
        assert_eq!(format!("{:?}", Phrase::new(b"twelve bytes").unwrap()), "Phrase(…)");
    }
}

//! The text of an API key: how it is written, read, kept and compared.

use crate::core::access::Proof;
use crate::core::id::CredentialId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes of randomness in a key.
pub const SECRET_BYTES: usize = 32;

const PREFIX: &str = "bulwark_";
const SECRET_CHARACTERS: usize = 43;

/// An API key, `bulwark_<credential id>.<43 characters of base64url>`.
///
/// The fixed beginning lets secret scanners find a key that was left lying about. The credential's
/// id in it means that a key is found without a search. `Debug` shows the id only.
pub struct KeyText {
    credential: CredentialId,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

impl KeyText {
    /// The key of `credential` with the random bytes given.
    #[must_use]
    pub fn new(credential: CredentialId, secret: [u8; SECRET_BYTES]) -> Self {
        Self { credential, secret: Zeroizing::new(secret) }
    }

    /// Reads a key; `None` for everything that [`KeyText::reveal`] would not have written.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, encoded) = text.strip_prefix(PREFIX)?.split_once('.')?;
        let credential = CredentialId::parse(id).ok()?;
        if encoded.len() != SECRET_CHARACTERS {
            return None;
        }
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        let written = URL_SAFE_NO_PAD.decode_slice(encoded, secret.as_mut_slice()).ok()?;
        (written == SECRET_BYTES).then_some(Self { credential, secret })
    }

    /// The whole key as text. For the one time that it is shown to a person.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.secret.as_slice()));
        Zeroizing::new(format!("{PREFIX}{}.{}", self.credential, secret.as_str()))
    }

    /// Which credential the key claims to be of.
    #[must_use]
    pub const fn credential(&self) -> &CredentialId {
        &self.credential
    }

    /// What is kept of the key.
    ///
    /// A plain digest is enough: 256 random bits cannot be guessed, so nothing slow is needed.
    #[must_use]
    pub fn proof(&self) -> Proof {
        Proof::Key(self.digest())
    }

    /// Whether `proof` was made from this key; takes the same time whatever the answer.
    #[must_use]
    pub fn proves(&self, proof: &Proof) -> bool {
        // A proof of the other kind is compared too, so that its kind does not show in the time.
        let (kept, is_key) = match proof {
            Proof::Key(digest) => (digest, 1),
            Proof::Certificate(digest) => (digest, 0),
        };
        bool::from(self.digest().ct_eq(kept) & subtle::Choice::from(is_key))
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.secret.as_slice()).into()
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyText").field("credential", &self.credential).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(id: &str, secret: [u8; 32]) -> KeyText {
        KeyText::new(CredentialId::parse(id).expect("good id"), secret)
    }

    proptest! {
        #[test]
        fn reading_what_was_written_gives_the_same_key(
            id in "[A-Za-z0-9_-]{1,63}", secret in any::<[u8; 32]>(),
        ) {
            let written = key(&id, secret);
            let read = KeyText::parse(&written.reveal()).expect("reads its own text");
            prop_assert_eq!(read.credential(), written.credential());
            prop_assert!(read.proves(&written.proof()));
        }

        #[test]
        fn a_changed_bit_proves_nothing(secret in any::<[u8; 32]>(), bit in 0_usize..256) {
            let mut other = secret;
            other[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!key("a", other).proves(&key("a", secret).proof()));
        }
    }

    #[test]
    fn what_is_not_a_key_is_not_read() {
        let good = key("k1", [7; 32]).reveal();
        assert!(KeyText::parse(&good).is_some());
        let tail = good.split_once('.').expect("dot").1.to_owned();
        for bad in [
            String::new(),
            "bulwark_".into(),
            format!("bulwark_k1{tail}"),
            format!("bulwark_.{tail}"),
            format!("Bulwark_k1.{tail}"),
            format!("bulwark_k 1.{tail}"),
            format!("bulwark_k1.{tail}="),
            format!("bulwark_k1.{}", &tail[1..]),
            format!("bulwark_k1.{tail}A"),
            format!("bulwark_k1.{}+", &tail[1..]),
            format!(" {}", good.as_str()),
            format!("{}\n", good.as_str()),
        ] {
            assert!(KeyText::parse(&bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_certificate_is_not_proved_by_a_key() {
        let key = key("k1", [7; 32]);
        let Proof::Key(digest) = key.proof() else { panic!("a key's proof is of kind key") };
        assert!(!key.proves(&Proof::Certificate(digest)));
    }

    #[test]
    fn debug_hides_the_secret() {
        let key = key("k1", [0xAB; 32]);
        let shown = format!("{key:?}");
        assert!(shown.contains("k1"));
        let secret = key.reveal().split_once('.').expect("dot").1.to_owned();
        assert!(!shown.contains(&secret) && !shown.contains("171") && !shown.contains("ab"));
    }
}

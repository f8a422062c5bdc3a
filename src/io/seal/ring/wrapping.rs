//! The ring under a pass phrase: the only form in which it leaves the data directory.
//!
//! The key is made of the pass phrase and a fresh salt, which is the session of the sealed value; it seals this one value
//! and nothing else. How often the function is repeated stands beside it, and belongs to what is sealed.

use super::{File, KeyRing, RingError, sync_parent};
use crate::io::clock::Clock;
use crate::io::seal::cipher::{self, KeyId, Place};
use crate::io::seal::phrase::{DERIVATION, Phrase};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::Path;
use zeroize::Zeroizing;

/// Format of what is written.
const FORMAT: u32 = 1;
/// Repetitions, as OWASP recommends for PBKDF2-HMAC-SHA256 (Password Storage Cheat Sheet, 2023).
const ITERATIONS: u32 = 600_000;
/// More than so many are not worked through for a file that asks for them.
const ITERATIONS_MAX: u32 = 20_000_000;
/// No generation's key: the pass phrase's own.
const NO_ID: KeyId = [0; 4];

/// What is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    format: u32,
    derivation: String,
    iterations: u32,
    sealed: String,
}

fn place(iterations: u32) -> Place {
    Place::of("key ring").number(u64::from(iterations))
}

impl KeyRing {
    /// The ring under a pass phrase.
    ///
    /// # Errors
    /// [`RingError::Format`] where it cannot be written as JSON, which no ring is known to do.
    pub fn wrap(&self, phrase: &Phrase) -> Result<Vec<u8>, RingError> {
        let text = Zeroizing::new(serde_json::to_vec(&self.file).map_err(|_| RingError::Format)?);
        // Two wrappings with one salt would seal two texts under one nonce: it never comes from a clock that is set.
        let salt = Clock::system().random();
        let iterations = NonZeroU32::new(ITERATIONS).ok_or(RingError::Format)?;
        let key = phrase.key(&salt, iterations);
        let sealed = cipher::seal(&key, NO_ID, &salt, 0, &place(ITERATIONS), &text);
        let wrapped = Wrapped {
            format: FORMAT,
            derivation: DERIVATION.to_owned(),
            iterations: ITERATIONS,
            sealed: hex::encode(sealed),
        };
        serde_json::to_vec_pretty(&wrapped).map_err(|_| RingError::Format)
    }

    /// Opens a wrapped ring.
    ///
    /// # Errors
    /// [`RingError::Format`] where it is none, [`RingError::Unwrapped`] where it does not open with this pass phrase.
    pub fn unwrap(wrapped: &[u8], phrase: &Phrase, clock: &Clock) -> Result<Self, RingError> {
        let wrapped: Wrapped = serde_json::from_slice(wrapped).map_err(|_| RingError::Format)?;
        let iterations = NonZeroU32::new(wrapped.iterations).ok_or(RingError::Format)?;
        if wrapped.format != FORMAT
            || wrapped.derivation != DERIVATION
            || iterations.get() > ITERATIONS_MAX
        {
            return Err(RingError::Format);
        }
        let mut sealed = hex::decode(&wrapped.sealed).map_err(|_| RingError::Format)?;
        let (_, salt) = cipher::header(&sealed).map_err(|_| RingError::Format)?;
        let key = phrase.key(&salt, iterations);
        let mut text = Zeroizing::new(Vec::with_capacity(sealed.len()));
        cipher::open_onto(&key, &place(wrapped.iterations), &mut sealed, &mut text)
            .map_err(|_| RingError::Unwrapped)?;
        let file: File = serde_json::from_slice(&text).map_err(|_| RingError::Format)?;
        Self::from_file(file, clock).ok_or(RingError::Format)
    }

    /// Writes a ring that was unwrapped to a file that must not exist yet; it is there whole or not at all.
    ///
    /// # Errors
    /// [`RingError::Io`] where the file exists or cannot be written.
    pub fn put(&self, path: &Path) -> Result<(), RingError> {
        let beside = self.write_beside(path)?;
        let linked = std::fs::hard_link(&beside, path);
        let removed = std::fs::remove_file(&beside);
        linked?;
        removed?;
        Ok(sync_parent(path)?)
    }

    /// Whether everything that `other` seals, signs and finds is opened, verified and found with this ring.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let has = |id: &KeyId| self.file.generations.iter().any(|own| own.id == *id);
        self.file.origin == other.file.origin
            && self.file.lookup.0 == other.file.lookup.0
            && other.file.generations.iter().all(|generation| has(&generation.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Time;

    #[test]
    fn a_wrapped_ring_is_the_same_ring_and_shows_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let clock = Clock::set(Time::from_millis(1_000), 6);
        let ring = KeyRing::create(&path, &clock).unwrap();
        let ring = ring.rotate(&path).unwrap();
        let phrase = Phrase::new(b"a phrase of nonsense\n").unwrap();
        let wrapped = ring.wrap(&phrase).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let secrets = text.split('"').filter(|word| word.len() == 64 && hex::decode(word).is_ok());
        let shown = String::from_utf8_lossy(&wrapped).into_owned();
        assert!(secrets.clone().count() >= 4);
        assert!(secrets.clone().all(|secret| !shown.contains(secret)));
        assert_ne!(ring.wrap(&phrase).unwrap(), wrapped);
        let again = KeyRing::unwrap(&wrapped, &phrase, &clock).unwrap();
        assert!(again.covers(&ring) && ring.covers(&again));
        let place = Place::of("t");
        assert_eq!(again.open(&place, &ring.seal(&place, b"text")), Ok(b"text".to_vec()));
        let other = folder.path().join("other.json");
        again.put(&other).unwrap();
        assert!(matches!(again.put(&other), Err(RingError::Io(_))));
        assert!(KeyRing::load(&other, &clock).unwrap().covers(&ring));
    }

    #[test]
    fn another_phrase_or_a_changed_file_opens_nothing() {
        let clock = Clock::set(Time::from_millis(1_000), 7);
        let ring = KeyRing::generate(&clock);
        let phrase = Phrase::new(b"a phrase of nonsense").unwrap();
        let wrapped = ring.wrap(&phrase).unwrap();
        let other = Phrase::new(b"another phrase of it").unwrap();
        assert!(matches!(KeyRing::unwrap(&wrapped, &other, &clock), Err(RingError::Unwrapped)));
        let text = String::from_utf8(wrapped).unwrap();
        for (from, to) in [("600000", "600001"), ("600000", "0"), ("600000", "4000000000")] {
            let changed = text.replace(from, to);
            assert!(KeyRing::unwrap(changed.as_bytes(), &phrase, &clock).is_err(), "{to}");
        }
    }

    #[test]
    fn a_ring_covers_earlier_ones_of_its_own_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let clock = Clock::system();
        let old = KeyRing::create(&path, &clock).unwrap();
        let new = old.rotate(&path).unwrap();
        assert!(new.covers(&old) && !old.covers(&new));
        assert!(!new.covers(&KeyRing::generate(&clock)));
    }
}

//! A sum of digests: two that hold the same things have the same one, in whatever order the things were put in.
//!
//! It tells whether two processes that should answer alike do so. It is no proof against somebody who chooses what is
//! summed.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// A sum of the SHA-256 digests of things, as four numbers without carry between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum([u64; 4]);

impl Sum {
    /// Adds a thing, told in parts: their lengths count, too.
    pub fn add(&mut self, parts: &[&[u8]]) {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finalize().into();
        for (lane, bytes) in self.0.iter_mut().zip(digest.as_chunks::<8>().0) {
            *lane = lane.wrapping_add(u64::from_le_bytes(*bytes));
        }
    }

    /// Adds a record, as its JSON.
    pub fn add_record(&mut self, kind: &str, scope: &str, record: &impl Serialize) {
        // Records are made of names, numbers and texts: all of them can be written.
        let text = serde_json::to_vec(record).unwrap_or_default();
        self.add(&[kind.as_bytes(), scope.as_bytes(), &text]);
    }

    /// The sum in bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (part, lane) in bytes.chunks_exact_mut(8).zip(self.0) {
            part.copy_from_slice(&lane.to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_does_not_count_and_everything_else_does() {
        let of = |things: &[&[&[u8]]]| {
            let mut sum = Sum::default();
            things.iter().for_each(|parts| sum.add(parts));
            sum.bytes()
        };
        let (a, b): (&[&[u8]], &[&[u8]]) = (&[b"a", b"bc"], &[b"ab", b"c"]);
        assert_eq!(of(&[a, b]), of(&[b, a]));
        assert_ne!(of(&[a]), of(&[b]), "where a part ends counts");
        assert_ne!(of(&[a, a]), of(&[a]), "how often counts");
        assert_ne!(of(&[a, a]), of(&[b, b]));
        assert_eq!(of(&[]), [0; 32]);
    }
}

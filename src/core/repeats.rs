//! Requests seen lately that kept nothing: a bounded memory, best effort, that tells a repetition from a reuse.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// What is known of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Its key was not seen lately.
    New,
    /// Its key was seen with the same content.
    Same,
    /// Its key was seen with other content.
    Other,
}

/// The memory: the oldest key goes when a new one does not fit.
#[derive(Debug)]
pub struct Repeats<K> {
    digests: HashMap<K, [u8; 32]>,
    order: VecDeque<K>,
    keys_max: usize,
}

impl<K: Hash + Eq + Clone> Repeats<K> {
    /// A memory of `keys_max` keys.
    #[must_use]
    pub fn new(keys_max: usize) -> Self {
        Self { digests: HashMap::new(), order: VecDeque::new(), keys_max }
    }

    /// Notes a request, and says what was known of its key.
    pub fn see(&mut self, key: K, digest: [u8; 32]) -> Seen {
        match self.digests.get(&key) {
            Some(known) if *known == digest => Seen::Same,
            Some(_) => Seen::Other,
            None => {
                if self.order.len() == self.keys_max
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.digests.remove(&oldest);
                }
                self.order.push_back(key.clone());
                self.digests.insert(key, digest);
                Seen::New
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reuse_is_told_from_a_repetition_while_the_key_is_remembered() {
        let mut repeats = Repeats::new(2);
        assert_eq!(repeats.see("a", [1; 32]), Seen::New);
        assert_eq!(repeats.see("a", [1; 32]), Seen::Same);
        assert_eq!(repeats.see("a", [2; 32]), Seen::Other);
        assert_eq!(repeats.see("b", [0; 32]), Seen::New);
        assert_eq!(repeats.see("c", [0; 32]), Seen::New, "the oldest goes");
        assert_eq!(repeats.see("a", [2; 32]), Seen::New);
    }
}

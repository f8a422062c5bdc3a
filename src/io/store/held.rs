//! What requests were answered whose verdicts wait in the spool, held in memory within a bound.

use super::requests::Key;
use super::spool::{Asked, Waiting};
use super::words::Answer;
use std::collections::HashMap;

/// Most bytes of answers that are held. Beyond it, a request that is repeated before the spool is drained is answered
/// anew, and both verdicts are recorded.
const HELD_BYTES_MAX: usize = 64 << 20;

/// Answers by their requests' keys.
pub struct Held {
    answers: HashMap<Key, ([u8; 32], Vec<u8>)>,
    bytes: usize,
    bytes_max: usize,
}

impl Default for Held {
    fn default() -> Self {
        Self { answers: HashMap::new(), bytes: 0, bytes_max: HELD_BYTES_MAX }
    }
}

/// The key stands for other content.
#[derive(Debug, PartialEq, Eq)]
pub struct Other;

impl Held {
    /// Holds what a waiting verdict's request was answered, if it has a key and there is room.
    pub fn put(&mut self, waiting: &Waiting) {
        let Waiting { asked: Some(Asked { key, digest }), answer, .. } = waiting else { return };
        if self.bytes + answer.len() <= self.bytes_max && !self.answers.contains_key(key) {
            self.bytes += answer.len();
            self.answers.insert(key.clone(), (*digest, answer.clone()));
        }
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// [`Other`] where its key came with other content.
    pub fn find(&self, asked: &Asked) -> Result<Option<Answer>, Other> {
        match self.answers.get(&asked.key) {
            Some((digest, _)) if *digest != asked.digest => Err(Other),
            Some((_, answer)) => {
                Ok(Some(Answer { bytes: answer.clone(), number: None, first: false }))
            }
            None => Ok(None),
        }
    }

    /// Forgets a request: from now on the journal answers it.
    pub fn forget(&mut self, key: &Key) {
        if let Some((_, answer)) = self.answers.remove(key) {
            self.bytes -= answer.len();
        }
    }

    /// Bytes of answers that are held.
    #[cfg(test)]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{key, verdict};
    use super::*;
    use crate::core::time::Time;
    use crate::io::clock::Clock;
    use crate::io::seal::KeyRing;

    #[test]
    fn what_is_held_stays_within_its_bound_and_the_first_answer_stays() {
        let keys = KeyRing::generate(&Clock::set(Time::from_millis(1), 7));
        let asked = |id: &str, digest| {
            let request = key(id, digest).unwrap();
            Asked { key: Key::of(&keys, &request), digest: request.digest }
        };
        let waiting = |id: &str, answer: &[u8]| Waiting {
            event: verdict("v1"),
            asked: Some(asked(id, 1)),
            answer: answer.to_vec(),
        };
        let mut held = Held { bytes_max: 10, ..Held::default() };
        held.put(&waiting("a", b"123456"));
        held.put(&waiting("a", b"65"));
        held.put(&waiting("b", b"123456"));
        held.put(&waiting("c", b"1234"));
        held.put(&Waiting { asked: None, ..waiting("d", b"") });
        let found = |held: &Held, id: &str| {
            held.find(&asked(id, 1)).map(|found| found.map(|answer| answer.bytes))
        };
        assert_eq!(found(&held, "a"), Ok(Some(b"123456".to_vec())));
        assert_eq!(found(&held, "b"), Ok(None));
        assert_eq!(found(&held, "c"), Ok(Some(b"1234".to_vec())));
        assert_eq!(held.find(&asked("a", 2)).err(), Some(Other));
        assert_eq!(held.bytes(), 10);
        held.forget(&asked("a", 1).key);
        held.forget(&asked("b", 1).key);
        assert_eq!((held.bytes(), found(&held, "a")), (4, Ok(None)));
        held.put(&waiting("b", b"123456"));
        assert_eq!(found(&held, "b"), Ok(Some(b"123456".to_vec())));
    }
}

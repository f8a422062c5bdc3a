//! Opening what the ring has sealed.

use super::KeyRing;
use crate::io::seal::cipher::{self, Place, SealError};
use std::sync::Arc;

impl KeyRing {
    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// [`SealError`] where it was changed, moved, or sealed under a key that is not here.
    pub fn open(&self, place: &Place, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut text = Vec::new();
        self.open_onto(place, &mut sealed.to_vec(), &mut text)?;
        Ok(text)
    }

    /// [`Self::open`] with the memory of the sealed value itself, appending the text to `out`: for much at a time.
    ///
    /// # Errors
    /// As [`Self::open`]; what `out` has grown by is then of no use.
    pub fn open_onto(
        &self,
        place: &Place,
        sealed: &mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let (id, session) = cipher::header(sealed)?;
        let known = self.sessions.read().get(&(id, session)).cloned();
        let (key, fresh) = match known {
            Some(key) => (key, false),
            None => {
                let generation =
                    self.file.generations.iter().find(|generation| generation.id == id);
                let master = &generation.ok_or(SealError::Key)?.master.0;
                (Arc::new(cipher::session_key(master, &session)), true)
            }
        };
        cipher::open_onto(&key, place, sealed, out)?;
        if fresh {
            // Only sessions that proved true are remembered: forged ones cannot fill the memory.
            self.sessions.write().insert((id, session), key);
        }
        Ok(())
    }
}

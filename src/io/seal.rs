//! Sealing: the key ring, authenticated encryption at rest, fingerprints and signatures.
//!
//! Rooms stand in order of dependence: each uses only rooms declared above it.

pub mod cipher;
pub mod phrase;
mod signature;
pub mod ring;

pub use cipher::{Place, SealError};
pub use phrase::{Phrase, PhraseError};
pub use ring::{KeyRing, RingError};
pub use signature::has_signed;

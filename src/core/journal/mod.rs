//! The journal: envelopes, leaves, the Merkle tree over them, and its signed checkpoints.
//!
//! Event `n` (numbers begin at 1) is the leaf with index `n - 1`.

pub mod merkle;
pub mod proof;
pub mod envelope;
pub mod leaf;
pub mod checkpoint;

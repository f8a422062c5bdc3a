//! The journal: envelopes, leaves, the Merkle tree over them, and its signed checkpoints.

//! Sealing: the key ring, authenticated encryption at rest, fingerprints and signatures.

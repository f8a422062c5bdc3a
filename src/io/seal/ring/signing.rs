//! Signing: checkpoints of the log, and what is told others; and whether others have signed what they say.

use super::KeyRing;
use crate::core::journal::checkpoint::{self, Checkpoint, NoteSignature};
use crate::io::seal::signature::for_purpose;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

impl KeyRing {
    /// Signs a checkpoint and gives the note.
    #[must_use]
    pub fn sign(&self, size: u64, root: [u8; 32]) -> String {
        let checkpoint = Checkpoint { origin: self.file.origin.clone(), size, root };
        let key = checkpoint::key_id(&self.file.origin, &self.newest().verifier);
        let bytes = self.signer.sign(checkpoint.body().as_bytes()).as_ref().to_vec();
        checkpoint.note(&[NoteSignature { name: self.file.origin.clone(), key, bytes }])
    }

    /// Signs what is told others: `purpose` keeps it from being taken for something else.
    #[must_use]
    pub fn sign_for(&self, purpose: &str, bytes: &[u8]) -> Vec<u8> {
        self.signer.sign(&for_purpose(purpose, bytes)).as_ref().to_vec()
    }

    /// The public key of what is signed now.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.newest().verifier
    }

    /// Reads a note that a key of this ring has signed; `None` for any other.
    #[must_use]
    pub fn verify(&self, note: &str) -> Option<Checkpoint> {
        let (checkpoint, body, signatures) = Checkpoint::read(note).ok()?;
        let signed = signatures.iter().any(|signature| {
            self.file.generations.iter().any(|generation| {
                signature.name == self.file.origin
                    && signature.key == checkpoint::key_id(&self.file.origin, &generation.verifier)
                    && UnparsedPublicKey::new(&ED25519, &generation.verifier)
                        .verify(body.as_bytes(), &signature.bytes)
                        .is_ok()
            })
        });
        (signed && checkpoint.origin == self.file.origin).then_some(checkpoint)
    }

    /// Keys by which anybody can verify checkpoints, the newest last (signed-note verifier keys).
    #[must_use]
    pub fn verifier_keys(&self) -> Vec<String> {
        let keys = self.file.generations.iter();
        keys.map(|key| checkpoint::verifier_key(&self.file.origin, &key.verifier)).collect()
    }
}

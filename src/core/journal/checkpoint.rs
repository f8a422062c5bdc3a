//! Checkpoints: a tree's size and root as text under signatures (C2SP tlog-checkpoint and signed-note).

use super::merkle::Hash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Type byte of an Ed25519 key in a key id (C2SP signed-note).
const ED25519: u8 = 1;

/// Why a text is not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a signed note.
    #[error("not a signed note")]
    Note,
    /// The signed text is not that of a checkpoint.
    #[error("not a checkpoint")]
    Body,
    /// A signature line is malformed.
    #[error("malformed signature line")]
    Signature,
}

/// What is signed: which log, how many leaves, which root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log: no line break, no empty text.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
}

/// One signature under a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key: no space, no plus sign.
    pub name: String,
    /// Key id, see [`key_id`].
    pub key: [u8; 4],
    /// The signature's bytes.
    pub bytes: Vec<u8>,
}

/// Id of an Ed25519 key: the first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key).
#[must_use]
pub fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let mut digest = Sha256::new();
    digest.update(name.as_bytes());
    digest.update([b'\n', ED25519]);
    digest.update(public);
    let all: Hash = digest.finalize().into();
    [all[0], all[1], all[2], all[3]]
}

/// The verifier key text of a signed note: `name+id+base64(0x01 ‖ public key)`.
#[must_use]
pub fn verifier_key(name: &str, public: &[u8; 32]) -> String {
    let mut key = vec![ED25519];
    key.extend_from_slice(public);
    format!("{name}+{}+{}", hex::encode(key_id(name, public)), STANDARD.encode(key))
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// The signed note.
    #[must_use]
    pub fn note(&self, signatures: &[NoteSignature]) -> String {
        let mut text = self.body();
        text.push('\n');
        for signature in signatures {
            let mut bytes = signature.key.to_vec();
            bytes.extend_from_slice(&signature.bytes);
            text.push_str(&format!("— {} {}\n", signature.name, STANDARD.encode(bytes)));
        }
        text
    }

    /// Reads a signed note: the checkpoint, its signed text, its signatures. None of them is verified here.
    ///
    /// # Errors
    /// [`CheckpointError`] names what is malformed.
    pub fn read(note: &str) -> Result<(Self, &str, Vec<NoteSignature>), CheckpointError> {
        let at = note.rfind("\n\n").ok_or(CheckpointError::Note)?;
        let (body, rest) = (&note[..=at], &note[at + 2..]);
        if rest.is_empty() || !rest.ends_with('\n') {
            return Err(CheckpointError::Note);
        }
        let signatures = rest.lines().map(read_signature).collect::<Result<_, _>>()?;
        Ok((Self::read_body(body)?, body, signatures))
    }

    fn read_body(body: &str) -> Result<Self, CheckpointError> {
        let mut lines = body.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty());
        let (Some(origin), Some(size), Some(root)) = (line(), line(), line()) else {
            return Err(CheckpointError::Body);
        };
        let number: u64 = size.parse().map_err(|_| CheckpointError::Body)?;
        let root = STANDARD.decode(root).map_err(|_| CheckpointError::Body)?;
        let root = root.try_into().map_err(|_| CheckpointError::Body)?;
        if number.to_string() != size {
            return Err(CheckpointError::Body);
        }
        Ok(Self { origin: origin.to_owned(), size: number, root })
    }
}

fn read_signature(line: &str) -> Result<NoteSignature, CheckpointError> {
    let (name, value) = line
        .strip_prefix("— ")
        .and_then(|rest| rest.split_once(' '))
        .ok_or(CheckpointError::Signature)?;
    let bytes = STANDARD.decode(value).map_err(|_| CheckpointError::Signature)?;
    let (key, bytes) = bytes.split_first_chunk::<4>().ok_or(CheckpointError::Signature)?;
    if name.is_empty() || name.contains('+') {
        return Err(CheckpointError::Signature);
    }
    Ok(NoteSignature { name: name.to_owned(), key: *key, bytes: bytes.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example verifier key of the signed-note specification (golang.org/x/mod/sumdb/note).
    #[test]
    fn the_key_id_is_that_of_the_specification() {
        let key = STANDARD.decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let public: [u8; 32] = key[1..].try_into().unwrap();
        assert_eq!(hex::encode(key_id("PeterNeumann", &public)), "c74f20a3");
        assert_eq!(
            verifier_key("PeterNeumann", &public),
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        );
    }

    #[test]
    fn what_is_not_a_checkpoint_is_refused() {
        let good = Checkpoint { origin: "example.org/log".into(), size: 7, root: [9; 32] };
        let signature =
            NoteSignature { name: "example.org/log".into(), key: [1; 4], bytes: vec![2; 64] };
        let note = good.note(&[signature]);
        assert!(Checkpoint::read(&note).is_ok());
        assert_eq!(Checkpoint::read(&note[..note.len() - 1]), Err(CheckpointError::Note));
        assert_eq!(Checkpoint::read(&good.body()), Err(CheckpointError::Note));
        assert_eq!(Checkpoint::read(&note.replace("\n7\n", "\n07\n")), Err(CheckpointError::Body));
        assert_eq!(Checkpoint::read(&note.replace('—', "-")), Err(CheckpointError::Signature));
    }

    proptest! {
        #[test]
        fn reading_what_was_written_gives_the_same_checkpoint(
            size in any::<u64>(), root in any::<[u8; 32]>(), key in any::<[u8; 4]>(),
            bytes in proptest::collection::vec(any::<u8>(), 64), origin in "[a-z./]{1,30}"
        ) {
            let checkpoint = Checkpoint { origin: origin.clone(), size, root };
            let signatures = [NoteSignature { name: origin, key, bytes }];
            let note = checkpoint.note(&signatures);
            let (read, body, found) = Checkpoint::read(&note).unwrap();
            prop_assert_eq!(body, checkpoint.body());
            prop_assert_eq!(read, checkpoint);
            prop_assert_eq!(found, signatures);
        }
    }
}

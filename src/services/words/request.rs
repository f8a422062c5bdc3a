//! The caller's key for a request, and what the request was, so that a repetition is told from a reuse.

use crate::core::id::RequestId;
use crate::services::words::fields::Fields;
use prost::Message;
use sha2::{Digest as _, Sha256};

/// Key and content of one request.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyed {
    /// The caller's key.
    pub id: RequestId,
    /// SHA-256 of what was asked.
    pub digest: [u8; 32],
}

impl std::fmt::Debug for Keyed {
    /// Prints lengths only: neither a caller's key nor a digest of content may reach a log by way of `{:?}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyed(id of {} bytes, SHA-256)", self.id.as_str().len())
    }
}

/// Reads a request id that may be left out.
#[allow(clippy::option_option, reason = "three outcomes: bad, absent, present")]
pub fn read_id(fields: &mut Fields, path: &str, text: &str) -> Option<Option<RequestId>> {
    fields.name_if_set(path, text, RequestId::parse)
}

/// Digest of a message and of content that is not in it.
#[must_use]
pub fn digest(message: &impl Message, content: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for piece in std::iter::once(message.encode_to_vec().as_slice()).chain(content.iter().copied())
    {
        hash.update(u64::try_from(piece.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(piece);
    }
    hash.finalize().into()
}

/// Joins a key that was read with the digest of its message.
#[must_use]
pub fn keyed(id: Option<RequestId>, message: &impl Message) -> Option<Keyed> {
    id.map(|id| Keyed { id, digest: digest(message, &[]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_of_a_key_shows_its_length_only() {
        let id = RequestId::parse("nonsense-key").unwrap();
        let keyed = Keyed { id, digest: [0xab; 32] };
        assert_eq!(format!("{keyed:?}"), "Keyed(id of 12 bytes, SHA-256)");
    }
}

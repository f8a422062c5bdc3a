//! Words of keeping: a request's key, what a change answered, why it was not kept.

use super::error::StoreError;
use crate::core::access::Scope;
use crate::core::id::RequestId;
use crate::core::refused::Refused;

/// A caller's key for one request, with a digest of what it asks for.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// Whose.
    pub scope: Scope,
    /// Which rpc.
    pub method: &'static str,
    /// The key.
    pub id: RequestId,
    /// SHA-256 of the request's content.
    pub digest: [u8; 32],
}

impl std::fmt::Debug for RequestKey {
    /// Prints lengths only: neither a caller's key nor a digest of content may reach a log by way of `{:?}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let length = self.id.as_str().len();
        write!(f, "RequestKey({}, {}, id of {length} bytes, SHA-256)", self.scope, self.method)
    }
}

/// What a change answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the change gave; of a repeated request, what it gave the first time.
    pub bytes: Vec<u8>,
    /// Number of the last event it recorded, if it recorded any.
    pub number: Option<u64>,
    /// Whether it was carried out now, rather than answered from what was kept.
    pub first: bool,
}

impl std::fmt::Debug for Answer {
    /// Prints the length only of what was given: it holds names and texts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (length, number, first) = (self.bytes.len(), self.number, self.first);
        write!(f, "Answer({length} bytes, number {number:?}, first {first})")
    }
}

/// What became of a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerdictKept {
    /// It stands in the journal.
    Kept(Answer),
    /// It waits on disk until the database is back: no receipt can be given yet.
    Pending(Answer),
}

/// Why a change was not kept.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum KeepError<E> {
    /// The change refused itself; nothing was kept.
    #[error("refused")]
    Refused(E),
    /// The request's key was used before for other content.
    #[error("the request id was used before for other content")]
    RequestIdReused,
    /// The store could not.
    #[error(transparent)]
    Store(StoreError),
}

impl From<Refused> for KeepError<Refused> {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl<E> From<StoreError> for KeepError<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::access::Environment;
    use crate::core::id::TenantId;

    #[test]
    fn debug_output_of_a_request_and_its_answer_shows_neither_key_nor_content() {
        let id = RequestId::parse("nonsense-key").unwrap();
        let tenant = TenantId::parse("acme").unwrap();
        let scope = Scope { tenant, environment: Environment::Test };
        let key = RequestKey { scope, method: "ScreenMedia", id, digest: [0xab; 32] };
        assert_eq!(
            format!("{key:?}"),
            "RequestKey(acme/test, ScreenMedia, id of 12 bytes, SHA-256)"
        );
        let answer = Answer { bytes: b"content".to_vec(), number: Some(3), first: true };
        assert_eq!(format!("{answer:?}"), "Answer(7 bytes, number Some(3), first true)");
    }
}

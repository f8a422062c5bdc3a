//! Words of keeping: a request's key, what a change answered, why it was not kept.

use super::error::StoreError;
use crate::core::access::Scope;
use crate::core::id::RequestId;
use crate::core::refused::Refused;

/// A caller's key for one request, with a digest of what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// What a change answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the change gave; of a repeated request, what it gave the first time.
    pub bytes: Vec<u8>,
    /// Number of the last event it recorded, if it recorded any.
    pub number: Option<u64>,
    /// Whether it was carried out now, rather than answered from what was kept.
    pub first: bool,
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

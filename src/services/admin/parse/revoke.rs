//! What all requests to revoke have in common.

use crate::services::words::request::Keyed;

/// A request to revoke something named `I`.
#[derive(Debug)]
pub struct Revoke<I> {
    /// Which.
    pub id: I,
    /// The version that the caller read.
    pub read: Option<u64>,
    /// Key and content.
    pub keyed: Option<Keyed>,
}

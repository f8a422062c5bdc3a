//! Why a change is not made: the words in which deciders say no. They know nothing of the wire.

use crate::core::id::EntryId;

/// Kind of a thing that changes are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A tenant.
    Tenant,
    /// A credential.
    Credential,
    /// A surface.
    Surface,
    /// A bank.
    Bank,
    /// An entry of a bank.
    Entry,
    /// A verdict.
    Verdict,
    /// One from whom banks learn.
    Exchange,
    /// Another company's service.
    Partner,
    /// A live stream.
    Stream,
}

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing of that name is there, or none that the caller may know of.
    #[error("{0:?} not found")]
    Missing(Thing, String),
    /// Something of that name is there already.
    #[error("{0:?} exists")]
    Exists(Thing, String),
    /// It changed since the caller read it.
    #[error("{0:?} was changed since it was read")]
    Changed(Thing, String),
    /// It was revoked, and what is revoked stays so.
    #[error("{0:?} is revoked")]
    Revoked(Thing, String),
    /// A value of the entry was removed here before, by this entry.
    #[error("a value was removed here before")]
    Tombstoned(EntryId),
    /// A field is wrong in the light of what is kept: its path, and what it must be.
    #[error("{0} {1}")]
    Field(String, String),
    /// The caller's role does not reach so far.
    #[error("not allowed: {0}")]
    NotAllowed(&'static str),
}

/// Compares the version that a caller read, if it named one, with the present one.
///
/// # Errors
/// [`Refused::Changed`] where they differ.
pub fn unchanged(
    thing: Thing,
    name: impl ToString,
    read: Option<u64>,
    present: u64,
) -> Result<(), Refused> {
    match read {
        Some(read) if read != present => Err(Refused::Changed(thing, name.to_string())),
        _ => Ok(()),
    }
}

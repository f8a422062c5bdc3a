//! Deltas: a signed part of what one service tells another, and whether it is the next one.
//!
//! A delta says everything that concerns its receiver between two numbers of its sender's journal. Each begins where the
//! one before ended: what is left out, repeated or meant for others shows.

use crate::core::id::BankId;
use crate::core::time::Time;
use std::time::Duration;

/// For how long a delta may be accepted after it was issued.
pub const DELTA_TERM: Duration = Duration::from_secs(60 * 60);

/// What a delta says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaHead {
    /// Who tells.
    pub origin: String,
    /// Who is told, by the name that the sender has for it.
    pub audience: String,
    /// Of which of the sender's banks.
    pub bank: BankId,
    /// Number in the sender's journal after which it begins.
    pub from: u64,
    /// Number up to which it goes; greater than `from`.
    pub to: u64,
    /// Until when it may be accepted.
    pub expires: Time,
}

/// What a receiver waits for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'e> {
    /// From whom.
    pub origin: &'e str,
    /// By which name it is known there.
    pub audience: &'e str,
    /// Of which bank.
    pub bank: &'e BankId,
    /// How far it has heard.
    pub number: u64,
    /// The time.
    pub now: Time,
}

/// Why a delta is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotAccepted {
    /// No key of the sender has signed it: it was changed, or is somebody else's.
    #[error("its signature is not that of the sender")]
    Signature,
    /// It cannot be read.
    #[error("it cannot be read")]
    Malformed,
    /// It is of another sender.
    #[error("it is of another sender")]
    Origin,
    /// It is meant for somebody else.
    #[error("it is meant for another receiver")]
    Audience,
    /// It is of another bank.
    #[error("it is of another bank")]
    Bank,
    /// It has been heard before.
    #[error("it was heard before")]
    Replayed,
    /// Something before it was not heard.
    #[error("something before it is missing")]
    Gap,
    /// It is too old.
    #[error("its time is over")]
    Expired,
}

/// Whether a delta whose signature is good is the next one for its receiver.
///
/// # Errors
/// [`NotAccepted`].
pub fn accept(head: &DeltaHead, expected: Expected<'_>) -> Result<(), NotAccepted> {
    if head.origin != expected.origin {
        return Err(NotAccepted::Origin);
    }
    if head.audience != expected.audience {
        return Err(NotAccepted::Audience);
    }
    if head.bank != *expected.bank {
        return Err(NotAccepted::Bank);
    }
    if expected.now >= head.expires {
        return Err(NotAccepted::Expired);
    }
    if head.to <= head.from {
        return Err(NotAccepted::Malformed);
    }
    match head.from.cmp(&expected.number) {
        std::cmp::Ordering::Less => Err(NotAccepted::Replayed),
        std::cmp::Ordering::Greater => Err(NotAccepted::Gap),
        std::cmp::Ordering::Equal => Ok(()),
    }
}

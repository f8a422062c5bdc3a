//! How much a jailed process may use.

/// What a jailed process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JailLimits {
    /// Address space, in bytes.
    pub memory_bytes: u64,
    /// Processor time over the life of the process, in seconds.
    pub processor_seconds: u64,
}

/// Seconds of processor time between the signal that asks a program to end and the one that ends it.
pub(super) const GRACE_SECONDS: u64 = 2;

//! How much a jailed process may use.

/// What a jailed process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JailLimits {
    /// Address space, in bytes.
    pub memory_bytes: u64,
    /// Processor time over the life of the process, in seconds.
    pub processor_seconds: u64,
}

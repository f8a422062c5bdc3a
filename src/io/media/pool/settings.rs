//! How many workers there are, and how long one is kept.

use super::super::limits::MediaLimits;
use crate::io::jail::JailMode;

/// Settings of the examination of media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaSettings {
    /// Worker processes, each examining one item at a time; at least 1.
    pub workers: usize,
    /// Items that may wait for a worker; one more is answered `SHED` at once.
    pub waiting_max: usize,
    /// Items after which a worker is replaced by a fresh one.
    pub recycle_after: u32,
    /// What to do when the kernel cannot build the whole jail.
    pub jail: JailMode,
    /// Limits of one item.
    pub limits: MediaLimits,
}

impl Default for MediaSettings {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            waiting_max: 256,
            recycle_after: 1_000,
            jail: JailMode::Required,
            limits: MediaLimits::default(),
        }
    }
}

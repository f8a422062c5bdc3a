//! What became of snapshots, for whoever watches.

use crate::core::time::Time;
use std::time::Duration;

/// What became of snapshots since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotFigures {
    /// Journal number of the snapshot in its place; 0 where there is none.
    pub number: u64,
    /// Size of the last one that was written, in bytes.
    pub bytes: u64,
    /// Time that writing it took.
    pub took: Duration,
    /// How many were written.
    pub written: u64,
    /// How many could not be written.
    pub failures: u64,
    /// Those that machines share; none where they do not.
    pub shared: Option<SharedFigures>,
}

/// What became of snapshots that machines share, since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SharedFigures {
    /// Journal number of the newest one that was seen; 0 where none was.
    pub number: u64,
    /// When it was put there, by the clock that is there; none where none was seen.
    pub since: Option<Time>,
    /// How many this process put there.
    pub uploads: u64,
    /// How often the place could not be used, or gave what is of no use.
    pub failures: u64,
}

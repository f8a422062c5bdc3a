//! What lists show of a live stream.

use crate::core::id::StreamId;
use crate::core::live::kept::{Guarded, Interrupt};
use crate::core::live::policy::Level;
use crate::core::live::session::Glance;
use crate::core::time::Time;
use tokio::time::Instant;

/// What a list shows of a stream.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Which.
    pub guarded: Guarded,
    /// What its session says.
    pub glance: Glance,
    /// Since when it is guarded.
    pub started: Time,
    /// When the last piece came.
    pub last_piece: Option<Time>,
    /// Bytes that are held of the last seconds.
    pub buffer_bytes: u64,
    /// Its last cut, if it was cut, with its journal number as far as that is known.
    pub cut: Option<(Interrupt, Option<u64>)>,
    /// Whether the platform has said that it carried that out.
    pub is_done: bool,
    /// Since when it is over, if it is.
    pub over: Option<Instant>,
}

/// Where a stream stands in a list.
#[must_use]
pub const fn place(shown: &Shown) -> (Level, &StreamId) {
    (shown.glance.level, &shown.guarded.stream)
}

//! What the thread of look-back is asked, and the figures that it shows.

use super::super::error::StoreError;
use crate::core::access::Scope;
use crate::core::id::ItemId;
use crate::core::lookback::Screened;
use crate::core::matcher::window::Window;
use std::sync::atomic::AtomicU64;
use tokio::sync::{Notify, oneshot};

/// What the thread is asked.
pub enum Ask {
    /// To remember an item that takes so many bytes while it waits.
    Remember(Box<Screened>, u64),
    /// To forget an item; answers how many remembered screenings of it there were.
    Forget(Scope, ItemId, oneshot::Sender<Result<u64, StoreError>>),
    /// For what it has in memory of a scope: pictures of windows, with the number of the log of each.
    Windows(Scope, oneshot::Sender<Vec<(u64, Window)>>),
    /// To write what waits, and to end.
    Close(oneshot::Sender<()>),
}

/// How look-back is, for whoever watches.
#[derive(Debug, Default)]
pub struct Figures {
    /// Items in this process's memory.
    pub items: AtomicU64,
    /// Bytes of memory that they take.
    pub bytes: AtomicU64,
    /// Bytes of items that wait to be written.
    pub waiting: AtomicU64,
    /// Items that were not remembered because too much waited.
    pub dropped: AtomicU64,
    /// Items that were not remembered because there was no memory for them.
    pub crowded: AtomicU64,
    /// Pairs that this process found.
    pub pairs: AtomicU64,
    /// Journal number up to which every event was heeded for every item.
    pub searched: AtomicU64,
    /// Banks of which all entries are still to be compared.
    pub sweeps: AtomicU64,
    /// Times that the database refused or was not reached.
    pub failures: AtomicU64,
    /// Told when there are pairs that were not there before.
    pub(super) moved: Notify,
}

//! The store: journal and rows in one database.
//!
//! Rows change only by events: a change records events in a transaction, each is projected onto rows and appended to the
//! journal, and after the commit it is applied to the memory of the process. Rooms stand in order of dependence.

pub mod error;
pub mod settings;
pub mod words;
pub mod dialect;
pub mod rows;
pub mod journal;
pub mod head;
pub mod project;
pub mod memory;
pub mod snapshot;
pub mod figures;
#[cfg(feature = "s3")]
pub mod shelf;
#[cfg(feature = "s3")]
mod sharing;
mod kinds;
pub mod replica;
pub mod lease;
pub mod tx;
pub mod requests;
pub mod counters;
pub mod spool;
mod held;
mod snapshots;
mod step;
mod inbox;
mod line;
mod follow;
mod away;
mod writer;
pub mod lookback;
mod open;
mod witness;
pub mod copy;
mod recall;
mod handle;
mod read;
mod exchanged;
mod guarded;
mod replay;
mod upkeep;
mod state;
mod reap;
mod start;
pub mod report;
mod expected;
mod verify;
mod watch;
pub mod backup;

pub use copy::{Copied, Progress, copy};
pub use counters::Counters;
pub use error::{SetBack, StoreError};
pub use figures::{SharedFigures, SnapshotFigures};
pub use guarded::CutEvent;
pub use handle::Store;
pub use journal::{Receipt, Recorded};
pub use lease::{Lease, Task};
pub use lookback::{Cursor, Figures as LookbackFigures, Lookback, Pair};
pub use memory::Memory;
pub use replica::{Address, Name, Replica};
pub use report::{Fault, Report};
pub use rows::Which;
pub use settings::{OnFailure, Server, Settings};
pub use state::{State, Told};
pub use tx::Tx;
pub use verify::verify;
pub use witness::set_back;
pub use words::{Answer, KeepError, RequestKey, VerdictKept};

#[cfg(test)]
mod tests;

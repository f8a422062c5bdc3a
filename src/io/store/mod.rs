//! The store: journal and rows in one database.
//!
//! Rows change only by events: a change records events in a transaction, each is projected onto rows and appended to the
//! journal, and after the commit it is applied to the memory of the process. Rooms stand in order of dependence.

pub mod error;
pub mod settings;
pub mod dialect;
pub mod rows;
pub mod journal;
pub mod head;
pub mod project;
pub mod tx;
pub mod counters;
pub mod spool;
mod writer;
mod open;
mod handle;
mod read;
mod upkeep;

pub use counters::Counters;
pub use error::StoreError;
pub use handle::{Answer, KeepError, RequestKey, Store};
pub use journal::{Receipt, Recorded};
pub use settings::{OnFailure, Settings};
pub use tx::Tx;
pub use upkeep::VerdictKept;

#[cfg(test)]
mod tests;

//! Look-back: what is remembered of a screened item, and which items a bank's learning concerns.
//!
//! A *pair* is an entry that counts and an item that was screened before the entry did. It has one name, whoever finds it
//! and however often. It stands until the entry counts no more or the item is forgotten; what then begins anew is told
//! anew.

mod item;
mod written;
mod pair;
mod heed;
#[cfg(test)]
#[allow(missing_docs, reason = "for tests only")]
pub mod tests;

pub use heed::{Banks, Task};
pub use item::{Remembered, Screened, is_remembered};
pub use pair::{is_told, looks_back, meet, pair_id, reaches_further};

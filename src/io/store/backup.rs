//! Backups: a store in a folder, made while it is in use, and put in place again.
//!
//! Whichever database a store is in, a backup holds it as a file of SQLite. Rooms stand in order of dependence.

pub mod error;
pub mod manifest;
mod file;
mod make;
mod keeper;
mod stage;
mod accept;
mod restore;
mod drill;

pub use accept::accept_rollback;
pub use drill::{Drilled, drill};
pub use error::BackupError;
pub use keeper::{Keeper, Made, NotBegun, Running};
pub use make::backup;
pub use manifest::{Manifest, Part};
pub use restore::{PutBack, Wanted, restore};

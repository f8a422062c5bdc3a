//! Words that several services share, read from the wire into the core and written back.
//!
//! Rooms stand in order of dependence: each uses only rooms declared above it.

pub mod fields;
pub mod moment;
pub mod page;
pub mod request;
pub mod record;
pub mod signal;
pub mod probes;
pub mod file;
pub mod policy;
pub mod live;
pub mod opinion;
pub mod context;
pub mod verdict;
pub mod shard;
pub mod good;
pub mod delta;

//! What is touched: memory, clock, keys, files, database, worker processes.
//!
//! Rooms stand in order of dependence: each uses only rooms declared above it.

pub mod heap;
pub mod room;
pub mod clock;
pub mod seal;
pub mod jail;
pub mod media;
pub mod objects;
pub mod store;
pub mod evidence;
pub mod intake;
pub mod bulwark;
pub mod web;
pub mod shards;
pub mod models;

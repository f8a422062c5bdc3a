//! The doorway: one room for each service.
//!
//! Rooms stand in order of dependence; the rooms of two services never use each other.

pub mod status;
pub mod refusals;
pub mod call;
pub mod words;
pub mod pump;
pub mod desk;
pub mod shards;
pub mod judge;
pub mod shard;
pub mod screening;
pub mod bank;
pub mod admin;

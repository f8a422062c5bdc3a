//! The doorway: one room for each service.
//!
//! Rooms stand in order of dependence; the rooms of two services never use each other.

pub mod status;
pub mod refusals;
pub mod call;
pub mod words;
pub mod pump;
pub mod guards;
pub mod groups;
pub mod halt;
pub mod standing;
pub mod matchers;
pub mod desk;
pub mod shards;
pub mod goods;
pub mod taking;
pub mod consulting;
pub mod judge;
pub mod scoring;
pub mod shard;
pub mod screening;
pub mod live;
pub mod bank;
pub mod exchange;
pub mod admin;

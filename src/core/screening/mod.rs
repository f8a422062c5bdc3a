//! Screening: from what was examined to a verdict.
//!
//! Rooms stand in order of dependence: each uses only rooms declared above it.

pub mod question;
pub mod outside;
pub mod elsewhere;
pub mod videos;
pub mod finding;
pub mod coverage;
pub mod decision;
pub mod recent;

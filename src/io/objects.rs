//! Objects that machines share: whole files under names, in a bucket or a folder.
//!
//! Nothing that comes from there is trusted: how much is read, how long is waited, and what is told of it is bounded here;
//! what it is worth is judged by whoever asks.

mod place;
#[cfg(feature = "s3")]
mod bounded;
#[cfg(feature = "s3")]
mod client;

#[cfg(feature = "s3")]
pub use client::{Body, Found, Objects, ObjectsError};
pub use place::Place;

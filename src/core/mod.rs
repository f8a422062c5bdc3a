//! What is decided: pure rules on values, without I/O, clock, randomness, async or log.
//!
//! Rooms stand in order of dependence: each uses only rooms declared above it.

pub mod id;
pub mod time;
pub mod advice;
pub mod signal;
pub mod encoding;
pub mod sum;
pub mod hamming;
pub mod video;
pub mod raster;
pub mod jpeg;
pub mod opinion;
pub mod access;
pub mod key;
pub mod verdict;
pub mod pdq;
pub mod media;
pub mod tail;
pub mod bank;
pub mod record;
pub mod live;
pub mod policy;
pub mod refused;
pub mod guard;
pub mod promotion;
pub mod curation;
pub mod intake;
pub mod confirmation;
pub mod list_file;
pub mod exchange_file;
pub mod exchange;
pub mod polling;
pub mod flooded;
pub mod administration;
pub mod restored;
pub mod event;
pub mod shard;
pub mod matcher;
pub mod resident;
pub mod screening;
pub mod detector;
pub mod lookback;
pub mod upload;
pub mod repeats;
pub mod journal;

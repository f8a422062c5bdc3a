//! The service seen from outside: one binary for all tests that cross a boundary.

mod floors;
mod contract;
mod descriptor;
mod published;
mod wire;
mod house;
mod transport;
mod abuse;
#[cfg(feature = "grpc-web")]
mod web;
#[cfg(feature = "otlp")]
mod traces;
mod media;
mod models;
mod service;
mod binary;
mod screening;
mod videos;
mod lookback;
mod live;
mod scored;
mod banks;
mod opinions;
mod exchanges;
mod partners;
mod sources;
mod caps;
mod advice;
mod guards;
mod oracle;
mod admin;
mod refusals;
mod streams;
mod apart;
mod policies;
mod repeats;
mod hostile;
mod burden;
mod kill;
#[cfg(feature = "postgres")]
#[path = "../../src/io/store/tests/cluster.rs"]
#[allow(dead_code, reason = "the tests of the store itself use more of it")]
mod cluster;
#[cfg(feature = "postgres")]
mod remote;
#[cfg(all(feature = "postgres", feature = "s3"))]
mod shared;
#[cfg(feature = "postgres")]
mod replicas;
#[cfg(feature = "postgres")]
mod shards;
mod soak;
mod snapshots;
mod commands;
mod backup;
mod called;

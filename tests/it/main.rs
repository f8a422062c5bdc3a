//! Tests of the whole from outside, one file a boundary.

mod house;
mod transport;
mod abuse;
#[cfg(feature = "grpc-web")]
mod web;
#[cfg(feature = "otlp")]
mod traces;

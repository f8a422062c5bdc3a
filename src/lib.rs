//! Bulwark: one gRPC service that any platform calls, from any language, to keep children safe on it.
//!
//! Floors stand in order of dependence: each uses only floors declared above it.

pub mod core;
pub mod config;
pub mod proto;
pub mod io;
pub mod services;
pub mod server;
pub mod cli;

//! Tests of the whole from outside, one file a boundary.

mod house;
mod transport;
mod abuse;

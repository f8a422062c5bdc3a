//! Tests that run the real binary.

mod media;

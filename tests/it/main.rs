//! The service seen from outside: one binary for all tests that cross a boundary.

mod contract;
mod descriptor;

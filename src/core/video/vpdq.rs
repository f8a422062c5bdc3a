//! vPDQ: lists of frame hashes as the published tools write, read and compare them.

mod text;
mod semantics;
#[cfg(test)]
mod tests;

pub use semantics::{Percentages, QUALITY_MIN, Semantics, percentages};
pub use text::{Field, Line, Malformed, read_file, read_signal, write_file, write_signal};

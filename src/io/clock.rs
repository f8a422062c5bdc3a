//! The clock and the source of names.

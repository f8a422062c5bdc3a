//! Dispatches to the command that was asked for.

fn main() {}

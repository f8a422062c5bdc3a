//! Compiles the protos, without a protoc on the machine.

fn main() {}

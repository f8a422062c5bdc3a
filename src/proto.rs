//! What is said: generated code and descriptors, nothing by hand.

/// Every file of the contract and what it imports, with comments and custom options: an encoded
/// `google.protobuf.FileDescriptorSet`, as server reflection serves it.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/bulwark.v1.binpb"));

/// The package `bulwark.v1`. Its words are explained in the protos, which the generated code repeats.
#[allow(missing_docs, reason = "generated; a test holds that every declaration is commented")]
#[allow(clippy::all, reason = "generated")]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/bulwark.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/bulwark.v1.debug.rs"));
}

/// The public protocol of model servers, `proto/inference`. Its words are explained there, which the generated code repeats.
#[allow(missing_docs, reason = "generated; every declaration of the proto is commented")]
#[allow(clippy::all, reason = "generated")]
pub mod inference {
    include!(concat!(env!("OUT_DIR"), "/inference.rs"));
    include!(concat!(env!("OUT_DIR"), "/inference.debug.rs"));
}

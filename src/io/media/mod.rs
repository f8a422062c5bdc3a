//! Examination of media in jailed worker processes.
//!
//! The service process never decodes: it gathers an upload in sealed memory, hands it to a worker of the
//! same binary, and treats what comes back as hostile. Video is decoded by a program that is not part of this one, in a
//! jail of its own, and its frames are hashed by a worker: the service never sees a pixel.

pub mod blob;
mod limits;
mod reason;
mod found;
mod wire;
mod said;
mod decode;
mod expand;
mod examine;
mod watch;
pub mod trusted;
pub mod worker;
pub mod launcher;
mod command;
pub mod pool;

pub use blob::{Blob, BlobError, SealedBlob};
pub use limits::{MediaLimits, VideoLimits};
pub use pool::{Examiner, ExaminerStatus, MediaSettings, Wish};

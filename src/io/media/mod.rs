//! Examination of media in jailed worker processes.
//!
//! The service process never decodes: it gathers an upload in sealed memory, hands it to a worker of the
//! same binary, and treats what comes back as hostile.

pub mod blob;
mod limits;
mod reason;
mod found;
mod wire;
mod said;
mod decode;
mod expand;
mod examine;
pub mod trusted;
pub mod worker;
pub mod pool;

pub use blob::{Blob, BlobError, SealedBlob};
pub use limits::MediaLimits;
pub use pool::{Examiner, ExaminerStatus, MediaSettings};

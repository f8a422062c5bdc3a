//! Detectors: models outside that are asked about items for a score.
//!
//! What a model is given and what of its answer is believed is said in a file and checked when that is read. A model that
//! fails says nothing: there is a reason for its absence then, never a score of nought. See `docs/decisions/0030`.
//! Rooms stand in order of dependence: each uses only rooms declared above it.

mod fault;
mod layout;
mod input;
mod calibration;
mod number;
mod tensor;
mod batching;
mod breaker;
mod description;
mod reading;
mod absent;
mod told;
#[cfg(test)]
mod tests;

pub use absent::Absent;
pub use batching::{BatchLimits, Batching};
pub use breaker::{Began, Breaker, BreakerLimits, Circuit};
pub use calibration::{Calibration, POINTS_MAX};
pub use description::{
    Detector, DetectorParts, Host, OUTPUTS_MAX, Output, ROW_VALUES_MAX, Unsound, WAITING_BYTES_MAX,
};
pub use fault::{Fault, Unfit};
pub use input::{Content, Element, Frames, Image, Input, Kind, Pixels, Sample};
pub use layout::{Axis, Layout};
pub use number::Datatype;
pub use reading::{UNVERSIONED, read};
pub use tensor::{Answer, Tensor, Typed};
pub use told::tell;

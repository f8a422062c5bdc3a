//! What threads share memory by; the model of the tests puts its own in their place.

pub(super) use parking_lot::Mutex;
pub(super) use std::sync::atomic::{AtomicU32, Ordering};

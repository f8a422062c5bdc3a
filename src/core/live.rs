//! Live streams: what guards one while it runs, from its start until it has ended or was cut.
//!
//! A session takes events, each with the time, and answers with effects; who holds it reads messages, judges media, says
//! and keeps what the effects name. Rooms stand in order of dependence: each uses only rooms declared above it.

pub mod event;
pub mod policy;
pub mod risk;
pub mod sampling;
pub mod buffer;
pub mod effect;
pub mod kept;
pub mod plane;
mod outbox;
mod body;
mod cut;
mod playing;
pub mod session;
#[cfg(test)]
mod tests;

//! Guards: what keeps a wrong list from doing harm at large, and a list from being found out by asking.
//!
//! Each is a bounded memory that is told of what happens, with the time as an argument. What a guard says makes an answer
//! `HOLD`, or keeps a new entry from being matched: nothing is let through and nothing is dropped because of one.
//! Rooms stand in order of dependence: each uses only rooms declared above it.

pub mod window;
pub mod flood;
pub mod breaker;
pub mod budget;
pub mod probing;
pub mod cap;

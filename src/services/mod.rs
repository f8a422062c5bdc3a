//! The doorway: one room for each service.

pub mod status;
pub mod call;

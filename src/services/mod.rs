//! The doorway: one room for each service.

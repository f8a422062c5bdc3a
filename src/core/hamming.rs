//! The exact 256-bit index: every value within a radius of a query.

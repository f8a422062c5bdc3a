//! Matching: which entries of which banks a signal is equal or near to.

//! Hostile input: a typed state for everything, and the service goes on.

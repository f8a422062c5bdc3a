//! The jail that a worker process locks itself into.

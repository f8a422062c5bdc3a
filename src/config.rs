//! What is set: all settings, read whole, every mistake named, before a port is bound.

//! What is said: generated code and descriptors, nothing by hand.

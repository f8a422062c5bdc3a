//! Examination of media in jailed worker processes.

//! Screening: from what was found to a verdict.

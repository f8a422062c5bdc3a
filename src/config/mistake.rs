//! What is wrong with settings, said so that a person finds it.

use std::fmt;

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it was said.
    pub source: String,
    /// Which setting.
    pub key: String,
    /// What is wrong; never repeats the value.
    pub problem: String,
}

impl Mistake {
    pub(super) fn new(source: &str, key: &str, problem: impl Into<String>) -> Self {
        Self { source: source.into(), key: key.into(), problem: problem.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.source, self.key, self.problem)
    }
}

/// Everything that is wrong with the settings, one mistake a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Mistakes(pub Vec<Mistake>);

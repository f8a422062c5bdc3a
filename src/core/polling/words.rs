//! Words of asking a source: what to ask it, and where it stands after.

use crate::core::exchange::{Place, Secret};
use std::time::Duration;

/// What the address of a file in the operator's folder begins with.
pub const SCHEME: &str = "file:";

/// What a question does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Asks.
    Get,
    /// Puts a vote in the place of the one before.
    Put,
    /// Hands something in.
    Post,
}

impl Verb {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
        }
    }
}

/// What a question carries.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// Its type.
    pub media_type: &'static str,
    /// Its bytes: they may hold values and tokens.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} bytes)", self.bytes.len())
    }
}

/// A question. `Debug` shows nothing of what lets in, nor of what may be a value.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// What it does.
    pub verb: Verb,
    /// Path and query, from the first slash on. It may hold a token.
    pub target: Secret,
    /// Headers beside the usual ones.
    pub headers: Vec<(&'static str, Secret)>,
    /// What it carries.
    pub body: Option<Body>,
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ask({}, {} headers, {:?})", self.verb.as_str(), self.headers.len(), self.body)
    }
}

/// What to do about a source now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Ask it this, and take in what comes.
    Ask(Box<Ask>),
    /// Take in everything anew, and drop what does not come again: it no longer tells all that went since it was asked last.
    Anew,
    /// Wait: everything that it has to tell was heard.
    Rest(Duration),
}

/// Where a source stands after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The place to ask on from.
    pub place: Place,
    /// Whether everything that it has to tell was heard.
    pub is_whole: bool,
}

/// Why a source is not asked on from an answer: what was taken in of it stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// It is not what such an answer is.
    #[error("the answer must {0}")]
    Must(&'static str),
    /// It says to ask from a place that was passed: going there would hear the same for ever, or lose what lies between.
    #[error("the answer goes back to a place that was passed")]
    GoesBack,
}

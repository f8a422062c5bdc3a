//! Why asking a source ended.

use crate::core::polling::{BadAnswer, Unreadable};
use crate::io::web::{Answer, Unanswered};
use crate::services::status::Refusal;
use std::time::Duration;

/// Why asking ended.
#[derive(Debug)]
pub struct Halt {
    /// For people.
    pub why: String,
    /// How long it is left alone at least, where that is known.
    pub wait: Option<Duration>,
}

impl From<String> for Halt {
    fn from(why: String) -> Self {
        Self { why, wait: None }
    }
}

impl From<&str> for Halt {
    fn from(why: &str) -> Self {
        why.to_owned().into()
    }
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        format!("{} {}", refusal.reason().as_str(), refusal.message()).into()
    }
}

impl From<Unanswered> for Halt {
    fn from(why: Unanswered) -> Self {
        why.to_string().into()
    }
}

impl From<BadAnswer> for Halt {
    fn from(why: BadAnswer) -> Self {
        why.to_string().into()
    }
}

impl From<Unreadable> for Halt {
    fn from(why: Unreadable) -> Self {
        format!("the answer cannot be read: {why}").into()
    }
}

/// What a status says of a question, where it is no answer.
pub fn halt(answer: &Answer) -> Halt {
    let why = match answer.status {
        401 | 403 => "it does not let this platform in",
        300..=399 => "it leads to another address, where it is not followed",
        429 => "it wants to be asked less often",
        _ => "it does not answer the question",
    };
    Halt { why: format!("{why}: {}", answer.status), wait: answer.wait }
}

//! What is recorded of a store that was put back to an earlier state, with the approvals that this takes.

use crate::core::time::Time;
use serde::{Deserialize, Serialize};

/// Longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 1000;
/// Longest name of an approver, in characters.
pub const NAME_CHARS_MAX: usize = 200;
/// Approvals that it takes to give up what had been kept.
pub const APPROVALS_MIN: usize = 2;
/// Most approvals that are recorded.
const APPROVALS_MAX: usize = 20;

/// Why an approval is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// No reason, or one that is too long.
    #[error("the reason must be a text of 1 to {REASON_CHARS_MAX} characters")]
    Reason,
    /// A name that is empty or too long.
    #[error("the name of whoever approves must be a text of 1 to {NAME_CHARS_MAX} characters")]
    Name,
    /// Too few who approve, or one of them twice.
    #[error("at least {APPROVALS_MIN} different people must approve")]
    Few,
    /// More than are recorded.
    #[error("at most {APPROVALS_MAX} people can approve")]
    Many,
}

/// Why what had been kept is given up, and who approved that: at least two, by different names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    reason: String,
    approved_by: Vec<String>,
}

impl Approval {
    /// Reads a reason and names; white space at their ends is left out, and letters of either case are the same in names.
    ///
    /// # Errors
    /// [`ApprovalError`].
    pub fn read(reason: &str, names: &[String]) -> Result<Self, ApprovalError> {
        let is_short =
            |text: &str, max| !text.is_empty() && text.chars().take(max + 1).count() <= max;
        let reason = reason.trim().to_owned();
        if !is_short(&reason, REASON_CHARS_MAX) {
            return Err(ApprovalError::Reason);
        }
        let approved_by: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
        if approved_by.iter().any(|name| !is_short(name, NAME_CHARS_MAX)) {
            return Err(ApprovalError::Name);
        }
        let mut different: Vec<String> =
            approved_by.iter().map(|name| name.to_lowercase()).collect();
        different.sort_unstable();
        different.dedup();
        if different.len() < APPROVALS_MIN || different.len() != approved_by.len() {
            return Err(ApprovalError::Few);
        }
        if approved_by.len() > APPROVALS_MAX {
            return Err(ApprovalError::Many);
        }
        Ok(Self { reason, approved_by })
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Who approved.
    #[must_use]
    pub fn approved_by(&self) -> &[String] {
        &self.approved_by
    }
}

/// A later or other state that had been seen before, and was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// Number of events that there had been.
    pub number: u64,
    /// Root of the tree over them.
    #[serde(with = "hex::serde")]
    pub root: [u8; 32],
}

/// A store that was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Number of events it was put back to.
    pub number: u64,
    /// Root of the tree over them.
    #[serde(with = "hex::serde")]
    pub root: [u8; 32],
    /// When the backup was made; none where the database had been set back by other means.
    pub backed_up: Option<Time>,
    /// What was given up by it, as far as that was known.
    pub given_up: Option<GivenUp>,
    /// Why, and by whose approval; always there where something was given up.
    pub approval: Option<Approval>,
    /// When this was done.
    pub at: Time,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reason: &str, names: &[&str]) -> Result<Approval, ApprovalError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Approval::read(reason, &names)
    }

    #[test]
    fn one_person_under_two_spellings_is_not_two() {
        assert_eq!(read("r", &["Ada", " ada "]), Err(ApprovalError::Few));
        assert_eq!(read("r", &["Ada"]), Err(ApprovalError::Few));
        assert_eq!(read("r", &["Ada", "Bea", "ADA"]), Err(ApprovalError::Few));
        assert_eq!(read("r", &["Ada", "Bea"]).unwrap().approved_by(), ["Ada", "Bea"]);
    }

    #[test]
    fn an_approval_without_reason_or_name_is_none() {
        assert_eq!(read(" \n", &["Ada", "Bea"]), Err(ApprovalError::Reason));
        assert_eq!(read(&"x".repeat(1001), &["Ada", "Bea"]), Err(ApprovalError::Reason));
        assert_eq!(read("r", &["Ada", " "]), Err(ApprovalError::Name));
        let many: Vec<String> = (0..21).map(|n| n.to_string()).collect();
        assert_eq!(Approval::read("r", &many), Err(ApprovalError::Many));
        assert_eq!(read(" r ", &["Ada", "Bea"]).unwrap().reason(), "r");
    }
}

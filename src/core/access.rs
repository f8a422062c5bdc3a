//! Who may do what: scopes, roles, and the caller that a request is answered for.

use crate::core::id::{CredentialId, TenantId};
use crate::core::time::Time;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether a credential's calls can have consequences outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Environment {
    /// Trial use; can never reach a real authority.
    Test,
    /// Real use.
    Production,
}

/// What a credential may be used for. Names as in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Sends content or signals and learns the disposition.
    Screener,
    /// Curates banks.
    BankManager,
    /// Decides on review items.
    Reviewer,
    /// Decides on review items of the child-safety queues.
    ChildSafetyReviewer,
    /// Files reports to authorities.
    Reporter,
    /// Keeps evidence.
    EvidenceCustodian,
    /// Another company's service.
    ExchangePartner,
    /// Reads records and figures, changes nothing.
    Auditor,
    /// Manages tenants, credentials and surfaces.
    Admin,
}

impl Role {
    /// Every role, in the order of the contract.
    pub const ALL: [Self; 9] = [
        Self::Screener,
        Self::BankManager,
        Self::Reviewer,
        Self::ChildSafetyReviewer,
        Self::Reporter,
        Self::EvidenceCustodian,
        Self::ExchangePartner,
        Self::Auditor,
        Self::Admin,
    ];

    /// Whether a caller of this role may see which entry matched and how.
    #[must_use]
    pub const fn sees_match_detail(self) -> bool {
        match self {
            Self::BankManager
            | Self::Reviewer
            | Self::ChildSafetyReviewer
            | Self::Reporter
            | Self::EvidenceCustodian
            | Self::Auditor => true,
            Self::Screener | Self::ExchangePartner | Self::Admin => false,
        }
    }
}

/// A tenant's data of one environment; nothing crosses from one scope to another unasked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// Whose data.
    pub tenant: TenantId,
    /// Of which environment.
    pub environment: Environment,
}

impl fmt::Display for Scope {
    /// The key under which rows of the scope are kept, `tenant/test` or `tenant/production`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let environment = match self.environment {
            Environment::Test => "test",
            Environment::Production => "production",
        };
        write!(f, "{}/{environment}", self.tenant)
    }
}

/// Who is calling, as the server established it; never taken from a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Data the call works on.
    pub scope: Scope,
    /// Credential it was made with.
    pub credential: CredentialId,
    /// What the credential allows.
    pub roles: Vec<Role>,
}

impl Caller {
    /// Whether one of the caller's roles is among `allowed`.
    #[must_use]
    pub fn has_any(&self, allowed: &[Role]) -> bool {
        self.roles.iter().any(|role| allowed.contains(role))
    }

    /// Whether the caller may see which entry matched and how.
    #[must_use]
    pub fn sees_match_detail(&self) -> bool {
        self.roles.iter().any(|role| role.sees_match_detail())
    }
}

/// A platform that calls the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// A name for people.
    pub display_name: String,
    /// Counts the changes of this record; the contract's `etag`.
    pub version: u64,
    /// When it was made.
    pub created: Time,
    /// Since when its credentials are refused, if they are.
    pub revoked: Option<Time>,
}

/// How a credential is proved.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Proof {
    /// SHA-256 of a 256-bit random key. The key itself is shown once and kept nowhere.
    Key(#[serde(with = "hex::serde")] [u8; 32]),
    /// SHA-256 of a client certificate in DER form.
    Certificate(#[serde(with = "hex::serde")] [u8; 32]),
}

impl std::fmt::Debug for Proof {
    /// Prints kind and length only: what proves a caller must not reach a log by way of `{:?}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key(32 bytes)",
            Self::Certificate(_) => "Certificate(32 bytes)",
        })
    }
}

/// A key or certificate by which a caller is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Its name; part of the key text, so that a key is found without a search.
    pub id: CredentialId,
    /// Scope of all calls made with it.
    pub scope: Scope,
    /// What it may be used for.
    pub roles: Vec<Role>,
    /// How it is proved.
    pub proof: Proof,
    /// A note for people.
    pub display_name: String,
    /// Counts the changes of this record; the contract's `etag`.
    pub version: u64,
    /// When it was made.
    pub created: Time,
    /// When it ends by itself, if it does.
    pub expires: Option<Time>,
    /// Since when it is refused, if it is.
    pub revoked: Option<Time>,
}

impl Credential {
    /// Whether the credential may be used at `now`.
    #[must_use]
    pub fn is_valid_at(&self, now: Time) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_of_a_proof_shows_its_kind_only() {
        assert_eq!(format!("{:?}", Proof::Key([0xab; 32])), "Key(32 bytes)");
        assert_eq!(format!("{:?}", Proof::Certificate([0xab; 32])), "Certificate(32 bytes)");
    }
}

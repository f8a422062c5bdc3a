//! Partners: who may call this service as an exchange, what they are told and what is taken from them.

use crate::core::access::{Credential, Role, Scope};
use crate::core::bank::EntryState;
use crate::core::id::{BankId, CredentialId, PartnerId};
use crate::core::refused::{Refused, Thing, unchanged};
use crate::core::signal::SignalType;
use crate::core::time::Time;
use serde::{Deserialize, Serialize};

/// Most public keys of one party.
pub const VERIFIERS_MAX: usize = 4;

/// A bank whose entries a partner is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The bank.
    pub bank: BankId,
    /// Of which types of signals; of all where none is named.
    pub kinds: Vec<SignalType>,
}

/// A bank into which a partner may bring entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {
    /// The bank.
    pub bank: BankId,
    /// Where they stand when they enter.
    pub enters_as: EntryState,
    /// How many new ones it may bring in a day; nought for any number. Where it is absent, what is usual here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_per_day: Option<u32>,
}

/// Another company's service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partner {
    /// Its name.
    pub id: PartnerId,
    /// A name for people.
    pub display_name: String,
    /// The credential by which it calls.
    pub credential: CredentialId,
    /// Its name in what it signs; empty where it signs nothing.
    pub origin: String,
    /// Its Ed25519 public keys.
    #[serde(with = "keys")]
    pub verifiers: Vec<[u8; 32]>,
    /// What it is told.
    pub shares: Vec<Share>,
    /// What is taken from it.
    pub takes: Vec<Take>,
    /// What for.
    pub purpose: String,
    /// Under whose law it stands.
    pub jurisdiction: String,
    /// When the agreement ends, if it does.
    pub expires: Option<Time>,
    /// Who put it as it is now: it is in force with the second.
    pub approved_by: Vec<CredentialId>,
    /// Counts the changes of this record; the contract's `etag`.
    pub version: u64,
    /// When it was made.
    pub created: Time,
    /// Since when it is ended, if it is.
    pub revoked: Option<Time>,
}

impl Partner {
    /// Whether it may be told and bring anything: two people have put it like this, and it has not ended.
    #[must_use]
    pub fn is_in_force(&self, now: Time) -> bool {
        self.approved_by.len() >= 2
            && self.revoked.is_none()
            && self.expires.is_none_or(|end| now < end)
    }

    /// How a bank is shared with it, if it is.
    #[must_use]
    pub fn share(&self, bank: &BankId) -> Option<&Share> {
        self.shares.iter().find(|share| share.bank == *bank)
    }

    /// How a bank takes from it, if it does.
    #[must_use]
    pub fn take(&self, bank: &BankId) -> Option<&Take> {
        self.takes.iter().find(|take| take.bank == *bank)
    }
}

/// What is wanted of a partner: everything that two people have to agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartner {
    /// See [`Partner::id`].
    pub id: PartnerId,
    /// See [`Partner::display_name`].
    pub display_name: String,
    /// See [`Partner::credential`].
    pub credential: CredentialId,
    /// See [`Partner::origin`].
    pub origin: String,
    /// See [`Partner::verifiers`].
    pub verifiers: Vec<[u8; 32]>,
    /// See [`Partner::shares`].
    pub shares: Vec<Share>,
    /// See [`Partner::takes`].
    pub takes: Vec<Take>,
    /// See [`Partner::purpose`].
    pub purpose: String,
    /// See [`Partner::jurisdiction`].
    pub jurisdiction: String,
    /// See [`Partner::expires`].
    pub expires: Option<Time>,
}

impl NewPartner {
    /// Whether a partner is just like this.
    fn is(&self, partner: &Partner) -> bool {
        self.id == partner.id
            && self.display_name == partner.display_name
            && self.credential == partner.credential
            && self.origin == partner.origin
            && self.verifiers == partner.verifiers
            && self.shares == partner.shares
            && self.takes == partner.takes
            && self.purpose == partner.purpose
            && self.jurisdiction == partner.jurisdiction
            && self.expires == partner.expires
    }
}

/// Whether a credential may be that of a partner of a scope.
///
/// # Errors
/// [`Refused::Field`] where it is not there, of another scope, or without the role.
pub fn may_be_partner(credential: Option<&Credential>, scope: &Scope) -> Result<(), Refused> {
    let is_fit = |credential: &Credential| {
        credential.scope == *scope && credential.roles.contains(&Role::ExchangePartner)
    };
    if credential.is_some_and(is_fit) {
        return Ok(());
    }
    let must = "must be a credential of this tenant and environment with the role EXCHANGE_PARTNER";
    Err(Refused::Field("partner.credential_id".to_owned(), must.to_owned()))
}

/// Makes or changes a partner for a caller. Whatever changes needs two callers again; who puts it just as it is agrees to it.
///
/// # Errors
/// [`Refused::Changed`] where it was changed since the caller read it; [`Refused::Field`] where the partner would call by
/// the caller's own credential.
pub fn put_partner(
    present: Option<Partner>,
    wanted: NewPartner,
    by: &CredentialId,
    read: Option<u64>,
    now: Time,
) -> Result<Partner, Refused> {
    if wanted.credential == *by {
        let must = "must be another credential than that of the call";
        return Err(Refused::Field("partner.credential_id".to_owned(), must.to_owned()));
    }
    let id = &wanted.id;
    unchanged(Thing::Partner, id, read, present.as_ref().map_or(0, |known| known.version))?;
    let (version, created) = match present {
        Some(mut known) if wanted.is(&known) && known.revoked.is_none() => {
            if !known.approved_by.contains(by) {
                known.approved_by.push(by.clone());
                known.version += 1;
            }
            return Ok(known);
        }
        Some(known) => (known.version + 1, known.created),
        None => (1, now),
    };
    let NewPartner { id, display_name, credential, origin, verifiers, shares, takes, .. } = wanted;
    Ok(Partner {
        id,
        display_name,
        credential,
        origin,
        verifiers,
        shares,
        takes,
        purpose: wanted.purpose,
        jurisdiction: wanted.jurisdiction,
        expires: wanted.expires,
        approved_by: vec![by.clone()],
        version,
        created,
        revoked: None,
    })
}

/// Ends an agreement; one person is enough for that.
#[must_use]
pub fn revoke_partner(mut partner: Partner, now: Time) -> Partner {
    partner.revoked.get_or_insert(now);
    partner.version += 1;
    partner
}

/// Public keys as hexadecimal digits.
pub(super) mod keys {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(keys: &[[u8; 32]], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(keys.iter().map(hex::encode))
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<[u8; 32]>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        let read = |text: &String| {
            let mut key = [0; 32];
            hex::decode_to_slice(text, &mut key).map(|()| key)
        };
        texts.iter().map(read).collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}

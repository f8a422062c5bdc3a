//! Events: every change of state and every decision that matters, as it stands in the journal.
//!
//! Rows of the store and the memory of a process are folds of these; nothing else changes them.
//! A variant, once released, is never changed in meaning: later needs get later variants.

use crate::core::access::{Credential, Environment, Scope, Tenant};
use crate::core::bank::{Bank, Entry};
use crate::core::exchange::{Exchange, Partner, Progress};
use crate::core::id::{BankId, CredentialId, ExchangeId, ItemId, TenantId, VerdictId};
use crate::core::live::kept::{Done, Interrupt, Note};
use crate::core::policy::{Context, Surface, SurfaceKind};
use crate::core::restored::Restored;
use crate::core::time::Time;
use crate::core::verdict::{CheckState, Disposition, Verdict};
use serde::{Deserialize, Serialize};

/// What the platform did with an item after the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutcomeKind {
    /// It was put on show.
    Published,
    /// It was kept from being put on show.
    Blocked,
    /// It waits.
    Held,
    /// It was taken down after it had been on show.
    Removed,
    /// It was brought back.
    Restored,
}

/// What the platform did with an item, and what had happened until then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The verdict it follows.
    pub verdict: VerdictId,
    /// The platform's name of the item, where it said one.
    pub item: Option<ItemId>,
    /// What was done.
    pub kind: OutcomeKind,
    /// When.
    pub occurred: Time,
    /// How often it had been seen before, where known.
    pub views_before: Option<u64>,
    /// Whether a person had looked at the item first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_review: bool,
}

impl Outcome {
    /// Whether it says that something was done against an item of which nothing but advice was found, and not that a person had
    /// looked first: what advice gives is a reason for that, and for nothing else.
    #[must_use]
    pub fn lacks_review(&self, verdict: &Verdict) -> bool {
        let is_against = match self.kind {
            OutcomeKind::Blocked | OutcomeKind::Held | OutcomeKind::Removed => true,
            OutcomeKind::Published | OutcomeKind::Restored => false,
        };
        let is_advice_only = verdict.review.is_some() && verdict.disposition == Disposition::Allow;
        is_against && is_advice_only && !self.after_review
    }
}

/// Answers of one minute that were counted and not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Whose calls.
    pub scope: Scope,
    /// On which kind of surface.
    pub surface: SurfaceKind,
    /// With which answer.
    pub disposition: Disposition,
    /// The least complete state among the required checks.
    pub completeness: CheckState,
    /// How many.
    pub count: u64,
}

/// A verdict with what it was given for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GivenVerdict {
    /// What the caller said.
    pub context: Context,
    /// What was answered.
    pub verdict: Verdict,
    /// The credential that asked.
    pub credential: CredentialId,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Event {
    /// A tenant was made, changed or revoked; the whole new record.
    TenantPut {
        /// The record.
        tenant: Tenant,
    },
    /// A credential was made, changed or revoked; the whole new record.
    CredentialPut {
        /// The record.
        credential: Credential,
    },
    /// A surface was made, changed or revoked; the whole new record.
    SurfacePut {
        /// Whose.
        scope: Scope,
        /// The record.
        surface: Surface,
    },
    /// A bank was made or changed; the whole new settings.
    BankPut {
        /// Whose.
        scope: Scope,
        /// The settings.
        bank: Bank,
    },
    /// A bank went, with all its entries.
    BankDeleted {
        /// Whose.
        scope: Scope,
        /// Which.
        bank: BankId,
        /// When.
        at: Time,
    },
    /// Up to [`ENTRIES_PER_EVENT_MAX`] entries were made or changed; the whole new records.
    /// A removed entry has no signals and state `REMOVED`.
    EntriesPut {
        /// Whose.
        scope: Scope,
        /// Of which bank.
        bank: BankId,
        /// The records.
        entries: Vec<Entry>,
        /// When.
        at: Time,
    },
    /// A verdict above `ALLOW` was given, or one for which a person should look.
    VerdictGiven {
        /// Whose.
        scope: Scope,
        /// What was given, and for what.
        given: Box<GivenVerdict>,
    },
    /// The platform said what it did.
    OutcomeRecorded {
        /// Whose.
        scope: Scope,
        /// What it did.
        outcome: Outcome,
    },
    /// Counts of answers that kept nothing else.
    Counted {
        /// The minute they belong to.
        minute: Time,
        /// One row for each distinct set of labels.
        counts: Vec<Count>,
    },
    /// The process before this one ended without flushing its counts: figures read "at least".
    CountsLost {
        /// Last time at which that process is known to have counted.
        since: Time,
        /// When this was noticed.
        at: Time,
    },
    /// The store was put back to an earlier state: out of a backup, or by other means that were noticed at a start.
    Restored {
        /// To what, and what was given up.
        restored: Box<Restored>,
    },
    /// A partner was made, changed, agreed to or ended; the whole new record.
    PartnerPut {
        /// Whose.
        scope: Scope,
        /// The record.
        partner: Box<Partner>,
    },
    /// An exchange was made or changed; the whole new record.
    ExchangePut {
        /// Whose.
        scope: Scope,
        /// The record.
        exchange: Box<Exchange>,
    },
    /// An exchange went, with its progress. What it brought stays.
    ExchangeDeleted {
        /// Whose.
        scope: Scope,
        /// Which.
        exchange: ExchangeId,
        /// When.
        at: Time,
    },
    /// An exchange has come further.
    ExchangeAdvanced {
        /// Whose.
        scope: Scope,
        /// How far.
        progress: Box<Progress>,
    },
    /// A live stream is to be cut.
    StreamInterrupted {
        /// Whose.
        scope: Scope,
        /// The cut.
        interrupt: Box<Interrupt>,
    },
    /// The platform has cut a live stream.
    StreamCut {
        /// Whose.
        scope: Scope,
        /// Which cut, and how long it took.
        done: Box<Done>,
    },
    /// Something else happened to a live stream.
    StreamNoted {
        /// Whose.
        scope: Scope,
        /// What.
        note: Box<Note>,
    },
}

/// Most entries in one [`Event::EntriesPut`].
pub const ENTRIES_PER_EVENT_MAX: usize = 1000;

/// Kind of an event: the closed label that the public part of a journal leaf carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u16)]
pub enum EventKind {
    /// [`Event::TenantPut`].
    TenantPut = 1,
    /// [`Event::CredentialPut`].
    CredentialPut = 2,
    /// [`Event::SurfacePut`].
    SurfacePut = 3,
    /// [`Event::BankPut`].
    BankPut = 4,
    /// [`Event::BankDeleted`].
    BankDeleted = 5,
    /// [`Event::EntriesPut`].
    EntriesPut = 6,
    /// [`Event::VerdictGiven`].
    VerdictGiven = 7,
    /// [`Event::OutcomeRecorded`].
    OutcomeRecorded = 8,
    /// [`Event::Counted`].
    Counted = 9,
    /// [`Event::CountsLost`].
    CountsLost = 10,
    /// [`Event::Restored`].
    Restored = 11,
    /// [`Event::PartnerPut`].
    PartnerPut = 12,
    /// [`Event::ExchangePut`].
    ExchangePut = 13,
    /// [`Event::ExchangeDeleted`].
    ExchangeDeleted = 14,
    /// [`Event::ExchangeAdvanced`].
    ExchangeAdvanced = 15,
    /// [`Event::StreamInterrupted`].
    StreamInterrupted = 16,
    /// [`Event::StreamCut`].
    StreamCut = 17,
    /// [`Event::StreamNoted`].
    StreamNoted = 18,
}

impl Event {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::TenantPut { .. } => EventKind::TenantPut,
            Self::CredentialPut { .. } => EventKind::CredentialPut,
            Self::SurfacePut { .. } => EventKind::SurfacePut,
            Self::BankPut { .. } => EventKind::BankPut,
            Self::BankDeleted { .. } => EventKind::BankDeleted,
            Self::EntriesPut { .. } => EventKind::EntriesPut,
            Self::VerdictGiven { .. } => EventKind::VerdictGiven,
            Self::OutcomeRecorded { .. } => EventKind::OutcomeRecorded,
            Self::Counted { .. } => EventKind::Counted,
            Self::CountsLost { .. } => EventKind::CountsLost,
            Self::Restored { .. } => EventKind::Restored,
            Self::PartnerPut { .. } => EventKind::PartnerPut,
            Self::ExchangePut { .. } => EventKind::ExchangePut,
            Self::ExchangeDeleted { .. } => EventKind::ExchangeDeleted,
            Self::ExchangeAdvanced { .. } => EventKind::ExchangeAdvanced,
            Self::StreamInterrupted { .. } => EventKind::StreamInterrupted,
            Self::StreamCut { .. } => EventKind::StreamCut,
            Self::StreamNoted { .. } => EventKind::StreamNoted,
        }
    }

    /// The tenant it concerns, if it concerns one.
    #[must_use]
    pub const fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::TenantPut { tenant } => Some(&tenant.id),
            Self::CredentialPut { credential } => Some(&credential.scope.tenant),
            Self::SurfacePut { scope, .. }
            | Self::BankPut { scope, .. }
            | Self::BankDeleted { scope, .. }
            | Self::EntriesPut { scope, .. }
            | Self::VerdictGiven { scope, .. }
            | Self::OutcomeRecorded { scope, .. }
            | Self::PartnerPut { scope, .. }
            | Self::ExchangePut { scope, .. }
            | Self::ExchangeDeleted { scope, .. }
            | Self::ExchangeAdvanced { scope, .. }
            | Self::StreamInterrupted { scope, .. }
            | Self::StreamCut { scope, .. }
            | Self::StreamNoted { scope, .. } => Some(&scope.tenant),
            Self::Counted { .. } | Self::CountsLost { .. } | Self::Restored { .. } => None,
        }
    }

    /// The environment it concerns, if it concerns one.
    #[must_use]
    pub const fn environment(&self) -> Option<Environment> {
        match self {
            Self::CredentialPut { credential } => Some(credential.scope.environment),
            Self::SurfacePut { scope, .. }
            | Self::BankPut { scope, .. }
            | Self::BankDeleted { scope, .. }
            | Self::EntriesPut { scope, .. }
            | Self::VerdictGiven { scope, .. }
            | Self::OutcomeRecorded { scope, .. }
            | Self::PartnerPut { scope, .. }
            | Self::ExchangePut { scope, .. }
            | Self::ExchangeDeleted { scope, .. }
            | Self::ExchangeAdvanced { scope, .. }
            | Self::StreamInterrupted { scope, .. }
            | Self::StreamCut { scope, .. }
            | Self::StreamNoted { scope, .. } => Some(scope.environment),
            Self::TenantPut { .. }
            | Self::Counted { .. }
            | Self::CountsLost { .. }
            | Self::Restored { .. } => None,
        }
    }
}

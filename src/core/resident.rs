//! What a process keeps in memory to answer from: tenants, credentials, surfaces, banks and their index.
//!
//! A clone is a picture of the moment and costs little: parts that do not change are shared.

use crate::core::access::{Credential, Proof, Scope, Tenant};
use crate::core::event::Event;
use crate::core::id::{BankId, CredentialId, SurfaceId, TenantId};
use crate::core::matcher::{Matcher, Merge, Merged, Pace, Retired};
use crate::core::policy::Surface;
use imbl::{HashMap, OrdMap};
use std::sync::Arc;

/// What is kept of one scope.
#[derive(Debug, Clone, Default)]
pub struct Holding {
    /// Its surfaces, revoked ones included.
    pub surfaces: OrdMap<SurfaceId, Surface>,
    /// Its banks.
    pub matcher: Matcher,
}

/// The memory of a process: a fold of events. The same events in the same order give the same memory.
#[derive(Debug, Clone, Default)]
pub struct Resident {
    applied: u64,
    tenants: HashMap<TenantId, Tenant>,
    credentials: HashMap<CredentialId, Credential>,
    certificates: HashMap<[u8; 32], CredentialId>,
    holdings: HashMap<Scope, Arc<Holding>>,
}

impl Resident {
    /// Takes the event with journal number `number` into account. Events come in the order of their numbers.
    pub fn apply(&mut self, number: u64, event: &Event) {
        match event {
            Event::TenantPut { tenant } => {
                self.tenants.insert(tenant.id.clone(), tenant.clone());
            }
            Event::CredentialPut { credential } => self.put_credential(credential),
            Event::SurfacePut { scope, surface } => {
                self.holding(scope).surfaces.insert(surface.id.clone(), surface.clone());
            }
            Event::BankPut { scope, bank } => self.holding(scope).matcher.put_bank(number, bank),
            Event::BankDeleted { scope, bank, .. } => self.holding(scope).matcher.delete_bank(bank),
            Event::EntriesPut { scope, bank, entries, at } => {
                self.holding(scope).matcher.put_entries(number, *at, bank, entries);
            }
            Event::VerdictGiven { .. }
            | Event::OutcomeRecorded { .. }
            | Event::Counted { .. }
            | Event::CountsLost { .. } => {}
        }
        self.applied = self.applied.max(number);
    }

    fn holding(&mut self, scope: &Scope) -> &mut Holding {
        Arc::make_mut(self.holdings.entry(scope.clone()).or_default())
    }

    fn put_credential(&mut self, credential: &Credential) {
        if let Some(before) = self.credentials.get(&credential.id)
            && let Proof::Certificate(digest) = before.proof
        {
            self.certificates.remove(&digest);
        }
        if let Proof::Certificate(digest) = credential.proof {
            self.certificates.insert(digest, credential.id.clone());
        }
        self.credentials.insert(credential.id.clone(), credential.clone());
    }

    /// Journal number up to which the memory is in step.
    #[must_use]
    pub const fn applied(&self) -> u64 {
        self.applied
    }

    /// Says that the memory is in step up to `number`, where the events before it changed nothing that is kept here.
    pub fn in_step(&mut self, number: u64) {
        self.applied = self.applied.max(number);
    }

    /// A tenant.
    #[must_use]
    pub fn tenant(&self, id: &TenantId) -> Option<&Tenant> {
        self.tenants.get(id)
    }

    /// A credential.
    #[must_use]
    pub fn credential(&self, id: &CredentialId) -> Option<&Credential> {
        self.credentials.get(id)
    }

    /// The credential that a client certificate proves, by the SHA-256 of its DER form.
    #[must_use]
    pub fn credential_by_certificate(&self, digest: &[u8; 32]) -> Option<&Credential> {
        self.credentials.get(self.certificates.get(digest)?)
    }

    /// What is kept of a scope; nothing where nothing was ever put.
    #[must_use]
    pub fn of(&self, scope: &Scope) -> Option<&Holding> {
        self.holdings.get(scope).map(|holding| &**holding)
    }

    /// Whose banks there are.
    pub fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.holdings.keys()
    }

    /// What the matcher of a scope should merge; whoever runs it has it adopted, and asks again.
    #[must_use]
    pub fn merge_due(&self, scope: &Scope, pace: Pace) -> Option<Merge> {
        self.of(scope)?.matcher.merge_due(pace)
    }

    /// Takes over what was merged. Nothing that is found changes.
    pub fn adopt(&mut self, scope: &Scope, merged: Merged) -> Retired {
        self.holding(scope).matcher.adopt(merged)
    }

    /// Merges all that should be merged, here and now.
    pub fn settle(&mut self) {
        for scope in self.scopes().cloned().collect::<Vec<_>>() {
            self.holding(&scope).matcher.settle();
        }
    }

    /// Number of entries of a bank that are not removed; 0 of a bank that is not there.
    #[must_use]
    pub fn entry_count(&self, scope: &Scope, bank: &BankId) -> u64 {
        let status = self.of(scope).and_then(|holding| holding.matcher.bank(bank));
        status.map_or(0, |status| status.entry_count)
    }
}

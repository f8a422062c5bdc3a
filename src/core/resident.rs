//! What a process keeps in memory to answer from: tenants, credentials, surfaces, banks and their index.
//!
//! A clone is a picture of the moment and costs little: parts that do not change are shared.

use crate::core::access::{Credential, Proof, Scope, Tenant};
use crate::core::encoding::{Decoder, Encoder, Malformed, Stopped, holds};
use crate::core::event::Event;
use crate::core::id::{BankId, CredentialId, SurfaceId, TenantId};
use crate::core::matcher::{Matcher, Merge, Merged, Pace, Retired, Room};
use crate::core::policy::Surface;
use crate::core::shard::Shard;
use crate::core::sum::Sum;
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
    /// Which of the entries it keeps.
    shard: Shard,
    applied: u64,
    changes: u64,
    tenants: HashMap<TenantId, Tenant>,
    credentials: HashMap<CredentialId, Credential>,
    certificates: HashMap<[u8; 32], CredentialId>,
    holdings: HashMap<Scope, Arc<Holding>>,
}

impl Resident {
    /// A memory of which nothing is known yet, for some of the entries.
    #[must_use]
    pub fn of_shard(shard: Shard) -> Self {
        Self { shard, ..Self::default() }
    }

    /// Which of the entries it keeps; everything else it keeps whole.
    #[must_use]
    pub const fn shard(&self) -> Shard {
        self.shard
    }

    /// Takes the event with journal number `number` into account. Events come in the order of their numbers.
    pub fn apply(&mut self, number: u64, event: &Event) {
        self.changes += match event {
            Event::EntriesPut { entries, .. } => entries.len() as u64,
            _ => 1,
        };
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
                let own = self.shard.own(bank, entries);
                self.holding(scope).matcher.put_entries(number, *at, bank, &own);
            }
            Event::VerdictGiven { .. }
            | Event::OutcomeRecorded { .. }
            | Event::Counted { .. }
            | Event::CountsLost { .. }
            | Event::Restored { .. }
            | Event::PartnerPut { .. }
            | Event::ExchangePut { .. }
            | Event::ExchangeDeleted { .. }
            | Event::ExchangeAdvanced { .. }
            | Event::StreamInterrupted { .. }
            | Event::StreamCut { .. }
            | Event::StreamNoted { .. } => {}
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

    /// How many entries and other records were taken into account since the memory was made or read: what taking them
    /// into account again would cost.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
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
    pub fn merge_due(&self, scope: &Scope, pace: Pace, room: Room) -> Option<Merge> {
        self.of(scope)?.matcher.merge_due(pace, room)
    }

    /// Takes over what was merged. Nothing that is found changes.
    pub fn adopt(&mut self, scope: &Scope, merged: Merged) -> Retired {
        self.holding(scope).matcher.adopt(merged)
    }

    /// Merges all that should be merged, here and now, but for what needs room.
    pub fn settle(&mut self) {
        for scope in self.scopes().cloned().collect::<Vec<_>>() {
            self.holding(&scope).matcher.settle(Room(0));
        }
    }

    /// Number of entries of a bank that are not removed, in this shard; 0 of a bank that is not there.
    #[must_use]
    pub fn entry_count(&self, scope: &Scope, bank: &BankId) -> u64 {
        let status = self.of(scope).and_then(|holding| holding.matcher.bank(bank));
        status.map_or(0, |status| status.entry_count)
    }

    /// Number of entries that are not removed, of all banks, in this shard.
    #[must_use]
    pub fn entries(&self) -> u64 {
        let of = |holding: &Arc<Holding>| -> u64 {
            holding.matcher.banks().map(|bank| bank.entry_count).sum()
        };
        self.holdings.values().map(of).sum()
    }

    /// A sum of everything that is kept: two memories that answer alike have the same one, however they came to be.
    #[must_use]
    pub fn sum(&self) -> [u8; 32] {
        let mut sum = Sum::default();
        self.tenants.values().for_each(|tenant| sum.add_record("tenant", "", tenant));
        self.credentials.values().for_each(|known| sum.add_record("credential", "", known));
        for (scope, holding) in &self.holdings {
            let scope = scope.to_string();
            let surfaces = holding.surfaces.values();
            surfaces.for_each(|surface| sum.add_record("surface", &scope, surface));
            holding.matcher.sum(&scope, &mut sum);
        }
        sum.bytes()
    }

    /// Writes the memory as it is: what changes in clones of it meanwhile is not seen.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn write(&self, to: &mut Encoder<'_>) -> Result<(), Stopped> {
        to.word(self.shard.number())?;
        to.word(self.shard.count())?;
        to.word(self.applied)?;
        to.count(self.tenants.len())?;
        self.tenants.values().try_for_each(|tenant| to.json(tenant))?;
        to.count(self.credentials.len())?;
        self.credentials.values().try_for_each(|credential| to.json(credential))?;
        to.count(self.holdings.len())?;
        for (scope, holding) in &self.holdings {
            to.json(scope)?;
            to.count(holding.surfaces.len())?;
            holding.surfaces.values().try_for_each(|surface| to.json(surface))?;
            holding.matcher.write(to)?;
        }
        Ok(())
    }

    /// Reads what [`Self::write`] wrote.
    ///
    /// # Errors
    /// [`Malformed`] where something in it does not hold.
    pub fn read(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let shard = Shard::new(from.word()?, from.word()?);
        let shard = shard.ok_or(Malformed("not a shard"))?;
        let mut read = Self { shard, applied: from.word()?, ..Self::default() };
        for _ in 0..from.count(1)? {
            let tenant: Tenant = from.json()?;
            read.tenants.insert(tenant.id.clone(), tenant);
        }
        for _ in 0..from.count(1)? {
            read.put_credential(&from.json()?);
        }
        for _ in 0..from.count(1)? {
            let scope: Scope = from.json()?;
            let mut surfaces = OrdMap::new();
            for _ in 0..from.count(1)? {
                let surface: Surface = from.json()?;
                surfaces.insert(surface.id.clone(), surface);
            }
            let holding = Holding { surfaces, matcher: Matcher::read(from)? };
            let twice = read.holdings.insert(scope, Arc::new(holding)).is_some();
            holds(!twice, "a scope that is there twice")?;
        }
        Ok(read)
    }
}

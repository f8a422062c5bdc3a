//! What a change sees and does within a transaction: fresh rows, time, names, and recording of events.

use super::dialect::{Conn, Value};
use super::error::StoreError;
use super::head::Head;
use super::kinds;
use super::lease::{self, Lease};
use super::memory::Memory;
use super::project::{self, Late};
use super::rows::{self, NO_SCOPE};
use crate::core::access::{Credential, Proof, Scope, Tenant};
use crate::core::bank::{Bank, BankedSignal, Entry, EntryState};
use crate::core::event::Event;
use crate::core::exchange::{Exchange, Partner, Progress};
use crate::core::id::{
    BankId, CredentialId, EntryId, ExchangeId, PartnerId, SurfaceId, TenantId, VerdictId,
};
use crate::core::journal::envelope::event_kind_code;
use crate::core::policy::Surface;
use crate::core::promotion::{Far, Fired};
use crate::core::record::RecordKey;
use crate::core::signal::Signal;
use crate::core::time::Time;
use crate::io::clock::{Clock, log_time};
use crate::io::seal::KeyRing;
use std::sync::Arc;

/// A transaction of the writer, as one change after the other sees it.
pub struct Tx {
    pub(super) conn: Conn,
    pub(super) keys: Arc<KeyRing>,
    pub(super) clock: Clock,
    pub(super) head: Head,
    pub(super) now: Time,
    pub(super) late: Late,
    /// Events of the transaction, to be appended at its end.
    pub(super) recorded: Vec<Event>,
    /// The memory of the process: in step with everything before this transaction, which began by seeing to it.
    resident: Arc<Memory>,
    savepoint: bool,
    /// Greatest kind of event that is known to have been let in.
    let_in: u64,
    /// Greatest kind that this transaction let in, which may still be given up.
    letting_in: u64,
}

/// How far a transaction had come before a change began.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    recorded: usize,
    verdicts: usize,
    outcomes: usize,
}

impl Tx {
    pub(super) fn new(
        conn: Conn,
        keys: Arc<KeyRing>,
        clock: Clock,
        head: Head,
        resident: Arc<Memory>,
    ) -> Self {
        Self {
            conn,
            keys,
            clock,
            head,
            now: head.time,
            late: Late::default(),
            recorded: Vec::new(),
            resident,
            savepoint: false,
            let_in: 0,
            letting_in: 0,
        }
    }

    pub(super) fn begin(&mut self, head: Head) {
        self.head = head;
        self.now = log_time(head.time, self.clock.now());
        self.late = Late::default();
        self.recorded.clear();
        self.savepoint = false;
        self.letting_in = 0;
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            recorded: self.recorded.len(),
            verdicts: self.late.verdicts.len(),
            outcomes: self.late.outcomes.len(),
        }
    }

    /// Ends a change that is to stay in the transaction.
    pub(super) async fn release(&mut self) -> Result<(), StoreError> {
        if std::mem::take(&mut self.savepoint) {
            self.conn.run("RELEASE SAVEPOINT change", Vec::new()).await?;
        }
        Ok(())
    }

    /// Undoes a change without a trace.
    pub(super) async fn undo(&mut self, mark: Mark) -> Result<(), StoreError> {
        self.recorded.truncate(mark.recorded);
        self.late.verdicts.truncate(mark.verdicts);
        self.late.outcomes.truncate(mark.outcomes);
        if std::mem::take(&mut self.savepoint) {
            self.conn.run("ROLLBACK TO SAVEPOINT change", Vec::new()).await?;
            self.conn.run("RELEASE SAVEPOINT change", Vec::new()).await?;
        }
        Ok(())
    }

    /// Number of the event recorded last in this transaction or before it.
    pub(super) fn number(&self) -> u64 {
        self.head.size + self.recorded.len() as u64
    }

    /// Log time of the transaction: never before that of an earlier one.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// A fresh name for something that is made.
    #[must_use]
    pub fn fresh_id(&self) -> String {
        self.clock.fresh_id()
    }

    /// Records an event: gives it the next number, changes rows by it, and appends it to the journal at the commit.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses, or the event does not fit what is kept; [`StoreError::NotUnderstood`]
    /// where others would not know what it is.
    pub async fn record(&mut self, event: Event) -> Result<u64, StoreError> {
        let kind = u64::from(event_kind_code(event.kind()));
        let is_new = kind > self.let_in && !self.has_let_in(kind).await?;
        if (is_new || project::is_immediate(&event)) && !self.savepoint {
            self.conn.run("SAVEPOINT change", Vec::new()).await?;
            self.savepoint = true;
        }
        if is_new {
            kinds::let_one_in(&mut self.conn, kind).await?;
            self.letting_in = kind.max(self.letting_in);
        }
        let number = self.number() + 1;
        project::project(&mut self.conn, &self.keys, &mut self.late, number, &event).await?;
        self.recorded.push(event);
        Ok(number)
    }

    /// Whether a kind of event was let in, by this transaction or before it.
    async fn has_let_in(&mut self, kind: u64) -> Result<bool, StoreError> {
        let found = kinds::let_in(&mut self.conn).await?;
        if found > self.letting_in {
            self.let_in = found;
        }
        Ok(kind <= found)
    }

    /// Makes sure that a lease still holds, and that nobody takes it before this transaction ends.
    ///
    /// # Errors
    /// [`StoreError::Overtaken`] where somebody else has taken it.
    pub async fn fence(&mut self, lease: Lease) -> Result<(), StoreError> {
        lease::fence(&mut self.conn, lease).await
    }

    /// A tenant.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses or the row was changed.
    pub async fn tenant(&mut self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        rows::document(&mut self.conn, &self.keys, NO_SCOPE, id.as_str()).await
    }

    /// A credential.
    ///
    /// # Errors
    /// As [`Self::tenant`].
    pub async fn credential(
        &mut self,
        id: &CredentialId,
    ) -> Result<Option<Credential>, StoreError> {
        rows::document(&mut self.conn, &self.keys, NO_SCOPE, id.as_str()).await
    }

    /// The credential that a client certificate proves, by the SHA-256 of its DER form: also one that a change before
    /// this one made in the same transaction.
    #[must_use]
    pub fn credential_by_certificate(&self, digest: &[u8; 32]) -> Option<CredentialId> {
        let here = self.recorded.iter().rev().find_map(|event| match event {
            Event::CredentialPut { credential }
                if credential.proof == Proof::Certificate(*digest) =>
            {
                Some(credential.id.clone())
            }
            _ => None,
        });
        let before = || {
            let resident = self.resident.read();
            resident.credential_by_certificate(digest).map(|known| known.id.clone())
        };
        here.or_else(before)
    }

    /// A surface.
    ///
    /// # Errors
    /// As [`Self::tenant`].
    pub async fn surface(
        &mut self,
        scope: &Scope,
        id: &SurfaceId,
    ) -> Result<Option<Surface>, StoreError> {
        rows::document(&mut self.conn, &self.keys, &scope.to_string(), id.as_str()).await
    }

    /// A partner.
    ///
    /// # Errors
    /// As [`Self::tenant`].
    pub async fn partner(
        &mut self,
        scope: &Scope,
        id: &PartnerId,
    ) -> Result<Option<Partner>, StoreError> {
        rows::document(&mut self.conn, &self.keys, &scope.to_string(), id.as_str()).await
    }

    /// An exchange.
    ///
    /// # Errors
    /// As [`Self::tenant`].
    pub async fn exchange(
        &mut self,
        scope: &Scope,
        id: &ExchangeId,
    ) -> Result<Option<Exchange>, StoreError> {
        rows::document(&mut self.conn, &self.keys, &scope.to_string(), id.as_str()).await
    }

    /// How far an exchange, or what a partner brings, has come, by its name.
    ///
    /// # Errors
    /// As [`Self::tenant`].
    pub async fn progress(
        &mut self,
        scope: &Scope,
        name: &str,
    ) -> Result<Option<Progress>, StoreError> {
        rows::document(&mut self.conn, &self.keys, &scope.to_string(), name).await
    }

    /// A bank.
    ///
    /// # Errors
    /// As [`Self::tenant`].
    pub async fn bank(&mut self, scope: &Scope, id: &BankId) -> Result<Option<Bank>, StoreError> {
        rows::document(&mut self.conn, &self.keys, &scope.to_string(), id.as_str()).await
    }

    /// An entry, removed ones included.
    ///
    /// # Errors
    /// As [`Self::tenant`].
    pub async fn entry(
        &mut self,
        scope: &Scope,
        bank: &BankId,
        id: &EntryId,
    ) -> Result<Option<Entry>, StoreError> {
        rows::entry(&mut self.conn, &self.keys, scope, bank, id).await
    }

    /// What comes of firing signals of a bank at what is known to be good: as it was before this transaction, in this
    /// process's shard and, by what the others said, in theirs.
    #[must_use]
    pub fn fired(&self, scope: &Scope, bank: &Bank, signals: &[BankedSignal], far: &Far) -> Fired {
        let resident = self.resident.read();
        let here = resident.of(scope).and_then(|held| held.matcher.nearest_good(bank, signals));
        far.fired(signals, here)
    }

    /// Every bank of a scope, as it was before this transaction.
    #[must_use]
    pub fn banks(&self, scope: &Scope) -> Vec<Bank> {
        let resident = self.resident.read();
        let banks = resident.of(scope).map(|held| held.matcher.banks());
        banks.into_iter().flatten().map(|status| status.bank.clone()).collect()
    }

    /// Names of entries of a bank that are there and share a value with one of the signals; at most `most`.
    ///
    /// # Errors
    /// As [`Self::tenant`].
    pub async fn entries_sharing(
        &mut self,
        scope: &Scope,
        bank: &BankId,
        signals: &[Signal],
        most: usize,
    ) -> Result<Vec<EntryId>, StoreError> {
        rows::entries_sharing(&mut self.conn, &self.keys, scope, bank, signals, most).await
    }

    /// The name of the entry that stands for a record of a source: the same whenever it is asked for, and telling nothing of
    /// the record.
    #[must_use]
    pub fn record_entry(
        &self,
        scope: &Scope,
        bank: &BankId,
        source: &str,
        key: &RecordKey,
    ) -> Option<EntryId> {
        rows::record_entry(&self.keys, scope, bank, source, key)
    }

    /// Entries of a bank by their names, removed ones included, in the order of the names given.
    ///
    /// # Errors
    /// As [`Self::tenant`].
    pub async fn entries_named(
        &mut self,
        scope: &Scope,
        bank: &BankId,
        names: &[EntryId],
    ) -> Result<Vec<Option<Entry>>, StoreError> {
        rows::entries_named(&mut self.conn, &self.keys, scope, bank, names).await
    }

    /// Number of entries of a bank that are not removed: from memory, where all of them are there and this transaction did
    /// not change them.
    ///
    /// # Errors
    /// As [`Self::tenant`].
    pub async fn entry_count(&mut self, scope: &Scope, bank: &BankId) -> Result<u64, StoreError> {
        let changes = |event: &Event| match event {
            Event::BankDeleted { scope: of, bank: changed, .. }
            | Event::EntriesPut { scope: of, bank: changed, .. } => of == scope && changed == bank,
            _ => false,
        };
        if !self.recorded.iter().any(changes) {
            let resident = self.resident.read();
            if resident.shard().is_whole() {
                return Ok(resident.entry_count(scope, bank));
            }
        }
        let counts = rows::entry_counts(&mut self.conn, scope, bank).await?;
        Ok(counts.iter().filter(|(state, _)| *state != EntryState::Removed).map(|(_, n)| n).sum())
    }

    /// The entry of a bank that holds a signal, or held it before it was removed.
    ///
    /// # Errors
    /// As [`Self::tenant`].
    pub async fn entry_by_signal(
        &mut self,
        scope: &Scope,
        bank: &BankId,
        signal: &Signal,
    ) -> Result<Option<(EntryId, EntryState)>, StoreError> {
        let found = self.entries_by_signal(scope, bank, std::slice::from_ref(signal)).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// [`Self::entry_by_signal`] for many signals, in their order.
    ///
    /// # Errors
    /// As [`Self::tenant`].
    pub async fn entries_by_signal(
        &mut self,
        scope: &Scope,
        bank: &BankId,
        signals: &[Signal],
    ) -> Result<Vec<Option<(EntryId, EntryState)>>, StoreError> {
        rows::entries_by_signal(&mut self.conn, &self.keys, scope, bank, signals).await
    }

    /// Journal number of a verdict, if it was recorded.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn verdict_number(
        &mut self,
        scope: &Scope,
        id: &VerdictId,
    ) -> Result<Option<u64>, StoreError> {
        let scope = scope.to_string();
        let here = self.late.verdicts.iter().rev();
        let mut here = here.filter(|(of, verdict, _)| *of == scope && verdict == id.as_str());
        if let Some((_, _, number)) = here.next() {
            return Ok(Some(*number));
        }
        let sql = "SELECT number FROM verdict WHERE scope = $1 AND verdict = $2";
        let values: Vec<Value> = vec![scope.as_str().into(), id.as_str().into()];
        self.conn.row(sql, values).await?.map(|row| row.number(0)).transpose()
    }
}

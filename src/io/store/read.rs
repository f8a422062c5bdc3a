//! Reading outside of transactions: lists, verdicts, receipts and the journal.

use super::dialect::Row;
use super::error::StoreError;
use super::handle::Store;
use super::journal::{self, Receipt, Recorded};
use super::rows::{self, NO_SCOPE, Which};
use crate::core::access::{Credential, Scope, Tenant};
use crate::core::bank::{Bank, Entry, EntryState};
use crate::core::event::{Event, GivenVerdict, Outcome};
use crate::core::id::{BankId, CredentialId, EntryId, SurfaceId, TenantId, VerdictId};
use crate::core::journal::merkle::Hash;
use crate::core::journal::proof::Plan;
use crate::core::policy::Surface;

impl Store {
    /// Tenants in the order of their names, after the name `after`.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses or a row was changed.
    pub async fn tenants(
        &self,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Tenant>, StoreError> {
        let mut conn = self.0.lists.connection().await?;
        rows::documents(&mut conn, &self.0.keys, NO_SCOPE, after, limit).await
    }

    /// A tenant.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        rows::document(&mut conn, &self.0.keys, NO_SCOPE, id.as_str()).await
    }

    /// A credential.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn credential(&self, id: &CredentialId) -> Result<Option<Credential>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        rows::document(&mut conn, &self.0.keys, NO_SCOPE, id.as_str()).await
    }

    /// A surface.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn surface(
        &self,
        scope: &Scope,
        id: &SurfaceId,
    ) -> Result<Option<Surface>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        rows::document(&mut conn, &self.0.keys, &scope.to_string(), id.as_str()).await
    }

    /// A bank.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn bank(&self, scope: &Scope, id: &BankId) -> Result<Option<Bank>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        rows::document(&mut conn, &self.0.keys, &scope.to_string(), id.as_str()).await
    }

    /// Credentials in the order of their names, after the name `after`; those of one tenant where one is given.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn credentials(
        &self,
        tenant: Option<&TenantId>,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Credential>, StoreError> {
        let mut conn = self.0.lists.connection().await?;
        let mut found: Vec<Credential> = Vec::new();
        let mut after = after.map(str::to_owned);
        while (found.len() as u64) < limit {
            let page: Vec<Credential> =
                rows::documents(&mut conn, &self.0.keys, NO_SCOPE, after.as_deref(), limit).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.to_string());
            found.extend(
                page.into_iter().filter(|one| tenant.is_none_or(|of| one.scope.tenant == *of)),
            );
        }
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// Surfaces of a scope in the order of their names, after the name `after`.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn surfaces(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Surface>, StoreError> {
        let mut conn = self.0.lists.connection().await?;
        rows::documents(&mut conn, &self.0.keys, &scope.to_string(), after, limit).await
    }

    /// Banks of a scope in the order of their names, after the name `after`.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn banks(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Bank>, StoreError> {
        let mut conn = self.0.lists.connection().await?;
        rows::documents(&mut conn, &self.0.keys, &scope.to_string(), after, limit).await
    }

    /// Entries of a bank in the order of their names, after the name `after`; those that `which` names.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn entries(
        &self,
        scope: &Scope,
        bank: &BankId,
        which: Which,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut conn = self.0.lists.connection().await?;
        let scope = scope.to_string();
        rows::entries(&mut conn, &self.0.keys, &scope, bank, which, after, limit).await
    }

    /// An entry, removed ones included.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn entry(
        &self,
        scope: &Scope,
        bank: &BankId,
        id: &EntryId,
    ) -> Result<Option<Entry>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        rows::entry(&mut conn, &self.0.keys, scope, bank, id).await
    }

    /// Number of entries of a bank in each state.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn entry_counts(
        &self,
        scope: &Scope,
        bank: &BankId,
    ) -> Result<Vec<(EntryState, u64)>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        rows::entry_counts(&mut conn, scope, bank).await
    }

    /// A verdict with its journal number; none where it was not journalled, or its payload was erased.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn verdict(
        &self,
        scope: &Scope,
        id: &VerdictId,
    ) -> Result<Option<(u64, GivenVerdict)>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        let sql = "SELECT number FROM verdict WHERE scope = $1 AND verdict = $2";
        let values = vec![scope.to_string().as_str().into(), id.as_str().into()];
        let Some(row) = conn.row(sql, values).await? else { return Ok(None) };
        let number = row.number(0)?;
        let recorded = journal::event(&mut conn, &self.0.keys, number).await?;
        match recorded.ok_or(StoreError::Corrupt("verdict"))?.event {
            Some(Event::VerdictGiven { scope: of, given })
                if of == *scope && given.verdict.id == *id =>
            {
                Ok(Some((number, *given)))
            }
            None => Ok(None),
            Some(_) => Err(StoreError::Corrupt("verdict")),
        }
    }

    /// What the platform said it did after a verdict, in the order in which it said so.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn outcomes(
        &self,
        scope: &Scope,
        id: &VerdictId,
    ) -> Result<Vec<(u64, Outcome)>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        let sql = "SELECT number FROM outcome WHERE scope = $1 AND verdict = $2 ORDER BY number";
        let values = vec![scope.to_string().as_str().into(), id.as_str().into()];
        let rows = conn.rows(sql, values).await?;
        let numbers = rows.iter().map(|row: &Row| row.number(0)).collect::<Result<Vec<_>, _>>()?;
        let mut outcomes = Vec::with_capacity(numbers.len());
        for number in numbers {
            let recorded = journal::event(&mut conn, &self.0.keys, number).await?;
            match recorded.ok_or(StoreError::Corrupt("outcome"))?.event {
                Some(Event::OutcomeRecorded { scope: of, outcome })
                    if of == *scope && outcome.verdict == *id =>
                {
                    outcomes.push((number, outcome));
                }
                None => {}
                Some(_) => return Err(StoreError::Corrupt("outcome")),
            }
        }
        Ok(outcomes)
    }

    /// The receipt of an event, checked; the same one every time.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn receipt(&self, number: u64) -> Result<Option<Receipt>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        journal::receipt(&mut conn, &self.0.keys, number).await
    }

    /// The newest signed checkpoint; none of an empty journal.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        let sql = "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1";
        conn.row(sql, Vec::new()).await?.map(|row| row.text(0)).transpose()
    }

    /// Proof that the journal of `size` events grew out of that of `old` (RFC 6962, 2.1.2).
    ///
    /// # Errors
    /// [`StoreError::Unfit`] where the journal has no such sizes.
    pub async fn consistency(&self, old: u64, size: u64) -> Result<Vec<Hash>, StoreError> {
        let outside = || StoreError::Unfit("sizes outside the journal");
        if size > self.resident().read().applied() {
            return Err(outside());
        }
        let plan = Plan::consistency(old, size).map_err(|_| outside())?;
        let mut conn = self.0.pool.connection().await?;
        let known = journal::hashes(&mut conn, &plan.needs()).await?;
        plan.fill(&known).ok_or(StoreError::Corrupt("tree"))
    }

    /// Events from number `from` on, at most `limit`.
    ///
    /// # Errors
    /// As [`Self::tenants`].
    pub async fn journal(&self, from: u64, limit: u64) -> Result<Vec<Recorded>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        let found = journal::events(&mut conn, &self.0.keys, from, limit).await?;
        Ok(found.into_iter().map(|(recorded, _)| recorded).collect())
    }
}

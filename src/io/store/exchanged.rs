//! What exchanges read of the store: partners, exchanges, how far each is, and what changed in a bank.

use super::error::StoreError;
use super::handle::Store;
use super::journal;
use super::rows;
use crate::core::access::Scope;
use crate::core::bank::Entry;
use crate::core::exchange::{Cursor, Exchange, Partner, Progress};
use crate::core::id::{BankId, CredentialId, EntryId, ExchangeId};
use crate::core::record::RecordKey;

/// Bytes of a leaf that stand for the journal at its number.
const ANCHOR_BYTES: usize = 16;
/// Partners of a scope that are looked through.
const PARTNERS_MAX: u64 = 10_000;

impl Store {
    /// Partners in the order of their names, after the name `after`.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses or a row was changed.
    pub async fn partners(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Partner>, StoreError> {
        let mut conn = self.0.lists.connection().await?;
        rows::documents(&mut conn, &self.0.keys, &scope.to_string(), after, limit).await
    }

    /// The partner that calls by a credential.
    ///
    /// # Errors
    /// As [`Self::partners`].
    pub async fn partner_of(
        &self,
        scope: &Scope,
        credential: &CredentialId,
    ) -> Result<Option<Partner>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        let scope = scope.to_string();
        let all = rows::documents(&mut conn, &self.0.keys, &scope, None, PARTNERS_MAX).await?;
        Ok(all.into_iter().find(|partner: &Partner| partner.credential == *credential))
    }

    /// Exchanges in the order of their names, after the name `after`.
    ///
    /// # Errors
    /// As [`Self::partners`].
    pub async fn exchanges(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Exchange>, StoreError> {
        let mut conn = self.0.lists.connection().await?;
        rows::documents(&mut conn, &self.0.keys, &scope.to_string(), after, limit).await
    }

    /// An exchange.
    ///
    /// # Errors
    /// As [`Self::partners`].
    pub async fn exchange(
        &self,
        scope: &Scope,
        id: &ExchangeId,
    ) -> Result<Option<Exchange>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        rows::document(&mut conn, &self.0.keys, &scope.to_string(), id.as_str()).await
    }

    /// Every exchange of every scope.
    ///
    /// # Errors
    /// As [`Self::partners`].
    pub async fn all_exchanges(&self) -> Result<Vec<(Scope, Exchange)>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        let all: Vec<(String, u64, Exchange)> =
            rows::all_documents(&mut conn, &self.0.keys).await?;
        let read =
            |(scope, _, exchange): (String, u64, Exchange)| Ok((rows::scope_of(&scope)?, exchange));
        all.into_iter().map(read).collect()
    }

    /// How far an exchange, or what a partner brings, has come, by its name.
    ///
    /// # Errors
    /// As [`Self::partners`].
    pub async fn progress(
        &self,
        scope: &Scope,
        name: &str,
    ) -> Result<Option<Progress>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        rows::document(&mut conn, &self.0.keys, &scope.to_string(), name).await
    }

    /// Entries of a bank that changed behind a number of the journal, in the order of their last changes, with the numbers
    /// of those: at least all of one event where there are any, and not many more than `limit`.
    ///
    /// # Errors
    /// As [`Self::partners`].
    pub async fn entries_changed(
        &self,
        scope: &Scope,
        bank: &BankId,
        number: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Entry)>, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        rows::entries_changed(&mut conn, &self.0.keys, scope, bank, number, limit).await
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
        rows::record_entry(&self.0.keys, scope, bank, source, key)
    }

    /// The place at a number of the journal, with what only this journal has there.
    ///
    /// # Errors
    /// As [`Self::partners`].
    pub async fn cursor_at(&self, number: u64) -> Result<Option<Cursor>, StoreError> {
        if number == 0 {
            return Ok(Some(Cursor::default()));
        }
        let mut conn = self.0.pool.connection().await?;
        let anchor = journal::leaf_of(&mut conn, number).await?;
        Ok(anchor.map(|leaf| Cursor { number, anchor: leaf[..ANCHOR_BYTES].to_vec() }))
    }
}

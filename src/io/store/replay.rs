//! Answers given again, and receipts given at once: what a check looks up beside the writer.

use super::error::StoreError;
use super::handle::Store;
use super::held::Other;
use super::journal::{self, Receipt};
use super::requests;
use super::spool::Asked;
use super::words::{Answer, KeepError, RequestKey, VerdictKept};
use std::convert::Infallible;
use std::time::Duration;

/// Longest wait for a look-up. A check takes some milliseconds and can go on without: the writer finds again what was
/// kept under the key, and GetVerdict gives the receipt. A database that takes longer is as good as away.
const LOOKUP_WAIT_MAX: Duration = Duration::from_millis(200);

async fn soon<T>(
    looking: impl Future<Output = Result<T, StoreError>> + Send,
) -> Result<T, StoreError> {
    tokio::time::timeout(LOOKUP_WAIT_MAX, looking).await.unwrap_or(Err(StoreError::Late))
}

impl Store {
    /// The first answer to a request, where one was kept and its time has not passed, or its verdict waits in the spool.
    ///
    /// # Errors
    /// [`KeepError::RequestIdReused`] where the key was used for other content; [`KeepError::Store`], with
    /// [`StoreError::Late`] where it took too long.
    pub async fn first_answer(
        &self,
        request: &RequestKey,
    ) -> Result<Option<VerdictKept>, KeepError<Infallible>> {
        let asked = self.asked(request);
        if let Some(answer) = self.waiting_answer(&asked)? {
            return Ok(Some(VerdictKept::Pending(answer)));
        }
        let keys = &self.0.keys;
        let span = i64::try_from(self.0.settings.request_kept.as_millis()).unwrap_or(i64::MAX);
        let oldest = self.0.clock.now().millis().saturating_sub(span);
        let found = soon(async {
            let mut conn = self.0.lookups.connection().await?;
            requests::find(&mut conn, keys, &asked.key, oldest).await
        });
        match found.await? {
            Some(kept) if kept.digest != request.digest => Err(KeepError::RequestIdReused),
            Some(kept) => {
                let number = Some(kept.number);
                Ok(Some(VerdictKept::Kept(Answer { bytes: kept.answer, number, first: false })))
            }
            None => Ok(None),
        }
    }

    /// The answer to a request whose verdict waits in the spool.
    pub(super) fn waiting_answer(
        &self,
        asked: &Asked,
    ) -> Result<Option<Answer>, KeepError<Infallible>> {
        self.0.waiting.read().find(asked).map_err(|Other| KeepError::RequestIdReused)
    }

    /// [`Self::receipt`] for an answer that is about to be given, and goes without where it takes too long.
    ///
    /// # Errors
    /// As [`Self::receipt`]; [`StoreError::Late`].
    pub async fn receipt_soon(&self, number: u64) -> Result<Option<Receipt>, StoreError> {
        let looking = async {
            let mut conn = self.0.lookups.connection().await?;
            journal::receipt(&mut conn, &self.0.keys, number).await
        };
        soon(looking).await
    }

    /// Number of the last event in the journal; 0 while it is empty.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn head_number(&self) -> Result<u64, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        Ok(super::head::read(&mut conn, &self.0.keys).await?.size)
    }
}

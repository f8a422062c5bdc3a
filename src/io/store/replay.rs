//! Answers given again: what a request's key was kept for, read beside the writer.

use super::error::StoreError;
use super::handle::Store;
use super::requests::{self, Key};
use super::words::{Answer, KeepError, RequestKey};
use std::convert::Infallible;

impl Store {
    /// The first answer to a request, where one was kept and its time has not passed.
    ///
    /// # Errors
    /// [`KeepError::RequestIdReused`] where the key was used for other content; [`KeepError::Store`].
    pub async fn first_answer(
        &self,
        request: &RequestKey,
    ) -> Result<Option<Answer>, KeepError<Infallible>> {
        let keys = &self.0.keys;
        let span = i64::try_from(self.0.settings.request_kept.as_millis()).unwrap_or(i64::MAX);
        let oldest = self.0.clock.now().millis().saturating_sub(span);
        let mut conn = self.0.pool.connection().await?;
        let found = requests::find(&mut conn, keys, &Key::of(keys, request), oldest).await?;
        match found {
            Some(kept) if kept.digest != request.digest => Err(KeepError::RequestIdReused),
            Some(kept) => {
                Ok(Some(Answer { bytes: kept.answer, number: Some(kept.number), first: false }))
            }
            None => Ok(None),
        }
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

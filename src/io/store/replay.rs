//! Answers given again: what a request's key was kept for, read without a transaction of the writer.

use super::dialect::Value;
use super::error::StoreError;
use super::handle::{Answer, KeepError, RequestKey, Store};
use super::writer::request_place;
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
        let (keys, settings) = (&self.0.keys, &self.0.settings);
        let print = keys.text_fingerprint("request", request.id.as_str());
        let scope = request.scope.to_string();
        let sql = "SELECT digest, number, kept, answer FROM request \
                   WHERE scope = $1 AND method = $2 AND request = $3";
        let values: Vec<Value> =
            vec![scope.as_str().into(), request.method.into(), print.as_slice().into()];
        let mut conn = self.0.pool.connection().await?;
        let Some(row) = conn.row(sql, values).await? else { return Ok(None) };
        let (digest, number, kept): ([u8; 32], u64, i64) =
            (row.exact(0)?, row.number(1)?, row.int(2)?);
        let span = i64::try_from(settings.request_kept.as_millis()).unwrap_or(i64::MAX);
        if kept <= self.0.clock.now().millis().saturating_sub(span) {
            return Ok(None);
        }
        if digest != request.digest {
            return Err(KeepError::RequestIdReused);
        }
        let place = request_place(&scope, request.method, &print, &digest, number, kept);
        let bytes = keys.open(&place, &row.bytes(3)?).map_err(StoreError::from)?;
        Ok(Some(Answer { bytes, number: Some(number), first: false }))
    }
}

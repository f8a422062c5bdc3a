//! Answers kept for repeated requests: found by a fingerprint of the request's key, sealed, and cleared away in time.

use super::dialect::{Conn, Value};
use super::error::StoreError;
use super::words::RequestKey;
use crate::io::seal::{KeyRing, Place};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;

/// What a kept answer is found by.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    scope: String,
    method: Cow<'static, str>,
    #[serde(with = "hex::serde")]
    print: [u8; 32],
}

impl Key {
    /// The key of a request.
    #[must_use]
    pub fn of(keys: &KeyRing, request: &RequestKey) -> Self {
        let print = keys.text_fingerprint("request", request.id.as_str());
        Self { scope: request.scope.to_string(), method: Cow::Borrowed(request.method), print }
    }
}

/// What is kept of a request.
#[derive(Clone)]
pub struct Kept {
    /// SHA-256 of its content.
    pub digest: [u8; 32],
    /// Number of the last event it recorded.
    pub number: u64,
    /// What it was answered.
    pub answer: Vec<u8>,
}

/// Place of a kept answer.
#[must_use]
pub fn place(
    scope: &str,
    method: &str,
    request: &[u8],
    digest: &[u8],
    number: u64,
    kept: i64,
) -> Place {
    let place = Place::of("request").text(scope).text(method).bytes(request).bytes(digest);
    place.number(number).number(kept.cast_unsigned())
}

/// The answer kept for a request after log time `oldest`, in milliseconds.
///
/// # Errors
/// [`StoreError`] where the database refuses or the row was changed.
pub async fn find(
    conn: &mut Conn,
    keys: &KeyRing,
    key: &Key,
    oldest: i64,
) -> Result<Option<Kept>, StoreError> {
    let sql = "SELECT digest, number, kept, answer FROM request \
               WHERE scope = $1 AND method = $2 AND request = $3";
    let values = vec![key.scope.as_str().into(), (*key.method).into(), key.print.as_slice().into()];
    let Some(row) = conn.row(sql, values).await? else { return Ok(None) };
    let (digest, number, kept): ([u8; 32], _, _) = (row.exact(0)?, row.number(1)?, row.int(2)?);
    let place = place(&key.scope, &key.method, &key.print, &digest, number, kept);
    let answer = keys.open(&place, &row.bytes(3)?)?;
    Ok((kept > oldest).then_some(Kept { digest, number, answer }))
}

/// Forgets answers kept up to log time `oldest`, in milliseconds.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn clear(conn: &mut Conn, oldest: i64) -> Result<(), StoreError> {
    conn.run("DELETE FROM request WHERE kept <= $1", vec![oldest.into()]).await.map(drop)
}

/// Keeps answers as of log time `now`, in milliseconds.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn keep(
    conn: &mut Conn,
    keys: &KeyRing,
    now: i64,
    requests: HashMap<Key, Kept>,
) -> Result<(), StoreError> {
    let mut values: Vec<Value> = Vec::with_capacity(requests.len() * 7);
    for (key, kept) in requests {
        let place = place(&key.scope, &key.method, &key.print, &kept.digest, kept.number, now);
        let answer = keys.seal(&place, &kept.answer);
        values.extend([
            Value::Text(key.scope),
            Value::Text(key.method.into_owned()),
            key.print.as_slice().into(),
            kept.digest.as_slice().into(),
            kept.number.into(),
            now.into(),
            answer.into(),
        ]);
    }
    let head = "INSERT INTO request (scope, method, request, digest, number, kept, answer)";
    let tail = "ON CONFLICT (scope, method, request) DO UPDATE SET digest = excluded.digest, \
                number = excluded.number, kept = excluded.kept, answer = excluded.answer";
    conn.insert(head, 7, tail, values).await
}

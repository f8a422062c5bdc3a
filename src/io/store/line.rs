//! The writer's line to a database that can be lost: made again, with the head as it stands by then.

use super::dialect::{self, Conn};
use super::error::StoreError;
use super::head::{self, Head};
use super::settings::Settings;
use crate::io::seal::KeyRing;
use std::time::Duration;

/// Pause between two tries to make a lost connection again.
pub const TRY_EVERY: Duration = Duration::from_millis(250);

/// Connects again. The head is read by locking it: a transaction whose commit is still on its way to the database, or
/// that the database has not yet given up, ends before this does.
///
/// # Errors
/// [`StoreError::Away`] where the database is still away; [`StoreError::Late`] where somebody still holds the head.
pub async fn again(settings: &Settings, keys: &KeyRing) -> Result<(Conn, Head), StoreError> {
    let mut conn = dialect::connect(settings, false).await?;
    conn.hurry(settings).await?;
    let head = head::begin(&mut conn, keys).await;
    conn.roll_back().await;
    let head = head?;
    if conn.is_lost() {
        return Err(StoreError::Late);
    }
    Ok((conn, head))
}

//! A database that was set back by other means than a backup of this program, taken as it is: approved and recorded.

use super::super::dialect;
use super::super::error::{SetBack, StoreError};
use super::super::handle::Store;
use super::super::open;
use super::super::settings::Settings;
use super::super::witness;
use super::error::BackupError;
use crate::core::event::Event;
use crate::core::restored::{Approval, GivenUp, Restored};
use crate::io::clock::Clock;
use crate::io::seal::KeyRing;
use std::sync::Arc;
use std::time::Duration;

/// Longer than it takes to record one event: the witness must not be replaced before that is done.
const NOT_MEANWHILE: Duration = Duration::from_secs(365 * 24 * 3600);

/// What was given up, as it is recorded.
pub(super) fn given_up(set_back: &SetBack) -> GivenUp {
    GivenUp { number: set_back.seen, root: set_back.seen_root }
}

/// Records that a database which was set back is taken as it is; from then on it is opened again.
///
/// # Errors
/// [`BackupError::NoRollback`] where it was not set back; [`StoreError::Missing`] where nothing of it is left.
pub async fn accept_rollback(
    settings: &Settings,
    keys: &Arc<KeyRing>,
    clock: &Clock,
    approval: Approval,
) -> Result<SetBack, BackupError> {
    let lock = open::lock(settings).await?;
    if witness::restoring(settings).exists() {
        return Err(StoreError::Restoring.into());
    }
    let set_back = witness::set_back(settings, keys).await?.ok_or(BackupError::NoRollback)?;
    let mut conn = dialect::connect_reading(settings).await?;
    let version = conn.version().await?;
    conn.close().await?;
    if version == 0 {
        return Err(StoreError::Missing.into());
    }
    let recording = Settings { flush_every: NOT_MEANWHILE, ..settings.clone() };
    let store = Store::open_with(recording, Arc::clone(keys), clock.clone(), Some(lock)).await?;
    let restored = Restored {
        number: set_back.found,
        root: set_back.found_root,
        backed_up: None,
        given_up: Some(given_up(&set_back)),
        approval: Some(approval),
        at: clock.now(),
    };
    // After a failure there is no orderly end, which would replace the witness of what was not recorded.
    store.record(Event::Restored { restored: Box::new(restored) }).await?;
    store.close().await?;
    Ok(set_back)
}

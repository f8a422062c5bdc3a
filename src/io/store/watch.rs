//! Verification in the background: throttled, on a thread of its own, telling the server when something is wrong.

use super::error::StoreError;
use super::handle::{Inner, Store};
use super::lease::Task;
use super::report::Report;
use super::verify::verify;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Pause after every few hundred events: the verification takes a small part of a core.
const PAUSE: Duration = Duration::from_millis(20);
/// When a verification is tried again during which the database went away.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// How often the thread looks whether the store is still in use.
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl Store {
    /// Verifies the whole store every `every`, the first time at once, for as long as it is in use; of several processes
    /// that share a database only one does. `tell` gets every
    /// report, good or not, and the error where the store could not be read. Each run reads one state of the database,
    /// so that the write-ahead log is not folded in while it lasts.
    ///
    /// # Errors
    /// [`StoreError::File`] where no thread can be started.
    pub fn verify_in_background(
        &self,
        every: Duration,
        tell: impl Fn(Result<Report, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let store = Arc::downgrade(&self.0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new()
            .name("store-verifier".to_owned())
            .spawn(move || runtime.block_on(watch(store, every, tell)))?;
        Ok(())
    }
}

async fn watch(
    store: Weak<Inner>,
    every: Duration,
    tell: impl Fn(Result<Report, StoreError>) + Send,
) {
    loop {
        let Some(inner) = store.upgrade() else { return };
        let (settings, keys) = (inner.settings.clone(), Arc::clone(&inner.keys));
        let is_mine = Store(inner).lease(Task::Verifying).is_some();
        if !is_mine {
            tokio::time::sleep(LOOK_EVERY.min(every)).await;
            continue;
        }
        let report = verify(&settings, &keys, PAUSE).await;
        let is_away = report.as_ref().is_err_and(StoreError::is_away);
        let every = if is_away { every.min(AGAIN_AFTER) } else { every };
        tell(report);
        let ended = Instant::now();
        while ended.elapsed() < every {
            tokio::time::sleep(LOOK_EVERY.min(every)).await;
            if store.upgrade().is_none_or(|store| Store(store).is_closed()) {
                return;
            }
        }
    }
}

//! How the exchanges stand that this process asks: what each is doing, and who is to be asked at once.

use crate::core::access::Scope;
use crate::core::id::ExchangeId;
use crate::core::time::Time;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// Longest reason that is told, in bytes.
const FAILURE_BYTES_MAX: usize = 256;

/// What an exchange is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It is being called.
    Connecting,
    /// What it had to tell is being taken in.
    CatchingUp,
    /// Everything was taken in, and what changes is.
    Live,
    /// It does not answer, or is not accepted.
    Failing,
}

/// How one exchange stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What it is doing.
    pub doing: Doing,
    /// When it last gave a sign of life.
    pub heard: Option<Time>,
    /// Why it failed last.
    pub failure: String,
    /// Failures one after another.
    pub failures: u32,
    /// Told when it is to be asked at once.
    pub wake: Arc<Notify>,
}

type Key = (Scope, ExchangeId);

/// How the exchanges stand that this process asks. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Standings(Arc<Mutex<HashMap<Key, Standing>>>);

impl Standings {
    /// Begins to keep account of one.
    pub fn begin(&self, key: &Key) -> Arc<Notify> {
        let wake = Arc::new(Notify::new());
        let standing = Standing {
            doing: Doing::Connecting,
            heard: None,
            failure: String::new(),
            failures: 0,
            wake: Arc::clone(&wake),
        };
        self.0.lock().insert(key.clone(), standing);
        wake
    }

    /// Ends that.
    pub fn end(&self, key: &Key) {
        self.0.lock().remove(key);
    }

    /// How one stands, where this process asks it.
    #[must_use]
    pub fn of(&self, scope: &Scope, id: &ExchangeId) -> Option<Standing> {
        self.0.lock().get(&(scope.clone(), id.clone())).cloned()
    }

    /// Notes that one gave a sign of life, and what it is doing.
    pub fn heard(&self, key: &Key, doing: Doing, now: Time) {
        if let Some(standing) = self.0.lock().get_mut(key) {
            standing.doing = doing;
            standing.heard = Some(now);
            if doing == Doing::Live {
                standing.failures = 0;
                standing.failure.clear();
            }
        }
    }

    /// Notes what one is doing.
    pub fn does(&self, key: &Key, doing: Doing) {
        if let Some(standing) = self.0.lock().get_mut(key) {
            standing.doing = doing;
        }
    }

    /// Notes that one failed; gives how often it did so since it was last heard in full.
    pub fn failed(&self, key: &Key, why: &str) -> u32 {
        let mut standings = self.0.lock();
        let Some(standing) = standings.get_mut(key) else { return 0 };
        standing.doing = Doing::Failing;
        standing.failures = standing.failures.saturating_add(1);
        let end =
            (0..=why.len().min(FAILURE_BYTES_MAX)).rev().find(|end| why.is_char_boundary(*end));
        standing.failure = why[..end.unwrap_or(0)].to_owned();
        standing.failures
    }

    /// Has one asked at once, where this process asks it; says whether it does.
    pub fn wake(&self, scope: &Scope, id: &ExchangeId) -> bool {
        let standings = self.0.lock();
        let standing = standings.get(&(scope.clone(), id.clone()));
        standing.iter().for_each(|standing| standing.wake.notify_one());
        standing.is_some()
    }
}

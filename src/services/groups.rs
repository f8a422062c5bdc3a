//! Groups of remembered items, kept for as long as somebody turns their pages.

use crate::core::access::Scope;
use crate::core::matcher::groups::Group;
use crate::core::time::Time;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// For how long groups are given to whoever asks anew.
const FRESH: Duration = Duration::from_secs(60);
/// For how long they are kept for whoever turns their pages.
const KEPT: Duration = Duration::from_secs(600);

/// Groups as they were at one moment.
#[derive(Debug)]
pub struct Grouped {
    /// What tells them apart from those made at another moment.
    pub name: String,
    /// The groups, the largest first.
    pub groups: Vec<Group>,
    /// The log of each window.
    pub logs: Vec<u64>,
    /// How many items were compared.
    pub items: u64,
    /// When.
    pub at: Time,
    made: Instant,
}

impl Grouped {
    /// Groups that were made just now.
    #[must_use]
    pub fn new(name: String, groups: Vec<Group>, logs: Vec<u64>, items: u64, at: Time) -> Self {
        Self { name, groups, logs, items, at, made: Instant::now() }
    }
}

/// Groups of each scope, as they were made last.
#[derive(Debug)]
pub struct Groups {
    kept: Mutex<HashMap<Scope, Arc<Grouped>>>,
    /// Held by the one who makes some: it takes a processor for a while, and screening needs the others.
    pub turn: Arc<Semaphore>,
}

impl Default for Groups {
    fn default() -> Self {
        Self { kept: Mutex::default(), turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Groups {
    /// Those of a name, or fresh ones where none is given.
    #[must_use]
    pub fn get(&self, scope: &Scope, name: Option<&str>) -> Option<Arc<Grouped>> {
        let mut all = self.kept.lock();
        all.retain(|_, grouped| grouped.made.elapsed() < KEPT);
        let found = all.get(scope)?;
        let is_meant = match name {
            Some(name) => found.name == name,
            None => found.made.elapsed() < FRESH,
        };
        is_meant.then(|| Arc::clone(found))
    }

    /// Keeps those that were made.
    pub fn put(&self, scope: &Scope, grouped: Arc<Grouped>) {
        self.kept.lock().insert(scope.clone(), grouped);
    }
}

//! Streams of this process by their names: what lists show of each, and where each is reached.

use crate::core::access::Scope;
use crate::core::id::StreamId;
use crate::core::live::policy::Level;
use crate::services::live::judging::Subject;
use crate::services::live::keeper::Order;
use crate::services::live::shown::{Shown, place};
use crate::services::words::request::Keyed;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long a stream that is over is still listed.
const SHOWN_AFTER: Duration = Duration::from_secs(300);

/// A stream of this process.
#[derive(Clone)]
pub struct Entry {
    /// Where it is reached.
    pub orders: mpsc::Sender<Order>,
    /// What is shown of it.
    pub shown: Arc<Mutex<Shown>>,
    /// What its messages are judged by.
    pub subject: Subject,
    /// Key and content of its start.
    pub keyed: Option<Keyed>,
}

/// All streams.
#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<HashMap<(Scope, StreamId), Entry>>>);

impl Streams {
    /// The stream of that name, guarded or over for a short while.
    #[must_use]
    pub fn find(&self, scope: &Scope, stream: &StreamId) -> Option<Entry> {
        self.0.lock().get(&(scope.clone(), stream.clone())).cloned()
    }

    /// Puts a stream in the place of what `may_go` lets go; otherwise what is there.
    ///
    /// # Errors
    /// What is there.
    pub fn put(
        &self,
        scope: &Scope,
        stream: &StreamId,
        entry: Entry,
        may_go: impl FnOnce(&Entry) -> bool,
    ) -> Result<(), Entry> {
        let mut streams = self.0.lock();
        let is_past = |over: Instant| over.elapsed() > SHOWN_AFTER;
        streams.retain(|_, entry| !entry.shown.lock().over.is_some_and(is_past));
        let key = (scope.clone(), stream.clone());
        if let Some(there) = streams.get(&key).filter(|there| !may_go(there)) {
            return Err(there.clone());
        }
        streams.insert(key, entry);
        Ok(())
    }

    /// What is shown of the streams of a scope, the riskiest first.
    #[must_use]
    pub fn all(&self, scope: &Scope, level: Level) -> Vec<Shown> {
        let streams = self.0.lock();
        let of_scope = streams.iter().filter(|((of, _), _)| of == scope);
        let is_past = |over: Instant| over.elapsed() > SHOWN_AFTER;
        let mut all: Vec<_> = of_scope
            .map(|(_, entry)| entry.shown.lock().clone())
            .filter(|shown| shown.glance.level >= level && !shown.over.is_some_and(is_past))
            .collect();
        drop(streams);
        all.sort_by(|a, b| place(b).0.cmp(&place(a).0).then_with(|| place(a).1.cmp(place(b).1)));
        all
    }

    /// How many streams are guarded now.
    #[must_use]
    pub fn guarded(&self) -> usize {
        self.0.lock().values().filter(|entry| entry.shown.lock().over.is_none()).count()
    }
}

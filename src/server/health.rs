//! Says whether the process lives, whether it is ready, and which of its services work.

use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

/// Name under which readiness is asked for; the empty name stands for liveness.
pub const READINESS: &str = "readiness";

/// A part of the service that can fail by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The index is loaded and in step.
    Index,
    /// The journal is as it was written.
    Journal,
    /// The store answers. Screening goes on without it.
    Store,
    /// The jail for decoding stands. Signals are screened without it.
    Media,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 4] = [Self::Index, Self::Journal, Self::Store, Self::Media];

    /// Name under which health is asked for.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Index => "part.index",
            Self::Journal => "part.journal",
            Self::Store => "part.store",
            Self::Media => "part.media",
        }
    }

    /// Whether nothing is answered while this part fails.
    const fn is_needed_for_all(self) -> bool {
        match self {
            Self::Index | Self::Journal => true,
            Self::Store | Self::Media => false,
        }
    }
}

#[derive(Debug)]
struct State {
    failing: BTreeSet<Part>,
    draining: bool,
}

impl State {
    fn ready(&self) -> bool {
        !self.draining && !self.failing.iter().any(|part| part.is_needed_for_all())
    }

    /// Services that keep something need the store; screening spools what it cannot keep.
    fn serves(&self, service: &str) -> bool {
        let needs_store = service != "bulwark.v1.ScreeningService";
        self.ready() && !(needs_store && self.failing.contains(&Part::Store))
    }
}

/// The health of the process; clones share it.
#[derive(Debug, Clone)]
pub struct Readiness {
    reporter: HealthReporter,
    services: Arc<[&'static str]>,
    state: Arc<Mutex<State>>,
    publishing: Arc<tokio::sync::Mutex<()>>,
}

impl Readiness {
    /// Health of `services` (`bulwark.v1.ScreeningService`, …). Parts in `failing` have still to begin to work.
    pub async fn new(
        services: impl IntoIterator<Item = &'static str>,
        failing: impl IntoIterator<Item = Part>,
    ) -> Self {
        let new = Self {
            reporter: HealthReporter::new(),
            services: services.into_iter().collect(),
            state: Arc::new(Mutex::new(State {
                failing: failing.into_iter().collect(),
                draining: false,
            })),
            publishing: Arc::default(),
        };
        new.publish().await;
        new
    }

    /// Says that a part works, or that it does not.
    pub async fn set(&self, part: Part, works: bool) {
        let changed = {
            let mut state = self.state.lock();
            if works { state.failing.remove(&part) } else { state.failing.insert(part) }
        };
        if changed {
            tracing::info!(part = part.name(), works, "health changed");
            self.publish().await;
        }
    }

    /// Whether calls should be sent here.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state.lock().ready()
    }

    /// The parts that fail, for a person who asks why.
    #[must_use]
    pub fn failing(&self) -> Vec<Part> {
        self.state.lock().failing.iter().copied().collect()
    }

    pub(super) async fn drain(&self) {
        self.state.lock().draining = true;
        self.publish().await;
    }

    pub(super) fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    async fn publish(&self) {
        // One at a time, and read inside, so that an older state never overwrites a newer one.
        let _turn = self.publishing.lock().await;
        let mut statuses = Vec::new();
        {
            let state = self.state.lock();
            statuses.push((READINESS, state.ready()));
            statuses.extend(Part::ALL.map(|part| (part.name(), !state.failing.contains(&part))));
            statuses.extend(self.services.iter().map(|name| (*name, state.serves(name))));
        }
        for (name, serves) in statuses {
            let status = if serves { ServingStatus::Serving } else { ServingStatus::NotServing };
            self.reporter.set_service_status(name, status).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREENING: &str = "bulwark.v1.ScreeningService";
    const BANKS: &str = "bulwark.v1.BankService";

    #[tokio::test]
    async fn without_its_index_the_process_is_not_ready() {
        let readiness = Readiness::new([SCREENING], [Part::Index]).await;
        assert!(!readiness.is_ready());
        readiness.set(Part::Index, true).await;
        assert!(readiness.is_ready());
    }

    #[tokio::test]
    async fn screening_goes_on_without_the_store() {
        let readiness = Readiness::new([SCREENING, BANKS], []).await;
        readiness.set(Part::Store, false).await;
        let state = readiness.state.lock();
        assert!(state.ready() && state.serves(SCREENING) && !state.serves(BANKS));
    }

    #[tokio::test]
    async fn a_draining_process_serves_nothing_new() {
        let readiness = Readiness::new([SCREENING], []).await;
        readiness.drain().await;
        assert!(!readiness.is_ready());
        assert!(!readiness.state.lock().serves(SCREENING));
    }
}

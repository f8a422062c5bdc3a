//! Counters of answers that keep nothing else: cheap in memory, flushed as events.

use crate::core::access::Scope;
use crate::core::event::Count;
use crate::core::policy::SurfaceKind;
use crate::core::verdict::{CheckState, Disposition};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most rows in one flushed event; an envelope has room for far more.
pub const COUNTS_PER_EVENT_MAX: usize = 10_000;

type Labels = (SurfaceKind, Disposition, CheckState);

/// Counts since the last flush.
#[derive(Debug, Default)]
pub struct Counters(RwLock<HashMap<Scope, HashMap<Labels, AtomicU64>>>);

impl Counters {
    /// Counts one answer; takes a shared lock and no memory, once its labels have been met.
    pub fn count(
        &self,
        scope: &Scope,
        surface: SurfaceKind,
        disposition: Disposition,
        completeness: CheckState,
    ) {
        self.add(scope, (surface, disposition, completeness), 1);
    }

    fn add(&self, scope: &Scope, labels: Labels, count: u64) {
        {
            let known = self.0.read();
            if let Some(cell) = known.get(scope).and_then(|cells| cells.get(&labels)) {
                cell.fetch_add(count, Ordering::Relaxed);
                return;
            }
        }
        let mut known = self.0.write();
        let cell = known.entry(scope.clone()).or_default().entry(labels).or_default();
        cell.fetch_add(count, Ordering::Relaxed);
    }

    /// Takes all counts out, in a fixed order.
    #[must_use]
    pub fn take(&self) -> Vec<Count> {
        let mut counts = Vec::new();
        for (scope, cells) in &*self.0.read() {
            for ((surface, disposition, completeness), cell) in cells {
                let count = cell.swap(0, Ordering::Relaxed);
                if count > 0 {
                    let (scope, surface, disposition, completeness) =
                        (scope.clone(), *surface, *disposition, *completeness);
                    counts.push(Count { scope, surface, disposition, completeness, count });
                }
            }
        }
        counts.sort_by(|a, b| {
            (&a.scope, a.surface, a.disposition, a.completeness).cmp(&(
                &b.scope,
                b.surface,
                b.disposition,
                b.completeness,
            ))
        });
        counts
    }

    /// Puts back what was taken out and could not be kept.
    pub fn put_back(&self, counts: &[Count]) {
        for count in counts {
            let labels = (count.surface, count.disposition, count.completeness);
            self.add(&count.scope, labels, count.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::access::Environment;
    use crate::core::id::TenantId;

    #[test]
    fn what_is_taken_out_is_what_was_counted() {
        let scope = Scope { tenant: TenantId::parse("a").unwrap(), environment: Environment::Test };
        let counters = Counters::default();
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..1_000 {
                        let checked = CheckState::Checked;
                        counters.count(&scope, SurfaceKind::Live, Disposition::Allow, checked);
                    }
                });
            }
        });
        let taken = counters.take();
        assert_eq!((taken.len(), taken[0].count), (1, 4_000));
        assert!(counters.take().is_empty());
        counters.put_back(&taken);
        assert_eq!(counters.take(), taken);
    }
}

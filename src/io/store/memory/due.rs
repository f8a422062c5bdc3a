//! Whose layers a thread that merges should look at.
//!
//! Waking a thread costs whoever changes a bank more than the change itself. So a thread that had something to do looks
//! again by itself every few milliseconds, and asks to be woken only when nothing came for a while.

use crate::core::access::Scope;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How often a thread that was busy a moment ago looks.
const PAUSE: Duration = Duration::from_millis(2);
/// After how long with nothing to do it asks to be woken.
const BUSY: Duration = Duration::from_millis(500);

/// Scopes to look at, each once however often it was added.
#[derive(Default)]
pub(super) struct Due {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    scopes: BTreeSet<Scope>,
    has_ended: bool,
    /// Until when the thread looks by itself.
    looks_until: Option<Instant>,
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Look at the layers of this scope.
    Scope(Scope),
    /// Nothing was due for some time.
    Nothing,
    /// There is nothing to look at any more.
    End,
}

impl Due {
    /// Whether a scope waits to be looked at.
    pub(super) fn is_known(&self, scope: &Scope) -> bool {
        self.state.lock().scopes.contains(scope)
    }

    /// Adds a scope.
    pub(super) fn add(&self, scope: &Scope) {
        let mut state = self.state.lock();
        if state.scopes.insert(scope.clone()) && state.looks_until.is_none() {
            self.changed.notify_one();
        }
    }

    /// Says that there will be nothing to look at.
    pub(super) fn end(&self) {
        self.state.lock().has_ended = true;
        self.changed.notify_one();
    }

    /// Waits for something to do, for so long.
    pub(super) fn next(&self, patience: Duration) -> Next {
        let until = Instant::now() + patience;
        let mut state = self.state.lock();
        loop {
            if state.has_ended {
                return Next::End;
            }
            let now = Instant::now();
            if let Some(scope) = state.scopes.pop_first() {
                state.looks_until = Some(now + BUSY);
                return Next::Scope(scope);
            }
            if now >= until {
                return Next::Nothing;
            }
            state.looks_until = state.looks_until.filter(|until| now < *until);
            let looks_next = state.looks_until.map_or(until, |_| until.min(now + PAUSE));
            self.changed.wait_until(&mut state, looks_next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::access::Environment;
    use crate::core::id::TenantId;

    #[test]
    fn a_scope_is_given_once_however_often_it_was_added_and_again_when_added_later() {
        let scope = |tenant| Scope {
            tenant: TenantId::parse(tenant).unwrap(),
            environment: Environment::Test,
        };
        let due = Due::default();
        for tenant in ["b", "a", "b"] {
            due.add(&scope(tenant));
        }
        assert!(due.is_known(&scope("b")));
        assert_eq!(due.next(Duration::ZERO), Next::Scope(scope("a")));
        assert_eq!(due.next(Duration::ZERO), Next::Scope(scope("b")));
        assert_eq!(due.next(Duration::ZERO), Next::Nothing);
        assert!(!due.is_known(&scope("b")));
        due.add(&scope("b"));
        assert_eq!(due.next(Duration::ZERO), Next::Scope(scope("b")));
        due.end();
        assert_eq!(due.next(Duration::from_secs(60)), Next::End);
    }
}

//! Whose layers a thread that merges should look at.

use crate::core::access::Scope;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

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
        if self.state.lock().scopes.insert(scope.clone()) {
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
            if let Some(scope) = state.scopes.pop_first() {
                return Next::Scope(scope);
            }
            if self.changed.wait_until(&mut state, until).timed_out() {
                return Next::Nothing;
            }
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

//! What the server tells a method about its call: who calls, until when, and how much memory it may take.

use crate::core::access::Caller;
use crate::services::status::{Reason, Refusal};
use http::Extensions;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Who is calling.
///
/// # Errors
/// [`Reason::CredentialMissing`] where the server let nobody in particular through.
pub fn caller(extensions: &Extensions) -> Result<&Caller, Refusal> {
    extensions
        .get::<Caller>()
        .ok_or_else(|| Refusal::new(Reason::CredentialMissing, "this call needs a credential"))
}

/// The instant after which nobody waits for the answer any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// The call's deadline; `None` for the few streams that have none.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get::<Self>().copied()
    }

    /// Time left; zero when it has passed.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Grain of the budget, in bytes: a semaphore's permits are counted in 32 bits.
const GRAIN: u64 = 1024;

/// Bytes of callers' data that the whole process may hold at one time.
#[derive(Debug, Clone)]
pub struct ByteBudget {
    free: Arc<Semaphore>,
    grains: u32,
}

impl ByteBudget {
    /// A budget of `bytes`, rounded up to whole KiB; at most 4 TiB.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let grains = grains(bytes).unwrap_or(u32::MAX);
        Self {
            free: Arc::new(Semaphore::new(
                usize::try_from(grains).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            grains,
        }
    }

    /// The budget that the server gave the call.
    ///
    /// # Errors
    /// [`Reason::Internal`] outside of a server.
    pub fn of(extensions: &Extensions) -> Result<&Self, Refusal> {
        extensions.get::<Self>().ok_or_else(|| Refusal::new(Reason::Internal, "no byte budget"))
    }

    /// Takes `bytes` until the lease is dropped. Never waits.
    ///
    /// # Errors
    /// [`Reason::OverCapacity`] when so much is not free.
    pub fn lease(&self, bytes: u64) -> Result<ByteLease, Refusal> {
        let permit = self.take(bytes)?;
        Ok(ByteLease { budget: self.clone(), permit, bytes })
    }

    /// Bytes now taken, rounded up to whole KiB for each lease.
    #[must_use]
    pub fn taken(&self) -> u64 {
        let free = u64::try_from(self.free.available_permits()).unwrap_or(u64::MAX);
        u64::from(self.grains).saturating_sub(free) * GRAIN
    }

    fn take(&self, bytes: u64) -> Result<OwnedSemaphorePermit, Refusal> {
        grains(bytes)
            .and_then(|count| Arc::clone(&self.free).try_acquire_many_owned(count).ok())
            .ok_or_else(|| {
                Refusal::over("limits.in_flight_bytes", "too much data is being worked on")
            })
    }
}

fn grains(bytes: u64) -> Option<u32> {
    u32::try_from(bytes.div_ceil(GRAIN)).ok()
}

/// A part of the budget; given back when dropped.
#[derive(Debug)]
pub struct ByteLease {
    budget: ByteBudget,
    permit: OwnedSemaphorePermit,
    bytes: u64,
}

impl ByteLease {
    /// Takes `bytes` more, all or nothing.
    ///
    /// # Errors
    /// [`Reason::OverCapacity`] when so much is not free; the lease stays as it was.
    pub fn grow(&mut self, bytes: u64) -> Result<(), Refusal> {
        let total = self.bytes.saturating_add(bytes);
        let have = self.bytes.div_ceil(GRAIN) * GRAIN;
        if total > have {
            let more = self.budget.take(total - have)?;
            self.permit.merge(more);
        }
        self.bytes = total;
        Ok(())
    }

    /// Bytes taken.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_comes_back_when_it_is_dropped() {
        let budget = ByteBudget::new(10 * GRAIN);
        let lease = budget.lease(10 * GRAIN).expect("all is free");
        assert_eq!(budget.lease(1).expect_err("all is taken").reason(), Reason::OverCapacity);
        drop(lease);
        assert_eq!(budget.taken(), 0);
        assert!(budget.lease(10 * GRAIN).is_ok());
    }

    #[test]
    fn a_lease_grows_as_far_as_the_budget_goes() {
        let budget = ByteBudget::new(4 * GRAIN);
        let mut lease = budget.lease(1).expect("free");
        for _ in 0..(4 * GRAIN - 1) {
            lease.grow(1).expect("within the budget");
        }
        assert_eq!((lease.bytes(), budget.taken()), (4 * GRAIN, 4 * GRAIN));
        assert!(lease.grow(1).is_err());
        assert_eq!(lease.bytes(), 4 * GRAIN);
        drop(lease);
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn what_can_never_fit_is_refused_and_not_waited_for() {
        assert!(ByteBudget::new(GRAIN).lease(u64::MAX).is_err());
    }
}

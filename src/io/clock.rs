//! The clock and the source of names: passed as a value, settable and seedable in tests.

use crate::core::time::Time;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Says what time it is, and makes names and salts. Clones share one state.
#[derive(Clone)]
pub struct Clock(Arc<Kind>);

enum Kind {
    System(SystemRandom, Mutex<Drawn>),
    Set { millis: AtomicI64, stream: Mutex<Stream> },
}

/// Random bytes of a name.
const NAME_BYTES: usize = 10;

/// Randomness for names, drawn for a hundred of them at once: drawing costs more than all else about a name. Salts and keys
/// are drawn by themselves, so that none lies around before it is used.
#[derive(Default)]
struct Drawn(Vec<u8>);

impl Drawn {
    fn next(&mut self, draw: impl FnOnce(&mut [u8])) -> [u8; NAME_BYTES] {
        if self.0.is_empty() {
            self.0.resize(100 * NAME_BYTES, 0);
            draw(&mut self.0);
        }
        let mut next = [0; NAME_BYTES];
        next.copy_from_slice(&self.0[self.0.len() - NAME_BYTES..]);
        self.0.truncate(self.0.len() - NAME_BYTES);
        next
    }
}

/// A stream of bytes that its seed determines: SHA-256(seed ‖ counter).
struct Stream {
    seed: u64,
    counter: u64,
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match *self.0 {
            Kind::System(..) => "Clock(system)",
            Kind::Set { .. } => "Clock(set)",
        })
    }
}

impl Clock {
    /// The machine's clock and randomness.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Kind::System(SystemRandom::new(), Mutex::default())))
    }

    /// A clock that stands until it is moved, and names that follow from `seed`. For tests only: its salts are no secret.
    #[must_use]
    pub fn set(now: Time, seed: u64) -> Self {
        let stream = Mutex::new(Stream { seed, counter: 0 });
        Self(Arc::new(Kind::Set { millis: AtomicI64::new(now.millis()), stream }))
    }

    /// The present. May run backwards, as machines' clocks do: what is recorded uses [`log_time`].
    #[must_use]
    pub fn now(&self) -> Time {
        match &*self.0 {
            Kind::System(..) => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Time::default().plus(since)
            }
            Kind::Set { millis, .. } => Time::from_millis(millis.load(Ordering::SeqCst)),
        }
    }

    /// Moves a set clock to `now`; the machine's clock stays as it is.
    pub fn move_to(&self, now: Time) {
        if let Kind::Set { millis, .. } = &*self.0 {
            millis.store(now.millis(), Ordering::SeqCst);
        }
    }

    /// Moves a set clock on by `span`; the machine's clock stays as it is.
    pub fn advance(&self, span: Duration) {
        self.move_to(self.now().plus(span));
    }

    /// Fills `bytes` with randomness.
    ///
    /// # Panics
    /// Where the operating system gives none: nothing secret could be made then.
    pub fn fill(&self, bytes: &mut [u8]) {
        match &*self.0 {
            Kind::System(random, _) => {
                random.fill(bytes).expect("the operating system gives randomness");
            }
            Kind::Set { stream, .. } => stream.lock().fill(bytes),
        }
    }

    /// Random bytes.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A fresh name: a version 7 UUID in 32 hexadecimal digits, so that names sort by the time they were made.
    #[must_use]
    pub fn fresh_id(&self) -> String {
        let millis = u64::try_from(self.now().millis()).unwrap_or(0);
        let random = match &*self.0 {
            Kind::System(_, drawn) => drawn.lock().next(|bytes| self.fill(bytes)),
            Kind::Set { .. } => self.random(),
        };
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        uuid.simple().to_string()
    }
}

impl Stream {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let mut digest = Sha256::new();
            digest.update(self.seed.to_be_bytes());
            digest.update(self.counter.to_be_bytes());
            self.counter += 1;
            let block: [u8; 32] = digest.finalize().into();
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

/// Log time: never before what was logged last, whatever the clock says.
#[must_use]
pub fn log_time(before: Time, now: Time) -> Time {
    before.max(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_same_seed_gives_the_same_names() {
        let one = Clock::set(Time::from_millis(1_000), 7);
        let two = Clock::set(Time::from_millis(1_000), 7);
        assert_eq!(one.fresh_id(), two.fresh_id());
        assert_ne!(one.fresh_id(), one.fresh_id());
        assert_ne!(Clock::set(Time::from_millis(1_000), 8).fresh_id(), two.fresh_id());
    }

    #[test]
    fn names_are_distinct_and_sort_by_time() {
        let clock = Clock::system();
        let names: HashSet<_> = (0..1_000).map(|_| clock.fresh_id()).collect();
        assert_eq!(names.len(), 1_000);
        let clock = Clock::set(Time::from_millis(1_000), 1);
        let before = clock.fresh_id();
        clock.advance(Duration::from_millis(1));
        assert!(before < clock.fresh_id());
    }

    #[test]
    fn log_time_never_runs_backwards() {
        let clock = Clock::set(Time::from_millis(10), 1);
        let logged = log_time(Time::default(), clock.now());
        clock.move_to(Time::from_millis(3));
        assert_eq!(log_time(logged, clock.now()), Time::from_millis(10));
    }
}

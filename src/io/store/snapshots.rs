//! When snapshots are written: on a thread of low priority while the store is in use, and once more at its orderly end.

use super::figures::SnapshotFigures;
use super::memory::Memory;
#[cfg(feature = "s3")]
use super::sharing::Sharing;
use super::snapshot::{self, Title, Unwritten};
use crate::core::journal::merkle::Hash;
use crate::core::resident::Resident;
use crate::io::clock::Clock;
use crate::io::seal::KeyRing;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest time between two looks at whether a snapshot is due.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(1);
/// Least time between two looks.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(1);
/// Writing takes at most one part in so many of the time.
const REST: u32 = 20;
/// At an orderly end, a snapshot is written after one part in so many of the changes that make one due otherwise.
const SOONER_AT_END: u64 = 10;
/// How much is taken off the priority of the thread.
const NICE: i32 = 10;
/// How often the memory and the journal are looked at until both are of one number.
const TRIES: u32 = 100;

/// Time that an orderly end gives to sharing its snapshot.
#[cfg(feature = "s3")]
const SHARE_AT_END_MAX: Duration = Duration::from_secs(20);

/// What the memory was made from.
pub(super) struct Origin {
    /// Number of the snapshot, 0 where it was made without.
    pub(super) number: u64,
    /// The place of those that machines share.
    #[cfg(feature = "s3")]
    pub(super) sharing: Option<Sharing>,
}

/// How far the journal reaches, and the root of its tree.
#[derive(Clone, Copy)]
pub(super) struct Reached {
    pub(super) number: u64,
    pub(super) root: Hash,
}

/// Where snapshots are written, and how often.
pub(super) struct Plan {
    pub(super) path: PathBuf,
    /// Changes after which one is due; 0 for never.
    pub(super) changes: u64,
    /// Least time between two of them; zero for no rest at all.
    pub(super) pause: Duration,
}

/// What is shared with the thread that writes.
struct State {
    plan: Plan,
    keys: Arc<KeyRing>,
    clock: Clock,
    memory: Arc<Memory>,
    #[cfg(feature = "s3")]
    sharing: Option<Sharing>,
    /// Set after each commit, once the memory is in step with it.
    reached: ArcSwap<Reached>,
    /// [`Resident::changes`] at the last snapshot.
    covered: AtomicU64,
    figures: Mutex<SnapshotFigures>,
    is_stopped: AtomicBool,
}

/// Has snapshots written for as long as it lives.
pub(super) struct Snapshots {
    state: Arc<State>,
    thread: Option<(SyncSender<()>, JoinHandle<()>)>,
}

/// What others may know of snapshots.
pub(super) struct Watched(Arc<State>);

impl Watched {
    /// How far the journal reached after the last commit that is in the memory of the process.
    pub(super) fn reached(&self) -> Reached {
        **self.0.reached.load()
    }

    pub(super) fn figures(&self) -> SnapshotFigures {
        let figures = *self.0.figures.lock();
        #[cfg(feature = "s3")]
        let figures = {
            let shared = self.0.sharing.as_ref().map(Sharing::figures);
            SnapshotFigures { shared, ..figures }
        };
        figures
    }
}

impl Snapshots {
    /// Begins.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(super) fn begin(
        plan: Plan,
        keys: &Arc<KeyRing>,
        clock: &Clock,
        memory: &Arc<Memory>,
        reached: Reached,
        origin: Origin,
    ) -> std::io::Result<Self> {
        let number = origin.number;
        let state = Arc::new(State {
            plan,
            keys: Arc::clone(keys),
            clock: clock.clone(),
            memory: Arc::clone(memory),
            #[cfg(feature = "s3")]
            sharing: origin.sharing,
            reached: ArcSwap::from_pointee(reached),
            covered: AtomicU64::new(0),
            figures: Mutex::new(SnapshotFigures { number, ..SnapshotFigures::default() }),
            is_stopped: AtomicBool::new(false),
        });
        #[cfg(feature = "s3")]
        if let Some(sharing) = &state.sharing
            && number > 0
        {
            sharing.mark(number, 0);
        }
        let mut thread = None;
        if state.plan.changes > 0 {
            let (stop, stopped) = sync_channel(0);
            let own = Arc::clone(&state);
            let builder = std::thread::Builder::new().name("snapshot-writer".to_owned());
            thread = Some((stop, builder.spawn(move || own.attend(&stopped))?));
        }
        Ok(Self { state, thread })
    }

    pub(super) fn watched(&self) -> Watched {
        Watched(Arc::clone(&self.state))
    }

    /// Says how far the journal reaches, now that the memory is in step with it.
    pub(super) fn reach(&self, number: u64, root: Hash) {
        self.state.reached.store(Arc::new(Reached { number, root }));
    }

    /// Ends, and writes a last snapshot where enough has changed to be worth it. Nothing may change any more.
    pub(super) fn end(mut self) {
        self.stop();
        let state = &self.state;
        let worth = (state.plan.changes / SOONER_AT_END).max(1);
        if state.plan.changes > 0 && state.waiting() >= worth {
            state.is_stopped.store(false, Ordering::Relaxed);
            // Whoever ends may be on a thread that runs what others wait for.
            std::thread::scope(|scope| {
                scope.spawn(|| state.write_at_end(worth));
            });
        }
    }

    fn stop(&mut self) {
        self.state.is_stopped.store(true, Ordering::Relaxed);
        if let Some((stop, thread)) = self.thread.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

impl Drop for Snapshots {
    /// The thread ends before whoever held the lock of the store lets go of it.
    fn drop(&mut self) {
        self.stop();
    }
}

impl State {
    /// Changes that no snapshot covers.
    fn waiting(&self) -> u64 {
        self.memory.read().changes().saturating_sub(self.covered.load(Ordering::Relaxed))
    }

    fn attend(&self, stopped: &Receiver<()>) {
        // Where the system does not allow it, the thread is as important as others.
        let _ = rustix::process::nice(NICE);
        let look_every = self.plan.pause.clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX);
        // Where there is none, the first one is written as soon as it is due.
        let is_there = self.figures.lock().number > 0;
        let mut rested = is_there.then(|| Instant::now() + self.plan.pause);
        while stopped.recv_timeout(look_every) == Err(RecvTimeoutError::Timeout) {
            #[cfg(feature = "s3")]
            self.tend();
            let is_rested = rested.is_none_or(|until| Instant::now() >= until);
            if is_rested && self.waiting() >= self.plan.changes {
                let took = self.write_and_share(self.plan.changes, &|| self.is_stopped());
                let rest = self.plan.pause.max(took.saturating_mul(REST));
                let rest = if self.plan.pause.is_zero() { Duration::ZERO } else { rest };
                rested = Some(Instant::now() + rest);
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Writes a snapshot, unless others have shared one that leaves fewer than so many changes, and shares it; gives the
    /// time that writing took.
    #[cfg(feature = "s3")]
    fn write_and_share(&self, changes: u64, is_stopped: &dyn Fn() -> bool) -> Duration {
        let Some(sharing) = &self.sharing else { return self.write() };
        let look = || sharing.look(self.reached.load().number, is_stopped);
        self.mark();
        self.cover(look().and_then(|seen| seen.covers));
        if self.waiting() < changes {
            return Duration::ZERO;
        }
        let before = self.figures.lock().written;
        let took = self.write();
        if self.figures.lock().written > before {
            // Another machine may have been quicker meanwhile.
            let own = self.covered.load(Ordering::Relaxed);
            match look() {
                Some(seen) if own.saturating_sub(seen.covers.unwrap_or(0)) < changes => {}
                Some(_) => sharing.put(&self.plan.path, is_stopped),
                None => sharing.owe(),
            }
        }
        took
    }

    /// Writes a snapshot; gives the time it took.
    #[cfg(not(feature = "s3"))]
    fn write_and_share(&self, _: u64, _: &dyn Fn() -> bool) -> Duration {
        self.write()
    }

    #[cfg(feature = "s3")]
    fn write_at_end(&self, changes: u64) {
        let until = Instant::now() + SHARE_AT_END_MAX;
        self.write_and_share(changes, &|| Instant::now() >= until);
    }

    #[cfg(not(feature = "s3"))]
    fn write_at_end(&self, _: u64) {
        self.write();
    }

    /// Keeps in mind how far the memory has come.
    #[cfg(feature = "s3")]
    fn mark(&self) {
        if let Some(sharing) = &self.sharing {
            let resident = self.memory.read();
            sharing.mark(resident.applied(), resident.changes());
        }
    }

    /// So many changes are covered by a snapshot that others have shared.
    #[cfg(feature = "s3")]
    fn cover(&self, changes: Option<u64>) {
        self.covered.fetch_max(changes.unwrap_or(0), Ordering::Relaxed);
    }

    /// Looks from time to time what others have shared.
    #[cfg(feature = "s3")]
    fn tend(&self) {
        let Some(sharing) = &self.sharing else { return };
        self.mark();
        let (number, reached) = (self.figures.lock().number, self.reached.load().number);
        let own = (&*self.plan.path, number);
        self.cover(sharing.tend(self.plan.pause, own, reached, &|| self.is_stopped()));
    }

    /// The memory, and the journal's root at the very number that the memory is in step with.
    fn picture(&self) -> Option<(Arc<Resident>, Reached)> {
        for _ in 0..TRIES {
            let resident = Arc::clone(&self.memory.read());
            let reached = **self.reached.load();
            if resident.applied() == reached.number {
                return (reached.number > 0).then_some((resident, reached));
            }
            // A commit is under way between the two.
            std::thread::sleep(LOOK_EVERY_MIN);
        }
        None
    }

    /// Writes a snapshot; gives the time it took.
    fn write(&self) -> Duration {
        let Some((resident, Reached { number, root })) = self.picture() else {
            return Duration::ZERO;
        };
        let title = Title { id: self.clock.random(), number, root, entries: resident.entries() };
        let is_stopped = || self.is_stopped();
        let began = Instant::now();
        let written = snapshot::write(&self.plan.path, &self.keys, &title, &resident, &is_stopped);
        let took = began.elapsed();
        let mut figures = self.figures.lock();
        match written {
            Ok(bytes) => {
                self.covered.store(resident.changes(), Ordering::Relaxed);
                let written = figures.written + 1;
                *figures = SnapshotFigures { number, bytes, took, written, ..*figures };
                drop(figures);
                let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                tracing::info!(number, bytes, millis, "a snapshot was written");
            }
            Err(Unwritten::Stopped) => {}
            Err(error) => {
                figures.failures += 1;
                drop(figures);
                tracing::warn!(%error, "a snapshot was not written: the next start takes longer");
            }
        }
        took
    }
}

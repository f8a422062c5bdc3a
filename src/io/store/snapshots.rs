//! When snapshots are written: on a thread of low priority while the store is in use, and once more at its orderly end.

use super::memory::Memory;
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

/// What became of snapshots since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotFigures {
    /// Journal number of the snapshot in its place; 0 where there is none.
    pub number: u64,
    /// Size of the last one that was written, in bytes.
    pub bytes: u64,
    /// Time that writing it took.
    pub took: Duration,
    /// How many were written.
    pub written: u64,
    /// How many could not be written.
    pub failures: u64,
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
        *self.0.figures.lock()
    }
}

impl Snapshots {
    /// Begins. `number` is that of the snapshot that the memory was made from, 0 where it was made without.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(super) fn begin(
        plan: Plan,
        keys: &Arc<KeyRing>,
        clock: &Clock,
        memory: &Arc<Memory>,
        reached: Reached,
        number: u64,
    ) -> std::io::Result<Self> {
        let state = Arc::new(State {
            plan,
            keys: Arc::clone(keys),
            clock: clock.clone(),
            memory: Arc::clone(memory),
            reached: ArcSwap::from_pointee(reached),
            covered: AtomicU64::new(0),
            figures: Mutex::new(SnapshotFigures { number, ..SnapshotFigures::default() }),
            is_stopped: AtomicBool::new(false),
        });
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
            state.write();
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
            let is_rested = rested.is_none_or(|until| Instant::now() >= until);
            if is_rested && self.waiting() >= self.plan.changes {
                let took = self.write();
                let rest = self.plan.pause.max(took.saturating_mul(REST));
                let rest = if self.plan.pause.is_zero() { Duration::ZERO } else { rest };
                rested = Some(Instant::now() + rest);
            }
        }
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
        let is_stopped = || self.is_stopped.load(Ordering::Relaxed);
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

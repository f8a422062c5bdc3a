//! Which of several machines puts a snapshot on the shelf: whoever has one that is newer by enough than what is there.
//!
//! Runs on the thread that writes snapshots. How many changes a snapshot of another machine covers is known from how far
//! this one had come at its journal number.

use super::figures::SharedFigures;
use super::shelf::{Offer, Shelf};
use super::snapshot::Snapshot;
use crate::io::objects::ObjectsError;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often it is looked whether putting a snapshot there has to be given up.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Least time between two looks at the shelf that nothing else asks for.
const TEND_EVERY_MIN: Duration = Duration::from_secs(1);
/// Marks that are kept: what lies between two is counted as not covered.
const MARKS_MAX: usize = 512;

/// How many changes there had been at a journal number.
#[derive(Clone, Copy)]
struct Mark {
    number: u64,
    changes: u64,
}

/// The newest snapshot that is there.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    /// Its journal number; 0 where there is none.
    pub(super) number: u64,
    /// Changes that it covers, where that is known.
    pub(super) covers: Option<u64>,
}

/// The shelf, and what is known of it.
pub(super) struct Sharing {
    shelf: Shelf,
    /// Names that are shown to be of another journal, or not whole.
    wrong: HashSet<String>,
    state: Mutex<State>,
}

struct State {
    marks: Vec<Mark>,
    figures: SharedFigures,
    /// Whether the file in its place is to be put there.
    is_owing: bool,
    tended: Instant,
}

impl Sharing {
    pub(super) fn new(shelf: Shelf, wrong: HashSet<String>, figures: SharedFigures) -> Self {
        let (marks, tended) = (Vec::new(), Instant::now());
        let state = State { marks, figures, is_owing: false, tended };
        Self { shelf, wrong, state: Mutex::new(state) }
    }

    pub(super) fn figures(&self) -> SharedFigures {
        self.state.lock().figures
    }

    /// Says that the file in its place may be newer than what is there.
    pub(super) fn owe(&self) {
        self.state.lock().is_owing = true;
    }

    /// Says how many changes there have been at a journal number.
    pub(super) fn mark(&self, number: u64, changes: u64) {
        let marks = &mut self.state.lock().marks;
        if marks.last().is_some_and(|last| number <= last.number) {
            return;
        }
        if marks.len() >= MARKS_MAX {
            let mut at = 0;
            marks.retain(|_| {
                at += 1;
                at % 2 == 1
            });
        }
        marks.push(Mark { number, changes });
    }

    /// Changes that a snapshot of this number covers; none where that is not known, or where it is ahead of this process.
    fn covered_by(&self, number: u64, reached: u64) -> Option<u64> {
        if number > reached {
            return None;
        }
        let state = self.state.lock();
        state.marks.iter().rev().find(|mark| mark.number <= number).map(|mark| mark.changes)
    }

    /// Runs what waits for the shelf, until it is told to stop.
    fn run<T>(&self, work: impl Future<Output = Result<T, ObjectsError>>) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let done = match runtime {
            Ok(runtime) => {
                let done = runtime.block_on(work);
                // A place that hangs does not hold up the end.
                runtime.shutdown_background();
                done
            }
            Err(error) => Err(error.into()),
        };
        match done {
            Ok(done) => Some(done),
            Err(ObjectsError::Stopped) => None,
            Err(error) => {
                self.state.lock().figures.failures += 1;
                tracing::warn!(%error, "the place of shared snapshots could not be used");
                None
            }
        }
    }

    /// Looks at what is there. Nothing comes back where that was not possible.
    pub(super) fn look(&self, reached: u64, is_stopped: &dyn Fn() -> bool) -> Option<Seen> {
        let looking = async {
            tokio::select! {
                offers = self.shelf.look() => offers,
                () = told(is_stopped) => Err(ObjectsError::Stopped),
            }
        };
        let offers = self.run(looking)?;
        let newest = offers.iter().find(|offer| !self.wrong.contains(offer.name()));
        let seen = newest.map_or_else(Seen::default, |offer| Seen {
            number: offer.number,
            covers: self.covered_by(offer.number, reached),
        });
        let figures = &mut self.state.lock().figures;
        (figures.number, figures.since) = (seen.number, newest.map(Offer::since));
        Some(seen)
    }

    /// Puts the snapshot of a file there.
    pub(super) fn put(&self, path: &Path, is_stopped: &dyn Fn() -> bool) {
        let Ok(Some(Snapshot { title, .. })) = Snapshot::open(path) else {
            self.state.lock().is_owing = false;
            return;
        };
        self.state.lock().is_owing = true;
        let is_wrong = |offer: &Offer| self.wrong.contains(offer.name());
        let began = Instant::now();
        let putting = self.shelf.put(path, &title, is_wrong, told(is_stopped));
        let Some(since) = self.run(putting) else { return };
        let mut state = self.state.lock();
        state.is_owing = false;
        state.figures.uploads += 1;
        (state.figures.number, state.figures.since) = (title.number, since);
        drop(state);
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(number = title.number, millis, "a snapshot was shared");
    }

    /// Looks at the shelf where it was not looked for so long, and puts there what could not be put there before; gives
    /// how many changes are covered, where that is known.
    pub(super) fn tend(
        &self,
        pause: Duration,
        (path, number): (&Path, u64),
        reached: u64,
        is_stopped: &dyn Fn() -> bool,
    ) -> Option<u64> {
        if self.state.lock().tended.elapsed() < pause.max(TEND_EVERY_MIN) {
            return None;
        }
        let seen = self.look(reached, is_stopped);
        if let Some(seen) = seen
            && self.state.lock().is_owing
        {
            match seen.number < number {
                true => self.put(path, is_stopped),
                false => self.state.lock().is_owing = false,
            }
        }
        self.state.lock().tended = Instant::now();
        seen?.covers
    }
}

async fn told(is_stopped: &dyn Fn() -> bool) {
    while !is_stopped() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

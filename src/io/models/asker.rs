//! Asking one model about the items that wait for it.

use crate::core::detector::{
    Absent, Batching, Began, Breaker, Circuit, Detector, Fault, Sample, read,
};
use crate::core::screening::question::GivenScore;
use crate::io::clock::Clock;
use crate::io::models::figures::DetectorFigures;
use crate::io::models::line::{Blames, Line, Unanswered};
use crate::io::models::words::{answer, question};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// What is said of one item.
type Said = Result<Vec<GivenScore>, Absent>;

/// An item that waits.
struct Waiting {
    row: Bytes,
    end: Instant,
    tell: oneshot::Sender<Said>,
}

struct State {
    batching: Batching<Waiting>,
    breaker: Breaker,
}

/// One model, with the items that wait for it.
pub struct Asker {
    detector: Arc<Detector>,
    line: Line,
    clock: Clock,
    began: Instant,
    state: Mutex<State>,
    wake: Arc<Notify>,
    figures: DetectorFigures,
}

impl Drop for Asker {
    fn drop(&mut self) {
        // Whoever asks for it then notices that there is nobody to ask for.
        self.wake.notify_one();
    }
}

impl Asker {
    /// Begins to ask as items come, for as long as somebody has it.
    pub fn start(detector: &Arc<Detector>, line: Line, clock: Clock) -> Arc<Self> {
        let state = State {
            batching: Batching::new(detector.batch),
            breaker: Breaker::new(detector.breaker),
        };
        let wake = Arc::new(Notify::new());
        let asker = Arc::new(Self {
            detector: Arc::clone(detector),
            line,
            clock,
            began: Instant::now(),
            state: Mutex::new(state),
            wake: Arc::clone(&wake),
            figures: DetectorFigures::default(),
        });
        tokio::spawn(drive(Arc::downgrade(&asker), wake));
        asker
    }

    /// The detector.
    pub fn detector(&self) -> &Arc<Detector> {
        &self.detector
    }

    /// The line to its server.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// What became of asking.
    pub fn figures(&self) -> &DetectorFigures {
        &self.figures
    }

    /// How its breaker is.
    pub fn circuit(&self) -> Circuit {
        self.state.lock().breaker.circuit()
    }

    /// What the model says of an item, until `end` and no longer than its deadline.
    ///
    /// # Errors
    /// Why it says nothing. Where the model is left alone, or too many wait, that is said at once.
    pub async fn ask(&self, sample: &Sample<'_>, end: Instant) -> Said {
        self.figures.items.fetch_add(1, Ordering::Relaxed);
        let said = self.ask_until(sample, end).await;
        match &said {
            Ok(_) => drop(self.figures.scored.fetch_add(1, Ordering::Relaxed)),
            Err(absent) => self.figures.missed(*absent),
        }
        said
    }

    async fn ask_until(&self, sample: &Sample<'_>, end: Instant) -> Said {
        let now = Instant::now();
        let end = end.min(now + self.detector.deadline);
        self.may_wait()?;
        let row = self.detector.input.row(sample).map_err(Absent::Unfit)?;
        let (tell, told) = oneshot::channel();
        let waiting = Waiting { row: row.into(), end, tell };
        self.state.lock().batching.offer(waiting, self.since()).map_err(|_| Absent::Full)?;
        self.wake.notify_one();
        match tokio::time::timeout_at(end.into(), told).await {
            Ok(Ok(said)) => said,
            Ok(Err(_)) => Err(Absent::Stopped),
            Err(_) => Err(Absent::Late),
        }
    }

    /// Whether an item can wait now, before anything is made of it.
    fn may_wait(&self) -> Result<(), Absent> {
        let mut state = self.state.lock();
        if !state.breaker.may_ask(self.since()) {
            return Err(Absent::LeftAlone);
        }
        if state.batching.is_full() {
            // Those whose callers have gone make room for those whose have not.
            state.batching.forget(|waiting| waiting.tell.is_closed());
        }
        if state.batching.is_full() { Err(Absent::Full) } else { Ok(()) }
    }

    /// Time since it began, by which its state counts.
    fn since(&self) -> Duration {
        self.began.elapsed()
    }

    /// Asks what is due; gives the moment when something is due next, if that is known.
    fn step(self: &Arc<Self>) -> Option<Instant> {
        let mut state = self.state.lock();
        state.batching.forget(|waiting| waiting.tell.is_closed());
        let now = self.since();
        while let Some(items) = state.batching.take(now) {
            match state.breaker.begin(now) {
                Some(began) => drop(tokio::spawn(Arc::clone(self).put(items, began))),
                None => {
                    state.batching.done();
                    tell_all(items, Absent::LeftAlone);
                }
            }
        }
        state.batching.wake().map(|wake| self.began + wake)
    }

    /// Puts one question, and tells everybody what came of it.
    async fn put(self: Arc<Self>, items: Vec<Waiting>, began: Began) {
        self.figures.questions.fetch_add(1, Ordering::Relaxed);
        let rows: Vec<Bytes> = items.iter().map(|waiting| waiting.row.clone()).collect();
        let end = items.iter().map(|waiting| waiting.end).max().unwrap_or_else(Instant::now);
        let time = end.saturating_duration_since(Instant::now());
        let answered = self.line.infer(question(&self.detector, &rows), end).await;
        let said = answered.and_then(|sent| {
            read(&self.detector, &answer(&sent), items.len())
                .map_err(|fault| Unanswered::of_model(Absent::Unreadable(fault)))
        });
        // That time ran out says nothing of a model that had little.
        let said = said.map_err(|mut unanswered| {
            let had_little = time < self.detector.deadline / 2;
            if unanswered.absent == Absent::Late && had_little {
                unanswered.blames = Blames::Nobody;
            }
            unanswered
        });
        self.settle(began, &said);
        match said {
            Err(unanswered) => tell_all(items, unanswered.absent),
            Ok(each) => {
                for (waiting, said) in items.into_iter().zip(each) {
                    // Whoever waited may have gone.
                    let _ = waiting.tell.send(said.map_err(Absent::Unreadable));
                }
            }
        }
        self.wake.notify_one();
    }

    /// Takes account of what came of a question.
    fn settle(&self, began: Began, said: &Result<Vec<Result<Vec<GivenScore>, Fault>>, Unanswered>) {
        let share = self.clock.random::<1>()[0];
        let mut state = self.state.lock();
        state.batching.done();
        let (detector, server) = (&self.detector.id, self.detector.host());
        match said {
            Ok(each) => {
                if let Some(fault) = each.iter().find_map(|said| said.as_ref().err()) {
                    tracing::debug!(%detector, %server, %fault, "what a model says of an item is not believed");
                }
                state.breaker.succeeded(began);
            }
            // It answers, and would answer others.
            Err(Unanswered { blames: Blames::Items, absent }) => {
                tracing::debug!(%detector, %server, why = absent.word(), "a model did not take items");
                state.breaker.succeeded(began);
            }
            Err(Unanswered { blames: Blames::Nobody, .. }) => {}
            Err(Unanswered { blames: Blames::Model, absent }) => {
                let why = match absent {
                    Absent::Unreadable(fault) => fault.to_string(),
                    absent => absent.reason().to_owned(),
                };
                tracing::debug!(%detector, %server, why, "a model did not answer");
                if let Some(pause) = state.breaker.failed(began, self.since(), share) {
                    self.figures.opened.fetch_add(1, Ordering::Relaxed);
                    let pause_millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                    tracing::warn!(%detector, %server, why, pause_millis, "a model is left alone");
                }
            }
        }
    }
}

fn tell_all(items: Vec<Waiting>, absent: Absent) {
    for waiting in items {
        // Whoever waited may have gone.
        let _ = waiting.tell.send(Err(absent));
    }
}

/// Asks what is due when it is, until nobody has the model any more.
async fn drive(asker: Weak<Asker>, wake: Arc<Notify>) {
    loop {
        let Some(due) = asker.upgrade().map(|asker| asker.step()) else { return };
        match due {
            None => wake.notified().await,
            Some(due) => tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep_until(due.into()) => {}
            },
        }
    }
}

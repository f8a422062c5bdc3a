//! What all streams of a process have in common: the desk, memory, evidence, the way to the journal, and figures.

use crate::io::evidence::Evidence;
use crate::services::call::ByteBudget;
use crate::services::desk::Desk;
use crate::services::live::ledger::Ledger;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Pieces for each worker that may be in work before the service is called full.
const PIECES_PER_WORKER: usize = 8;

/// What happened to all streams since the start.
#[derive(Debug, Default)]
pub struct Figures {
    /// Streams that were cut.
    pub interrupts: AtomicU64,
    /// Cuts that platforms have acknowledged.
    pub cuts: AtomicU64,
    /// Milliseconds from deciding to acknowledging, of all of them.
    pub cut_millis: AtomicU64,
    /// Messages that were answered.
    pub answered: AtomicU64,
    /// Microseconds from their coming to their answers, of all of them.
    pub answer_micros: AtomicU64,
}

impl Figures {
    /// A stream is to be cut.
    pub fn interrupted(&self) {
        self.interrupts.fetch_add(1, Ordering::Relaxed);
    }

    /// A platform has said that it cut a stream, so long after the decision.
    pub fn cut(&self, waited: Duration) {
        self.cuts.fetch_add(1, Ordering::Relaxed);
        let millis = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        self.cut_millis.fetch_add(millis, Ordering::Relaxed);
    }

    /// A message was answered, so long after it had come.
    pub fn answered(&self, took: Duration) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.answer_micros.fetch_add(micros, Ordering::Relaxed);
    }
}

/// What all streams have in common.
#[derive(Clone)]
pub struct Tools {
    /// The desk.
    pub desk: Desk,
    /// The way to the journal.
    pub ledger: Ledger,
    /// Where evidence is kept.
    pub evidence: Evidence,
    /// Memory for the last seconds of all streams.
    pub buffers: ByteBudget,
    /// What happened.
    pub figures: Arc<Figures>,
    /// Pieces that are being judged.
    pub in_work: Arc<AtomicUsize>,
    /// Cancelled once the process ends: sessions end with it.
    pub stop: CancellationToken,
}

/// A piece that is being judged, until this is dropped.
pub struct InWork(Arc<AtomicUsize>);

impl Drop for InWork {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Tools {
    /// Counts a piece as being judged.
    #[must_use]
    pub fn work(&self) -> InWork {
        self.in_work.fetch_add(1, Ordering::Relaxed);
        InWork(Arc::clone(&self.in_work))
    }

    /// How busy the service is, from 0 to 1.
    #[must_use]
    pub fn load(&self) -> f64 {
        let room = self.desk.examiner.status().workers_max.max(1) * PIECES_PER_WORKER;
        let waiting = self.in_work.load(Ordering::Relaxed);
        // Far below where whole numbers end in a float.
        waiting as f64 / room as f64
    }
}

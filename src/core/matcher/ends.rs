//! Ends: which entries of a layer are there no more, and since which change.
//!
//! One thread at a time ends entries; any number ask meanwhile. Whoever took a picture of the matcher as it was after a
//! change sees the ends up to that change, since they were written before the picture was handed over; and takes no
//! account of later ones, whether it sees them or not.

use super::sync::{AtomicU32, Mutex, Ordering};

/// The ends of a layer's entries.
pub(super) struct Ends {
    /// The change with which the layer came about: ends are counted from it.
    base: u64,
    /// For each entry how many changes after `base` it ended; 0 where it did not.
    ends: Box<[AtomicU32]>,
    /// The ended ones, in the order in which they ended.
    order: Mutex<Vec<u32>>,
}

impl Ends {
    /// None of so many entries has ended.
    pub(super) fn none(entries: usize, base: u64) -> Self {
        let ends = std::iter::repeat_with(|| AtomicU32::new(0)).take(entries).collect();
        Self { base, ends, order: Mutex::new(Vec::new()) }
    }

    /// Of each entry whether it ended, with change 1, which comes before all that anybody looks at.
    pub(super) fn told(ended: impl IntoIterator<Item = bool>) -> Self {
        let ends: Box<[_]> = ended.into_iter().map(|ended| AtomicU32::new(ended.into())).collect();
        let is_ended = |at: &u32| ends[*at as usize].load(Ordering::Relaxed) != 0;
        let order = (0..ends.len() as u32).filter(is_ended).collect();
        Self { base: 0, order: Mutex::new(order), ends }
    }

    /// Number of entries that have ended.
    pub(super) fn ended(&self) -> usize {
        self.order.lock().len()
    }

    /// Whether an entry is there for whoever looks at the state after change `sequence`.
    pub(super) fn is_alive(&self, entry: u32, sequence: u64) -> bool {
        match self.ends[entry as usize].load(Ordering::Relaxed) {
            0 => true,
            end => self.base + u64::from(end) > sequence,
        }
    }

    /// Ends an entry with change `sequence`, where it had not ended before.
    pub(super) fn end(&self, entry: u32, sequence: u64) {
        let end = &self.ends[entry as usize];
        if end.load(Ordering::Relaxed) != 0 {
            return;
        }
        // After 2³² changes in one layer the time of an end is no longer exact, and what is older may see it early.
        let since = u32::try_from(sequence - self.base).unwrap_or(u32::MAX).max(1);
        end.store(since, Ordering::Relaxed);
        // After the end itself: who merges counts these first and reads the ends then.
        self.order.lock().push(entry);
    }

    /// The entries that ended after the first `known` of them did.
    pub(super) fn since(&self, known: usize) -> Vec<u32> {
        self.order.lock()[known..].to_vec()
    }
}

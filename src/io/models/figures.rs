//! What became of asking models, in figures.

use crate::core::detector::Absent;
use std::sync::atomic::{AtomicU64, Ordering};

/// What became of asking one model.
#[derive(Debug, Default)]
pub struct DetectorFigures {
    /// Items that it was to be asked about.
    pub items: AtomicU64,
    /// Questions to it, each about one item or several.
    pub questions: AtomicU64,
    /// Items that it gave scores for.
    pub scored: AtomicU64,
    /// How often it was left alone.
    pub opened: AtomicU64,
    absent: [AtomicU64; Absent::KINDS.len()],
}

impl DetectorFigures {
    /// Counts an item without scores.
    pub fn missed(&self, absent: Absent) {
        let word = absent.word();
        let mut kinds = Absent::KINDS.iter().zip(&self.absent);
        if let Some((_, count)) = kinds.find(|(kind, _)| kind.word() == word) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Items without scores, by the reason for it.
    pub fn absent(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let kinds = Absent::KINDS.iter().enumerate();
        // Of two that are told alike the first counts for both.
        let firsts = kinds.filter(|(place, kind)| {
            Absent::KINDS[..*place].iter().all(|before| before.word() != kind.word())
        });
        firsts.map(|(place, kind)| (kind.word(), self.absent[place].load(Ordering::Relaxed)))
    }
}

//! Merging: many small layers become one, so that a search looks into few.
//!
//! Planning and adopting are quick and belong to whoever changes the matcher; running takes time and can be done
//! elsewhere, while the matcher goes on changing.

use crate::core::matcher::layer::{Bulk, Draft, Layer};
use crate::core::matcher::rows::Name;
use std::ops::Range;
use std::sync::Arc;

/// A layer is merged into one of less than so many times the size of those below it together.
pub(super) const GROWTH: usize = 4;

/// When layers are merged, by their size: none of one pace meddles with those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// With the change itself: tiny ones, in the time that a change takes.
    AtOnce,
    /// In milliseconds, elsewhere.
    Soon,
    /// In seconds, elsewhere.
    InTime,
}

/// Bytes of memory that merging may take for a while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room(pub u64);

/// Up to how many entries a layer is merged at which pace, and up to how many hashes whatever memory there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) at_once: usize,
    pub(super) soon: usize,
    pub(super) unasked: usize,
}

impl Sizes {
    const fn pace(self, entries: usize) -> Pace {
        if entries <= self.at_once {
            Pace::AtOnce
        } else if entries <= self.soon {
            Pace::Soon
        } else {
            Pace::InTime
        }
    }

    /// Whether layers of so much together may become one.
    const fn allow(self, bulk: Bulk, room: Room) -> bool {
        bulk.fits() && (bulk.hashes() <= self.unasked || bulk.building() <= room.0)
    }
}

/// Layers that should become one.
pub struct Merge {
    inputs: Vec<Input>,
    sequence: u64,
}

/// A layer that is merged.
pub(super) struct Input {
    pub(super) layer: Arc<Layer>,
    /// Ended entries when the merge was planned: they are not taken over.
    ended: usize,
}

/// One layer in the place of others.
pub struct Merged {
    pub(super) inputs: Vec<Input>,
    pub(super) output: Layer,
}

/// Layers that were merged. Pictures of before may still hold them; whoever drops the last holder of a large layer waits
/// while its memory is given back.
pub struct Retired(Vec<Input>);

impl Retired {
    /// Whether a layer is among them.
    pub(super) fn holds(&self, layer: &Arc<Layer>) -> bool {
        self.0.iter().any(|input| Arc::ptr_eq(&input.layer, layer))
    }

    /// Whether nobody else holds the layers any more.
    #[must_use]
    pub fn is_free(&self) -> bool {
        // Who has a picture can copy it, but nobody finds a layer that only this holds.
        self.0.iter().all(|input| Arc::strong_count(&input.layer) == 1)
    }
}

impl Input {
    fn of(layer: Arc<Layer>) -> Self {
        Self { ended: layer.ends.ended(), layer }
    }
}

impl Merge {
    /// Which of the layers, the largest first, should become one, among those of a pace: none where they are in good
    /// shape, or where there is no room.
    pub(super) fn due(
        layers: &[Arc<Layer>],
        sequence: u64,
        sizes: Sizes,
        pace: Pace,
        room: Room,
    ) -> Option<Self> {
        let allowed = |bulk| sizes.allow(bulk, room);
        let is_of = |layer: &&Arc<Layer>| sizes.pace(layer.len()) == pace;
        let among: Vec<_> = layers.iter().filter(is_of).collect();
        // From the smallest on; one that is much smaller than the next does not keep that from its like.
        let several = || {
            let runs = (2..=among.len()).rev().map(|end| Self::alike(&among[..end], allowed));
            runs.into_iter().find(|run| run.len() >= 2)
        };
        // A quarter of ended entries is given back.
        let is_spent = |layer: &Layer| layer.ends.ended() * 4 > layer.len();
        let spent = || among.iter().position(|layer| is_spent(layer) && allowed(layer.bulk()));
        let run = several().or_else(|| spent().map(|at| at..at + 1))?;
        let inputs = among[run].iter().rev().map(|layer| Input::of(Arc::clone(layer))).collect();
        Some(Self { inputs, sequence })
    }

    /// Where the run begins that ends with the last of the layers: of those before it as many belong to it as are not
    /// much larger than all after them together.
    fn alike(layers: &[&Arc<Layer>], allowed: impl Fn(Bulk) -> bool) -> Range<usize> {
        let (mut entries, mut size) = (0, Bulk::default());
        let mut start = layers.len();
        for (at, layer) in layers.iter().enumerate().rev() {
            size = size.and(layer.bulk());
            if start < layers.len() && (layer.len() >= GROWTH * entries || !allowed(size)) {
                break;
            }
            entries += layer.len() - layer.ends.ended();
            start = at;
        }
        start..layers.len()
    }

    /// Makes the one layer.
    #[must_use]
    pub fn run(self) -> Merged {
        let mut draft = Draft::default();
        for input in &self.inputs {
            draft.absorb(&input.layer);
        }
        Merged { output: draft.finish(self.sequence), inputs: self.inputs }
    }
}

impl Merged {
    /// The layers that it was merged from, and the one.
    pub(super) fn into_parts(self) -> (Retired, Layer) {
        (Retired(self.inputs), self.output)
    }

    /// Ends in the one layer what ended in the others since the merge was planned.
    pub(super) fn catch_up(&self, sequence: u64) {
        for Input { layer, ended } in &self.inputs {
            for entry in layer.ends.since(*ended) {
                let seen = layer.rows.get(entry);
                // Of one name one entry at most was alive when the merge was planned. It was taken over, unless it
                // ended before its layer was read.
                if let Some(copy) = self.output.find(&Name::of(seen.bank, seen.name)) {
                    self.output.ends.end(copy, sequence);
                }
            }
        }
    }
}

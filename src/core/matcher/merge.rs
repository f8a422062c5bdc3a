//! Merging: many small layers become one, so that a search looks into few.
//!
//! Planning and adopting are quick and belong to whoever changes the matcher; running takes time and can be done
//! elsewhere, while the matcher goes on changing.

use crate::core::matcher::layer::{Draft, Layer};
use std::sync::Arc;

/// A layer is merged into one of less than so many times the size of those below it together.
const GROWTH: usize = 4;

/// Small layers are merged with each change, large ones elsewhere: neither meddles with the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// Of at most so many entries: merged at once.
    Small(usize),
    /// Of more: merged in time.
    Large(usize),
}

impl Size {
    const fn is_of(self, entries: usize) -> bool {
        match self {
            Self::Small(most) => entries <= most,
            Self::Large(most) => entries > most,
        }
    }
}

/// Layers that should become one.
pub struct Merge {
    inputs: Vec<Arc<Layer>>,
    sequence: u64,
}

/// One layer in the place of others.
pub struct Merged {
    pub(super) inputs: Vec<Arc<Layer>>,
    pub(super) output: Layer,
}

impl Merge {
    /// Which of the layers, the largest first, should become one, among those that have `size`: none where they are in
    /// good shape.
    pub(super) fn due(layers: &[Arc<Layer>], sequence: u64, size: Size) -> Option<Self> {
        let among: Vec<_> = layers.iter().filter(|layer| size.is_of(layer.len())).collect();
        // From the smallest on; one that is much smaller than the next does not keep that from its like.
        let runs = (1..=among.len()).rev().map(|end| Self::alike(&among[..end]));
        let several = runs.into_iter().find(|inputs| inputs.len() >= 2);
        // A quarter of ended entries is given back.
        let spent = || among.iter().find(|layer| layer.ended() * 4 > layer.len());
        let inputs = several.or_else(|| Some(vec![Arc::clone(spent()?)]))?;
        Some(Self { inputs, sequence })
    }

    /// The last of the layers, and of those before it as many as are not much larger than all after them together.
    fn alike(layers: &[&Arc<Layer>]) -> Vec<Arc<Layer>> {
        let mut inputs: Vec<Arc<Layer>> = Vec::new();
        let mut entries = 0;
        for layer in layers.iter().rev() {
            let fits = || {
                let all: Vec<_> = inputs.iter().chain([*layer]).map(|layer| &**layer).collect();
                Layer::fit(&all)
            };
            if !inputs.is_empty() && (layer.len() >= GROWTH * entries || !fits()) {
                break;
            }
            entries += layer.len() - layer.ended();
            inputs.push(Arc::clone(layer));
        }
        inputs
    }

    /// Makes the one layer.
    #[must_use]
    pub fn run(self) -> Merged {
        let mut draft = Draft::default();
        for layer in &self.inputs {
            draft.absorb(layer);
        }
        Merged { output: draft.finish(self.sequence), inputs: self.inputs }
    }
}

impl Merged {
    /// Ends in the one layer what ended in the others meanwhile.
    pub(super) fn catch_up(&self, sequence: u64) {
        let alive: usize = self.inputs.iter().map(|layer| layer.len() - layer.ended()).sum();
        if alive == self.output.len() {
            return;
        }
        for layer in &self.inputs {
            let ended = (0..layer.len() as u32).filter(|entry| !layer.is_alive(*entry, u64::MAX));
            for entry in ended {
                let seen = layer.rows.get(entry);
                // What ended before the merging began is not there; or stands for a later entry of the same name,
                // which is alive in one of the others.
                if let Some(copy) = self.output.find(seen.bank, seen.name)
                    && self.inputs.iter().all(|other| other.find(seen.bank, seen.name).is_none())
                {
                    self.output.end(copy, sequence);
                }
            }
        }
    }
}

//! The box of PDQ's filter along one dimension, and the places at which the filtered picture is read.

use super::SIDE;

/// A box along one dimension: which values are in the sum when a place is written.
#[derive(Clone, Copy)]
pub(super) struct Window {
    /// Number of values along the dimension.
    pub(super) length: usize,
    /// Greatest number of values in the sum.
    pub(super) full: usize,
    /// How many values are in the sum when the first place is written.
    pub(super) ahead: usize,
}

impl Window {
    /// The window of the reference for a dimension of this length.
    pub(super) fn over(length: usize) -> Self {
        let full = length.div_ceil(2 * SIDE);
        Self { length, full, ahead: (full + 2) / 2 }
    }

    /// First value in the sum when place `out` is written, and the one after the last.
    pub(super) fn range(&self, out: usize) -> (usize, usize) {
        let last = (out + self.ahead).min(self.length);
        ((out + self.ahead).saturating_sub(self.full), last)
    }

    /// Number of values in the sum when place `out` is written.
    pub(super) fn size(&self, out: usize) -> f32 {
        let (first, last) = self.range(out);
        (last - first) as f32
    }

    /// Where place `index` of 64 is read: the centre of its field.
    pub(super) fn centre(&self, index: usize) -> usize {
        (2 * index + 1) * self.length / (2 * SIDE)
    }
}

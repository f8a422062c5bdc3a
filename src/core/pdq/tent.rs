//! The tents along one dimension: which values a place of the result is the sum of, with what weights.

use super::SIDE;
use super::window::Window;

/// Values that are added at once; weights are followed by zeros up to a whole number of these.
pub(super) const BAND: usize = 4;
/// Places of the result along a dimension, counted from either end.
pub(super) const PLACES: usize = 2 * SIDE;

/// The values that one place of the result is the sum of.
#[derive(Clone, Copy)]
pub(super) struct Tent {
    /// The first of these values.
    pub(super) first: usize,
    /// How many there are.
    pub(super) length: usize,
    /// Where their weights stand; those of a tent that no edge cuts, at the beginning.
    weights: usize,
    /// What their sum is multiplied with.
    pub(super) scale: f32,
    /// The place of the result; from [`SIDE`] on for those counted from the other end.
    pub(super) place: usize,
}

impl Tent {
    /// The one after the last of its values.
    pub(super) const fn end(&self) -> usize {
        self.first + self.length
    }

    /// Whether no edge cuts it: its weights are the whole numbers to the window and back to 1.
    pub(super) const fn is_whole(&self) -> bool {
        self.weights == 0
    }
}

/// All tents along a dimension.
pub(super) struct Axis {
    /// Greatest number of values in a box.
    pub(super) full: usize,
    /// In the order in which they end.
    pub(super) tents: Vec<Tent>,
    /// Whole numbers first, then those of each tent at an edge.
    weights: Vec<f32>,
}

impl Axis {
    /// The tents along so many values.
    pub(super) fn over(length: usize) -> Self {
        let window = Window::over(length);
        let whole = 2 * window.full - 1;
        let weights = (0..whole).map(|k| (k + 1).min(whole - k) as f32);
        let mut axis = Self {
            full: window.full,
            tents: Vec::with_capacity(PLACES),
            weights: weights.collect(),
        };
        axis.pad();
        let upright: [Tent; SIDE] = std::array::from_fn(|index| axis.tent(window, index));
        let mut upright_next = upright.iter().copied().peekable();
        for tent in upright.iter().rev() {
            let reversed = axis.reversed(tent, length);
            while let Some(tent) = upright_next.next_if(|tent| tent.end() <= reversed.end()) {
                axis.tents.push(tent);
            }
            axis.tents.push(reversed);
        }
        axis.tents.extend(upright_next);
        axis
    }

    /// The weights of a tent, followed by zeros up to a whole number of bands.
    pub(super) fn weights(&self, tent: &Tent) -> &[f32] {
        &self.weights[tent.weights..][..tent.length.next_multiple_of(BAND)]
    }

    /// The weights of a tent, band by band, with the numbers of the values. Where there is no weight, any value will do.
    pub(super) fn bands(&self, tent: &Tent) -> impl Iterator<Item = ([usize; BAND], &[f32; BAND])> {
        let last = tent.end() - 1;
        let numbers = (tent.first..).step_by(BAND);
        let numbers = numbers.map(move |first| std::array::from_fn(|k| (first + k).min(last)));
        numbers.zip(self.weights(tent).as_chunks().0)
    }

    fn pad(&mut self) {
        self.weights.resize(self.weights.len().next_multiple_of(BAND), 0.0);
    }

    /// The tent of place `index` of 64.
    fn tent(&mut self, window: Window, index: usize) -> Tent {
        let (from, to) = window.range(window.centre(index));
        let (first, last) = (window.range(from).0, window.range(to - 1).1);
        let length = last - first;
        let full = window.full as f32;
        // Where a box is cut on its left, so are those before it; on its right, those behind it.
        let whole = [from, to - 1].into_iter().all(|place| window.size(place) == full)
            && to - from == window.full;
        let (weights, scale) = if whole {
            (0, 1.0 / (full * full))
        } else {
            let mut weights = vec![0.0_f64; length];
            for place in from..to {
                let (a, b) = window.range(place);
                let share = 1.0 / ((to - from) * (b - a)) as f64;
                weights[a - first..b - first].iter_mut().for_each(|weight| *weight += share);
            }
            let begin = self.weights.len();
            self.weights.extend(weights.into_iter().map(|weight| weight as f32));
            self.pad();
            (begin, 1.0)
        };
        Tent { first, length, weights, scale, place: index }
    }

    /// The tent of the same place where the values are counted from the other end.
    fn reversed(&mut self, tent: &Tent, length: usize) -> Tent {
        let mut weights = tent.weights;
        if !tent.is_whole() {
            weights = self.weights.len();
            self.weights.extend_from_within(tent.weights..tent.weights + tent.length);
            self.weights[weights..].reverse();
            self.pad();
        }
        Tent { first: length - tent.end(), weights, place: tent.place + SIDE, ..*tent }
    }
}

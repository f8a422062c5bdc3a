//! The hash of a large JPEG from the coefficients of its blocks, without its pixels.
//!
//! Filter and decimation are linear and work on each axis alone, so every field of the small square is a weighted sum
//! of pixels, with the same tent of weights as in [`super::hash`]. Such a sum over a block is a sum over its
//! coefficients as well. What is left out are the frequencies of a block from the fifth on, of which a tent over
//! several blocks has next to nothing. How far the hash is from that of [`super::hash`] was measured:
//! `docs/decisions/0012-coefficients.md`.

use super::hashed::Hashed;
use super::small::{SIDE, Small};
use super::window::Window;
use super::{bits, dct};
use crate::core::jpeg::{self, Centred, Edges, KEPT, Limits, Low, NotThisWay, Take};
use std::ops::Range;

/// Pixels from which a picture is hashed so. Smaller ones have their symmetries hashed from turned pixels.
pub const PIXELS_MIN: u64 = 1 << 20;

/// Name and version of the rules of [`hash_coefficients`].
#[must_use]
pub const fn engine_coefficients() -> &'static str {
    "pdq/1 coefficients/1"
}

/// Samples that are to be added to black: blocks are handed on less the middle.
const MIDDLE: f32 = 128.0;

/// The weights that a field gives to what a block has along one axis.
#[derive(Clone, Copy)]
struct Weights {
    field: usize,
    samples: [f32; 8],
    frequencies: [f32; KEPT],
}

/// For each block along an axis: the fields that it is a part of.
struct Axis {
    weights: Vec<Weights>,
    /// For each block, where its weights stand.
    blocks: Vec<Range<usize>>,
}

impl Axis {
    /// `mirrored` reads the axis from its other end.
    fn over(length: usize, mirrored: bool) -> Self {
        let tents: Vec<_> = (0..SIDE)
            .map(|field| {
                let (first, mut tent) = tent(field, length);
                if mirrored {
                    tent.reverse();
                    (length - first - tent.len(), tent)
                } else {
                    (first, tent)
                }
            })
            .collect();
        let mut axis = Self { weights: Vec::new(), blocks: Vec::new() };
        for from in (0..length).step_by(8) {
            let begin = axis.weights.len();
            for (field, (first, tent)) in tents.iter().enumerate() {
                if (*first < from + 8) && (from < first + tent.len()) {
                    let samples = std::array::from_fn(|sample| {
                        let at = (from + sample).checked_sub(*first);
                        at.and_then(|at| tent.get(at)).copied().unwrap_or(0.0)
                    });
                    let of = |waves: &[f32; 8]| waves.iter().zip(samples).map(|(a, b)| a * b).sum();
                    let frequencies = std::array::from_fn(|k| of(&jpeg::basis()[k]));
                    axis.weights.push(Weights { field, samples, frequencies });
                }
            }
            axis.blocks.push(begin..axis.weights.len());
        }
        axis
    }

    /// None beyond the end of the axis.
    fn of(&self, block: usize) -> &[Weights] {
        self.blocks.get(block).and_then(|own| self.weights.get(own.clone())).unwrap_or_default()
    }
}

/// What a box over a box gives to each place of an axis at the centre of a field, and the first such place.
fn tent(field: usize, length: usize) -> (usize, Vec<f32>) {
    let window = Window::over(length);
    let (from, to) = window.range(window.centre(field));
    let (first, end) = (window.range(from).0, window.range(to - 1).1);
    // By how much the weight changes at each place.
    let mut changes = vec![0.0_f64; end - first + 1];
    for place in from..to {
        let (a, b) = window.range(place);
        let weight = 1.0 / ((to - from) * (b - a)) as f64;
        changes[a - first] += weight;
        changes[b - first] -= weight;
    }
    let mut weight = 0.0;
    let running = changes[..end - first].iter().map(|change| {
        weight += change;
        weight as f32
    });
    (first, running.collect())
}

/// The fields of one way of looking at the picture, along the axes of its blocks.
struct Field {
    across: Axis,
    down: Axis,
    /// Rows of blocks and columns of blocks are exchanged in the picture as it is looked at.
    transposed: bool,
    sums: Small,
}

impl Field {
    /// As an EXIF orientation asks, which is 1 for the picture as it is stored.
    fn of(width: u32, height: u32, orientation: u8) -> Self {
        // The same as in `raster::View::oriented`.
        let mirrored = matches!(orientation, 2 | 3 | 7 | 8);
        let flipped = matches!(orientation, 3 | 4 | 6 | 7);
        Self {
            across: Axis::over(width as usize, mirrored),
            down: Axis::over(height as usize, flipped),
            transposed: matches!(orientation, 5..=8),
            sums: [[0.0; SIDE]; SIDE],
        }
    }

    fn low(&mut self, column: usize, row: usize, low: &Low) {
        for down in self.down.of(row) {
            let mut sums = [0.0; KEPT];
            for (weight, values) in down.frequencies.iter().zip(low) {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += weight * value;
                }
            }
            for across in self.across.of(column) {
                let products = across.frequencies.iter().zip(sums);
                let sum: f32 = products.map(|(weight, sum)| weight * sum).sum();
                self.sums[down.field][across.field] += sum;
            }
        }
    }

    fn samples(&mut self, column: usize, row: usize, samples: &Centred) {
        for down in self.down.of(row) {
            let mut sums = [0.0; 8];
            for (weight, values) in down.samples.iter().zip(samples.chunks_exact(8)) {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += weight * value;
                }
            }
            for across in self.across.of(column) {
                let products = across.samples.iter().zip(sums);
                let sum: f32 = products.map(|(weight, sum)| weight * sum).sum();
                self.sums[down.field][across.field] += sum;
            }
        }
    }

    fn hashed(&self) -> Hashed {
        let mut small = [[0.0; SIDE]; SIDE];
        for (i, row) in self.sums.iter().enumerate() {
            for (j, sum) in row.iter().enumerate() {
                let place = if self.transposed { &mut small[j][i] } else { &mut small[i][j] };
                *place = sum + MIDDLE;
            }
        }
        Hashed { hashes: bits::dihedral(&dct::transform(&small)), quality: bits::quality(&small) }
    }
}

struct Fields {
    stored: Field,
    upright: Option<Field>,
}

impl Take for Fields {
    fn low(&mut self, column: usize, row: usize, low: &Low) {
        self.stored.low(column, row, low);
        if let Some(upright) = &mut self.upright {
            upright.low(column, row, low);
        }
    }

    fn samples(&mut self, column: usize, row: usize, samples: &Centred) {
        self.stored.samples(column, row, samples);
        if let Some(upright) = &mut self.upright {
            upright.samples(column, row, samples);
        }
    }
}

/// A picture hashed from coefficients.
#[derive(Debug)]
pub struct Coarse {
    /// Width and height as it is stored, in pixels.
    pub sides: (u32, u32),
    /// As it is stored.
    pub stored: Hashed,
    /// As its EXIF orientation asks, where it asks for something, with width and height.
    pub upright: Option<((u32, u32), Hashed)>,
    /// Its outermost lines, which tell whether a trimmed form is to be hashed as well; that takes pixels.
    pub edges: Edges,
}

/// Hashes a sequential JPEG of at least [`PIXELS_MIN`] pixels from its coefficients; `orientation` is the EXIF one, 1
/// to 8. Within a few bits of [`super::hash`] of its pixels.
///
/// # Errors
/// [`NotThisWay`] where only a full decoder can tell what the picture is, if it is one.
pub fn hash_coefficients(
    bytes: &[u8],
    orientation: u8,
    limits: Limits,
) -> Result<Coarse, NotThisWay> {
    let pixels_min = limits.pixels_min.max(PIXELS_MIN);
    let opened = jpeg::open(bytes, Limits { pixels_min, ..limits })?;
    let (width, height) = (opened.width(), opened.height());
    if width.min(height) < SIDE as u32 {
        return Err(NotThisWay::Size);
    }
    let upright = (2..=8).contains(&orientation).then(|| Field::of(width, height, orientation));
    let mut fields = Fields { stored: Field::of(width, height, 1), upright };
    let edges = opened.follow(&mut fields)?;
    Ok(Coarse {
        sides: (width, height),
        stored: fields.stored.hashed(),
        upright: fields.upright.as_ref().map(|upright| {
            let sides = if upright.transposed { (height, width) } else { (width, height) };
            (sides, upright.hashed())
        }),
        edges,
    })
}

#[cfg(test)]
mod tests {
    use super::super::filter;
    use super::*;
    use crate::core::raster::{Luma, Raster};

    fn drawn(width: u32, height: u32) -> Raster {
        let grey = (0..width * height).map(|i| {
            let (x, y) = (i % width, i / width);
            ((x * x / 7) ^ (y * 5) ^ (x * y / 91)) as u8
        });
        Raster::grey(width, height, grey.collect()).unwrap()
    }

    fn blocks(raster: &Raster, mut take: impl FnMut(usize, usize, &Centred)) {
        let (columns, rows) = (raster.width().div_ceil(8), raster.height().div_ceil(8));
        let luma = Luma::of(raster);
        for row in 0..rows as usize {
            for column in 0..columns as usize {
                let samples = std::array::from_fn(|at| {
                    let (x, y) = (8 * column + at % 8, 8 * row + at / 8);
                    let inside = x < raster.width() as usize && y < raster.height() as usize;
                    // What lies outside must not matter.
                    let at = y * raster.width() as usize + x;
                    if inside { luma.values()[at] - MIDDLE } else { 9999.0 }
                });
                take(column, row, &samples);
            }
        }
    }

    fn farthest(a: &Small, b: &Small) -> f32 {
        let both = a.as_flattened().iter().zip(b.as_flattened());
        both.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn sums_over_samples_are_the_filter_at_any_size_and_turn() {
        for (width, height) in [(64, 64), (65, 129), (200, 127), (257, 640), (1000, 131)] {
            let raster = drawn(width, height);
            for orientation in 1..=8 {
                let mut field = Field::of(width, height, orientation);
                blocks(&raster, |column, row, samples| field.samples(column, row, samples));
                let expected = filter::reduce(&raster.view().oriented(orientation));
                let mut found = field.sums;
                if field.transposed {
                    found = std::array::from_fn(|i| std::array::from_fn(|j| field.sums[j][i]));
                }
                found.as_flattened_mut().iter_mut().for_each(|value| *value += MIDDLE);
                assert!(farthest(&found, &expected) < 0.02, "{width}x{height}, {orientation}");
            }
        }
    }

    #[test]
    fn the_lowest_frequencies_are_nearly_all_of_a_tent_over_blocks() {
        for length in [1024, 1080, 1920, 3000, 4000, 8192] {
            let axis = Axis::over(length, false);
            // Of every weight of a field, how much is not in the frequencies that are kept: for a
            // picture of noise, the part of the sum's variance that is lost.
            let (mut all, mut kept) = (0.0, 0.0);
            for weights in &axis.weights {
                all += weights.samples.iter().map(|w| w * w).sum::<f32>();
                kept += weights.frequencies.iter().map(|w| w * w).sum::<f32>();
            }
            assert!(kept > 0.996 * all, "{length}: {}", kept / all);
            assert!(axis.blocks.len() == length.div_ceil(8) && axis.of(length).is_empty());
        }
    }
}

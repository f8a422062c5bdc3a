//! The outermost lines of a picture: whether any of them could be the border that trimming cuts off.

use super::block::Range;
use super::pixels::Centred;
use crate::core::raster::{BLUE, GREEN, RED, STRAY_ONE_IN};

/// By how much decoders differ in a sample, and luma from what rounding makes of it.
const MARGIN: f32 = 2.0;

/// A line of pixels: luma before colours are added, and between which values colours lie near it.
#[derive(Clone)]
struct Line {
    lumas: Vec<u8>,
    /// Pixels of a unit along the line.
    unit: usize,
    /// For each unit along it: blue and red.
    colours: Vec<[Range; 2]>,
}

impl Line {
    fn of(length: u32, unit: usize, colours: Range) -> Self {
        let length = length as usize;
        Self { lumas: vec![0; length], unit, colours: vec![[colours; 2]; length.div_ceil(unit)] }
    }
}

/// The four outermost lines of a picture.
///
/// Trimming looks at colours as a decoder interpolates them, which is not repeated here; what is asked here is only
/// whether a line is certainly no border, whatever the colours between those of neighbouring units are.
#[derive(Clone)]
pub struct Edges {
    /// Above, below, left, right.
    lines: [Line; 4],
}

impl std::fmt::Debug for Edges {
    /// Prints lengths only: pixels must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Edges({}x{})", self.lines[0].lumas.len(), self.lines[2].lumas.len())
    }
}

impl Edges {
    /// `across` and `down` are the pixels of a unit.
    pub(super) fn of(width: u32, height: u32, (across, down): (usize, usize)) -> Self {
        let row = Line::of(width, across, Range::NONE);
        let column = Line::of(height, down, Range::NONE);
        Self { lines: [row.clone(), row, column.clone(), column] }
    }

    /// Takes between which values blue and red lie in a unit near the edges.
    ///
    /// A decoder may mix the next row or column of colours into a line. That is in the same unit, unless the line is the
    /// first of colours in the last unit.
    pub(super) fn coloured(&mut self, column: usize, row: usize, colours: [Range; 2]) {
        let [above, below, left, right] = &mut self.lines;
        let (width, height) = (above.lumas.len(), left.lumas.len());
        let is_last = |line: &Line, length: usize, place: usize| {
            let units = length.div_ceil(line.unit);
            let is_thin = (length - 1) % line.unit < 4;
            place + 1 == units || (place + 2 == units && is_thin)
        };
        let is_below = is_last(left, height, row);
        let is_right = is_last(above, width, column);
        for (line, place, is_near) in [
            (above, column, row == 0),
            (below, column, is_below),
            (left, row, column == 0),
            (right, row, is_right),
        ] {
            if let Some(known) = line.colours.get_mut(place).filter(|_| is_near) {
                *known = [known[0].and(colours[0]), known[1].and(colours[1])];
            }
        }
    }

    /// Takes what of a block of luma lies on a line.
    pub(super) fn take(&mut self, column: usize, row: usize, samples: &Centred) {
        let (width, height) = (self.lines[0].lumas.len(), self.lines[2].lumas.len());
        let (left, top) = (8 * column, 8 * row);
        // To the nearest byte, as decoders do; the conversion saturates.
        let sample = |x: usize, y: usize| (samples[8 * (y % 8) + x % 8] + 128.5) as u8;
        for (line, y) in [(0, 0), (1, height - 1)] {
            if (top..top + 8).contains(&y) {
                for x in left..width.min(left + 8) {
                    self.lines[line].lumas[x] = sample(x, y);
                }
            }
        }
        for (line, x) in [(2, 0), (3, width - 1)] {
            if (left..left + 8).contains(&x) {
                for y in top..height.min(top + 8) {
                    self.lines[line].lumas[y] = sample(x, y);
                }
            }
        }
    }

    /// Whether some side could have a uniform border at this tolerance. Where not, trimming finds none on any side.
    #[must_use]
    pub fn may_be_border(&self, tolerance: u8) -> bool {
        self.lines.iter().any(|line| line.may_be_uniform(f32::from(tolerance)))
    }
}

impl Line {
    /// A line is uniform when all of its pixels but a few strays are near one colour, so that their luma is near the
    /// luma of that colour. Every pixel tells which lumas it would be near to; the question is whether there is one
    /// that enough pixels would.
    fn may_be_uniform(&self, tolerance: f32) -> bool {
        // Places stand for whole numbers from `-BELOW` on.
        const BELOW: i32 = 512;
        let mut changes = [0_i64; 4 * BELOW as usize];
        let place = |value: f32| (value as i32 + BELOW).clamp(0, 4 * BELOW - 1) as usize;
        for (unit, lumas) in self.lumas.chunks(self.unit).enumerate() {
            let near = self.colours[unit.saturating_sub(1)..].iter().take(2 + unit.min(1));
            let near =
                near.fold([Range::NONE; 2], |all, one| [all[0].and(one[0]), all[1].and(one[1])]);
            for &luma in lumas {
                let (least, most) = seen(f32::from(luma), near);
                changes[place((least - tolerance - MARGIN).floor())] += 1;
                changes[place((most + tolerance + MARGIN).ceil() + 1.0)] -= 1;
            }
        }
        let mut near = 0;
        let most = changes.iter().map(|change| {
            near += change;
            near
        });
        let strays = self.lumas.len() / STRAY_ONE_IN as usize;
        most.max().unwrap_or(0) >= self.lumas.len().saturating_sub(strays) as i64
    }
}

/// Between which values the luma of a pixel lies once its colours were held within a byte each. While they are within
/// it, colours do not change luma.
fn seen(luma: f32, [blue, red]: [Range; 2]) -> (f32, f32) {
    let levels = |range: Range| (range.low as f32 / 8.0, range.high as f32 / 8.0);
    let (blue, red) = (levels(blue), levels(red));
    let channels = [
        (RED, 1.402 * red.0, 1.402 * red.1),
        (GREEN, -0.344_136 * blue.1 - 0.714_136 * red.1, -0.344_136 * blue.0 - 0.714_136 * red.0),
        (BLUE, 1.772 * blue.0, 1.772 * blue.1),
    ];
    let raised = channels.iter().map(|(weight, low, _)| weight * (-luma - low).max(0.0));
    let lowered = channels.iter().map(|(weight, _, high)| weight * (luma + high - 255.0).max(0.0));
    (luma - lowered.sum::<f32>(), luma + raised.sum::<f32>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::raster::{Raster, luma};

    fn edges(lumas: [&[u8]; 4], blue: Range, red: Range) -> Edges {
        let line = |lumas: &[u8]| Line {
            lumas: lumas.to_vec(),
            unit: 16,
            colours: vec![[blue, red]; lumas.len().div_ceil(16)],
        };
        Edges { lines: lumas.map(line) }
    }

    #[test]
    fn a_line_is_uniform_only_while_all_but_a_few_are_near() {
        let varied: Vec<u8> = (0..128).map(|x| 100 + 30 * (x % 2)).collect();
        let may_be = |line: &[u8], tolerance| {
            let grey = Range::MIDDLE;
            edges([&varied, &varied, &varied, line], grey, grey).may_be_border(tolerance)
        };
        assert!(!may_be(&varied, 12));
        let mut line = [100; 128];
        assert!(may_be(&line, 12));
        line[..2].fill(200);
        assert!(may_be(&line, 12), "two strays of 128");
        line[..3].fill(200);
        assert!(!may_be(&line, 12), "three strays of 128");
        assert!(may_be(&line, 60));
    }

    #[test]
    fn strong_colours_leave_more_open() {
        let varied: Vec<u8> = (0..128).map(|x| 20 + 40 * (x % 2)).collect();
        let lines = [&varied[..]; 4];
        assert!(!edges(lines, Range::MIDDLE, Range::MIDDLE).may_be_border(12));
        let strong = Range { low: -800, high: 800 };
        assert!(edges(lines, strong, strong).may_be_border(12));
        // Colours of the next unit may be mixed in.
        let mut one = edges(lines, Range::MIDDLE, Range::MIDDLE);
        one.lines[0].colours.iter_mut().skip(1).step_by(2).for_each(|unit| *unit = [strong; 2]);
        assert!(one.may_be_border(12));
    }

    #[test]
    fn colours_are_kept_for_the_lines_that_they_are_near() {
        let far = [Range { low: -80, high: 80 }; 2];
        for (height, is_thin) in [(33, true), (36, true), (37, false), (48, false)] {
            let mut edges = Edges::of(64, height, (16, 16));
            edges.coloured(1, 1, far);
            let known = |line: usize| edges.lines[line].colours[1] == far;
            assert_eq!([0, 1, 2, 3].map(known), [false, is_thin, false, false], "{height}");
        }
        let mut edges = Edges::of(64, 64, (16, 16));
        edges.coloured(0, 3, far);
        assert!(edges.lines[1].colours[0] == far && edges.lines[2].colours[3] == far);
    }

    proptest::proptest! {
        /// Whatever colours there are within the bounds: what trimming takes for a border may be one.
        #[test]
        fn no_border_is_missed(
            spread in 0_i32..60,
            middle in 0_i32..256,
            blue in -128_i32..128,
            red in -128_i32..128,
            noise in proptest::collection::vec((0_i32..1000, -20_i32..20, -20_i32..20), 96),
        ) {
            let mut lumas = Vec::new();
            let mut pixels = Vec::new();
            let (mut all_blue, mut all_red) = (Range::NONE, Range::NONE);
            for (up, more_blue, more_red) in noise {
                let y = (middle + up % (spread + 1)).clamp(0, 255);
                let blue = (blue + more_blue).clamp(-128, 127) as f32;
                let red = (red + more_red).clamp(-128, 127) as f32;
                let one = |level: f32| Range { low: 8 * level as i32, high: 8 * level as i32 };
                (all_blue, all_red) = (all_blue.and(one(blue)), all_red.and(one(red)));
                let level = y as f32;
                let colours = [level + 1.402 * red, level - 0.344_136 * blue - 0.714_136 * red, level + 1.772 * blue];
                let rgb = colours.map(|colour| colour.round() as u8);
                let mut seen = [level - 128.0];
                super::super::pixels::seen(&mut seen, &[blue; 8], &[red; 8]);
                assert!((luma(rgb[0], rgb[1], rgb[2]) - seen[0] - 128.0).abs() < 1.1);
                lumas.push(y as u8);
                pixels.push(rgb);
            }
            // The line is the uppermost of a picture that has no other border.
            let mut rgb = pixels.concat();
            for y in 1..96 {
                rgb.extend((0..96).flat_map(|x| [if (x + y) % 2 == 0 { 0 } else { 255 }; 3]));
            }
            let trimmed = Raster::new(96, 96, rgb).unwrap().trimmed(12).is_some();
            let varied: Vec<u8> = (0..96).map(|x| if x % 2 == 0 { 0 } else { 255 }).collect();
            let edges = edges([&lumas, &varied, &varied, &varied], all_blue, all_red);
            proptest::prop_assert!(!trimmed || edges.may_be_border(12));
        }
    }
}

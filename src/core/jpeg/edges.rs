//! The outermost lines of a picture: whether any of them could be the border that trimming cuts off.

use super::pixels::Centred;
use crate::core::raster::STRAY_ONE_IN;

/// By how much decoders differ in a sample, and luma from what rounding makes of it.
const MARGIN: f32 = 2.0;

/// Luma of the four outermost lines, before colours are added, and how strong those colours can be.
///
/// Trimming looks at colours as a decoder interpolates them, which is not repeated here; what is asked here is only
/// whether a line is certainly no border, whatever the colours are within these bounds.
#[derive(Clone)]
pub struct Edges {
    /// Above, below, left, right.
    lines: [Vec<u8>; 4],
    /// Greatest difference of blue and of red from grey, anywhere near the edges.
    blue: f32,
    red: f32,
}

impl std::fmt::Debug for Edges {
    /// Prints lengths only: pixels must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Edges({}x{})", self.lines[0].len(), self.lines[2].len())
    }
}

impl Edges {
    pub(super) fn of(width: u32, height: u32) -> Self {
        let lines = [width, width, height, height].map(|length| vec![0; length as usize]);
        Self { lines, blue: 0.0, red: 0.0 }
    }

    /// Takes how far colours can be from grey somewhere near the edges.
    pub(super) fn coloured(&mut self, blue: f32, red: f32) {
        (self.blue, self.red) = (self.blue.max(blue), self.red.max(red));
    }

    /// Takes what of a block lies on a line.
    pub(super) fn take(&mut self, column: usize, row: usize, samples: &Centred) {
        let (width, height) = (self.lines[0].len(), self.lines[2].len());
        let (left, top) = (8 * column, 8 * row);
        // Samples are whole numbers between -128 and 127.
        let sample = |x: usize, y: usize| (samples[8 * (y % 8) + x % 8] + 128.0) as u8;
        for (line, y) in [(0, 0), (1, height - 1)] {
            if (top..top + 8).contains(&y) {
                for x in left..width.min(left + 8) {
                    self.lines[line][x] = sample(x, y);
                }
            }
        }
        for (line, x) in [(2, 0), (3, width - 1)] {
            if (left..left + 8).contains(&x) {
                for y in top..height.min(top + 8) {
                    self.lines[line][y] = sample(x, y);
                }
            }
        }
    }

    /// Whether some side could have a uniform border at this tolerance. Where not, trimming finds none on any side.
    #[must_use]
    pub fn may_be_border(&self, tolerance: u8) -> bool {
        self.lines.iter().any(|line| self.may_be_uniform(line, f32::from(tolerance)))
    }

    /// A line is uniform when all of its pixels but a few strays are near one colour, so that their luma is near the
    /// luma of that colour. Every pixel tells which lumas it would be near to; the question is whether there is one
    /// that enough pixels would.
    fn may_be_uniform(&self, line: &[u8], tolerance: f32) -> bool {
        // Places stand for whole numbers from `-BELOW` on.
        const BELOW: i32 = 512;
        let mut changes = [0_i64; 4 * BELOW as usize];
        let place = |value: f32| (value as i32 + BELOW).clamp(0, 4 * BELOW - 1) as usize;
        for &sample in line {
            let (least, most) = self.seen(f32::from(sample));
            changes[place((least - tolerance - MARGIN).floor())] += 1;
            changes[place((most + tolerance + MARGIN).ceil() + 1.0)] -= 1;
        }
        let mut near = 0;
        let most = changes.iter().map(|change| {
            near += change;
            near
        });
        let strays = line.len() / STRAY_ONE_IN as usize;
        most.max().unwrap_or(0) >= line.len().saturating_sub(strays) as i64
    }

    /// Between which values the luma of a pixel lies once its colours were held within a byte each.
    fn seen(&self, sample: f32) -> (f32, f32) {
        let colours = [
            (0.299, 1.402 * self.red),
            (0.587, 0.345 * self.blue + 0.715 * self.red),
            (0.114, 1.772 * self.blue),
        ];
        let cut = |room: f32| {
            colours.iter().map(|(weight, far)| weight * (far - room).max(0.0)).sum::<f32>()
        };
        (sample - cut(255.0 - sample), sample + cut(sample))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::raster::{Raster, luma};

    #[test]
    fn a_line_is_uniform_only_while_all_but_a_few_are_near() {
        let mut edges = Edges::of(128, 128);
        let varied: Vec<u8> = (0..128).map(|x| 100 + 30 * (x % 2)).collect();
        edges.lines = std::array::from_fn(|_| varied.clone());
        assert!(!edges.may_be_border(12));
        edges.lines[3].fill(100);
        assert!(edges.may_be_border(12));
        edges.lines[3][..2].fill(200);
        assert!(edges.may_be_border(12), "two strays of 128");
        edges.lines[3][..3].fill(200);
        assert!(!edges.may_be_border(12), "three strays of 128");
        assert!(edges.may_be_border(60));
    }

    #[test]
    fn strong_colours_leave_more_open() {
        let mut edges = Edges::of(128, 128);
        edges.lines = std::array::from_fn(|_| (0..128).map(|x| 20 + 40 * (x % 2)).collect());
        assert!(!edges.may_be_border(12));
        edges.coloured(100.0, 100.0);
        assert!(edges.may_be_border(12));
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
            let (mut blue_max, mut red_max) = (0.0_f32, 0.0_f32);
            for (up, more_blue, more_red) in noise {
                let y = (middle + up % (spread + 1)).clamp(0, 255);
                let blue = (blue + more_blue).clamp(-128, 127) as f32;
                let red = (red + more_red).clamp(-128, 127) as f32;
                (blue_max, red_max) = (blue_max.max(blue.abs()), red_max.max(red.abs()));
                let level = y as f32;
                let colours = [level + 1.402 * red, level - 0.344_136 * blue - 0.714_136 * red, level + 1.772 * blue];
                let rgb = colours.map(|colour| colour.round() as u8);
                assert!((luma(rgb[0], rgb[1], rgb[2]) - super::super::pixels::seen(level - 128.0, blue, red) - 128.0).abs() < 1.1);
                lumas.push(y as u8);
                pixels.push(rgb);
            }
            // The line is the uppermost of a picture that has no other border.
            let mut rgb = pixels.concat();
            for y in 1..96 {
                rgb.extend((0..96).flat_map(|x| [if (x + y) % 2 == 0 { 0 } else { 255 }; 3]));
            }
            let trimmed = Raster::new(96, 96, rgb).unwrap().trimmed(12).is_some();
            let mut edges = Edges::of(96, 96);
            let varied: Vec<u8> = (0..96).map(|x| if x % 2 == 0 { 0 } else { 255 }).collect();
            edges.lines = [lumas, varied.clone(), varied.clone(), varied];
            edges.coloured(blue_max, red_max);
            proptest::prop_assert!(!trimmed || edges.may_be_border(12));
        }
    }
}

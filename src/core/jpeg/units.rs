//! The units of the scan one after the other: skimmed where that is enough, made into pixels where it is not.

use super::bits::Bits;
use super::block::{self, Block, Range};
use super::edges::Edges;
use super::headers::{Component, Headers, Tables};
use super::pixels::{self, Centred};
use super::why::NotThisWay;

/// Frequencies along each axis that are handed on.
pub const KEPT: usize = 4;

/// The lowest coefficients of a block of luma, less 128; the vertical frequency is the first index.
pub type Low = [[f32; KEPT]; KEPT];

/// Takes blocks of luma as it is seen. Blocks are counted in rows and columns of 8 pixels; one may lie beyond the
/// right or lower edge of the picture.
pub trait Take {
    /// A block that its lowest coefficients describe well enough: none of its samples leaves the range of a byte.
    fn low(&mut self, column: usize, row: usize, low: &Low);
    /// A block with all its samples.
    fn samples(&mut self, column: usize, row: usize, samples: &Centred);
}

/// By how much samples may leave the range of a byte before pixels are made, in eighths. White of a coarse
/// quantisation is one above it.
const SLACK: i32 = 2 * 8;
/// Range of a byte, in eighths from the middle.
const BYTE: Range = Range { low: -128 * 8 - SLACK, high: 127 * 8 + SLACK };

/// Whether no pixel of a unit can leave the range of a byte, be it in a component or in a colour.
fn stays(luma: Range, blue: Range, red: Range) -> bool {
    // In 1024ths, to the outer side of T.871's factors.
    let (red_red, green_blue, green_red, blue_blue) = (1436, 353, 732, 1815);
    let within = |low: i32, high: i32| BYTE.low * 1024 <= low && high <= BYTE.high * 1024;
    let (low, high) = (luma.low * 1024, luma.high * 1024);
    let of = |factor: i32, range: Range| (factor * range.low, factor * range.high);
    let in_byte = |range: Range| BYTE.low <= range.low && range.high <= BYTE.high;
    // Only then are the products below within 32 bits.
    if !(in_byte(luma) && in_byte(blue) && in_byte(red)) {
        return false;
    }
    let ((reds, redder), (blues, bluer)) = (of(red_red, red), of(blue_blue, blue));
    let (by_blue, by_red) = (of(green_blue, blue), of(green_red, red));
    within(low + reds, high + redder)
        && within(low + blues, high + bluer)
        && within(low - by_blue.1 - by_red.1, high - by_blue.0 - by_red.0)
}

/// Everything of the unit that is being read.
struct Unit<'a> {
    components: Vec<(&'a Component, Tables<'a>)>,
    /// The last DC coefficient of each component.
    last: [i32; 3],
    blocks: Vec<Block>,
    samples: Vec<Centred>,
}

impl<'a> Unit<'a> {
    fn of(headers: &'a Headers) -> Result<Self, NotThisWay> {
        let components: Option<Vec<_>> =
            headers.components.iter().map(|one| Some((one, headers.tables(one)?))).collect();
        let components = components.ok_or(NotThisWay::Tables)?;
        let count = components.iter().map(|(one, _)| one.across * one.down).sum();
        Ok(Self {
            components,
            last: [0; 3],
            blocks: vec![[0; 128]; count],
            samples: vec![[0.0; 64]; count],
        })
    }

    /// Reads the codes of the next unit. Between which values the samples of each component lie is told from the sizes
    /// of coefficients, which is far on the safe side.
    #[inline(always)]
    fn read(&mut self, bits: &mut Bits<'_>) -> Result<[Range; 3], NotThisWay> {
        let mut ranges = [Range::NONE, Range::MIDDLE, Range::MIDDLE];
        let mut blocks = self.blocks.iter_mut();
        for (number, (component, tables)) in self.components.iter().enumerate() {
            let (last, range) = (&mut self.last[number], &mut ranges[number]);
            for block in blocks.by_ref().take(component.across * component.down) {
                *range = range.and(block::read(bits, *tables, last, block)?);
            }
        }
        Ok(ranges)
    }

    /// Makes samples of some blocks; between which values they lie.
    fn make(&mut self, blocks: std::ops::Range<usize>) -> Range {
        let made = self.samples[blocks.clone()].iter_mut().zip(&self.blocks[blocks]);
        made.fold(Range::NONE, |range, (samples, block)| {
            pixels::make(block, samples);
            range.and(pixels::range(samples))
        })
    }

    /// Looks closer at a unit: whether it stays within the range of a byte when its samples are made, of luma first.
    fn stays_after_all(&mut self, [_, blue, red]: [Range; 3]) -> bool {
        let lumas = self.lumas();
        let luma = self.make(0..lumas);
        if stays(luma, blue, red) {
            return true;
        }
        let [blue, red] = self.make_colours();
        stays(luma, blue, red)
    }

    /// Makes samples of blue and red; between which values they lie.
    fn make_colours(&mut self) -> [Range; 2] {
        let [_, (blue, _), _] = self.components[..] else { return [Range::MIDDLE; 2] };
        let (lumas, all) = (self.lumas(), self.blocks.len());
        let reds = lumas + blue.across * blue.down;
        [self.make(lumas..reds), self.make(reds..all)]
    }

    /// Makes samples of all components; between which values those of blue and red lie.
    fn make_edge(&mut self) -> [Range; 2] {
        self.make(0..self.lumas());
        self.make_colours()
    }

    /// Hands on the lowest coefficients of the luma of the unit at this place.
    fn hand_low(&self, column: usize, row: usize, take: &mut impl Take) {
        for (number, block) in self.blocks.iter().take(self.lumas()).enumerate() {
            let mut low = [[0.0; KEPT]; KEPT];
            for (values, coefficients) in low.iter_mut().zip(block.chunks_exact(8)) {
                for (value, coefficient) in values.iter_mut().zip(coefficients) {
                    *value = f32::from(*coefficient);
                }
            }
            let (column, row) = self.place(column, row, number);
            take.low(column, row, &low);
        }
    }

    /// Makes pixels of the samples, and hands on their luma.
    fn hand_samples(&mut self, column: usize, row: usize, take: &mut impl Take) {
        let lumas = self.lumas();
        let (across, down) = self.luma();
        let (own, colours) = self.samples.split_at_mut(lumas);
        match self.components[..] {
            [_, (blue, _), (red, _)] => {
                let (blues, reds) = colours.split_at(blue.across * blue.down);
                for (number, samples) in own.iter_mut().enumerate() {
                    let (left, top) = (8 * (number % across), 8 * (number / across));
                    for (y, lumas) in samples.chunks_exact_mut(8).enumerate() {
                        let of = |planes: &[Centred], one: &Component| {
                            // Samples for the pixels of a block lie in one block.
                            let (x, y) = (left * one.across / across, (top + y) * one.down / down);
                            let block = &planes[y / 8 * one.across + x / 8];
                            let samples = &block[y % 8 * 8..][..8];
                            let ratio = (across / one.across).trailing_zeros();
                            std::array::from_fn(|pixel| samples[(x % 8 + (pixel >> ratio)) & 7])
                        };
                        pixels::seen(lumas, &of(blues, blue), &of(reds, red));
                    }
                }
            }
            _ => own.iter_mut().for_each(pixels::seen_grey),
        }
        for (number, samples) in self.samples.iter().take(lumas).enumerate() {
            let (column, row) = self.place(column, row, number);
            take.samples(column, row, samples);
        }
    }

    /// Column and row of a block of luma.
    fn place(&self, column: usize, row: usize, number: usize) -> (usize, usize) {
        let (across, down) = self.luma();
        (column * across + number % across, row * down + number / across)
    }

    /// How many blocks of luma there are.
    fn lumas(&self) -> usize {
        let (across, down) = self.luma();
        across * down
    }

    fn luma(&self) -> (usize, usize) {
        self.components.first().map_or((1, 1), |(luma, _)| (luma.across, luma.down))
    }
}

/// Reads the scan to the end marker.
pub(super) fn follow(
    bytes: &[u8],
    headers: &Headers,
    take: &mut impl Take,
) -> Result<Edges, NotThisWay> {
    let mut unit = Unit::of(headers)?;
    let (across, down) = unit.luma();
    let mut edges = Edges::of(headers.width, headers.height, (8 * across, 8 * down));
    let mut bits = Bits::new(bytes.get(headers.data..).unwrap_or_default());
    let (wide, high) = headers.units();
    let mut until_restart = headers.restart;
    let mut restart = 0xd0;
    for row in 0..high {
        for column in 0..wide {
            if headers.restart > 0 {
                if until_restart == 0 {
                    if bits.marker()? != restart {
                        return Err(NotThisWay::Damaged);
                    }
                    restart = 0xd0 | (restart + 1) & 7;
                    (until_restart, unit.last) = (headers.restart, [0; 3]);
                }
                until_restart -= 1;
            }
            // Units of the outermost ring have the lines; colours of the next one may be mixed into theirs.
            let from_edge = row.min(high - 1 - row).min(column).min(wide - 1 - column);
            let ranges = unit.read(&mut bits)?;
            if from_edge == 1 {
                edges.coloured(column, row, [ranges[1], ranges[2]]);
            }
            if from_edge > 0
                && (stays(ranges[0], ranges[1], ranges[2]) || unit.stays_after_all(ranges))
            {
                unit.hand_low(column, row, take);
            } else {
                if from_edge == 0 {
                    edges.coloured(column, row, unit.make_edge());
                    for number in 0..unit.lumas() {
                        let (column, row) = unit.place(column, row, number);
                        edges.take(column, row, &unit.samples[number]);
                    }
                }
                unit.hand_samples(column, row, take);
            }
            if bits.is_overdrawn() {
                return Err(NotThisWay::Truncated);
            }
        }
    }
    match bits.marker()? {
        0xd9 => Ok(edges),
        _ => Err(NotThisWay::More),
    }
}

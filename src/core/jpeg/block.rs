//! Coefficients of one block, and between which values its samples can lie.

use super::bits::Bits;
use super::headers::Tables;
use super::huffman::END;
use super::why::NotThisWay;

/// Coefficients of a block, number `8 · vertical + horizontal` frequency. What is behind the 64th takes what has no
/// place.
pub(super) type Block = [i16; 128];

/// No coefficient of a block of 8-bit samples comes near this, however it was rounded.
const EXTREME: u32 = i16::MAX as u32;

/// Where coefficients stand in a block, in the order of the scan (ITU-T T.81, figure A.6).
pub(super) const ORDER: [u8; 64] = {
    let mut order = [0; 64];
    let (mut across, mut down) = (0_u8, 0_u8);
    let mut k = 0;
    while k < order.len() {
        order[k] = 8 * down + across;
        let rises = (across + down).is_multiple_of(2);
        (across, down) = match (rises, across, down) {
            (true, 7, _) => (7, down + 1),
            (true, _, 0) => (across + 1, 0),
            (true, ..) => (across + 1, down - 1),
            (false, _, 7) => (across + 1, 7),
            (false, 0, _) => (0, down + 1),
            (false, ..) => (across - 1, down + 1),
        };
        k += 1;
    }
    order
};

/// The same for every place that a run can lead to.
const PLACES: [u8; 256] = {
    let mut places = [64; 256];
    let mut k = 0;
    while k < ORDER.len() {
        places[k] = ORDER[k];
        k += 1;
    }
    places
};

/// Between which values samples lie, in eighths, counted from the middle (128).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Range {
    pub(super) low: i32,
    pub(super) high: i32,
}

impl Range {
    /// The middle alone.
    pub(super) const MIDDLE: Self = Self { low: 0, high: 0 };
    /// Holds nothing.
    pub(super) const NONE: Self = Self { low: i32::MAX, high: i32::MIN };

    /// Both.
    pub(super) fn and(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

/// Reads the next block of a component; `last` is the DC coefficient of the block before it.
#[inline(always)]
pub(super) fn read(
    bits: &mut Bits<'_>,
    tables: Tables<'_>,
    last: &mut i32,
    block: &mut Block,
) -> Result<Range, NotThisWay> {
    bits.fill();
    let code = tables.dc.look(bits);
    if code.whole == 0 {
        return Err(NotThisWay::Damaged);
    }
    *last += code.value(bits);
    bits.pass(code.whole.into());
    let mean = *last * tables.factors[0];
    if mean.unsigned_abs() > EXTREME {
        return Err(NotThisWay::Extreme);
    }
    block[..64].fill(0);
    block[0] = mean as i16;
    // Sum of all other coefficients without their signs.
    let mut sum = 0_u32;
    let mut place = 0_u8;
    let code = loop {
        bits.fill();
        let code = tables.ac.look(bits);
        if code.whole == 0 {
            return Err(NotThisWay::Damaged);
        }
        // At most 63 + 1 + 128.
        place = place.wrapping_add(code.run).wrapping_add(1);
        let value = code.value(bits) * tables.factors[usize::from(place)];
        sum += value.unsigned_abs();
        // Too large a value is noticed in the sum.
        block[usize::from(PLACES[usize::from(place)] & 127)] = value as i16;
        bits.pass(code.whole.into());
        if place >= 63 {
            break code;
        }
    };
    // A block ends with its last coefficient, or where it is said to end.
    if place < END && (place > 63 || code.size == 0) {
        return Err(NotThisWay::Damaged);
    }
    if sum > EXTREME {
        return Err(NotThisWay::Extreme);
    }
    // No coefficient changes a sample by more than a quarter of itself, and the first by an eighth.
    let spread = 2 * sum as i32;
    Ok(Range { low: mean - spread, high: mean + spread })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_standard() {
        let first = [0, 1, 8, 16, 9, 2, 3, 10, 17, 24];
        assert_eq!(ORDER[..10], first);
        assert_eq!(ORDER[60..], [47, 55, 62, 63]);
        let mut all = ORDER;
        all.sort_unstable();
        assert!(all.iter().enumerate().all(|(k, place)| k == usize::from(*place)));
    }
}

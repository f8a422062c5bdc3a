//! Bits of the entropy-coded data of a JPEG, taken several bytes at a time.

use super::why::NotThisWay;

/// Bits that are there after [`Bits::fill`]: enough for the longest code with the longest value behind it.
const FULL: u32 = 32;

/// A place in entropy-coded data.
///
/// At a marker, or at the end, zeros are lent, so that the common path need not ask; [`Bits::is_overdrawn`] tells
/// whether any of them was used.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// The next byte to be taken.
    at: usize,
    /// Bits that were taken and not used, the next one highest. Below the first `count` there may be a part of the
    /// next byte already.
    held: u64,
    count: u32,
    /// How many of the last bits are lent.
    lent: u32,
}

impl<'a> Bits<'a> {
    /// Reads these bytes up to the first marker in them.
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, held: 0, count: 0, lent: 0 }
    }

    /// Takes bytes until at least 32 bits are there.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        if self.count >= FULL {
            return;
        }
        let next = self.data.get(self.at..).and_then(|left| left.first_chunk::<8>());
        let word = u64::from_be_bytes(next.copied().unwrap_or([0xff; 8]));
        // The highest bit of each byte is set that is 0xff; bits above the first such may be set as well.
        if (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080 == 0 {
            let bytes = (63 - self.count) / 8;
            self.held |= word >> self.count;
            self.at += bytes as usize;
            self.count += 8 * bytes;
        } else {
            self.fill_singly();
        }
    }

    #[cold]
    #[inline(never)]
    fn fill_singly(&mut self) {
        while self.count <= 56 {
            match self.data.get(self.at) {
                Some(0xff) if self.data.get(self.at + 1) == Some(&0) => {
                    self.held |= 0xff << (56 - self.count);
                    self.at += 2;
                }
                Some(&byte) if byte != 0xff => {
                    self.held |= u64::from(byte) << (56 - self.count);
                    self.at += 1;
                }
                _ => self.lent += 8,
            }
            self.count += 8;
        }
    }

    /// The next bits, the first one highest; those beyond what [`Bits::fill`] promises say nothing.
    #[inline(always)]
    pub(super) const fn ahead(&self) -> u64 {
        self.held
    }

    /// Passes over bits, at most as many as [`Bits::fill`] promises.
    #[inline(always)]
    pub(super) const fn pass(&mut self, count: u32) {
        self.held <<= count;
        // No more than there are: both come from tables that end at 16 + 11 bits.
        self.count = self.count.wrapping_sub(count);
    }

    /// Whether bits were used that are not in the data.
    pub(super) const fn is_overdrawn(&self) -> bool {
        self.count < self.lent
    }

    /// The marker that follows, where less than a byte of data is left before it; the place is then behind the marker.
    pub(super) fn marker(&mut self) -> Result<u8, NotThisWay> {
        if self.is_overdrawn() {
            return Err(NotThisWay::Truncated);
        }
        if self.count - self.lent >= 8 || self.data.get(self.at).is_some_and(|byte| *byte != 0xff) {
            return Err(NotThisWay::Damaged);
        }
        let left = self.data.get(self.at..).unwrap_or_default();
        let fill = left.iter().take_while(|byte| **byte == 0xff).count();
        let marker = *left.get(fill).ok_or(NotThisWay::Truncated)?;
        if fill == 0 || marker == 0 {
            return Err(NotThisWay::Damaged);
        }
        *self = Self { at: self.at + fill + 1, ..Self::new(self.data) };
        Ok(marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bits: &mut Bits<'_>, count: u32) -> u64 {
        bits.fill();
        let value = bits.ahead() >> (64 - count);
        bits.pass(count);
        value
    }

    #[test]
    fn bits_come_in_order_whatever_stands_among_them() {
        // Stuffed bytes at every distance from each other, so that both ways of taking bytes meet.
        let plain: Vec<u8> = (0..400_u32)
            .map(|i| if i % (2 + i / 29) == 0 { 0xff } else { (i * 37) as u8 })
            .collect();
        let mut data = Vec::new();
        for &byte in &plain {
            data.push(byte);
            if byte == 0xff {
                data.push(0);
            }
        }
        data.extend_from_slice(b"\xff\xd9");
        let bit = |at: usize| u64::from(plain[at / 8] >> (7 - at % 8) & 1);
        let mut bits = Bits::new(&data);
        let mut at = 0;
        for count in (1..=27).cycle() {
            if at + count as usize > 8 * plain.len() {
                break;
            }
            let expected = (at..at + count as usize).fold(0, |value, at| 2 * value + bit(at));
            assert_eq!(take(&mut bits, count), expected, "{at}");
            at += count as usize;
        }
        let rest = (8 * plain.len() - at) as u32;
        if rest >= 8 {
            assert!(bits.marker().is_err());
            take(&mut bits, rest);
        }
        assert_eq!(bits.marker(), Ok(0xd9));
        assert_eq!(bits.at, data.len());
    }

    #[test]
    fn what_was_lent_is_noticed() {
        let mut bits = Bits::new(b"\xab\xff\xd9");
        assert_eq!(take(&mut bits, 8), 0xab);
        assert!(!bits.is_overdrawn());
        assert_eq!(bits.marker(), Ok(0xd9));
        assert_eq!(bits.marker(), Err(NotThisWay::Truncated));
        assert_eq!(take(&mut bits, 1), 0);
        assert!(bits.is_overdrawn());
        for _ in 0..50 {
            assert_eq!(take(&mut bits, 27), 0);
            assert!(bits.is_overdrawn());
        }
    }
}

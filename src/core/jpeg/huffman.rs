//! Huffman tables of a sequential JPEG, which give run, size and length of a code in one look.

use super::bits::Bits;
use super::why::NotThisWay;

/// Codes up to this length are found in one look; longer ones are rare by their nature.
const LOOK: u32 = 10;
/// Longest code, in bits.
const LENGTH_MAX: u32 = 16;

/// What a code says.
#[derive(Clone, Copy, Default)]
pub(super) struct Code {
    /// Length of the code with the value behind it, in bits; 0 where there is no such code.
    pub(super) whole: u8,
    /// Length of the code alone.
    length: u8,
    /// Bits of the value behind it.
    pub(super) size: u8,
    /// Zero coefficients before it; [`END`] where none follows.
    pub(super) run: u8,
}

/// The run that stands for the end of a block: it leads out of the block from every place in it.
pub(super) const END: u8 = 128;

/// Which coefficients a table is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first of each block.
    Dc,
    /// All others.
    Ac,
}

impl Kind {
    /// What a symbol says in a sequential frame of 8 bits (ITU-T T.81, F.1.2); nothing for those that none has.
    const fn read(self, symbol: u8, length: u8) -> Option<Code> {
        let (run, size) = (symbol >> 4, symbol & 15);
        let run = match (self, run, size) {
            (Self::Dc, 0, 0..=11) | (Self::Ac, _, 1..=10) | (Self::Ac, 15, 0) => run,
            (Self::Ac, 0, 0) => END,
            _ => return None,
        };
        Some(Code { whole: length + size, length, size, run })
    }
}

/// A table of Huffman codes (ITU-T T.81, annex C).
pub(super) struct Table {
    /// By the next bits of the data.
    short: [Code; 1 << LOOK],
    /// For each longer length: the first code, aligned to 16 bits, and the place of what it says.
    long: Vec<(u32, u32, usize)>,
    codes: Vec<Code>,
}

impl Table {
    /// A table with so many codes of each length from 1 to 16, and their symbols.
    ///
    /// # Errors
    /// Where there are more codes of a length than are left, or a symbol is none of a sequential frame.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8], kind: Kind) -> Result<Self, NotThisWay> {
        let mut table =
            Self { short: [Code::default(); 1 << LOOK], long: Vec::new(), codes: Vec::new() };
        // The next code, aligned to 16 bits.
        let mut next = 0_u32;
        let mut symbols = symbols.iter();
        for (length, &count) in (1_u8..).zip(counts) {
            let step = 1_u32 << (LENGTH_MAX - u32::from(length));
            let first = next;
            let place = table.codes.len();
            for &symbol in symbols.by_ref().take(count.into()) {
                let code = kind.read(symbol, length).ok_or(NotThisWay::Tables)?;
                if u32::from(length) <= LOOK {
                    let look = |code: u32| (code >> (LENGTH_MAX - LOOK)) as usize;
                    let own = table.short.get_mut(look(next)..look(next + step));
                    own.ok_or(NotThisWay::Tables)?.fill(code);
                }
                table.codes.push(code);
                next += step;
            }
            if next > 1 << LENGTH_MAX {
                return Err(NotThisWay::Tables);
            }
            if u32::from(length) > LOOK && next > first {
                table.long.push((first, next, place));
            }
        }
        Ok(table)
    }

    /// What the next code says; the bits are not passed over. [`Bits::fill`] must have been called.
    #[inline(always)]
    pub(super) fn look(&self, bits: &Bits<'_>) -> Code {
        let code = self.short[(bits.ahead() >> (64 - LOOK)) as usize];
        if code.whole == 0 { self.look_long(bits) } else { code }
    }

    #[cold]
    #[inline(never)]
    fn look_long(&self, bits: &Bits<'_>) -> Code {
        let ahead = (bits.ahead() >> (64 - LENGTH_MAX)) as u32;
        let found = self.long.iter().find(|(first, end, _)| (*first..*end).contains(&ahead));
        let code = found.and_then(|(first, _, place)| {
            let length = u32::from(self.codes.get(*place)?.length);
            self.codes.get(place + ((ahead - first) >> (LENGTH_MAX - length)) as usize)
        });
        code.copied().unwrap_or_default()
    }
}

impl Code {
    /// The value behind the code (ITU-T T.81, F.2.2.1); the bits are not passed over.
    #[inline(always)]
    pub(super) const fn value(self, bits: &Bits<'_>) -> i32 {
        let behind = bits.ahead() << self.length;
        // In two steps: none of 64 bits is left where there is no value.
        let raw = (behind >> 1 >> (63 - self.size)) as i32;
        // Values that begin with a zero are negative.
        let below = ((1_i32 << self.size) - 1) & ((behind >> 63) as i32).wrapping_sub(1);
        raw - below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE_EACH: [u8; 16] = [1; 16];
    const SYMBOLS: [u8; 16] = [
        0x00, 0x01, 0x12, 0x23, 0x34, 0x45, 0x56, 0x67, 0x78, 0x89, 0x9a, 0xf0, 0xf1, 0xe2, 0xd3,
        0xc4,
    ];

    #[test]
    fn codes_of_every_length_are_found_with_their_values() {
        let table = Table::new(&ONE_EACH, &SYMBOLS, Kind::Ac).unwrap();
        for (ones, symbol) in SYMBOLS.into_iter().enumerate() {
            let size = u32::from(symbol & 15);
            for raw in [0, 1, (1_u64 << size) >> 1, (1 << size) - 1] {
                let raw = raw.min((1 << size) - 1);
                // So many ones, a zero, the value, then ones.
                let code = (1_u64 << (ones + 1)) - 2;
                let all = (code << size | raw) << (63 - ones as u32 - size);
                let data: Vec<u8> = all.to_be_bytes().iter().flat_map(|byte| [*byte, 0]).collect();
                let stuffed: Vec<u8> = data
                    .chunks(2)
                    .flat_map(|two| &two[..1 + usize::from(two[0] == 0xff)])
                    .copied()
                    .collect();
                let mut bits = Bits::new(&stuffed);
                bits.fill();
                let found = table.look(&bits);
                assert_eq!(u32::from(found.whole), ones as u32 + 1 + size, "{symbol:x}");
                assert_eq!(found.run, if symbol == 0 { END } else { symbol >> 4 });
                let expected = match raw as i32 {
                    raw if size > 0 && raw < 1 << (size - 1) => raw - (1 << size) + 1,
                    raw => raw,
                };
                assert_eq!(found.value(&bits), expected, "{symbol:x} {raw}");
            }
        }
        // Sixteen ones are no code.
        let stuffed = [0xff, 0, 0xff, 0, 0, 0, 0, 0, 0, 0];
        let mut bits = Bits::new(&stuffed);
        bits.fill();
        assert_eq!(table.look(&bits).whole, 0);
    }

    #[test]
    fn tables_that_cannot_be_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Table::new(&counts, &[1, 2, 3], Kind::Dc).is_err());
        counts[0] = 2;
        assert!(Table::new(&counts, &[1, 2], Kind::Dc).is_ok());
        counts[15] = 1;
        assert!(Table::new(&counts, &[1, 2, 3], Kind::Dc).is_err());
        let one = |symbol, kind| {
            let mut counts = [0; 16];
            counts[4] = 1;
            Table::new(&counts, &[symbol], kind).is_ok()
        };
        assert!(one(11, Kind::Dc) && !one(12, Kind::Dc) && !one(0x11, Kind::Dc));
        assert!(one(0xfa, Kind::Ac) && !one(0xfb, Kind::Ac) && !one(0x10, Kind::Ac));
    }
}

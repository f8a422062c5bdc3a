//! Bits and Huffman codes of the entropy-coded data of a JPEG, up to the next marker.

/// The data ends before what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Short;

/// Codes up to this length are found in one look.
const LOOK: u32 = 8;

/// A table of Huffman codes (ITU-T T.81, annex C).
pub(super) struct Table {
    /// For the next eight bits: length of the code, 0 where it is longer, and its symbol.
    short: [(u8, u8); 1 << LOOK],
    /// For each length: the first code, how many there are, and the place of the first symbol.
    lengths: [(u32, u32, usize); 17],
    symbols: Vec<u8>,
}

impl Table {
    /// A table with so many codes of each length from 1 to 16, and their symbols.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Self {
        let mut table = Self {
            short: [(0, 0); 1 << LOOK],
            lengths: [(0, 0, 0); 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut place) = (0_u32, 0_usize);
        for (length, count) in (1_u8..).zip(counts) {
            table.lengths[usize::from(length)] = (code, u32::from(*count), place);
            for symbol in symbols.iter().skip(place).take(usize::from(*count)) {
                if u32::from(length) <= LOOK {
                    let spare = LOOK - u32::from(length);
                    let from = (code << spare) as usize;
                    // More codes than the length has room for are never found.
                    let until = (from + (1 << spare)).min(1 << LOOK);
                    table.short[from.min(until)..until].fill((length, *symbol));
                }
                code += 1;
                place += 1;
            }
            code <<= 1;
        }
        table
    }
}

/// Reads entropy-coded data bit by bit.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// Bits that were read and not used, the next one highest.
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    /// Reads these bytes up to the first marker in them.
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, held: 0, count: 0 }
    }

    /// Bytes that were read; no marker is among them but restarts.
    pub(super) const fn read(&self) -> usize {
        self.at
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.data.get(self.at) else { return };
            if byte == 0xff {
                if self.data.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.count += 8;
            self.held |= u64::from(byte) << (64 - self.count);
        }
    }

    /// The next bits as a number, at most 32.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, Short> {
        if count == 0 {
            return Ok(0);
        }
        if self.count < count {
            self.fill();
        }
        if self.count < count {
            return Err(Short);
        }
        let value = self.held >> (64 - count);
        self.held <<= count;
        self.count -= count;
        u32::try_from(value).map_err(|_| Short)
    }

    /// Passes over bits, at most 64.
    pub(super) fn skip(&mut self, count: u32) -> Result<(), Short> {
        self.take(count.min(32))?;
        self.take(count.saturating_sub(32))?;
        Ok(())
    }

    /// The symbol of the next code; nothing where there is no such code.
    pub(super) fn symbol(&mut self, table: &Table) -> Result<Option<u8>, Short> {
        if self.count < 16 {
            self.fill();
        }
        let (length, symbol) = table.short[(self.held >> (64 - LOOK)) as usize];
        if length > 0 {
            self.take(length.into())?;
            return Ok(Some(symbol));
        }
        for length in LOOK + 1..=16 {
            if self.count < length {
                return Err(Short);
            }
            let code = (self.held >> (64 - length)) as u32;
            let (first, count, place) = table.lengths[length as usize];
            if let Some(number) = code.checked_sub(first).filter(|number| *number < count) {
                self.take(length)?;
                return Ok(table.symbols.get(place + number as usize).copied());
            }
        }
        Ok(None)
    }

    /// Passes over what is left before a restart marker, and over the marker.
    pub(super) fn restart(&mut self) -> Result<(), Short> {
        (self.held, self.count) = (0, 0);
        loop {
            let left = self.data.get(self.at..).ok_or(Short)?;
            self.at += left.iter().position(|byte| *byte == 0xff).ok_or(Short)?;
            match self.data.get(self.at + 1) {
                Some(0xd0..=0xd7) => {
                    self.at += 2;
                    return Ok(());
                }
                Some(0x00) => self.at += 2,
                Some(0xff) => self.at += 1,
                _ => return Err(Short),
            }
        }
    }
}

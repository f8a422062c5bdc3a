//! Where the reading of a CSV file stands, counted in lines.

use crate::core::list_file::row::Places;
use crate::core::list_file::words::Columns;
use crate::core::signal::SignalType;
use csv_core::Reader;

/// The CSV side of reading.
pub(super) struct Csv {
    pub(super) kind: Option<SignalType>,
    pub(super) columns: Columns,
    pub(super) places: Option<Places>,
    pub(super) reader: Reader,
    /// Line feeds passed, in all and before the present record.
    pub(super) breaks: u64,
    pub(super) breaks_before: u64,
    /// Whether an odd number of quotes was passed in the present record.
    pub(super) in_quotes: bool,
    pub(super) last: u8,
}

impl Csv {
    /// Takes note of bytes that were read.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        let count = |wanted: u8| bytes.iter().filter(|byte| **byte == wanted).count() as u64;
        self.breaks += count(b'\n');
        self.in_quotes ^= count(b'"') % 2 == 1;
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    /// Numbers of the first and the last line of the record that has ended, whose fields have `within` line feeds
    /// where that is known; and whether a quote in it was not closed.
    pub(super) fn end(&mut self, within: Option<u64>) -> (u64, u64, bool) {
        let last = if self.last == b'\n' { self.breaks } else { self.breaks + 1 };
        let in_quotes = std::mem::take(&mut self.in_quotes);
        // A line feed that was read last ended the record, except within quotes.
        let end = if in_quotes { self.breaks + 1 } else { last };
        let first = within.map_or(self.breaks_before + 1, |within| end.saturating_sub(within));
        self.breaks_before = self.breaks;
        (first, last, in_quotes)
    }
}

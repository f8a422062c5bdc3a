//! Files of signals, read as they come: plain text with one value a line, and CSV (RFC 4180).
//!
//! A line that cannot be read is named and does not keep the others out.

mod words;
mod row;
mod csv;

use crate::core::bank::{BankedSignal, SIGNALS_PER_ENTRY_MAX};
use crate::core::curation::NewEntry;
use crate::core::intake::Draft;
use crate::core::signal::{Signal, SignalType};
use csv::Csv;
use csv_core::{ReadRecordResult, Reader};
use row::{Row, places_of, row_of};
pub use words::{BadFile, BadLine, COLUMNS_MAX, Columns, Common, Format, LINE_BYTES_MAX};

enum Syntax {
    Text(SignalType),
    Csv(Box<Csv>),
}

/// A file as it is being read.
pub struct ListFile {
    syntax: Syntax,
    common: Common,
    /// Bytes of the line, or fields of the record, that is being read.
    held: Vec<u8>,
    ends: Vec<usize>,
    ends_filled: usize,
    filled: usize,
    overlong: bool,
    line: u64,
    is_first: bool,
    draft: Option<Draft>,
    read: Vec<Draft>,
    read_bytes: usize,
    bad: Vec<BadLine>,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl ListFile {
    /// A file of which nothing has come.
    #[must_use]
    pub fn new(format: Format, common: Common) -> Self {
        let syntax = match format {
            Format::Text(kind) => Syntax::Text(kind),
            Format::Csv(kind, columns) => {
                let reader = Reader::new();
                Syntax::Csv(Box::new(Csv {
                    kind,
                    columns,
                    places: None,
                    reader,
                    breaks: 0,
                    breaks_before: 0,
                    in_quotes: false,
                    last: b'\n',
                }))
            }
        };
        let is_csv = matches!(syntax, Syntax::Csv(_));
        Self {
            syntax,
            common,
            held: if is_csv { vec![0; LINE_BYTES_MAX] } else { Vec::new() },
            ends: if is_csv { vec![0; COLUMNS_MAX] } else { Vec::new() },
            ends_filled: 0,
            filled: 0,
            overlong: false,
            line: 0,
            is_first: true,
            draft: None,
            read: Vec::new(),
            read_bytes: 0,
            bad: Vec::new(),
        }
    }

    /// Takes the bytes that follow those before.
    ///
    /// # Errors
    /// [`BadFile`] where nothing of the file can be read.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), BadFile> {
        match self.syntax {
            Syntax::Text(_) => {
                self.feed_text(bytes);
                Ok(())
            }
            Syntax::Csv(_) => self.feed_csv(bytes),
        }
    }

    /// Takes the end of the file.
    ///
    /// # Errors
    /// As [`Self::feed`].
    pub fn end(&mut self) -> Result<(), BadFile> {
        match self.syntax {
            Syntax::Text(_) => {
                if !self.held.is_empty() || self.overlong {
                    self.end_text_line();
                }
            }
            Syntax::Csv(_) => self.feed_csv(&[])?,
        }
        self.read.extend(self.draft.take());
        Ok(())
    }

    /// Entries read so far and not yet taken. The last may still grow, and is kept back.
    pub fn take(&mut self) -> Vec<Draft> {
        self.read_bytes = 0;
        std::mem::take(&mut self.read)
    }

    /// Number of entries that [`Self::take`] would give.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.read.len()
    }

    /// Bytes of the entries that [`Self::take`] would give, about.
    #[must_use]
    pub fn ready_bytes(&self) -> usize {
        self.read_bytes
    }

    /// Lines found unreadable so far and not yet taken.
    pub fn take_bad(&mut self) -> Vec<BadLine> {
        std::mem::take(&mut self.bad)
    }

    fn feed_text(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, more) = (&rest[..end], &rest[end + 1..]);
            // Most lines come whole.
            if self.held.is_empty() && !self.overlong && line.len() <= LINE_BYTES_MAX {
                self.text_line(line);
            } else {
                self.hold(line);
                self.end_text_line();
            }
            rest = more;
        }
        self.hold(rest);
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.held.len() + bytes.len() > LINE_BYTES_MAX {
            self.overlong = true;
            self.held.clear();
        } else if !self.overlong {
            self.held.extend_from_slice(bytes);
        }
    }

    fn end_text_line(&mut self) {
        let held = std::mem::take(&mut self.held);
        if std::mem::take(&mut self.overlong) {
            self.line += 1;
            self.is_first = false;
            self.refuse(self.line, format!("must be at most {LINE_BYTES_MAX} bytes long"));
            return;
        }
        self.text_line(&held);
    }

    fn text_line(&mut self, line: &[u8]) {
        self.line += 1;
        let is_first = std::mem::take(&mut self.is_first);
        let bytes = line.strip_prefix(BYTE_ORDER_MARK).filter(|_| is_first).unwrap_or(line);
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.refuse(self.line, "must be UTF-8");
            return;
        };
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return;
        }
        let Syntax::Text(kind) = &self.syntax else { return };
        match Signal::parse(kind, text) {
            Err(problem) => self.refuse(self.line, problem.to_string()),
            Ok(signal) => self.add(Row {
                line: self.line,
                entry: None,
                signal: BankedSignal::new(signal, None),
                provenance: self.common.provenance.clone(),
                note: String::new(),
            }),
        }
    }

    fn feed_csv(&mut self, bytes: &[u8]) -> Result<(), BadFile> {
        let mut rest = bytes;
        if std::mem::take(&mut self.is_first) {
            rest = rest.strip_prefix(BYTE_ORDER_MARK).unwrap_or(rest);
        }
        loop {
            let Syntax::Csv(csv) = &mut self.syntax else { return Ok(()) };
            let (result, read, written, ended) = csv.reader.read_record(
                rest,
                &mut self.held[self.filled..],
                &mut self.ends[self.ends_filled..],
            );
            csv.pass(&rest[..read]);
            rest = &rest[read..];
            self.filled += written;
            self.ends_filled += ended;
            match result {
                ReadRecordResult::InputEmpty if !bytes.is_empty() => return Ok(()),
                // An empty input says that the file has ended: what is held is its last record.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::End => return Ok(()),
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    self.overlong = true;
                    (self.filled, self.ends_filled) = (0, 0);
                }
                ReadRecordResult::Record => self.end_record()?,
            }
            if bytes.is_empty() && matches!(result, ReadRecordResult::InputEmpty) {
                return Ok(());
            }
        }
    }

    fn end_record(&mut self) -> Result<(), BadFile> {
        let overlong = std::mem::take(&mut self.overlong);
        // What is held of an overlong record is only its end.
        let within = (!overlong)
            .then(|| self.held[..self.filled].iter().filter(|byte| **byte == b'\n').count() as u64);
        let fields = if overlong { None } else { self.fields() };
        (self.filled, self.ends_filled) = (0, 0);
        let Syntax::Csv(csv) = &mut self.syntax else { return Ok(()) };
        let (first, last, in_quotes) = csv.end(within);
        let Csv { kind, columns, places, .. } = csv.as_mut();
        let Some(at) = places else {
            if overlong {
                return Err(BadFile::TooManyColumns);
            }
            *places = Some(places_of(columns, &fields.unwrap_or_default())?);
            return Ok(());
        };
        let row = if in_quotes {
            Err(format!("must close its quote: lines {first} to {last} were not read"))
        } else if overlong {
            let lines = format!("lines {first} to {last} were not read");
            Err(format!("must be at most {LINE_BYTES_MAX} bytes long: {lines}"))
        } else {
            match &fields {
                None => Err("must be UTF-8".to_owned()),
                Some(fields) => row_of(at, kind.as_ref(), &self.common, first, fields),
            }
        };
        match row {
            Ok(row) => self.add(row),
            Err(must) => self.refuse(first, must),
        }
        Ok(())
    }

    fn fields(&self) -> Option<Vec<String>> {
        let mut start = 0;
        self.ends[..self.ends_filled]
            .iter()
            .map(|end| {
                let field = std::str::from_utf8(&self.held[start..*end]).ok();
                start = *end;
                field.map(|text| text.trim().to_owned())
            })
            .collect()
    }

    fn refuse(&mut self, line: u64, must: impl Into<String>) {
        self.bad.push(BadLine { line, must: must.into() });
    }

    fn add(&mut self, row: Row) {
        if let Some(draft) = &mut self.draft
            && row.entry.is_some()
            && draft.wanted.id == row.entry
        {
            if draft.wanted.signals.contains(&row.signal) {
                draft.lines += 1;
            } else if draft.wanted.signals.len() < SIGNALS_PER_ENTRY_MAX {
                draft.lines += 1;
                draft.wanted.signals.push(row.signal);
            } else {
                let must = format!("entry must have at most {SIGNALS_PER_ENTRY_MAX} signals");
                self.bad.push(BadLine { line: row.line, must });
            }
            return;
        }
        let draft = Draft {
            line: row.line,
            lines: 1,
            wanted: NewEntry {
                id: row.entry,
                signals: vec![row.signal],
                state: self.common.state,
                provenance: row.provenance,
                note: row.note,
            },
        };
        let whole = self.draft.replace(draft);
        self.read_bytes += whole.as_ref().map_or(0, Draft::bytes);
        self.read.extend(whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::bank::EntryState;
    use crate::core::verdict::Provenance;
    use proptest::prelude::*;

    fn common() -> Common {
        Common { provenance: Provenance::default(), state: EntryState::Active }
    }

    fn read(format: Format, pieces: &[&[u8]]) -> Result<(Vec<Draft>, Vec<BadLine>), BadFile> {
        let mut file = ListFile::new(format, common());
        let mut drafts = Vec::new();
        for piece in pieces {
            file.feed(piece)?;
            drafts.extend(file.take());
        }
        file.end()?;
        drafts.extend(file.take());
        Ok((drafts, file.take_bad()))
    }

    fn md5(digit: char) -> String {
        digit.to_string().repeat(32)
    }

    fn csv(columns: &[(&str, &str)]) -> Format {
        let mut named = Columns::default();
        for (field, name) in columns {
            let name = (*name).to_owned();
            match *field {
                "value" => named.value = name,
                "kind" => named.kind = name,
                "quality" => named.quality = name,
                "entry" => named.entry = name,
                "tags" => named.tags = name,
                "note" => named.note = name,
                other => panic!("{other}"),
            }
        }
        Format::Csv(Some(SignalType::Md5), named)
    }

    #[test]
    fn a_text_file_is_one_value_a_line() {
        let text = format!(
            "\u{feff}{}\r\n\n# a remark\n  {}  \nnonsense\n{}",
            md5('a'),
            md5('B'),
            md5('c')
        );
        let (drafts, bad) = read(Format::Text(SignalType::Md5), &[text.as_bytes()]).unwrap();
        let lines: Vec<_> = drafts.iter().map(|draft| draft.line).collect();
        assert_eq!(lines, [1, 4, 6]);
        let must = "must be exactly 32 hexadecimal digits".to_owned();
        assert_eq!(bad, [BadLine { line: 5, must }]);
    }

    #[test]
    fn an_overlong_line_is_refused_and_the_next_is_read() {
        let text = format!("{}\n{}\n", "a".repeat(LINE_BYTES_MAX + 1), md5('a'));
        let (drafts, bad) = read(Format::Text(SignalType::Md5), &[text.as_bytes()]).unwrap();
        assert_eq!((drafts.len(), drafts[0].line), (1, 2));
        assert_eq!((bad.len(), bad[0].line), (1, 1));
        let format = csv(&[("value", "v")]);
        let text = format!("v\n{}\n{}\n", "a".repeat(LINE_BYTES_MAX + 1), md5('a'));
        let (drafts, bad) = read(format, &[text.as_bytes()]).unwrap();
        assert_eq!((drafts.len(), drafts[0].line), (1, 3));
        assert_eq!((bad.len(), bad[0].line), (1, 2));
    }

    #[test]
    fn columns_are_found_by_name_and_lines_of_one_name_make_one_entry() {
        let (a, b, c) = (md5('a'), md5('b'), "c".repeat(40));
        let text = format!(
            "x,tags,name,kind,hash\r\n1,\"p;q\",e1,,{a}\r\n2,,e1,sha1,{c}\r\n3,,,md5,{b}\r\n4,,e2,md5,zz\r\n"
        );
        let format =
            csv(&[("value", "hash"), ("kind", "kind"), ("entry", "name"), ("tags", "tags")]);
        let (drafts, bad) = read(format, &[text.as_bytes()]).unwrap();
        assert_eq!(drafts.len(), 2);
        assert_eq!(drafts[0].wanted.signals.len(), 2);
        assert_eq!(drafts[0].lines, 2);
        assert_eq!(drafts[0].wanted.provenance.tags, ["p", "q"]);
        assert_eq!(drafts[1].wanted.id, None);
        assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn a_quote_that_is_not_closed_hides_no_line_silently() {
        let value = |n: u64| format!("{n:032x}");
        let format = csv(&[("value", "v")]);
        // To the end of the file.
        for lines in [1_u64, 10, 10_000] {
            let mut text = format!("v,x\n{},\"open\n", value(0));
            for n in 1..lines {
                text += &format!("{},y\n", value(n));
            }
            let (drafts, bad) = read(format.clone(), &[text.as_bytes()]).unwrap();
            assert_eq!((drafts.len(), bad.len(), bad[0].line), (0, 1, 2), "{lines}");
            let said = format!("lines 2 to {} were not read", lines + 1);
            assert!(bad[0].must.contains(&said), "{lines}: {}", bad[0].must);
        }
        // To another one that is not closed either.
        let text =
            format!("v,x\r\n\r\n{0},\"a\r\n{1},b\"\r\n{2},c\r\n", value(0), value(1), value(2));
        let (drafts, bad) = read(format, &[text.as_bytes()]).unwrap();
        assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [3]);
        assert_eq!(drafts.iter().map(|draft| draft.line).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn a_note_may_have_several_lines_and_lines_are_those_of_the_file() {
        let format = csv(&[("value", "v"), ("note", "n")]);
        let text = format!("v,n\n\n{0},\"one\ntwo\n\"\n\n{1},\nzz,\n", md5('a'), md5('b'));
        let (drafts, bad) = read(format, &[text.as_bytes()]).unwrap();
        assert_eq!(drafts.iter().map(|draft| draft.line).collect::<Vec<_>>(), [3, 7]);
        assert_eq!(drafts[0].wanted.note, "one\ntwo");
        assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [8]);
    }

    #[test]
    fn a_column_that_is_not_there_is_named() {
        let refused = read(csv(&[("value", "hash")]), &[b"a,b\n1,2\n"]);
        assert_eq!(refused.unwrap_err(), BadFile::NoColumn("hash".into()));
    }

    proptest! {
        #[test]
        fn how_a_file_is_cut_into_pieces_does_not_matter(
            lines in proptest::collection::vec((any::<[u8; 16]>(), 0..101_u32, 0..3_u8), 0..20),
            cuts in proptest::collection::vec(0..2000_usize, 0..10), is_csv: bool,
        ) {
            let mut text = String::from(if is_csv { "name,\"h\"\"x\",q\n" } else { "" });
            for (value, quality, name) in &lines {
                let value = hex::encode(value);
                text += &if is_csv {
                    format!("{},{value},\"{quality}\"\n", ["", "e1", "e2"][usize::from(*name)])
                } else {
                    format!("{value}\n")
                };
            }
            let format = if is_csv {
                csv(&[("value", "h\"x"), ("quality", "q"), ("entry", "name")])
            } else {
                Format::Text(SignalType::Md5)
            };
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let bytes = text.as_bytes();
            let pieces: Vec<_> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]])
                .filter(|piece| !piece.is_empty()).collect();
            let whole: Vec<_> = std::iter::once(bytes).filter(|piece| !piece.is_empty()).collect();
            let (in_pieces, bad) = read(format.clone(), &pieces).unwrap();
            let (at_once, _) = read(format, &whole).unwrap();
            prop_assert!(bad.is_empty());
            prop_assert_eq!(format!("{in_pieces:?}"), format!("{at_once:?}"));
            prop_assert_eq!(in_pieces.iter().map(|d| d.lines).sum::<u64>(), lines.len() as u64);
        }
    }
}

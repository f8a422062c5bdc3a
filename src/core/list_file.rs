//! Files of signals, read as they come: plain text with one value a line, and CSV (RFC 4180).
//!
//! A line that cannot be read is named and does not keep the others out.

use crate::core::bank::{BankedSignal, EntryState};
use crate::core::curation::{Draft, NewEntry};
use crate::core::id::EntryId;
use crate::core::signal::{CustomType, Signal, SignalType};
use crate::core::verdict::Provenance;
use csv_core::{ReadRecordResult, Reader};

/// Longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Most columns of a CSV file.
pub const COLUMNS_MAX: usize = 256;
/// Most signals of one entry.
pub const SIGNALS_PER_ENTRY_MAX: usize = 256;
const WORD_BYTES_MAX: usize = 256;
const NOTE_BYTES_MAX: usize = 4096;
const TAGS_MAX: usize = 32;
const TAG_BYTES_MAX: usize = 64;

/// Which column of a CSV file holds what, by the names in its first line; an empty name is no column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// The value; must be named.
    pub value: String,
    /// The type, in the words of [`SignalType`]'s text.
    pub kind: String,
    /// Quality, 0 to 100.
    pub quality: String,
    /// Name of the entry; lines that follow each other with one name make one entry.
    pub entry: String,
    /// The source's own record name.
    pub source_record: String,
    /// Content class in the source's words.
    pub classification: String,
    /// Labels, separated by `;`.
    pub tags: String,
    /// A note of the curators.
    pub note: String,
}

/// How a file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// One value of this type a line; empty lines and lines that begin with `#` are passed over.
    Text(SignalType),
    /// CSV with a first line of names; the type is that of values without one of their own.
    Csv(Option<SignalType>, Columns),
}

/// What is the same for all entries of a file.
#[derive(Debug, Clone)]
pub struct Common {
    /// Where they come from, where a line does not say better.
    pub provenance: Provenance,
    /// Where they stand.
    pub state: EntryState,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// What it must be; never what it was.
    pub must: String,
}

/// Why a file cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFile {
    /// The first line lacks a column that the caller named.
    #[error("the first line has no column {0}")]
    NoColumn(String),
    /// More columns than are read.
    #[error("the first line must have at most {COLUMNS_MAX} columns")]
    TooManyColumns,
}

/// One line, read.
struct Row {
    line: u64,
    entry: Option<EntryId>,
    signal: BankedSignal,
    provenance: Provenance,
    note: String,
}

/// Where the named columns stand.
struct Places {
    value: usize,
    kind: Option<usize>,
    quality: Option<usize>,
    entry: Option<usize>,
    source_record: Option<usize>,
    classification: Option<usize>,
    tags: Option<usize>,
    note: Option<usize>,
}

/// The CSV side of reading.
struct Csv {
    kind: Option<SignalType>,
    columns: Columns,
    places: Option<Places>,
    reader: Reader,
}

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
                Syntax::Csv(Box::new(Csv { kind, columns, places: None, reader: Reader::new() }))
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
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.hold(&rest[..end]);
            self.end_text_line();
            rest = &rest[end + 1..];
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
        self.line += 1;
        let held = std::mem::take(&mut self.held);
        let overlong = std::mem::take(&mut self.overlong);
        let is_first = std::mem::take(&mut self.is_first);
        if overlong {
            self.refuse(self.line, format!("must be at most {LINE_BYTES_MAX} bytes long"));
            return;
        }
        let bytes = held.strip_prefix(BYTE_ORDER_MARK).filter(|_| is_first).unwrap_or(&held);
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
                signal: BankedSignal { signal, quality: None },
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
        self.line += 1;
        let overlong = std::mem::take(&mut self.overlong);
        // What is held of an overlong record is only its end.
        let fields = if overlong { None } else { self.fields() };
        (self.filled, self.ends_filled) = (0, 0);
        let Syntax::Csv(csv) = &mut self.syntax else { return Ok(()) };
        let Csv { kind, columns, places, .. } = csv.as_mut();
        let Some(at) = places else {
            if overlong {
                return Err(BadFile::TooManyColumns);
            }
            *places = Some(places_of(columns, &fields.unwrap_or_default())?);
            return Ok(());
        };
        let line = self.line;
        let row = if overlong {
            Err(format!("must be at most {LINE_BYTES_MAX} bytes long"))
        } else {
            match &fields {
                None => Err("must be UTF-8".to_owned()),
                Some(fields) => row_of(at, kind.as_ref(), &self.common, line, fields),
            }
        };
        match row {
            Ok(row) => self.add(row),
            Err(must) => self.refuse(line, must),
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

fn places_of(columns: &Columns, names: &[String]) -> Result<Places, BadFile> {
    let find = |column: &str| {
        let at = names.iter().position(|name| name == column);
        at.ok_or_else(|| BadFile::NoColumn(column.to_owned()))
    };
    let find_if_named = |column: &str| (!column.is_empty()).then(|| find(column)).transpose();
    Ok(Places {
        value: find(&columns.value)?,
        kind: find_if_named(&columns.kind)?,
        quality: find_if_named(&columns.quality)?,
        entry: find_if_named(&columns.entry)?,
        source_record: find_if_named(&columns.source_record)?,
        classification: find_if_named(&columns.classification)?,
        tags: find_if_named(&columns.tags)?,
        note: find_if_named(&columns.note)?,
    })
}

fn type_of(text: &str) -> Result<SignalType, String> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "md5" => SignalType::Md5,
        "sha1" => SignalType::Sha1,
        "sha256" => SignalType::Sha256,
        "pdq" => SignalType::Pdq,
        "vpdq_frame" => SignalType::VpdqFrame,
        "photodna" => SignalType::PhotoDna,
        custom => SignalType::Custom(
            CustomType::parse(custom).map_err(|problem| format!("type {problem}"))?,
        ),
    })
}

fn row_of(
    at: &Places,
    kind: Option<&SignalType>,
    common: &Common,
    line: u64,
    fields: &[String],
) -> Result<Row, String> {
    let field =
        |place: Option<usize>| place.and_then(|place| fields.get(place)).map_or("", String::as_str);
    let word = |place: Option<usize>, name: &str, bytes_max: usize, usual: &str| {
        let text = field(place);
        if text.len() > bytes_max {
            Err(format!("{name} must be at most {bytes_max} bytes long"))
        } else if text.is_empty() {
            Ok(usual.to_owned())
        } else {
            Ok(text.to_owned())
        }
    };
    let kind = match field(at.kind) {
        "" => kind.cloned().ok_or("type must be set")?,
        text => type_of(text)?,
    };
    let signal = Signal::parse(&kind, field(Some(at.value)))
        .map_err(|problem| format!("value {problem}"))?;
    let quality = match field(at.quality) {
        "" => None,
        text => match text.parse() {
            Ok(quality @ 0..=100) => Some(quality),
            _ => return Err("quality must be a whole number from 0 to 100".to_owned()),
        },
    };
    let entry = match field(at.entry) {
        "" => None,
        text => Some(EntryId::parse(text).map_err(|problem| format!("entry name {problem}"))?),
    };
    let usual = &common.provenance;
    let tags: Vec<String> = match field(at.tags) {
        "" => usual.tags.clone(),
        text => {
            text.split(';').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
        }
    };
    if tags.len() > TAGS_MAX || tags.iter().any(|tag| tag.len() > TAG_BYTES_MAX) {
        return Err(format!("tags must be at most {TAGS_MAX}, of {TAG_BYTES_MAX} bytes each"));
    }
    let record = word(at.source_record, "source record", WORD_BYTES_MAX, &usual.source_record)?;
    let class = word(at.classification, "classification", WORD_BYTES_MAX, &usual.classification)?;
    Ok(Row {
        line,
        entry,
        signal: BankedSignal { signal, quality },
        provenance: Provenance {
            source_record: record,
            classification: class,
            tags,
            ..usual.clone()
        },
        note: word(at.note, "note", NOTE_BYTES_MAX, "")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
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

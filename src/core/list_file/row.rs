//! One line of a CSV file: which columns it has, and what they say.

use crate::core::advice::AdviceType;
use crate::core::bank::BankedSignal;
use crate::core::id::EntryId;
use crate::core::list_file::words::{BadFile, Columns, Common};
use crate::core::signal::{CustomType, Signal, SignalType};
use crate::core::verdict::Provenance;

const WORD_BYTES_MAX: usize = 256;
const NOTE_BYTES_MAX: usize = 4096;
const TAGS_MAX: usize = 32;
const TAG_BYTES_MAX: usize = 64;

/// One line, read.
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) entry: Option<EntryId>,
    pub(super) signal: BankedSignal,
    pub(super) provenance: Provenance,
    pub(super) note: String,
}

/// Where the named columns stand.
pub(super) struct Places {
    pub(super) value: usize,
    pub(super) kind: Option<usize>,
    pub(super) quality: Option<usize>,
    pub(super) entry: Option<usize>,
    pub(super) source_record: Option<usize>,
    pub(super) classification: Option<usize>,
    pub(super) tags: Option<usize>,
    pub(super) note: Option<usize>,
}

/// Finds the named columns in the first line.
pub(super) fn places_of(columns: &Columns, names: &[String]) -> Result<Places, BadFile> {
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
        "account" => SignalType::Advice(AdviceType::Account),
        "url" => SignalType::Advice(AdviceType::Url),
        "term" => SignalType::Advice(AdviceType::Term),
        "tactic" => SignalType::Advice(AdviceType::Tactic),
        custom => SignalType::Custom(
            CustomType::parse(custom).map_err(|problem| format!("type {problem}"))?,
        ),
    })
}

/// Reads one line; says what it must be where it cannot.
pub(super) fn row_of(
    at: &Places,
    kind: Option<&SignalType>,
    common: &Common,
    line: u64,
    fields: &[String],
) -> Result<Row, String> {
    let elsewhere = |place: &usize| Some(*place) != at.note;
    if (0..fields.len()).filter(elsewhere).any(|place| fields[place].contains(['\n', '\r'])) {
        return Err("must not have line breaks except in the note: is a quote not closed?".into());
    }
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
        signal: BankedSignal::new(signal, quality),
        provenance: Provenance {
            source_record: record,
            classification: class,
            tags,
            ..usual.clone()
        },
        note: word(at.note, "note", NOTE_BYTES_MAX, "")?,
    })
}

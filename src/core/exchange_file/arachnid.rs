//! Answers of Arachnid Shield, the service of the Canadian Centre for Child Protection, on media and on PDQ hashes.
//!
//! A record is what was asked about, or what the answer says to be near to it. That nothing is known of an item is no
//! record: most of what is asked about is innocent, and is not kept.

use crate::core::exchange_file::item::Item;
use crate::core::exchange_file::loose::{Loose, read, some};
use crate::core::exchange_file::out::{Out, named_by_value};
use crate::core::exchange_file::split::{Level, Visit, Way};
use crate::core::exchange_file::words::{BadFile, RECORD_BYTES_MAX};
use crate::core::opinion::Value;
use crate::core::signal::SignalType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::BASE32_NOPAD_NOCASE;
use serde::Deserialize;

const SOURCE: &str = "arachnid";
const CSAM: &str = "csam";
const HARMFUL: &str = "harmful-abusive-material";
const NOT_KNOWN: &str = "no-known-match";
/// The fields of an answer on media.
const FIELDS: [&str; 6] =
    ["sha1_base32", "sha256_hex", "classification", "match_type", "near_match_details", "detail"];

/// What is told of the values of answers. The fields of an answer on media are put together again: which kind it is,
/// shows only within it.
pub(super) struct Arachnid<'a> {
    pub(super) out: &'a mut Out,
    pub(super) answer: &'a mut Gathered,
}

/// An answer on media, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    text: Vec<u8>,
    must: Option<String>,
    has_hashes: bool,
}

impl Gathered {
    /// Bytes that are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.text.capacity()
    }
}

/// Answers may stand in an array.
fn within(path: &[Level]) -> &[Level] {
    match path.first() {
        Some(level) if level.is_array() => &path[1..],
        _ => path,
    }
}

impl Visit for Arachnid<'_> {
    fn way(&mut self, path: &[Level], first: u8) -> Result<Way, BadFile> {
        let is_top = path.is_empty();
        let path = within(path);
        match (path.len(), path.first().map(|level| level.key.as_str())) {
            (0, _) if first == b'[' && is_top => Ok(Way::Into),
            (0, _) if first == b'{' => {
                *self.answer = Gathered::default();
                Ok(Way::Into)
            }
            (0, _) => {
                self.out.begin();
                Ok(Way::Keep)
            }
            (1, Some("scanned_hashes")) => {
                self.answer.has_hashes = true;
                Ok(if first == b'{' { Way::Into } else { Way::Keep })
            }
            (1, Some(key)) if FIELDS.contains(&key) => Ok(Way::Keep),
            (1, _) => Ok(Way::Skip),
            _ => {
                self.out.begin();
                Ok(Way::Keep)
            }
        }
    }

    fn value(&mut self, path: &[Level], value: Result<&[u8], String>) -> Result<(), BadFile> {
        let path = within(path);
        let (key, inner) = (path.first().map_or("", |level| level.key.as_str()), path.get(1));
        match (path.len(), inner) {
            (1, _) if key != "scanned_hashes" => self.answer.add(key, value),
            (_, Some(hash)) => {
                let answer = value.and_then(read::<Answer>);
                if let Err(must) = answer.and_then(|answer| on_hash(self.out, &hash.key, &answer)) {
                    self.out.refuse(must);
                }
            }
            _ => self.out.refuse("must be an answer on media or on PDQ hashes"),
        }
        Ok(())
    }

    fn left(&mut self, path: &[Level]) -> Result<(), BadFile> {
        let path = within(path);
        if path.len() != 1 {
            return Ok(());
        }
        let answer = std::mem::take(self.answer);
        if answer.has_hashes {
            return Ok(());
        }
        self.out.begin();
        let whole = match answer.must {
            Some(must) => Err(must),
            None => read::<Answer>(&[answer.text.as_slice(), b"}"].concat()),
        };
        if let Err(must) = whole.and_then(|answer| on_media(self.out, &answer)) {
            self.out.refuse(must);
        }
        Ok(())
    }

    fn torn(&mut self) {
        self.out.place += 1;
        self.out.refuse("must be JSON, with nothing between its records");
    }
}

impl Gathered {
    fn add(&mut self, key: &str, value: Result<&[u8], String>) {
        let value = match value {
            Ok(value) => value,
            Err(must) => {
                self.must.get_or_insert(must);
                return;
            }
        };
        if self.text.len() + value.len() > RECORD_BYTES_MAX {
            self.must.get_or_insert(format!("must be at most {RECORD_BYTES_MAX} bytes long"));
            return;
        }
        self.text.push(if self.text.is_empty() { b'{' } else { b',' });
        // The names are those that are looked for: they need no escapes.
        self.text.extend_from_slice(format!("\"{key}\":").as_bytes());
        self.text.extend_from_slice(value);
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    sha1_base32: Loose,
    #[serde(default)]
    sha256_hex: Loose,
    #[serde(default)]
    classification: Loose,
    #[serde(default)]
    match_type: Loose,
    #[serde(default, deserialize_with = "some")]
    near_match_details: Vec<Near>,
    #[serde(default)]
    detail: Loose,
}

#[derive(Deserialize)]
struct Near {
    #[serde(default)]
    sha1_base32: Loose,
    #[serde(default)]
    sha256_hex: Loose,
    #[serde(default)]
    classification: Loose,
}

/// Class of an item; none where it is not known to the source. A class that is not known here is taken for the gravest.
fn class_of(out: &mut Out, classification: &Loose) -> Result<Option<&'static str>, String> {
    let word = classification.text().ok_or("classification must be set")?.to_ascii_lowercase();
    Ok(match word.as_str() {
        NOT_KNOWN => None,
        CSAM => Some(CSAM),
        HARMFUL => Some(HARMFUL),
        other => {
            out.count("classification", other);
            Some(CSAM)
        }
    })
}

/// Whether the very item is listed, or one near to it.
fn is_exact(out: &mut Out, match_type: &Loose) -> bool {
    let word = match_type.text().unwrap_or_default().to_ascii_lowercase();
    if !matches!(word.as_str(), "exact" | "near" | "") {
        out.count("match type", &word);
    }
    word == "exact"
}

fn on_media(out: &mut Out, answer: &Answer) -> Result<(), String> {
    if !answer.detail.is_none() && answer.classification.is_none() {
        return Err("must be an answer: it is what the service says of an error".to_owned());
    }
    near(out, &answer.near_match_details);
    let Some(class) = class_of(out, &answer.classification)? else {
        out.not_listed += 1;
        return Ok(());
    };
    let mut item = item(class);
    let key = digests(&mut item, &answer.sha1_base32, &answer.sha256_hex)?;
    if !is_exact(out, &answer.match_type) {
        item.opinion(SOURCE, Value::Seed, &["near match"], None);
    }
    out.give(&key, None, item);
    Ok(())
}

fn on_hash(out: &mut Out, hash: &str, answer: &Answer) -> Result<(), String> {
    near(out, &answer.near_match_details);
    let Some(class) = class_of(out, &answer.classification)? else {
        out.not_listed += 1;
        return Ok(());
    };
    let bytes = STANDARD.decode(hash).ok().filter(|bytes| bytes.len() == 32);
    let digits = bytes.map(hex::encode).ok_or("its hash must be base64 of 32 bytes")?;
    let mut item = item(class);
    item.signal("pdq", &SignalType::Pdq, &digits);
    if !is_exact(out, &answer.match_type) {
        item.opinion(SOURCE, Value::Seed, &["near match"], None);
    }
    out.give(&named_by_value("pdq", &digits), None, item);
    Ok(())
}

/// What is listed near an item that was asked about. Each is a record of the place of its answer.
fn near(out: &mut Out, details: &[Near]) {
    for detail in details {
        let class = class_of(out, &detail.classification);
        let taken = class.and_then(|class| {
            let Some(class) = class else { return Ok(()) };
            let mut item = item(class);
            let key = digests(&mut item, &detail.sha1_base32, &detail.sha256_hex)?;
            out.give(&key, None, item);
            Ok(())
        });
        if let Err(must) = taken {
            out.refuse(format!("near_match_details {must}"));
        }
    }
}

fn item(class: &str) -> Item {
    let mut item = Item::default();
    item.organisation(SOURCE);
    item.classification(class);
    item
}

/// Takes the digests of an item; the name it gets by them.
fn digests(item: &mut Item, sha1: &Loose, sha256: &Loose) -> Result<String, String> {
    let sha256 = sha256.text();
    if let Some(text) = &sha256 {
        item.signal("sha256_hex", &SignalType::Sha256, text);
    }
    let sha1 = sha1.text().map(|text| text.trim_end_matches('=').to_owned());
    if let Some(text) = &sha1 {
        match BASE32_NOPAD_NOCASE.decode(text.as_bytes()).ok().filter(|bytes| bytes.len() == 20) {
            Some(bytes) => item.signal("sha1_base32", &SignalType::Sha1, &hex::encode(bytes)),
            None => item.fault("sha1_base32 must be base32 of 20 bytes"),
        }
    }
    let name = sha256.map(|text| named_by_value("sha256", &text.to_ascii_lowercase()));
    let name = name.or(sha1.map(|text| named_by_value("sha1", &text.to_ascii_lowercase())));
    name.ok_or_else(|| "must have sha256_hex or sha1_base32".to_owned())
}

//! Answers of `FetchHashes` of `StopNCII`: hashes that people made of pictures of themselves.
//!
//! A record is a hash, named by its type and value: the source has no other name for it. Its own status says whether it
//! was withdrawn.

use crate::core::exchange_file::envelope::Envelope;
use crate::core::exchange_file::item::Item;
use crate::core::exchange_file::loose::{Loose, read, some};
use crate::core::exchange_file::out::{Out, named_by_value};
use crate::core::exchange_file::split::{Level, Visit, Way};
use crate::core::exchange_file::words::{BadFile, StopNciiPage};
use crate::core::opinion::Value;
use crate::core::signal::SignalType;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Who speaks for the person whose picture it is: the case that was opened.
const CASE: &str = "case";

/// The object that an answer is.
const ENVELOPE: Envelope = Envelope {
    fields: &["count", "nextPageToken", "nextSetTimestamp", "hasMoreRecords", "hashRecords"],
    records: "hashRecords",
    must: "a JSON object with the field hashRecords",
};

/// What is told of the values of an answer.
pub(super) struct StopNcii<'a> {
    pub(super) out: &'a mut Out,
    pub(super) page: &'a mut StopNciiPage,
    pub(super) seen: &'a mut Vec<&'static str>,
}

impl Visit for StopNcii<'_> {
    fn way(&mut self, path: &[Level], first: u8) -> Result<Way, BadFile> {
        ENVELOPE.way(path, first, self.out, self.seen)
    }

    fn value(&mut self, path: &[Level], value: Result<&[u8], String>) -> Result<(), BadFile> {
        if path.len() > 1 {
            let record = value.and_then(read::<HashRecord>);
            if let Err(must) = record.and_then(|record| take(self.out, &record)) {
                self.out.refuse(must);
            }
            return Ok(());
        }
        let value = value.and_then(read::<Loose>).unwrap_or_default();
        match path[0].key.as_str() {
            "count" => self.page.count = value.number().and_then(|count| count.try_into().ok()),
            "nextPageToken" => self.page.next_page_token = value.text(),
            "nextSetTimestamp" => self.page.next_set_timestamp = value.number(),
            "hasMoreRecords" => self.page.has_more = value.yes(),
            _ if value.is_none() => {}
            _ => return Err(BadFile::NotThis("a JSON object whose field hashRecords is an array")),
        }
        Ok(())
    }

    fn left(&mut self, _: &[Level]) -> Result<(), BadFile> {
        Ok(())
    }

    fn torn(&mut self) {
        self.out.place += 1;
        self.out.refuse("must be JSON, with nothing between its records");
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HashRecord {
    #[serde(rename = "lastModtimestamp", default)]
    updated: Loose,
    #[serde(default)]
    signal_type: Loose,
    #[serde(default)]
    hash_value: Loose,
    #[serde(default)]
    hash_status: Loose,
    #[serde(default)]
    case_numbers: Option<BTreeMap<String, Loose>>,
    #[serde(rename = "CSPFeedbacks", default, deserialize_with = "some")]
    feedbacks: Vec<Feedback>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    #[serde(default)]
    source: Loose,
    #[serde(default)]
    feedback_value: Loose,
    #[serde(default, deserialize_with = "some")]
    tags: Vec<Loose>,
}

/// Where a hash or a case stands.
#[derive(PartialEq)]
enum Standing {
    Listed,
    Gone,
    Unknown,
}

fn standing(out: &mut Out, what: &str, status: &str) -> Standing {
    match status.to_ascii_lowercase().as_str() {
        "unknown" | "received" | "active" => Standing::Listed,
        "withdrawn" | "deleted" => Standing::Gone,
        other => {
            out.count(what, other);
            Standing::Unknown
        }
    }
}

fn take(out: &mut Out, record: &HashRecord) -> Result<(), String> {
    let kind = record.signal_type.text().ok_or("signalType must be set")?.to_ascii_lowercase();
    let value = record.hash_value.text().ok_or("hashValue must be a text")?;
    let status = record.hash_status.text().ok_or("hashStatus must be set")?;
    let mut item = Item::default();
    let updated = record.updated.time();
    if updated.is_none() && !record.updated.is_none() {
        item.fault("lastModtimestamp must be seconds since 1970");
    }
    match kind.as_str() {
        "imagepdq" => item.signal("imagepdq", &SignalType::Pdq, &value),
        "videomd5" => item.signal("videomd5", &SignalType::Md5, &value),
        "videotmk" => {
            item.opaque("tmk_pdqf", &value);
        }
        // In which form texts and addresses stand there is not known: what is not known is not compared.
        other => {
            out.count("signal type", other);
            return Ok(());
        }
    }
    let is_digits = kind != "videotmk";
    let value = if is_digits { value.to_ascii_lowercase() } else { value };
    let key = named_by_value(&kind, &value);
    match standing(out, "status", &status) {
        Standing::Gone => {
            out.withdraw(&key, updated);
            return Ok(());
        }
        // Neither listed nor withdrawn: what is known of it stays.
        Standing::Unknown => return Ok(()),
        Standing::Listed => {}
    }
    let mut cases = 0;
    let mut gone = 0;
    for status in record.case_numbers.iter().flatten().map(|(_, status)| status) {
        let status = status.text().unwrap_or_default();
        cases += 1;
        gone += usize::from(standing(out, "case status", &status) == Standing::Gone);
    }
    if cases > 0 && gone == cases {
        out.withdraw(&key, updated);
        return Ok(());
    }
    item.opinion(CASE, Value::Seed, &[], None);
    for feedback in &record.feedbacks {
        let said = feedback.feedback_value.text().unwrap_or_default().to_ascii_lowercase();
        let value = match said.as_str() {
            "blocked" => Value::Positive,
            "notblocked" => Value::Negative,
            "unknown" | "none" | "qualityunknown" | "pendingreview" | "withdrawn" | "deleted" => {
                Value::Seed
            }
            other => {
                out.count("feedback", other);
                Value::Seed
            }
        };
        let reasons: Vec<String> = feedback.tags.iter().filter_map(Loose::text).collect();
        let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
        item.opinion(&feedback.source.text().unwrap_or_default(), value, &reasons, None);
    }
    out.give(&key, updated, item);
    Ok(())
}

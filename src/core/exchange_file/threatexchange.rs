//! Answers of `threat_updates` of Meta's `ThreatExchange`.
//!
//! A record is an indicator, named by its type and value: the source has no other name for it. What its owners say of it
//! are its descriptors, and the reactions of others to them.

use crate::core::advice::AdviceType;
use crate::core::exchange_file::envelope::Envelope;
use crate::core::exchange_file::item::Item;
use crate::core::exchange_file::loose::{Loose, read, some};
use crate::core::exchange_file::out::{Out, named_by_value};
use crate::core::exchange_file::split::{Level, Visit, Way};
use crate::core::exchange_file::words::{BadFile, ThreatExchangePage};
use crate::core::opinion::Value;
use crate::core::record::HANDLE;
use crate::core::signal::SignalType;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Labels by which an MD5 is known to be of a file that is uploaded.
const OF_MEDIA: [&str; 2] = ["media_type_video", "media_type_photo"];

/// The object that an answer is.
const ENVELOPE: Envelope = Envelope {
    fields: &["data", "paging"],
    records: "data",
    must: "a JSON object with the field data",
};

/// What is told of the values of an answer.
pub(super) struct ThreatExchange<'a> {
    pub(super) out: &'a mut Out,
    pub(super) page: &'a mut ThreatExchangePage,
    pub(super) seen: &'a mut Vec<&'static str>,
}

impl Visit for ThreatExchange<'_> {
    fn way(&mut self, path: &[Level], first: u8) -> Result<Way, BadFile> {
        ENVELOPE.way(path, first, self.out, self.seen)
    }

    fn value(&mut self, path: &[Level], value: Result<&[u8], String>) -> Result<(), BadFile> {
        if path.len() > 1 {
            let update = value.and_then(read::<Update>);
            if let Ok(update) = &update {
                self.page.updated_max = self.page.updated_max.max(update.last_updated.time());
            }
            if let Err(must) = update.and_then(|update| take(self.out, &update)) {
                self.out.refuse(must);
            }
            return Ok(());
        }
        if path[0].key != "paging" {
            return Err(BadFile::NotThis("a JSON object whose field data is an array"));
        }
        // Where the source goes on must be known for sure: a page that is taken for the last one ends the reading.
        let must = BadFile::NotThis("a JSON object whose field paging has next and cursors");
        let paging: Option<Paging> = value.and_then(read).map_err(|_| must)?;
        let paging = paging.unwrap_or_default();
        self.page.next = paging.next.text();
        self.page.after = paging.cursors.and_then(|cursors| cursors.after.text());
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

#[derive(Deserialize, Default)]
struct Paging {
    #[serde(default)]
    next: Loose,
    #[serde(default)]
    cursors: Option<Cursors>,
}

#[derive(Deserialize)]
struct Cursors {
    #[serde(default)]
    after: Loose,
}

#[derive(Deserialize)]
struct Update {
    #[serde(default)]
    indicator: Loose,
    #[serde(rename = "type", default)]
    kind: Loose,
    #[serde(default)]
    last_updated: Loose,
    #[serde(default)]
    should_delete: Loose,
    #[serde(default)]
    descriptors: Option<Descriptors>,
}

/// A list, or an object that has it as `data`: the source writes both.
#[derive(Deserialize)]
#[serde(untagged)]
enum Listing<T> {
    Plain(Vec<T>),
    Within { data: Vec<T> },
}

impl<T> Listing<T> {
    fn items(&self) -> &[T] {
        match self {
            Self::Plain(items) | Self::Within { data: items } => items,
        }
    }
}

type Descriptors = Listing<Descriptor>;

#[derive(Deserialize)]
struct Descriptor {
    #[serde(default)]
    id: Loose,
    #[serde(default)]
    owner: Option<Owner>,
    #[serde(default)]
    status: Loose,
    #[serde(default)]
    tags: Option<Listing<Tag>>,
    #[serde(default, deserialize_with = "some")]
    reactions: Vec<Reaction>,
}

#[derive(Deserialize)]
struct Owner {
    #[serde(default)]
    id: Loose,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Tag {
    Named { text: String },
    Plain(String),
}

#[derive(Deserialize)]
struct Reaction {
    #[serde(default)]
    key: Loose,
    #[serde(default)]
    value: Loose,
}

fn take(out: &mut Out, update: &Update) -> Result<(), String> {
    let kind = update.kind.text().ok_or("type must be set")?.to_ascii_lowercase();
    let value = update.indicator.text().ok_or("indicator must be a text")?;
    let mut item = Item::default();
    let updated = update.last_updated.time();
    if updated.is_none() && !update.last_updated.is_none() {
        item.fault("last_updated must be seconds since 1970 or a time of RFC 3339");
    }
    let is_digits = matches!(
        kind.as_str(),
        "hash_pdq" | "hash_md5" | "hash_video_md5" | "hash_url_md5" | "hash_text_tlsh"
    );
    let advice = match kind.as_str() {
        "uri" | "raw_uri" => Some(AdviceType::Url),
        "text_string" => Some(AdviceType::Term),
        _ => None,
    };
    if !is_digits && advice.is_none() {
        out.count("signal type", &kind);
        return Ok(());
    }
    // Addresses and texts are their own names: two spellings are two records.
    let value = if is_digits { value.to_ascii_lowercase() } else { value };
    let key = named_by_value(&kind, &value);
    if update.should_delete.is_yes() {
        out.withdraw(&key, updated);
        return Ok(());
    }
    let all = update.descriptors.as_ref().map_or(&[][..], Listing::items);
    let owned: Vec<(String, &Descriptor)> = all
        .iter()
        .filter_map(|descriptor| Some((descriptor.owner.as_ref()?.id.text()?, descriptor)))
        .collect();
    if owned.is_empty() {
        if all.is_empty() {
            // Nobody says anything of it any more.
            out.withdraw(&key, updated);
        } else {
            // Who says so is not told, which a fault of the source is known to cause: what is known of it stays.
            out.count("descriptors", "without owner");
        }
        return Ok(());
    }
    for (_, descriptor) in &owned {
        if let Some(id) = descriptor.id.text() {
            item.link(HANDLE, &id);
        }
        for tag in descriptor.tags.as_ref().map_or(&[][..], Listing::items) {
            match tag {
                Tag::Named { text } | Tag::Plain(text) => item.tag(text),
            }
        }
    }
    take_opinions(out, &mut item, &owned);
    let is_of_media = item.listed.tags.iter().any(|tag| OF_MEDIA.contains(&tag.as_str()));
    if let Some(about) = advice {
        item.signal(&kind, &SignalType::Advice(about), &value);
        out.give(&key, updated, item);
        return Ok(());
    }
    match kind.as_str() {
        "hash_pdq" => item.signal("hash_pdq", &SignalType::Pdq, &value),
        "hash_video_md5" => item.signal("hash_video_md5", &SignalType::Md5, &value),
        "hash_md5" if is_of_media => item.signal("hash_md5", &SignalType::Md5, &value),
        carried => {
            out.count("signal type", carried);
            item.opaque(carried, &value);
        }
    }
    out.give(&key, updated, item);
    Ok(())
}

/// What an owner says itself stands before what it says by reacting; of two reactions of one owner, that it was helped.
fn take_opinions(out: &mut Out, item: &mut Item, owned: &[(String, &Descriptor)]) {
    let mut reacted: BTreeMap<String, Value> = BTreeMap::new();
    for (owner, descriptor) in owned {
        let status = descriptor.status.text().unwrap_or_default().to_ascii_lowercase();
        let value = match status.as_str() {
            "malicious" => Value::Positive,
            "non_malicious" => Value::Negative,
            "" | "suspicious" | "unknown" => Value::Seed,
            other => {
                out.count("status", other);
                Value::Seed
            }
        };
        item.opinion(owner, value, &[], None);
        for reaction in &descriptor.reactions {
            let key = reaction.key.text().unwrap_or_default();
            let value = match key.to_ascii_lowercase().as_str() {
                "helpful" => Value::Positive,
                "disagree_with_tags" => Value::Negative,
                "not_helpful" | "outdated" | "saw_this_too" | "want_more_info" => continue,
                other => {
                    out.count("reaction", other);
                    continue;
                }
            };
            for owner in reaction.value.text().unwrap_or_default().split(',').map(str::trim) {
                let present = reacted.entry(owner.to_owned()).or_insert(value);
                *present = (*present).max(value);
            }
        }
    }
    for (owner, value) in reacted {
        if !owner.is_empty() && !owned.iter().any(|(explicit, _)| *explicit == owner) {
            item.opinion(&owner, value, &["reaction"], None);
        }
    }
}

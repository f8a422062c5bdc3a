//! The entries of the NCMEC hash sharing API, version 2.
//!
//! A record is an image or a video, named by the member that listed it and that member's own id of it.

use crate::core::exchange_file::item::Item;
use crate::core::exchange_file::markup::Hear;
use crate::core::exchange_file::node::{Node, read, read_tag};
use crate::core::exchange_file::out::Out;
use crate::core::exchange_file::words::{BadFile, NcmecPage};
use crate::core::opinion::Value;
use crate::core::signal::SignalType;
use crate::core::time::Time;

/// The namespace of its elements.
pub const NAMESPACE: &str = "https://hashsharing.ncmec.org/hashsharing/v2";
/// Types that are carried and not compared by anything here.
const CARRIED: [&str; 6] =
    ["netclean", "videntifier", "tmk_pdqf", "ssvh_pdna", "ssvh_safer_hash", "tmk_safer_hash"];
/// What is withdrawn or listed.
const RECORDS: [&str; 4] = ["image", "video", "deletedImage", "deletedVideo"];

/// What hears an answer.
pub(super) struct Ncmec<'a> {
    pub(super) out: &'a mut Out,
    pub(super) page: &'a mut NcmecPage,
}

impl Hear for Ncmec<'_> {
    fn opened(&mut self, heads: &[Vec<u8>]) -> Result<bool, BadFile> {
        let node = read_tag(heads, NAMESPACE);
        if heads.len() == 1 {
            let is_answer = node.is_ok_and(|node| node.name == "queryResult");
            let must = "a queryResult of the hash sharing API, version 2, by its namespace";
            return if is_answer { Ok(true) } else { Err(BadFile::NotThis(must)) };
        }
        let Ok(node) = node else { return Ok(false) };
        let (seen, name) = match node.name.as_str() {
            "images" => (&mut self.page.images, "images"),
            "videos" => (&mut self.page.videos, "videos"),
            _ => return Ok(false),
        };
        if heads.len() != 2 {
            return Ok(false);
        }
        let count = node.attribute("count").and_then(|count| count.parse().ok());
        if seen.is_some() && count.is_some() {
            return Err(BadFile::Twice(name));
        }
        *seen = count.or(*seen);
        let time = node.attribute("maxTimestamp").and_then(Time::read);
        self.page.time_max = self.page.time_max.max(time);
        Ok(true)
    }

    fn is_record(&self, name: &[u8]) -> bool {
        let local = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
        RECORDS.iter().any(|record| record.as_bytes() == local)
    }

    fn element(&mut self, heads: &[Vec<u8>], text: Result<&[u8], String>) -> Result<(), BadFile> {
        let node = text.and_then(|text| read(heads, text, NAMESPACE));
        if heads.len() == 1
            && let Ok(node) = &node
            && !RECORDS.contains(&node.name.as_str())
        {
            if node.name != "paging" {
                self.out.count("element", &node.name);
                return Ok(());
            }
            let next = node.text_of("next").map_err(|_| BadFile::Twice("paging/next"))?;
            if self.page.next.is_some() && next.is_some() {
                return Err(BadFile::Twice("paging"));
            }
            self.page.next = next.map(str::to_owned).or(self.page.next.take());
            return Ok(());
        }
        self.out.begin();
        match node.and_then(|node| record(self.out, &node)) {
            Ok(()) => {}
            Err(must) => self.out.refuse(must),
        }
        Ok(())
    }

    fn torn(&mut self) {
        self.out.place += 1;
        self.out.refuse("must be XML, with nothing between its records");
    }
}

fn record(out: &mut Out, node: &Node) -> Result<(), String> {
    if !RECORDS.contains(&node.name.as_str()) {
        out.count("record", &node.name);
        return Ok(());
    }
    let member = node.only("member")?.and_then(|member| Some((member.attribute("id")?, member)));
    let (member, named) = member.ok_or("member must have an id")?;
    if member.contains('/') {
        return Err("member id must not have a slash".to_owned());
    }
    let key = format!("{member}/{}", node.text_of("id")?.ok_or("id must be set")?);
    let mut item = Item::default();
    let updated = node.text_of("timestamp")?.and_then(|text| {
        let time = Time::read(text);
        if time.is_none() {
            item.fault("timestamp must be a time of RFC 3339");
        }
        time
    });
    if node.name.starts_with("deleted") {
        out.withdraw(&key, updated);
        return Ok(());
    }
    // Members name each other by number only: a name would make two parties of one.
    item.organisation(member);
    if !named.text.trim().is_empty() {
        item.tag(&format!("member: {}", named.text.trim()));
    }
    item.classification(node.text_of("classification")?.unwrap_or_default());
    for fingerprint in node.only("fingerprints")?.map_or(&[][..], |node| &node.within) {
        take_fingerprint(out, &mut item, fingerprint);
    }
    for said in node.only("feedback")?.map_or(&[][..], |node| &node.within) {
        take_feedback(out, &mut item, said);
    }
    out.give(&key, updated, item);
    Ok(())
}

fn take_fingerprint(out: &mut Out, item: &mut Item, node: &Node) {
    let name = node.name.to_ascii_lowercase().replace('-', "_");
    let text = node.text.trim();
    let known = match name.as_str() {
        "md5" => Some(SignalType::Md5),
        "sha1" => Some(SignalType::Sha1),
        "sha256" => Some(SignalType::Sha256),
        "pdq" => Some(SignalType::Pdq),
        "pdna" | "photodna" => Some(SignalType::PhotoDna),
        _ => None,
    };
    if known.is_none() && !CARRIED.contains(&name.as_str()) {
        out.count("signal type", &name);
    }
    if let Some(address) = node.attribute("href") {
        item.link(&name, address);
    } else if text.is_empty() {
        // A value may be absent: it is no fault, and no statement.
    } else if let Some(kind) = known {
        item.signal(&name, &kind, text);
    } else {
        item.opaque(&name, text);
    }
}

/// Reasons stand before the members that have them, in turn: several members may share them, and a reason may stand
/// behind another one before any member does.
fn take_feedback(out: &mut Out, item: &mut Item, node: &Node) {
    let value = match node.name.as_str() {
        "affirmativeFeedback" => Value::Positive,
        "negativeFeedback" => Value::Negative,
        other => return out.count("feedback", other),
    };
    let mut reasons: Vec<&str> = Vec::new();
    let mut were_used = false;
    let mut has_members = false;
    let inner = node.within.iter().flat_map(|node| match node.name.as_str() {
        "reasons" => node.within.iter().collect::<Vec<_>>(),
        _ => vec![node],
    });
    for node in inner {
        match node.name.as_str() {
            "reason" => {
                if std::mem::take(&mut were_used) {
                    reasons.clear();
                }
                reasons.extend(node.attribute("name").or_else(|| node.attribute("guid")));
            }
            "members" => {
                were_used = true;
                let at = node.attribute("timestamp").and_then(Time::read);
                for member in node.within.iter().filter(|node| node.name == "member") {
                    has_members = true;
                    let name = member.attribute("id").unwrap_or(member.text.as_str());
                    item.opinion(name, value, &reasons, at);
                }
            }
            other => out.count("feedback", other),
        }
    }
    if value == Value::Negative && !has_members {
        // Somebody said so: who, is not told.
        item.opinion("", value, &reasons, None);
    }
}

//! An item as it is put together from the fields of a record, within the limits of records.

use crate::core::bank::BankedSignal;
use crate::core::bank::SIGNALS_PER_ENTRY_MAX;
use crate::core::opinion::{OPINIONS_PER_ENTRY_MAX, Value};
use crate::core::record::{Link, Listed, SaidOpinion};
use crate::core::signal::{CustomType, Signal, SignalType};
use crate::core::time::Time;

const WORD_BYTES_MAX: usize = 256;
const TAGS_MAX: usize = 32;
const TAG_BYTES_MAX: usize = 64;
const REASONS_MAX: usize = 8;
const REASON_BYTES_MAX: usize = 128;
const LINKS_MAX: usize = 32;
const ADDRESS_BYTES_MAX: usize = 2048;
/// `PhotoDNA` in hexadecimal digits: 144 bytes.
const PHOTODNA_DIGITS: usize = 288;
/// What a member is called that a source does not name.
const UNNAMED: &str = "unnamed";

/// An item that is being put together, with the parts that cannot be taken.
#[derive(Debug, Default)]
pub(super) struct Item {
    pub(super) listed: Listed,
    pub(super) faults: Vec<String>,
}

impl Item {
    /// A part that cannot be taken.
    pub(super) fn fault(&mut self, must: impl Into<String>) {
        // One of a kind is enough: a record of nothing but faults must not gather.
        let must = must.into();
        if !self.faults.contains(&must) && self.faults.len() < REASONS_MAX {
            self.faults.push(must);
        }
    }

    /// Adds a value of a type that is known here. `name` is the source's word for it.
    pub(super) fn signal(&mut self, name: &str, kind: &SignalType, text: &str) {
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let read = match kind {
            // Its text is base64 as a rule, in which digits would be read as something else.
            SignalType::PhotoDna if text.len() == PHOTODNA_DIGITS && is_digits(text) => {
                hex::decode(text)
                    .map(|bytes| Signal::PhotoDna(bytes.into()))
                    .map_err(|_| String::new())
            }
            _ => Signal::parse(kind, text).map_err(|problem| problem.to_string()),
        };
        match read {
            Ok(signal) => self.add(signal),
            Err(problem) => self.fault(format!("{name} {problem}")),
        }
    }

    /// Adds a value of a type that nothing here compares by itself: the bytes of its text as they stand. Whether the
    /// type has a name that can be kept.
    pub(super) fn opaque(&mut self, name: &str, text: &str) -> bool {
        let Ok(kind) = CustomType::parse(name) else { return false };
        match Signal::from_bytes(&SignalType::Custom(kind), text.as_bytes()) {
            Ok(signal) => self.add(signal),
            Err(problem) => self.fault(format!("{name} {problem}")),
        }
        true
    }

    fn add(&mut self, signal: Signal) {
        let signals = &mut self.listed.signals;
        if signals.iter().any(|banked| banked.signal == signal) {
            return;
        }
        if signals.len() == SIGNALS_PER_ENTRY_MAX {
            return self.fault(format!("must have at most {SIGNALS_PER_ENTRY_MAX} signals"));
        }
        signals.push(BankedSignal::new(signal, None));
    }

    /// Says who reported the item.
    pub(super) fn organisation(&mut self, text: &str) {
        self.listed.organisation = self.word("the organisation", text, WORD_BYTES_MAX);
    }

    /// Says what class the item is of.
    pub(super) fn classification(&mut self, text: &str) {
        self.listed.classification = self.word("the classification", text, WORD_BYTES_MAX);
    }

    /// Adds a label.
    pub(super) fn tag(&mut self, text: &str) {
        let tag = self.word("a label", text, TAG_BYTES_MAX);
        let tags = &mut self.listed.tags;
        if tag.is_empty() || tags.contains(&tag) {
            return;
        }
        if tags.len() == TAGS_MAX {
            return self.fault(format!("must have at most {TAGS_MAX} labels"));
        }
        tags.push(tag);
    }

    /// Adds what a member says. Where it says several things the one that gives most reason for doubt stands, and
    /// otherwise the surer one: a member that finds one value of an item wrong has seen something in it that the others
    /// have not.
    pub(super) fn opinion(
        &mut self,
        member: &str,
        value: Value,
        reasons: &[&str],
        at: Option<Time>,
    ) {
        let member = self.word("the member", member, WORD_BYTES_MAX);
        let member = if member.is_empty() { UNNAMED.to_owned() } else { member };
        let reasons: Vec<String> = reasons
            .iter()
            .map(|reason| self.word("a reason", reason, REASON_BYTES_MAX))
            .filter(|reason| !reason.is_empty())
            .collect();
        let opinions = &mut self.listed.opinions;
        let present = opinions.iter().position(|said| said.organisation == member);
        let place = present.unwrap_or_else(|| {
            opinions.push(SaidOpinion { organisation: member, value, reasons: Vec::new(), at });
            opinions.len() - 1
        });
        let said = &mut opinions[place];
        if rank(value) > rank(said.value) {
            (said.value, said.at) = (value, at);
            said.reasons.clear();
        } else if value == said.value {
            said.at = said.at.max(at);
        } else {
            return;
        }
        for reason in reasons {
            if said.reasons.len() < REASONS_MAX && !said.reasons.contains(&reason) {
                said.reasons.push(reason);
            }
        }
        if self.listed.opinions.len() > OPINIONS_PER_ENTRY_MAX {
            // The one that says least: never a doubt where there is anything else.
            let least = (0..=OPINIONS_PER_ENTRY_MAX).rev();
            let least = least.min_by_key(|place| rank(self.listed.opinions[*place].value));
            least.map(|place| self.listed.opinions.remove(place));
            self.fault(format!("must have at most {OPINIONS_PER_ENTRY_MAX} opinions"));
        }
    }

    /// Adds a value that comes when asked for.
    pub(super) fn link(&mut self, kind: &str, address: &str) {
        let is_good = (1..=ADDRESS_BYTES_MAX).contains(&address.len())
            && !address.chars().any(|c| c.is_control() || c.is_whitespace());
        if !is_good || self.listed.links.len() == LINKS_MAX {
            let must =
                format!("at most {LINKS_MAX}, of 1 to {ADDRESS_BYTES_MAX} bytes without spaces");
            return self.fault(format!("addresses of values must be {must}"));
        }
        self.listed.links.push(Link { kind: kind.to_owned(), address: address.to_owned() });
    }

    /// A text of at most so many bytes, without control characters.
    fn word(&mut self, name: &str, text: &str, bytes_max: usize) -> String {
        let text: String =
            text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if text.len() <= bytes_max {
            return text;
        }
        self.fault(format!("{name} must be at most {bytes_max} bytes long: its end was left out"));
        let end = (0..=bytes_max).rev().find(|end| text.is_char_boundary(*end));
        text[..end.unwrap_or(0)].to_owned()
    }
}

/// Which of two opinions of one member stands.
const fn rank(value: Value) -> u8 {
    match value {
        Value::Seed => 0,
        Value::Positive => 1,
        Value::Negative => 2,
    }
}

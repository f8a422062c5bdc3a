//! Files as each exchange writes them, made from things, with the records that they must be read as.

use crate::core::bank::BankedSignal;
use crate::core::exchange_file::{Category, CategoryTable, Exchange};
use crate::core::opinion::Value;
use crate::core::record::{HANDLE, Link, Listed, Record, RecordKey, SaidOpinion, Says};
use crate::core::signal::{Bits256, Signal};
use crate::core::time::Time;
use base64::Engine as _;
use proptest::prelude::*;

/// Whose format it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Ncmec,
    Vics,
    StopNcii,
    ThreatExchange,
    Arachnid,
}

pub(super) const FORMATS: [Format; 5] =
    [Format::Ncmec, Format::Vics, Format::StopNcii, Format::ThreatExchange, Format::Arachnid];

/// A thing that a source lists or has withdrawn. Arachnid withdraws nothing: there it is listed always.
#[derive(Debug, Clone)]
pub(super) struct Thing {
    number: u32,
    md5: [u8; 16],
    pdq: [u8; 32],
    seconds: i64,
    is_withdrawn: bool,
    opinion: Option<Value>,
}

pub(super) fn any_thing() -> impl Strategy<Value = Thing> {
    let opinion =
        prop_oneof![Just(None), Just(Some(Value::Positive)), Just(Some(Value::Negative)),];
    let values = (any::<u32>(), any::<[u8; 16]>(), any::<[u8; 32]>(), 0..4_000_000_000_i64);
    (values, any::<bool>(), opinion).prop_map(
        |((number, md5, pdq, seconds), is_withdrawn, opinion)| Thing {
            number,
            md5,
            pdq,
            seconds,
            is_withdrawn,
            opinion,
        },
    )
}

impl Thing {
    pub(super) fn of(number: u32) -> Self {
        let mut pdq = [7; 32];
        pdq[..4].copy_from_slice(&number.to_be_bytes());
        let mut md5 = [9; 16];
        md5[..4].copy_from_slice(&number.to_be_bytes());
        let seconds = 1_600_000_000;
        Self { number, md5, pdq, seconds, is_withdrawn: false, opinion: None }
    }

    fn time(&self) -> Time {
        Time::from_millis(self.seconds * 1000)
    }

    fn pdq(&self) -> Signal {
        Signal::Pdq(Bits256::from_bytes(self.pdq))
    }
}

/// What is written at the places that a test may fill otherwise.
#[derive(Clone, Copy, Default)]
struct Filled<'a> {
    md5: Option<&'a str>,
    kind: Option<&'a str>,
    time: Option<&'a str>,
    status: Option<&'a str>,
    extra: &'a str,
}

impl Format {
    pub(super) fn is_xml(self) -> bool {
        self == Self::Ncmec
    }

    pub(super) fn exchange(self) -> Exchange {
        match self {
            Self::Ncmec => Exchange::Ncmec,
            Self::StopNcii => Exchange::StopNcii,
            Self::ThreatExchange => Exchange::ThreatExchange,
            Self::Arachnid => Exchange::Arachnid,
            Self::Vics => {
                let category =
                    |class: &str, is_taken| Category { class: class.to_owned(), is_taken };
                let table = CategoryTable::default();
                Exchange::Vics(table.with("US", 1, category("CSAM", true)).with(
                    "us",
                    4,
                    category("", false),
                ))
            }
        }
    }

    /// What stands before the first record and behind the last.
    pub(super) fn around(self) -> (String, String) {
        let (head, tail) = match self {
            Self::Ncmec => (
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<queryResult xmlns=\"https://hashsharing.ncmec.org/hashsharing/v2\">\n<images>",
                "</images></queryResult>",
            ),
            Self::Vics => (
                "{\"@odata.context\":\"http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Media\",\n\"value\":[",
                "]}",
            ),
            Self::StopNcii => ("{\"count\":1,\"hashRecords\":[", "]}"),
            Self::ThreatExchange => ("{\"data\":[", "]}"),
            Self::Arachnid => ("{\"scanned_hashes\":{", "}}"),
        };
        (head.to_owned(), tail.to_owned())
    }

    pub(super) fn between(self) -> &'static str {
        if self.is_xml() { "\n" } else { "," }
    }

    pub(super) fn file(self, things: &[Thing]) -> String {
        let (head, tail) = self.around();
        let elements: Vec<String> = things.iter().map(|thing| self.element(thing)).collect();
        format!("{head}{}{tail}", elements.join(self.between()))
    }

    /// Where each record of a file ends.
    pub(super) fn ends(self, things: &[Thing]) -> Vec<usize> {
        let mut at = self.around().0.len();
        let mut ends = Vec::new();
        for thing in things {
            at += self.element(thing).len();
            ends.push(at);
            at += self.between().len();
        }
        ends
    }

    pub(super) fn element(self, thing: &Thing) -> String {
        self.filled(thing, Filled::default())
    }

    /// A record with a part that nobody looks at, of so many bytes.
    pub(super) fn with_filler(self, thing: &Thing, bytes: usize) -> String {
        let (head, tail) = self.with_hole(thing);
        let filler = "x".repeat(bytes);
        if self.is_xml() {
            format!("{head}{filler}{tail}")
        } else {
            format!("{head}\"{filler}\"{tail}")
        }
    }

    /// A record in two parts, between which a part that nobody looks at can be put.
    pub(super) fn with_hole(self, thing: &Thing) -> (String, String) {
        let extra = if self.is_xml() { "<extra>HOLE</extra>" } else { ",\"extra\":HOLE" };
        let text = self.filled(thing, Filled { extra, ..Filled::default() });
        let (head, tail) = text.split_once("HOLE").unwrap();
        (head.to_owned(), tail.to_owned())
    }

    /// A file of one record with a value at a named place.
    pub(super) fn file_with(self, field: &str, value: &str) -> String {
        let mut filled = Filled::default();
        match field {
            "md5" => filled.md5 = Some(value),
            "kind" => filled.kind = Some(value),
            "time" => filled.time = Some(value),
            _ => filled.status = Some(value),
        }
        let (head, tail) = self.around();
        format!("{head}{}{tail}", self.filled(&Thing::of(1), filled))
    }

    fn filled(self, thing: &Thing, filled: Filled<'_>) -> String {
        let Thing { number, is_withdrawn, opinion, .. } = thing;
        let md5 = filled.md5.map_or_else(|| hex::encode(thing.md5), str::to_owned);
        let pdq = filled.md5.map_or_else(|| hex::encode(thing.pdq), str::to_owned);
        let time = filled.time.map_or_else(|| thing.time().utc(), str::to_owned);
        let seconds =
            filled.time.map_or_else(|| thing.seconds.to_string(), |time| format!("\"{time}\""));
        let extra = filled.extra;
        match self {
            Self::Ncmec if *is_withdrawn => format!(
                "<deletedImage>{extra}<member id=\"42\"/><id>e{number}</id><timestamp>{time}</timestamp></deletedImage>"
            ),
            Self::Ncmec => {
                let kind = filled.kind.unwrap_or("md5");
                let member = "<members><member id=\"7\"/></members>";
                let feedback = match opinion {
                    None => String::new(),
                    Some(Value::Negative) => format!(
                        "<feedback><negativeFeedback type=\"Md5\"><reasons><reason name=\"viral\"/>{member}</reasons></negativeFeedback></feedback>"
                    ),
                    Some(_) => format!(
                        "<feedback><affirmativeFeedback>{member}</affirmativeFeedback></feedback>"
                    ),
                };
                let class = filled.status.unwrap_or("A1");
                format!(
                    "<image>{extra}<member id=\"42\"/><timestamp>{time}</timestamp><id>e{number}</id><classification>{class}</classification>\
                     <fingerprints><{kind}>{md5}</{kind}><pdq>{pdq}</pdq></fingerprints>{feedback}</image>"
                )
            }
            Self::Vics => {
                let category = filled.status.map_or_else(
                    || if *is_withdrawn { "4" } else { "1" }.into(),
                    |s| format!("\"{s}\""),
                );
                let suspected = if opinion.is_some() { "\"true\"" } else { "false" };
                let kind = filled.kind.unwrap_or("PDQ");
                format!(
                    "{{\"MediaID\":{number},\"Category\":{category},\"MD5\":\"{}\",\"DateUpdated\":\"{time}\",\"IsSuspected\":{suspected},\
                     \"AlternativeHashes\":[{{\"HashName\":\"{kind}\",\"HashValue\":\"{pdq}\"}}]{extra}}}",
                    md5.to_uppercase(),
                )
            }
            Self::StopNcii => {
                let status =
                    filled.status.unwrap_or(if *is_withdrawn { "Withdrawn" } else { "Active" });
                let kind = filled.kind.unwrap_or("ImagePDQ");
                let feedback = match opinion {
                    None => "[]",
                    Some(Value::Negative) => {
                        "[{\"source\":\"acme\",\"feedbackValue\":\"NotBlocked\",\"tags\":[\"viral\"]}]"
                    }
                    Some(_) => "[{\"source\":\"acme\",\"feedbackValue\":\"Blocked\"}]",
                };
                format!(
                    "{{\"lastModtimestamp\":{seconds},\"signalType\":\"{kind}\",\"hashValue\":\"{pdq}\",\"hashStatus\":\"{status}\",\
                     \"caseNumbers\":{{\"1\":\"Active\"}},\"CSPFeedbacks\":{feedback}{extra}}}"
                )
            }
            Self::ThreatExchange => {
                let status = filled.status.unwrap_or(match opinion {
                    None => "UNKNOWN",
                    Some(Value::Negative) => "NON_MALICIOUS",
                    Some(_) => "MALICIOUS",
                });
                let kind = filled.kind.unwrap_or("HASH_PDQ");
                format!(
                    "{{\"indicator\":\"{pdq}\",\"type\":\"{kind}\",\"last_updated\":{seconds},\"should_delete\":{is_withdrawn},\
                     \"descriptors\":{{\"data\":[{{\"id\":\"1\",\"owner\":{{\"id\":\"7\"}},\"status\":\"{status}\"}}]}}{extra}}}"
                )
            }
            Self::Arachnid => {
                let hash = base64::engine::general_purpose::STANDARD.encode(thing.pdq);
                let hash = filled.md5.map_or(hash, str::to_owned);
                let class = filled.status.unwrap_or("csam");
                let kind = filled.kind.unwrap_or(if opinion.is_some() { "near" } else { "exact" });
                format!(
                    "\"{hash}\":{{\"classification\":\"{class}\",\"match_type\":\"{kind}\",\"near_match_details\":[]{extra}}}"
                )
            }
        }
    }

    /// The records that a file of these things must be read as.
    pub(super) fn records(self, things: &[Thing]) -> Vec<Record> {
        let record = |(place, thing): (u64, &Thing)| self.record(place, thing);
        (1..).zip(things).map(record).collect()
    }

    fn record(self, place: u64, thing: &Thing) -> Record {
        let said = |organisation: &str, value, reasons: &[&str]| SaidOpinion {
            organisation: organisation.to_owned(),
            value,
            reasons: reasons.iter().map(|&reason| reason.to_owned()).collect(),
            at: None,
        };
        let reason = |value| if value == Value::Negative { &["viral"][..] } else { &[] };
        let pdq = hex::encode(thing.pdq);
        let (key, organisation, class) = match self {
            Self::Ncmec => (format!("42/e{}", thing.number), "42", "A1"),
            Self::Vics => (thing.number.to_string(), "US", "CSAM"),
            Self::StopNcii => (format!("imagepdq/{pdq}"), "", ""),
            Self::ThreatExchange => (format!("hash_pdq/{pdq}"), "", ""),
            Self::Arachnid => (format!("pdq/{pdq}"), "arachnid", "csam"),
        };
        let opinions = match self {
            Self::Ncmec => {
                thing.opinion.map(|value| said("7", value, reason(value))).into_iter().collect()
            }
            Self::Vics => {
                thing.opinion.map(|_| said("US", Value::Seed, &["suspected"])).into_iter().collect()
            }
            Self::StopNcii => {
                let other = thing.opinion.map(|value| said("acme", value, reason(value)));
                std::iter::once(said("case", Value::Seed, &[])).chain(other).collect()
            }
            Self::ThreatExchange => vec![said("7", thing.opinion.unwrap_or(Value::Seed), &[])],
            Self::Arachnid => thing
                .opinion
                .map(|_| said("arachnid", Value::Seed, &["near match"]))
                .into_iter()
                .collect(),
        };
        let values = match self {
            Self::Ncmec | Self::Vics => vec![Signal::Md5(thing.md5), thing.pdq()],
            _ => vec![thing.pdq()],
        };
        let listed = Listed {
            signals: values.into_iter().map(|signal| BankedSignal::new(signal, None)).collect(),
            organisation: organisation.to_owned(),
            classification: class.to_owned(),
            opinions,
            links: if self == Self::ThreatExchange {
                vec![Link { kind: HANDLE.to_owned(), address: "1".to_owned() }]
            } else {
                Vec::new()
            },
            ..Listed::default()
        };
        let is_withdrawn = thing.is_withdrawn && self != Self::Arachnid;
        Record {
            place,
            key: RecordKey::parse(&key).unwrap(),
            updated: (self != Self::Arachnid).then(|| thing.time()),
            says: if is_withdrawn { Says::Withdrawn } else { Says::Listed(Box::new(listed)) },
        }
    }
}

//! Hashes that a service is asked about, and what its answer says of each: nothing, where that is not beyond doubt.
//!
//! What it does not know is what it says so of in its own word for that, and in no other way. A class that is not known here
//! is the gravest (`core/exchange_file`); a hash that is passed over, or of which two things are said, was not answered.

use crate::core::exchange::Arachnid;
use crate::core::exchange_file::{self, ExchangeFile, named_by_value};
use crate::core::polling::words::{Ask, BadAnswer, Verb};
use crate::core::record::{BadRecord, Record, RecordKey, Unknown};
use crate::core::signal::Bits256;
use data_encoding::BASE64;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

/// Most hashes of one question: no limit is documented, and a longer list would make many items wait for one answer.
pub const HASHES_MAX: usize = 64;

const NOT_KNOWN: &str = "no-known-match";

/// What was said of hashes.
#[derive(Debug, Default)]
pub struct LookedUp {
    /// Those that the service does not know.
    pub unlisted: BTreeSet<Bits256>,
    /// Those that it lists, with the names of their records.
    pub listed: BTreeMap<Bits256, RecordKey>,
    /// What it says of them, and of what it finds near to them.
    pub records: Vec<Record>,
    /// What of it cannot be taken.
    pub bad: Vec<BadRecord>,
    /// What is not known here of it.
    pub unknown: Unknown,
}

impl LookedUp {
    /// Whether something was said of a hash.
    #[must_use]
    pub fn has(&self, hash: &Bits256) -> bool {
        self.unlisted.contains(hash) || self.listed.contains_key(hash)
    }
}

fn name(hash: &Bits256) -> String {
    BASE64.encode(&hash.to_bytes())
}

/// Asks a service about hashes.
#[must_use]
pub fn look_up(of: &Arachnid, hashes: &[Bits256]) -> Ask {
    let names: Vec<String> = hashes.iter().map(name).collect();
    let body = json!({ "hashes": names }).to_string().into_bytes();
    Ask::get(&of.site.address, "/v1/pdq/").basic(&of.username, &of.password).with_body(
        Verb::Post,
        "application/json",
        body,
    )
}

/// What an answer says of the hashes that were asked about; what it says of others is passed over.
///
/// # Errors
/// [`BadAnswer::Must`] where it is no answer to such a question.
pub fn looked_up(hashes: &[Bits256], answer: &[u8]) -> Result<LookedUp, BadAnswer> {
    let must = BadAnswer::Must("say something of the hashes that were asked about");
    let fields: Fields<Fields<Fields<Value>>> =
        serde_json::from_slice(answer).map_err(|_| must.clone())?;
    let mut scanned = fields.0.into_iter().flatten().filter(|(field, _)| field == "scanned_hashes");
    let (Some((_, Fields(Some(answers)))), None) = (scanned.next(), scanned.next()) else {
        return Err(must);
    };
    let asked: BTreeMap<String, &Bits256> = hashes.iter().map(|hash| (name(hash), hash)).collect();
    let (mut said, mut twice) = (BTreeMap::new(), BTreeSet::new());
    for (name, answer) in answers {
        let Some(hash) = asked.get(&name) else { continue };
        if said.insert(**hash, answer.0).is_some() {
            twice.insert(**hash);
        }
    }
    said.retain(|hash, _| !twice.contains(hash));
    let mut all = LookedUp::default();
    for (hash, said) in said {
        let Some(said) = said.and_then(once) else { continue };
        if is_unlisted(&said) {
            all.unlisted.insert(hash);
        } else {
            all.read(hash, &said);
        }
    }
    Ok(all)
}

/// The fields of an object, where each stands once.
fn once(fields: Vec<(String, Value)>) -> Option<BTreeMap<String, Value>> {
    let count = fields.len();
    let each: BTreeMap<String, Value> = fields.into_iter().collect();
    (each.len() == count).then_some(each)
}

/// Whether the service says that it does not know a hash, and nothing else that would contradict that.
fn is_unlisted(said: &BTreeMap<String, Value>) -> bool {
    let is_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(all) => all.is_empty(),
        _ => false,
    };
    let others = ["match_type", "near_match_details", "detail"];
    said.get("classification").and_then(Value::as_str) == Some(NOT_KNOWN)
        && others.iter().all(|other| said.get(*other).is_none_or(is_nothing))
}

impl LookedUp {
    /// Reads what is said of a hash as a file of such answers is read: listed is what comes out of that as a record of it.
    fn read(&mut self, hash: Bits256, said: &BTreeMap<String, Value>) {
        let text = json!({ "scanned_hashes": { name(&hash): said } }).to_string();
        let mut file = ExchangeFile::new(exchange_file::Exchange::Arachnid);
        if file.feed(text.as_bytes()).and_then(|()| file.end()).is_err() {
            return;
        }
        let wanted = named_by_value("pdq", &hex::encode(hash.to_bytes()));
        let records = file.take();
        if let Some(own) = records.iter().find(|record| record.key.as_str() == wanted) {
            self.listed.insert(hash, own.key.clone());
            self.records.extend(records);
        }
        self.bad.extend(file.take_bad());
        for (what, count) in file.unknown() {
            *self.unknown.entry(what.clone()).or_default() += count;
        }
    }
}

/// The fields of an object in their order, also those that stand twice; nothing where it is no object.
struct Fields<T>(Option<Vec<(String, T)>>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fields<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any(PhantomData))
    }
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
    type Value = Fields<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(Some(fields)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Self::Value, A::Error> {
        while all.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Fields(None))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Fields(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Fields(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Fields(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Fields(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Fields(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Fields(None))
    }
}

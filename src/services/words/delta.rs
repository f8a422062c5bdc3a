//! Deltas, between the wire and the core: what is told, signed; and what others have signed, read.

use crate::core::bank::{BankedSignal, Entry, EntryState};
use crate::core::exchange::{Cursor, DELTA_TERM, DeltaHead, NotAccepted, Tell, record_of};
use crate::core::id::{BankId, EntryId};
use crate::core::opinion::{OPINIONS_PER_ENTRY_MAX, Opinion, Party, Value};
use crate::core::record::{BadRecord, Record};
use crate::core::time::Time;
use crate::io::seal::{KeyRing, has_signed};
use crate::proto::v1;
use crate::services::words::fields::Fields;
use crate::services::words::{moment, opinion, signal};
use prost::Message as _;

/// What the signature of a delta is for.
const PURPOSE: &str = "bulwark delta v1";
/// Most items of one delta: more than one event can have.
const ITEMS_MAX: usize = 8192;
const WORDS_BYTES_MAX: usize = 256;
const TAGS_MAX: usize = 32;
const TAG_BYTES_MAX: usize = 64;
const ANCHOR_BYTES_MAX: usize = 64;

/// What a delta says beside its items.
#[derive(Debug, Clone, Copy)]
pub struct Addressed<'a> {
    /// By which name the receiver is known.
    pub audience: &'a str,
    /// Of which bank.
    pub bank: &'a BankId,
    /// Number after which it begins.
    pub from: u64,
    /// Where it ends.
    pub to: &'a Cursor,
    /// The time.
    pub now: Time,
}

/// Writes and signs a delta.
#[must_use]
pub fn sign(
    keys: &KeyRing,
    addressed: Addressed<'_>,
    items: Vec<v1::DeltaItem>,
) -> v1::SignedDelta {
    let expires = Time::from_millis(
        addressed.now.millis().saturating_add(i64::try_from(DELTA_TERM.as_millis()).unwrap_or(0)),
    );
    let delta = v1::Delta {
        origin: keys.origin().to_owned(),
        audience: addressed.audience.to_owned(),
        bank_id: addressed.bank.to_string(),
        from_number: addressed.from,
        to_number: addressed.to.number,
        anchor: addressed.to.anchor.clone().into(),
        issue_time: Some(moment::timestamp(addressed.now)),
        expire_time: Some(moment::timestamp(expires)),
        items,
    };
    let bytes = delta.encode_to_vec();
    let signature = keys.sign_for(PURPOSE, &bytes).into();
    v1::SignedDelta { delta: bytes.into(), signature }
}

/// Writes what is told of an entry.
#[must_use]
pub fn write_told(entry: &EntryId, told: &Tell) -> v1::DeltaItem {
    use v1::delta_item::Says;
    let says = match told {
        Tell::Withdrawn => Says::Withdrawn(v1::DeltaWithdrawn {}),
        Tell::Listed { state, signals, organisation, classification, tags, opinions } => {
            Says::Listed(v1::DeltaListed {
                signals: signals.iter().map(write_signal).collect(),
                state: write_state(*state).into(),
                source_organisation: organisation.clone(),
                classification: classification.clone(),
                tags: tags.clone(),
                opinions: opinions.iter().map(opinion::write).collect(),
            })
        }
    };
    v1::DeltaItem { entry_id: entry.to_string(), says: Some(says) }
}

/// Writes what people here say of an entry of the receiver; nothing where they say nothing.
#[must_use]
pub fn write_opinion(entry: &str, said: Option<&Opinion>) -> v1::DeltaItem {
    let value = said.map_or(v1::OpinionValue::Unspecified, |said| opinion::write_value(said.value));
    let reasons = said.map(|said| said.reasons.clone()).unwrap_or_default();
    let says = v1::DeltaOpinion { value: value.into(), reasons };
    let says = Some(v1::delta_item::Says::Opinion(says));
    v1::DeltaItem { entry_id: entry.to_owned(), says }
}

/// What people here say of an entry.
#[must_use]
pub fn ours(entry: &Entry) -> Option<&Opinion> {
    entry.opinions().iter().find(|opinion| opinion.by == Party::Here)
}

fn write_signal(banked: &BankedSignal) -> v1::Signal {
    let (kind, custom_type) = signal::write_type(&banked.signal.kind());
    v1::Signal {
        r#type: kind.into(),
        custom_type,
        value: Some(v1::signal::Value::Binary(banked.signal.bytes().into())),
        quality: banked.quality,
        offset: banked.at.map(moment::millis),
        ..v1::Signal::default()
    }
}

const fn write_state(state: EntryState) -> v1::EntryState {
    match state {
        EntryState::Active => v1::EntryState::Active,
        EntryState::Disputed => v1::EntryState::Disputed,
        EntryState::Proposed
        | EntryState::Quarantined
        | EntryState::Trial
        | EntryState::Retired
        | EntryState::Removed => v1::EntryState::Trial,
    }
}

/// A delta whose signature is good.
#[derive(Debug)]
pub struct Heard {
    /// What it says of itself.
    pub head: DeltaHead,
    /// Where it ends.
    pub cursor: Cursor,
    /// What it says.
    pub items: Vec<v1::DeltaItem>,
}

/// Reads a delta that one of these keys has signed.
///
/// # Errors
/// [`NotAccepted::Signature`], [`NotAccepted::Malformed`].
pub fn hear(sent: &v1::SignedDelta, verifiers: &[[u8; 32]]) -> Result<Heard, NotAccepted> {
    if !has_signed(verifiers, PURPOSE, &sent.delta, &sent.signature) {
        return Err(NotAccepted::Signature);
    }
    let malformed = || NotAccepted::Malformed;
    let delta = v1::Delta::decode(&*sent.delta).map_err(|_| malformed())?;
    let expires = moment::read_time(&mut Fields::default(), "", delta.expire_time).flatten();
    if delta.items.len() > ITEMS_MAX || delta.anchor.len() > ANCHOR_BYTES_MAX {
        return Err(malformed());
    }
    Ok(Heard {
        head: DeltaHead {
            origin: delta.origin,
            audience: delta.audience,
            bank: BankId::parse(&delta.bank_id).map_err(|_| malformed())?,
            from: delta.from_number,
            to: delta.to_number,
            expires: expires.ok_or_else(malformed)?,
        },
        cursor: Cursor { number: delta.to_number, anchor: delta.anchor.into() },
        items: delta.items,
    })
}

/// Reads what a teller says of entries. One that cannot be taken keeps no other out.
#[must_use]
pub fn read_records(teller: &str, items: Vec<v1::DeltaItem>) -> (Vec<Record>, Vec<BadRecord>) {
    let (mut records, mut bad) = (Vec::with_capacity(items.len()), Vec::new());
    for (place, item) in (1..).zip(items) {
        let mut fields = Fields::default();
        let record = read_record(&mut fields, place, teller, item);
        match record.filter(|_| fields.is_clean()) {
            Some(record) => records.push(record),
            None => {
                let faults = fields.into_faults();
                let must = faults.into_iter().next().map(|(path, must)| format!("{path} {must}"));
                let must = must.unwrap_or_else(|| "must say what it is".to_owned());
                bad.push(BadRecord { place, must });
            }
        }
    }
    (records, bad)
}

fn read_record(
    fields: &mut Fields,
    place: u64,
    teller: &str,
    item: v1::DeltaItem,
) -> Option<Record> {
    use v1::delta_item::Says;
    let entry = fields.name("entry_id", &item.entry_id, EntryId::parse)?;
    let told = match fields.required("says", item.says)? {
        Says::Withdrawn(v1::DeltaWithdrawn {}) => Tell::Withdrawn,
        Says::Listed(listed) => read_listed(fields, listed)?,
        Says::Opinion(_) => {
            fields.fault("says", "must not be an opinion here");
            return None;
        }
    };
    record_of(place, teller, &entry, told)
}

fn read_listed(fields: &mut Fields, sent: v1::DeltaListed) -> Option<Tell> {
    let banked = signal::read_banked(fields, "signals", &sent.signals)?;
    // A state that is not known is the less strict one: it gives reason to look.
    let state = match v1::EntryState::try_from(sent.state) {
        Ok(v1::EntryState::Active) => EntryState::Active,
        Ok(v1::EntryState::Disputed) => EntryState::Disputed,
        _ => EntryState::Trial,
    };
    fields.count("tags", sent.tags.len(), 0, TAGS_MAX);
    let tags: Vec<_> =
        sent.tags.into_iter().map(|tag| fields.text("tags", tag, TAG_BYTES_MAX)).collect();
    fields.count("opinions", sent.opinions.len(), 0, OPINIONS_PER_ENTRY_MAX);
    let opinions: Vec<_> = sent.opinions.into_iter().map(|one| read_said(fields, one)).collect();
    Some(Tell::Listed {
        state,
        signals: banked,
        organisation: fields.text(
            "source_organisation",
            sent.source_organisation,
            WORDS_BYTES_MAX,
        )?,
        classification: fields.text("classification", sent.classification, WORDS_BYTES_MAX)?,
        tags: tags.into_iter().collect::<Option<_>>()?,
        opinions: opinions.into_iter().collect::<Option<_>>()?,
    })
}

fn read_said(fields: &mut Fields, sent: v1::Opinion) -> Option<Opinion> {
    let value = opinion::read_value(fields, "opinions.value", sent.value);
    let reasons = opinion::read_reasons(fields, "opinions.reasons", sent.reasons);
    let exchange = fields.text("opinions.exchange", sent.exchange, WORDS_BYTES_MAX);
    let organisation = fields.text("opinions.organisation", sent.organisation, WORDS_BYTES_MAX);
    let at = moment::read_time(fields, "opinions.say_time", sent.say_time);
    let (exchange, organisation) = (exchange?, organisation?);
    let by = if exchange.is_empty() && organisation.is_empty() {
        Party::Here
    } else {
        Party::Member { exchange, organisation }
    };
    Some(Opinion { by, value: value?, reasons: reasons?, at: at? })
}

/// What a partner's people say of an entry: its name, and their opinion, which is none where they say nothing any more.
pub type SaidOf = (EntryId, Option<(Value, Vec<String>)>);

/// Reads opinions on entries.
#[must_use]
pub fn read_opinions(items: Vec<v1::DeltaItem>) -> (Vec<SaidOf>, Vec<BadRecord>) {
    let (mut said, mut bad) = (Vec::with_capacity(items.len()), Vec::new());
    for (place, item) in (1..).zip(items) {
        let mut fields = Fields::default();
        let entry = fields.name("entry_id", &item.entry_id, EntryId::parse);
        let says = match item.says {
            Some(v1::delta_item::Says::Opinion(says)) => Some(says),
            _ => None,
        };
        let opinion = says.and_then(|says| {
            let reasons = opinion::read_reasons(&mut fields, "reasons", says.reasons)?;
            if says.value == 0 {
                return Some(None);
            }
            Some(Some((opinion::read_value(&mut fields, "value", says.value)?, reasons)))
        });
        match entry.zip(opinion) {
            Some(read) if fields.is_clean() => said.push(read),
            _ => bad.push(BadRecord { place, must: "must be an opinion on an entry".to_owned() }),
        }
    }
    (said, bad)
}

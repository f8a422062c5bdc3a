//! Opinions, between the wire and the core.

use crate::core::opinion::{Merged, Opinion, Party, Value};
use crate::proto::v1;
use crate::services::words::fields::Fields;
use crate::services::words::moment;

/// Most reasons of one opinion.
pub const REASONS_MAX: usize = 8;
/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 128;

/// Reads what a party says.
pub fn read_value(fields: &mut Fields, path: &str, number: i32) -> Option<Value> {
    match v1::OpinionValue::try_from(number) {
        Ok(v1::OpinionValue::Negative) => Some(Value::Negative),
        Ok(v1::OpinionValue::Seed) => Some(Value::Seed),
        Ok(v1::OpinionValue::Positive) => Some(Value::Positive),
        Ok(v1::OpinionValue::Unspecified) => fields.required(path, None),
        Err(_) => {
            fields.fault(path, "must be a value that this version knows");
            None
        }
    }
}

/// Reads why a party says so.
pub fn read_reasons(fields: &mut Fields, path: &str, sent: Vec<String>) -> Option<Vec<String>> {
    fields.count(path, sent.len(), 0, REASONS_MAX);
    let read: Vec<_> = sent
        .into_iter()
        .take(REASONS_MAX)
        .enumerate()
        .map(|(place, reason)| fields.text(format!("{path}[{place}]"), reason, REASON_BYTES_MAX))
        .collect();
    read.into_iter().collect()
}

/// Writes what a party says.
#[must_use]
pub const fn write_value(value: Value) -> v1::OpinionValue {
    match value {
        Value::Negative => v1::OpinionValue::Negative,
        Value::Seed => v1::OpinionValue::Seed,
        Value::Positive => v1::OpinionValue::Positive,
    }
}

/// Writes what opinions come to.
#[must_use]
pub const fn write_merged(merged: Option<Merged>) -> v1::MergedOpinion {
    match merged {
        None => v1::MergedOpinion::Unspecified,
        Some(Merged::Negative) => v1::MergedOpinion::Negative,
        Some(Merged::Seed) => v1::MergedOpinion::Seed,
        Some(Merged::Positive) => v1::MergedOpinion::Positive,
        Some(Merged::Disputed) => v1::MergedOpinion::Disputed,
    }
}

/// Reads what opinions come to, as another process of this deployment wrote it; what is not known is a dispute.
#[must_use]
pub fn read_merged(number: i32) -> Option<Merged> {
    match v1::MergedOpinion::try_from(number) {
        Ok(v1::MergedOpinion::Unspecified) => None,
        Ok(v1::MergedOpinion::Negative) => Some(Merged::Negative),
        Ok(v1::MergedOpinion::Seed) => Some(Merged::Seed),
        Ok(v1::MergedOpinion::Positive) => Some(Merged::Positive),
        Ok(v1::MergedOpinion::Disputed) | Err(_) => Some(Merged::Disputed),
    }
}

/// Writes what one party says.
#[must_use]
pub fn write(opinion: &Opinion) -> v1::Opinion {
    let (exchange, organisation) = match &opinion.by {
        Party::Here => (String::new(), String::new()),
        Party::Member { exchange, organisation } => (exchange.clone(), organisation.clone()),
    };
    v1::Opinion {
        exchange,
        organisation,
        value: write_value(opinion.value).into(),
        reasons: opinion.reasons.clone(),
        say_time: opinion.at.map(moment::timestamp),
    }
}

//! What requests about exchanges and those about partners have in common.

use crate::core::bank::EntryState;
use crate::core::exchange::VERIFIERS_MAX;
use crate::proto::v1;
use crate::services::words::fields::Fields;

/// Longest text for people, in bytes.
pub const WORDS_BYTES_MAX: usize = 256;

/// Reads where entries stand when they enter.
pub fn read_entering(fields: &mut Fields, path: &str, number: i32) -> Option<EntryState> {
    match v1::EntryState::try_from(number) {
        Ok(v1::EntryState::Unspecified | v1::EntryState::Proposed) => Some(EntryState::Proposed),
        Ok(v1::EntryState::Trial) => Some(EntryState::Trial),
        Ok(v1::EntryState::Active) => Some(EntryState::Active),
        _ => {
            fields.fault(path, "must be PROPOSED, TRIAL or ACTIVE");
            None
        }
    }
}

/// Reads Ed25519 public keys: hexadecimal digits.
pub fn read_keys(
    fields: &mut Fields,
    path: &str,
    sent: &[String],
    least: usize,
) -> Option<Vec<[u8; 32]>> {
    fields.count(path, sent.len(), least, VERIFIERS_MAX);
    let mut keys = Vec::with_capacity(sent.len());
    for (place, text) in sent.iter().enumerate() {
        let mut key = [0; 32];
        let read = hex::decode_to_slice(text, &mut key);
        let must = |_| "must be 64 hexadecimal digits";
        fields.read(format!("{path}[{place}]"), read.map_err(must))?;
        keys.push(key);
    }
    Some(keys)
}

//! Telling: what of an entry another service learns, and the record that it makes of it.

use crate::core::bank::{BankedSignal, Entry, EntryState};
use crate::core::exchange::Share;
use crate::core::id::EntryId;
use crate::core::opinion::{Opinion, Party, Value};
use crate::core::record::{Listed, Record, RecordKey, SaidOpinion, Says};

/// What a partner is told of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tell {
    /// It is listed.
    Listed {
        /// Where it stands: `TRIAL`, `ACTIVE` or `DISPUTED`.
        state: EntryState,
        /// Its signals of the types that are shared.
        signals: Vec<BankedSignal>,
        /// Who reported it.
        organisation: String,
        /// Content class in the source's words.
        classification: String,
        /// Further labels.
        tags: Vec<String>,
        /// What parties say of it; this platform's own people first.
        opinions: Vec<Opinion>,
    },
    /// It is not listed any more, or not for this partner.
    Withdrawn,
}

/// What a partner is told of an entry of a bank that is shared with it; nothing of what is not this platform's to tell: what
/// came from others, unless a person here has confirmed it.
#[must_use]
pub fn tell(share: &Share, entry: &Entry) -> Option<Tell> {
    if entry.origin().is_some() && !entry.provenance.confirmed_by_us {
        // Whoever was told while it was confirmed is told that it is not any more.
        return entry.background().was_confirmed.then_some(Tell::Withdrawn);
    }
    let is_shared = |banked: &&BankedSignal| {
        share.kinds.is_empty() || share.kinds.contains(&banked.signal.kind())
    };
    let signals: Vec<BankedSignal> = entry.signals.iter().filter(is_shared).cloned().collect();
    Some(match entry.state {
        EntryState::Trial | EntryState::Active | EntryState::Disputed if !signals.is_empty() => {
            Tell::Listed {
                state: entry.state,
                signals,
                organisation: entry.provenance.source_organisation.clone(),
                classification: entry.provenance.classification.clone(),
                tags: entry.provenance.tags.clone(),
                opinions: entry.opinions().to_vec(),
            }
        }
        EntryState::Proposed
        | EntryState::Quarantined
        | EntryState::Retired
        | EntryState::Removed
        | EntryState::Trial
        | EntryState::Active
        | EntryState::Disputed => Tell::Withdrawn,
    })
}

/// The record that a receiver makes of what `teller` tells of an entry. Who tells it is its reporter: by whose word it was
/// listed before is only the teller's own.
#[must_use]
pub fn record_of(place: u64, teller: &str, entry: &EntryId, told: Tell) -> Option<Record> {
    let key = RecordKey::parse(entry.as_str())?;
    let says = match told {
        Tell::Withdrawn => Says::Withdrawn,
        Tell::Listed { state, signals, organisation, classification, tags, opinions } => {
            let mut said: Vec<SaidOpinion> = opinions
                .into_iter()
                .map(|opinion| SaidOpinion {
                    organisation: match opinion.by {
                        Party::Here => teller.to_owned(),
                        Party::Member { exchange, organisation } => {
                            within(format!("{exchange}/{organisation}"), 256)
                        }
                    },
                    value: opinion.value,
                    reasons: opinion.reasons,
                    at: opinion.at,
                })
                .collect();
            // A teller whose people say nothing says by the entry's state what it thinks.
            if !said.iter().any(|opinion| opinion.organisation == teller) {
                let value = match state {
                    EntryState::Active => Value::Positive,
                    EntryState::Disputed => Value::Negative,
                    _ => Value::Seed,
                };
                let organisation = teller.to_owned();
                said.push(SaidOpinion { organisation, value, reasons: Vec::new(), at: None });
            }
            let mut tags = tags;
            if !organisation.is_empty() && organisation != teller && tags.len() < 32 {
                tags.push(within(format!("reported by {organisation}"), 64));
            }
            Says::Listed(Box::new(Listed {
                signals,
                organisation: teller.to_owned(),
                classification,
                tags,
                opinions: said,
                links: Vec::new(),
            }))
        }
    };
    Some(Record { place, key, updated: None, says })
}

/// As much of a text as fits.
fn within(mut text: String, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

//! Which entries and items are pairs, and by what name.

use crate::core::access::Scope;
use crate::core::bank::{Bank, BankMode, BankRole, Effect, Entry};
use crate::core::id::{BankId, EntryId, ItemId};
use crate::core::lookback::item::{Remembered, is_remembered};
use crate::core::matcher::Hit;
use crate::core::screening::finding::{is_within_ratio, match_of};
use crate::core::signal::{Signal, SignalType};
use crate::core::verdict::Match;
use sha2::{Digest as _, Sha256};
use std::cmp::Reverse;

/// Whether matches of a bank are told of items that were screened before: those that would decide about new ones.
#[must_use]
pub fn looks_back(bank: &Bank) -> bool {
    bank.enabled
        && bank.role == BankRole::Positive
        && bank.mode == BankMode::Enforce
        && bank.ratio_millionths > 0
}

/// Whether an entry of such a bank is told.
#[must_use]
pub const fn is_told(entry: &Entry) -> bool {
    matches!(entry.state.effect(), Effect::HoldAtMost | Effect::Full)
}

/// Whether, after a change of its settings, a bank may match what it did not match before.
#[must_use]
pub fn reaches_further(before: Option<&Bank>, after: &Bank) -> bool {
    if !looks_back(after) {
        return false;
    }
    let Some(before) = before.filter(|before| looks_back(before)) else { return true };
    let wider = |kind: &SignalType| {
        let (Some(old), Some(new)) = (before.rule(kind), after.rule(kind)) else { return true };
        new.distance_max() > old.distance_max() || new.quality_min < old.quality_min
    };
    after.ratio_millionths > before.ratio_millionths
        || after.rules.iter().any(|rule| wider(&rule.kind))
}

/// How an entry matches a remembered item by the rule of its bank, if it does: the strictest, then the nearest of all its
/// signals. What a negative bank says of the item is not asked.
#[must_use]
pub fn meet(bank: &Bank, entry: &Entry, item: &Remembered) -> Option<Match> {
    let is_drawn =
        || is_within_ratio(&bank.id, item.item.as_str().as_bytes(), bank.ratio_millionths);
    if !looks_back(bank) || !is_told(entry) || !is_drawn() {
        return None;
    }
    let pairs = entry.signals.iter().flat_map(|banked| {
        let kind = banked.signal.kind();
        let rule = bank.rule(&kind).filter(|_| is_remembered(&banked.signal));
        item.probes.iter().filter_map(move |probe| {
            let rule = rule?;
            let distance = distance(&banked.signal, &probe.signal)?;
            let mut qualities = [banked.quality, probe.quality].into_iter().flatten();
            if qualities.any(|quality| quality < rule.quality_min) {
                return None;
            }
            let disposition = rule.disposition_at(distance)?;
            Some((Reverse(disposition), distance, rule, probe))
        })
    });
    let best = pairs.min_by_key(|(strictness, distance, ..)| (*strictness, *distance));
    let (Reverse(disposition), distance, rule, probe) = best?;
    let hit = Hit {
        bank,
        entry: entry.id.clone(),
        kind: rule.kind.clone(),
        distance,
        distance_max: rule.distance_max(),
        disposition,
        effect: entry.state.effect(),
        provenance: entry.provenance.clone(),
    };
    Some(match_of(&hit, probe))
}

/// Bits in which two signals of one kind differ; nothing where they cannot match.
fn distance(one: &Signal, other: &Signal) -> Option<u32> {
    match (one, other) {
        (Signal::Pdq(a), Signal::Pdq(b)) | (Signal::VpdqFrame(a), Signal::VpdqFrame(b)) => {
            Some(a.distance(b))
        }
        (one, other) => (one == other).then_some(0),
    }
}

/// The name of a pair: the same for the same entry and the same item, whoever finds it.
#[must_use]
pub fn pair_id(scope: &Scope, bank: &BankId, entry: &EntryId, item: &ItemId) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(b"bulwark look-back pair\n");
    let scope = scope.to_string();
    for part in [scope.as_str(), bank.as_str(), entry.as_str(), item.as_str()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    id
}

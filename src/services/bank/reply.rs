//! Bank answers, written from the core to the wire.

use crate::core::bank::{
    Bank, BankMode, BankRole, Entry, Guard, Quarantine, Quorum, RATIO_ALL, SignalRule, VideoRule,
    VideoSemantics,
};
use crate::core::id::{BankId, EntryId};
use crate::core::matcher::BankStatus;
use crate::core::signal::SignalType;
use crate::core::time::Time;
use crate::proto::v1;
use crate::services::bank::curate::Opined;
use crate::services::words::page::{self, Page};
use crate::services::words::record::write_etag;
use crate::services::words::shard::{Counted, write_counts};
use crate::services::words::signal::{Sent, write_type};
use crate::services::words::{moment, opinion, policy, verdict};
use std::collections::BTreeMap;

/// Writes a bank.
#[must_use]
pub fn bank(bank: &Bank, entry_count: u64) -> v1::Bank {
    v1::Bank {
        bank_id: bank.id.to_string(),
        display_name: bank.display_name.clone(),
        role: write_role(bank.role).into(),
        mode: write_mode(bank.mode).into(),
        enabled: Some(bank.enabled),
        enabled_ratio: Some(f64::from(bank.ratio_millionths) / f64::from(RATIO_ALL)),
        signal_rules: bank.rules.iter().map(rule).collect(),
        vetted: bank.vetted,
        legal_basis: bank.legal_basis.clone(),
        freshness_limit: bank.freshness_max.map(moment::span),
        etag: write_etag(bank.version),
        create_time: Some(moment::timestamp(bank.created)),
        update_time: Some(moment::timestamp(bank.changed)),
        entry_count,
        quorum: bank.quorum.as_ref().map(quorum),
    }
}

fn quorum(quorum: &Quorum) -> v1::Quorum {
    v1::Quorum {
        organisations_min: quorum.organisations_min,
        jurisdictions_min: quorum.jurisdictions_min,
        voices: quorum
            .voices
            .iter()
            .map(|voice| v1::QuorumVoice {
                exchange: voice.exchange.clone(),
                organisation: voice.organisation.clone(),
                jurisdiction: voice.jurisdiction.clone(),
                accredited: voice.accredited,
            })
            .collect(),
        promotes_to: policy::write_entry_state(quorum.promotes_to).into(),
    }
}

const fn write_role(role: BankRole) -> v1::BankRole {
    match role {
        BankRole::Positive => v1::BankRole::Positive,
        BankRole::Negative => v1::BankRole::Negative,
    }
}

const fn write_mode(mode: BankMode) -> v1::BankMode {
    match mode {
        BankMode::Shadow => v1::BankMode::Shadow,
        BankMode::Enforce => v1::BankMode::Enforce,
    }
}

fn rule(rule: &SignalRule) -> v1::SignalRule {
    let (kind, custom_type) = write_type(&rule.kind);
    v1::SignalRule {
        r#type: kind.into(),
        custom_type,
        quality_min: rule.quality_min,
        bands: rule
            .bands
            .iter()
            .map(|band| v1::Band {
                distance_max: band.distance_max,
                disposition: policy::write_disposition(band.disposition).into(),
            })
            .collect(),
        crosses_media: rule.kind.is_perceptual().then_some(rule.crosses),
        video: (rule.kind == SignalType::VpdqFrame).then(|| video(&rule.video())),
    }
}

fn video(rule: &VideoRule) -> v1::VideoRule {
    let semantics = match rule.semantics {
        VideoSemantics::Contains => v1::VideoSemantics::Contains,
        VideoSemantics::Reference => v1::VideoSemantics::VpdqReference,
        VideoSemantics::Python => v1::VideoSemantics::VpdqPython,
    };
    v1::VideoRule {
        semantics: semantics.into(),
        compared_percent_min: Some(rule.compared_percent_min),
        query_percent_min: Some(rule.query_percent_min),
        frames_min: Some(rule.frames_min),
        span_min: Some(moment::millis(rule.span_min)),
        run_min: Some(moment::millis(rule.run_min)),
        disposition: policy::write_disposition(rule.disposition).into(),
        run_disposition: policy::write_disposition(rule.run_disposition).into(),
    }
}

/// Writes an entry, without its values.
#[must_use]
pub fn entry(bank_id: &str, entry: &Entry) -> v1::BankEntry {
    v1::BankEntry {
        bank_id: bank_id.to_owned(),
        entry_id: entry.id.to_string(),
        signals: entry
            .signals
            .iter()
            .map(|banked| {
                let (kind, custom_type) = write_type(&banked.signal.kind());
                v1::EntrySignal { r#type: kind.into(), custom_type, quality: banked.quality }
            })
            .collect(),
        state: policy::write_entry_state(entry.state).into(),
        provenance: Some(verdict::provenance(&entry.provenance)),
        note: entry.note.clone(),
        etag: write_etag(entry.version),
        create_time: Some(moment::timestamp(entry.created)),
        asked_state: policy::write_entry_state(entry.background().asked).into(),
        quarantine: entry.quarantine().map(quarantine),
        withdrawn_by_source: entry.is_withdrawn(),
    }
}

fn quarantine(quarantine: &Quarantine) -> v1::Quarantine {
    let guard = match quarantine.guard {
        Guard::KnownGood => v1::Guard::KnownGood,
        Guard::NotTested => v1::Guard::NotTested,
        Guard::Flood => v1::Guard::Flood,
        Guard::Cap => v1::Guard::Cap,
    };
    let good = quarantine.good.as_ref();
    v1::Quarantine {
        guard: guard.into(),
        since_time: Some(moment::timestamp(quarantine.since)),
        good: good.map(|good| reference(&good.bank, &good.entry)),
        good_distance: good.map_or(0, |good| good.distance),
    }
}

fn reference(bank: &BankId, entry: &EntryId) -> v1::EntryReference {
    v1::EntryReference { bank_id: bank.to_string(), entry_id: entry.to_string() }
}

/// Writes what came of an opinion on an entry of a bank.
#[must_use]
pub fn opined(bank_id: &str, opined: &Opined, journal_number: u64) -> v1::RecordOpinionResponse {
    v1::RecordOpinionResponse {
        entry: Some(entry(bank_id, &opined.entry)),
        confirmed_entry: opined.confirmed.as_ref().map(|(bank, of)| entry(bank.as_str(), of)),
        same_entries: opined.same.iter().map(|(bank, id)| reference(bank, id)).collect(),
        journal_number,
    }
}

/// Writes a page of what parties say of an entry.
#[must_use]
pub fn opinions(entry: &Entry, page: &Page) -> v1::ListOpinionsResponse {
    let all = entry.opinions();
    let from = page.after.as_deref().and_then(|after| after.parse().ok()).unwrap_or(0);
    let to = all.len().min(from + page.rows as usize);
    v1::ListOpinionsResponse {
        opinions: all.get(from..to).unwrap_or_default().iter().map(opinion::write).collect(),
        merged_opinion: opinion::write_merged(entry.provenance.opinion).into(),
        next_page_token: page::token("opinions", Some(&to.to_string()), to < all.len()),
    }
}

/// Compares two signals by the usual rule of their type.
#[must_use]
pub fn compared(first: &Sent, second: &Sent) -> v1::CompareSignalsResponse {
    let kind = first.signal.kind();
    if kind != second.signal.kind() {
        return v1::CompareSignalsResponse::default();
    }
    let distance = match (first.signal.bits(), second.signal.bits()) {
        (Some(a), Some(b)) => Some(a.distance(b)),
        _ => (first.signal == second.signal).then_some(0),
    };
    let rule = SignalRule::usual(kind);
    let good_enough = |quality: Option<u32>| quality.is_none_or(|q| q >= rule.quality_min);
    v1::CompareSignalsResponse {
        comparable: true,
        distance,
        usual_distance_max: rule.distance_max(),
        matches_usually: distance.is_some_and(|distance| distance <= rule.distance_max())
            && good_enough(first.quality)
            && good_enough(second.quality),
    }
}

/// Writes what the index holds of one bank, and how much all shards of it together.
#[must_use]
pub fn index_status(
    status: &BankStatus<'_>,
    counted: &BTreeMap<BankId, Counted>,
    now: Time,
) -> v1::BankIndexStatus {
    let counted = counted.get(&status.bank.id).cloned().unwrap_or_default();
    let age = now.since(status.bank.learned);
    v1::BankIndexStatus {
        bank_id: status.bank.id.to_string(),
        version: status.number,
        age: Some(moment::span(age)),
        stale: status.bank.freshness_max.is_some_and(|limit| age > limit),
        entry_count: counted.entries,
        signals: write_counts(&counted.signals),
    }
}

//! Exchange answers, written from the core to the wire.

use crate::core::exchange::{Counts, Exchange, Kind, Partner, Progress};
use crate::core::polling::reached;
use crate::core::record::BadRecord;
use crate::core::time::Time;
use crate::proto::v1;
use crate::services::exchange::bringing::Said;
use crate::services::standing::{Doing, Standing};
use crate::services::taking::Took;
use crate::services::words::record::write_etag;
use crate::services::words::{file, moment, policy, signal};

/// Most refused records that are named.
const REFUSALS_MAX: usize = 100;

/// Writes an exchange, without its keys.
#[must_use]
pub fn exchange(exchange: &Exchange) -> v1::Exchange {
    v1::Exchange {
        exchange_id: exchange.id.to_string(),
        display_name: exchange.display_name.clone(),
        kind: Some(kind(&exchange.kind)),
        bank_id: exchange.bank.to_string(),
        enters_as: policy::write_entry_state(exchange.enters_as).into(),
        enabled: Some(exchange.enabled),
        gives_feedback: exchange.gives_feedback,
        etag: write_etag(exchange.version),
        create_time: Some(moment::timestamp(exchange.created)),
        update_time: Some(moment::timestamp(exchange.changed)),
        poll_interval: Some(moment::span(exchange.pause)),
        drop_percent_max: Some(exchange.drop_percent_max.into()),
        new_entries_per_day: exchange.new_per_day,
    }
}

/// Writes what an exchange speaks, without what lets in.
fn kind(kind: &Kind) -> v1::exchange::Kind {
    use v1::exchange::Kind as Wire;
    match kind {
        Kind::Bulwark(other) => Wire::Bulwark(v1::BulwarkExchange {
            address: other.address.clone(),
            ca_pem: other.ca.clone(),
            key: String::new(),
            partner_id: other.partner.to_string(),
            bank_id: other.bank.to_string(),
            origin: other.origin.clone(),
            public_keys: other.verifiers.iter().map(hex::encode).collect(),
        }),
        Kind::Ncmec(other) => Wire::Ncmec(v1::NcmecExchange {
            base_url: other.site.address.clone(),
            ca_pem: other.site.ca.clone(),
            username: other.username.clone(),
            password: String::new(),
            member_ids: other.members.clone(),
            start_time: Some(moment::timestamp(other.since)),
            negative_reason: other.negative_reason.clone(),
        }),
        Kind::StopNcii(other) => Wire::StopNcii(v1::StopNciiExchange {
            base_url: other.site.address.clone(),
            ca_pem: other.site.ca.clone(),
            page_size: other.page_size,
            start_timestamp: Some(other.start),
            ..Default::default()
        }),
        Kind::ThreatExchange(other) => Wire::ThreatExchange(v1::ThreatExchangeExchange {
            base_url: other.site.address.clone(),
            ca_pem: other.site.ca.clone(),
            privacy_group: other.privacy_group.clone(),
            access_token: String::new(),
            indicator_types: other.types.clone(),
            page_size: other.page_size,
        }),
        Kind::File(other) => Wire::File(v1::FileExchange {
            url: other.site.address.clone(),
            ca_pem: other.site.ca.clone(),
            ..file::write(&other.written)
        }),
        Kind::Arachnid(other) => Wire::Arachnid(v1::ArachnidExchange {
            base_url: other.site.address.clone(),
            ca_pem: other.site.ca.clone(),
            username: other.username.clone(),
            password: String::new(),
            answer_time_max: Some(moment::span(other.answer_time_max)),
        }),
    }
}

/// Writes a partner.
#[must_use]
pub fn partner(partner: &Partner, now: Time) -> v1::Partner {
    let share = |share: &crate::core::exchange::Share| v1::PartnerShare {
        bank_id: share.bank.to_string(),
        signal_types: share.kinds.iter().map(|kind| signal::write_type(kind).0.into()).collect(),
    };
    let take = |take: &crate::core::exchange::Take| v1::PartnerTake {
        bank_id: take.bank.to_string(),
        enters_as: policy::write_entry_state(take.enters_as).into(),
        new_entries_per_day: take.new_per_day,
    };
    v1::Partner {
        partner_id: partner.id.to_string(),
        display_name: partner.display_name.clone(),
        credential_id: partner.credential.to_string(),
        origin: partner.origin.clone(),
        public_keys: partner.verifiers.iter().map(hex::encode).collect(),
        shares: partner.shares.iter().map(share).collect(),
        takes: partner.takes.iter().map(take).collect(),
        purpose: partner.purpose.clone(),
        jurisdiction: partner.jurisdiction.clone(),
        expire_time: partner.expires.map(moment::timestamp),
        approved_by: partner.approved_by.iter().map(ToString::to_string).collect(),
        in_force: partner.is_in_force(now),
        etag: write_etag(partner.version),
        create_time: Some(moment::timestamp(partner.created)),
        revoke_time: partner.revoked.map(moment::timestamp),
    }
}

/// Writes what became of records.
#[must_use]
pub const fn counts(counts: &Counts) -> v1::IntakeCounts {
    v1::IntakeCounts {
        taken: counts.taken,
        replaced: counts.replaced,
        withdrawn: counts.withdrawn,
        unchanged: counts.unchanged,
        tombstoned: counts.tombstoned,
        refused: counts.refused,
        over_cap: counts.over_cap,
    }
}

/// Writes records that could not be taken, the first of them.
fn refusals(bad: Vec<BadRecord>) -> Vec<v1::ImportRefusal> {
    let write = |bad: BadRecord| v1::ImportRefusal { line_number: bad.place, reason: bad.must };
    bad.into_iter().take(REFUSALS_MAX).map(write).collect()
}

/// Writes what became of signals that were brought.
#[must_use]
pub fn pushed(took: Took) -> v1::PushSignalsResponse {
    v1::PushSignalsResponse {
        number: took.progress.cursor.number,
        counts: Some(counts(&took.counts)),
        refusals: refusals(took.bad),
        journal_number: took.number,
    }
}

/// Writes what became of opinions that were brought.
#[must_use]
pub const fn said(said: &Said) -> v1::PushOpinionsResponse {
    v1::PushOpinionsResponse {
        number: said.number,
        changed_count: said.changed,
        unknown_count: said.unknown,
        journal_number: said.journal,
    }
}

/// Writes how far an exchange has come.
#[must_use]
pub fn status(
    exchange: &Exchange,
    progress: Option<&Progress>,
    standing: Option<&Standing>,
) -> v1::GetExchangeStatusResponse {
    let state = match standing.map(|standing| standing.doing) {
        _ if !exchange.enabled => v1::ExchangeState::Disabled,
        None => v1::ExchangeState::Elsewhere,
        Some(Doing::Connecting) => v1::ExchangeState::Connecting,
        Some(Doing::CatchingUp) => v1::ExchangeState::CatchingUp,
        Some(Doing::Live) => v1::ExchangeState::Live,
        Some(Doing::Failing) => v1::ExchangeState::Failing,
    };
    let place = progress.and_then(|progress| progress.place.as_ref());
    v1::GetExchangeStatusResponse {
        state: state.into(),
        source_number: progress.map_or(0, |progress| progress.cursor.number),
        whole: progress.is_some_and(|progress| progress.whole),
        counts: Some(counts(&progress.map(|progress| progress.counts).unwrap_or_default())),
        advance_time: progress.map(|progress| moment::timestamp(progress.at)),
        heard_time: standing.and_then(|standing| standing.heard).map(moment::timestamp),
        failure: standing.map(|standing| standing.failure.clone()).unwrap_or_default(),
        failure_count: standing.map_or(0, |standing| standing.failures),
        source_time: place.and_then(reached).map(moment::timestamp),
        unknown: progress.map(unknown).unwrap_or_default(),
        feedback_taken_count: progress.map_or(0, |progress| progress.opinions.taken),
        feedback_refused_count: progress.map_or(0, |progress| progress.opinions.refused),
    }
}

/// Writes what is not known of an exchange's records.
fn unknown(progress: &Progress) -> Vec<v1::ImportUnknown> {
    let write =
        |(what, count): (&String, &u64)| v1::ImportUnknown { what: what.clone(), count: *count };
    progress.unknown.iter().map(write).collect()
}

//! How the process is, written from the store to the wire.

use crate::core::detector::{Circuit, Detector};
use crate::core::time::Time;
use crate::io::media::ExaminerStatus;
use crate::io::models::{DetectorFigures, Models};
use crate::io::store::{LookbackFigures, Replica, State, Told};
use crate::proto::v1;
use crate::services::guards::Guards;
use crate::services::words::{moment, policy, shard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes how a process is, with the sum of what it answers from where it was asked for, and who keeps the other shards.
#[must_use]
pub fn detail(
    state: &State,
    sum: Option<[u8; 32]>,
    others: &[(u32, usize)],
    lookback: &LookbackFigures,
    guards: v1::GuardHealth,
    media: ExaminerStatus,
    models: &Models,
) -> v1::GetHealthDetailResponse {
    let other = |(number, holders): &(u32, usize)| v1::ShardHealth {
        number: *number,
        holder_count: u32::try_from(*holders).unwrap_or(u32::MAX),
    };
    let told = state.told.as_ref();
    v1::GetHealthDetailResponse {
        index: Some(v1::IndexHealth {
            applied_number: state.applied,
            age: Some(moment::span(state.age)),
            entry_count: state.entries,
            sum: sum.map(|sum| sum.to_vec().into()).unwrap_or_default(),
            snapshot_number: state.snapshot,
        }),
        store: Some(v1::StoreHealth {
            shared: state.name.is_some(),
            away: state.away,
            failed: state.failed,
            spooled_bytes: state.spooled,
            journal_number: told.map(|told| told.size),
        }),
        replicas: told.map(|told| replicas(state, told)).unwrap_or_default(),
        leases: told.map(leases).unwrap_or_default(),
        shard: Some(shard::write(state.shard)),
        other_shards: others.iter().map(other).collect(),
        lookback: Some(remembered(lookback)),
        guards: Some(guards),
        media: Some(v1::MediaHealth {
            ready: media.ready,
            reason: media.why_not,
            decodes_video: media.decodes_video,
            worker_count: u32::try_from(media.workers_alive).unwrap_or(u32::MAX),
            lost_count: media.restarts,
        }),
        detectors: models.standing().map(detector).collect(),
    }
}

fn detector(
    (detector, circuit, figures): (&Arc<Detector>, Circuit, &DetectorFigures),
) -> v1::DetectorHealth {
    let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
    let absences = figures
        .absent()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| v1::AbsenceCount { reason: reason.to_owned(), item_count: count });
    v1::DetectorHealth {
        detector_id: detector.id.to_string(),
        left_alone: circuit == Circuit::Open,
        left_alone_count: read(&figures.opened),
        item_count: read(&figures.items),
        scored_count: read(&figures.scored),
        absences: absences.collect(),
    }
}

fn remembered(figures: &LookbackFigures) -> v1::LookbackHealth {
    let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
    v1::LookbackHealth {
        item_count: read(&figures.items),
        memory_bytes: read(&figures.bytes),
        waiting_bytes: read(&figures.waiting),
        dropped_count: read(&figures.dropped),
        crowded_count: read(&figures.crowded),
        pair_count: read(&figures.pairs),
        searched_number: read(&figures.searched),
        sweep_count: read(&figures.sweeps),
        failure_count: read(&figures.failures),
    }
}

/// Writes what the guards did and do.
#[must_use]
pub fn guards(guards: &Guards, now: Time) -> v1::GuardHealth {
    let of = guards.figures();
    let open = guards.open_breakers(now).into_iter().map(|open| v1::OpenBreaker {
        tenant_id: open.scope.tenant.to_string(),
        environment: policy::write_environment(open.scope.environment).into(),
        bank_id: open.bank.to_string(),
        since_time: Some(moment::timestamp(open.since)),
    });
    let count = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
    v1::GuardHealth {
        flood_count: count(&of.floods),
        flood_unrecorded_count: guards.unrecorded() as u64,
        breaker_trip_count: count(&of.trips),
        open_breakers: open.collect(),
        suspect_count: count(&of.suspects),
        probing_hold_count: count(&of.probing_holds),
        budget_hold_count: count(&of.budget_holds),
        budget_refusal_count: count(&of.budget_refusals),
        overflow_count: count(&of.overflows),
    }
}

fn replicas(state: &State, told: &Told) -> Vec<v1::ReplicaHealth> {
    let write = |replica: &Replica| v1::ReplicaHealth {
        replica_id: replica.name.to_string(),
        title: replica.title.clone(),
        version: replica.version.clone(),
        begin_time: Some(moment::timestamp(replica.began)),
        beat_time: Some(moment::timestamp(replica.beaten)),
        applied_number: replica.applied,
        lag: told.size.saturating_sub(replica.applied),
        entry_count: replica.entries,
        answering: state.name.as_ref() == Some(&replica.name),
        shard: Some(shard::write(replica.shard)),
        shard_address: replica.address.told().to_owned(),
    };
    told.replicas.iter().map(write).collect()
}

fn leases(told: &Told) -> Vec<v1::LeaseHealth> {
    let leases = told.leases.iter().map(|held| v1::LeaseHealth {
        task: held.task.clone(),
        replica_id: held.holder.as_ref().map(ToString::to_string).unwrap_or_default(),
        token: held.token,
    });
    leases.collect()
}

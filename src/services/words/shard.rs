//! What processes of several shards ask and tell each other, written to the wire and read from it.

use crate::core::access::Scope;
use crate::core::bank::Effect;
use crate::core::id::{BankId, EntryId};
use crate::core::matcher::BankStatus;
use crate::core::screening::elsewhere::{FarHit, ShardAnswer, Sought};
use crate::core::shard::Shard;
use crate::core::signal::{Bits256, CustomType, Signal, SignalType};
use crate::core::verdict::Provenance;
use crate::core::video::track::{Frame, Track};
use crate::proto::v1;
use crate::services::words::fields::Fields;
use crate::services::words::opinion::read_merged;
use crate::services::words::{moment, policy, signal, verdict};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most signals that are sought in one message.
pub const SOUGHT_MAX: usize = 4_000;
/// Most videos that are asked for in one message: each may be of some hundred kilobytes.
pub const VIDEOS_MAX: usize = 16;

/// Writes a shard.
#[must_use]
pub const fn write(shard: Shard) -> v1::Shard {
    v1::Shard { number: shard.number(), count: shard.count() }
}

/// Writes a signal to look for.
pub(super) fn write_sought(signal: &Signal, quality: Option<u32>) -> v1::SoughtSignal {
    let (kind, custom_type) = signal::write_type(&signal.kind());
    v1::SoughtSignal { r#type: kind.into(), custom_type, value: signal.bytes().into(), quality }
}

/// Writes signals to look for and videos to fetch, which are asked of any shard.
#[must_use]
pub fn write_look_up(
    scope: &Scope,
    index_min: u64,
    sought: &[Sought],
    videos: &[(BankId, EntryId)],
) -> v1::LookUpRequest {
    v1::LookUpRequest {
        shard: None,
        tenant_id: scope.tenant.to_string(),
        environment: policy::write_environment(scope.environment).into(),
        min_index: index_min,
        signals: sought.iter().map(|one| write_sought(&one.signal, one.quality)).collect(),
        videos: videos.iter().map(write_reference).collect(),
    }
}

fn write_reference((bank, entry): &(BankId, EntryId)) -> v1::EntryReference {
    v1::EntryReference { bank_id: bank.to_string(), entry_id: entry.to_string() }
}

/// Bytes of a frame: value, quality, time.
const FRAME_BYTES: usize = 32 + 1 + 4;

fn write_video(((bank, entry), track): &((BankId, EntryId), Track)) -> v1::ShardVideo {
    let mut frames = Vec::with_capacity(track.frames().len() * FRAME_BYTES);
    for frame in track.frames() {
        frames.extend(frame.bits.to_bytes());
        frames.push(frame.quality);
        frames.extend(frame.at.to_le_bytes());
    }
    let v1::EntryReference { bank_id, entry_id } = write_reference(&(bank.clone(), entry.clone()));
    v1::ShardVideo { bank_id, entry_id, frames: frames.into() }
}

fn read_video(sent: &v1::ShardVideo) -> Option<((BankId, EntryId), Track)> {
    let (frames, []) = sent.frames.as_chunks::<FRAME_BYTES>() else { return None };
    let read = |bytes: &[u8; FRAME_BYTES]| {
        let (value, rest) = bytes.split_first_chunk::<32>()?;
        let (quality, at) = rest.split_first()?;
        let at = u32::from_le_bytes(at.try_into().ok()?);
        Some(Frame { bits: Bits256::from_bytes(*value), quality: *quality, at })
    };
    let frames = frames.iter().map(read).collect::<Option<Vec<_>>>()?;
    let place = (BankId::parse(&sent.bank_id).ok()?, EntryId::parse(&sent.entry_id).ok()?);
    Some((place, Track::new(frames).ok()?))
}

/// Writes what a shard says.
#[must_use]
pub fn write_answer(answer: &ShardAnswer) -> v1::LookUpResponse {
    let mut hits = Vec::new();
    for (place, found) in (0..).zip(&answer.hits) {
        hits.extend(found.iter().map(|hit| v1::ShardHit {
            place,
            bank_id: hit.bank.to_string(),
            entry_id: hit.entry.to_string(),
            distance: hit.distance,
            effect: write_effect(hit.effect).into(),
            provenance: Some(verdict::provenance(&hit.provenance)),
            signal_type: signal::write_type(&hit.kind).0.into(),
        }));
    }
    let sources = answer.sources.iter().map(|(kind, bank)| {
        let (kind, custom_type) = signal::write_type(kind);
        v1::ShardSource { bank_id: bank.to_string(), r#type: kind.into(), custom_type }
    });
    v1::LookUpResponse {
        hits,
        sources: sources.collect(),
        index_number: answer.index,
        index_age: Some(moment::span(answer.index_age)),
        videos: answer.videos.iter().map(write_video).collect(),
    }
}

/// Reads what a shard says to what was asked; nothing where it is not all understood.
#[must_use]
pub fn read_answer(sent: v1::LookUpResponse, asked: &v1::LookUpRequest) -> Option<ShardAnswer> {
    let mut hits = vec![Vec::new(); asked.signals.len()];
    for hit in sent.hits {
        let sought = asked.signals.get(hit.place as usize)?;
        let kind = match hit.signal_type {
            0 => read_type(sought.r#type, &sought.custom_type)?,
            other => read_type(other, "")?,
        };
        hits.get_mut(hit.place as usize)?.push(FarHit {
            kind,
            bank: BankId::parse(&hit.bank_id).ok()?,
            entry: EntryId::parse(&hit.entry_id).ok()?,
            distance: hit.distance,
            effect: read_effect(hit.effect)?,
            provenance: read_provenance(hit.provenance?)?,
        });
    }
    let source = |source: v1::ShardSource| {
        let kind = read_type(source.r#type, &source.custom_type)?;
        Some((kind, BankId::parse(&source.bank_id).ok()?))
    };
    Some(ShardAnswer {
        hits,
        sources: sent.sources.into_iter().map(source).collect::<Option<_>>()?,
        index: sent.index_number,
        index_age: Duration::try_from(sent.index_age?).ok()?,
        videos: sent.videos.iter().map(read_video).collect::<Option<_>>()?,
    })
}

/// How much of a bank a shard holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// Entries that are not removed.
    pub entries: u64,
    /// Signals that are matched, by type.
    pub signals: BTreeMap<SignalType, u64>,
}

impl Counted {
    /// What is counted here.
    #[must_use]
    pub fn of(status: &BankStatus<'_>) -> Self {
        Self { entries: status.entry_count, signals: status.signals.clone() }
    }

    /// Adds what another shard holds.
    pub fn add(&mut self, other: Self) {
        self.entries += other.entries;
        for (kind, count) in other.signals {
            *self.signals.entry(kind).or_default() += count;
        }
    }
}

/// Writes how many signals there are of each type.
#[must_use]
pub fn write_counts(counts: &BTreeMap<SignalType, u64>) -> Vec<v1::SignalCount> {
    let write = |(kind, count): (&SignalType, &u64)| {
        let (kind, custom_type) = signal::write_type(kind);
        v1::SignalCount { r#type: kind.into(), custom_type, count: *count }
    };
    counts.iter().map(write).collect()
}

/// Writes how much of a bank a shard holds.
#[must_use]
pub fn write_bank(bank: &BankId, counted: &Counted) -> v1::ShardBank {
    v1::ShardBank {
        bank_id: bank.to_string(),
        entry_count: counted.entries,
        signals: write_counts(&counted.signals),
    }
}

/// Reads how much of each bank a shard holds; nothing where it is not all understood.
#[must_use]
pub fn read_banks(sent: v1::CountEntriesResponse) -> Option<Vec<(BankId, Counted)>> {
    let count =
        |count: v1::SignalCount| Some((read_type(count.r#type, &count.custom_type)?, count.count));
    let bank = |bank: v1::ShardBank| {
        let signals = bank.signals.into_iter().map(count).collect::<Option<_>>()?;
        let counted = Counted { entries: bank.entry_count, signals };
        Some((BankId::parse(&bank.bank_id).ok()?, counted))
    };
    sent.banks.into_iter().map(bank).collect()
}

fn read_type(number: i32, custom: &str) -> Option<SignalType> {
    if custom.is_empty() {
        signal::read_type(&mut Fields::default(), "", number, "")
    } else {
        CustomType::parse(custom).ok().map(SignalType::Custom)
    }
}

const fn write_effect(effect: Effect) -> v1::ShardEffect {
    match effect {
        Effect::Absent => v1::ShardEffect::Unspecified,
        Effect::Shadow => v1::ShardEffect::Shadow,
        Effect::HoldAtMost => v1::ShardEffect::HoldAtMost,
        Effect::Full => v1::ShardEffect::Full,
    }
}

fn read_effect(number: i32) -> Option<Effect> {
    match v1::ShardEffect::try_from(number) {
        Ok(v1::ShardEffect::Shadow) => Some(Effect::Shadow),
        Ok(v1::ShardEffect::HoldAtMost) => Some(Effect::HoldAtMost),
        Ok(v1::ShardEffect::Full) => Some(Effect::Full),
        Ok(v1::ShardEffect::Unspecified) | Err(_) => None,
    }
}

fn read_provenance(sent: v1::Provenance) -> Option<Provenance> {
    let seen = moment::read_time(&mut Fields::default(), "", sent.first_seen_time)??;
    Some(Provenance {
        exchange: sent.exchange,
        source_organisation: sent.source_organisation,
        source_record: sent.source_record,
        classification: sent.classification,
        tags: sent.tags,
        first_seen: seen,
        confirmed_by_us: sent.confirmed_by_us,
        opinion: read_merged(sent.merged_opinion),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Time;
    use proptest::prelude::*;

    fn any_type() -> impl Strategy<Value = SignalType> {
        let named =
            "[a-z]{1,8}".prop_map(|name| SignalType::Custom(CustomType::parse(&name).unwrap()));
        prop_oneof![
            Just(SignalType::Md5),
            Just(SignalType::Pdq),
            Just(SignalType::PhotoDna),
            Just(SignalType::VpdqFrame),
            named,
        ]
    }

    fn any_hit() -> impl Strategy<Value = FarHit> {
        let effect =
            prop_oneof![Just(Effect::Shadow), Just(Effect::HoldAtMost), Just(Effect::Full)];
        (
            "[a-z]{1,8}",
            "[a-z0-9]{1,8}",
            0..=256_u32,
            effect,
            "\\PC{0,9}",
            any::<bool>(),
            0..1_000_000_000_i64,
            proptest::option::of(Just(crate::core::opinion::Merged::Disputed)),
        )
            .prop_map(
                |(bank, entry, distance, effect, words, confirmed_by_us, millis, opinion)| FarHit {
                    bank: BankId::parse(&bank).unwrap(),
                    entry: EntryId::parse(&entry).unwrap(),
                    kind: if confirmed_by_us { SignalType::Pdq } else { SignalType::VpdqFrame },
                    distance,
                    effect,
                    provenance: Provenance {
                        exchange: words.clone(),
                        source_organisation: words.clone(),
                        source_record: words.clone(),
                        classification: words.clone(),
                        tags: vec![words],
                        first_seen: Time::from_millis(millis),
                        confirmed_by_us,
                        opinion,
                    },
                },
            )
    }

    proptest! {
        #[test]
        fn a_shard_is_understood_as_it_meant(
            hits in proptest::collection::vec(proptest::collection::vec(any_hit(), 0..4), 0..4),
            sources in proptest::collection::btree_set((any_type(), "[a-z]{1,8}".prop_map(|b| BankId::parse(&b).unwrap())), 0..4),
            index: u64, age in 0..1_000_000_u64,
            frames in proptest::collection::vec((any::<u64>(), 0..5_u32), 0..4),
        ) {
            let frame = |(value, at): (u64, u32)| Frame { bits: Bits256([value; 4]), quality: 7, at };
            let track = Track::new(frames.into_iter().map(frame).collect()).unwrap();
            let place = (BankId::parse("b").unwrap(), EntryId::parse("e").unwrap());
            let index_age = Duration::from_millis(age);
            let answer = ShardAnswer { hits, sources, index, index_age, videos: vec![(place, track)] };
            let sent = write_answer(&answer);
            prop_assert_eq!(read_answer(sent.clone(), &asking(answer.hits.len())), Some(answer.clone()));
            let far = answer.hits.iter().rposition(|hits| !hits.is_empty());
            if let Some(far) = far {
                let read = read_answer(sent, &asking(far));
                prop_assert_eq!(read, None, "a hit of a signal that was not sought");
            }
        }
    }

    fn asking(signals: usize) -> v1::LookUpRequest {
        let sought = write_sought(&Signal::Md5([1; 16]), None);
        v1::LookUpRequest { signals: vec![sought; signals], ..Default::default() }
    }

    #[test]
    fn a_hit_that_names_no_type_is_of_the_type_that_was_sought() {
        let hit = v1::ShardHit { bank_id: "b".into(), entry_id: "e".into(), effect: 1, ..known() };
        let sent = v1::LookUpResponse {
            hits: vec![hit],
            index_age: Some(prost_types::Duration::default()),
            ..Default::default()
        };
        let read = read_answer(sent, &asking(1)).unwrap();
        assert_eq!(read.hits[0][0].kind, SignalType::Md5);
    }

    fn known() -> v1::ShardHit {
        v1::ShardHit {
            place: 0,
            bank_id: "known".into(),
            entry_id: "e".into(),
            distance: 3,
            effect: v1::ShardEffect::Full.into(),
            provenance: Some(v1::Provenance {
                first_seen_time: Some(prost_types::Timestamp::default()),
                ..Default::default()
            }),
            signal_type: 0,
        }
    }

    #[test]
    fn an_answer_that_is_not_all_understood_is_none() {
        let hit = known();
        let of = |hit: v1::ShardHit| v1::LookUpResponse {
            hits: vec![hit],
            index_age: Some(prost_types::Duration::default()),
            ..Default::default()
        };
        assert!(read_answer(of(hit.clone()), &asking(1)).is_some());
        let wrong = [
            v1::ShardHit { effect: 99, ..hit.clone() },
            v1::ShardHit { effect: 0, ..hit.clone() },
            v1::ShardHit { bank_id: "NO BANK".into(), ..hit.clone() },
            v1::ShardHit { entry_id: String::new(), ..hit.clone() },
            v1::ShardHit { place: 1, ..hit.clone() },
            v1::ShardHit { provenance: None, ..hit.clone() },
            v1::ShardHit { signal_type: 99, ..hit.clone() },
        ];
        for wrong in wrong {
            assert_eq!(read_answer(of(wrong.clone()), &asking(1)), None, "{wrong:?}");
        }
        let sources =
            vec![v1::ShardSource { bank_id: "b".into(), r#type: 99, ..Default::default() }];
        assert_eq!(
            read_answer(v1::LookUpResponse { sources, ..of(hit.clone()) }, &asking(1)),
            None
        );
        let whole = v1::ShardVideo {
            bank_id: "b".into(),
            entry_id: "e".into(),
            frames: vec![1; 2 * FRAME_BYTES].into(),
        };
        let of_video = |video| v1::LookUpResponse { videos: vec![video], ..of(hit.clone()) };
        assert!(read_answer(of_video(whole.clone()), &asking(1)).is_some());
        let cut = v1::ShardVideo { frames: vec![1; FRAME_BYTES + 1].into(), ..whole.clone() };
        let poor = v1::ShardVideo { frames: vec![101; FRAME_BYTES].into(), ..whole };
        for video in [cut, poor] {
            assert_eq!(read_answer(of_video(video), &asking(1)), None);
        }
    }
}

//! What others say to a question: matches, and what they could compare with.

use crate::core::bank::Effect;
use crate::core::hamming::Scratch;
use crate::core::id::{BankId, EntryId};
use crate::core::matcher::{Hit, Matcher, Query, rule_of};
use crate::core::screening::outside::Outside;
use crate::core::screening::question::Probe;
use crate::core::signal::{Signal, SignalType};
use crate::core::verdict::Provenance;
use crate::core::video::track::Track;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most matches of one signal with one bank, of entries that count alike, that are told: the nearest. More than a verdict
/// shows, and what is left out is overruled where those are.
pub const HITS_MAX: usize = 128;
/// Matches in one answer beyond which only the nearest of each signal, bank and effect are told: an answer stays of some
/// megabytes whatever is asked.
pub const HITS_ALL: usize = 16_384;

/// Most listed videos of other shards that a question is compared with.
pub const VIDEOS_MAX: usize = 256;

/// A signal to look for.
#[derive(Debug, Clone)]
pub struct Sought {
    /// Type and value.
    pub signal: Signal,
    /// Quality of a perceptual hash, 0 to 100, where known.
    pub quality: Option<u32>,
}

impl From<&Probe> for Sought {
    fn from(probe: &Probe) -> Self {
        Self { signal: probe.signal.clone(), quality: probe.quality }
    }
}

/// An entry of another shard that a signal is equal or near to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FarHit {
    /// Its bank.
    pub bank: BankId,
    /// Its name.
    pub entry: EntryId,
    /// Type of its signal.
    pub kind: SignalType,
    /// Bits that differ; 0 for exact types.
    pub distance: u32,
    /// How far the entry counts.
    pub effect: Effect,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// What one shard says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardAnswer {
    /// For each signal that was sought, in their order, its matches.
    pub hits: Vec<Vec<FarHit>>,
    /// Which banks hold signals of which of the types that were sought, of entries that count.
    pub sources: BTreeSet<(SignalType, BankId)>,
    /// Journal number up to which its memory is in step.
    pub index: u64,
    /// For how long it may have missed what other processes changed.
    pub index_age: Duration,
    /// The videos that were asked for.
    pub videos: Vec<((BankId, EntryId), Track)>,
}

/// Answers what another process seeks in this shard; nothing where `enough`, which is asked after each signal, says to
/// stop before the last. Number and age of the memory are for the caller to fill in.
#[must_use]
pub fn look_up(
    matcher: &Matcher,
    sought: &[Sought],
    mut enough: impl FnMut() -> bool,
) -> Option<ShardAnswer> {
    let mut scratch = Scratch::default();
    let mut answer = ShardAnswer::default();
    let mut all = 0;
    for (place, one) in sought.iter().enumerate() {
        if place > 0 && enough() {
            return None;
        }
        let query = Query { signal: &one.signal, quality: one.quality };
        let most = if all < HITS_ALL { HITS_MAX } else { 1 };
        let hits = nearest(matcher.search(query, &mut scratch), most);
        all += hits.len();
        answer.hits.push(hits);
        let kind = one.signal.kind();
        for bank in matcher.sources(&kind, |_| false) {
            answer.sources.insert((kind.clone(), bank.id.clone()));
        }
    }
    Some(answer)
}

/// The videos of entries, as far as they are matched here.
#[must_use]
pub fn tracks(
    matcher: &Matcher,
    videos: Vec<(BankId, EntryId)>,
) -> Vec<((BankId, EntryId), Track)> {
    let track = |(bank, entry): (BankId, EntryId)| {
        let track = matcher.track(&bank, &entry)?;
        Some(((bank, entry), track))
    };
    videos.into_iter().filter_map(track).collect()
}

/// The nearest of each bank and effect. Matches come nearest first.
fn nearest(hits: Vec<Hit<'_>>, most: usize) -> Vec<FarHit> {
    let mut told: BTreeMap<(&BankId, Effect), usize> = BTreeMap::new();
    let mut kept = Vec::new();
    for hit in hits {
        let told = told.entry((&hit.bank.id, hit.effect)).or_default();
        *told += 1;
        if *told <= most {
            kept.push(FarHit {
                bank: hit.bank.id.clone(),
                entry: hit.entry,
                kind: hit.kind,
                distance: hit.distance,
                effect: hit.effect,
                provenance: hit.provenance,
            });
        }
    }
    kept
}

/// What all others say to one question: processes that keep other shards of the banks, and services outside.
#[derive(Debug, Clone, Default)]
pub struct Elsewhere {
    hits: Vec<Vec<FarHit>>,
    sources: BTreeSet<(SignalType, BankId)>,
    /// Shards that did not answer.
    missing: u32,
    /// Journal number that the memory of every shard that answered has reached; none where no other was asked.
    pub index: Option<u64>,
    /// For how long the oldest of them may have missed something.
    pub index_age: Duration,
    /// What came of asking services outside.
    pub outside: Outside,
    /// Listed videos of other shards that a frame of the question is near to.
    tracks: BTreeMap<(BankId, EntryId), Track>,
}

impl Elsewhere {
    /// What is said to several questions that were asked in one go: `lengths` are the numbers of their signals, and an
    /// answer that is none is that of a shard that did not give one.
    #[must_use]
    pub fn to_each(lengths: &[usize], answers: Vec<Option<ShardAnswer>>) -> Vec<Self> {
        let mut each: Vec<Self> = lengths
            .iter()
            .map(|length| Self { hits: vec![Vec::new(); *length], ..Self::default() })
            .collect();
        let all: usize = lengths.iter().sum();
        for answer in answers {
            // An answer to something else is none.
            let Some(answer) = answer.filter(|answer| answer.hits.len() == all) else {
                each.iter_mut().for_each(|one| one.missing += 1);
                continue;
            };
            let mut hits = answer.hits.into_iter();
            for one in &mut each {
                one.index = Some(one.index.map_or(answer.index, |index| index.min(answer.index)));
                one.index_age = one.index_age.max(answer.index_age);
                one.sources.extend(answer.sources.iter().cloned());
                for own in &mut one.hits {
                    own.extend(hits.next().unwrap_or_default());
                }
            }
        }
        each
    }

    /// Which listed videos of other shards frames of the question are near to, those with the most such frames first. To
    /// be compared as a whole they must be fetched.
    #[must_use]
    pub fn far_videos(&self) -> Vec<(BankId, EntryId)> {
        let mut counts: BTreeMap<(&BankId, &EntryId), usize> = BTreeMap::new();
        for hit in self.hits.iter().flatten().filter(|hit| hit.kind == SignalType::VpdqFrame) {
            *counts.entry((&hit.bank, &hit.entry)).or_default() += 1;
        }
        let mut ranked: Vec<_> = counts.into_iter().collect();
        ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let owned = |((bank, entry), _): ((&BankId, &EntryId), _)| (bank.clone(), entry.clone());
        ranked.into_iter().map(owned).take(VIDEOS_MAX).collect()
    }

    /// Takes listed videos that were fetched from all other shards; an answer that is none is that of one that gave none.
    pub fn take_videos(&mut self, answers: Vec<Option<ShardAnswer>>) {
        for answer in answers {
            match answer {
                Some(answer) => self.tracks.extend(answer.videos),
                None => self.missing += 1,
            }
        }
    }

    /// A listed video of another shard.
    #[must_use]
    pub fn track(&self, bank: &BankId, entry: &EntryId) -> Option<&Track> {
        self.tracks.get(&(bank.clone(), entry.clone()))
    }

    /// Whether a shard did not answer: what it holds was not compared with.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        self.missing > 0
    }

    /// Whether another shard has signals of a type in a bank that count, or a service was heard that the bank learns from.
    #[must_use]
    pub fn has(&self, kind: &SignalType, bank: &BankId) -> bool {
        self.outside.has(kind, bank)
            || (!self.sources.is_empty() && self.sources.contains(&(kind.clone(), bank.clone())))
    }

    /// Adds the matches of the question's signal at this place to those found here; they stand in the same order as if
    /// all had been found here.
    pub fn join<'m>(
        &self,
        matcher: &'m Matcher,
        place: usize,
        kind: &SignalType,
        hits: &mut Vec<Hit<'m>>,
    ) {
        let far = self.hits.get(place).map(Vec::as_slice).unwrap_or_default();
        if far.is_empty() {
            return;
        }
        // What a match means is said by the bank as it is known here.
        hits.extend(far.iter().filter_map(|hit| {
            let bank = matcher.bank(&hit.bank)?.bank;
            let rule = rule_of(bank, kind, &hit.kind).filter(|_| bank.enabled)?;
            Some(Hit {
                bank,
                entry: hit.entry.clone(),
                kind: hit.kind.clone(),
                distance: hit.distance,
                distance_max: rule.distance_max(),
                disposition: rule.disposition_at(hit.distance)?,
                effect: hit.effect,
                provenance: hit.provenance.clone(),
            })
        }));
        hits.sort_by(Hit::order);
    }
}

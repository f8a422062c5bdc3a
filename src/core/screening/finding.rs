//! From signals and scores to findings: what matched, what overrules it, and what counts.

use crate::core::bank::{BankMode, BankRole, Effect, RATIO_ALL};
use crate::core::hamming::Scratch;
use crate::core::id::{BankId, EntryId};
use crate::core::matcher::{Hit, Matcher, Query};
use crate::core::opinion::Merged;
use crate::core::policy::Surface;
use crate::core::screening::elsewhere::Elsewhere;
use crate::core::screening::question::{GivenScore, Probe, Question};
use crate::core::screening::videos::{Candidate, Candidates, Place, meet};
use crate::core::signal::{Signal, SignalType};
use crate::core::verdict::{Assurance, Disposition, Finding, Match, ReviewPriority, Score};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most findings of either kind in one verdict; the strictest and nearest are kept.
pub const FINDINGS_MAX: usize = 100;

/// Findings that count, and findings that are only shown.
#[derive(Debug, Default)]
pub struct Found {
    /// Those that decide.
    pub counted: Vec<Finding>,
    /// Those that are shown apart: shadow mode, outside the ratio, on trial, or overruled.
    pub shadow: Vec<Finding>,
}

impl Found {
    /// The matches that decide.
    pub fn matches(&mut self) -> impl Iterator<Item = &mut Match> {
        self.counted.iter_mut().filter_map(|finding| match finding {
            Finding::Match(found) => Some(found),
            Finding::Score(_) => None,
        })
    }
}

/// Whether an item is among the share of items for which a bank's matches count. One draw an item and bank, always
/// with the same result.
#[must_use]
pub fn is_within_ratio(bank: &BankId, seed: &[u8], ratio_millionths: u32) -> bool {
    let mut hash = Sha256::new();
    hash.update(bank.as_str().as_bytes());
    hash.update([0]);
    hash.update(seed);
    let digest = hash.finalize();
    let mut eight = [0; 8];
    eight.copy_from_slice(&digest[..8]);
    let draw = u64::from_be_bytes(eight) % u64::from(RATIO_ALL);
    draw < u64::from(ratio_millionths)
}

/// One entry seen in one part.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Sight {
    part: Arc<str>,
    bank: BankId,
    entry: EntryId,
    kind: SignalType,
}

struct Seen {
    found: Match,
    /// Which probe saw it; none where that took several.
    probe: Option<usize>,
    effect: Effect,
    is_counted: bool,
    is_vetted: bool,
}

/// A match with a negative bank: what it overrules depends on where it was seen.
struct Overruling {
    bank: BankId,
    entry: EntryId,
    part: Arc<str>,
    /// Which probe saw it.
    probe: usize,
    distance: u32,
    /// The very bytes are known to be harmless: by SHA-256, for which nobody makes two files of one digest.
    knows_bytes: bool,
}

impl Overruling {
    /// This very value is known to be harmless, and it is at least as near.
    const fn covers_value(&self, probe: usize, distance: u32) -> bool {
        self.probe == probe && self.distance <= distance
    }

    /// The bytes of the part are known to be harmless, or this very value is, and it is at least as near.
    fn covers(&self, part: &str, seen: &Seen) -> bool {
        *self.part == *part
            && (self.knows_bytes
                || seen.probe.is_some_and(|probe| self.covers_value(probe, seen.found.distance)))
    }
}

/// Parts for which exactly one SHA-256 was given: a caller who gives two has not said which the bytes have.
fn parts_of_one_digest(probes: &[Probe]) -> BTreeSet<&str> {
    let mut digests: BTreeMap<&str, BTreeSet<&Signal>> = BTreeMap::new();
    for probe in probes.iter().filter(|probe| probe.signal.kind() == SignalType::Sha256) {
        digests.entry(&probe.part).or_default().insert(&probe.signal);
    }
    digests.into_iter().filter(|(_, values)| values.len() == 1).map(|(part, _)| part).collect()
}

/// What a probe's being equal or near to an entry is worth, before anything overrules it.
#[must_use]
pub fn match_of(hit: &Hit<'_>, probe: &Probe) -> Match {
    let kind = hit.kind.clone();
    let review = kind.is_advice().then(|| review_of(hit));
    let is_in_video = probe.signal.kind() == SignalType::VpdqFrame;
    let disposition = match hit.effect {
        _ if kind.is_advice() => Disposition::Allow,
        // One frame of a video is no more than a reason to look.
        _ if kind == SignalType::VpdqFrame => hit.disposition.min(Disposition::Hold),
        Effect::HoldAtMost => hit.disposition.min(Disposition::Hold),
        Effect::Absent | Effect::Shadow | Effect::Full => hit.disposition,
    };
    let assurance = if kind.is_advice() {
        Assurance::Investigate
    } else if kind.is_digest() && hit.bank.vetted && hit.effect == Effect::Full {
        Assurance::VerifiedKnown
    } else if kind.is_perceptual() && disposition < Disposition::Block {
        Assurance::Investigate
    } else {
        Assurance::Likely
    };
    Match {
        bank: hit.bank.id.clone(),
        entry: hit.entry.clone(),
        kind,
        distance: hit.distance,
        distance_max: hit.distance_max,
        form: probe.form,
        dihedral: probe.dihedral,
        part: probe.part.to_string(),
        disposition,
        assurance,
        suppressed_by: None,
        provenance: hit.provenance.clone(),
        brake: None,
        review,
        at: is_in_video.then_some(probe.frame),
        video: None,
    }
}

/// How soon a person should look at what matches an entry of advice.
fn review_of(hit: &Hit<'_>) -> ReviewPriority {
    let is_doubtful = hit.effect != Effect::Full
        || matches!(hit.provenance.opinion, Some(opinion) if opinion != Merged::Positive);
    match (is_doubtful, hit.provenance.confirmed_by_us) {
        (true, _) => ReviewPriority::Low,
        (false, false) => ReviewPriority::Normal,
        (false, true) => ReviewPriority::High,
    }
}

/// Looking for the probes of a question, one after another, in as many goes as it takes.
pub struct Lookup {
    /// What the ratio is drawn from.
    seed: Vec<u8>,
    /// Number of the next probe.
    next: usize,
    // Probe by probe, since what overrules a match of one frame or form says nothing of another.
    seen: BTreeMap<(Sight, usize), Seen>,
    overruling: Vec<Overruling>,
    videos: Candidates,
    scratch: Scratch,
}

impl Lookup {
    /// Nothing has been looked for. `seed` is what the ratio is drawn from: the item's name, or its digest.
    #[must_use]
    pub fn new(seed: Vec<u8>) -> Self {
        Self {
            seed,
            next: 0,
            seen: BTreeMap::new(),
            overruling: Vec::new(),
            videos: Candidates::default(),
            scratch: Scratch::default(),
        }
    }

    /// Looks for the next probe and those after it in every bank, until none is left or `enough`, which is asked after
    /// each, says to stop. Says whether none is left. What was found `elsewhere` counts as if it had been found here.
    pub fn look(
        &mut self,
        matcher: &Matcher,
        probes: &[Probe],
        elsewhere: &Elsewhere,
        mut enough: impl FnMut() -> bool,
    ) -> bool {
        while let Some(probe) = probes.get(self.next) {
            self.look_for(matcher, probe, elsewhere);
            self.next += 1;
            if self.next < probes.len() && enough() {
                return false;
            }
        }
        true
    }

    /// Those of the probes that were not looked for.
    #[must_use]
    pub fn left<'p>(&self, probes: &'p [Probe]) -> &'p [Probe] {
        probes.get(self.next..).unwrap_or_default()
    }

    fn look_for(&mut self, matcher: &Matcher, probe: &Probe, elsewhere: &Elsewhere) {
        let query = Query { signal: &probe.signal, quality: probe.quality };
        let kind = probe.signal.kind();
        let mut hits = matcher.search(query, &mut self.scratch);
        elsewhere.join(matcher, self.next, &kind, &mut hits);
        for hit in hits {
            let is_counted = hit.bank.mode == BankMode::Enforce
                && hit.effect != Effect::Shadow
                && is_within_ratio(&hit.bank.id, &self.seed, hit.bank.ratio_millionths);
            match hit.bank.role {
                BankRole::Negative if is_counted && hit.effect == Effect::Full => {
                    self.overruling.push(Overruling {
                        bank: hit.bank.id.clone(),
                        entry: hit.entry.clone(),
                        part: Arc::clone(&probe.part),
                        probe: self.next,
                        distance: hit.distance,
                        knows_bytes: probe.signal.kind() == SignalType::Sha256,
                    });
                }
                BankRole::Negative => {}
                BankRole::Positive if kind == SignalType::VpdqFrame && hit.kind == kind => {
                    self.videos.note(&hit, probe, self.next, is_counted);
                }
                BankRole::Positive => {
                    let sight = Sight {
                        part: Arc::clone(&probe.part),
                        bank: hit.bank.id.clone(),
                        entry: hit.entry.clone(),
                        kind: hit.kind.clone(),
                    };
                    let sight = (sight, self.next);
                    let better =
                        self.seen.get(&sight).is_none_or(|b| hit.distance < b.found.distance);
                    if better {
                        self.seen.insert(
                            sight,
                            Seen {
                                found: match_of(&hit, probe),
                                probe: Some(self.next),
                                effect: hit.effect,
                                is_counted,
                                is_vetted: hit.bank.vetted,
                            },
                        );
                    }
                }
            }
        }
    }

    /// Which of the probes are near to something in a negative bank that counts, by their places.
    #[must_use]
    pub fn harmless(&self) -> BTreeSet<usize> {
        self.overruling.iter().map(|negative| negative.probe).collect()
    }

    /// What was found of the question, all of which is given again.
    #[must_use]
    pub fn found(mut self, matcher: &Matcher, question: &Question, elsewhere: &Elsewhere) -> Found {
        let one_digest = parts_of_one_digest(&question.probes);
        for negative in &mut self.overruling {
            negative.knows_bytes &= one_digest.contains(&*negative.part);
        }
        for (place, candidate) in self.videos.ranked() {
            let Place { part, bank, entry, .. } = &place;
            let Some(status) = matcher.bank(bank) else { continue };
            let track =
                matcher.track(bank, entry).or_else(|| elsewhere.track(bank, entry).cloned());
            let Some(track) = track else { continue };
            let is_overruled = |probe, distance| {
                self.overruling.iter().any(|negative| negative.covers_value(probe, distance))
            };
            let met = meet(status.bank, (&place, &candidate), &track, question, is_overruled);
            let Some(found) = met else { continue };
            let sight = Sight {
                part: Arc::clone(part),
                bank: bank.clone(),
                entry: entry.clone(),
                kind: SignalType::VpdqFrame,
            };
            let Candidate { effect, is_counted, .. } = candidate;
            let is_vetted = status.bank.vetted;
            let seen = Seen { found, probe: None, effect, is_counted, is_vetted };
            // Of several streams that match, the one with the most frames in common came first.
            self.seen.entry((sight, usize::MAX)).or_insert(seen);
        }
        sort_out(self.seen, &self.overruling)
    }
}

fn sort_out(framed: BTreeMap<(Sight, usize), Seen>, overruling: &[Overruling]) -> Found {
    let mut seen: BTreeMap<Sight, Seen> = BTreeMap::new();
    for ((sight, _), mut one) in framed {
        let by = overruling.iter().find(|negative| negative.covers(&sight.part, &one));
        one.found.suppressed_by =
            by.map(|negative| (negative.bank.clone(), negative.entry.clone()));
        // Of all probes, one that nothing overrules stands before the nearest that something does; and what is alike as a
        // video before one frame of it, which says less.
        let rank = |one: &Seen| {
            (one.found.suppressed_by.is_some(), one.found.video.is_none(), one.found.distance)
        };
        if seen.get(&sight).is_none_or(|best| rank(&one) < rank(best)) {
            seen.insert(sight, one);
        }
    }
    confirm_by_two_algorithms(&mut seen);
    let mut found = Found::default();
    for one in seen.into_values() {
        let counts = one.is_counted && one.found.suppressed_by.is_none();
        let list = if counts { &mut found.counted } else { &mut found.shadow };
        list.push(Finding::Match(one.found));
    }
    keep_strictest(&mut found.counted);
    keep_strictest(&mut found.shadow);
    found
}

/// Two independent perceptual algorithms that agree on an entry of a vetted bank are as good as its digest.
fn confirm_by_two_algorithms(seen: &mut BTreeMap<Sight, Seen>) {
    let mut algorithms: BTreeMap<(Arc<str>, BankId, EntryId), BTreeSet<SignalType>> =
        BTreeMap::new();
    let key = |s: &Sight| (Arc::clone(&s.part), s.bank.clone(), s.entry.clone());
    for (sight, one) in seen.iter() {
        let counts =
            one.is_counted && one.effect == Effect::Full && one.found.suppressed_by.is_none();
        if !sight.kind.is_digest() && !sight.kind.is_advice() && counts {
            // A frame's hash and a picture's are one algorithm under two names.
            let family = match &sight.kind {
                SignalType::VpdqFrame => SignalType::Pdq,
                other => other.clone(),
            };
            algorithms.entry(key(sight)).or_default().insert(family);
        }
    }
    for (sight, one) in seen.iter_mut() {
        let agree = || algorithms.get(&key(sight)).is_some_and(|families| families.len() >= 2);
        if one.is_vetted && !sight.kind.is_advice() && agree() {
            one.found.assurance = Assurance::VerifiedKnown;
        }
    }
}

/// Puts the strictest and nearest first, and leaves out what is too many.
pub(super) fn keep_strictest(findings: &mut Vec<Finding>) {
    findings.sort_by_key(|finding| {
        let distance = match finding {
            Finding::Match(found) => found.distance,
            Finding::Score(_) => 0,
        };
        (std::cmp::Reverse((finding.disposition(), finding.assurance())), distance)
    });
    findings.truncate(FINDINGS_MAX);
}

/// Scores that reach a threshold of the surface. A score alone asks for `HOLD` at most, and gives no more than a
/// reason to look.
pub fn weigh<'a>(
    surface: &'a Surface,
    scores: &'a [GivenScore],
) -> impl Iterator<Item = Finding> + 'a {
    scores.iter().filter_map(|score| {
        let reached = surface
            .score_thresholds
            .iter()
            .filter(|threshold| threshold.category == score.category)
            .filter(|threshold| score.value >= threshold.at_least)
            .max_by_key(|threshold| threshold.disposition)?;
        Some(Finding::Score(Score {
            category: score.category.clone(),
            value: score.value,
            threshold: reached.at_least,
            detector: score.detector.clone(),
            detector_version: score.detector_version.clone(),
            disposition: reached.disposition.min(Disposition::Hold),
        }))
    })
}

//! Videos: which listed ones the frames of an item are alike to.
//!
//! A search for each frame gives the listed videos that one frame of the item is near to. Each of those is then compared
//! as a whole: one frame in common says little, since title cards and dark scenes come back everywhere.

use crate::core::bank::{Bank, Effect, SignalRule, VideoRule, VideoSemantics};
use crate::core::id::{BankId, EntryId};
use crate::core::matcher::Hit;
use crate::core::screening::question::{Probe, Question};
use crate::core::signal::{Bits256, Signal, SignalType};
use crate::core::verdict::{Assurance, Dihedral, Disposition, Form, Match, Provenance};
use crate::core::video::alike::{Likeness, VideoMatch};
use crate::core::video::contain::{Compared, Outcome, Rule, Sighting, compare};
use crate::core::video::track::{Frame, Track};
use crate::core::video::vpdq::{Semantics, percentages};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Most listed videos that one item is compared with as a whole: those with the most frames in common.
pub const COMPARED_MAX: usize = 256;
/// Most stretches in common that are told of one listed video.
const SEGMENTS_TOLD_MAX: usize = 32;
/// Hashes of each frame: every form, turned in every way.
const ALTERNATIVES: usize = FORMS.len() * Dihedral::ALL.len();
const FORMS: [Form; 5] =
    [Form::Canonical, Form::Oriented, Form::Trimmed, Form::OnWhite, Form::OnBlack];

/// Which stream of which part, and which entry of which bank.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The part.
    pub part: Arc<str>,
    /// Its stream of video.
    pub stream: u32,
    /// The bank.
    pub bank: BankId,
    /// The entry.
    pub entry: EntryId,
}

/// A listed video with at least one frame in common with the item.
#[derive(Debug)]
pub struct Candidate {
    /// How far its matches count.
    pub effect: Effect,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Whether a match decides.
    pub is_counted: bool,
    /// Which of the item's hashes are near to a frame of it, and at which distance.
    hits: Vec<(usize, u32)>,
}

/// The listed videos that an item's frames lead to.
#[derive(Debug, Default)]
pub struct Candidates(BTreeMap<Place, Candidate>);

impl Candidates {
    /// Notes that a hash of the item, which is the one at place `at` of all, is near to a frame of a listed video.
    pub fn note(&mut self, hit: &Hit<'_>, probe: &Probe, at: usize, is_counted: bool) {
        let place = Place {
            part: Arc::clone(&probe.part),
            stream: probe.stream,
            bank: hit.bank.id.clone(),
            entry: hit.entry.clone(),
        };
        let new = || Candidate {
            effect: hit.effect,
            provenance: hit.provenance.clone(),
            is_counted,
            hits: Vec::new(),
        };
        self.0.entry(place).or_insert_with(new).hits.push((at, hit.distance));
    }

    /// Those that are compared as a whole, those with the most frames in common first.
    pub fn ranked(self) -> Vec<(Place, Candidate)> {
        let mut all: Vec<_> = self.0.into_iter().collect();
        all.sort_by_key(|(_, candidate)| std::cmp::Reverse(candidate.hits.len()));
        all.truncate(COMPARED_MAX);
        all
    }
}

/// A frame of the item.
struct Seen {
    at: u32,
    quality: u8,
    /// By form and turn, as far as they are known.
    hashes: [Option<Bits256>; ALTERNATIVES],
}

/// Where a hash stands among those of its frame.
fn alternative_of(form: Form, dihedral: Dihedral) -> usize {
    let form = FORMS.iter().position(|one| *one == form).unwrap_or_default();
    let turn = Dihedral::ALL.iter().position(|one| *one == dihedral).unwrap_or_default();
    form * Dihedral::ALL.len() + turn
}

/// The form and turn of the hash at a place.
fn turn_of(alternative: usize) -> (Form, Dihedral) {
    let turns = Dihedral::ALL.len();
    (FORMS[alternative / turns % FORMS.len()], Dihedral::ALL[alternative % turns])
}

/// Compares the frames of a part with a listed video, those that were asked for before with them. Hashes that `is_overruled` says are known to be harmless are left out.
#[must_use]
pub fn meet(
    bank: &Bank,
    (place, candidate): (&Place, &Candidate),
    track: &Track,
    question: &Question,
    is_overruled: impl Fn(usize, u32) -> bool,
) -> Option<Match> {
    let rule = bank.rule(&SignalType::VpdqFrame)?;
    let Place { part, stream, entry, .. } = place;
    let harmless: HashSet<usize> = candidate
        .hits
        .iter()
        .filter(|(at, distance)| is_overruled(*at, *distance))
        .map(|(at, _)| *at)
        .collect();
    let frames = frames_of((part, *stream), question, &harmless);
    let compared = match rule.video().semantics {
        VideoSemantics::Contains => contained(rule, &frames, track),
        VideoSemantics::Reference => published(rule, Semantics::Reference, &frames, track),
        VideoSemantics::Python => published(rule, Semantics::Python, &frames, track),
    };
    let (form, dihedral) = turn_of(compared.alternative.unwrap_or_default());
    let video_rule = rule.video();
    let (likeness, disposition) = match compared.outcome {
        Outcome::NotMatched => return None,
        Outcome::Run => (Likeness::Run, video_rule.run_disposition),
        Outcome::PartOf => (Likeness::Part, video_rule.disposition),
        Outcome::Contained => (Likeness::Contained, video_rule.disposition),
    };
    let disposition = match candidate.effect {
        Effect::HoldAtMost => disposition.min(Disposition::Hold),
        Effect::Absent | Effect::Shadow | Effect::Full => disposition,
    };
    let assurance = match disposition < Disposition::Block {
        true => Assurance::Investigate,
        false => Assurance::Likely,
    };
    Some(Match {
        bank: bank.id.clone(),
        entry: entry.clone(),
        kind: SignalType::VpdqFrame,
        distance: compared.best_distance.unwrap_or_default(),
        distance_max: rule.distance_max(),
        form,
        dihedral,
        part: part.to_string(),
        disposition,
        assurance,
        suppressed_by: None,
        provenance: candidate.provenance.clone(),
        brake: None,
        review: None,
        at: None,
        video: Some(Box::new(told(likeness, compared))),
    })
}

/// The frames of a part in the order of time. Of a frame whose hashes are known to be harmless the others stand.
fn frames_of(
    (part, stream): (&str, u32),
    question: &Question,
    harmless: &HashSet<usize>,
) -> Vec<Seen> {
    let mut frames: BTreeMap<u32, Seen> = BTreeMap::new();
    let is_of = |probe: &Probe| probe.stream == stream && *probe.part == *part;
    let asked = question.probes.iter().enumerate().filter(|(at, _)| !harmless.contains(at));
    let before = question.before.iter().flat_map(|frame| frame.iter());
    for probe in before.chain(asked.map(|(_, probe)| probe)).filter(|probe| is_of(probe)) {
        let Signal::VpdqFrame(bits) = &probe.signal else { continue };
        let quality = probe.quality.map_or(100, |quality| quality.min(100) as u8);
        let new = || Seen { at: probe.frame, quality, hashes: [None; ALTERNATIVES] };
        let seen = frames.entry(probe.frame).or_insert_with(new);
        seen.quality = seen.quality.max(quality);
        seen.hashes[alternative_of(probe.form, probe.dihedral)] = Some(*bits);
    }
    frames.into_values().collect()
}

/// By our own reading.
fn contained(rule: &SignalRule, frames: &[Seen], track: &Track) -> Compared {
    let VideoRule {
        compared_percent_min, query_percent_min, frames_min, span_min, run_min, ..
    } = rule.video();
    let percent = |percent: u32| percent.min(100) as u8;
    let asked = Rule {
        distance_max: rule.distance_max(),
        quality_min: percent(rule.quality_min),
        compared_percent_min: percent(compared_percent_min),
        query_percent_min: percent(query_percent_min),
        frames_min,
        span_min_millis: span_min,
        // A stretch is never long enough where none is to be.
        run_min_millis: if run_min == 0 { u32::MAX } else { run_min },
    };
    // What the frames do not all have takes the place of nothing: the hash that is there stands for it, too.
    let used: Vec<usize> = (0..ALTERNATIVES)
        .filter(|at| frames.iter().any(|frame| frame.hashes[*at].is_some()))
        .collect();
    let hashes: Vec<Vec<Bits256>> = frames
        .iter()
        .map(|frame| {
            let first = frame.hashes.iter().flatten().next().copied().unwrap_or_default();
            used.iter().map(|at| frame.hashes[*at].unwrap_or(first)).collect()
        })
        .collect();
    let sightings: Vec<Sighting<'_>> = frames
        .iter()
        .zip(&hashes)
        .map(|(frame, hashes)| Sighting { at: frame.at, quality: frame.quality, hashes })
        .collect();
    let mut compared = compare(&sightings, track, &asked);
    compared.alternative = compared.alternative.and_then(|at| used.get(at).copied());
    compared
}

/// By a published reading, which knows neither turned frames nor stretches.
fn published(rule: &SignalRule, semantics: Semantics, frames: &[Seen], track: &Track) -> Compared {
    let frame = |seen: &Seen| {
        let bits = seen.hashes[0]?;
        Some(Frame { bits, quality: seen.quality, at: seen.at })
    };
    let frames: Vec<Frame> = frames.iter().filter_map(frame).collect();
    let shares = percentages(&frames, track.frames(), semantics);
    let VideoRule { compared_percent_min, query_percent_min, .. } = rule.video();
    let is_match = shares.compared >= f64::from(compared_percent_min)
        && shares.query >= f64::from(query_percent_min)
        && shares.compared > 0.0;
    Compared {
        outcome: if is_match { Outcome::Contained } else { Outcome::NotMatched },
        query_percent: shares.query as u8,
        compared_percent: shares.compared as u8,
        ..Compared::default()
    }
}

fn told(likeness: Likeness, compared: Compared) -> VideoMatch {
    let segments = compared.segments.iter().take(SEGMENTS_TOLD_MAX).map(Into::into).collect();
    VideoMatch {
        likeness,
        compared_percent: compared.compared_percent.into(),
        query_percent: compared.query_percent.into(),
        distance_median: compared.median_distance.unwrap_or_default(),
        segments,
    }
}

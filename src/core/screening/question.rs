//! What is asked of the banks: signals to look for, scores to weigh, and what could not be examined.

use crate::core::bank::PDQ_QUALITY_MIN;
use crate::core::media::{Digests, Examined, Part, Picture, VideoFrame};
use crate::core::signal::{Bits256, Signal};
use crate::core::verdict::{Check, CheckState, Covered, Dihedral, Form};
use std::sync::Arc;

/// A signal to look for, with how it came about.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Type and value.
    pub signal: Signal,
    /// Quality of a perceptual hash, 0 to 100, where known.
    pub quality: Option<u32>,
    /// How the picture was changed before hashing.
    pub form: Form,
    /// How the hash was turned.
    pub dihedral: Dihedral,
    /// Place within the item, as in [`Covered::part`].
    pub part: Arc<str>,
    /// Frame of the part, from 0; of a video its milliseconds from the beginning.
    pub frame: u32,
    /// Which of the part's streams of video it is from, from 0.
    pub stream: u32,
}

/// What a caller says its signals were taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// The caller did not say: every check could have applied.
    Unsaid,
    /// A still or animated picture.
    Image,
    /// A video.
    Video,
    /// Neither picture nor video.
    Other,
}

/// A score that the caller's own classifier gave.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenScore {
    /// What the score is for.
    pub category: String,
    /// From 0 to 1.
    pub value: f64,
    /// Who gave it.
    pub detector: String,
    /// Which version of it.
    pub detector_version: String,
}

/// Everything a verdict is asked about.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// Signals to look for.
    pub probes: Vec<Probe>,
    /// Frames that were looked for with earlier questions about the same stream: listed videos that this question leads to
    /// are compared with them as well.
    pub before: Vec<Arc<[Probe]>>,
    /// What became of examining each part, before banks are considered.
    pub coverage: Vec<Covered>,
    /// Scores to weigh.
    pub scores: Vec<GivenScore>,
    /// Some of the hashes are from coefficients, and not quite canonical.
    pub by_coefficients: bool,
    /// The bytes were seen, and not only what somebody says of them.
    pub from_bytes: bool,
    /// The sender's items were too many: the answer is `HOLD`, whatever is found.
    pub over_budget: bool,
}

/// What a question by signals alone costs, for each so many signals: who need not have the bytes can ask about anything.
const COST_OF_SIGNALS: u32 = 4;
/// Signals of one item that are asked about at the price of one: as many as all forms of a picture have.
const SIGNALS_PER_COST: usize = 64;

const BYTES_NOT_SEEN: &str = "signals as given, bytes not seen";
const TRANSFORMS_NOT_COVERED: &str = "signals as given, bytes not seen, transforms not covered";
const NO_SUCH_SIGNAL: &str = "no signal of this kind was given";
const NOT_IN_THIS_CALL: &str = "not examined in this call";

fn covered(check: Check, state: CheckState, reason: &str, part: &str) -> Covered {
    Covered { check, state, reason: reason.to_owned(), part: part.to_owned() }
}

fn digest_probes(digests: &Digests, place: &Arc<str>) -> [Probe; 3] {
    [Signal::Sha256(digests.sha256), Signal::Sha1(digests.sha1), Signal::Md5(digests.md5)].map(
        |signal| Probe {
            signal,
            quality: None,
            form: Form::Canonical,
            dihedral: Dihedral::Original,
            part: Arc::clone(place),
            frame: 0,
            stream: 0,
        },
    )
}

impl Question {
    /// What an examination of bytes asks.
    #[must_use]
    pub fn of_examined(examined: &Examined) -> Self {
        let mut question = Self { from_bytes: true, ..Self::default() };
        for (place, part) in examined.parts.iter().enumerate() {
            question.add_part(part, place == 0);
        }
        question
    }

    /// What an item's digests alone ask, before it was decoded.
    #[must_use]
    pub fn of_digests(digests: &Digests) -> Self {
        let probes = digest_probes(digests, &Arc::from("")).to_vec();
        Self { probes, from_bytes: true, ..Self::default() }
    }

    /// What an item's digests ask, with the frames of it that were decoded so far.
    #[must_use]
    pub fn of_frames(digests: &Digests, frames: &[VideoFrame]) -> Self {
        let mut question = Self::of_digests(digests);
        question.add_frames(frames, &Arc::from(""));
        question
    }

    /// What it costs of a budget.
    #[must_use]
    pub fn cost(&self) -> u32 {
        if self.from_bytes {
            return 1;
        }
        u32::try_from(self.probes.len().div_ceil(SIGNALS_PER_COST))
            .map_or(u32::MAX, |pieces| pieces.saturating_mul(COST_OF_SIGNALS))
    }

    /// Hashes of its pictures as they are, and all hashes, turned ones included, for who compares questions. Of signals
    /// alone it is not known which of them are of the picture as it is.
    #[must_use]
    pub fn pictures(&self) -> (Vec<Bits256>, Vec<Bits256>) {
        let hashes = self.probes.iter().filter(|probe| probe.signal.kind().is_perceptual());
        let is_plain = |probe: &&Probe| {
            !self.from_bytes
                || (probe.form == Form::Canonical && probe.dihedral == Dihedral::Original)
        };
        let bits = |probe: &Probe| {
            let is_of_quality = probe.quality.is_none_or(|quality| quality >= PDQ_QUALITY_MIN);
            probe.signal.bits().copied().filter(|_| is_of_quality)
        };
        (
            hashes.clone().filter(is_plain).filter_map(bits).collect(),
            hashes.filter_map(bits).collect(),
        )
    }

    /// Hashes of its pictures as they are that mean something, each with what it came from, for whoever asks others about
    /// them: PDQ only.
    pub fn plain(&self) -> impl Iterator<Item = (&Probe, Bits256)> {
        self.probes.iter().filter_map(|probe| {
            let Signal::Pdq(bits) = &probe.signal else { return None };
            let is_plain = !self.from_bytes
                || (probe.form == Form::Canonical && probe.dihedral == Dihedral::Original);
            let is_of_quality = probe.quality.is_none_or(|quality| quality >= PDQ_QUALITY_MIN);
            (is_plain && is_of_quality).then_some((probe, *bits))
        })
    }

    fn add_part(&mut self, part: &Part, is_whole: bool) {
        let place: Arc<str> = part.place.as_str().into();
        let states = [
            (Check::ExactMatch, part.exact),
            (Check::ImageMatch, part.image),
            (Check::VideoMatch, part.video),
        ];
        for (check, state) in states {
            // Entries of an archive say only what applies to them, the whole says everything.
            if is_whole || state != CheckState::NotApplicable {
                let reason = if state.is_complete() { "" } else { part.reason.as_str() };
                self.coverage.push(covered(check, state, reason, &part.place));
            }
        }
        if let Some(digests) = &part.digests {
            self.probes.extend(digest_probes(digests, &place));
        }
        for picture in &part.pictures {
            self.by_coefficients |= picture.by_coefficients;
            self.add_picture(picture, &place, (picture.frame, 0), Signal::Pdq);
        }
        // What moves is also looked for as a video.
        let is_moving = part.pictures.iter().any(|picture| picture.frame > 0);
        for picture in part.pictures.iter().filter(|_| is_moving) {
            if let Some(at) = picture.at_millis {
                self.add_picture(picture, &place, (at, 0), Signal::VpdqFrame);
            }
        }
        self.add_frames(&part.frames, &place);
    }

    /// Two frames are two, whatever times a file gives them: each stands behind the one before it.
    fn add_frames(&mut self, frames: &[VideoFrame], place: &Arc<str>) {
        let mut last: Option<(u32, u32, u32)> = None;
        for VideoFrame { stream, picture } in frames {
            let mut at = picture.at_millis.unwrap_or(picture.frame);
            if let Some((_, number, before)) = last.filter(|(of, ..)| of == stream) {
                at =
                    if number == picture.frame { before } else { at.max(before.saturating_add(1)) };
            }
            last = Some((*stream, picture.frame, at));
            self.add_picture(picture, place, (at, *stream), Signal::VpdqFrame);
        }
    }

    fn add_picture(
        &mut self,
        picture: &Picture,
        place: &Arc<str>,
        (frame, stream): (u32, u32),
        signal: fn(Bits256) -> Signal,
    ) {
        // Symmetries of a symmetric picture are equal: each value is looked for once.
        let forms = Dihedral::ALL.into_iter().zip(picture.hashes).enumerate();
        let forms = forms.filter(|(place, (_, bits))| !picture.hashes[..*place].contains(bits));
        self.probes.extend(forms.map(|(_, form)| form).map(|(dihedral, bits)| Probe {
            signal: signal(bits),
            quality: Some(picture.quality),
            form: picture.form,
            dihedral,
            part: Arc::clone(place),
            frame,
            stream,
        }));
    }

    /// What signals alone ask: the bytes were not seen, and the coverage says so.
    #[must_use]
    pub fn of_signals(probes: Vec<Probe>, kind: MediaKind) -> Self {
        let applies = |check| match check {
            Check::ExactMatch => true,
            Check::ImageMatch => matches!(kind, MediaKind::Unsaid | MediaKind::Image),
            Check::VideoMatch => matches!(kind, MediaKind::Unsaid | MediaKind::Video),
            Check::ExternalScore | Check::AdviceMatch => false,
        };
        let turned = probes.iter().any(|probe| probe.dihedral != Dihedral::Original);
        let given = |check| probes.iter().any(|probe| Check::of(&probe.signal.kind()) == check);
        let advice = Some(Check::AdviceMatch).filter(|check| given(*check));
        let coverage = [Check::ExactMatch, Check::ImageMatch, Check::VideoMatch]
            .into_iter()
            .chain(advice)
            .map(|check| {
                let given = given(check);
                match (given, applies(check)) {
                    (true, _) if check == Check::ImageMatch && !turned => {
                        covered(check, CheckState::Checked, TRANSFORMS_NOT_COVERED, "")
                    }
                    (true, _) => covered(check, CheckState::Checked, BYTES_NOT_SEEN, ""),
                    (false, true) => {
                        covered(check, CheckState::SourceUnavailable, NO_SUCH_SIGNAL, "")
                    }
                    (false, false) => covered(check, CheckState::NotApplicable, "", ""),
                }
            })
            .collect();
        Self { probes, coverage, ..Self::default() }
    }

    /// What scores alone ask: nothing else was examined, and the coverage says so.
    #[must_use]
    pub fn of_scores(scores: Vec<GivenScore>) -> Self {
        let coverage = [Check::ExactMatch, Check::ImageMatch, Check::VideoMatch]
            .into_iter()
            .map(|check| covered(check, CheckState::SourceUnavailable, NOT_IN_THIS_CALL, ""))
            .collect();
        Self { coverage, ..Self::default() }.with_scores(scores)
    }

    /// Adds the caller's scores, if it gave any.
    #[must_use]
    pub fn with_scores(mut self, scores: Vec<GivenScore>) -> Self {
        if !scores.is_empty() {
            self.coverage.push(covered(Check::ExternalScore, CheckState::Checked, "", ""));
        }
        self.scores = scores;
        self
    }
}

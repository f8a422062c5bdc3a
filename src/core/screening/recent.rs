//! The last frames of a live stream as hashes, with which each new one is compared with listed videos.
//!
//! One frame near to one of a listed video says little; a rebroadcast is known by the frames that come one after another.
//! So a piece asks for listed videos with its own frames, and what that leads to is compared with those before it, too.

use crate::core::screening::question::{Probe, Question};
use crate::core::signal::{Bits256, Signal};
use crate::core::verdict::Dihedral;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Most frames that are remembered of a stream.
pub const FRAMES_MAX: usize = 64;
/// How long one is remembered, in milliseconds: the share of a stream that comes from a listed video is the share of its
/// frames of so long.
pub const MEMORY_MILLIS: u32 = 30_000;

/// The last frames of one stream.
#[derive(Debug, Default)]
pub struct Recent {
    frames: VecDeque<(u32, Arc<[Probe]>)>,
    /// When the last frame was shown that was asked for.
    last: Option<u32>,
}

impl Recent {
    /// Makes of what a piece asks something that is asked of the stream, so many milliseconds after its beginning: its
    /// pictures are looked for as frames of a video, too, behind those that are remembered. Gives these frames, each hash
    /// with its place among the question's probes.
    pub fn join(&mut self, question: &mut Question, millis: u32) -> Vec<(usize, Probe)> {
        let base = self.last.map_or(millis, |last| millis.max(last.saturating_add(1)));
        let is_seen = question.from_bytes;
        let is_frame = |probe: &Probe| matches!(probe.signal, Signal::VpdqFrame(_));
        let of_whole = |probe: &&mut Probe| probe.part.is_empty();
        if is_seen && question.probes.iter().any(is_frame) {
            let frames = question.probes.iter_mut().filter(|probe| is_frame(probe));
            for probe in frames.filter(of_whole) {
                probe.frame = base.saturating_add(probe.frame);
            }
        } else {
            let pictures = question.probes.iter().filter_map(|probe| {
                let bits: Bits256 = *probe.signal.bits()?;
                let is_first = !is_seen || probe.frame == 0;
                (probe.part.is_empty() && is_first).then(|| (bits, probe.clone()))
            });
            // Of hashes that somebody sent their order says how each was turned, where nothing else does.
            let is_told =
                is_seen || question.probes.iter().any(|probe| probe.dihedral != Dihedral::Original);
            let turns = Dihedral::ALL.into_iter().cycle();
            let frames = pictures.zip(turns).map(|((bits, probe), turn)| {
                let dihedral = if is_told { probe.dihedral } else { turn };
                Probe { signal: Signal::VpdqFrame(bits), frame: base, dihedral, ..probe }
            });
            let frames: Vec<Probe> = frames.collect();
            question.probes.retain(|probe| is_seen || !is_frame(probe));
            question.probes.extend(frames);
        }
        self.forget(base);
        question.before = self.frames.iter().map(|(_, frame)| Arc::clone(frame)).collect();
        let places = question.probes.iter().cloned().enumerate();
        let frames: Vec<_> =
            places.filter(|(_, probe)| is_frame(probe) && probe.part.is_empty()).collect();
        self.last = frames.iter().map(|(_, probe)| probe.frame).max().or(self.last);
        frames
    }

    /// Remembers the frames of a piece that was compared, but for hashes that are known to be `harmless`.
    pub fn keep(&mut self, asked: Vec<(usize, Probe)>, harmless: &BTreeSet<usize>) {
        let mut frames: BTreeMap<u32, Vec<Probe>> = BTreeMap::new();
        for (_, probe) in asked.into_iter().filter(|(place, _)| !harmless.contains(place)) {
            frames.entry(probe.frame).or_default().push(probe);
        }
        self.frames.extend(frames.into_iter().map(|(at, probes)| (at, probes.into())));
        let too_many = self.frames.len().saturating_sub(FRAMES_MAX);
        self.frames.drain(..too_many);
    }

    fn forget(&mut self, now: u32) {
        self.frames.retain(|(at, _)| at.saturating_add(MEMORY_MILLIS) > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::screening::question::MediaKind;
    use crate::core::verdict::Form;

    fn probe(value: u64, frame: u32, signal: fn(Bits256) -> Signal) -> Probe {
        Probe {
            signal: signal(Bits256([value; 4])),
            quality: Some(90),
            form: Form::Canonical,
            dihedral: Dihedral::Original,
            part: Arc::from(""),
            frame,
            stream: 0,
        }
    }

    fn seen(probes: Vec<Probe>) -> Question {
        Question { probes, from_bytes: true, ..Question::default() }
    }

    fn frames(question: &Question) -> Vec<(u32, Dihedral)> {
        let frames = question.probes.iter();
        let frames = frames.filter(|probe| matches!(probe.signal, Signal::VpdqFrame(_)));
        frames.map(|probe| (probe.frame, probe.dihedral)).collect()
    }

    #[test]
    fn a_picture_is_looked_for_as_itself_and_as_a_frame_of_the_stream() {
        let mut recent = Recent::default();
        let mut question = seen(vec![probe(1, 0, Signal::Pdq)]);
        recent.join(&mut question, 5_000);
        assert_eq!(question.probes.len(), 2);
        assert_eq!(frames(&question), [(5_000, Dihedral::Original)]);
        assert!(question.before.is_empty());
    }

    #[test]
    fn frames_of_a_segment_keep_their_distances_and_stand_behind_those_before() {
        let mut recent = Recent::default();
        let segment =
            || seen(vec![probe(1, 0, Signal::VpdqFrame), probe(2, 900, Signal::VpdqFrame)]);
        let times = |recent: &mut Recent, at| {
            let asked = recent.join(&mut segment(), at);
            let times: Vec<u32> = asked.iter().map(|(_, probe)| probe.frame).collect();
            recent.keep(asked, &BTreeSet::new());
            times
        };
        assert_eq!(times(&mut recent, 2_000), [2_000, 2_900]);
        assert_eq!(times(&mut recent, 2_100), [2_901, 3_801], "it came before its time");
        let mut last = segment();
        recent.join(&mut last, 9_000);
        assert_eq!(last.before.len(), 4);
    }

    #[test]
    fn hashes_that_were_sent_are_of_one_frame_each_turned_as_its_place_says() {
        let mut recent = Recent::default();
        let sent = (0..8).map(|place| probe(u64::from(place), place, Signal::Pdq)).collect();
        let mut question = Question::of_signals(sent, MediaKind::Image);
        recent.join(&mut question, 7);
        assert_eq!(frames(&question), Dihedral::ALL.map(|turn| (7, turn)));
    }

    #[test]
    fn what_is_old_harmless_or_too_much_is_not_remembered() {
        let mut recent = Recent::default();
        for number in 0..200 {
            let mut question = seen(vec![probe(number, 0, Signal::Pdq)]);
            let asked = recent.join(&mut question, number as u32 * 10);
            recent.keep(asked, &BTreeSet::new());
        }
        assert_eq!(recent.frames.len(), FRAMES_MAX);
        let mut question = seen(vec![probe(1, 0, Signal::Pdq)]);
        let asked = recent.join(&mut question, 1_990 + MEMORY_MILLIS);
        assert!(question.before.is_empty(), "all are too old");
        recent.keep(asked, &BTreeSet::from([1]));
        assert!(recent.frames.is_empty(), "it is known to be harmless");
    }
}

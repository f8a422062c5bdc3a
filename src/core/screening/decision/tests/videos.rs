//! Videos: what a listed one is worth, and what overrules it.

use super::*;
use crate::core::bank::{VideoRule, VideoSemantics};
use crate::core::media::VideoFrame;
use crate::core::video::alike::Likeness;

/// A scene of its own, so many bits from how it usually looks.
pub(super) fn scene(number: u64, flipped: u32) -> Bits256 {
    let mut words = [1, 2, 3, 4].map(|word: u64| {
        let mixed = (number * 4 + word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    });
    for bit in 0..flipped as usize {
        words[bit % 4] ^= 1 << (bit / 4);
    }
    Bits256(words)
}

/// A frame of a video, a second after the one before it.
pub(super) fn frame(second: u32, bits: Bits256) -> Probe {
    Probe {
        signal: Signal::VpdqFrame(bits),
        quality: Some(100),
        form: Form::Canonical,
        dihedral: Dihedral::Original,
        part: "".into(),
        frame: second * 1000,
        stream: 0,
    }
}

fn question(scenes: &[u64], flipped: u32) -> Question {
    let frames = (0..).zip(scenes).map(|(second, number)| frame(second, scene(*number, flipped)));
    Question::of_signals(frames.collect(), MediaKind::Video)
}

fn listed(scenes: std::ops::Range<u64>, state: EntryState) -> Entry {
    let frames = scenes.map(|number| Signal::VpdqFrame(scene(number, 0)));
    entry("video", frames.collect(), state)
}

fn videos(name: &str) -> Bank {
    let mut bank = bank(name);
    bank.rules.push(SignalRule::usual(SignalType::VpdqFrame));
    bank
}

fn by_rule(rule: VideoRule) -> Bank {
    let mut bank = videos("videos");
    bank.rules.last_mut().unwrap().video = Some(rule);
    bank
}

fn only(verdict: &Verdict) -> Option<(Likeness, Disposition)> {
    let found = verdict.findings.first().map(|finding| match finding {
        Finding::Match(found) => {
            (found.video.as_ref().expect("a video").likeness, found.disposition)
        }
        Finding::Score(_) => panic!("no score was given"),
    });
    assert!(verdict.findings.len() <= 1);
    found
}

#[test]
fn what_two_videos_have_in_common_decides_and_not_how_near_one_frame_is() {
    let active = || holding(&[(videos("videos"), vec![listed(0..10, EntryState::Active)])]);
    let whole: Vec<u64> = (0..10).collect();
    let padded: Vec<u64> = (100..200).chain(0..10).chain(200..300).collect();
    let cut: Vec<u64> = (3..8).collect();
    let (contained, part) = (Likeness::Contained, Likeness::Part);
    for (scenes, flipped, expected) in [
        (&whole[..], 0, Some((contained, Disposition::Block))),
        (&whole, 31, Some((contained, Disposition::Block))),
        (&whole, 32, None),
        (&padded, 20, Some((contained, Disposition::Block))),
        (&cut, 20, Some((part, Disposition::Block))),
        (&[0, 100, 101, 102], 0, None),
        (&[0], 0, None),
        (&[0, 0, 0, 0], 0, None),
    ] {
        let verdict = answer(&active(), &surface(), &question(scenes, flipped));
        assert_eq!(only(&verdict), expected, "{} scenes, {flipped} bits", scenes.len());
    }
    let stretch: Vec<u64> = (100..110).chain(5..15).chain(200..210).collect();
    let long = holding(&[(videos("videos"), vec![listed(0..30, EntryState::Active)])]);
    let verdict = answer(&long, &surface(), &question(&stretch, 20));
    assert_eq!(only(&verdict), Some((Likeness::Run, Disposition::Hold)));
    for (state, expected) in [
        (EntryState::Disputed, Some((contained, Disposition::Hold))),
        (EntryState::Trial, None),
        (EntryState::Proposed, None),
    ] {
        let holding = holding(&[(videos("videos"), vec![listed(0..10, state)])]);
        let verdict = answer(&holding, &surface(), &question(&whole, 0));
        assert_eq!(only(&verdict), expected, "{state:?}");
        assert_eq!(verdict.shadow_findings.len(), usize::from(state == EntryState::Trial));
    }
}

#[test]
fn frames_that_were_asked_for_before_count_where_a_frame_leads_to_a_listed_video() {
    let active = holding(&[(videos("videos"), vec![listed(0..10, EntryState::Active)])]);
    let before = |scenes: &[u64]| -> Vec<std::sync::Arc<[Probe]>> {
        let frames = (0..).zip(scenes);
        frames.map(|(second, number)| [frame(second, scene(*number, 31))].into()).collect()
    };
    let now = |number: u64, flipped| {
        let frames = vec![frame(60, scene(number, flipped))];
        Question::of_signals(frames, MediaKind::Video)
    };
    for (earlier, number, flipped, expected) in [
        (&[0, 1, 2, 3][..], 4, 31, Some(Likeness::Part)),
        (&[0, 1, 2, 3, 4, 5, 6, 7], 8, 31, Some(Likeness::Contained)),
        (&[], 4, 31, None),
        (&[100, 101, 102, 103], 4, 31, None),
        // What was listed before is not told again with a frame that leads nowhere.
        (&[0, 1, 2, 3, 4, 5, 6, 7], 100, 0, None),
        (&[0, 1, 2, 3, 4, 5, 6, 7], 8, 32, None),
    ] {
        let question = Question { before: before(earlier), ..now(number, flipped) };
        let found = only(&answer(&active, &surface(), &question)).map(|(likeness, _)| likeness);
        assert_eq!(found, expected, "{earlier:?} and {number}");
    }
}

#[test]
fn which_frames_are_near_to_something_harmless_is_told() {
    let harmless = Bank { role: BankRole::Negative, ..videos("harmless") };
    let titles = entry("titles", vec![Signal::VpdqFrame(scene(1, 0))], EntryState::Active);
    let holding = holding(&[(harmless, vec![titles])]);
    let decided = decided(&holding, &surface(), &context(), &question(&[0, 1, 2], 0));
    assert_eq!(decided.harmless.into_iter().collect::<Vec<_>>(), [1]);
}

#[test]
fn the_published_readings_are_had_by_name() {
    let whole: Vec<u64> = (0..10).collect();
    let padded: Vec<u64> = (0..10).chain(100..103).collect();
    let (reference, python) = (VideoSemantics::Reference, VideoSemantics::Python);
    for (semantics, scenes, flipped, matches) in [
        (reference, &whole, 30, true),
        (reference, &whole, 31, false),
        (reference, &padded, 30, true),
        (python, &whole, 31, true),
        // The query's share is ten of thirteen, and four fifths are asked for.
        (python, &padded, 31, false),
    ] {
        let bank = by_rule(VideoRule::usual(semantics));
        let holding = holding(&[(bank, vec![listed(0..10, EntryState::Active)])]);
        let verdict = answer(&holding, &surface(), &question(scenes, flipped));
        assert_eq!(only(&verdict).is_some(), matches, "{semantics:?} {flipped}");
    }
}

#[test]
fn frames_that_are_known_to_be_harmless_are_no_evidence_and_a_harmless_file_overrules_all() {
    let list = listed(0..10, EntryState::Active);
    let harmless = Bank { role: BankRole::Negative, ..videos("harmless") };
    let titles = |scenes: std::ops::Range<u64>| {
        let frames = scenes.map(|number| Signal::VpdqFrame(scene(number, 0)));
        entry("titles", frames.collect(), EntryState::Active)
    };
    let scenes: Vec<u64> = (0..10).collect();
    for (known, is_found) in [(0..1, true), (0..2, true), (0..3, false), (0..10, false)] {
        let banks =
            [(videos("videos"), vec![list.clone()]), (harmless.clone(), vec![titles(known)])];
        // What is left is a stretch at most, which is shorter than asked for.
        let verdict = answer(&holding(&banks), &surface(), &question(&scenes, 0));
        let found = only(&verdict).map(|(likeness, _)| likeness);
        assert_eq!(found == Some(Likeness::Contained), is_found, "{verdict:?}");
    }
    // A frame of the item that is nearer to what is listed than to what is harmless counts.
    let mut far = titles(0..10);
    for (number, banked) in (0..).zip(&mut far.signals) {
        banked.signal = Signal::VpdqFrame(scene(number, 9));
    }
    let banks = [(videos("videos"), vec![list.clone()]), (harmless.clone(), vec![far])];
    let verdict = answer(&holding(&banks), &surface(), &question(&scenes, 0));
    assert_eq!(only(&verdict), Some((Likeness::Contained, Disposition::Block)));

    let known = entry("file", vec![Signal::Sha256(DIGESTS.sha256)], EntryState::Active);
    let banks = [(videos("videos"), vec![list]), (harmless, vec![known])];
    let mut asked = question(&scenes, 0);
    let digest = Probe { signal: Signal::Sha256(DIGESTS.sha256), ..asked.probes[0].clone() };
    asked.probes.push(digest);
    let verdict = answer(&holding(&banks), &surface(), &asked);
    assert!(verdict.findings.is_empty());
    assert_eq!(verdict.shadow_findings.len(), 1, "it is shown as overruled");
}

#[test]
fn frames_that_a_file_gives_one_time_are_frames_all_the_same() {
    let holding = holding(&[(videos("videos"), vec![listed(0..10, EntryState::Active)])]);
    let times: [fn(u32) -> u32; 2] = [|_| 0, |number| 9_000 - number * 1_000];
    for time in times {
        let frames = (0..10_u32).flat_map(|number| {
            let hashes = [scene(number.into(), 0); 8];
            let picture =
                Picture { at_millis: Some(time(number)), frame: number, hashes, ..picture(0, 100) };
            [Form::Canonical, Form::Trimmed]
                .map(|form| VideoFrame { stream: 0, picture: Picture { form, ..picture.clone() } })
        });
        let part = Part {
            place: String::new(),
            format: Format::IsoMedia,
            digests: None,
            pictures: Vec::new(),
            frames: frames.collect(),
            exact: CheckState::Checked,
            image: CheckState::NotApplicable,
            video: CheckState::Checked,
            reason: String::new(),
        };
        let question = Question::of_examined(&Examined { parts: vec![part] });
        let verdict = answer(&holding, &surface(), &question);
        let Some((likeness, _)) = only(&verdict) else { panic!("not found") };
        assert_eq!(likeness, Likeness::Contained);
    }
}

#[test]
fn streams_of_one_file_are_videos_of_their_own() {
    let holding = holding(&[(videos("videos"), vec![listed(0..10, EntryState::Active)])]);
    let mut asked = question(&(0..10).collect::<Vec<_>>(), 0);
    for probe in asked.probes.iter_mut().skip(5) {
        probe.stream = 1;
    }
    let verdict = answer(&holding, &surface(), &asked);
    assert_eq!(only(&verdict).map(|(likeness, _)| likeness), Some(Likeness::Part));
}

#[test]
fn a_video_is_compared_where_pictures_are_listed_and_a_dark_one_is_not_cleared() {
    let picture = entry("picture", vec![Signal::Pdq(scene(4, 0))], EntryState::Active);
    let holds = holding(&[(bank("pictures"), vec![picture])]);
    let verdict = answer(&holds, &surface(), &question(&[1, 2, 3, 4, 5], 0));
    let Some(Finding::Match(found)) = verdict.findings.first() else { panic!("a match") };
    assert_eq!((found.at, &found.kind), (Some(3_000), &SignalType::Pdq));
    let row = verdict.coverage.iter().find(|row| row.check == Check::VideoMatch).unwrap();
    assert_eq!(row.state, CheckState::Checked);

    let mut dark = question(&[1, 2, 3, 5], 0);
    for (dim, expected) in [(2, CheckState::Checked), (3, CheckState::QualityTooLow)] {
        dark.probes.iter_mut().take(dim).for_each(|probe| probe.quality = Some(20));
        let verdict = answer(&holds, &surface(), &dark);
        let row = verdict.coverage.iter().find(|row| row.check == Check::VideoMatch).unwrap();
        assert_eq!(row.state, expected, "{dim} of 4");
    }
}

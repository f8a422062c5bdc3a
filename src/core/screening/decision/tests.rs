//! What a verdict promises.

mod videos;
mod sharded;
mod advice;

use super::*;
use crate::core::bank::{
    Bank, BankMode, BankRole, BankedSignal, Entry, EntryState, RATIO_ALL, SignalRule,
};
use crate::core::id::{BankId, EntryId, ItemId};
use crate::core::media::{Digests, Examined, Format, Part, Picture};
use crate::core::policy::{ScoreThreshold, SurfaceKind, Visibility};
use crate::core::screening::finding::is_within_ratio;
use crate::core::screening::question::{GivenScore, MediaKind, Probe};
use crate::core::signal::{Bits256, SignalType};
use crate::core::verdict::{Check, Dihedral, Form, Provenance};
use proptest::prelude::*;
use std::time::Duration;

const NOW: Time = Time::from_millis(1_000_000_000);

fn bank(name: &str) -> Bank {
    Bank {
        id: BankId::parse(name).unwrap(),
        display_name: String::new(),
        role: BankRole::Positive,
        mode: BankMode::Enforce,
        enabled: true,
        ratio_millionths: RATIO_ALL,
        rules: [SignalType::Md5, SignalType::Sha1, SignalType::Sha256, SignalType::Pdq]
            .map(SignalRule::usual)
            .to_vec(),
        vetted: true,
        legal_basis: "test".into(),
        freshness_max: None,
        quorum: None,
        version: 1,
        created: NOW,
        changed: NOW,
        learned: NOW,
    }
}

fn entry(name: &str, signals: Vec<Signal>, state: EntryState) -> Entry {
    Entry {
        background: None,
        id: EntryId::parse(name).unwrap(),
        signals: signals.into_iter().map(|signal| BankedSignal::new(signal, Some(100))).collect(),
        state,
        provenance: Provenance::default(),
        note: String::new(),
        version: 1,
        created: NOW,
    }
}

fn holding(banks: &[(Bank, Vec<Entry>)]) -> Holding {
    let mut holding = Holding::default();
    for (number, (bank, entries)) in banks.iter().enumerate() {
        holding.matcher.put_bank(number as u64, bank);
        holding.matcher.put_entries(number as u64, NOW, &bank.id, entries);
    }
    holding
}

fn context() -> Context {
    Context {
        surface_kind: SurfaceKind::Upload,
        surface: Surface::usual(SurfaceKind::Upload, NOW).id,
        visibility: Visibility::Public,
        item: Some(ItemId::parse("item-1").unwrap()),
        actor: None,
        jurisdiction: String::new(),
        legal_basis: String::new(),
        occurred: None,
        request: None,
        index_min: 0,
    }
}

fn surface() -> Surface {
    Surface::usual(SurfaceKind::Upload, NOW)
}

const DIGESTS: Digests = Digests { md5: [1; 16], sha1: [2; 20], sha256: [3; 32] };

fn bits(flipped: u32) -> Bits256 {
    let mut words = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 0x0f1e_2d3c_4b5a_6978, 7];
    for bit in 0..flipped as usize {
        words[bit % 4] ^= 1 << (bit / 4);
    }
    Bits256(words)
}

/// A picture whose first symmetry lies `distance` bits from `bits(0)` and whose others are far away.
fn picture(distance: u32, quality: u32) -> Picture {
    let mut hashes = [Bits256([u64::MAX, 0, u64::MAX, 0]); 8];
    hashes[0] = bits(distance);
    Picture {
        form: Form::Canonical,
        frame: 0,
        at_millis: None,
        width: 100,
        height: 100,
        quality,
        by_coefficients: false,
        hashes,
        thumbs: Vec::new(),
    }
}

fn image(pictures: Vec<Picture>, state: CheckState) -> Question {
    Question::of_examined(&Examined {
        parts: vec![Part {
            place: String::new(),
            format: Format::Png,
            digests: Some(DIGESTS),
            pictures,
            frames: Vec::new(),
            exact: CheckState::Checked,
            image: state,
            video: CheckState::NotApplicable,
            reason: String::new(),
        }],
    })
    .with_scores(Vec::new())
}

fn answer(holding: &Holding, surface: &Surface, question: &Question) -> Verdict {
    answer_in(holding, surface, &context(), question)
}

fn moment() -> Moment {
    Moment {
        now: NOW,
        id: VerdictId::parse("v-1").unwrap(),
        index: 9,
        index_age: Duration::ZERO,
        elsewhere: Elsewhere::default(),
    }
}

fn decided(holding: &Holding, surface: &Surface, about: &Context, question: &Question) -> Decided {
    let mut deciding = Deciding::new(holding, surface, about, question, moment());
    assert!(deciding.look(holding, question, || false), "nothing said to stop");
    deciding.conclude(holding, surface, question, |_| {})
}

fn answer_in(
    holding: &Holding,
    surface: &Surface,
    about: &Context,
    question: &Question,
) -> Verdict {
    let verdict = decided(holding, surface, about, question).verdict;
    // However many goes it takes, the verdict is the same.
    let mut in_goes = Deciding::new(holding, surface, about, question, moment());
    while !in_goes.look(holding, question, || true) {}
    assert_eq!(in_goes.conclude(holding, surface, question, |_| {}).verdict, verdict);
    verdict
}

fn far_entry() -> Entry {
    entry("far", vec![Signal::Pdq(Bits256([0; 4])), Signal::Md5([9; 16])], EntryState::Active)
}

fn state_of(verdict: &Verdict, check: Check) -> CheckState {
    verdict.coverage.iter().find(|covered| covered.check == check).unwrap().state
}

#[test]
fn without_a_bank_nothing_is_cleared() {
    let verdict =
        answer(&holding(&[]), &surface(), &image(vec![picture(0, 100)], CheckState::Checked));
    assert_eq!(verdict.disposition, Disposition::Hold);
    assert_eq!(verdict.incomplete, Some(OnIncomplete::Hold));
    assert_eq!(state_of(&verdict, Check::ImageMatch), CheckState::SourceUnavailable);
}

#[test]
fn an_empty_or_disabled_or_shadow_bank_clears_nothing() {
    let empty = (bank("a"), vec![]);
    let disabled = (Bank { enabled: false, ..bank("a") }, vec![far_entry()]);
    let shadow = (Bank { mode: BankMode::Shadow, ..bank("a") }, vec![far_entry()]);
    let negative = (Bank { role: BankRole::Negative, ..bank("a") }, vec![far_entry()]);
    for case in [empty, disabled, shadow, negative] {
        let question = image(vec![picture(0, 100)], CheckState::Checked);
        let verdict = answer(&holding(&[case]), &surface(), &question);
        assert_eq!(verdict.disposition, Disposition::Hold);
    }
}

#[test]
fn what_matches_nothing_and_was_fully_checked_is_allowed() {
    let holding = holding(&[(bank("a"), vec![far_entry()])]);
    let verdict = answer(&holding, &surface(), &image(vec![picture(0, 100)], CheckState::Checked));
    assert_eq!(verdict.disposition, Disposition::Allow);
    assert_eq!(verdict.incomplete, None);
    assert_eq!(verdict.assurance, Assurance::None);
    assert!(verdict.actions.is_empty());
}

#[test]
fn every_incomplete_state_keeps_a_required_check_from_clearing() {
    use CheckState as S;
    let holding = holding(&[(bank("a"), vec![far_entry()])]);
    for state in [
        S::UnsupportedFormat,
        S::TooLarge,
        S::TooSmall,
        S::Corrupt,
        S::QualityTooLow,
        S::SourceUnavailable,
        S::IndexStale,
        S::Deadline,
        S::Shed,
        S::NotExpanded,
        S::Encrypted,
        S::Disabled,
        S::NoLegalBasis,
    ] {
        for (rule, disposition) in [
            (OnIncomplete::Hold, Disposition::Hold),
            (OnIncomplete::Block, Disposition::Block),
            (OnIncomplete::AllowAndRecheck, Disposition::Allow),
        ] {
            let surface = Surface { on_incomplete: rule, ..surface() };
            let verdict = answer(&holding, &surface, &image(vec![picture(0, 100)], state));
            assert_eq!(verdict.disposition, disposition, "{state:?} {rule:?}");
            assert_eq!(verdict.incomplete, Some(rule));
        }
    }
}

#[test]
fn a_vetted_digest_is_known_and_a_report_is_due() {
    let listed = entry("e", vec![Signal::Md5([1; 16])], EntryState::Active);
    let holding = holding(&[(bank("a"), vec![listed])]);
    let verdict = answer(&holding, &surface(), &image(vec![picture(0, 100)], CheckState::Checked));
    assert_eq!(verdict.disposition, Disposition::Block);
    assert_eq!(verdict.assurance, Assurance::VerifiedKnown);
    assert_eq!(
        verdict.actions,
        [RecommendedAction::Quarantine, RecommendedAction::Preserve, RecommendedAction::ReportDue]
    );
}

#[test]
fn a_single_perceptual_match_never_makes_a_report_due() {
    for distance in 0..=31 {
        let listed = entry("e", vec![Signal::Pdq(bits(0))], EntryState::Active);
        let holding = holding(&[(bank("a"), vec![listed])]);
        let question = image(vec![picture(distance, 100)], CheckState::Checked);
        let verdict = answer(&holding, &surface(), &question);
        let expected = if distance <= 10 { Disposition::Block } else { Disposition::Hold };
        assert_eq!(verdict.disposition, expected);
        assert!(verdict.assurance < Assurance::VerifiedKnown);
        assert!(!verdict.actions.contains(&RecommendedAction::ReportDue));
        assert!(verdict.actions.contains(&RecommendedAction::EnqueueReview));
    }
}

#[test]
fn two_independent_algorithms_on_one_vetted_entry_are_as_good_as_its_digest() {
    let listed = entry(
        "e",
        vec![Signal::Pdq(bits(0)), Signal::PhotoDna(vec![5; 144].into())],
        EntryState::Active,
    );
    let mut with_photodna = bank("a");
    with_photodna.rules.push(SignalRule::usual(SignalType::PhotoDna));
    let unvetted = Bank { vetted: false, ..with_photodna.clone() };
    let probe = |signal| Probe {
        signal,
        quality: Some(100),
        form: Form::Canonical,
        dihedral: Dihedral::Original,
        part: "".into(),
        frame: 0,
        stream: 0,
    };
    let probes = vec![probe(Signal::Pdq(bits(4))), probe(Signal::PhotoDna(vec![5; 144].into()))];
    let question = Question::of_signals(probes, MediaKind::Image).with_scores(Vec::new());
    for (bank, assurance) in
        [(with_photodna, Assurance::VerifiedKnown), (unvetted, Assurance::Likely)]
    {
        let holding = holding(&[(bank, vec![listed.clone()])]);
        assert_eq!(answer(&holding, &surface(), &question).assurance, assurance);
    }
}

#[test]
fn a_negative_bank_overrules_a_look_alike_and_the_verdict_shows_it() {
    let listed = entry("e", vec![Signal::Pdq(bits(0))], EntryState::Active);
    let harmless = entry("n", vec![Signal::Pdq(bits(2))], EntryState::Active);
    let negative = Bank { role: BankRole::Negative, ..bank("good") };
    let holding = holding(&[(bank("a"), vec![listed, far_entry()]), (negative, vec![harmless])]);
    let verdict = answer(&holding, &surface(), &image(vec![picture(1, 100)], CheckState::Checked));
    assert_eq!(verdict.disposition, Disposition::Allow);
    assert!(verdict.findings.is_empty());
    let [Finding::Match(shown)] = &verdict.shadow_findings[..] else { panic!("one match") };
    let (by_bank, by_entry) = shown.suppressed_by.as_ref().unwrap();
    assert_eq!((by_bank.as_str(), by_entry.as_str()), ("good", "n"));
}

#[test]
fn a_negative_look_alike_never_overrules_a_digest_but_a_negative_digest_does() {
    let listed = entry("e", vec![Signal::Md5([1; 16])], EntryState::Active);
    let negative = Bank { role: BankRole::Negative, ..bank("good") };
    let alike = entry("n", vec![Signal::Pdq(bits(0))], EntryState::Active);
    let same = entry("n", vec![Signal::Sha256([3; 32])], EntryState::Active);
    for (harmless, disposition) in [(alike, Disposition::Block), (same, Disposition::Allow)] {
        let holding = holding(&[
            (bank("a"), vec![listed.clone(), far_entry()]),
            (negative.clone(), vec![harmless]),
        ]);
        let question = image(vec![picture(0, 100)], CheckState::Checked);
        assert_eq!(answer(&holding, &surface(), &question).disposition, disposition);
    }
}

#[test]
fn a_harmless_frame_does_not_hide_another_frame() {
    let listed = entry("e", vec![Signal::Pdq(bits(0))], EntryState::Active);
    let harmless = entry("n", vec![Signal::Pdq(Bits256([0; 4]))], EntryState::Active);
    let negative = Bank { role: BankRole::Negative, ..bank("good") };
    let holding = holding(&[(bank("a"), vec![listed]), (negative, vec![harmless])]);
    let mut good_frame = picture(0, 100);
    good_frame.hashes = [Bits256([0; 4]); 8];
    let second = Picture { frame: 1, ..picture(0, 100) };
    let verdict =
        answer(&holding, &surface(), &image(vec![good_frame, second], CheckState::Checked));
    assert_eq!(verdict.disposition, Disposition::Block);
}

#[test]
fn a_harmless_frame_nearer_to_an_entry_does_not_hide_another_frame() {
    let listed = entry("e", vec![Signal::Pdq(bits(20))], EntryState::Active);
    let harmless = entry("n", vec![Signal::Pdq(bits(0))], EntryState::Active);
    let negative = Bank { role: BankRole::Negative, ..bank("good") };
    let holding = holding(&[(bank("a"), vec![listed]), (negative, vec![harmless])]);
    // Frame 0 is 20 from the listed picture and overruled; frame 1 is 25 from it, and 45 from the harmless one.
    let second = Picture { frame: 1, ..picture(45, 100) };
    let question = image(vec![picture(0, 100), second], CheckState::Checked);
    let verdict = answer(&holding, &surface(), &question);
    assert_eq!(verdict.disposition, Disposition::Hold);
    let [Finding::Match(counted)] = &verdict.findings[..] else { panic!("one match") };
    assert_eq!((counted.distance, &counted.suppressed_by), (25, &None));
}

#[test]
fn shadow_and_trial_are_shown_and_change_nothing() {
    let shadow = Bank { mode: BankMode::Shadow, ..bank("s") };
    let listed = |state| entry("e", vec![Signal::Md5([1; 16])], state);
    for case in
        [(shadow, vec![listed(EntryState::Active)]), (bank("t"), vec![listed(EntryState::Trial)])]
    {
        let holding = holding(&[(bank("z"), vec![far_entry()]), case]);
        let question = image(vec![picture(0, 100)], CheckState::Checked);
        let verdict = answer(&holding, &surface(), &question);
        assert_eq!(verdict.disposition, Disposition::Allow);
        assert_eq!(verdict.shadow_findings.len(), 1);
    }
}

#[test]
fn a_disputed_entry_never_asks_for_more_than_hold() {
    let listed = entry("e", vec![Signal::Md5([1; 16])], EntryState::Disputed);
    let holding = holding(&[(bank("a"), vec![listed])]);
    let verdict = answer(&holding, &surface(), &image(vec![picture(0, 100)], CheckState::Checked));
    assert_eq!(verdict.disposition, Disposition::Hold);
    assert!(verdict.assurance < Assurance::VerifiedKnown);
}

#[test]
fn entries_that_are_not_in_force_match_nothing() {
    for state in
        [EntryState::Proposed, EntryState::Quarantined, EntryState::Retired, EntryState::Removed]
    {
        let listed = entry("e", vec![Signal::Md5([1; 16])], state);
        let holding = holding(&[(bank("a"), vec![listed, far_entry()])]);
        let question = image(vec![picture(0, 100)], CheckState::Checked);
        let verdict = answer(&holding, &surface(), &question);
        assert_eq!(verdict.disposition, Disposition::Allow);
        assert!(verdict.shadow_findings.is_empty());
    }
}

#[test]
fn a_withdrawn_hash_stops_matching_at_once() {
    let listed = |state| entry("e", vec![Signal::Md5([1; 16]), Signal::Pdq(bits(0))], state);
    let mut holding = holding(&[(bank("a"), vec![listed(EntryState::Active), far_entry()])]);
    let question = image(vec![picture(0, 100)], CheckState::Checked);
    assert_eq!(answer(&holding, &surface(), &question).disposition, Disposition::Block);
    let a = BankId::parse("a").unwrap();
    holding.matcher.put_entries(2, NOW, &a, &[listed(EntryState::Removed)]);
    assert_eq!(answer(&holding, &surface(), &question).disposition, Disposition::Allow);
    holding.matcher.put_entries(3, NOW, &a, &[listed(EntryState::Active)]);
    assert_eq!(answer(&holding, &surface(), &question).disposition, Disposition::Block);
    holding.matcher.delete_bank(&a);
    let verdict = answer(&holding, &surface(), &question);
    assert_eq!(verdict.disposition, Disposition::Hold, "no bank is left to clear it");
    assert!(verdict.findings.is_empty());
}

#[test]
fn too_little_structure_is_held_and_not_matched() {
    let listed = entry("e", vec![Signal::Pdq(bits(0))], EntryState::Active);
    let holding = holding(&[(bank("a"), vec![listed])]);
    for (quality, state) in [(49, CheckState::QualityTooLow), (50, CheckState::Checked)] {
        let question = image(vec![picture(0, quality)], CheckState::Checked);
        let verdict = answer(&holding, &surface(), &question);
        assert_eq!(state_of(&verdict, Check::ImageMatch), state);
        assert_eq!(verdict.findings.is_empty(), quality < 50);
        assert!(verdict.disposition >= Disposition::Hold);
    }
}

#[test]
fn a_bank_past_its_freshness_limit_clears_nothing() {
    let aged = Bank { freshness_max: Some(Duration::from_millis(10)), ..bank("a") };
    let mut holding = holding(&[(aged.clone(), vec![far_entry()])]);
    let question = image(vec![picture(0, 100)], CheckState::Checked);
    assert_eq!(answer(&holding, &surface(), &question).disposition, Disposition::Allow);
    holding.matcher.put_entries(5, Time::from_millis(NOW.millis() - 11), &aged.id, &[]);
    let verdict = answer(&holding, &surface(), &question);
    assert_eq!(verdict.disposition, Disposition::Hold);
    assert_eq!(state_of(&verdict, Check::ExactMatch), CheckState::IndexStale);
}

#[test]
fn without_a_legal_basis_nothing_is_looked_at_and_the_policy_decides() {
    let listed = entry("e", vec![Signal::Md5([1; 16])], EntryState::Active);
    let holding = holding(&[(bank("a"), vec![listed])]);
    let surface = Surface { legal_basis_required: true, ..surface() };
    let private = Context { visibility: Visibility::Private, ..context() };
    let question = image(vec![picture(0, 100)], CheckState::Checked);
    let verdict = answer_in(&holding, &surface, &private, &question);
    assert_eq!(verdict.disposition, Disposition::Hold);
    assert!(verdict.findings.is_empty());
    assert!(verdict.coverage.iter().all(|c| c.state == CheckState::NoLegalBasis));
    let with_basis = Context { legal_basis: "consent".into(), ..private };
    let verdict = answer_in(&holding, &surface, &with_basis, &question);
    assert_eq!(verdict.disposition, Disposition::Block);
}

#[test]
fn a_score_alone_never_blocks() {
    let surface = Surface {
        required: vec![Check::ExternalScore],
        score_thresholds: vec![
            ScoreThreshold {
                category: "novel".into(),
                at_least: 0.5,
                disposition: Disposition::AllowWithFriction,
            },
            ScoreThreshold {
                category: "novel".into(),
                at_least: 0.9,
                disposition: Disposition::Block,
            },
        ],
        ..surface()
    };
    for (value, disposition) in [
        (0.49, Disposition::Allow),
        (0.5, Disposition::AllowWithFriction),
        (0.95, Disposition::Hold),
    ] {
        let score = GivenScore {
            category: "novel".into(),
            value,
            detector: "d".into(),
            detector_version: "1".into(),
        };
        let verdict = answer(&holding(&[]), &surface, &Question::of_scores(vec![score]));
        assert_eq!(verdict.disposition, disposition, "{value}");
        assert!(verdict.assurance <= Assurance::Investigate);
    }
}

#[test]
fn hashes_without_bytes_say_so_and_clear_only_what_they_cover() {
    let holding = holding(&[(bank("a"), vec![far_entry()])]);
    let probe = Probe {
        signal: Signal::Pdq(bits(0)),
        quality: None,
        form: Form::Canonical,
        dihedral: Dihedral::Original,
        part: "".into(),
        frame: 0,
        stream: 0,
    };
    let ask = |kind| Question::of_signals(vec![probe.clone()], kind).with_scores(Vec::new());
    let verdict = answer(&holding, &surface(), &ask(MediaKind::Image));
    assert_eq!(verdict.disposition, Disposition::Hold, "no digest was given");
    let image_only = Surface { required: vec![Check::ImageMatch], ..surface() };
    let verdict = answer(&holding, &image_only, &ask(MediaKind::Image));
    assert_eq!(verdict.disposition, Disposition::Allow);
    let covered = verdict.coverage.iter().find(|c| c.check == Check::ImageMatch).unwrap();
    assert!(covered.reason.contains("transforms not covered"));
}

#[test]
fn outside_the_ratio_a_match_is_shown_and_does_not_count() {
    let listed = entry("e", vec![Signal::Md5([1; 16])], EntryState::Active);
    let question = image(vec![picture(0, 100)], CheckState::Checked);
    let mut counted = 0;
    for item in 0..1000 {
        let half = Bank { ratio_millionths: 500_000, ..bank("a") };
        let holding = holding(&[(half, vec![listed.clone()])]);
        let about = Context { item: Some(ItemId::parse(&format!("{item}")).unwrap()), ..context() };
        let verdict = answer_in(&holding, &surface(), &about, &question);
        let again = answer_in(&holding, &surface(), &about, &question);
        assert_eq!(verdict, again, "one draw an item and bank");
        counted += usize::from(!verdict.findings.is_empty());
        assert_eq!(verdict.findings.len() + verdict.shadow_findings.len(), 1);
    }
    assert!((400..600).contains(&counted), "{counted}");
}

#[test]
fn a_check_is_not_carried_out_where_no_bank_holds_its_type() {
    let digests = entry("e", vec![Signal::Md5([9; 16])], EntryState::Active);
    let trial = entry("t", vec![Signal::Pdq(Bits256([0; 4]))], EntryState::Trial);
    let holding = holding(&[(bank("a"), vec![digests, trial])]);
    let verdict = answer(&holding, &surface(), &image(vec![picture(0, 100)], CheckState::Checked));
    assert_eq!(state_of(&verdict, Check::ImageMatch), CheckState::SourceUnavailable);
    assert_eq!(state_of(&verdict, Check::ExactMatch), CheckState::Checked);
    assert_eq!(verdict.disposition, Disposition::Hold);
}

#[test]
fn one_frame_of_too_little_structure_is_not_hidden_by_another() {
    let holding = holding(&[(bank("a"), vec![far_entry()])]);
    let poor = Picture { frame: 1, ..picture(40, 10) };
    let verdict =
        answer(&holding, &surface(), &image(vec![picture(40, 100), poor], CheckState::Checked));
    assert_eq!(state_of(&verdict, Check::ImageMatch), CheckState::QualityTooLow);
}

#[test]
fn another_form_or_digest_of_a_harmless_thing_clears_nothing() {
    let listed =
        entry("e", vec![Signal::Sha256([3; 32]), Signal::Pdq(bits(0))], EntryState::Active);
    let negative = Bank { role: BankRole::Negative, ..bank("good") };
    let harmless =
        entry("n", vec![Signal::Md5([1; 16]), Signal::Pdq(bits(31))], EntryState::Active);
    let holding = holding(&[(bank("a"), vec![listed]), (negative, vec![harmless])]);
    let verdict = answer(&holding, &surface(), &image(vec![picture(0, 100)], CheckState::Checked));
    assert_eq!(verdict.disposition, Disposition::Block);
    assert!(
        verdict.findings.len() >= 2,
        "neither the digest nor the nearer look-alike is overruled"
    );
}

#[test]
fn one_hash_under_two_names_is_one_algorithm() {
    let signals = vec![Signal::Pdq(bits(0)), Signal::VpdqFrame(bits(0))];
    let listed = entry("e", signals.clone(), EntryState::Active);
    let mut with_frames = bank("a");
    with_frames.rules.push(SignalRule::usual(SignalType::VpdqFrame));
    let probes = signals
        .into_iter()
        .map(|signal| Probe {
            signal,
            quality: Some(100),
            form: Form::Canonical,
            dihedral: Dihedral::Original,
            part: "".into(),
            frame: 0,
            stream: 0,
        })
        .collect();
    let question = Question::of_signals(probes, MediaKind::Unsaid);
    let verdict = answer(&holding(&[(with_frames, vec![listed])]), &surface(), &question);
    assert!(verdict.assurance < Assurance::VerifiedKnown);
}

#[test]
fn a_score_for_something_else_does_not_count_as_scored() {
    let surface = Surface {
        required: vec![Check::ExternalScore],
        score_thresholds: vec![ScoreThreshold {
            category: "novel".into(),
            at_least: 0.5,
            disposition: Disposition::Hold,
        }],
        ..surface()
    };
    let score = GivenScore {
        category: "spam".into(),
        value: 0.0,
        detector: "d".into(),
        detector_version: "1".into(),
    };
    let verdict = answer(&holding(&[]), &surface, &Question::of_scores(vec![score]));
    assert_eq!(verdict.disposition, Disposition::Hold);
}

proptest! {
    #[test]
    fn a_ratio_of_nothing_takes_nobody_and_of_all_takes_everybody(seed: Vec<u8>) {
        let name = BankId::parse("a").unwrap();
        prop_assert!(!is_within_ratio(&name, &seed, 0));
        prop_assert!(is_within_ratio(&name, &seed, RATIO_ALL));
    }

    #[test]
    fn a_wider_ratio_keeps_every_item_of_a_narrower_one(
        seed: Vec<u8>, narrow in 0..RATIO_ALL, more in 0..RATIO_ALL,
    ) {
        let name = BankId::parse("a").unwrap();
        let wide = narrow.saturating_add(more).min(RATIO_ALL);
        prop_assert!(!is_within_ratio(&name, &seed, narrow) || is_within_ratio(&name, &seed, wide));
    }

    #[test]
    fn allow_is_never_answered_while_a_required_check_is_not_done(
        states in proptest::collection::vec(0..15_usize, 3), has_bank: bool, quality in 0..101_u32,
    ) {
        use CheckState as S;
        let all = [S::Checked, S::NotApplicable, S::UnsupportedFormat, S::TooLarge, S::TooSmall,
            S::Corrupt, S::QualityTooLow, S::SourceUnavailable, S::IndexStale, S::Deadline,
            S::Shed, S::NotExpanded, S::Encrypted, S::Disabled, S::NoLegalBasis];
        let part = Part {
            place: String::new(), format: Format::Unknown, digests: Some(DIGESTS),
            pictures: vec![picture(40, quality)], frames: Vec::new(), exact: all[states[0]],
            image: all[states[1]], video: all[states[2]], reason: String::new(),
        };
        let question = Question::of_examined(&Examined { parts: vec![part] });
        let banks = if has_bank { vec![(bank("a"), vec![far_entry()])] } else { vec![] };
        let verdict = answer(&holding(&banks), &surface(), &question);
        let all_done = surface().required.iter().all(|check| {
            verdict.coverage.iter().any(|c| c.check == *check)
                && verdict.coverage.iter().filter(|c| c.check == *check).all(|c| c.state.is_complete())
        });
        prop_assert_eq!(verdict.disposition == Disposition::Allow, all_done);
    }
}

#[test]
fn what_was_not_compared_in_time_is_never_allowed_and_what_was_found_stays() {
    let listed = vec![Signal::Pdq(bits(0)), Signal::Md5([9; 16])];
    let holding = holding(&[(bank("known"), vec![entry("listed", listed, EntryState::Active)])]);
    let surface = surface();
    let moment = Moment {
        now: NOW,
        id: VerdictId::parse("v-1").unwrap(),
        index: 9,
        index_age: Duration::ZERO,
        elsewhere: Elsewhere::default(),
    };
    for goes in 0..5 {
        let question = image(vec![picture(0, 100)], CheckState::Checked);
        let mut deciding = Deciding::new(&holding, &surface, &context(), &question, moment.clone());
        for _ in 0..goes {
            assert!(!deciding.look(&holding, &question, || true), "more is left");
        }
        let decided = deciding.conclude(&holding, &surface, &question, |_| {});
        // Three digests first, then the picture's hash, which is listed, then its symmetries.
        let state = |check| {
            let rows = decided.verdict.coverage.iter();
            rows.filter(|row| row.check == check).map(|row| row.state).next().unwrap()
        };
        assert_eq!(state(Check::ImageMatch), CheckState::Deadline, "after {goes}");
        let exact = if goes < 3 { CheckState::Deadline } else { CheckState::Checked };
        assert_eq!(state(Check::ExactMatch), exact, "after {goes}");
        assert_eq!(decided.verdict.findings.len(), usize::from(goes > 3), "after {goes}");
        assert!(decided.verdict.disposition >= Disposition::Hold, "after {goes}");
        assert_eq!(decided.completeness, CheckState::Deadline);
    }
}

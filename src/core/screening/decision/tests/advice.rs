//! What advice can never do, whatever is set, stored or said.

use super::*;
use crate::core::advice::{Advice, AdviceType};
use crate::core::opinion::Merged;
use crate::core::policy::SurfaceKind;
use crate::core::verdict::ReviewPriority;

fn advice(kind: AdviceType, n: u8) -> Signal {
    Signal::Advice(match kind {
        AdviceType::Account => Advice::Account([n; 32]),
        AdviceType::Url => Advice::Url([n; 32]),
        AdviceType::Term => Advice::Term(format!("term {n}").into()),
        AdviceType::Tactic => Advice::Tactic(format!("t{n}").into()),
    })
}

fn probe(signal: Signal) -> Probe {
    Probe {
        signal,
        quality: Some(100),
        form: Form::Canonical,
        dihedral: Dihedral::Original,
        part: "".into(),
        frame: 0,
        stream: 0,
    }
}

const KINDS: [AdviceType; 4] = AdviceType::ALL;
const ASKED: [Disposition; 5] = [
    Disposition::Allow,
    Disposition::AllowWithFriction,
    Disposition::Hold,
    Disposition::Block,
    Disposition::Interrupt,
];
const STATES: [EntryState; 7] = [
    EntryState::Proposed,
    EntryState::Quarantined,
    EntryState::Trial,
    EntryState::Active,
    EntryState::Disputed,
    EntryState::Retired,
    EntryState::Removed,
];

/// Any bank, as it might be kept, whatever a request could have set.
fn any_bank(name: &'static str) -> impl Strategy<Value = Bank> {
    (
        prop::sample::select(&ASKED[..]),
        prop::sample::select(&[BankRole::Positive, BankRole::Negative][..]),
        any::<(bool, bool, bool)>(),
        prop::sample::select(&[0, RATIO_ALL / 2, RATIO_ALL][..]),
    )
        .prop_map(move |(asked, role, (is_shadow, vetted, enabled), ratio)| {
            let mut one = bank(name);
            let rule = |kind: &AdviceType| {
                let mut rule = SignalRule::usual(SignalType::Advice(*kind));
                rule.bands[0].disposition = asked;
                rule
            };
            one.rules.extend(KINDS.iter().map(rule));
            one.mode = if is_shadow { BankMode::Shadow } else { BankMode::Enforce };
            Bank { role, vetted, enabled, ratio_millionths: ratio, ..one }
        })
}

/// An entry of advice, alone or beside what decides, as anybody might have confirmed or disputed it.
fn any_entry(name: &'static str) -> impl Strategy<Value = Entry> {
    (
        prop::collection::vec((0..4_usize, 0..3_u8), 1..4),
        any::<(bool, bool, bool, bool)>(),
        prop::sample::select(&STATES[..]),
        prop::option::of(prop::sample::select(
            &[Merged::Negative, Merged::Seed, Merged::Positive, Merged::Disputed][..],
        )),
    )
        .prop_map(move |(about, (md5, pdq, photo, confirmed), state, opinion)| {
            let mut signals: Vec<Signal> =
                about.into_iter().map(|(kind, n)| advice(KINDS[kind], n)).collect();
            signals.extend(md5.then_some(Signal::Md5([1; 16])));
            signals.extend(pdq.then(|| Signal::Pdq(bits(0))));
            signals.extend(photo.then_some(Signal::Sha256([3; 32])));
            let mut entry = entry(name, signals, state);
            entry.provenance.confirmed_by_us = confirmed;
            entry.provenance.opinion = opinion;
            entry
        })
}

fn any_surface() -> impl Strategy<Value = Surface> {
    (
        prop::sample::subsequence(Check::ALL.to_vec(), 0..=Check::ALL.len()),
        prop::sample::select(
            &[OnIncomplete::Hold, OnIncomplete::AllowAndRecheck, OnIncomplete::Block][..],
        ),
    )
        .prop_map(|(required, on_incomplete)| Surface {
            required,
            on_incomplete,
            ..Surface::usual(SurfaceKind::Upload, NOW)
        })
}

fn is_advice(finding: &&Finding) -> bool {
    matches!(finding, Finding::Match(found) if found.kind.is_advice())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// A question of which advice matches is answered like the same question of which it does not, but for the wish that a
    /// person looks.
    #[test]
    fn advice_never_gives_more_than_a_look_whatever_bank_entry_opinion_and_policy_say(
        banks in (any_bank("one"), any_bank("two")),
        entries in (any_entry("a"), any_entry("b")),
        surface in any_surface(),
        asked in prop::collection::vec((0..4_usize, 0..3_u8), 1..5),
        others in any::<(bool, bool, bool)>(),
    ) {
        let holding = holding(&[(banks.0, vec![entries.0]), (banks.1, vec![entries.1])]);
        let question = |shift: u8| {
            let about = asked.iter().map(|(kind, n)| probe(advice(KINDS[*kind], n + shift)));
            let mut probes: Vec<Probe> = about.collect();
            probes.extend(others.0.then(|| probe(Signal::Md5([1; 16]))));
            probes.extend(others.1.then(|| probe(Signal::Pdq(bits(2)))));
            probes.extend(others.2.then(|| probe(Signal::Sha256([3; 32]))));
            Question::of_signals(probes, MediaKind::Image)
        };
        let with = answer(&holding, &surface, &question(0));
        let without = answer(&holding, &surface, &question(100));
        prop_assert_eq!(with.disposition, without.disposition);
        prop_assert_eq!(with.incomplete, without.incomplete);
        prop_assert_eq!(&with.coverage, &without.coverage);
        prop_assert!(!without.findings.iter().chain(&without.shadow_findings).any(|f| is_advice(&f)));
        let counted = with.findings.iter().filter(is_advice).count();
        prop_assert_eq!(with.review.is_some(), counted > 0);
        let look = if counted > 0 { Assurance::Investigate } else { Assurance::None };
        prop_assert_eq!(with.assurance, without.assurance.max(look));
        for finding in with.findings.iter().chain(&with.shadow_findings).filter(is_advice) {
            let Finding::Match(found) = finding else { unreachable!("a match") };
            prop_assert_eq!(found.disposition, Disposition::Allow);
            prop_assert_eq!(found.assurance, Assurance::Investigate);
            prop_assert!(found.review.is_some());
        }
        let acts = |verdict: &Verdict| {
            let all = verdict.actions.iter().copied();
            all.filter(|action| *action != RecommendedAction::EnqueueReview).collect::<Vec<_>>()
        };
        prop_assert_eq!(acts(&with), acts(&without));
        let looks = with.actions.contains(&RecommendedAction::EnqueueReview);
        prop_assert!(looks || counted == 0 || with.assurance == Assurance::VerifiedKnown);
    }
}

#[test]
fn how_soon_a_person_should_look_follows_from_who_stands_behind_the_entry() {
    let priority = |state, opinion, confirmed_by_us| {
        let mut entry = entry("a", vec![advice(AdviceType::Url, 1)], state);
        entry.provenance = Provenance { opinion, confirmed_by_us, ..Provenance::default() };
        let mut bank = bank("known");
        bank.rules = vec![SignalRule::usual(SignalType::Advice(AdviceType::Url))];
        let holding = holding(&[(bank, vec![entry])]);
        let probes = vec![probe(advice(AdviceType::Url, 1))];
        let surface = Surface { required: vec![Check::AdviceMatch], ..surface() };
        let question = Question::of_signals(probes, MediaKind::Other);
        let verdict = answer(&holding, &surface, &question);
        assert_eq!(verdict.disposition, Disposition::Allow);
        verdict.review
    };
    let active = EntryState::Active;
    for (state, opinion, confirmed, expected) in [
        (active, None, false, Some(ReviewPriority::Normal)),
        (active, Some(Merged::Positive), false, Some(ReviewPriority::Normal)),
        (active, Some(Merged::Positive), true, Some(ReviewPriority::High)),
        (active, None, true, Some(ReviewPriority::High)),
        (active, Some(Merged::Seed), false, Some(ReviewPriority::Low)),
        (EntryState::Disputed, Some(Merged::Disputed), true, Some(ReviewPriority::Low)),
    ] {
        assert_eq!(priority(state, opinion, confirmed), expected, "{state:?} {opinion:?}");
    }
}

#[test]
fn advice_alone_carries_out_no_check_by_which_files_are_known() {
    let mut bank = bank("known");
    bank.rules.push(SignalRule::usual(SignalType::Advice(AdviceType::Term)));
    let entry =
        entry("a", vec![advice(AdviceType::Term, 1), Signal::Md5([1; 16])], EntryState::Active);
    let question = Question::of_signals(vec![probe(advice(AdviceType::Term, 1))], MediaKind::Other);
    let verdict = answer(&holding(&[(bank, vec![entry])]), &surface(), &question);
    assert_eq!(state_of(&verdict, Check::AdviceMatch), CheckState::Checked);
    assert_eq!(state_of(&verdict, Check::ExactMatch), CheckState::SourceUnavailable);
    assert_eq!(verdict.disposition, Disposition::Hold, "for want of the digest, not for the term");
}

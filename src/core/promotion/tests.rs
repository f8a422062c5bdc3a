//! Where entries stand, case by case and drawn.

use super::*;
use crate::core::bank::{BankMode, Quorum, RATIO_ALL, SignalRule, Voice};
use crate::core::id::{BankId, EntryId};
use crate::core::opinion::Value;
use crate::core::signal::SignalType;
use crate::core::verdict::Provenance;
use proptest::prelude::*;

fn bank(quorum: Option<Quorum>) -> Bank {
    Bank {
        id: BankId::parse("known").unwrap(),
        display_name: String::new(),
        role: BankRole::Positive,
        mode: BankMode::Enforce,
        enabled: true,
        ratio_millionths: RATIO_ALL,
        rules: vec![SignalRule::usual(SignalType::Md5)],
        vetted: false,
        legal_basis: "law".into(),
        freshness_max: None,
        quorum,
        version: 1,
        created: Time::default(),
        changed: Time::default(),
        learned: Time::default(),
    }
}

fn quorum(organisations_min: u32, jurisdictions_min: u32, voices: Vec<Voice>) -> Quorum {
    Quorum { organisations_min, jurisdictions_min, voices, promotes_to: EntryState::Active }
}

fn voice(organisation: &str, jurisdiction: &str, accredited: bool) -> Voice {
    Voice {
        exchange: "hub".into(),
        organisation: organisation.into(),
        jurisdiction: jurisdiction.into(),
        accredited,
    }
}

fn entry(state: EntryState) -> Entry {
    Entry {
        id: EntryId::parse("e").unwrap(),
        signals: vec![BankedSignal::new(Signal::Md5([7; 16]), None)],
        state,
        background: None,
        provenance: Provenance::default(),
        note: String::new(),
        version: 1,
        created: Time::default(),
    }
}

fn says(exchange: &str, organisation: &str, value: Value) -> Opinion {
    let by = Party::Member { exchange: exchange.to_owned(), organisation: organisation.to_owned() };
    Opinion { by, value, reasons: Vec::new(), at: None }
}

fn here(value: Value) -> Opinion {
    Opinion { by: Party::Here, value, reasons: Vec::new(), at: None }
}

fn with(mut entry: Entry, opinions: &[Opinion]) -> Entry {
    change(&mut entry, |background| {
        for opinion in opinions {
            put_opinion(&mut background.opinions, opinion.clone()).unwrap();
        }
    });
    entry
}

/// An entry of a source of which too many came.
fn over_cap(mut entry: Entry) -> Entry {
    change(&mut entry, |background| {
        let since = Time::default();
        background.quarantine = Some(Quarantine { guard: Guard::Cap, since, good: None });
    });
    entry
}

#[test]
fn who_brought_too_much_lends_other_entries_no_voice_but_may_dispute_them() {
    let bank = bank(Some(quorum(2, 0, Vec::new())));
    let now = Time::default();
    let stands = |opinion: Opinion| {
        let other = with(entry(EntryState::Proposed), &[says("one", "", Value::Positive)]);
        let id = EntryId::parse("flood").unwrap();
        let mut flood = over_cap(with(Entry { id, ..entry(EntryState::Active) }, &[opinion]));
        settle(&bank, None, &mut flood, now, |_, _| unreachable!("nothing is fired at"));
        let changed = vec![Changed { before: None, after: flood }];
        let put = settle_shared(&bank, changed, vec![other.clone()], &[], now, |_, _| Fired::Clean);
        assert_eq!(put[0].state, EntryState::Quarantined);
        let peer = put.get(1).cloned().unwrap_or(other);
        (peer.state, peer.provenance.opinion)
    };
    assert_eq!(stands(says("two", "", Value::Positive)).0, EntryState::Proposed);
    assert_eq!(stands(says("two", "", Value::Negative)).1, Some(Merged::Disputed));
}

fn good() -> Good {
    Good {
        bank: BankId::parse("good").unwrap(),
        entry: EntryId::parse("logo").unwrap(),
        distance: 3,
    }
}

fn settled(bank: &Bank, before: Option<&Entry>, mut entry: Entry, fired: Fired) -> Entry {
    settle(bank, before, &mut entry, Time::from_millis(5), |_, _| fired);
    entry
}

#[test]
fn a_proposed_entry_becomes_active_with_its_quorum_and_not_before() {
    use Value::{Positive, Seed};
    let voices = vec![voice("a", "NL", false), voice("b", "DE", false), voice("c", "NL", false)];
    let bank = bank(Some(quorum(2, 2, voices)));
    let of = |opinions: &[Opinion]| {
        settled(&bank, None, with(entry(EntryState::Proposed), opinions), Fired::Clean).state
    };
    let says = |organisation, value| says("hub", organisation, value);
    assert_eq!(of(&[]), EntryState::Proposed);
    assert_eq!(of(&[says("a", Positive)]), EntryState::Proposed);
    assert_eq!(of(&[says("a", Positive), says("b", Seed)]), EntryState::Proposed);
    let one_law = [says("a", Positive), says("c", Positive)];
    assert_eq!(of(&one_law), EntryState::Proposed, "two of one jurisdiction");
    let unknown = [says("a", Positive), says("x", Positive), says("y", Positive)];
    assert_eq!(of(&unknown), EntryState::Proposed, "who is not named does not count");
    assert_eq!(of(&[says("a", Positive), says("b", Positive)]), EntryState::Active);
    assert_eq!(of(&[here(Positive)]), EntryState::Active, "people here are enough");
}

#[test]
fn an_accredited_body_is_enough_by_itself() {
    let bank = bank(Some(quorum(9, 1, vec![voice("a", "NL", true)])));
    let proposed = with(entry(EntryState::Proposed), &[says("hub", "a", Value::Positive)]);
    assert_eq!(settled(&bank, None, proposed, Fired::Clean).state, EntryState::Active);
    let other = with(entry(EntryState::Proposed), &[says("other", "a", Value::Positive)]);
    let other = settled(&bank, None, other, Fired::Clean).state;
    assert_eq!(other, EntryState::Proposed, "not through another exchange");
}

#[test]
fn what_an_exchange_says_of_its_members_is_one_voice_where_nobody_is_named() {
    let bank = bank(Some(quorum(2, 0, Vec::new())));
    let of = |opinions: &[Opinion]| {
        settled(&bank, None, with(entry(EntryState::Proposed), opinions), Fired::Clean).state
    };
    let many = ["a", "b", "c"].map(|name| says("hub", name, Value::Positive));
    assert_eq!(of(&many), EntryState::Proposed);
    let two = [says("hub", "a", Value::Positive), says("other", "a", Value::Positive)];
    assert_eq!(of(&two), EntryState::Active);
}

#[test]
fn one_negative_opinion_suspends_an_active_entry_and_its_withdrawal_restores_it() {
    let bank = bank(None);
    let active = settled(&bank, None, entry(EntryState::Active), Fired::Clean);
    assert_eq!(active.background, None, "nothing to remember");
    let mut disputed =
        with(active.clone(), &[here(Value::Positive), says("hub", "a", Value::Negative)]);
    settle(&bank, Some(&active), &mut disputed, Time::default(), |_, _| Fired::Clean);
    assert_eq!(disputed.state, EntryState::Disputed);
    assert_eq!(disputed.provenance.opinion, Some(Merged::Disputed));
    let mut restored = disputed.clone();
    change(&mut restored, |background| {
        let by = Party::Member { exchange: "hub".into(), organisation: "a".into() };
        assert!(withdraw_opinion(&mut background.opinions, &by));
    });
    settle(&bank, Some(&disputed), &mut restored, Time::default(), |_, _| Fired::Clean);
    assert_eq!(restored.state, EntryState::Active);
}

#[test]
fn a_dispute_never_makes_an_entry_count_for_more() {
    let states = [EntryState::Proposed, EntryState::Trial, EntryState::Retired, EntryState::Active];
    for state in states {
        let plain = settled(&bank(None), None, entry(state), Fired::Clean);
        let disputed = with(entry(state), &[here(Value::Negative)]);
        let disputed = settled(&bank(None), None, disputed, Fired::Clean);
        assert!(disputed.state.effect() <= plain.state.effect(), "{state:?}");
    }
}

#[test]
fn what_would_match_something_good_is_set_aside_and_says_what_it_hit() {
    let bank = bank(None);
    let aside = settled(&bank, None, entry(EntryState::Active), Fired::Hit(good()));
    assert_eq!(aside.state, EntryState::Quarantined);
    let quarantine = aside.quarantine().unwrap();
    assert_eq!((quarantine.guard, &quarantine.good), (Guard::KnownGood, &Some(good())));
    let untested = settled(&bank, None, entry(EntryState::Trial), Fired::Untested);
    assert_eq!(untested.state, EntryState::Quarantined, "unknown means hold");
    // Whatever changes, it is fired again before it is matched.
    let again = settled(&bank, Some(&aside), aside.clone(), Fired::Hit(good()));
    assert_eq!(again.state, EntryState::Quarantined);
    let clean = settled(&bank, Some(&aside), aside.clone(), Fired::Clean);
    assert_eq!((clean.state, clean.quarantine()), (EntryState::Active, None));
}

#[test]
fn what_is_not_matched_is_not_fired() {
    for state in [EntryState::Proposed, EntryState::Retired] {
        let mut entry = entry(state);
        settle(&bank(None), None, &mut entry, Time::default(), |_, _| panic!("fired"));
        assert_eq!(entry.state, state);
    }
    let negative = Bank { role: BankRole::Negative, ..bank(None) };
    let mut entry = entry(EntryState::Active);
    settle(&negative, None, &mut entry, Time::default(), |_, _| panic!("fired"));
    assert_eq!(entry.state, EntryState::Active, "good things are not fired at good things");
}

#[test]
fn an_entry_that_a_person_released_is_set_aside_again_only_with_other_signals() {
    let bank = bank(None);
    let aside = settled(&bank, None, entry(EntryState::Active), Fired::Hit(good()));
    let mut released = aside.clone();
    change(&mut released, |background| {
        background.quarantine = None;
        background.released = true;
    });
    let released = settled(&bank, Some(&aside), released, Fired::Hit(good()));
    assert_eq!(released.state, EntryState::Active);
    let same = settled(&bank, Some(&released), released.clone(), Fired::Hit(good()));
    assert_eq!(same.state, EntryState::Active);
    let mut other = released.clone();
    other.signals[0].signal = Signal::Md5([8; 16]);
    let other = settled(&bank, Some(&released), other, Fired::Hit(good()));
    assert_eq!(other.state, EntryState::Quarantined);
}

#[test]
fn a_flooded_entry_holds_until_it_is_released_whatever_it_is_fired_at() {
    let bank = bank(None);
    let active = settled(&bank, None, entry(EntryState::Active), Fired::Clean);
    let mut flooded = active.clone();
    change(&mut flooded, |background| {
        let since = Time::default();
        background.quarantine = Some(Quarantine { guard: Guard::Flood, since, good: None });
    });
    let flooded = settled(&bank, Some(&active), flooded, Fired::Clean);
    assert_eq!(flooded.state.effect(), Effect::HoldAtMost);
    let renamed = settled(&bank, Some(&flooded), flooded.clone(), Fired::Clean);
    assert_eq!(renamed.state.effect(), Effect::HoldAtMost, "other changes do not lift it");
}

#[test]
fn far_shards_that_do_not_answer_leave_an_entry_untested() {
    let signals = entry(EntryState::Active).signals;
    let values: Vec<Signal> = signals.iter().map(|banked| banked.signal.clone()).collect();
    assert_eq!(Far::default().fired(&signals, None), Fired::Clean, "nobody else to ask");
    let silent = Far::said(values.clone(), vec![Some(vec![None]), None]);
    assert_eq!(silent.fired(&signals, None), Fired::Untested);
    assert_eq!(silent.fired(&signals, Some(good())), Fired::Hit(good()), "a hit is a hit");
    let nearer = Good { distance: 1, ..good() };
    let answers = vec![Some(vec![Some(nearer.clone())]), Some(vec![None])];
    let heard = Far::said(values, answers);
    assert_eq!(heard.fired(&signals, Some(good())), Fired::Hit(nearer));
    let other = [BankedSignal::new(Signal::Md5([9; 16]), None)];
    assert_eq!(heard.fired(&other, None), Fired::Untested, "what nobody was asked for");
}

fn any_state() -> impl Strategy<Value = EntryState> {
    prop::sample::select(vec![
        EntryState::Proposed,
        EntryState::Trial,
        EntryState::Active,
        EntryState::Disputed,
        EntryState::Retired,
    ])
}

fn any_opinion() -> impl Strategy<Value = Opinion> {
    let value = prop::sample::select(vec![Value::Negative, Value::Seed, Value::Positive]);
    ("[ab]", "[abc]", value)
        .prop_map(|(exchange, organisation, value)| says(&exchange, &organisation, value))
}

/// An entry with a name and some of three values.
fn sharing(name: usize, values: &[u8], opinions: &[Opinion], is_over: bool) -> Entry {
    let banked = |value: &u8| BankedSignal::new(Signal::Md5([*value; 16]), None);
    let mut entry = with(entry(EntryState::Active), opinions);
    entry.id = EntryId::parse(&format!("e{name}")).unwrap();
    entry.signals = BTreeSet::from_iter(values).into_iter().map(banked).collect();
    if is_over { over_cap(entry) } else { entry }
}

/// What is said of an entry by others with one of its values, one entry after the other.
fn said_by_others(entry: &Entry, all: &[Entry]) -> Vec<Opinion> {
    let shares = |other: &&Entry| {
        other.id != entry.id && other.signals.iter().any(|one| entry.signals.contains(one))
    };
    let others = all.iter().filter(shares);
    let said = others.flat_map(|other| {
        let counts = |one: &&Opinion| !other.is_over_cap() || one.value == Value::Negative;
        other.opinions().iter().filter(counts)
    });
    said.cloned().collect()
}

#[test]
fn a_value_of_thousands_of_entries_is_settled_in_one_go() {
    let word = |n: usize, value| [says("hub", &format!("m{}", n % 5), value)];
    let peers: Vec<Entry> =
        (0..5_000).map(|n| sharing(n, &[1], &word(n, Value::Positive), false)).collect();
    let after = sharing(5_000, &[1], &word(0, Value::Negative), false);
    let changed = vec![Changed { before: None, after }];
    let clean = |_: &Bank, _: &[BankedSignal]| Fired::Clean;
    let put = settle_shared(&bank(None), changed, peers, &[], Time::default(), clean);
    assert_eq!(put.len(), 5_001);
    assert!(put.iter().all(|entry| entry.state == EntryState::Disputed));
}

proptest! {
    #[test]
    fn what_is_said_of_a_value_counts_as_if_each_entry_were_asked(
        drawn in prop::collection::vec(
            (prop::collection::vec(0_u8..3, 1..3), prop::collection::vec(any_opinion(), 0..3), any::<bool>()),
            1..6,
        ),
        changed in 1_usize..3,
        organisations in 1_u32..4,
    ) {
        let bank = bank(Some(quorum(organisations, 0, Vec::new())));
        let all: Vec<Entry> = drawn
            .iter()
            .enumerate()
            .map(|(n, (values, opinions, is_over))| sharing(n, values, opinions, *is_over))
            .collect();
        let (changed, peers) = all.split_at(changed.min(all.len()));
        let clean = |_: &Bank, _: &[BankedSignal]| Fired::Clean;
        let now = Time::default();
        let mut expected = Vec::new();
        for entry in &all {
            let others = said_by_others(entry, &all);
            let is_new = changed.contains(entry);
            let mut after = entry.clone();
            if !is_new || !others.is_empty() {
                let before = (!is_new).then_some(entry);
                settle_among(&bank, before, &mut after, &others, now, clean);
            }
            if !is_new && after != *entry {
                after.version += 1;
            }
            if is_new || after != *entry {
                expected.push(after);
            }
        }
        let changed = changed.iter().map(|after| Changed { before: None, after: after.clone() });
        let put = settle_shared(&bank, changed.collect(), peers.to_vec(), &[], now, clean);
        prop_assert_eq!(put, expected);
    }

    #[test]
    fn what_brings_no_news_changes_no_other_entry(
        drawn in prop::collection::vec(
            (prop::collection::vec(0_u8..3, 1..3), prop::collection::vec(any_opinion(), 0..3), any::<bool>()),
            2..7,
        ),
        is_new: bool,
        organisations in 1_u32..4,
    ) {
        let bank = bank(Some(quorum(organisations, 0, Vec::new())));
        let mut all: Vec<Entry> = drawn
            .iter()
            .enumerate()
            .map(|(n, (values, opinions, is_over))| sharing(n, values, opinions, *is_over))
            .collect();
        let clean = |_: &Bank, _: &[BankedSignal]| Fired::Clean;
        let now = Time::default();
        // The first is what comes; the second is what it was, where it was there.
        let after = all.remove(0);
        let as_said = all.clone();
        for entry in &mut all {
            let (before, others) = (entry.clone(), said_by_others(entry, &as_said));
            settle_among(&bank, Some(&before), entry, &others, now, clean);
        }
        let before = (!is_new).then(|| Entry { id: after.id.clone(), ..all.remove(0) });
        let changed = vec![Changed { before, after }];
        if !is_news(&changed, &all) {
            let put = settle_shared(&bank, changed.clone(), all.clone(), &[], now, clean);
            let apart = settle_shared(&bank, changed, Vec::new(), &all, now, clean);
            prop_assert_eq!(put, apart);
        }
    }

    #[test]
    fn a_word_is_news_once(value in 0_u8..3, opinion in any_opinion()) {
        let one = || sharing(1, &[value], std::slice::from_ref(&opinion), false);
        let two = Entry { id: EntryId::parse("e2").unwrap(), ..one() };
        let comes = vec![Changed { before: None, after: one() }];
        prop_assert!(is_news(&comes, &[]));
        prop_assert!(!is_news(&comes, std::slice::from_ref(&two)));
        let goes = vec![Changed { before: Some(one()), after: sharing(1, &[value], &[], false) }];
        prop_assert!(is_news(&goes, &[]));
        prop_assert!(!is_news(&goes, &[two]));
    }

    #[test]
    fn nothing_that_hits_something_good_or_is_disputed_blocks(
        asked in any_state(),
        opinions in prop::collection::vec(any_opinion(), 0..6),
        clean: bool,
        organisations in 1_u32..4,
    ) {
        let bank = bank(Some(quorum(organisations, 0, Vec::new())));
        let mut entry = entry(asked);
        change(&mut entry, |background| {
            for opinion in &opinions {
                put_opinion(&mut background.opinions, opinion.clone()).unwrap();
            }
        });
        let fired = if clean { Fired::Clean } else { Fired::Hit(good()) };
        let entry = settled(&bank, None, entry, fired);
        if !clean {
            prop_assert_eq!(entry.state.effect(), Effect::Absent);
        }
        if entry.provenance.opinion.is_some_and(Merged::suspends) {
            prop_assert!(entry.state.effect() < Effect::Full);
        }
        // Settling again changes nothing.
        let again = settled(&bank, Some(&entry), entry.clone(), Fired::Clean);
        if clean {
            prop_assert_eq!(again, entry);
        }
    }
}

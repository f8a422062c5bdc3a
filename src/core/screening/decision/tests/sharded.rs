//! What shards promise together: the verdict of one process that keeps everything.

use super::videos::{frame, scene};
use super::*;
use crate::core::access::{Environment, Scope};
use crate::core::advice::{Advice, AdviceType};
use crate::core::event::Event;
use crate::core::id::TenantId;
use crate::core::resident::Resident;
use crate::core::screening::elsewhere::{HITS_ALL, HITS_MAX, ShardAnswer, Sought, look_up, tracks};
use crate::core::shard::Shard;

fn scope() -> Scope {
    Scope { tenant: TenantId::parse("t").unwrap(), environment: Environment::Test }
}

/// Banks that count, overrule and only look, with rules of their own.
fn banks() -> Vec<Bank> {
    let negative = Bank { role: BankRole::Negative, ..bank("harmless") };
    let shadow = Bank { mode: BankMode::Shadow, ..bank("on-trial") };
    let open = Bank { vetted: false, ratio_millionths: RATIO_ALL / 2, ..bank("open") };
    let mut banks = vec![bank("known"), negative, shadow, open];
    let advice = SignalRule::usual(SignalType::Advice(AdviceType::Url));
    banks.iter_mut().for_each(|bank| {
        bank.rules.push(advice.clone());
        bank.rules.push(SignalRule::usual(SignalType::VpdqFrame));
    });
    banks
}

fn memory(shard: Shard, puts: &[(usize, Entry)]) -> Resident {
    let mut resident = Resident::of_shard(shard);
    for (number, bank) in banks().into_iter().enumerate() {
        resident.apply(number as u64 + 1, &Event::BankPut { scope: scope(), bank });
    }
    for (number, (bank, entry)) in puts.iter().enumerate() {
        let (bank, entries) = (banks()[*bank].id.clone(), vec![entry.clone()]);
        let put = Event::EntriesPut { scope: scope(), bank, entries, at: NOW };
        resident.apply(number as u64 + 10, &put);
    }
    resident
}

fn answered(resident: &Resident, question: &Question) -> Option<ShardAnswer> {
    let sought: Vec<Sought> = question.probes.iter().map(Sought::from).collect();
    let mut answer = look_up(&resident.of(&scope())?.matcher, &sought, || false)?;
    answer.index = resident.applied();
    Some(answer)
}

fn decided(resident: &Resident, question: &Question, elsewhere: Elsewhere) -> Verdict {
    let moment = Moment {
        now: NOW,
        id: VerdictId::parse("v-1").unwrap(),
        index: resident.applied(),
        index_age: Duration::ZERO,
        elsewhere,
    };
    let holding = resident.of(&scope()).unwrap();
    let mut deciding = Deciding::new(holding, &surface(), &context(), question, moment);
    deciding.look(holding, question, || false);
    deciding.conclude(holding, &surface(), question, |_| {}).verdict
}

fn shards(count: u32) -> Vec<Shard> {
    (1..=count).map(|number| Shard::new(number, count).unwrap()).collect()
}

fn any_entry() -> impl Strategy<Value = (usize, Entry)> {
    let state = prop_oneof![
        4 => Just(EntryState::Active),
        1 => Just(EntryState::Trial),
        1 => Just(EntryState::Disputed),
        1 => Just(EntryState::Removed),
    ];
    let signals = proptest::collection::vec(
        prop_oneof![
            (0..40_u32).prop_map(|distance| Signal::Pdq(bits(distance))),
            Just(Signal::Sha256(DIGESTS.sha256)),
            Just(Signal::Md5(DIGESTS.md5)),
            any::<[u8; 16]>().prop_map(Signal::Md5),
            Just(Signal::Advice(Advice::Url([7; 32]))),
            (0..4_u64, 0..32_u32).prop_map(|(at, off)| Signal::VpdqFrame(scene(at, off))),
            (0..4_u64, 0..32_u32).prop_map(|(at, off)| Signal::VpdqFrame(scene(at, off))),
        ],
        1..5,
    );
    (0..4_usize, 0..30_u32, signals, state)
        .prop_map(|(bank, name, signals, state)| (bank, entry(&format!("e{name}"), signals, state)))
}

proptest! {
    #[test]
    fn shards_together_decide_as_one_process_that_keeps_everything(
        puts in proptest::collection::vec(any_entry(), 0..60),
        distances in proptest::collection::vec(0..40_u32, 1..3),
        count in 2..6_u32,
    ) {
        let pictures = distances.into_iter().map(|distance| picture(distance, 100)).collect();
        let mut question = image(pictures, CheckState::Checked);
        question.probes.push(Probe {
            signal: Signal::Advice(Advice::Url([7; 32])),
            quality: None,
            ..question.probes[0].clone()
        });
        question.probes.extend((0..4).map(|at| frame(at, scene(at.into(), 0))));
        let whole = decided(&memory(Shard::WHOLE, &puts), &question, Elsewhere::default());
        let parts: Vec<_> = shards(count).into_iter().map(|shard| memory(shard, &puts)).collect();
        for (at, own) in parts.iter().enumerate() {
            let others = parts.iter().enumerate().filter(|(other, _)| *other != at);
            let answers = others.map(|(_, other)| answered(other, &question)).collect();
            let mut elsewhere = Elsewhere::to_each(&[question.probes.len()], answers).remove(0);
            let videos = elsewhere.far_videos();
            let told = |other: &Resident| {
                let matcher = &other.of(&scope())?.matcher;
                Some(ShardAnswer { videos: tracks(matcher, videos.clone()), ..ShardAnswer::default() })
            };
            let others = parts.iter().enumerate().filter(|(other, _)| *other != at);
            elsewhere.take_videos(others.map(|(_, other)| told(other)).collect());
            prop_assert_eq!(&decided(own, &question, elsewhere), &whole);
        }
    }

    #[test]
    fn without_one_shard_nothing_counts_as_compared(
        puts in proptest::collection::vec(any_entry(), 0..60), count in 2..6_u32, lost in 0..5_usize,
    ) {
        let question = image(vec![picture(0, 100)], CheckState::Checked);
        let parts: Vec<_> = shards(count).into_iter().map(|shard| memory(shard, &puts)).collect();
        let mut answers: Vec<_> = parts[1..].iter().map(|part| answered(part, &question)).collect();
        let at = lost % answers.len();
        answers[at] = None;
        let elsewhere = Elsewhere::to_each(&[question.probes.len()], answers).remove(0);
        let verdict = decided(&parts[0], &question, elsewhere);
        prop_assert!(verdict.disposition >= Disposition::Hold);
        for row in &verdict.coverage {
            if matches!(row.check, Check::ExactMatch | Check::ImageMatch) {
                prop_assert_eq!(row.state, CheckState::SourceUnavailable);
            }
        }
    }

    #[test]
    fn of_several_questions_in_one_go_each_gets_its_own(
        puts in proptest::collection::vec(any_entry(), 0..60), distances in proptest::collection::vec(0..40_u32, 1..5),
    ) {
        let other = memory(Shard::new(2, 2).unwrap(), &puts);
        let of = |distance: &u32| image(vec![picture(*distance, 100)], CheckState::Checked);
        let questions: Vec<_> = distances.iter().map(of).collect();
        let lengths: Vec<_> = questions.iter().map(|question| question.probes.len()).collect();
        let mut all = Question::default();
        questions.iter().for_each(|question| all.probes.extend(question.probes.iter().cloned()));
        let each = Elsewhere::to_each(&lengths, vec![answered(&other, &all)]);
        let own = memory(Shard::new(1, 2).unwrap(), &puts);
        for (question, elsewhere) in questions.iter().zip(each) {
            let alone = Elsewhere::to_each(&[question.probes.len()], vec![answered(&other, question)]);
            let alone = decided(&own, question, alone.into_iter().next().unwrap());
            prop_assert_eq!(decided(&own, question, elsewhere), alone);
        }
    }
}

#[test]
fn an_answer_to_something_else_is_none() {
    let question = image(vec![picture(0, 100)], CheckState::Checked);
    let answer = ShardAnswer { hits: vec![Vec::new(); 2], ..ShardAnswer::default() };
    let elsewhere = Elsewhere::to_each(&[question.probes.len()], vec![Some(answer)]).remove(0);
    assert!(elsewhere.is_missing());
}

#[test]
fn however_much_matches_in_a_shard_it_tells_the_nearest_of_each_bank() {
    let puts: Vec<_> = (0..400_u32)
        .map(|n| (0, entry(&format!("e{n}"), vec![Signal::Pdq(bits(n % 20))], EntryState::Active)))
        .collect();
    let resident = memory(Shard::WHOLE, &puts);
    let sought = [Sought { signal: Signal::Pdq(bits(0)), quality: None }];
    let answer = look_up(&resident.of(&scope()).unwrap().matcher, &sought, || false).unwrap();
    assert_eq!(answer.hits[0].len(), HITS_MAX);
    assert!(answer.hits[0].is_sorted_by_key(|hit| hit.distance));
    assert!(answer.hits[0].iter().all(|hit| hit.distance <= 6), "twenty of each distance");
}

#[test]
fn an_answer_stays_small_whatever_is_asked_and_every_signal_has_its_nearest() {
    let puts: Vec<_> = (0..HITS_MAX as u32)
        .map(|n| (0, entry(&format!("e{n}"), vec![Signal::Pdq(bits(n % 20))], EntryState::Active)))
        .collect();
    let resident = memory(Shard::WHOLE, &puts);
    let sought = vec![Sought { signal: Signal::Pdq(bits(0)), quality: None }; 1_000];
    let answer = look_up(&resident.of(&scope()).unwrap().matcher, &sought, || false).unwrap();
    let all: usize = answer.hits.iter().map(Vec::len).sum();
    assert!((HITS_ALL..HITS_ALL + HITS_MAX + 1_000).contains(&all), "{all}");
    assert!(answer.hits.iter().all(|hits| hits.first().is_some_and(|hit| hit.distance == 0)));
}

#[test]
fn a_shard_whose_time_is_over_gives_no_answer() {
    let resident = memory(Shard::WHOLE, &[]);
    let sought = [Sought { signal: Signal::Md5([1; 16]), quality: None }; 1];
    let matcher = &resident.of(&scope()).unwrap().matcher;
    assert!(look_up(matcher, &[sought[0].clone(), sought[0].clone()], || true).is_none());
    assert!(look_up(matcher, &sought, || true).is_some(), "the last was looked for");
}

#[test]
fn a_verdict_is_as_old_as_the_shard_that_is_furthest_behind() {
    let question = image(vec![picture(0, 100)], CheckState::Checked);
    let own = memory(Shard::new(1, 3).unwrap(), &[]);
    let answer = |index, seconds| {
        let hits = vec![Vec::new(); question.probes.len()];
        let index_age = Duration::from_secs(seconds);
        Some(ShardAnswer { hits, index, index_age, ..ShardAnswer::default() })
    };
    let answers = vec![answer(3, 1), answer(2, 7)];
    let elsewhere = Elsewhere::to_each(&[question.probes.len()], answers).remove(0);
    let versions = decided(&own, &question, elsewhere).versions;
    assert_eq!((versions.index, versions.index_age), (2, Duration::from_secs(7)));
}

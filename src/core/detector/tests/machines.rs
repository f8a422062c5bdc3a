//! Machines that a test drives by a time of its own.

use super::*;
use proptest::prelude::*;

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

const BATCH: BatchLimits =
    BatchLimits { items_max: 3, wait: millis(5), waiting_max: 7, calls_max: 2 };
const BREAKER: BreakerLimits =
    BreakerLimits { failures: 3, pause: millis(100), pause_max: millis(1000), trial: millis(50) };

#[test]
fn items_go_when_there_are_enough_or_the_first_has_waited() {
    let mut batching = Batching::new(BATCH);
    assert_eq!((batching.take(millis(0)), batching.wake()), (None, None));
    batching.offer(1, millis(10)).expect("room");
    assert_eq!((batching.take(millis(14)), batching.wake()), (None, Some(millis(15))));
    assert_eq!(batching.take(millis(15)), Some(vec![1]));
    for item in 2..=5 {
        batching.offer(item, millis(20)).expect("room");
    }
    assert_eq!(batching.take(millis(20)), Some(vec![2, 3, 4]));
    // Two are on their way: the rest waits for one of them, however long.
    assert_eq!((batching.take(millis(900)), batching.wake(), batching.asked()), (None, None, 2));
    batching.done();
    assert_eq!(batching.wake(), Some(millis(25)));
    assert_eq!(batching.take(millis(900)), Some(vec![5]));
}

#[test]
fn one_more_than_may_wait_is_given_back_and_who_has_gone_makes_room() {
    let mut batching = Batching::new(BATCH);
    (0..7).for_each(|item| batching.offer(item, millis(0)).expect("room"));
    assert_eq!(batching.offer(7, millis(0)), Err(7));
    assert!(batching.is_full());
    batching.forget(|item| item % 2 == 0);
    assert_eq!((batching.waiting(), batching.offer(7, millis(1))), (3, Ok(())));
    assert_eq!(batching.take(millis(1)), Some(vec![1, 3, 5]));
}

#[derive(Debug, Clone)]
enum Step {
    Offer,
    Pass(u64),
    Done,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Offer),
        2 => (0_u64..8).prop_map(Step::Pass),
        2 => Just(Step::Done),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn every_item_goes_once_in_its_order_and_none_waits_while_it_need_not(steps in steps()) {
        let (mut batching, mut now) = (Batching::new(BATCH), millis(0));
        let (mut offered, mut gone, mut asked) = (Vec::new(), Vec::new(), 0_usize);
        for step in steps {
            match step {
                Step::Offer => {
                    let item = (offered.len(), now);
                    let waits = offered.len() - gone.len();
                    prop_assert_eq!(batching.offer(item, now).is_ok(), waits < BATCH.waiting_max);
                    if waits < BATCH.waiting_max {
                        offered.push(item);
                    }
                }
                Step::Pass(time) => now += millis(time),
                Step::Done if asked > 0 => {
                    batching.done();
                    asked -= 1;
                }
                Step::Done => {}
            }
            while let Some(items) = batching.take(now) {
                asked += 1;
                let is_due = items.len() == BATCH.items_max || now >= items[0].1 + BATCH.wait;
                prop_assert!(is_due && !items.is_empty() && items.len() <= BATCH.items_max);
                gone.extend(items);
            }
            prop_assert_eq!((batching.asked(), batching.waiting()), (asked, offered.len() - gone.len()));
            prop_assert!(asked <= BATCH.calls_max);
            if asked < BATCH.calls_max && let Some((_, since)) = offered.get(gone.len()) {
                prop_assert!(now < *since + BATCH.wait, "somebody waits for nothing");
                prop_assert_eq!(batching.wake(), Some(*since + BATCH.wait));
            }
        }
        prop_assert_eq!(&offered[..gone.len()], &gone[..]);
    }
}

/// Fails until it opens; for how long.
fn open(breaker: &mut Breaker, now: Duration) -> Duration {
    loop {
        let began = breaker.begin(now).expect("asked");
        if let Some(pause) = breaker.failed(began, now, 255) {
            return pause;
        }
    }
}

#[test]
fn a_model_that_fails_so_often_in_a_row_is_left_alone() {
    let mut breaker = Breaker::new(BREAKER);
    for _ in 0..10 {
        for _ in 0..2 {
            let began = breaker.begin(millis(0)).expect("asked");
            assert_eq!(breaker.failed(began, millis(0), 0), None);
        }
        let began = breaker.begin(millis(0)).expect("asked");
        breaker.succeeded(began);
    }
    assert_eq!(open(&mut breaker, millis(0)), millis(100));
    assert_eq!(breaker.circuit(), Circuit::Open);
    assert!(!breaker.may_ask(millis(99)) && breaker.begin(millis(99)).is_none());
}

#[test]
fn one_question_tries_whether_it_answers_again() {
    let mut breaker = Breaker::new(BREAKER);
    open(&mut breaker, millis(0));
    let trial = breaker.begin(millis(100)).expect("the trial");
    assert_eq!(breaker.circuit(), Circuit::Trying);
    assert!(breaker.begin(millis(100)).is_none(), "one alone");
    breaker.succeeded(trial);
    assert_eq!(breaker.circuit(), Circuit::Closed);
    assert!(breaker.begin(millis(100)).is_some());
    // What was on its way is forgiven: the count begins anew, and so does the pause.
    assert_eq!(open(&mut breaker, millis(100)), millis(100));
}

#[test]
fn each_trial_that_fails_makes_the_pause_longer_up_to_a_limit() {
    let (mut breaker, mut now) = (Breaker::new(BREAKER), millis(0));
    let mut pauses = vec![open(&mut breaker, now).as_millis()];
    for _ in 0..5 {
        now += BREAKER.pause_max;
        let trial = breaker.begin(now).expect("the trial");
        pauses.push(breaker.failed(trial, now, 255).expect("open").as_millis());
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
    now += BREAKER.pause_max;
    let trial = breaker.begin(now).expect("the trial");
    assert_eq!(breaker.failed(trial, now, 0), Some(millis(500)), "half of it by chance");
}

#[test]
fn what_began_before_says_nothing_of_now() {
    let mut breaker = Breaker::new(BREAKER);
    let old = breaker.begin(millis(0)).expect("asked");
    open(&mut breaker, millis(0));
    assert_eq!(breaker.failed(old, millis(1), 255), None, "they fail together");
    breaker.succeeded(old);
    assert_eq!(breaker.circuit(), Circuit::Open);
    // A trial of which nothing is heard is taken for lost, and says nothing when it comes after all.
    let lost = breaker.begin(millis(100)).expect("the trial");
    let next = breaker.begin(millis(150)).expect("the next");
    breaker.succeeded(lost);
    assert_eq!(breaker.circuit(), Circuit::Trying);
    breaker.succeeded(next);
    assert_eq!(breaker.circuit(), Circuit::Closed);
}

proptest! {
    #[test]
    fn an_open_breaker_lets_one_question_through_and_never_stays_open_for_ever(
        moves in proptest::collection::vec((0_u8..4, 0_u64..400, any::<u8>()), 0..300),
    ) {
        let (mut breaker, mut now, mut flying) = (Breaker::new(BREAKER), millis(0), Vec::new());
        for (what, time, share) in moves {
            now += millis(time);
            let is_closed = breaker.circuit() == Circuit::Closed;
            match what {
                0 | 1 => {
                    let began = breaker.begin(now);
                    prop_assert!(began.is_some() || !is_closed);
                    if began.is_some() && !is_closed {
                        prop_assert!(breaker.begin(now).is_none());
                    }
                    flying.extend(began);
                }
                2 => { flying.pop().map(|began| breaker.failed(began, now, share)); }
                _ => { if let Some(began) = flying.pop() { breaker.succeeded(began); } }
            }
            prop_assert!(breaker.may_ask(now + BREAKER.pause_max.max(BREAKER.trial)));
        }
    }
}

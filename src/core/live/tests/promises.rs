//! What is promised for the streams that matter most.

use super::*;
use crate::core::live::effect::Why;
use crate::core::live::policy::Measure;
use crate::core::live::risk::Cause;
use crate::core::live::session::Standing;

fn place(effects: &[Effect], wanted: impl Fn(&Effect) -> bool) -> usize {
    effects.iter().position(wanted).expect("among the effects")
}

#[test]
fn a_cut_is_said_first_then_preserved_then_kept() {
    let (mut session, _) = begin(terms());
    for second in 1..=40 {
        session = send(session, clean(), at(second * 1000)).0;
        let last = session.said();
        session = send(session, Said::Ack(last), at(second * 1000)).0;
    }
    let (session, effects) = send(session, frame(matched(Disposition::Block)), at(41_000));
    let say = place(&effects, |one| matches!(one, Effect::Say { is_again: false, .. }));
    let preserve = place(&effects, |one| matches!(one, Effect::Preserve { .. }));
    let keep = place(&effects, |one| matches!(one, Effect::Keep(_)));
    assert!(say < preserve && preserve < keep, "{effects:?}");
    let let_go = place(&effects, |one| matches!(one, Effect::LetGo { .. }));
    assert_eq!(let_go, effects.len() - 1);
    let Effect::Preserve { window, pieces: Some(pieces) } = effects[preserve] else { panic!() };
    assert_eq!((window.from, window.until), (at(11_000), at(51_000)));
    assert_eq!((pieces.first, pieces.last, pieces.count), (21, 81, 31));
    assert_eq!(session.standing(), Standing::Interrupted);
}

#[test]
fn the_time_to_interrupt_is_measured_from_the_decision_whatever_lies_between() {
    let (session, _) = send(begin(terms()).0, frame(matched(Disposition::Block)), at(1000));
    let number = session.said();
    let session = session.on(Event::Lost, at(1100)).0;
    let session = session.on(Event::Resume { token: TOKEN, heard: 0 }, at(3000)).0;
    let (session, effects) = send(session, Said::Ack(number), at(3500));
    let waited = Duration::from_millis(2500);
    assert!(effects.contains(&Effect::Timed { number, is_cut: true, waited }), "{effects:?}");
    assert_eq!(session.standing(), Standing::Cut);
    let (session, effects) = session.on(Event::Tick, at(11_001));
    assert_eq!(session.standing(), Standing::Ended);
    let ending = session.ending().expect("it is over");
    assert!(effects.contains(&Effect::End(ending)) && !ending.is_clean());
}

#[test]
fn a_stream_that_sends_nothing_is_silent_and_never_clean() {
    for (measure, standing) in [
        (Measure::Escalate, Standing::Silent),
        (Measure::Pause, Standing::Silent),
        (Measure::Interrupt, Standing::Interrupted),
    ] {
        let (session, _) = begin(Terms { on_silence: measure, ..terms() });
        let session = send(session, Said::Ack(1), at(0)).0;
        assert_eq!(session.due(), Some(at(10_000)));
        let session = session.on(Event::Tick, at(9_999)).0;
        assert_eq!(session.standing(), Standing::Opening);
        let (session, effects) = session.on(Event::Tick, at(10_000));
        assert_eq!(session.standing(), standing);
        assert!(
            effects.iter().any(|one| matches!(one, Effect::Review { cause: Cause::Silence, .. }))
        );
        let session = send(session, Said::Stop, at(10_001)).0;
        assert!(!session.ending().expect("it is over").is_clean());
    }
}

#[test]
fn a_stream_that_never_reads_is_unheard_and_then_as_the_policy_says() {
    for (measure, standing) in [
        (Measure::Escalate, Standing::Unheard),
        (Measure::Pause, Standing::Unheard),
        (Measure::Interrupt, Standing::Interrupted),
    ] {
        let (mut session, _) = begin(Terms { on_unheard: measure, ..terms() });
        for second in 1..10 {
            session = send(session, clean(), at(second * 1000)).0;
            assert_eq!(session.standing(), Standing::Guarding);
        }
        let (session, effects) = send(session, clean(), at(10_000));
        assert_eq!(session.standing(), standing);
        assert!(
            effects.iter().any(|one| matches!(one, Effect::Review { cause: Cause::Unheard, .. }))
        );
    }
}

#[test]
fn a_broken_connection_ends_as_the_policy_says() {
    for measure in [Measure::Escalate, Measure::Pause, Measure::Interrupt] {
        let (session, _) = begin(Terms { on_lost: measure, ..terms() });
        let session = send(session, clean(), at(1000)).0.on(Event::Lost, at(1500)).0;
        assert_eq!((session.standing(), session.due()), (Standing::Lost, Some(at(16_500))));
        let (session, effects) = session.on(Event::Tick, at(16_500));
        assert!(effects.iter().any(|one| matches!(one, Effect::Review { cause: Cause::Lost, .. })));
        match session.ending() {
            Some(ending) => assert_eq!(ending.why, Why::Lost(measure)),
            None => {
                // Who comes back after all is told of the cut.
                assert_eq!(measure, Measure::Interrupt);
                let resume = Event::Resume { token: TOKEN, heard: 2 };
                let (_, effects) = session.on(resume, at(20_000));
                let [Directive::Interrupt { is_lasting: false, .. }] = said(&effects)[..] else {
                    panic!("{effects:?}")
                };
            }
        }
    }
}

#[test]
fn a_person_cuts_at_once_whatever_the_stream_is_doing() {
    let lost = send(begin(terms()).0, clean(), at(1000)).0.on(Event::Lost, at(1500)).0;
    let (session, effects) = lost.on(Event::Interrupts, at(1600));
    assert_eq!(session.standing(), Standing::Interrupted);
    assert_eq!(said(&effects), []);
    let (_, effects) = session.on(Event::Resume { token: TOKEN, heard: 2 }, at(1700));
    let [Directive::Interrupt { cause: Cause::Person, is_lasting: true, .. }] = said(&effects)[..]
    else {
        panic!("{effects:?}")
    };
}

#[test]
fn broken_pieces_between_good_ones_gain_nothing() {
    let (mut session, _) = begin(terms());
    for second in 1..=60 {
        let said = if second % 2 == 0 { clean() } else { corrupt() };
        let (next, effects) = send(session, said, at(second * 1000));
        // Watched all the time, so asked for more often.
        assert_eq!(next.glance().level, Level::Watch);
        assert_eq!(effects.iter().filter(|one| is_continue(one)).count(), 1, "{effects:?}");
        let last = next.said();
        session = send(next, Said::Ack(last), at(second * 1000)).0;
    }
    assert_eq!(session.glance().unexamined, 30);
    // Without good ones between them they are as the policy says.
    let session = send(session, corrupt(), at(62_000)).0;
    assert_eq!(session.standing(), Standing::Paused);
}

#[test]
fn a_stream_that_was_examined_throughout_may_end_clean() {
    let (mut session, _) = begin(terms());
    for second in 1..=5 {
        session = send(session, clean(), at(second * 1000)).0;
    }
    let (session, effects) = send(session, Said::Stop, at(5500));
    let ending = session.ending().expect("it is over");
    assert!(ending.is_clean());
    assert_eq!(effects.last(), Some(&Effect::End(ending)));
    assert!(!effects.iter().any(|one| matches!(one, Effect::Keep(_))));
}

#[test]
fn one_piece_that_was_not_examined_keeps_a_stream_from_ending_clean() {
    let session = send(begin(terms()).0, corrupt(), at(500)).0;
    let session = send(send(session, clean(), at(1000)).0, Said::Stop, at(1500)).0;
    assert!(!session.ending().expect("it is over").is_clean());
}

#[test]
fn a_cut_for_now_becomes_one_that_stands_when_a_match_follows() {
    let session = send(begin(terms()).0, frame(score("picture", 0.95)), at(1000)).0;
    assert!(!session.glance().is_lasting);
    let (session, effects) = send(session, frame(matched(Disposition::Block)), at(1100));
    assert!(session.glance().is_lasting);
    let [Directive::Interrupt { cause: Cause::Match, is_lasting: true, .. }] = said(&effects)[..]
    else {
        panic!("{effects:?}")
    };
}

#[test]
fn more_chat_than_is_weighed_is_watched_and_not_passed_over() {
    let (mut session, _) = begin(Terms { chats_per_second_max: 2, ..terms() });
    for (number, level) in (1..).zip([Level::Quiet, Level::Quiet, Level::Watch]) {
        session = send(session, Said::Chat(Vec::new()), at(number)).0;
        assert_eq!(session.glance().level, level);
    }
}

#[test]
fn the_broadcaster_decides_how_often_a_quiet_stream_is_looked_at() {
    for (actor, millis) in [
        (ActorRisk::Trusted, 5000),
        (ActorRisk::Usual, 1000),
        (ActorRisk::Raised, 750),
        (ActorRisk::High, 500),
    ] {
        let interval = Duration::from_millis(millis);
        let directive = Directive::Continue { interval, is_examined: false };
        assert_eq!(said(&begin_as(terms(), actor).1), [directive]);
    }
}

#[test]
fn a_cut_by_a_score_is_always_reviewed() {
    let session = send(begin(terms()).0, frame(score("picture", 0.6)), at(1000)).0;
    let (_, effects) = send(session, frame(score("picture", 0.95)), at(1100));
    let is_review = |one: &Effect| matches!(one, Effect::Review { cause: Cause::Score, .. });
    assert!(effects.iter().any(is_review), "{effects:?}");
}

#[test]
fn what_is_more_urgent_does_not_wait_for_what_was_less() {
    let friction = frame(matched(Disposition::AllowWithFriction));
    let session = send(begin(terms()).0, friction, at(1000)).0;
    let (session, effects) = send(session, frame(matched(Disposition::Hold)), at(1100));
    let call = Directive::Escalate { cause: Cause::Match };
    assert!(said(&effects).contains(&call), "{effects:?}");
    let (_, effects) = send(session, frame(matched(Disposition::Hold)), at(1200));
    assert!(!said(&effects).contains(&call), "{effects:?}");
}

#[test]
fn of_two_reasons_to_cut_the_one_that_stands_is_told() {
    for found in [
        vec![score("picture", 0.95), matched(Disposition::Block)],
        vec![matched(Disposition::Block), score("picture", 0.95)],
    ] {
        let frame = Said::Frame(judged(Coverage::Whole, found));
        let (_, effects) = send(begin(terms()).0, frame, at(1000));
        let [Directive::Interrupt { cause: Cause::Match, is_lasting: true, .. }] =
            said(&effects)[..]
        else {
            panic!("{effects:?}")
        };
    }
}

#[test]
fn a_cut_that_now_stands_is_acknowledged_anew() {
    let session = send(begin(terms()).0, frame(score("picture", 0.95)), at(1000)).0;
    let last = session.said();
    let session = send(session, Said::Ack(last), at(1100)).0;
    assert_eq!(session.standing(), Standing::Cut);
    let session = session.on(Event::Interrupts, at(1200)).0;
    assert_eq!(session.standing(), Standing::Interrupted);
    let last = session.said();
    assert_eq!(send(session, Said::Ack(last), at(1300)).0.standing(), Standing::Cut);
}

#[test]
fn the_time_of_a_broken_connection_is_no_silence_and_what_was_silent_before_it_stays_so() {
    let session = send(begin(terms()).0, clean(), at(1000)).0.on(Event::Lost, at(9000)).0;
    let resume = Event::Resume { token: TOKEN, heard: 0 };
    let session = session.on(resume, at(23_000)).0.on(Event::Tick, at(24_999)).0;
    assert_eq!(session.standing(), Standing::Guarding);
    assert_eq!(session.on(Event::Tick, at(25_000)).0.standing(), Standing::Silent);
}

//! What holds for any sequence of events.

use super::*;
use crate::core::live::effect::{EFFECTS_MAX, Record, WAITING_MAX};
use crate::core::live::event::Fault;
use crate::core::live::policy::Measure;
use crate::core::live::session::Standing;
use proptest::prelude::*;

/// The kinds of events by their place, and the milliseconds before each; some go back.
fn orders(longest: usize) -> impl Strategy<Value = Vec<(usize, i64)>> {
    let step = prop_oneof![6 => 0..2000_i64, 1 => 2000..40_000_i64, 1 => -5000..0_i64];
    proptest::collection::vec((0..41_usize, step), 0..longest)
}

fn any_measure() -> impl Strategy<Value = Measure> {
    prop_oneof![Just(Measure::Escalate), Just(Measure::Pause), Just(Measure::Interrupt)]
}

fn any_terms() -> impl Strategy<Value = Terms> {
    (any_measure(), any_measure(), any_measure(), 1..4_u32).prop_map(
        |(on_silence, on_lost, on_unexamined, frames_up)| Terms {
            on_silence,
            on_lost,
            on_unexamined,
            on_shed: on_lost,
            on_unheard: on_silence,
            frames_up,
            buffer_pieces: 8,
            ..terms()
        },
    )
}

/// Runs a sequence; every session with what led to it.
fn run(terms: Terms, order: &[(usize, i64)]) -> Vec<(Session, Event, Time, Vec<Effect>)> {
    let (mut session, _) = begin(terms);
    let (mut now, mut all) = (0, Vec::new());
    for (kind, step) in order {
        now += step;
        let mut events = all_events(&session);
        let event = events.swap_remove(kind % events.len()).1;
        let (next, effects) = session.on(event.clone(), at(now));
        all.push((next.clone(), event, at(now), effects));
        session = next;
    }
    all
}

proptest! {
    #[test]
    fn a_cut_stream_never_plays_again(terms in any_terms(), order in orders(60)) {
        let mut is_cut = false;
        for (session, event, _, effects) in run(terms, &order) {
            let cut = effects.iter().position(|effect| {
                matches!(effect, Effect::Say { directive: Directive::Interrupt { .. }, .. }
                    | Effect::Keep(Record::Directed { directive: Directive::Interrupt { .. }, .. }))
            });
            let from = if is_cut { Some(0) } else { cut };
            for effect in from.map_or(&[][..], |from| &effects[from..]) {
                let shows = matches!(effect, Effect::Say {
                    directive: Directive::Continue { .. } | Directive::Mute { .. }
                        | Directive::Blur { .. } | Directive::Pause { .. }, ..
                });
                prop_assert!(!shows, "{event:?} {effect:?}");
            }
            is_cut |= cut.is_some();
            let standing = session.standing();
            prop_assert!(!is_cut || standing >= Standing::Interrupted, "{standing:?}");
        }
    }

    #[test]
    fn what_is_done_and_what_waits_is_bounded(terms in any_terms(), order in orders(60)) {
        for (session, event, _, effects) in run(terms, &order) {
            prop_assert!(effects.len() <= EFFECTS_MAX, "{event:?} {}", effects.len());
            prop_assert!(session.glance().waiting <= WAITING_MAX);
            prop_assert!(session.glance().buffer_bytes <= 8000);
        }
    }

    #[test]
    fn directives_are_numbered_without_gaps(terms in any_terms(), order in orders(60)) {
        let mut last = 1;
        for (_, _, _, effects) in run(terms, &order) {
            for effect in effects {
                if let Effect::Say { number, is_again, .. } = effect {
                    // What was decided while nobody was there is first said on resumption.
                    prop_assert!(is_again || number > last, "{number} after {last}");
                    last = last.max(number);
                }
            }
        }
    }

    #[test]
    fn what_could_not_be_examined_never_makes_a_stream_cleaner(
        terms in any_terms(), order in orders(40), state in 0..3_usize, later in 0..100_000_i64
    ) {
        let Some((session, _, now, _)) = run(terms, &order).pop() else { return Ok(()) };
        let states = [CheckState::Corrupt, CheckState::Shed, CheckState::Deadline];
        let said = Said::Frame(judged(Coverage::Lacking(states[state]), Vec::new()));
        let before = session.glance();
        let restraint = |standing: Standing| match standing {
            Standing::Opening | Standing::Guarding => 0,
            Standing::Muted => 1,
            Standing::Blurred => 2,
            Standing::Paused => 3,
            // What hides how it is shown is not compared.
            Standing::Silent | Standing::Unheard | Standing::Lost => -1,
            Standing::Interrupted | Standing::Cut | Standing::Ended => 4,
        };
        let (after, effects) = send(session, said, now.plus(Duration::from_millis(later as u64)));
        prop_assert!(after.glance().level >= before.level);
        let (from, to) = (restraint(before.standing), restraint(after.standing()));
        prop_assert!(to == -1 || to >= from, "{:?} {:?}", before.standing, after.standing());
        for directive in said_as_new(&effects) {
            let is_clean = matches!(directive, Directive::Continue { is_examined: true, .. });
            prop_assert!(!is_clean, "{directive:?}");
        }
    }

    #[test]
    fn a_clock_that_runs_backwards_changes_nothing(order in orders(40)) {
        // Each step back is taken for no step.
        let mut forward = Vec::new();
        let (mut now, mut highest) = (0, 0);
        for (kind, step) in &order {
            now += step;
            forward.push((*kind, now.max(highest) - highest));
            highest = highest.max(now);
        }
        let plain: Vec<_> = run(terms(), &order).into_iter().map(|step| (step.0, step.3)).collect();
        let without = run(terms(), &forward).into_iter().map(|step| (step.0, step.3));
        for (one, other) in plain.into_iter().zip(without) {
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn a_message_that_comes_twice_changes_nothing(order in orders(40)) {
        for (session, _, now, _) in run(terms(), &order) {
            // A clock that has run back is set right first, and time does its own first.
            let (session, _) = session.on(Event::Tick, now);
            if session.ending().is_some() || session.taken() == 0 {
                continue;
            }
            for (_, said) in all_said(&session) {
                let event = Event::Sent { number: session.taken(), said };
                let (after, effects) = session.clone().on(event, now);
                prop_assert_eq!(&after, &session);
                let lost = Effect::Refuse(Fault::NotResumed);
                prop_assert!(effects.iter().all(|effect| *effect == lost), "{effects:?}");
            }
        }
    }

    #[test]
    fn coming_back_loses_no_directive(order in orders(40)) {
        for (session, _, now, _) in run(terms(), &order) {
            let (session, _) = session.on(Event::Tick, now);
            if session.ending().is_some() {
                continue;
            }
            let (lost, _) = session.on(Event::Lost, now);
            let waiting = lost.glance().waiting;
            let (back, effects) = lost.on(Event::Resume { token: TOKEN, heard: 0 }, now);
            prop_assert_eq!(back.glance().waiting, waiting);
            prop_assert_eq!(said(&effects).len(), waiting);
            let (other, effects) = back.on(Event::Resume { token: Token::new([1; 16]), heard: 0 }, now);
            prop_assert_eq!(effects, [Effect::Refuse(Fault::Token)]);
            prop_assert_eq!(other.glance().waiting, waiting);
        }
    }

    #[test]
    fn a_tick_when_it_is_due_leads_to_a_later_one(terms in any_terms(), order in orders(30)) {
        let Some((mut session, _, mut now, _)) = run(terms, &order).pop() else { return Ok(()) };
        session = session.on(Event::Tick, now).0;
        for _ in 0..50 {
            let Some(due) = session.due() else { break };
            now = now.max(due);
            // A cut that comes of silence may find at once that nobody listens, either.
            session = session.on(Event::Tick, now).0.on(Event::Tick, now).0;
            prop_assert!(session.due().is_none_or(|next| next > now), "{session:?} {now:?}");
        }
    }

    #[test]
    fn without_a_match_or_a_person_no_cut_is_lasting(terms in any_terms(), order in orders(60)) {
        let (mut now, mut session) = (0, begin(terms).0);
        for (kind, step) in order {
            now += step;
            let events: Vec<_> = all_events(&session)
                .into_iter()
                .filter(|(name, _)| {
                    !["block", "known", "interrupt", "rebroadcast"].iter().any(|no| name.contains(no))
                })
                .collect();
            let event = events[kind % events.len()].1.clone();
            let (next, effects) = session.on(event, at(now));
            for directive in said(&effects) {
                let is_lasting = matches!(directive, Directive::Interrupt { is_lasting: true, .. });
                prop_assert!(!is_lasting, "{directive:?}");
            }
            session = next;
        }
    }
}

/// Directives that were not said before.
fn said_as_new(effects: &[Effect]) -> Vec<Directive> {
    let new = effects.iter().filter_map(|effect| {
        let Effect::Say { directive, is_again: false, .. } = effect else { return None };
        Some(*directive)
    });
    new.collect()
}

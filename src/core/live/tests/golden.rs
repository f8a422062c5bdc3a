//! The table of every state and every event.

use super::*;
use crate::core::live::effect::{Record, Why};
use crate::core::live::policy::Measure;
use crate::core::live::session::Standing;
use std::collections::BTreeSet;

/// A session in each state, and the time it is then.
fn states() -> Vec<(&'static str, Session, Time)> {
    let opening = begin(terms()).0;
    let heard = |session: Session, now| {
        let last = session.said();
        send(session, Said::Ack(last), now).0
    };
    let guarding = heard(send(opening.clone(), clean(), at(1000)).0, at(1000));
    let after = |said, millis| heard(send(guarding.clone(), said, at(millis)).0, at(millis));
    let calm = Terms { on_silence: Measure::Escalate, on_unheard: Measure::Escalate, ..terms() };
    let calm = send(begin(calm).0, clean(), at(1000)).0;
    let silent = heard(calm.clone(), at(1000)).on(Event::Tick, at(11_500)).0;
    let unheard =
        (2..=11).fold(calm, |session, second| send(session, clean(), at(second * 1000)).0);
    let interrupted = guarding.clone().on(Event::Interrupts, at(2000)).0;
    let lost = guarding.clone().on(Event::Lost, at(2000)).0;
    vec![
        ("opening", opening, at(0)),
        ("guarding", guarding.clone(), at(1000)),
        ("muted", after(Said::Audio(vec![score("sound", 0.6)]), 1500), at(1500)),
        ("blurred", after(frame(score("picture", 0.6)), 1500), at(1500)),
        ("paused", after(frame(matched(Disposition::Hold)), 1500), at(1500)),
        ("silent", silent, at(11_500)),
        ("unheard", unheard, at(11_000)),
        ("lost", lost, at(2000)),
        (
            "interrupted for now",
            send(guarding.clone(), frame(score("picture", 0.95)), at(2000)).0,
            at(2000),
        ),
        ("interrupted", interrupted.clone(), at(2000)),
        ("interrupted and lost", interrupted.clone().on(Event::Lost, at(2000)).0, at(2000)),
        ("cut", heard(interrupted, at(2100)), at(2100)),
        ("ended", send(guarding, Said::Stop, at(2000)).0, at(2000)),
    ]
}

fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs_f64())
}

fn directive(directive: &Directive) -> String {
    match directive {
        Directive::Continue { interval, is_examined: true } => {
            format!("continue {}", seconds(*interval))
        }
        Directive::Continue { interval, is_examined: false } => {
            format!("continue-unexamined {}", seconds(*interval))
        }
        Directive::Mute { interval } => format!("mute {}", seconds(*interval)),
        Directive::Blur { interval } => format!("blur {}", seconds(*interval)),
        Directive::Pause { interval } => format!("pause {}", seconds(*interval)),
        Directive::Interrupt { window, cause, is_lasting } => format!(
            "interrupt {cause:?} {} {}..{}",
            if *is_lasting { "lasting" } else { "for-review" },
            window.from.millis(),
            window.until.millis()
        ),
        Directive::Escalate { cause } => format!("escalate {cause:?}"),
    }
}

fn why(why: &Why) -> String {
    match why {
        Why::Stopped => "stopped".into(),
        Why::Lost(measure) => format!("lost {measure:?}"),
        Why::Cut { cause, is_lasting, is_acknowledged } => format!(
            "cut {cause:?}{}{}",
            if *is_lasting { " lasting" } else { " for-review" },
            if *is_acknowledged { " acknowledged" } else { " unacknowledged" }
        ),
    }
}

fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Say { number, directive: said, is_again } => {
            let again = if *is_again { " again" } else { "" };
            format!("say{again} {number} {}", directive(said))
        }
        Effect::Preserve { pieces: Some(pieces), .. } => {
            format!("preserve {}..{} ({})", pieces.first, pieces.last, pieces.count)
        }
        Effect::Preserve { pieces: None, .. } => "preserve nothing".into(),
        Effect::LetGo { below } => format!("let-go <{below}"),
        Effect::Keep(record) => match record {
            Record::Directed { number, level, .. } => format!("keep directed {number} {level:?}"),
            Record::Eased { number, level } => format!("keep eased {number} {level:?}"),
            Record::Acknowledged { number, waited } => {
                format!("keep acknowledged {number} {}", seconds(*waited))
            }
            Record::Lost => "keep lost".into(),
            Record::Resumed => "keep resumed".into(),
            Record::Ended(_) => "keep ended".into(),
        },
        Effect::Review { cause, priority } => format!("review {cause:?} {priority:?}"),
        Effect::Timed { number, is_cut, waited } => {
            let cut = if *is_cut { " to cut" } else { "" };
            format!("timed {number}{cut} {}", seconds(*waited))
        }
        Effect::Resumed { taken } => format!("resumed {taken}"),
        Effect::Refuse(fault) => format!("refuse: {fault}"),
        Effect::End(ending) => {
            let clean = if ending.is_clean() { "clean" } else { "not clean" };
            format!("end {} {clean}", why(&ending.why))
        }
    }
}

#[test]
fn every_event_in_every_state_does_what_the_table_says() {
    let mut table = String::new();
    for (name, session, now) in states() {
        table += &format!("## {name}: {:?} {:?}\n", session.standing(), session.glance().level);
        let mut rows: Vec<_> = all_events(&session)
            .into_iter()
            .map(|(name, event)| (name.to_owned(), session.clone().on(event, now)))
            .collect();
        for later in [2, 5, 11, 16, 30] {
            let then = now.plus(Duration::from_secs(later));
            rows.push((format!("tick after {later}s"), session.clone().on(Event::Tick, then)));
        }
        for (name, (after, effects)) in rows {
            let same = if after == session { " (as it was)" } else { "" };
            let effects: Vec<_> = effects.iter().map(effect).collect();
            table += &format!(
                "{name} -> {:?} {:?}{same}: {}\n",
                after.standing(),
                after.glance().level,
                effects.join("; ")
            );
        }
        table += "\n";
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_table_has_every_state() {
    let standing = |(_, session, _): (_, Session, _)| session.standing();
    let reached: BTreeSet<_> = states().into_iter().map(standing).collect();
    assert_eq!(reached.len(), Standing::Ended as usize + 1, "{reached:?}");
}

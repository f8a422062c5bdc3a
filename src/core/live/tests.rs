//! The session as a whole: what it promises for any order of events.

mod golden;
mod promises;
mod sequences;

use crate::core::live::effect::{Directive, Effect};
use crate::core::live::event::{
    ActorRisk, Coverage, Event, Found, Judged, Load, Said, Start, Token, ViewerEvent,
};
use crate::core::live::policy::{Level, Policy, ScoreRule, Step, Terms};
use crate::core::live::session::Session;
use crate::core::time::Time;
use crate::core::verdict::{Assurance, CheckState, Disposition, ReviewPriority};
use std::sync::Arc;
use std::time::Duration;

const TOKEN: Token = Token::new([7; 16]);

/// Settings with round times and a rule for each step.
fn terms() -> Terms {
    let rule = |category: &str, at_least, level, step| ScoreRule {
        category: category.into(),
        at_least,
        level,
        step,
    };
    Terms {
        frames_up: 1,
        unexamined_max: Duration::from_secs(2),
        rules: vec![
            rule("sound", 0.5, Level::Elevated, Step::Mute),
            rule("picture", 0.5, Level::Elevated, Step::Blur),
            rule("picture", 0.9, Level::Critical, Step::Interrupt),
        ],
        step_elevated: Step::Continue,
        ..Terms::usual()
    }
}

fn begin(terms: Terms) -> (Session, Vec<Effect>) {
    begin_as(terms, ActorRisk::Usual)
}

fn begin_as(terms: Terms, actor: ActorRisk) -> (Session, Vec<Effect>) {
    let policy = Arc::new(Policy::of(terms).expect("good settings"));
    Session::start(policy, Start { actor, token: TOKEN }, at(0))
}

const fn at(millis: i64) -> Time {
    Time::from_millis(millis)
}

fn judged(coverage: Coverage, found: Vec<Found>) -> Judged {
    Judged { bytes: 1000, coverage, found }
}

fn clean() -> Said {
    Said::Frame(judged(Coverage::Whole, Vec::new()))
}

fn corrupt() -> Said {
    Said::Frame(judged(Coverage::Lacking(CheckState::Corrupt), Vec::new()))
}

fn matched(disposition: Disposition) -> Found {
    Found::Match { disposition, assurance: Assurance::Likely }
}

fn score(category: &str, value: f64) -> Found {
    Found::Score { category: category.into(), value }
}

fn frame(found: Found) -> Said {
    Said::Frame(judged(Coverage::Whole, vec![found]))
}

fn sent(session: &Session, said: Said) -> Event {
    Event::Sent { number: session.taken() + 1, said }
}

/// Gives the session its next message.
fn send(session: Session, said: Said, now: Time) -> (Session, Vec<Effect>) {
    let event = sent(&session, said);
    session.on(event, now)
}

fn is_continue(effect: &Effect) -> bool {
    matches!(effect, Effect::Say { directive: Directive::Continue { .. }, .. })
}

fn said(effects: &[Effect]) -> Vec<Directive> {
    let directives = effects.iter().filter_map(|effect| {
        let Effect::Say { directive, .. } = effect else { return None };
        Some(*directive)
    });
    directives.collect()
}

fn all_said(session: &Session) -> Vec<(&'static str, Said)> {
    let found = |disposition| frame(matched(disposition));
    let lacking = |state| Said::Frame(judged(Coverage::Lacking(state), Vec::new()));
    let rebroadcast =
        |disposition| Found::Rebroadcast { disposition, assurance: Assurance::Likely };
    let known =
        Found::Match { disposition: Disposition::Block, assurance: Assurance::VerifiedKnown };
    vec![
        ("frame clean", clean()),
        ("frame advice", frame(Found::Advice(ReviewPriority::High))),
        ("frame friction", found(Disposition::AllowWithFriction)),
        ("frame hold", found(Disposition::Hold)),
        ("frame block", found(Disposition::Block)),
        ("frame known", frame(known)),
        ("frame interrupt", found(Disposition::Interrupt)),
        ("frame rebroadcast hold", frame(rebroadcast(Disposition::Hold))),
        ("frame rebroadcast", frame(rebroadcast(Disposition::Block))),
        ("frame score", frame(score("picture", 0.6))),
        ("frame high score", frame(score("picture", 0.95))),
        ("frame corrupt", corrupt()),
        ("frame too large", lacking(CheckState::TooLarge)),
        ("frame deadline", lacking(CheckState::Deadline)),
        ("frame shed", lacking(CheckState::Shed)),
        (
            "frame corrupt block",
            Said::Frame(judged(
                Coverage::Lacking(CheckState::Corrupt),
                vec![matched(Disposition::Block)],
            )),
        ),
        ("segment clean", Said::Segment(judged(Coverage::Whole, Vec::new()))),
        (
            "segment block",
            Said::Segment(judged(Coverage::Whole, vec![matched(Disposition::Block)])),
        ),
        ("audio quiet", Said::Audio(vec![score("sound", 0.1)])),
        ("audio score", Said::Audio(vec![score("sound", 0.6)])),
        ("chat", Said::Chat(Vec::new())),
        ("chat advice", Said::Chat(vec![Found::Advice(ReviewPriority::Normal)])),
        ("chat score", Said::Chat(vec![score("picture", 0.6)])),
        ("viewer joined", Said::Viewer(ViewerEvent::Joined)),
        ("viewer left", Said::Viewer(ViewerEvent::Left)),
        ("viewer reported", Said::Viewer(ViewerEvent::Reported)),
        ("ack", Said::Ack(session.said())),
        ("ack of old", Said::Ack(0)),
        ("ack of unsaid", Said::Ack(session.said() + 1)),
        ("stop", Said::Stop),
    ]
}

/// Every kind of event, each as the session's next, with its name.
fn all_events(session: &Session) -> Vec<(&'static str, Event)> {
    let next = session.taken() + 1;
    let mut events: Vec<_> = all_said(session)
        .into_iter()
        .map(|(name, said)| (name, Event::Sent { number: next, said }))
        .collect();
    let heard = session.said();
    events.extend([
        ("repeated", Event::Sent { number: next - 1, said: frame(matched(Disposition::Block)) }),
        ("gap", Event::Sent { number: next + 1, said: clean() }),
        ("person interrupts", Event::Interrupts),
        ("lost", Event::Lost),
        ("resume", Event::Resume { token: TOKEN, heard }),
        ("resume, nothing heard", Event::Resume { token: TOKEN, heard: 0 }),
        ("resume, unsaid heard", Event::Resume { token: TOKEN, heard: heard + 1 }),
        ("resume, other token", Event::Resume { token: Token::new([8; 16]), heard: 0 }),
        ("load", Event::Load(Load::FULL)),
        ("tick", Event::Tick),
    ]);
    events
}

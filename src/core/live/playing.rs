//! A stream that plays, with whatever is done to it short of a cut.

use crate::core::live::body::{Body, Link, Turn};
use crate::core::live::cut::Cut;
use crate::core::live::effect::{Directive, Effect, Ending, Record, Why};
use crate::core::live::event::{Coverage, Event, Fault, Found, Judged, Said, Start, ViewerEvent};
use crate::core::live::policy::{Level, Measure, Policy, Step};
use crate::core::live::risk::{Asked, Cause, Risk};
use crate::core::live::sampling::next_sample_interval;
use crate::core::time::Time;
use crate::core::verdict::{CheckState, ReviewPriority};
use std::sync::Arc;

/// A stream that plays.
#[derive(Debug, Clone, PartialEq)]
pub struct Playing {
    pub body: Box<Body>,
    pub risk: Risk,
    /// When the last piece came that was examined whole; the start, before the first.
    examined: Time,
    /// The second in which chat was last written, and how much was in it.
    chats: (i64, u32),
}

/// What a stream that plays becomes.
pub enum After {
    Playing(Playing),
    Cut(Cut),
    Ended(Ending),
}

impl Playing {
    /// A stream that begins: the caller may go on, which says nothing of the stream.
    pub fn new(policy: Arc<Policy>, start: Start, now: Time, out: &mut Vec<Effect>) -> Self {
        let risk = Risk::new(&policy, start.actor, now);
        let mut body = Box::new(Body::new(policy, start, now));
        body.worst = risk.level();
        let mut playing = Self { body, risk, examined: now, chats: (0, 0) };
        playing.say(false, out);
        playing
    }

    /// Says how the stream is to be shown.
    fn say(&mut self, is_examined: bool, out: &mut Vec<Effect>) -> (u64, Directive) {
        let (policy, risk) = (&self.body.policy, &self.risk);
        let interval = next_sample_interval(policy, risk.level(), risk.actor(), self.body.load);
        let directive = match risk.step() {
            Step::Continue => Directive::Continue { interval, is_examined },
            Step::Mute => Directive::Mute { interval },
            Step::Blur => Directive::Blur { interval },
            // A cut is no state of what plays.
            Step::Pause | Step::Interrupt => Directive::Pause { interval },
        };
        (self.body.say(directive, out), directive)
    }

    /// Whether nothing has come for too long.
    pub fn is_silent(&self) -> bool {
        let silence = self.body.now.since(self.body.last_piece);
        self.body.link == Link::Up && silence >= self.body.policy.terms().silence_max
    }

    /// What time has made of it.
    pub fn pass(mut self, out: &mut Vec<Effect>) -> After {
        let terms = self.body.policy.terms();
        let (on_lost, on_unheard, on_silence) = (terms.on_lost, terms.on_unheard, terms.on_silence);
        if self.body.is_given_up() {
            let priority = ReviewPriority::High;
            return match on_lost {
                Measure::Interrupt => {
                    // Who comes back after all is told that it is cut.
                    self.body.link = Link::Down { since: self.body.now };
                    self.cut(Asked::by(on_lost, Cause::Lost), out)
                }
                Measure::Pause | Measure::Escalate => {
                    self.body.review(Cause::Lost, priority, out);
                    After::Ended(self.body.end(Why::Lost(on_lost), out))
                }
            };
        }
        if self.body.link == Link::Up {
            self.body.say_again(out);
        }
        let mut asked = Vec::new();
        if self.body.is_unheard() {
            asked.push(Asked::by(on_unheard, Cause::Unheard));
        }
        if self.is_silent() {
            asked.push(Asked::by(on_silence, Cause::Silence));
        }
        if asked.is_empty() {
            return After::Playing(self);
        }
        self.body.had_gaps = true;
        self.apply(&asked, None, out)
    }

    /// When time alone changes something.
    pub fn due(&self) -> Option<Time> {
        let silent = self.body.last_piece.plus(self.body.policy.terms().silence_max);
        let silent = silent.max(match self.is_silent() {
            true => self.body.called_again(Cause::Silence).unwrap_or(silent),
            false => silent,
        });
        let silent = (self.body.link == Link::Up).then_some(silent);
        self.body.due().into_iter().chain(silent).min()
    }

    pub fn on(mut self, event: Event, out: &mut Vec<Effect>) -> After {
        match event {
            Event::Sent { number, said } => match self.take(number, &said, out) {
                Ok(Turn::Next) => self.sent(number, said, out),
                Ok(Turn::Repeated) => After::Playing(self),
                Err(fault) => {
                    out.push(Effect::Refuse(fault));
                    After::Playing(self)
                }
            },
            Event::Interrupts => {
                let (level, step) = (Level::Critical, Step::Interrupt);
                self.cut(Asked { level, step, cause: Cause::Person, review: None }, out)
            }
            Event::Lost => {
                self.body.lose(out);
                After::Playing(self)
            }
            Event::Resume { token, heard } => {
                if let Err(fault) = self.body.resume(token, heard, out) {
                    out.push(Effect::Refuse(fault));
                }
                After::Playing(self)
            }
            Event::Load(load) => {
                self.body.load = load;
                After::Playing(self)
            }
            Event::Tick => After::Playing(self),
        }
    }

    /// Takes a message's number, unless something is wrong with it: then the stream is as it was.
    fn take(&mut self, number: u64, said: &Said, out: &mut Vec<Effect>) -> Result<Turn, Fault> {
        let turn = self.body.turn(number)?;
        match turn {
            Turn::Repeated => {}
            Turn::Next => {
                if let Said::Ack(directive) = said {
                    self.body.acknowledge(*directive, out)?;
                }
                self.body.taken = number;
            }
        }
        Ok(turn)
    }

    fn sent(mut self, number: u64, said: Said, out: &mut Vec<Effect>) -> After {
        match said {
            Said::Frame(judged) | Said::Segment(judged) => self.piece(number, &judged, out),
            Said::Audio(found) => {
                let asked = self.risk.weigh(&self.body.policy, &found);
                self.apply(&asked, None, out)
            }
            Said::Chat(found) => {
                let asked = self.chat(&found);
                self.apply(&asked, None, out)
            }
            Said::Viewer(event) => {
                let max = self.body.policy.terms().viewers_max;
                let asked = match event {
                    ViewerEvent::Joined => {
                        self.body.viewers = self.body.viewers.saturating_add(1).min(max);
                        None
                    }
                    ViewerEvent::Left => {
                        self.body.viewers = self.body.viewers.saturating_sub(1);
                        None
                    }
                    ViewerEvent::Reported => self.risk.report(&self.body.policy),
                };
                self.apply(asked.as_slice(), None, out)
            }
            Said::Ack(_) => After::Playing(self),
            Said::Stop => After::Ended(self.body.end(Why::Stopped, out)),
        }
    }

    /// What is written, unless there is more of it in this second than is weighed.
    fn chat(&mut self, found: &[Found]) -> Vec<Asked> {
        let second = self.body.now.millis().div_euclid(1000);
        if self.chats.0 != second {
            self.chats = (second, 0);
        }
        self.chats.1 = self.chats.1.saturating_add(1);
        if self.chats.1 > self.body.policy.terms().chats_per_second_max {
            return vec![Asked::watch(Cause::Chat)];
        }
        self.risk.weigh(&self.body.policy, found)
    }

    fn piece(mut self, number: u64, judged: &Judged, out: &mut Vec<Effect>) -> After {
        self.body.buffer(number, judged.bytes, out);
        let mut asked = self.risk.weigh(&self.body.policy, &judged.found);
        let is_whole = match judged.coverage {
            Coverage::Whole => {
                self.examined = self.body.now;
                true
            }
            Coverage::Lacking(state) => {
                self.body.unexamined = self.body.unexamined.saturating_add(1);
                let terms = self.body.policy.terms();
                let (cause, measure) = match state == CheckState::Shed {
                    true => (Cause::Shed, terms.on_shed),
                    false => (Cause::Unexamined, terms.on_unexamined),
                };
                let is_late = self.body.now.since(self.examined) >= terms.unexamined_max;
                let watch = Asked::watch(cause);
                asked.push(if is_late { Asked::by(measure, cause) } else { watch });
                false
            }
        };
        self.apply(&asked, Some(is_whole), out)
    }

    /// Does what was asked for. A piece is always answered; anything else where it changes what is done.
    fn apply(mut self, asked: &[Asked], is_whole: Option<bool>, out: &mut Vec<Effect>) -> After {
        let before = self.risk.step();
        // Among cuts one that stands by itself goes before others.
        let strictest =
            asked.iter().max_by_key(|one| (one.step, one.cause.is_lasting(), one.level));
        if let Some(cut) = strictest.filter(|one| one.step == Step::Interrupt) {
            return After::Cut(self.into_cut(*cut, out));
        }
        for one in asked {
            self.risk.raise(&self.body.policy, *one);
        }
        self.body.worst = self.body.worst.max(self.risk.level());
        match is_whole {
            Some(true) => self.risk.examined(&self.body.policy, self.body.now),
            Some(false) => self.risk.unexamined(self.body.now),
            None => {}
        }
        let step = self.risk.step();
        if step != before || is_whole.is_some() {
            let (number, directive) = self.say(is_whole == Some(true), out);
            let level = self.risk.level();
            if let Some(one) = strictest.filter(|_| step > before) {
                let cause = one.cause;
                out.push(Effect::Keep(Record::Directed { number, directive, cause, level }));
            }
            if step < before {
                out.push(Effect::Keep(Record::Eased { number, level }));
            }
        }
        for one in asked {
            self.call(*one, out);
        }
        After::Playing(self)
    }

    /// Calls a person where that is asked for; the platform, too, from the level that the policy says.
    fn call(&mut self, asked: Asked, out: &mut Vec<Effect>) {
        let Asked { level, cause, .. } = asked;
        let Some(priority) = asked.review else { return };
        if !self.body.review(cause, priority, out) {
            return;
        }
        if level >= self.body.policy.terms().escalate_from {
            let directive = Directive::Escalate { cause };
            let number = self.body.say(directive, out);
            out.push(Effect::Keep(Record::Directed { number, directive, cause, level }));
        }
    }

    fn cut(self, asked: Asked, out: &mut Vec<Effect>) -> After {
        After::Cut(self.into_cut(asked, out))
    }

    fn into_cut(self, asked: Asked, out: &mut Vec<Effect>) -> Cut {
        let level = self.risk.level().max(asked.level);
        Cut::new(self.body, asked.cause, asked.review, level, out)
    }
}

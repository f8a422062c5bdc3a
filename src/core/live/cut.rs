//! A stream that was cut. No way leads from here to one that plays: there is no directive to go on in this room.

use crate::core::live::body::{Body, Link, Turn};
use crate::core::live::buffer::{Pieces, Window};
use crate::core::live::effect::{Directive, Effect, Ending, Record, Why};
use crate::core::live::event::{Event, Fault, Found, Judged, Said};
use crate::core::live::policy::{Level, Step};
use crate::core::live::risk::{Asked, Cause};
use crate::core::time::Time;
use crate::core::verdict::ReviewPriority;

/// A cut stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    pub body: Box<Body>,
    cause: Cause,
    is_lasting: bool,
    is_acknowledged: bool,
    window: Window,
}

/// What a cut stream becomes.
pub enum AfterCut {
    Cut(Cut),
    Ended(Ending),
}

impl Cut {
    /// Cuts a stream, now.
    pub fn new(
        mut body: Box<Body>,
        cause: Cause,
        review: Option<ReviewPriority>,
        level: Level,
        out: &mut Vec<Effect>,
    ) -> Self {
        let window = body.window();
        body.worst = body.worst.max(level);
        let is_lasting = cause.is_lasting();
        let mut cut = Self { body, cause, is_lasting, is_acknowledged: false, window };
        cut.say(level, out);
        let pieces = cut.body.buffer.within(window);
        out.insert(out.len() - 1, Effect::Preserve { window, pieces });
        if let Some(priority) = review {
            cut.body.call(cause, priority, out);
        }
        cut
    }

    /// Says the cut and keeps that it was said.
    fn say(&mut self, level: Level, out: &mut Vec<Effect>) {
        let Self { window, cause, is_lasting, .. } = *self;
        let directive = Directive::Interrupt { window, cause, is_lasting };
        let number = self.body.say(directive, out);
        out.push(Effect::Keep(Record::Directed { number, directive, cause, level }));
    }

    /// Whether the platform has said that the stream is cut.
    pub const fn is_acknowledged(&self) -> bool {
        self.is_acknowledged
    }

    /// Whether it stands by itself.
    pub const fn is_lasting(&self) -> bool {
        self.is_lasting
    }

    const fn why(&self) -> Why {
        let Self { cause, is_lasting, is_acknowledged, .. } = *self;
        Why::Cut { cause, is_lasting, is_acknowledged }
    }

    fn end(self, why: Why, out: &mut Vec<Effect>) -> AfterCut {
        AfterCut::Ended(self.body.end(why, out))
    }

    /// What time has made of it.
    pub fn pass(mut self, out: &mut Vec<Effect>) -> AfterCut {
        if self.body.link == Link::Up {
            self.body.say_again(out);
        }
        let is_given_up = self.body.is_given_up();
        if !self.is_acknowledged && (is_given_up || self.body.is_unheard()) {
            self.body.review(Cause::Unheard, ReviewPriority::High, out);
        }
        if is_given_up || (self.is_acknowledged && self.body.now > self.window.until) {
            let why = self.why();
            return self.end(why, out);
        }
        AfterCut::Cut(self)
    }

    /// When time alone changes something.
    pub fn due(&self) -> Option<Time> {
        let over = self.window.until.plus(std::time::Duration::from_millis(1));
        self.body.due().into_iter().chain(self.is_acknowledged.then_some(over)).min()
    }

    pub fn on(mut self, event: Event, out: &mut Vec<Effect>) -> AfterCut {
        match event {
            Event::Sent { number, said } => match self.sent(number, said, out) {
                Ok(None) => AfterCut::Cut(self),
                Ok(Some(why)) => self.end(why, out),
                Err(fault) => {
                    out.push(Effect::Refuse(fault));
                    AfterCut::Cut(self)
                }
            },
            Event::Interrupts => {
                self.harden(Cause::Person, None, out);
                AfterCut::Cut(self)
            }
            Event::Lost => {
                self.body.lose(out);
                AfterCut::Cut(self)
            }
            Event::Resume { token, heard } => {
                if let Err(fault) = self.body.resume(token, heard, out) {
                    out.push(Effect::Refuse(fault));
                }
                AfterCut::Cut(self)
            }
            Event::Load(load) => {
                self.body.load = load;
                AfterCut::Cut(self)
            }
            Event::Tick => AfterCut::Cut(self),
        }
    }

    fn sent(
        &mut self,
        number: u64,
        said: Said,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Why>, Fault> {
        match self.body.turn(number)? {
            Turn::Repeated => return Ok(None),
            Turn::Next => {}
        }
        if let Said::Ack(directive) = said {
            self.is_acknowledged |= self.body.acknowledge(directive, out)?;
        }
        self.body.taken = number;
        Ok(match said {
            Said::Frame(judged) | Said::Segment(judged) => {
                self.piece(number, &judged, out);
                None
            }
            Said::Stop => Some(self.why()),
            Said::Audio(_) | Said::Chat(_) | Said::Viewer(_) | Said::Ack(_) => None,
        })
    }

    /// What still comes is evidence while the window lasts. It may turn a cut for now into one that stands.
    fn piece(&mut self, number: u64, judged: &Judged, out: &mut Vec<Effect>) {
        let bytes = judged.bytes;
        self.body.buffer(number, bytes, out);
        if self.window.contains(self.body.now) {
            let pieces = Some(Pieces { first: number, last: number, count: 1, bytes });
            out.push(Effect::Preserve { window: self.window, pieces });
        }
        let policy = &self.body.policy;
        let mut asked = judged.found.iter().filter_map(|found| match found {
            Found::Match { disposition, assurance } => {
                Asked::matched(policy, *disposition, *assurance, Cause::Match)
            }
            Found::Rebroadcast { disposition, assurance } => {
                Asked::matched(policy, *disposition, *assurance, Cause::Rebroadcast)
            }
            Found::Advice(_) | Found::Score { .. } => None,
        });
        if let Some(asked) = asked.find(|asked| asked.step == Step::Interrupt) {
            self.harden(asked.cause, asked.review, out);
        }
    }

    /// Makes a cut for now one that stands; the platform is told anew.
    fn harden(&mut self, cause: Cause, review: Option<ReviewPriority>, out: &mut Vec<Effect>) {
        if !self.is_lasting {
            (self.cause, self.is_lasting, self.is_acknowledged) = (cause, true, false);
            self.body.worst = Level::Critical;
            self.say(Level::Critical, out);
            if let Some(priority) = review {
                self.body.call(cause, priority, out);
            }
        }
    }
}

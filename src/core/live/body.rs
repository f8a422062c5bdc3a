//! What a stream that plays and one that was cut have in common: numbers, directives, pieces, connection.

use crate::core::live::buffer::{Buffer, Piece, Window};
use crate::core::live::effect::{Directive, Effect, Ending, Record, Why};
use crate::core::live::event::{Fault, Load, Start, Token};
use crate::core::live::outbox::Outbox;
use crate::core::live::policy::{Level, Policy};
use crate::core::live::risk::Cause;
use crate::core::time::Time;
use crate::core::verdict::ReviewPriority;
use std::sync::Arc;

/// The connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It stands.
    Up,
    /// It is broken.
    Down {
        /// Since when.
        since: Time,
    },
}

/// Whether a message is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is the next one.
    Next,
    /// It was taken before.
    Repeated,
}

/// What is common to all that runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    pub policy: Arc<Policy>,
    pub token: Token,
    pub now: Time,
    pub started: Time,
    pub taken: u64,
    pub outbox: Outbox,
    pub buffer: Buffer,
    pub link: Link,
    pub load: Load,
    pub viewers: u32,
    pub last_piece: Time,
    pub pieces: u64,
    pub unexamined: u64,
    pub had_gaps: bool,
    pub worst: Level,
    /// When a person was last called for each cause, and how soon to look.
    called: [Option<(Time, ReviewPriority)>; Cause::ALL.len()],
}

impl Body {
    pub fn new(policy: Arc<Policy>, start: Start, now: Time) -> Self {
        Self {
            policy,
            token: start.token,
            now,
            started: now,
            taken: 0,
            outbox: Outbox::default(),
            buffer: Buffer::default(),
            link: Link::Up,
            load: Load::NONE,
            viewers: 0,
            last_piece: now,
            pieces: 0,
            unexamined: 0,
            had_gaps: false,
            worst: Level::Quiet,
            called: [None; Cause::ALL.len()],
        }
    }

    /// Whether a message is due.
    pub fn turn(&self, number: u64) -> Result<Turn, Fault> {
        let expected = self.taken.saturating_add(1);
        match self.link {
            Link::Down { .. } => Err(Fault::NotResumed),
            Link::Up if number == expected => Ok(Turn::Next),
            Link::Up if number < expected => Ok(Turn::Repeated),
            Link::Up => Err(Fault::Gap { expected }),
        }
    }

    /// Says something; while the connection is broken it waits until somebody comes back.
    pub fn say(&mut self, directive: Directive, out: &mut Vec<Effect>) -> u64 {
        let number = self.outbox.say(directive, self.now);
        match self.link {
            Link::Up => out.push(Effect::Say { number, directive, is_again: false }),
            Link::Down { .. } => {}
        }
        number
    }

    /// Says again what was not acknowledged for too long.
    pub fn say_again(&mut self, out: &mut Vec<Effect>) {
        for waiting in self.outbox.again(self.policy.terms().say_again, self.now) {
            let (number, directive) = (waiting.number, waiting.directive);
            out.push(Effect::Say { number, directive, is_again: true });
        }
    }

    /// Whether an acknowledgement is due for too long.
    pub fn is_unheard(&self) -> bool {
        let late = self.policy.terms().acknowledge_max;
        self.link == Link::Up && self.outbox.due().is_some_and(|due| self.now.since(due) >= late)
    }

    /// Takes an acknowledgement; whether it was one of a cut.
    pub fn acknowledge(&mut self, number: u64, out: &mut Vec<Effect>) -> Result<bool, Fault> {
        let done = self.outbox.acknowledge(number)?;
        for waiting in &done {
            let (number, is_cut) = (waiting.number, waiting.is_cut());
            let waited = self.now.since(waiting.decided);
            out.push(Effect::Timed { number, is_cut, waited });
            if is_cut {
                out.push(Effect::Keep(Record::Acknowledged { number, waited }));
            }
        }
        Ok(done.iter().any(|waiting| waiting.is_cut()))
    }

    /// Calls a person for a cause, but not again too soon unless it is more urgent; whether it did.
    pub fn review(
        &mut self,
        cause: Cause,
        priority: ReviewPriority,
        out: &mut Vec<Effect>,
    ) -> bool {
        let again = self.policy.terms().escalate_again;
        let is_due = self.called[cause as usize]
            .is_none_or(|(called, before)| priority > before || self.now.since(called) >= again);
        if is_due {
            self.call(cause, priority, out);
        }
        is_due
    }

    /// Calls a person for a cause, whoever was called before.
    pub fn call(&mut self, cause: Cause, priority: ReviewPriority, out: &mut Vec<Effect>) {
        self.called[cause as usize] = Some((self.now, priority));
        out.push(Effect::Review { cause, priority });
    }

    /// When a person is next called for a cause that goes on.
    pub fn called_again(&self, cause: Cause) -> Option<Time> {
        let again = self.policy.terms().escalate_again;
        self.called[cause as usize].map(|(called, _)| called.plus(again))
    }

    /// Takes a piece into the buffer.
    pub fn buffer(&mut self, number: u64, bytes: u64, out: &mut Vec<Effect>) {
        self.pieces = self.pieces.saturating_add(1);
        self.last_piece = self.now;
        let piece = Piece { number, bytes, at: self.now };
        if let Some(below) = self.buffer.push(self.policy.terms(), piece) {
            out.push(Effect::LetGo { below });
        }
    }

    /// The window of a cut that happens now.
    pub fn window(&self) -> Window {
        Window::around(self.policy.terms(), self.last_piece, self.now)
    }

    /// Takes a broken connection.
    pub fn lose(&mut self, out: &mut Vec<Effect>) {
        match self.link {
            Link::Up => {
                self.link = Link::Down { since: self.now };
                self.had_gaps = true;
                out.push(Effect::Keep(Record::Lost));
            }
            Link::Down { .. } => {}
        }
    }

    /// Whether the connection is broken for longer than it may be.
    pub fn is_given_up(&self) -> bool {
        match self.link {
            Link::Up => false,
            Link::Down { since } => self.now.since(since) >= self.policy.terms().resume_max,
        }
    }

    /// Takes a caller who comes back, on whatever connection: the old one is broken, noticed or not.
    pub fn resume(&mut self, token: Token, heard: u64, out: &mut Vec<Effect>) -> Result<(), Fault> {
        if !self.token.is(token) {
            return Err(Fault::Token);
        }
        let missed = self.outbox.resume(heard, self.now)?;
        if let Link::Down { since } = self.link {
            // While nobody could send, nobody was silent.
            self.last_piece = self.last_piece.plus(self.now.since(since)).min(self.now);
        }
        self.link = Link::Up;
        out.push(Effect::Resumed { taken: self.taken });
        out.push(Effect::Keep(Record::Resumed));
        for waiting in missed {
            let (number, directive) = (waiting.number, waiting.directive);
            out.push(Effect::Say { number, directive, is_again: true });
        }
        Ok(())
    }

    /// The session is over.
    pub fn end(&self, why: Why, out: &mut Vec<Effect>) -> Ending {
        let Self { worst, pieces, unexamined, had_gaps, .. } = *self;
        let ending = Ending { why, worst, pieces, unexamined, had_gaps };
        // What was clean is only counted.
        if !ending.is_clean() {
            out.push(Effect::Keep(Record::Ended(ending)));
        }
        out.push(Effect::End(ending));
        ending
    }

    /// When time alone changes something of what is common.
    pub fn due(&self) -> Option<Time> {
        let terms = self.policy.terms();
        match self.link {
            Link::Down { since } => Some(since.plus(terms.resume_max)),
            Link::Up => {
                let again = self.outbox.said().map(|said| said.plus(terms.say_again));
                let late = self.outbox.due().map(|due| due.plus(terms.acknowledge_max));
                let late = match self.is_unheard() {
                    true => self.called_again(Cause::Unheard).or(late),
                    false => late,
                };
                again.into_iter().chain(late).min()
            }
        }
    }
}

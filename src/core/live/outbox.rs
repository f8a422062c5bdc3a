//! Directives that were said and not yet acknowledged.

use crate::core::live::effect::Directive;
use crate::core::live::event::Fault;
use crate::core::live::risk::Cause;
use crate::core::time::Time;
use std::time::Duration;

/// A directive that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub number: u64,
    /// What it says.
    pub directive: Directive,
    /// When it was decided.
    pub decided: Time,
    /// When it was last said.
    pub said: Time,
}

impl Waiting {
    /// Whether it cuts the stream.
    pub const fn is_cut(&self) -> bool {
        matches!(self.directive, Directive::Interrupt { .. })
    }
}

/// Which of the directives before it one replaces.
#[derive(PartialEq, Eq)]
enum Slot {
    Show,
    Call(Cause),
}

const fn slot(directive: &Directive) -> Slot {
    match directive {
        Directive::Continue { .. }
        | Directive::Mute { .. }
        | Directive::Blur { .. }
        | Directive::Pause { .. }
        | Directive::Interrupt { .. } => Slot::Show,
        Directive::Escalate { cause } => Slot::Call(*cause),
    }
}

/// What was said so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outbox {
    last: u64,
    acknowledged: u64,
    /// Since when an acknowledgement is due; replaced directives count.
    due: Option<Time>,
    waiting: Vec<Waiting>,
}

impl Outbox {
    /// Gives a directive its number. It waits from now on, in place of what it replaces.
    pub fn say(&mut self, directive: Directive, now: Time) -> u64 {
        self.last = self.last.saturating_add(1);
        let replaced = slot(&directive);
        self.waiting.retain(|waiting| slot(&waiting.directive) != replaced);
        self.waiting.push(Waiting { number: self.last, directive, decided: now, said: now });
        self.due.get_or_insert(now);
        self.last
    }

    /// Takes an acknowledgement of everything up to a number; what no longer waits.
    pub fn acknowledge(&mut self, number: u64) -> Result<Vec<Waiting>, Fault> {
        if number > self.last {
            return Err(Fault::NotSaid { last: self.last });
        }
        let is_done = |waiting: &Waiting| waiting.number <= number;
        let done: Vec<_> = self.waiting.iter().copied().filter(is_done).collect();
        self.waiting.retain(|waiting| !is_done(waiting));
        // An old acknowledgement, said again, does not make the caller one who listens.
        if number > self.acknowledged {
            self.acknowledged = number;
            self.due = self.waiting.iter().map(|waiting| waiting.decided).min();
        }
        Ok(done)
    }

    /// What is to be said again by now.
    pub fn again(&mut self, after: Duration, now: Time) -> Vec<Waiting> {
        let late = self.waiting.iter_mut().filter(|waiting| now.since(waiting.said) >= after);
        late.map(|waiting| {
            waiting.said = now;
            *waiting
        })
        .collect()
    }

    /// What a caller who comes back has not received. Everything that waits begins to wait anew.
    pub fn resume(&mut self, heard: u64, now: Time) -> Result<Vec<Waiting>, Fault> {
        if heard > self.last {
            return Err(Fault::NotSaid { last: self.last });
        }
        self.due = self.due.map(|_| now);
        self.waiting.iter_mut().for_each(|waiting| waiting.said = now);
        Ok(self.waiting.iter().copied().filter(|waiting| waiting.number > heard).collect())
    }

    /// Since when an acknowledgement is due.
    pub const fn due(&self) -> Option<Time> {
        self.due
    }

    /// When the next one was last said.
    pub fn said(&self) -> Option<Time> {
        self.waiting.iter().map(|waiting| waiting.said).min()
    }

    /// Number of the last directive.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// How many wait.
    pub const fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(second: i64) -> Time {
        Time::from_millis(second * 1000)
    }

    const PAUSE: Directive = Directive::Pause { interval: Duration::ZERO };
    const BLUR: Directive = Directive::Blur { interval: Duration::ZERO };

    const fn call(cause: Cause) -> Directive {
        Directive::Escalate { cause }
    }

    fn numbers(waiting: Vec<Waiting>) -> Vec<u64> {
        waiting.into_iter().map(|waiting| waiting.number).collect()
    }

    #[test]
    fn what_was_replaced_is_not_said_again() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.say(BLUR, at(0)), 1);
        assert_eq!(outbox.say(call(Cause::Match), at(0)), 2);
        assert_eq!(outbox.say(PAUSE, at(1)), 3);
        assert_eq!(numbers(outbox.again(Duration::from_secs(1), at(1))), [2]);
        assert_eq!(numbers(outbox.again(Duration::from_secs(1), at(2))), [2, 3]);
        assert_eq!(numbers(outbox.again(Duration::from_secs(1), at(2))), Vec::<u64>::new());
    }

    #[test]
    fn an_acknowledgement_counts_for_all_before_it_and_only_for_what_was_said() {
        let mut outbox = Outbox::default();
        outbox.say(BLUR, at(0));
        outbox.say(call(Cause::Match), at(1));
        assert_eq!(outbox.acknowledge(3), Err(Fault::NotSaid { last: 2 }));
        assert_eq!(numbers(outbox.acknowledge(1).unwrap()), [1]);
        assert_eq!(outbox.due(), Some(at(1)));
        assert_eq!(numbers(outbox.acknowledge(1).unwrap()), Vec::<u64>::new());
        assert_eq!(numbers(outbox.acknowledge(2).unwrap()), [2]);
        assert_eq!(outbox.due(), None);
    }

    #[test]
    fn who_never_acknowledges_is_late_however_often_what_waits_is_replaced() {
        let mut outbox = Outbox::default();
        for second in 0..100 {
            outbox.say(BLUR, at(second));
        }
        assert_eq!((outbox.due(), outbox.len()), (Some(at(0)), 1));
    }

    #[test]
    fn who_comes_back_is_told_what_it_has_not_received() {
        let mut outbox = Outbox::default();
        outbox.say(BLUR, at(0));
        outbox.say(call(Cause::Match), at(1));
        assert_eq!(numbers(outbox.resume(1, at(9)).unwrap()), [2]);
        assert_eq!((outbox.due(), outbox.len()), (Some(at(9)), 2));
        assert_eq!(outbox.resume(3, at(9)), Err(Fault::NotSaid { last: 2 }));
    }
}

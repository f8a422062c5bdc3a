//! What a session wants done: said, preserved, kept, reviewed, measured.

use crate::core::live::buffer::{Pieces, Window};
use crate::core::live::event::Fault;
use crate::core::live::policy::{Level, Measure};
use crate::core::live::risk::Cause;
use crate::core::verdict::ReviewPriority;
use std::time::Duration;

/// Most effects of one event.
pub const EFFECTS_MAX: usize = 48;
/// Most directives that wait for an acknowledgement at once: one that says how the stream is to be shown, and a call of a
/// person for each cause. What is replaced does not wait.
pub const WAITING_MAX: usize = 1 + Cause::ALL.len();

/// What the platform is told to do with the stream. Each but [`Directive::Escalate`] replaces those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directive {
    /// Show it as it is.
    Continue {
        /// Time until the next sample is due.
        interval: Duration,
        /// Whether the last piece was examined whole. Without that it is no word on the stream, only leave to go on.
        is_examined: bool,
    },
    /// Switch its sound off.
    Mute {
        /// Time until the next sample is due.
        interval: Duration,
    },
    /// Make its picture unrecognisable; its sound is off.
    Blur {
        /// Time until the next sample is due.
        interval: Duration,
    },
    /// Show nothing of it, and go on sending samples: only they can end the pause.
    Pause {
        /// Time until the next sample is due.
        interval: Duration,
    },
    /// Cut it. It never plays again.
    Interrupt {
        /// What is to be preserved on the platform's side, too.
        window: Window,
        /// Why.
        cause: Cause,
        /// Whether it stands by itself; otherwise a person reviews it.
        is_lasting: bool,
    },
    /// Let a person look, now.
    Escalate {
        /// Why.
        cause: Cause,
    },
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The caller said that the stream is over.
    Stopped,
    /// The connection broke, nobody came back, and the policy says this of it.
    Lost(Measure),
    /// It was cut.
    Cut {
        /// Why.
        cause: Cause,
        /// Whether the cut stands by itself.
        is_lasting: bool,
        /// Whether the caller acknowledged it.
        is_acknowledged: bool,
    },
}

/// A session that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// How it ended.
    pub why: Why,
    /// The highest risk that it had.
    pub worst: Level,
    /// How many pieces came.
    pub pieces: u64,
    /// How many of them were not examined whole.
    pub unexamined: u64,
    /// Whether for some time nothing came, or nobody listened.
    pub had_gaps: bool,
}

impl Ending {
    /// Whether the stream ended by itself, was examined throughout, and nothing spoke against it. Of any other nobody may
    /// say that it was clean.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let is_whole = self.pieces > 0 && self.unexamined == 0 && !self.had_gaps;
        self.why == Why::Stopped && is_whole && self.worst < Level::Elevated
    }
}

/// What goes into the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// The platform was told more than to go on.
    Directed {
        /// Number of the directive.
        number: u64,
        /// What it was told.
        directive: Directive,
        /// Why.
        cause: Cause,
        /// How risky the stream is.
        level: Level,
    },
    /// A restraint ended: after quiet time, or because a person said so.
    Eased {
        /// Number of the directive that says so.
        number: u64,
        /// How risky the stream is now.
        level: Level,
    },
    /// The platform has cut the stream.
    Acknowledged {
        /// Number of the directive.
        number: u64,
        /// Time since it was decided.
        waited: Duration,
    },
    /// The connection broke.
    Lost,
    /// The caller came back.
    Resumed,
    /// The session ended otherwise than clean.
    Ended(Ending),
}

/// What is to be done. Effects are carried out in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Send a directive. A cut is sent before anything is written about it: what must not be seen waits for no disk.
    Say {
        /// Its number, from 1 without gaps.
        number: u64,
        /// What it says.
        directive: Directive,
        /// Whether it was sent before.
        is_again: bool,
    },
    /// Write these pieces where evidence is kept, before the next event is given to the session.
    Preserve {
        /// The window of the cut.
        window: Window,
        /// The pieces; nothing where none were kept.
        pieces: Option<Pieces>,
    },
    /// Pieces of lesser numbers may be let go; comes after everything else.
    LetGo {
        /// The least number that is still kept.
        below: u64,
    },
    /// Write this into the journal.
    Keep(Record),
    /// Let a person look.
    Review {
        /// Why.
        cause: Cause,
        /// How soon.
        priority: ReviewPriority,
    },
    /// Count how long the caller took from a decision to its acknowledgement.
    Timed {
        /// Number of the directive.
        number: u64,
        /// Whether it cut the stream: then this is the time to interrupt.
        is_cut: bool,
        /// Time since it was decided.
        waited: Duration,
    },
    /// Tell the caller who came back where it stands.
    Resumed {
        /// Number of the last message that was taken.
        taken: u64,
    },
    /// End the connection with an error; the session is as it was.
    Refuse(Fault),
    /// End the connection; the session is over.
    End(Ending),
}

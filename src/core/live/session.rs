//! The session that guards one live stream: an event and the time in, the session and its effects out.

use crate::core::live::body::{Body, Link};
use crate::core::live::cut::{AfterCut, Cut};
use crate::core::live::effect::{Effect, Ending};
use crate::core::live::event::{Event, Fault, Load, Start};
use crate::core::live::playing::{After, Playing};
use crate::core::live::policy::{Level, Policy, Step};
use crate::core::time::Time;
use std::sync::Arc;

/// How a stream stands, for lists and figures. Where several are true it is the last of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Nothing has come yet.
    Opening,
    /// It plays as it is.
    Guarding,
    /// Its sound is off.
    Muted,
    /// Its picture cannot be recognised.
    Blurred,
    /// Nothing of it is shown for now.
    Paused,
    /// Nothing comes, for longer than it may.
    Silent,
    /// Directives are not acknowledged, for longer than they may.
    Unheard,
    /// The connection is broken and may be taken up again.
    Lost,
    /// It is cut and the platform has not said so.
    Interrupted,
    /// It is cut.
    Cut,
    /// It is over.
    Ended,
}

/// What a list shows of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    /// How it stands.
    pub standing: Standing,
    /// How risky it is; the highest that it was, once it is cut or over.
    pub level: Level,
    /// Whether a cut stands by itself; `false` where there is none.
    pub is_lasting: bool,
    /// Pieces that have come.
    pub pieces: u64,
    /// Pieces of them that were not examined whole.
    pub unexamined: u64,
    /// Viewers, as far as the caller says.
    pub viewers: u32,
    /// Bytes of the pieces that are kept.
    pub buffer_bytes: u64,
    /// Directives that are not acknowledged.
    pub waiting: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Phase {
    Playing(Playing),
    Cut(Cut),
    Ended(Ending),
}

/// The session of one stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    phase: Phase,
}

impl From<After> for Phase {
    fn from(after: After) -> Self {
        match after {
            After::Playing(playing) => Self::Playing(playing),
            After::Cut(cut) => Self::Cut(cut),
            After::Ended(ending) => Self::Ended(ending),
        }
    }
}

impl From<AfterCut> for Phase {
    fn from(after: AfterCut) -> Self {
        match after {
            AfterCut::Cut(cut) => Self::Cut(cut),
            AfterCut::Ended(ending) => Self::Ended(ending),
        }
    }
}

impl Phase {
    fn pass(self, now: Time, out: &mut Vec<Effect>) -> Self {
        match self {
            Self::Playing(mut playing) => {
                playing.body.now = playing.body.now.max(now);
                playing.pass(out).into()
            }
            Self::Cut(mut cut) => {
                cut.body.now = cut.body.now.max(now);
                cut.pass(out).into()
            }
            Self::Ended(_) => self,
        }
    }

    fn on(self, event: Event, out: &mut Vec<Effect>) -> Self {
        match self {
            Self::Playing(playing) => playing.on(event, out).into(),
            Self::Cut(cut) => cut.on(event, out).into(),
            Self::Ended(_) => {
                match event {
                    Event::Sent { .. } | Event::Interrupts | Event::Resume { .. } => {
                        out.push(Effect::Refuse(Fault::Over));
                    }
                    Event::Lost | Event::Load(_) | Event::Tick => {}
                }
                self
            }
        }
    }

    const fn body(&self) -> Option<&Body> {
        match self {
            Self::Playing(playing) => Some(&playing.body),
            Self::Cut(cut) => Some(&cut.body),
            Self::Ended(_) => None,
        }
    }
}

impl Session {
    /// Begins to guard a stream.
    #[must_use]
    pub fn start(policy: Arc<Policy>, start: Start, now: Time) -> (Self, Vec<Effect>) {
        let mut effects = Vec::new();
        let phase = Phase::Playing(Playing::new(policy, start, now, &mut effects));
        (Self { phase }, effects)
    }

    /// Takes an event. What time has made of the stream since the last one comes first, so that an event that comes late
    /// undoes nothing. A time before that of an earlier event is taken for that one.
    #[must_use]
    pub fn on(self, event: Event, now: Time) -> (Self, Vec<Effect>) {
        let mut effects = Vec::new();
        let phase = self.phase.pass(now, &mut effects).on(event, &mut effects);
        // What is to be preserved must still be there.
        effects.sort_by_key(|effect| matches!(effect, Effect::LetGo { .. }));
        (Self { phase }, effects)
    }

    /// When the session wants a [`Event::Tick`] at the latest; nothing where time changes nothing.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        match &self.phase {
            Phase::Playing(playing) => playing.due(),
            Phase::Cut(cut) => cut.due(),
            Phase::Ended(_) => None,
        }
    }

    /// How it ended, if it did.
    #[must_use]
    pub const fn ending(&self) -> Option<Ending> {
        match &self.phase {
            Phase::Ended(ending) => Some(*ending),
            Phase::Playing(_) | Phase::Cut(_) => None,
        }
    }

    /// Number of the last message that was taken; 0 before the first and once it is over.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.phase.body().map_or(0, |body| body.taken)
    }

    /// Number of the last directive; 0 once it is over.
    #[must_use]
    pub fn said(&self) -> u64 {
        self.phase.body().map_or(0, |body| body.outbox.last())
    }

    /// When the session began, while it lasts.
    #[must_use]
    pub fn started(&self) -> Option<Time> {
        self.phase.body().map(|body| body.started)
    }

    /// How busy the service was when it last said so.
    #[must_use]
    pub fn load(&self) -> Load {
        self.phase.body().map_or(Load::NONE, |body| body.load)
    }

    /// How the stream stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match &self.phase {
            Phase::Ended(_) => Standing::Ended,
            Phase::Cut(cut) if cut.is_acknowledged() => Standing::Cut,
            Phase::Cut(_) => Standing::Interrupted,
            Phase::Playing(playing) if playing.body.link != Link::Up => Standing::Lost,
            Phase::Playing(playing) if playing.body.is_unheard() => Standing::Unheard,
            Phase::Playing(playing) if playing.is_silent() => Standing::Silent,
            Phase::Playing(playing) => match playing.risk.step() {
                Step::Continue if playing.body.pieces == 0 => Standing::Opening,
                Step::Continue => Standing::Guarding,
                Step::Mute => Standing::Muted,
                Step::Blur => Standing::Blurred,
                Step::Pause | Step::Interrupt => Standing::Paused,
            },
        }
    }

    /// What a list shows of the stream.
    #[must_use]
    pub fn glance(&self) -> Glance {
        let standing = self.standing();
        let (level, is_lasting) = match &self.phase {
            Phase::Playing(playing) => (playing.risk.level(), false),
            Phase::Cut(cut) => (cut.body.worst, cut.is_lasting()),
            Phase::Ended(ending) => (ending.worst, false),
        };
        let (pieces, unexamined) = match &self.phase {
            Phase::Playing(Playing { body, .. }) => (body.pieces, body.unexamined),
            Phase::Cut(cut) => (cut.body.pieces, cut.body.unexamined),
            Phase::Ended(ending) => (ending.pieces, ending.unexamined),
        };
        let body = self.phase.body();
        Glance {
            standing,
            level,
            is_lasting,
            pieces,
            unexamined,
            viewers: body.map_or(0, |body| body.viewers),
            buffer_bytes: body.map_or(0, |body| body.buffer.bytes()),
            waiting: body.map_or(0, |body| body.outbox.len()),
        }
    }
}

//! What the journal keeps of live streams.

use crate::core::id::{ActorId, CredentialId, StreamId, SurfaceId};
use crate::core::live::buffer::Window;
use crate::core::live::effect::{Directive, Record, Why};
use crate::core::live::policy::Level;
use crate::core::live::risk::Cause;
use crate::core::time::Time;
use crate::core::verdict::ReviewPriority;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The stream that something is kept of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guarded {
    /// Name of the session; the service made it.
    pub session: String,
    /// The platform's own name of the stream.
    pub stream: StreamId,
    /// The surface whose policy decides.
    pub surface: SurfaceId,
    /// Who broadcasts, where the platform said so.
    pub actor: Option<ActorId>,
}

impl Guarded {
    /// Name of the cut that a directive of the session says.
    #[must_use]
    pub fn cut(&self, directive: u64) -> String {
        format!("{}-{directive}", self.session)
    }
}

/// Who cut a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// By which credential.
    pub credential: CredentialId,
    /// Why, in the person's own words.
    pub reason: String,
}

/// A stream that is to be cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupt {
    /// Name of its row: a keyed fingerprint of the stream's name.
    pub row: String,
    /// Name of the cut, the same whenever it is told.
    pub id: String,
    /// Which stream.
    pub guarded: Guarded,
    /// Number of the directive that says so.
    pub directive: u64,
    /// Beginning of what is preserved.
    pub from: Time,
    /// Its end.
    pub until: Time,
    /// Why.
    pub cause: Cause,
    /// Whether it stands by itself; otherwise a person reviews it.
    pub is_lasting: bool,
    /// How risky the stream was.
    pub level: Level,
    /// When it was decided.
    pub at: Time,
    /// Who decided it, where a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Person>,
}

impl Interrupt {
    /// What is preserved.
    #[must_use]
    pub const fn window(&self) -> Window {
        Window { from: self.from, until: self.until }
    }
}

/// A stream that the platform has cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Name of the cut.
    pub id: String,
    /// Time from the decision to the acknowledgement.
    pub waited: Duration,
}

/// What a platform was told, short of a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Told {
    /// To show the stream as it is.
    Continue,
    /// To switch its sound off.
    Mute,
    /// To make its picture unrecognisable.
    Blur,
    /// To show nothing of it for now.
    Pause,
    /// To have a person look.
    Escalate,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Ended {
    /// The caller said so.
    Stopped,
    /// The connection broke and nobody came back.
    Lost,
    /// It was cut.
    Cut,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum What {
    /// The platform was told more than to go on.
    Directed {
        /// Number of the directive.
        number: u64,
        /// What it was told.
        told: Told,
        /// Why.
        cause: Cause,
        /// How risky the stream is.
        level: Level,
    },
    /// A restraint ended.
    Eased {
        /// Number of the directive that says so.
        number: u64,
        /// How risky the stream is now.
        level: Level,
    },
    /// A person is to look.
    Review {
        /// Why.
        cause: Cause,
        /// How soon.
        priority: ReviewPriority,
    },
    /// The connection broke.
    Lost,
    /// The caller came back.
    Resumed,
    /// Pieces were written where evidence is kept.
    Preserved {
        /// How many.
        pieces: u32,
        /// Bytes of all, as they were sent.
        bytes: u64,
        /// How many of the window were not to be had, or could not be written.
        missing: u32,
    },
    /// The session ended otherwise than clean.
    Ended {
        /// How.
        how: Ended,
        /// The highest risk that it had.
        worst: Level,
        /// How many pieces came.
        pieces: u64,
        /// How many of them were not examined whole.
        unexamined: u64,
        /// Whether for some time nothing came, or nobody listened.
        had_gaps: bool,
    },
}

/// Something that happened to a stream, beside its being cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Which stream.
    pub guarded: Guarded,
    /// When.
    pub at: Time,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

impl What {
    /// What a record says that is of no cut; nothing where it is of one.
    #[must_use]
    pub const fn of(record: &Record) -> Option<Self> {
        Some(match *record {
            Record::Directed { number, directive, cause, level } => {
                let told = match directive {
                    Directive::Continue { .. } => Told::Continue,
                    Directive::Mute { .. } => Told::Mute,
                    Directive::Blur { .. } => Told::Blur,
                    Directive::Pause { .. } => Told::Pause,
                    Directive::Escalate { .. } => Told::Escalate,
                    Directive::Interrupt { .. } => return None,
                };
                Self::Directed { number, told, cause, level }
            }
            Record::Eased { number, level } => Self::Eased { number, level },
            Record::Acknowledged { .. } => return None,
            Record::Lost => Self::Lost,
            Record::Resumed => Self::Resumed,
            Record::Ended(ending) => Self::Ended {
                how: match ending.why {
                    Why::Stopped => Ended::Stopped,
                    Why::Lost(_) => Ended::Lost,
                    Why::Cut { .. } => Ended::Cut,
                },
                worst: ending.worst,
                pieces: ending.pieces,
                unexamined: ending.unexamined,
                had_gaps: ending.had_gaps,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_stream_is_read_as_it_was_written() {
        let name = |text: &str| text.to_owned();
        let guarded = Guarded {
            session: name("s"),
            stream: StreamId::parse("a stream").unwrap(),
            surface: SurfaceId::parse("live").unwrap(),
            actor: None,
        };
        for what in [
            What::Lost,
            What::Eased { number: 3, level: Level::Watch },
            What::Preserved { pieces: 2, bytes: 9, missing: 1 },
        ] {
            let note = Note { guarded: guarded.clone(), at: Time::from_millis(7), what };
            let text = serde_json::to_string(&note).unwrap();
            assert_eq!(serde_json::from_str::<Note>(&text).unwrap(), note, "{text}");
        }
        assert_eq!(guarded.cut(4), "s-4");
    }
}

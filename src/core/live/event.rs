//! What happens to a live stream: messages of its caller, acts of people, the connection, time.

use crate::core::verdict::{Assurance, CheckState, Disposition, Finding, ReviewPriority};

/// What the platform says at the start of how far the broadcaster's account is to be trusted; later values are riskier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActorRisk {
    /// Long known and never a cause for concern.
    Trusted,
    /// Nothing is known either way.
    Usual,
    /// New, or with something against it.
    Raised,
    /// With much against it.
    High,
}

impl ActorRisk {
    /// All, the least risky first.
    pub const ALL: [Self; 4] = [Self::Trusted, Self::Usual, Self::Raised, Self::High];
}

/// What lets a caller go on with a stream on a new connection. It is secret: debug output does not show it.
#[derive(Clone, Copy)]
pub struct Token([u8; 16]);

impl Token {
    /// A token of random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Whether both are the same, in a time that says nothing of where they differ.
    #[must_use]
    pub fn is(self, other: Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// How a stream begins.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// What the platform says of the broadcaster.
    pub actor: ActorRisk,
    /// What a caller must show to go on after a broken connection.
    pub token: Token,
}

/// Something found in a piece.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A listed entry that one frame is equal or near to.
    Match {
        /// What the bank asks for.
        disposition: Disposition,
        /// How sure that is.
        assurance: Assurance,
    },
    /// A listed video that the last frames follow, however near each of them is alone.
    Rebroadcast {
        /// What the bank asks for.
        disposition: Disposition,
        /// How sure that is.
        assurance: Assurance,
    },
    /// Advice: a reason for a person to look, and for nothing else.
    Advice(ReviewPriority),
    /// What a classifier says.
    Score {
        /// What the score is for, in the words of the policy's rules.
        category: String,
        /// From 0 to 1. What is no number counts as 1.
        value: f64,
    },
}

impl From<&Finding> for Found {
    fn from(finding: &Finding) -> Self {
        let (disposition, assurance) = (finding.disposition(), finding.assurance());
        match (finding, finding.review()) {
            (Finding::Match(_), Some(priority)) => Self::Advice(priority),
            // Of single frames no finding says that it is a video.
            (Finding::Match(found), None) if found.video.is_some() => {
                Self::Rebroadcast { disposition, assurance }
            }
            (Finding::Match(_), None) => Self::Match { disposition, assurance },
            (Finding::Score(score), _) => {
                Self::Score { category: score.category.clone(), value: score.value }
            }
        }
    }
}

/// Whether everything that the surface requires was done with a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Every required check was carried out.
    Whole,
    /// Something was not, for this reason.
    Lacking(CheckState),
}

impl Coverage {
    /// What the states of all required checks come to. Where nothing was required nothing was examined.
    #[must_use]
    pub fn of(states: impl IntoIterator<Item = CheckState>) -> Self {
        let mut states = states.into_iter().peekable();
        if states.peek().is_none() {
            return Self::Lacking(CheckState::Disabled);
        }
        states.find(|state| !state.is_complete()).map_or(Self::Whole, Self::Lacking)
    }
}

/// A piece of the stream and what was made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Its length in bytes, as it was sent.
    pub bytes: u64,
    /// Whether it was examined as a whole.
    pub coverage: Coverage,
    /// What was found, strict or not.
    pub found: Vec<Found>,
}

/// What a viewer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewerEvent {
    /// Came.
    Joined,
    /// Went.
    Left,
    /// Reported the stream. Who holds the session passes on one report of each viewer.
    Reported,
}

/// A numbered message of the caller, judged where there was something to judge.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// A frame: a picture, a luma plane, or digests of one.
    Frame(Judged),
    /// A segment of video.
    Segment(Judged),
    /// Scores of sound.
    Audio(Vec<Found>),
    /// Something written beside the stream: what terms and classifiers found in it.
    Chat(Vec<Found>),
    /// Something a viewer did.
    Viewer(ViewerEvent),
    /// Every directive up to this number was carried out, or replaced by a later one that was.
    Ack(u64),
    /// The stream is over.
    Stop,
}

/// How much of what the service can do is in use, from 0 to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Load(u16);

impl Load {
    /// Nothing waits.
    pub const NONE: Self = Self(0);
    /// Work is being put off.
    pub const FULL: Self = Self(1000);

    /// A load from a share of 0 to 1. What is no number is no load: frames are then asked for more often, not less.
    #[must_use]
    pub fn of(share: f64) -> Self {
        // A cast from a float keeps within the type, and makes zero of what is no number.
        Self((share.clamp(0.0, 1.0) * 1000.0) as u16)
    }

    /// In thousandths.
    #[must_use]
    pub const fn permille(self) -> u16 {
        self.0
    }
}

/// What happens to a session.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The caller's next message; numbers go from 1 without gaps over all connections.
    Sent {
        /// Its number.
        number: u64,
        /// What it says.
        said: Said,
    },
    /// A person cuts the stream.
    Interrupts,
    /// The connection broke.
    Lost,
    /// The caller comes back on a new connection.
    Resume {
        /// What it shows.
        token: Token,
        /// Number of the last directive that it has received.
        heard: u64,
    },
    /// The service is busier, or less so.
    Load(Load),
    /// Time has passed.
    Tick,
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.is(*other)
    }
}

/// Why an event is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A message is missing.
    #[error("message {expected} must come next")]
    Gap {
        /// The number that was due.
        expected: u64,
    },
    /// A directive is acknowledged, or said to be received, that was never said.
    #[error("the last directive is {last}")]
    NotSaid {
        /// The number of the last one.
        last: u64,
    },
    /// The token is not that of the stream.
    #[error("the token is not that of the stream")]
    Token,
    /// The connection was lost, and nobody has come back.
    #[error("the stream must be resumed first")]
    NotResumed,
    /// The session is over.
    #[error("the stream is over")]
    Over,
}

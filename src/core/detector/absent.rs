//! Why there is no score, as the coverage of a verdict says it.

use crate::core::detector::fault::{Fault, Unfit};
use crate::core::verdict::CheckState;

/// Why a detector gives no score for an item. None of these is ever a score of nought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Absent {
    /// No connection can be made, or it broke before the answer came.
    Unreachable,
    /// The server answered that it cannot or will not, or what it answered does not follow the protocol.
    Refused,
    /// No answer came in time.
    Late,
    /// It failed before, and is left alone for a while.
    LeftAlone,
    /// As many items wait for it as may.
    Full,
    /// Its answer, or what it says of this item, is not believed.
    Unreadable(Fault),
    /// It does not read an item like this.
    Unfit(Unfit),
    /// This service stops.
    Stopped,
}

impl Absent {
    /// One of each, for tables: of faults and of unfit items, which are told alike, one stands for all of one state.
    pub const KINDS: [Self; 9] = [
        Self::Unreachable,
        Self::Refused,
        Self::Late,
        Self::LeftAlone,
        Self::Full,
        Self::Unreadable(Fault::Missing),
        Self::Unfit(Unfit::TooLong),
        Self::Unfit(Unfit::Form),
        Self::Stopped,
    ];

    /// What the check becomes.
    #[must_use]
    pub const fn state(self) -> CheckState {
        match self {
            Self::Late => CheckState::Deadline,
            Self::Full => CheckState::Shed,
            Self::Unfit(Unfit::TooLong) => CheckState::TooLarge,
            Self::Unreachable
            | Self::Refused
            | Self::LeftAlone
            | Self::Unreadable(_)
            | Self::Unfit(_)
            | Self::Stopped => CheckState::SourceUnavailable,
        }
    }

    /// Why, in a few fixed words.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unreachable => "a model server cannot be reached",
            Self::Refused => "a model server failed or refused",
            Self::Late => "a model did not answer in time",
            Self::LeftAlone => "a model failed before and is left alone",
            Self::Full => "too many items wait for a model",
            Self::Unreadable(_) => "the answer of a model is not believed",
            Self::Unfit(Unfit::TooLong) => "the item is too long for a model",
            Self::Unfit(_) => "a model does not read an item like this",
            Self::Stopped => "the service stops",
        }
    }

    /// Its name among the figures.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Late => "late",
            Self::LeftAlone => "left_alone",
            Self::Full => "full",
            Self::Unreadable(_) => "unreadable",
            Self::Unfit(_) => "unfit",
            Self::Stopped => "stopped",
        }
    }
}

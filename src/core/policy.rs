//! Surfaces of a product and the policy of each: which checks are required, what decides without them.

use crate::core::id::{ActorId, ItemId, RequestId, SurfaceId};
use crate::core::live::policy::Terms;
use crate::core::time::Time;
use crate::core::verdict::{Check, Disposition, OnIncomplete};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Kind of place in a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SurfaceKind {
    /// Media put on show.
    Upload,
    /// Names, pictures and texts of a profile.
    Profile,
    /// Between two people.
    DirectMessage,
    /// Among a group.
    GroupMessage,
    /// Running video or sound.
    Live,
    /// Queries and results.
    Search,
    /// Addresses that are shared or followed.
    Link,
    /// Files kept for their owner.
    Storage,
    /// What a generator made.
    Generated,
}

impl SurfaceKind {
    /// Every kind, in the order of the contract.
    pub const ALL: [Self; 9] = [
        Self::Upload,
        Self::Profile,
        Self::DirectMessage,
        Self::GroupMessage,
        Self::Live,
        Self::Search,
        Self::Link,
        Self::Storage,
        Self::Generated,
    ];

    /// Name of the surface that every scope has for this kind.
    #[must_use]
    pub const fn usual_name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Profile => "profile",
            Self::DirectMessage => "direct-message",
            Self::GroupMessage => "group-message",
            Self::Live => "live",
            Self::Search => "search",
            Self::Link => "link",
            Self::Storage => "storage",
            Self::Generated => "generated",
        }
    }
}

/// Who can see the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Visibility {
    /// Anybody.
    Public,
    /// A wide but limited circle.
    SemiPublic,
    /// Named people.
    Private,
    /// Named people, and not the platform.
    EndToEndEncrypted,
}

/// A score at which a surface acts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreThreshold {
    /// What the score is for.
    pub category: String,
    /// Least score, from 0 to 1.
    pub at_least: f64,
    /// What it asks for; never stricter than `HOLD`, since a model alone never blocks for good.
    pub disposition: Disposition,
}

/// A place of a product with its policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Surface {
    /// Its name.
    pub id: SurfaceId,
    /// What kind of place.
    pub kind: SurfaceKind,
    /// A name for people.
    pub display_name: String,
    /// Checks without which nothing is allowed.
    pub required: Vec<Check>,
    /// What decides where one of them was not carried out.
    pub on_incomplete: OnIncomplete,
    /// Scores at which it acts.
    pub score_thresholds: Vec<ScoreThreshold>,
    /// Whether calls must name a legal basis for private items.
    pub legal_basis_required: bool,
    /// For how long items are remembered, so that they are found again when a bank learns something; `None` for not at
    /// all. A program that does not know the field loses it when it changes the record: less is remembered then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookback: Option<Duration>,
    /// How streams are guarded, where the kind is LIVE and somebody has set it; the usual terms otherwise. A program that
    /// does not know the field loses it when it changes the record: the usual terms are strict where unsure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Box<Terms>>,
    /// Counts the changes of this record; the contract's `etag`.
    pub version: u64,
    /// When it was made.
    pub created: Time,
    /// Since when calls that name it are refused, if they are.
    pub revoked: Option<Time>,
}

impl Surface {
    /// The surface that every scope has for a kind from the start: strict, holding where unsure.
    ///
    /// # Panics
    /// Never: the usual names are well formed, which a test holds.
    #[must_use]
    pub fn usual(kind: SurfaceKind, now: Time) -> Self {
        Self {
            id: SurfaceId::parse(kind.usual_name()).expect("usual names are well formed"),
            kind,
            display_name: String::new(),
            required: vec![Check::ExactMatch, Check::ImageMatch, Check::VideoMatch],
            on_incomplete: OnIncomplete::Hold,
            score_thresholds: Vec::new(),
            legal_basis_required: false,
            lookback: None,
            live: None,
            version: 1,
            created: now,
            revoked: None,
        }
    }
}

/// What a caller says of the item it asks about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Which kind of place.
    pub surface_kind: SurfaceKind,
    /// Which place; the usual one of the kind where the caller named none.
    pub surface: SurfaceId,
    /// Who can see it.
    pub visibility: Visibility,
    /// The platform's name of the item.
    pub item: Option<ItemId>,
    /// The platform's name of who sent it.
    pub actor: Option<ActorId>,
    /// ISO 3166-1 country, optionally with a subdivision, whose law applies.
    pub jurisdiction: String,
    /// Legal basis of the examination, in the platform's words.
    pub legal_basis: String,
    /// When it happened on the platform.
    pub occurred: Option<Time>,
    /// The caller's key for this request.
    pub request: Option<RequestId>,
    /// Least journal number the answer must be given from.
    pub index_min: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_usual_surface_that_holds_when_unsure() {
        for kind in SurfaceKind::ALL {
            let surface = Surface::usual(kind, Time::default());
            assert_eq!(surface.kind, kind);
            assert_eq!(surface.on_incomplete, OnIncomplete::Hold);
        }
    }
}

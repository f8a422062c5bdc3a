//! The product's own rule: whether a listed video lies in a query, however much else the query shows.
//!
//! Every frame of a query comes with all its alternative hashes: turned, mirrored, trimmed. It matches a listed frame
//! when any of them is near enough; which one, may change from frame to frame, as where borders are trimmed does. Frames
//! of too little quality are left out on either side.
//!
//! | outcome | when |
//! |---|---|
//! | [`Outcome::Contained`] | enough of the *listed* frames are matched, however long the query is |
//! | [`Outcome::PartOf`] | enough of the *query's* frames are matched, however long the listed video is |
//! | [`Outcome::Run`] | neither, but one stretch of both runs in step for long enough |
//!
//! Single frames coincide: title cards, logos, black. So each outcome asks for several *distinct* frames, unless the
//! listed video has no more, and for time between the first and the last. A still scene is one distinct frame.

mod rule;
mod distinct;
mod listed;
mod near;
mod stretch;
mod judge;
mod whole;
#[cfg(test)]
mod tests;

pub use rule::{Compared, Outcome, Rule, Segment, Sighting};
pub use stretch::SEGMENTS_MAX;
pub use whole::compare;

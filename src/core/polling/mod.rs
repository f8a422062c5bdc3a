//! Sources that are asked over HTTP: what each is asked next, and where it stands once it has answered.
//!
//! Whoever asks keeps the place with what a page brought, in one transaction: a source is asked on from there, by whatever
//! process, and never from its beginning for a break. Facts of each source: `docs/decisions/0023`.

mod words;
mod question;
mod ncmec;
mod stopncii;
mod threatexchange;
mod publication;
mod lookup;
mod reading;
mod vote;
#[cfg(test)]
mod tests;

use crate::core::exchange::{Exchange, Kind, Place, Progress};
use crate::core::exchange_file::Page;
use crate::core::time::Time;
pub use lookup::{HASHES_MAX, LookedUp, look_up, looked_up};
pub use publication::{answered, state_of};
pub use reading::{Reading, Unreadable};
pub use vote::{Reason, Untold, Vote, reasons_asked, told, untold, votes};
pub use words::{Ask, BadAnswer, Body, Next, SCHEME, Turn, Verb};

/// What to do now. `now` also where somebody wants it asked at once: `is_due` says so.
#[must_use]
pub fn next(exchange: &Exchange, progress: &Progress, now: Time, is_due: bool) -> Next {
    let place = progress.place.as_ref();
    let rest = |heard: Option<Time>| {
        let since = now.since(heard?);
        (!is_due && since < exchange.pause).then(|| exchange.pause - since)
    };
    match (&exchange.kind, place) {
        (Kind::Ncmec(of), Some(Place::Ncmec(place))) => {
            let pause = if place.range.is_none() { rest(place.heard) } else { None };
            pause.map_or_else(|| ncmec::ask(of, place, now), Next::Rest)
        }
        (Kind::StopNcii(of), Some(Place::StopNcii(place))) => {
            let is_between = place.token.is_none() && progress.whole;
            let pause = if is_between { rest(place.heard) } else { None };
            pause.map_or_else(|| stopncii::ask(of, place, now), Next::Rest)
        }
        (Kind::ThreatExchange(of), Some(Place::ThreatExchange(place))) => {
            let is_between = place.after.is_none() && progress.whole;
            let pause = if is_between { rest(place.heard) } else { None };
            pause.map_or_else(|| threatexchange::ask(of, place, now), Next::Rest)
        }
        (Kind::File(of), Some(Place::File(place))) => rest(place.heard)
            .map_or_else(|| Next::Ask(Box::new(publication::ask(of, place))), Next::Rest),
        // Nothing was asked yet; a service of this kind tells of itself, and one that is consulted has no pages.
        (kind, _) => match begun(kind) {
            Some(place) => {
                let progress = Progress { place: Some(place), ..progress.clone() };
                next(exchange, &progress, now, is_due)
            }
            None => Next::Rest(exchange.pause),
        },
    }
}

/// Where a source is asked from first; nothing for one that is not asked page by page.
#[must_use]
pub fn begun(kind: &Kind) -> Option<Place> {
    Some(match kind {
        Kind::Bulwark(_) | Kind::Arachnid(_) => return None,
        Kind::Ncmec(of) => Place::Ncmec(ncmec::begun(of)),
        Kind::StopNcii(of) => Place::StopNcii(stopncii::begun(of)),
        Kind::ThreatExchange(_) => Place::ThreatExchange(threatexchange::begun()),
        Kind::File(_) => Place::File(publication::begun()),
    })
}

/// Where a source stands after an answer, which was read to its end.
///
/// # Errors
/// [`BadAnswer`], and then the place stays.
pub fn turn(kind: &Kind, place: Option<Place>, page: &Page, now: Time) -> Result<Turn, BadAnswer> {
    let place = place.or_else(|| begun(kind));
    match (kind, place, page) {
        (Kind::Ncmec(of), Some(Place::Ncmec(place)), Page::Ncmec(page)) => {
            ncmec::turn(of, place, page, now)
        }
        (Kind::StopNcii(_), Some(Place::StopNcii(place)), Page::StopNcii(page)) => {
            stopncii::turn(place, page, now)
        }
        (
            Kind::ThreatExchange(_),
            Some(Place::ThreatExchange(place)),
            Page::ThreatExchange(page),
        ) => threatexchange::turn(place, page, now),
        _ => Err(BadAnswer::Must("be of the source that was asked")),
    }
}

/// The place after a source did not know the page that it had named itself: its range is asked from the beginning, a narrower
/// one where that is possible. Nothing where no such page was asked for.
#[must_use]
pub fn lost(place: &Place) -> Option<Place> {
    match place {
        Place::Ncmec(place) => ncmec::lost(place).map(Place::Ncmec),
        Place::StopNcii(place) => stopncii::lost(place).map(Place::StopNcii),
        Place::ThreatExchange(place) => threatexchange::lost(place).map(Place::ThreatExchange),
        Place::File(_) => None,
    }
}

/// Up to which moment everything of a source was taken in, where it counts in time.
#[must_use]
pub const fn reached(place: &Place) -> Option<Time> {
    match place {
        Place::Ncmec(place) => Some(place.from),
        Place::ThreatExchange(place) => Some(place.since),
        Place::StopNcii(place) => place.heard,
        Place::File(place) => place.heard,
    }
}

//! NCMEC hash sharing: ranges of time, and within a range pages in no order.
//!
//! A range counts as heard only with its last page. Its width follows what comes: wide where nothing happens, down to a second
//! where very many entries changed at once, and then its pages are read on from the source's own links.

use crate::core::exchange::{Ncmec, NcmecPlace, Place, Range};
use crate::core::exchange_file::NcmecPage;
use crate::core::polling::question::query;
use crate::core::polling::words::{Ask, BadAnswer, Next, Turn};
use crate::core::time::Time;
use std::time::Duration;

/// How far a range stays behind now: what changes this very moment may not be told yet.
const BEHIND: Duration = Duration::from_secs(5);
/// How long a link to a page is trusted; the source is said to keep them for about twelve hours.
const LINK_TERM: Duration = Duration::from_secs(11 * 3600);
/// Width of the first range: a day.
const WIDTH_FIRST: u64 = 86_400;
/// Pages of a range above which the next one is narrower, and entries above which this one is, as far as a link tells.
const PAGES_MANY: u64 = 50;
const ENTRIES_MANY: u64 = 50_000;
/// Pages of a range below which it counts as light, and how many light ones make the next wider.
const PAGES_FEW: u64 = 2;
const LIGHT_MANY: u8 = 4;
const NARROWER: u64 = 4;
const WIDER: u64 = 2;

pub(super) const fn begun(of: &Ncmec) -> NcmecPlace {
    NcmecPlace { from: whole(of.since), width: WIDTH_FIRST, light: 0, range: None, heard: None }
}

const fn whole(time: Time) -> Time {
    Time::from_millis(time.millis().div_euclid(1000) * 1000)
}

/// Where the range ends that begins now.
fn end(place: &NcmecPlace, now: Time) -> Option<Time> {
    let last = whole(Time::from_millis(now.millis().saturating_sub(BEHIND.as_millis() as i64)));
    let to = last.min(place.from.plus(Duration::from_secs(place.width)));
    (to > place.from).then_some(to)
}

pub(super) fn ask(of: &Ncmec, place: &NcmecPlace, now: Time) -> Next {
    let open = place.range.as_ref().map(|range| (range.to, range.next.as_deref(), range.given));
    let Some((to, link, given)) = open.or_else(|| Some((end(place, now)?, None, now))) else {
        return Next::Rest(BEHIND);
    };
    let rest = match link.filter(|_| now.since(given) < LINK_TERM) {
        Some(link) => link.to_owned(),
        None => {
            let (from, to) = (place.from.utc(), to.utc());
            format!("/v2/entries?{}", query([("from", from.as_str()), ("to", to.as_str())]))
        }
    };
    Next::Ask(Box::new(Ask::get(&of.site.address, &rest).basic(&of.username, &of.password)))
}

/// How many entries a link says that its range has.
fn entries_of(link: &str) -> Option<u64> {
    let (_, query) = link.split_once('?')?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "max")?.1.parse().ok()
}

pub(super) fn turn(
    of: &Ncmec,
    mut place: NcmecPlace,
    page: &NcmecPage,
    now: Time,
) -> Result<Turn, BadAnswer> {
    let range = match place.range.take() {
        Some(range) => range,
        None => {
            let to = end(&place, now).ok_or(BadAnswer::Must("have been asked for"))?;
            Range { to, pages: 0, next: None, given: now }
        }
    };
    let pages = range.pages + 1;
    if let Some(link) = &page.next {
        let link = in_environment(of, link)?;
        if range.next.as_ref() == Some(&link) {
            return Err(BadAnswer::GoesBack);
        }
        let entries = entries_of(&link).unwrap_or(0);
        let is_wide = place.width > 1 && range.to > place.from.plus(Duration::from_secs(1));
        if pages == 1 && entries > ENTRIES_MANY && is_wide {
            place.width = (place.width / NARROWER).max(1);
            place.light = 0;
        } else {
            place.range = Some(Range { pages, next: Some(link), given: now, ..range });
        }
        return Ok(Turn { place: Place::Ncmec(place), is_whole: false });
    }
    // Its end was where now is, not where its width is.
    let is_whole = range.to < place.from.plus(Duration::from_secs(place.width));
    place.from = range.to;
    if pages > PAGES_MANY {
        place.width = (place.width / NARROWER).max(1);
        place.light = 0;
    } else if pages < PAGES_FEW {
        place.light += 1;
        if place.light >= LIGHT_MANY {
            (place.width, place.light) = (place.width.saturating_mul(WIDER), 0);
        }
    } else {
        place.light = 0;
    }
    if is_whole {
        place.heard = Some(now);
    }
    Ok(Turn { place: Place::Ncmec(place), is_whole })
}

/// A link as a place in the environment: it is relative to that, and nothing else is asked for it.
fn in_environment(of: &Ncmec, link: &str) -> Result<String, BadAnswer> {
    let base = of.site.address.as_str();
    let path = super::question::path_of(base);
    let rest = link.strip_prefix(base).unwrap_or(link);
    let rest = rest.strip_prefix(path).filter(|rest| rest.starts_with("/v2/")).unwrap_or(rest);
    let is_good = rest.starts_with("/v2/entries?") && rest.bytes().all(|b| b.is_ascii_graphic());
    if is_good { Ok(rest.to_owned()) } else { Err(BadAnswer::Must("go on within /v2/entries")) }
}

pub(super) fn lost(place: &NcmecPlace) -> Option<NcmecPlace> {
    let range = place.range.as_ref()?;
    range.next.as_ref()?;
    // So that it is through before a link is lost again.
    let width = if range.pages > 1 { (place.width / NARROWER).max(1) } else { place.width };
    Some(NcmecPlace { width, light: 0, range: None, ..place.clone() })
}

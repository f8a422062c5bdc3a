//! `ThreatExchange`: what changed since a moment, page by page.

use crate::core::exchange::{Place, ThreatExchange, ThreatExchangePlace};
use crate::core::exchange_file::ThreatExchangePage;
use crate::core::polling::question::query;
use crate::core::polling::words::{Ask, BadAnswer, Next, Turn};
use crate::core::time::Time;
use std::time::Duration;

/// After so long it may have forgotten what was deleted: it is said to keep that for 90 days.
const STALE: Duration = Duration::from_secs(85 * 86_400);
/// What it is asked to tell of each record.
const FIELDS: &str =
    "indicator,type,last_updated,should_delete,descriptors{id,reactions,owner{id},tags,status}";

pub(super) const fn begun() -> ThreatExchangePlace {
    let begin = Time::from_millis(0);
    ThreatExchangePlace { since: begin, newest: begin, after: None, heard: None }
}

pub(super) fn ask(of: &ThreatExchange, place: &ThreatExchangePlace, now: Time) -> Next {
    if place.heard.is_some_and(|heard| now.since(heard) > STALE) {
        return Next::Anew;
    }
    let since = place.since.millis().div_euclid(1000).to_string();
    let (types, limit) = (of.types.join(","), of.page_size.to_string());
    let mut pairs = vec![("start_time", since.as_str()), ("limit", limit.as_str())];
    pairs.push(("fields", FIELDS));
    if !types.is_empty() {
        pairs.push(("types", types.as_str()));
    }
    pairs.extend(place.after.as_deref().map(|after| ("after", after)));
    pairs.push(("access_token", of.access_token.reveal()));
    let rest = format!("/{}/threat_updates/?{}", of.privacy_group, query(pairs));
    Next::Ask(Box::new(Ask::get(&of.site.address, &rest)))
}

pub(super) fn turn(
    mut place: ThreatExchangePlace,
    page: &ThreatExchangePage,
    now: Time,
) -> Result<Turn, BadAnswer> {
    place.newest = place.newest.max(page.updated_max.unwrap_or_default());
    // The source's own address of the next page is not asked: it may lead anywhere.
    if page.next.is_some() {
        let after = page.after.clone().ok_or(BadAnswer::Must("name the next page by a cursor"))?;
        if place.after.as_ref() == Some(&after) {
            return Err(BadAnswer::GoesBack);
        }
        place.after = Some(after);
        return Ok(Turn { place: Place::ThreatExchange(place), is_whole: false });
    }
    let since = place.newest.max(place.since);
    let place = ThreatExchangePlace { since, newest: since, after: None, heard: Some(now) };
    Ok(Turn { place: Place::ThreatExchange(place), is_whole: true })
}

pub(super) fn lost(place: &ThreatExchangePlace) -> Option<ThreatExchangePlace> {
    place.after.as_ref()?;
    Some(ThreatExchangePlace { after: None, ..place.clone() })
}

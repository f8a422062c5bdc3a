//! `StopNCII`: pages behind a place in the source's own count.

use crate::core::exchange::{Place, StopNcii, StopNciiPlace};
use crate::core::exchange_file::StopNciiPage;
use crate::core::polling::question::query;
use crate::core::polling::words::{Ask, BadAnswer, Next, Turn};
use crate::core::time::Time;
use std::time::Duration;

/// After so long without being asked it may not tell everything any more that went meanwhile.
const STALE: Duration = Duration::from_secs(30 * 86_400);

pub(super) const fn begun(of: &StopNcii) -> StopNciiPlace {
    StopNciiPlace { start: of.start, token: None, heard: None }
}

pub(super) fn ask(of: &StopNcii, place: &StopNciiPlace, now: Time) -> Next {
    if place.heard.is_some_and(|heard| now.since(heard) > STALE) {
        return Next::Anew;
    }
    let (start, size) = (place.start.to_string(), of.page_size.to_string());
    let token = place.token.as_deref().map(|token| ("nextPageToken", token));
    let pairs = [("startTimestamp", start.as_str()), ("pageSize", size.as_str())];
    let rest = format!("/FetchHashes?{}", query(pairs.into_iter().chain(token)));
    let ask = Ask::get(&of.site.address, &rest)
        .header("x-functions-key", of.fetch_key.clone())
        .header("ocp-apim-subscription-key", of.subscription_key.clone());
    Next::Ask(Box::new(ask))
}

pub(super) fn turn(
    mut place: StopNciiPlace,
    page: &StopNciiPage,
    now: Time,
) -> Result<Turn, BadAnswer> {
    let has_more = page.has_more.ok_or(BadAnswer::Must("say whether there are more records"))?;
    if has_more {
        let token = page.next_page_token.clone().filter(|token| !token.is_empty());
        let token = token.ok_or(BadAnswer::Must("name the next page"))?;
        if place.token.as_ref() == Some(&token) {
            return Err(BadAnswer::GoesBack);
        }
        place.token = Some(token);
        return Ok(Turn { place: Place::StopNcii(place), is_whole: false });
    }
    let start = page.next_set_timestamp.ok_or(BadAnswer::Must("say from where to ask on"))?;
    if start < place.start {
        return Err(BadAnswer::GoesBack);
    }
    let place = StopNciiPlace { start, token: None, heard: Some(now) };
    Ok(Turn { place: Place::StopNcii(place), is_whole: true })
}

pub(super) fn lost(place: &StopNciiPlace) -> Option<StopNciiPlace> {
    place.token.as_ref()?;
    Some(StopNciiPlace { token: None, ..place.clone() })
}

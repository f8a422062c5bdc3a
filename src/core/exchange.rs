//! Exchanges: from whom banks learn, whom they tell, and what of that is accepted.
//!
//! A partner is another company's service that calls this one; an exchange is one that this one calls.

mod delta;
mod partner;
mod kind;
mod place;
mod progress;
mod telling;
#[cfg(test)]
mod tests;

use crate::core::bank::EntryState;
use crate::core::id::{BankId, ExchangeId};
use crate::core::refused::{Refused, Thing, unchanged};
use crate::core::time::Time;
pub use delta::{DELTA_TERM, DeltaHead, Expected, NotAccepted, accept};
pub use kind::{
    Arachnid, Bulwark, Kind, Ncmec, Publication, Renewal, Secret, Site, StopNcii, ThreatExchange,
    Written,
};
pub use partner::{
    NewPartner, Partner, Share, Take, VERIFIERS_MAX, may_be_partner, put_partner, revoke_partner,
};
pub use place::{FilePlace, NcmecPlace, Place, Range, StopNciiPlace, ThreatExchangePlace};
pub use progress::{Counts, Cursor, Progress, Told, brought};
use serde::{Deserialize, Serialize};
use std::time::Duration;
pub use telling::{Tell, record_of, tell};

/// For how long after a person last changed an exchange everything of it may come for the first time without the usual cap.
pub const FIRST_TERM: Duration = Duration::from_secs(7 * 86_400);

/// One from whom a bank learns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Its name.
    pub id: ExchangeId,
    /// A name for people.
    pub display_name: String,
    /// What it speaks, and where it is.
    pub kind: Kind,
    /// The bank that learns.
    pub bank: BankId,
    /// Where its entries stand when they enter.
    pub enters_as: EntryState,
    /// Whether it is asked at all.
    pub enabled: bool,
    /// Whether it is told what people here say of its entries.
    pub gives_feedback: bool,
    /// Time from when everything was heard to when it is asked again, where it does not tell of itself.
    #[serde(default = "usual_pause")]
    pub pause: Duration,
    /// Most entries, in percent of those of the source, that may go at once because they did not come again.
    #[serde(default = "usual_drop")]
    pub drop_percent_max: u8,
    /// How many new entries it may bring in a day; nought for any number. Where it is absent, what is usual here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_per_day: Option<u32>,
    /// Counts the changes of this record; the contract's `etag`.
    pub version: u64,
    /// When it was made.
    pub created: Time,
    /// When it last changed.
    pub changed: Time,
}

/// What of an exchange can be set.
#[derive(Debug, Clone)]
pub struct ExchangeSettings {
    /// See [`Exchange::display_name`].
    pub display_name: String,
    /// See [`Exchange::kind`].
    pub kind: Kind,
    /// See [`Exchange::bank`].
    pub bank: BankId,
    /// See [`Exchange::enters_as`].
    pub enters_as: EntryState,
    /// See [`Exchange::enabled`].
    pub enabled: bool,
    /// See [`Exchange::gives_feedback`].
    pub gives_feedback: bool,
    /// See [`Exchange::pause`].
    pub pause: Duration,
    /// See [`Exchange::drop_percent_max`].
    pub drop_percent_max: u8,
    /// See [`Exchange::new_per_day`].
    pub new_per_day: Option<u32>,
}

/// What [`Exchange::pause`] is where nobody says otherwise.
#[must_use]
pub const fn usual_pause() -> Duration {
    Duration::from_secs(600)
}

/// What [`Exchange::drop_percent_max`] is where nobody says otherwise.
#[must_use]
pub const fn usual_drop() -> u8 {
    20
}

impl Exchange {
    /// What progress belongs to: where any of it changes, everything is taken in anew.
    #[must_use]
    pub fn about(&self) -> String {
        format!("{}/{}", self.bank, self.kind.about())
    }

    /// The progress that this exchange begins with.
    #[must_use]
    pub fn begun(&self, now: Time) -> Progress {
        Progress::nothing(self.id.to_string(), self.about(), now)
    }

    /// How many new entries it may bring in a day, where so many are `usual` here; nought for any number. What is usual
    /// begins once everything came once, and after [`FIRST_TERM`] at the latest: a list is not taken in a little a day. One
    /// that was set back has come once, and one that is consulted has no list.
    #[must_use]
    pub fn cap(&self, progress: &Progress, usual: u32, now: Time) -> u32 {
        let is_list = !self.kind.is_consulted();
        let is_first =
            is_list && !progress.whole && !progress.anew && now.since(self.changed) <= FIRST_TERM;
        match self.new_per_day {
            Some(own) => own,
            None if is_first => 0,
            None => usual,
        }
    }
}

/// What only stands there as proposed is never matched: a service that is consulted would be asked in vain, and what it lists
/// would be allowed.
fn may_enter(kind: &Kind, enters_as: EntryState) -> Result<(), Refused> {
    if kind.is_consulted() && enters_as == EntryState::Proposed {
        let must = "must be TRIAL or ACTIVE for a service that screening asks".to_owned();
        return Err(Refused::Field("exchange.enters_as".to_owned(), must));
    }
    Ok(())
}

/// Makes an exchange.
///
/// # Errors
/// [`Refused::Exists`] where one of that name is there; [`Refused::Field`] where its entries would never be matched.
pub fn create_exchange(
    present: Option<&Exchange>,
    id: ExchangeId,
    settings: ExchangeSettings,
    now: Time,
) -> Result<Exchange, Refused> {
    if present.is_some() {
        return Err(Refused::Exists(Thing::Exchange, id.to_string()));
    }
    may_enter(&settings.kind, settings.enters_as)?;
    let (version, created, changed) = (1, now, now);
    Ok(Exchange {
        id,
        display_name: settings.display_name,
        kind: settings.kind,
        bank: settings.bank,
        enters_as: settings.enters_as,
        enabled: settings.enabled,
        gives_feedback: settings.gives_feedback,
        pause: settings.pause,
        drop_percent_max: settings.drop_percent_max,
        new_per_day: settings.new_per_day,
        version,
        created,
        changed,
    })
}

/// The exchange of that name.
///
/// # Errors
/// [`Refused::Missing`] where there is none.
pub fn existing_exchange(present: Option<Exchange>, id: &ExchangeId) -> Result<Exchange, Refused> {
    present.ok_or_else(|| Refused::Missing(Thing::Exchange, id.to_string()))
}

/// What a caller wants changed of an exchange; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ExchangePatch {
    /// See [`Exchange::display_name`].
    pub display_name: Option<String>,
    /// See [`Exchange::enters_as`].
    pub enters_as: Option<EntryState>,
    /// See [`Exchange::enabled`].
    pub enabled: Option<bool>,
    /// See [`Exchange::gives_feedback`].
    pub gives_feedback: Option<bool>,
    /// See [`Exchange::pause`].
    pub pause: Option<Duration>,
    /// See [`Exchange::drop_percent_max`].
    pub drop_percent_max: Option<u8>,
    /// See [`Exchange::new_per_day`].
    pub new_per_day: Option<Option<u32>>,
    /// What lets this service in.
    pub renewals: Vec<Renewal>,
}

/// Changes an exchange.
///
/// # Errors
/// [`Refused::Changed`] where it was changed since the caller read it; [`Refused::Field`] for a key of another kind, or where
/// its entries would never be matched.
pub fn update_exchange(
    mut exchange: Exchange,
    patch: ExchangePatch,
    read: Option<u64>,
    now: Time,
) -> Result<Exchange, Refused> {
    unchanged(Thing::Exchange, &exchange.id, read, exchange.version)?;
    for renewal in patch.renewals {
        exchange.kind.renew(renewal)?;
    }
    exchange.display_name = patch.display_name.unwrap_or(exchange.display_name);
    exchange.enters_as = patch.enters_as.unwrap_or(exchange.enters_as);
    may_enter(&exchange.kind, exchange.enters_as)?;
    exchange.enabled = patch.enabled.unwrap_or(exchange.enabled);
    exchange.gives_feedback = patch.gives_feedback.unwrap_or(exchange.gives_feedback);
    exchange.pause = patch.pause.unwrap_or(exchange.pause);
    exchange.drop_percent_max = patch.drop_percent_max.unwrap_or(exchange.drop_percent_max);
    exchange.new_per_day = patch.new_per_day.unwrap_or(exchange.new_per_day);
    exchange.version += 1;
    exchange.changed = now;
    Ok(exchange)
}

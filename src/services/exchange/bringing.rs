//! What a partner brings: signed deltas of signals for a bank that takes from it, and of opinions on what it was told.

use crate::core::access::Scope;
use crate::core::bank::{Bank, Entry};
use crate::core::curation::existing_bank;
use crate::core::event::Event;
use crate::core::exchange::{Expected, NotAccepted, Partner, Progress, accept, brought, tell};
use crate::core::id::BankId;
use crate::core::intake::Source;
use crate::core::opinion::{Opinion, Party};
use crate::core::promotion::{Changed, Far, change, put_opinion, settle, withdraw_opinion};
use crate::core::refused::{Refused, Thing};
use crate::core::time::Time;
use crate::io::intake::put;
use crate::io::store::Tx;
use crate::proto::v1;
use crate::services::desk::{Call, Desk, Keep};
use crate::services::status::{Reason, Refusal};
use crate::services::taking::{Into, Piece, Took, What, take_in};
use crate::services::words::delta::{self, Heard, SaidOf};
use serde::{Deserialize, Serialize};

const fn word(refused: NotAccepted) -> &'static str {
    match refused {
        NotAccepted::Signature => "SIGNATURE",
        NotAccepted::Malformed => "MALFORMED",
        NotAccepted::Origin => "ORIGIN",
        NotAccepted::Audience => "AUDIENCE",
        NotAccepted::Bank => "BANK",
        NotAccepted::Replayed => "REPLAYED",
        NotAccepted::Gap => "GAP",
        NotAccepted::Expired => "EXPIRED",
    }
}

/// What is wrong with a delta; how far was heard is told where that helps.
fn refuse(refused: NotAccepted, heard: Option<u64>) -> Refusal {
    let message = format!("the delta is not accepted: {refused}");
    let refusal = Refusal::new(Reason::DeltaRefused, message).with("delta", word(refused));
    match heard {
        Some(number) => refusal.with("number", number),
        None => refusal,
    }
}

/// Reads a delta of a partner, and how far was heard of it, where it is the next one.
async fn next(
    desk: &Desk,
    scope: &Scope,
    partner: &Partner,
    (what, sent): (&str, &v1::SignedDelta),
) -> Result<(Heard, Progress), Refusal> {
    let heard = delta::hear(sent, &partner.verifiers).map_err(|why| refuse(why, None))?;
    let name = brought(what, &partner.id, &heard.head.bank);
    let before = desk.store.progress(scope, &name).await?;
    let before = before.filter(|before| before.of == partner.origin);
    let (now, of) = (desk.clock.now(), partner.origin.clone());
    let before = before.unwrap_or_else(|| Progress::nothing(name, of, now));
    let number = before.cursor.number;
    let bank = &heard.head.bank;
    let audience = desk.store.keys().origin();
    let expected = Expected { origin: &partner.origin, audience, bank, number, now };
    accept(&heard.head, expected).map_err(|why| refuse(why, Some(number)))?;
    Ok((heard, before))
}

fn out_of_scope(message: &'static str) -> Refusal {
    Refusal::new(Reason::OutOfScope, message)
}

/// Takes in what a partner lists.
///
/// # Errors
/// [`Reason::OutOfScope`] where the bank does not take from it; [`Reason::DeltaRefused`].
pub async fn signals(
    desk: &Desk,
    call: &Call,
    partner: &Partner,
    sent: &v1::SignedDelta,
) -> Result<Took, Refusal> {
    let scope = call.caller.scope.clone();
    let (heard, before) = next(desk, &scope, partner, ("signals", sent)).await?;
    let bank = heard.head.bank;
    let take = partner
        .take(&bank)
        .ok_or_else(|| out_of_scope("the bank takes nothing from the caller"))?;
    let (records, bad) = delta::read_records(partner.id.as_str(), heard.items);
    let source =
        Source { name: partner.id.to_string(), enters_as: take.enters_as, names_values: false };
    let new_per_day = take.new_per_day.unwrap_or_else(|| desk.guards.new_per_day());
    let into = Into { scope, bank, source, new_per_day, lease: None };
    let (what, after) =
        (What::Records(records), Progress { cursor: heard.cursor, ..before.clone() });
    take_in(desk, &into, Piece { what, bad, before, after }).await
}

/// What came of opinions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Said {
    /// How far was heard.
    pub number: u64,
    /// Opinions that changed something.
    pub changed: u64,
    /// Opinions on entries that are not there, or not shared.
    pub unknown: u64,
    /// Journal number of the change.
    pub journal: u64,
}

/// Records what a partner's people say of entries that it was told.
///
/// # Errors
/// [`Reason::OutOfScope`] where the bank is not shared with it; [`Reason::DeltaRefused`].
pub async fn opinions(
    desk: &Desk,
    call: &Call,
    partner: &Partner,
    sent: &v1::SignedDelta,
) -> Result<Said, Refusal> {
    let scope = call.caller.scope.clone();
    let (heard, before) = next(desk, &scope, partner, ("opinions", sent)).await?;
    let bank = heard.head.bank;
    partner.share(&bank).ok_or_else(|| out_of_scope("the bank is not shared with the caller"))?;
    let (said, bad) = delta::read_opinions(heard.items);
    let (partner, cursor, unread) = (partner.clone(), heard.cursor, bad.len() as u64);
    let kept = desk.keep_record(None, move |tx| {
        Box::pin(async move {
            let kept = tx.progress(&scope, &before.id).await?;
            if kept.map_or(0, |kept| kept.version) != before.version {
                return Err(Refused::Changed(Thing::Partner, partner.id.to_string()).into());
            }
            let mut came = record(tx, &scope, &bank, &partner, said).await?;
            let progress = Box::new(Progress { cursor, ..before }.kept(tx.now()));
            came.number = progress.cursor.number;
            came.unknown += unread;
            tx.record(Event::ExchangeAdvanced { scope, progress }).await?;
            Ok(came)
        })
    });
    let (came, journal) = kept.await?;
    Ok(Said { journal, ..came })
}

async fn record(
    tx: &mut Tx,
    scope: &Scope,
    bank: &BankId,
    partner: &Partner,
    said: Vec<SaidOf>,
) -> Keep<Said> {
    let settings = existing_bank(tx.bank(scope, bank).await?, bank)?;
    let names: Vec<_> = said.iter().map(|(entry, _)| entry.clone()).collect();
    let mut found = tx.entries_named(scope, bank, &names).await?;
    let (now, mut came) = (tx.now(), Said::default());
    let mut changed: Vec<Changed> = Vec::new();
    for (at, one) in said.into_iter().enumerate() {
        // Of several opinions on one entry in a delta the later meets what the earlier left.
        let before = found.get_mut(at).and_then(Option::take);
        let Some(before) = before.filter(|entry| is_told(partner, bank, entry)) else {
            came.unknown += 1;
            continue;
        };
        let Some(after) = opined(tx, scope, &settings, partner, &before, one, now) else {
            continue;
        };
        came.changed += 1;
        let later = names.iter().enumerate().skip(at + 1).filter(|(_, name)| **name == after.id);
        later.for_each(|(place, _)| found[place] = Some(after.clone()));
        match changed.iter_mut().find(|one| one.after.id == after.id) {
            Some(one) => one.after = after,
            None => changed.push(Changed { before: Some(before), after }),
        }
    }
    put(tx, scope, &settings, changed, true, &Far::default()).await?;
    Ok(came)
}

/// Whether a partner was told of an entry: an opinion on anything else would tell it that it is there.
fn is_told(partner: &Partner, bank: &BankId, entry: &Entry) -> bool {
    partner.share(bank).is_some_and(|share| tell(share, entry).is_some())
}

/// An entry with a partner's opinion on it; nothing where that changes nothing.
fn opined(
    tx: &Tx,
    scope: &Scope,
    bank: &Bank,
    partner: &Partner,
    before: &Entry,
    (_, said): SaidOf,
    now: Time,
) -> Option<Entry> {
    let by =
        Party::Member { exchange: partner.id.to_string(), organisation: partner.id.to_string() };
    let mut entry = before.clone();
    change(&mut entry, |background| match said {
        Some((value, reasons)) => {
            let value = before.heard(value);
            let known = background.opinions.iter().find(|opinion| opinion.by == by);
            let at = known
                .filter(|known| known.value == value && known.reasons == reasons)
                .map_or(Some(now), |known| known.at);
            // Where there are too many of others it is not kept, and nothing else changes.
            drop(put_opinion(&mut background.opinions, Opinion { by, value, reasons, at }));
        }
        None => drop(withdraw_opinion(&mut background.opinions, &by)),
    });
    if entry.opinions() == before.opinions() {
        return None;
    }
    entry.version += 1;
    let far = Far::default();
    settle(bank, Some(before), &mut entry, now, |bank, signals| {
        tx.fired(scope, bank, signals, &far)
    });
    Some(entry)
}

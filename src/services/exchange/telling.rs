//! Telling a partner what changed in a bank, for as long as it listens.

use crate::core::exchange::{Cursor, Partner, Share, tell};
use crate::core::id::BankId;
use crate::io::store::StoreError;
use crate::proto::v1;
use crate::services::desk::{Call, Desk};
use crate::services::pump::Outlet;
use crate::services::status::{Reason, Refusal};
use crate::services::words::delta::{self, Addressed};
use std::time::Duration;
use tokio::time::Instant;

/// Time between two looks whether the bank has changed.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Entries that are read at once.
const ENTRIES_AT_ONCE: usize = 500;

/// The partner that calls, where its agreement is in force.
///
/// # Errors
/// [`Reason::OutOfScope`].
pub async fn partner_of(desk: &Desk, call: &Call) -> Result<Partner, Refusal> {
    let found = desk.store.partner_of(&call.caller.scope, &call.caller.credential).await?;
    let now = desk.clock.now();
    found
        .filter(|partner| partner.is_in_force(now))
        .ok_or_else(|| Refusal::new(Reason::OutOfScope, "the caller is no partner in force"))
}

fn shared<'p>(partner: &'p Partner, bank: &BankId) -> Result<&'p Share, Refusal> {
    let refuse = || Refusal::new(Reason::OutOfScope, "the bank is not shared with the caller");
    partner.share(bank).ok_or_else(refuse)
}

/// Checks, before anything is told, that a partner may be told of a bank and that its place is one of this journal.
///
/// # Errors
/// [`Reason::OutOfScope`]; [`Reason::CursorUnknown`].
pub async fn admit(desk: &Desk, call: &Call, bank: &BankId, after: &Cursor) -> Result<(), Refusal> {
    shared(&partner_of(desk, call).await?, bank)?;
    if desk.store.cursor_at(after.number).await?.as_ref() != Some(after) {
        return Err(Refusal::new(Reason::CursorUnknown, "the place is not in this journal"));
    }
    Ok(())
}

/// Tells a partner everything that changed in a bank behind a place, and goes on until it has gone or its agreement has.
///
/// # Errors
/// [`Reason::OutOfScope`] where the agreement has ended; what the store fails of; where the caller has gone.
pub async fn run(
    desk: Desk,
    call: Call,
    bank: BankId,
    after: Cursor,
    out: &Outlet<v1::PullSignalsResponse>,
) -> Result<(), Refusal> {
    use v1::pull_signals_response::Message;
    let say = |message| v1::PullSignalsResponse { message: Some(message) };
    let (mut told, mut looked) = (after.number, after.number);
    let mut beat = Instant::now();
    loop {
        // Whoever is told is looked at each time: what is not agreed any more is not told any more.
        let last = last_change(&desk, &call, &bank)?;
        let changed = if last > looked {
            let partner = partner_of(&desk, &call).await?;
            Some(next(&desk, &call, &partner, &bank, (told, looked, last)).await?)
        } else {
            None
        };
        match changed {
            Some((to, delta)) => {
                looked = to;
                if let Some(delta) = delta {
                    told = to;
                    out.send(say(Message::Delta(delta))).await?;
                    // Where nothing follows, the next thing to say is that this was all.
                    beat = Instant::now();
                }
                continue;
            }
            None if Instant::now() >= beat => {
                shared(&partner_of(&desk, &call).await?, &bank)?;
                out.send(say(Message::Heartbeat(v1::PullHeartbeat { caught_up: true }))).await?;
                beat = Instant::now() + desk.limits.heartbeat;
            }
            None => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Number of the last change of a bank that this process knows of.
fn last_change(desk: &Desk, call: &Call, bank: &BankId) -> Result<u64, Refusal> {
    let resident = desk.store.resident().read();
    let status = resident.of(&call.caller.scope).and_then(|holding| holding.matcher.bank(bank));
    let gone = || Refusal::new(Reason::OutOfScope, "the bank is gone");
    status.map(|status| status.number).ok_or_else(gone)
}

/// What changed behind the number up to which was looked, where there was a change at `last`: how far was looked now, and
/// what there is to tell of it since `told`.
async fn next(
    desk: &Desk,
    call: &Call,
    partner: &Partner,
    bank: &BankId,
    (told, looked, last): (u64, u64, u64),
) -> Result<(u64, Option<v1::SignedDelta>), Refusal> {
    let share = shared(partner, bank)?;
    let scope = &call.caller.scope;
    let changed = desk.store.entries_changed(scope, bank, looked, ENTRIES_AT_ONCE).await?;
    // Where only its settings changed, nobody has to look at that again.
    let Some((to, _)) = changed.last() else { return Ok((last, None)) };
    let items: Vec<_> = changed
        .iter()
        .filter_map(|(_, entry)| Some(delta::write_told(&entry.id, &tell(share, entry)?)))
        .collect();
    if items.is_empty() {
        return Ok((*to, None));
    }
    let end = desk.store.cursor_at(*to).await?.ok_or(StoreError::Corrupt("journal"))?;
    let (audience, now) = (partner.id.as_str(), desk.clock.now());
    let addressed = Addressed { audience, bank, from: told, to: &end, now };
    Ok((*to, Some(delta::sign(desk.store.keys(), addressed, items))))
}

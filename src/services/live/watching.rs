//! Telling of cuts, from where the caller left off, for as long as it listens.

use crate::core::exchange::Cursor;
use crate::io::store::{CutEvent, StoreError};
use crate::proto::v1;
use crate::services::desk::{Call, Desk};
use crate::services::live::reply;
use crate::services::pump::Source;
use crate::services::status::{Reason, Refusal};
use std::time::Duration;

/// Time between two looks whether there is something new.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Looks after which it is asked whether the caller may still listen.
const ASK_AFTER: u32 = 50;

/// A stream of cuts.
pub struct Watch {
    desk: Desk,
    call: Call,
    /// Up to where the journal was looked through.
    looked: u64,
    /// The same for the caller.
    cursor: String,
}

fn write(cursor: &Cursor) -> String {
    format!("{}.{}", hex::encode(&cursor.anchor), cursor.number)
}

impl Watch {
    /// A stream that goes on behind a place; without one behind what is on record now.
    ///
    /// # Errors
    /// [`Reason::CursorUnknown`]; [`Reason::StoreUnavailable`].
    pub async fn open(desk: Desk, call: Call, after: Option<Cursor>) -> Result<Self, Refusal> {
        let number = match &after {
            Some(cursor) => cursor.number,
            None => desk.store.resident().read().applied(),
        };
        let here = desk.store.cursor_at(number).await?;
        if after.is_some() && here != after {
            return Err(Refusal::new(Reason::CursorUnknown, "the place is not in this journal"));
        }
        let cursor = here.map(|here| write(&here)).unwrap_or_default();
        Ok(Self { desk, call, looked: number, cursor })
    }

    /// The cursor at a number of the journal.
    async fn at(&self, number: u64) -> Result<String, Refusal> {
        let here = self.desk.store.cursor_at(number).await?;
        Ok(write(&here.ok_or(StoreError::Corrupt("journal"))?))
    }
}

impl Source for Watch {
    type Out = v1::WatchInterruptsResponse;

    async fn next(&mut self, patience: Duration) -> Result<Vec<Self::Out>, Refusal> {
        let mut left = patience;
        for look in 0_u32.. {
            if look.is_multiple_of(ASK_AFTER) {
                self.desk.is_still_let_in(&self.call)?;
            }
            let scope = &self.call.caller.scope;
            let (found, looked) = self.desk.store.cuts_after(scope, self.looked).await?;
            let mut told = Vec::with_capacity(found.len());
            for (number, event) in found {
                let cursor = self.at(number).await?;
                told.push(match event {
                    CutEvent::Interrupt(cut) => reply::interrupt(&cut, cursor),
                    CutEvent::Done(done) => reply::done(&done, cursor),
                });
            }
            self.looked = looked;
            if !told.is_empty() || left.is_zero() {
                self.cursor = self.at(looked).await?;
                return Ok(told);
            }
            let now = left.min(LOOK_EVERY);
            tokio::time::sleep(now).await;
            left = left.saturating_sub(now);
        }
        Ok(Vec::new())
    }

    fn heartbeat(&self) -> Self::Out {
        reply::watching(self.cursor.clone(), self.desk.limits.heartbeat)
    }
}

//! What guards of live streams read of the store: whether a stream was cut, and which cuts came behind a place.

use super::error::StoreError;
use super::handle::Store;
use super::{journal, rows};
use crate::core::access::Scope;
use crate::core::event::{Event, EventKind};
use crate::core::id::StreamId;
use crate::core::live::kept::{Done, Interrupt};

/// Events that are looked through at once.
const LOOKED_MAX: u64 = 50_000;
/// Cuts that are told at once.
const TOLD_MAX: u64 = 256;

/// What the journal says of cuts.
#[derive(Debug, Clone, PartialEq)]
pub enum CutEvent {
    /// A stream is to be cut.
    Interrupt(Box<Interrupt>),
    /// The platform has cut it.
    Done(Box<Done>),
}

impl Store {
    /// Name of the row of a stream's last cut: the same whenever it is asked for, and telling nothing of the stream.
    #[must_use]
    pub fn cut_row(&self, scope: &Scope, stream: &StreamId) -> String {
        let name = format!("{scope}\n{stream}");
        hex::encode(self.keys().text_fingerprint("live stream", &name))
    }

    /// The last cut of a stream, if it was cut.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses or a row was changed.
    pub async fn cut_of(
        &self,
        scope: &Scope,
        stream: &StreamId,
    ) -> Result<Option<Interrupt>, StoreError> {
        let row = self.cut_row(scope, stream);
        let mut conn = self.0.lookups.connection().await?;
        rows::document(&mut conn, &self.0.keys, &scope.to_string(), &row).await
    }

    /// What the journal says of a scope's cuts behind a number, in its order, with the numbers; and how far was looked.
    ///
    /// # Errors
    /// As [`Self::cut_of`].
    pub async fn cuts_after(
        &self,
        scope: &Scope,
        number: u64,
    ) -> Result<(Vec<(u64, CutEvent)>, u64), StoreError> {
        let end = self.resident().read().applied().min(number.saturating_add(LOOKED_MAX));
        if end <= number {
            return Ok((Vec::new(), number));
        }
        let kinds = (EventKind::StreamInterrupted, EventKind::StreamCut);
        let mut conn = self.0.pool.connection().await?;
        let found =
            journal::events_of(&mut conn, &self.0.keys, (number, end), kinds, TOLD_MAX).await?;
        let looked = match found.last() {
            Some(last) if found.len() as u64 == TOLD_MAX => last.number,
            _ => end,
        };
        let told = found.into_iter().filter_map(|recorded| {
            let event = match recorded.event? {
                Event::StreamInterrupted { scope: of, interrupt } if of == *scope => {
                    CutEvent::Interrupt(interrupt)
                }
                Event::StreamCut { scope: of, done } if of == *scope => CutEvent::Done(done),
                _ => return None,
            };
            Some((recorded.number, event))
        });
        Ok((told.collect(), looked))
    }
}

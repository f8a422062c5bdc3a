//! One exchange that is asked: its progress, what it may take in, and what goes where everything came anew.

use crate::core::access::Scope;
use crate::core::event::Event;
use crate::core::exchange::{Cursor, Exchange, Progress};
use crate::core::id::{EntryId, ExchangeId};
use crate::core::intake::Source;
use crate::core::record::{Record, Says};
use crate::core::refused::Refused;
use crate::io::store::{KeepError, Lease, Task, Which};
use crate::io::web::Web;
use crate::services::desk::Desk;
use crate::services::halt::Halt;
use crate::services::standing::Standings;
use crate::services::taking::{Into, Piece, What, take_in};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Notify;

/// Entries that are read at once to find what did not come again.
const ENTRIES_AT_ONCE: u64 = 1_000;

/// One that is asked.
pub struct Followed {
    /// Whose.
    pub scope: Scope,
    /// Which.
    pub exchange: Exchange,
    /// Where it is noted how it stands.
    pub standings: Standings,
    /// By what it is asked, where it is asked over HTTP.
    pub web: Web,
    /// Told when it is to be asked at once.
    pub wake: Arc<Notify>,
}

/// Which entries of a source came again, since everything is taken in anew.
#[derive(Debug, Default)]
pub struct Seen(HashSet<u128>);

/// An entry of a record by the first 128 bits of its name: a million of them take 32 MB.
fn mark(id: &EntryId) -> Option<u128> {
    u128::from_str_radix(id.as_str().strip_prefix("r-")?.get(..32)?, 16).ok()
}

impl Followed {
    /// Its name, and whose it is.
    #[must_use]
    pub fn key(&self) -> (Scope, ExchangeId) {
        (self.scope.clone(), self.exchange.id.clone())
    }

    /// The name of its records' entries' source.
    fn source(&self) -> &str {
        self.exchange.id.as_str()
    }

    /// Where its records go.
    ///
    /// # Errors
    /// Where another process asks it now.
    fn into(&self, desk: &Desk, progress: &Progress) -> Result<Into, Halt> {
        let source = Source {
            name: self.source().to_owned(),
            enters_as: self.exchange.enters_as,
            names_values: self.exchange.kind.names_values(),
        };
        let (scope, bank) = (self.scope.clone(), self.exchange.bank.clone());
        let new_per_day = self.exchange.cap(progress, desk.guards.new_per_day(), desk.clock.now());
        Ok(Into { scope, bank, source, new_per_day, lease: Some(lease(desk)?) })
    }

    /// How far it has come.
    ///
    /// # Errors
    /// Whatever the store fails of.
    pub async fn progress(&self, desk: &Desk) -> Result<Progress, Halt> {
        let kept = desk.store.progress(&self.scope, self.exchange.id.as_str()).await;
        let kept = kept.map_err(|error| error.to_string())?;
        let about = self.exchange.about();
        let begun = || self.exchange.begun(desk.clock.now());
        Ok(kept.filter(|kept| kept.of == about).unwrap_or_else(begun))
    }

    /// Takes in what it says, and with that how far it has come.
    ///
    /// # Errors
    /// Whatever the store fails of.
    pub async fn take(&self, desk: &Desk, piece: Piece) -> Result<Progress, Halt> {
        let into = self.into(desk, &piece.before)?;
        Ok(take_in(desk, &into, piece).await?.progress)
    }

    /// Notes which records came again.
    pub fn note(&self, desk: &Desk, seen: &mut Seen, records: &[Record]) {
        let (scope, bank) = (&self.scope, &self.exchange.bank);
        let listed = records.iter().filter(|record| matches!(record.says, Says::Listed(_)));
        let entry =
            |record: &Record| desk.store.record_entry(scope, bank, self.source(), &record.key);
        seen.0.extend(listed.filter_map(entry).filter_map(|id| mark(&id)));
    }

    /// Keeps a change of the progress by itself.
    ///
    /// # Errors
    /// Whatever the store fails of, and where another process asks it now.
    pub async fn keep(&self, desk: &Desk, progress: Progress) -> Result<Progress, Halt> {
        let (scope, now, lease) = (self.scope.clone(), desk.clock.now(), lease(desk)?);
        let kept = desk.keep_record(None, move |tx| {
            Box::pin(async move {
                tx.fence(lease).await.map_err(KeepError::<Refused>::Store)?;
                let next = progress.kept(now);
                let progress = Box::new(next.clone());
                tx.record(Event::ExchangeAdvanced { scope, progress }).await?;
                Ok(next)
            })
        });
        Ok(kept.await.map(|(progress, _)| progress)?)
    }

    /// Begins to take everything in anew.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub async fn begin_anew(&self, desk: &Desk, mut progress: Progress) -> Result<Progress, Halt> {
        (progress.cursor, progress.place) = (Cursor::default(), None);
        (progress.whole, progress.anew) = (false, true);
        self.keep(desk, progress).await
    }

    /// Drops what is not among what came again, unless that is more than may go at once: then a person has to look.
    ///
    /// # Errors
    /// Whatever the store fails of, and where too much would go.
    pub async fn sweep(
        &self,
        desk: &Desk,
        before: Progress,
        seen: &Seen,
    ) -> Result<Progress, Halt> {
        let (all, gone) = self.absent(desk, seen).await?;
        if gone.is_empty() {
            return Ok(before);
        }
        let share = all.saturating_mul(u64::from(self.exchange.drop_percent_max)) / 100;
        let count = gone.len() as u64;
        if count > share.max(1) {
            let why = format!(
                "{count} of {all} entries did not come again, which is more than drop_percent_max: \
                 nothing was dropped; whoever knows better sets it higher"
            );
            return Err(Halt { why, wait: Some(self.exchange.pause) });
        }
        let (what, after) = (What::Absent(gone), before.clone());
        self.take(desk, Piece { what, bad: Vec::new(), before, after }).await
    }

    /// How many entries of the source there are, and those that did not come again.
    async fn absent(&self, desk: &Desk, seen: &Seen) -> Result<(u64, Vec<EntryId>), Halt> {
        let (mut all, mut gone, mut after) = (0, Vec::new(), None::<String>);
        loop {
            let (scope, bank) = (&self.scope, &self.exchange.bank);
            let after_name = after.as_deref();
            let page =
                desk.store.entries(scope, bank, Which::NotRemoved, after_name, ENTRIES_AT_ONCE);
            let page = page.await.map_err(|error| error.to_string())?;
            let Some(last) = page.last() else { return Ok((all, gone)) };
            after = Some(last.id.to_string());
            let is_ours = |origin: &crate::core::bank::Origin| origin.source == self.source();
            for entry in page.into_iter().filter(|entry| entry.origin().is_some_and(is_ours)) {
                all += 1;
                if mark(&entry.id).is_some_and(|mark| !seen.0.contains(&mark)) {
                    gone.push(entry.id);
                }
            }
        }
    }
}

/// The right to ask.
///
/// # Errors
/// Where another process has it.
pub fn lease(desk: &Desk) -> Result<Lease, Halt> {
    desk.store.lease(Task::Exchanging).ok_or_else(|| "another process asks it".into())
}

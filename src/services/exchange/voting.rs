//! Telling a source what people here say of what it listed. The journal is the outbox: that an entry's source was told is kept
//! with the entry, so that after a break the last vote is sent again, and no other.

use crate::core::bank::Entry;
use crate::core::event::Event;
use crate::core::exchange::Progress;
use crate::core::id::EntryId;
use crate::core::polling::{Reason, Vote, reasons_asked, told, untold, votes};
use crate::core::refused::Refused;
use crate::core::time::Time;
use crate::io::store::KeepError;
use crate::io::web::WebLine;
use crate::services::desk::Desk;
use crate::services::exchange::followed::{Followed, lease};
use crate::services::halt::{Halt, halt};
use std::collections::BTreeMap;

/// Entries that are looked at at once.
const ENTRIES_AT_ONCE: usize = 500;
/// How far may be looked without keeping that nothing was to be told.
const LOOKED_MAX: u64 = 10_000;
/// Largest answer to a vote.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// How far was looked for what to tell, and the reasons that a source knows.
pub struct Voter {
    looked: u64,
    reasons: BTreeMap<String, Vec<Reason>>,
}

impl Voter {
    /// One that has told what the progress says.
    #[must_use]
    pub const fn from(progress: &Progress) -> Self {
        Self { looked: progress.told, reasons: BTreeMap::new() }
    }
}

/// Whether the source has noted a vote; not, where it never will.
enum Noted {
    Yes,
    No,
}

impl Followed {
    /// Looks at some of what changed, and tells what was not told yet; whether there is more to look at. Of a large bank
    /// it takes minutes to look at all, in which its source must still be asked.
    ///
    /// # Errors
    /// Where the source does not answer: what was told until then is kept.
    pub(super) async fn vote(
        &self,
        desk: &Desk,
        line: &mut WebLine,
        voter: &mut Voter,
        mut progress: Progress,
    ) -> Result<(Progress, bool), Halt> {
        let (scope, bank) = (&self.scope, &self.exchange.bank);
        let changed = desk.store.entries_changed(scope, bank, voter.looked, ENTRIES_AT_ONCE);
        let changed = changed.await.map_err(|error| error.to_string())?;
        let Some((last, _)) = changed.last() else { return Ok((progress, false)) };
        for (_, entry) in &changed {
            progress = self.vote_on(desk, line, voter, progress, entry).await?;
        }
        voter.looked = *last;
        if voter.looked > progress.told + LOOKED_MAX {
            progress.told = voter.looked;
            progress = self.keep(desk, progress).await?;
        }
        Ok((progress, true))
    }

    async fn vote_on(
        &self,
        desk: &Desk,
        line: &mut WebLine,
        voter: &mut Voter,
        mut progress: Progress,
        entry: &Entry,
    ) -> Result<Progress, Halt> {
        let source = self.exchange.id.as_str();
        let Some(at) = untold(entry, source) else { return Ok(progress) };
        for (name, ask) in reasons_asked(&self.exchange.kind, entry) {
            if voter.reasons.contains_key(&name) {
                continue;
            }
            let mut answer = line.ask(&ask, ANSWER_BYTES_MAX).await?;
            if answer.status != 200 {
                return Err(halt(&answer));
            }
            let reasons = Reason::read_all(&answer.all().await?);
            line.keep(answer);
            let reasons = reasons.ok_or("its reasons of votes cannot be read")?;
            voter.reasons.insert(name, reasons);
        }
        let is_taken = match votes(&self.exchange.kind, entry, &voter.reasons) {
            None => return Ok(progress),
            Some(Ok(vote)) => matches!(send(line, &vote).await?, Noted::Yes),
            Some(Err(why)) => {
                tracing::warn!(exchange = source, %why, "a source is not told an opinion");
                false
            }
        };
        if is_taken {
            progress.opinions.taken += 1;
        } else {
            progress.opinions.refused += 1;
        }
        self.note_told(desk, progress, entry.id.clone(), at).await
    }

    /// Keeps that an opinion was told, with the entry that it is on.
    async fn note_told(
        &self,
        desk: &Desk,
        progress: Progress,
        entry: EntryId,
        said: Time,
    ) -> Result<Progress, Halt> {
        let (scope, bank, lease) = (self.scope.clone(), self.exchange.bank.clone(), lease(desk)?);
        let kept = desk.keep_record(None, move |tx| {
            Box::pin(async move {
                tx.fence(lease).await.map_err(KeepError::<Refused>::Store)?;
                let at = tx.now();
                let present = tx.entries_named(&scope, &bank, &[entry]).await?;
                let entries: Vec<_> =
                    present.into_iter().flatten().map(|entry| told(entry, said)).collect();
                if !entries.is_empty() {
                    let scope = scope.clone();
                    tx.record(Event::EntriesPut { scope, bank, entries, at }).await?;
                }
                let next = progress.kept(at);
                let progress = Box::new(next.clone());
                tx.record(Event::ExchangeAdvanced { scope, progress }).await?;
                Ok(next)
            })
        });
        Ok(kept.await.map(|(progress, _)| progress)?)
    }
}

/// Sends a vote: all of it, or nothing that counts.
async fn send(line: &mut WebLine, vote: &Vote) -> Result<Noted, Halt> {
    for ask in &vote.asks {
        let mut answer = line.ask(ask, ANSWER_BYTES_MAX).await?;
        match answer.status {
            200..=299 => {
                answer.all().await?;
                line.keep(answer);
            }
            // It knows the entry or the vote no more, and will not tomorrow.
            400 | 404 | 405 | 409 | 410 | 422 => return Ok(Noted::No),
            _ => return Err(halt(&answer)),
        }
    }
    Ok(Noted::Yes)
}

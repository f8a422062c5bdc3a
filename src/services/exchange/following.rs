//! Following another service of this kind: its deltas are taken in as they come, and it is told what people here say of them.

use crate::core::exchange::{Bulwark, Expected, Progress, accept};
use crate::io::bulwark::Line;
use crate::proto::v1;
use crate::services::desk::Desk;
use crate::services::exchange::followed::{Followed, Seen};
use crate::services::halt::Halt;
use crate::services::standing::Doing;
use crate::services::status::Reason;
use crate::services::taking::{Piece, What};
use crate::services::words::delta::{self, Addressed};
use std::convert::Infallible;
use std::time::Duration;
use tonic::Status;
use tonic_types::StatusExt as _;

/// Entries that are read at once for feedback.
const ENTRIES_AT_ONCE: usize = 500;
/// Time between two looks whether there is something to tell.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Why following ended.
fn why(status: &Status) -> String {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    let message: String = status.message().chars().filter(|c| !c.is_control()).take(120).collect();
    format!("{:?} {reason} {message}", status.code())
}

impl Followed {
    /// Follows another service until the line ends or something of it is not accepted; says why.
    ///
    /// # Errors
    /// Always: why it ended.
    pub async fn follow(&self, desk: &Desk, other: &Bulwark) -> Result<Infallible, Halt> {
        let key = self.key();
        let mut line = Line::to(other).map_err(|error| error.to_string())?;
        let mut progress = self.progress(desk).await?;
        if progress.anew && progress.cursor.number > 0 {
            // What had come again is not known any more.
            progress = self.begin_anew(desk, progress).await?;
        }
        let mut seen = progress.anew.then(Seen::default);
        let asked = v1::PullSignalsRequest {
            bank_id: other.bank.to_string(),
            after_number: progress.cursor.number,
            after_anchor: progress.cursor.anchor.clone().into(),
        };
        let mut pulled = match line.pull(asked).await {
            Ok(pulled) => pulled,
            Err(status) if is_unknown(&status) => {
                self.begin_anew(desk, progress).await?;
                return Err("it was set back: everything is taken in anew".into());
            }
            Err(status) => return Err(why(&status).into()),
        };
        self.standings.heard(&key, Doing::CatchingUp, desk.clock.now());
        let mut looked = progress.told;
        let mut tell = tokio::time::interval(TELL_EVERY);
        tell.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let message = tokio::select! {
                message = pulled.message() => message.map_err(|status| why(&status))?,
                _ = tell.tick(), if self.exchange.gives_feedback => {
                    progress = self.tell(desk, other, &mut line, progress, &mut looked).await?;
                    continue;
                }
            };
            let message = message.and_then(|message| message.message);
            match message.ok_or("the line was ended")? {
                v1::pull_signals_response::Message::Heartbeat(sign) => {
                    if sign.caught_up && !progress.whole {
                        progress = self.is_whole(desk, progress, seen.take()).await?;
                    }
                    let doing = if progress.whole { Doing::Live } else { Doing::CatchingUp };
                    self.standings.heard(&key, doing, desk.clock.now());
                }
                v1::pull_signals_response::Message::Delta(sent) => {
                    progress = self.hear(desk, other, progress, &sent, seen.as_mut()).await?;
                    let doing = if progress.whole { Doing::Live } else { Doing::CatchingUp };
                    self.standings.heard(&key, doing, desk.clock.now());
                }
            }
        }
    }

    /// Takes a delta in.
    async fn hear(
        &self,
        desk: &Desk,
        other: &Bulwark,
        before: Progress,
        sent: &v1::SignedDelta,
        seen: Option<&mut Seen>,
    ) -> Result<Progress, Halt> {
        let refused = |refused| format!("a delta is not accepted: {refused}");
        let heard = delta::hear(sent, &other.verifiers).map_err(refused)?;
        let expected = Expected {
            origin: &other.origin,
            audience: other.partner.as_str(),
            bank: &other.bank,
            number: before.cursor.number,
            now: desk.clock.now(),
        };
        accept(&heard.head, expected).map_err(refused)?;
        let (records, bad) = delta::read_records(&other.origin, heard.items);
        if let Some(seen) = seen {
            self.note(desk, seen, &records);
        }
        let after = Progress { cursor: heard.cursor, ..before.clone() };
        let what = What::Records(records);
        self.take(desk, Piece { what, bad, before, after }).await
    }

    /// Everything has come once. What has not come again, where it was to, goes.
    async fn is_whole(
        &self,
        desk: &Desk,
        mut progress: Progress,
        seen: Option<Seen>,
    ) -> Result<Progress, Halt> {
        if let Some(seen) = seen {
            progress = self.sweep(desk, progress, &seen).await?;
        }
        (progress.whole, progress.anew) = (true, false);
        self.keep(desk, progress).await
    }

    /// Tells the other side what people here say of its entries, as far as it was not told. `looked` is how far was looked
    /// for that: the other side only hears of where there was something to tell.
    async fn tell(
        &self,
        desk: &Desk,
        other: &Bulwark,
        line: &mut Line,
        progress: Progress,
        looked: &mut u64,
    ) -> Result<Progress, Halt> {
        let (scope, bank) = (&self.scope, &self.exchange.bank);
        let changed = desk.store.entries_changed(scope, bank, *looked, ENTRIES_AT_ONCE);
        let changed = changed.await.map_err(|error| error.to_string())?;
        let Some((last, _)) = changed.last() else { return Ok(progress) };
        let is_ours = |source: &str| source == self.exchange.id.as_str();
        let items: Vec<_> = changed
            .iter()
            .map(|(_, entry)| entry)
            .filter(|entry| entry.origin().is_some_and(|origin| is_ours(&origin.source)))
            // An entry that never changed was never spoken of.
            .filter(|entry| entry.version > 1)
            .map(|entry| delta::write_opinion(&entry.provenance.source_record, delta::ours(entry)))
            .collect();
        *looked = *last;
        if items.is_empty() {
            return Ok(progress);
        }
        let to = desk.store.cursor_at(*last).await.map_err(|error| error.to_string())?;
        let to = to.ok_or("the journal does not reach so far")?;
        let addressed = Addressed {
            audience: &other.origin,
            bank: &other.bank,
            from: progress.told,
            to: &to,
            now: desk.clock.now(),
        };
        let delta = Some(delta::sign(desk.store.keys(), addressed, items));
        let told = match line.push_opinions(v1::PushOpinionsRequest { delta }).await {
            Ok(_) => *last,
            // It was told, and the answer was lost: it says up to where.
            Err(status) => heard_up_to(&status)
                .filter(|heard| *heard > progress.told && *heard <= *last)
                .ok_or_else(|| why(&status))?,
        };
        *looked = told;
        self.keep(desk, Progress { told, ..progress }).await
    }
}

fn is_unknown(status: &Status) -> bool {
    let reason = status.get_details_error_info().map(|info| info.reason);
    reason.as_deref() == Some(Reason::CursorUnknown.as_str())
}

/// How far the other side has heard, where it refuses a delta for that.
fn heard_up_to(status: &Status) -> Option<u64> {
    let info = status.get_details_error_info()?;
    if info.reason != Reason::DeltaRefused.as_str() {
        return None;
    }
    info.metadata.get("number")?.parse().ok()
}

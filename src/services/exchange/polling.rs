//! Asking a source page by page: each page is taken in with the place behind it, so that a break costs one page.

use crate::core::exchange::{Exchange, FilePlace, Place, Progress};
use crate::core::polling::{self, Ask, Next, Reading, Turn};
use crate::io::web::{Answer, WebLine};
use crate::services::desk::Desk;
use crate::services::exchange::followed::{Followed, Seen};
use crate::services::exchange::voting::Voter;
use crate::services::halt::{Halt, halt};
use crate::services::standing::Doing;
use crate::services::taking::{Piece, What};
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, timeout};

/// Largest page.
const PAGE_BYTES_MAX: u64 = 256 << 20;
/// Longest time for a page, and for a file, with all that is done with it: whoever drips holds nothing for ever.
const PAGE_TIME_MAX: Duration = Duration::from_secs(900);
const FILE_TIME_MAX: Duration = Duration::from_secs(12 * 3600);
/// Time between two looks whether there is something to tell.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Not everybody asks at the same moment: a pause is longer by up to this part of it.
const JITTER: u32 = 10;

fn is_file(exchange: &Exchange) -> bool {
    matches!(exchange.kind, crate::core::exchange::Kind::File(_))
}

impl Followed {
    /// Asks a source until something of it is not as it should be; says why.
    ///
    /// # Errors
    /// Always: why it ended.
    pub async fn poll(&self, desk: &Desk) -> Result<Infallible, Halt> {
        let site = self.exchange.kind.site().ok_or("it is not asked over HTTP")?;
        let mut line = self.web.line(site)?;
        let mut progress = self.progress(desk).await?;
        if progress.anew && progress.place.is_some() {
            // What had come again is not known any more.
            progress = self.begin_anew(desk, progress).await?;
        }
        let mut seen = progress.anew.then(Seen::default);
        let mut voter = Voter::from(&progress);
        let mut is_due = false;
        loop {
            match polling::next(&self.exchange, &progress, desk.clock.now(), is_due) {
                Next::Anew => {
                    progress = self.begin_anew(desk, progress).await?;
                    seen = Some(Seen::default());
                }
                Next::Rest(pause) => {
                    self.standings.heard(&self.key(), Doing::Live, desk.clock.now());
                    let share = u32::from(desk.clock.random::<1>()[0]);
                    let until = Instant::now() + pause + pause / JITTER * share / 255;
                    let rested = self.rest(desk, &mut line, &mut voter, progress, until);
                    (progress, is_due) = rested.await?;
                }
                Next::Ask(ask) => {
                    let most = if is_file(&self.exchange) { FILE_TIME_MAX } else { PAGE_TIME_MAX };
                    let page = self.page(desk, &mut line, &ask, progress, &mut seen);
                    let (next, is_whole) =
                        timeout(most, page).await.map_err(|_| "an answer takes too long")??;
                    progress = next;
                    is_due &= !is_whole;
                    let doing = if progress.whole { Doing::Live } else { Doing::CatchingUp };
                    self.standings.heard(&self.key(), doing, desk.clock.now());
                }
            }
        }
    }

    /// Waits, and tells meanwhile what people here say; whether somebody wants it asked at once.
    async fn rest(
        &self,
        desk: &Desk,
        line: &mut WebLine,
        voter: &mut Voter,
        mut progress: Progress,
        until: Instant,
    ) -> Result<(Progress, bool), Halt> {
        let mut tell = tokio::time::interval(TELL_EVERY);
        tell.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Ok((progress, false)),
                () = self.wake.notified() => return Ok((progress, true)),
                _ = tell.tick(), if self.exchange.gives_feedback => {
                    let has_more;
                    (progress, has_more) = self.vote(desk, line, voter, progress).await?;
                    if has_more {
                        tell.reset_immediately();
                    }
                }
            }
        }
    }

    /// Asks once, and takes in what comes; whether everything was heard with it.
    async fn page(
        &self,
        desk: &Desk,
        line: &mut WebLine,
        ask: &Ask,
        progress: Progress,
        seen: &mut Option<Seen>,
    ) -> Result<(Progress, bool), Halt> {
        let file = is_file(&self.exchange);
        let bytes_max = if file { self.web.file_bytes_max() } else { PAGE_BYTES_MAX };
        let mut answer = line.ask(ask, bytes_max).await?;
        match answer.status {
            200 => {}
            304 if file => return self.unchanged(desk, progress).await,
            401 | 403 | 408 | 429 => return Err(halt(&answer)),
            400..=499 => {
                if let Some(place) = progress.place.as_ref().and_then(polling::lost) {
                    self.keep(desk, Progress { place: Some(place), ..progress }).await?;
                    return Err("a page that it had named is not known to it any more".into());
                }
                return Err(halt(&answer));
            }
            _ => return Err(halt(&answer)),
        }
        if file {
            *seen = Some(Seen::default());
        }
        let (reading, state, progress) =
            self.read(desk, &mut answer, progress, seen.as_mut()).await?;
        line.keep(answer);
        self.turn(desk, reading, state, progress, seen).await
    }

    /// Reads an answer to its end, and takes in what is much already.
    async fn read(
        &self,
        desk: &Desk,
        answer: &mut Answer,
        mut progress: Progress,
        mut seen: Option<&mut Seen>,
    ) -> Result<(Reading, FilePlace, Progress), Halt> {
        let mut reading = Reading::of(&self.exchange.kind).ok_or("it is not asked over HTTP")?;
        let (mut digest, mut size) = (Sha256::new(), 0);
        loop {
            let piece = answer.piece().await?;
            let fed = match &piece {
                Some(piece) => {
                    digest.update(piece);
                    size += piece.len() as u64;
                    reading.feed(piece)
                }
                None => reading.end(),
            };
            if fed.is_err() || reading.is_much() {
                let (records, bad) = (reading.take(), reading.take_bad());
                if let Some(seen) = seen.as_deref_mut() {
                    self.note(desk, seen, &records);
                }
                // The place stays: it moves with the end of the page.
                let (what, after) = (What::Records(records), progress.clone());
                let piece = Piece { what, bad, before: progress, after };
                progress = self.take(desk, piece).await?;
            }
            fed?;
            if piece.is_none() {
                let digest: [u8; 32] = digest.finalize().into();
                let state = polling::state_of(digest, size, answer.etag.clone());
                return Ok((reading, state, progress));
            }
        }
    }

    /// Takes in the end of a page, with the place behind it.
    async fn turn(
        &self,
        desk: &Desk,
        mut reading: Reading,
        state: FilePlace,
        before: Progress,
        seen: &mut Option<Seen>,
    ) -> Result<(Progress, bool), Halt> {
        let (records, bad) = (reading.take(), reading.take_bad());
        if let Some(seen) = seen.as_mut() {
            self.note(desk, seen, &records);
        }
        let now = desk.clock.now();
        let turn = match (is_file(&self.exchange), before.place.clone()) {
            (true, Some(Place::File(place))) => polling::answered(place, Some(state), now),
            (true, _) => polling::answered(FilePlace::default(), Some(state), now),
            (false, place) => polling::turn(&self.exchange.kind, place, reading.page(), now)?,
        };
        let Turn { place, is_whole } = turn;
        let is_swept = is_whole && seen.is_some();
        let mut after = before.clone();
        if !is_swept {
            (after.place, after.whole) = (Some(place.clone()), before.whole || is_whole);
            after.add_unknown(&reading.unknown());
        }
        let mut progress =
            self.take(desk, Piece { what: What::Records(records), bad, before, after }).await?;
        if let Some(seen) = seen.take_if(|_| is_swept) {
            progress = self.sweep(desk, progress, &seen).await?;
            (progress.place, progress.whole, progress.anew) = (Some(place), true, false);
            progress.add_unknown(&reading.unknown());
            progress = self.keep(desk, progress).await?;
        }
        Ok((progress, is_whole))
    }

    /// The file is as it was.
    async fn unchanged(
        &self,
        desk: &Desk,
        mut progress: Progress,
    ) -> Result<(Progress, bool), Halt> {
        if let Some(Place::File(place)) = progress.place.take() {
            progress.place = Some(polling::answered(place, None, desk.clock.now()).place);
        }
        Ok((self.keep(desk, progress).await?, true))
    }
}

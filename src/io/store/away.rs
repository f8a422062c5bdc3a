//! A writer whose database is away: it is connected to again, and meanwhile everybody is told at once.

use super::error::StoreError;
use super::follow::Follower;
use super::inbox::Message;
use super::line;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::mpsc;

/// How being away came to an end.
pub enum Back {
    /// The database is there.
    Again,
    /// There is something else to be done; nothing more where nobody can ask any more.
    Asked(Option<Message>),
}

impl Follower {
    /// Makes a lost connection again, and meanwhile tells everybody at once that the database is away.
    ///
    /// # Errors
    /// Why this process may not go on.
    pub(super) async fn be_away(
        &mut self,
        messages: &mut mpsc::Receiver<Message>,
    ) -> Result<Back, StoreError> {
        self.set_away(true);
        loop {
            match refusing(self.regain(), messages).await {
                Ok(Ok(_)) => {
                    self.set_away(false);
                    return Ok(Back::Again);
                }
                Ok(Err(error)) if error.ends_writing() => return Err(error),
                Ok(Err(_)) => {}
                Err(asked) => return Ok(Back::Asked(asked)),
            }
            let pause = tokio::time::sleep(line::TRY_EVERY);
            if let Err(asked) = refusing(pause, messages).await {
                return Ok(Back::Asked(asked));
            }
        }
    }

    pub(super) fn set_away(&self, away: bool) {
        let before = self.shared.away.swap(away, Ordering::SeqCst);
        match (before, away) {
            (false, true) => tracing::warn!("the database is away: connecting again"),
            (true, false) => {
                tracing::info!("the database is back");
                self.shared.back.notify_one();
            }
            _ => {}
        }
    }

    /// Makes the connection again, and takes into account what the journal holds by then; says whether a commit was
    /// kept whose answer was lost.
    ///
    /// # Errors
    /// As [`line::again`], and as [`Self::follow`].
    pub(super) async fn regain(&mut self) -> Result<bool, StoreError> {
        let asked = Instant::now();
        let (conn, head) = line::again(&self.settings, &self.tx.keys).await?;
        self.tx.conn = conn;
        self.follow(&head, asked).await
    }
}

/// Waits for something, and meanwhile tells everybody that the database is away. Any other message ends the waiting.
async fn refusing<T>(
    waiting: impl Future<Output = T>,
    messages: &mut mpsc::Receiver<Message>,
) -> Result<T, Option<Message>> {
    let mut waiting = std::pin::pin!(waiting);
    loop {
        tokio::select! {
            done = &mut waiting => return Ok(done),
            message = messages.recv() => match message {
                Some(Message::Job(job)) => job.refuse_away(),
                ended => return Err(ended),
            },
        }
    }
}

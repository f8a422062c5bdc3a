//! Staying in step with a journal that other processes write to, too.
//!
//! Every transaction begins by locking the head. Where that has moved, the events up to it are read first, so that a
//! change always sees what came before it. While nobody writes here, the head is looked at several times a second.

use super::error::StoreError;
use super::head::{self, Head};
use super::inbox::Shared;
use super::journal;
use super::lease::{self, Watched};
use super::replica::{self, Replica};
use super::settings::Settings;
use super::snapshots::Snapshots;
use super::tx::Tx;
use crate::core::event::Event;
use crate::core::journal::merkle::Frontier;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often the head is looked at while nobody writes here.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Events that are read while the head is locked; more are read before.
const LOCKED_MAX: u64 = journal::NEXT_AT_ONCE;

/// A commit whose answer was lost.
pub struct Unsure {
    /// The tree behind it.
    pub frontier: Frontier,
    /// The head as it is where it was kept.
    pub after: Head,
    /// What it recorded.
    pub events: Vec<(u64, Event)>,
}

/// What the others know of this process.
pub struct Own {
    /// Its row.
    pub replica: Replica,
    /// When they were last told.
    pub beaten: Option<Instant>,
    /// What it has seen of leases of others.
    pub watched: Watched,
}

/// How far this process follows the journal, and its line to it.
pub struct Follower {
    pub(super) tx: Tx,
    pub(super) frontier: Frontier,
    pub(super) settings: Settings,
    pub(super) shared: Arc<Shared>,
    pub(super) snapshots: Snapshots,
    /// What the others know of this process, where there can be others.
    pub(super) own: Option<Own>,
    pub(super) unsure: Option<Unsure>,
}

impl Follower {
    /// Begins a transaction, with everything taken into account that others wrote before it.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where others may not write and did; [`StoreError::Unfollowable`]; or where the database
    /// refuses. The transaction has to be rolled back.
    pub(super) async fn begin(&mut self) -> Result<Head, StoreError> {
        let mut asked = Instant::now();
        let mut head = head::begin(&mut self.tx.conn, &self.tx.keys).await?;
        if head.size > self.tx.head.size.saturating_add(LOCKED_MAX) && self.own.is_some() {
            // Others do not have to wait for so long.
            self.tx.conn.roll_back().await;
            self.catch_up(&head, asked).await?;
            asked = Instant::now();
            head = head::begin(&mut self.tx.conn, &self.tx.keys).await?;
        }
        self.catch_up(&head, asked).await?;
        Ok(head)
    }

    /// Looks whether others wrote, and takes it into account.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(super) async fn look(&mut self) -> Result<(), StoreError> {
        let asked = Instant::now();
        let head = head::read(&mut self.tx.conn, &self.tx.keys).await?;
        self.catch_up(&head, asked).await
    }

    /// Takes into account where the head stood at a moment, by way of a connection that was made again: a commit whose
    /// answer was lost, and what others wrote. Says whether that commit was kept.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(super) async fn follow(&mut self, head: &Head, asked: Instant) -> Result<bool, StoreError> {
        let mut kept = false;
        if let Some(unsure) = &self.unsure {
            let (size, root) = (unsure.after.size, unsure.after.root);
            // Its root commits to fresh salts: no other commit has it.
            kept = (head.size, head.root) == (size, root) || {
                let found = journal::checkpoint(&mut self.tx.conn, size).await?;
                let signed = found.and_then(|(_, note)| self.tx.keys.verify(&note));
                signed.is_some_and(|signed| (signed.size, signed.root) == (size, root))
            };
        }
        if let Some(unsure) = self.unsure.take().filter(|_| kept) {
            self.frontier = unsure.frontier;
            self.tx.head = unsure.after;
            self.shared.commits.fetch_add(1, Ordering::Relaxed);
            self.apply(&unsure.events);
        }
        self.catch_up(head, asked).await?;
        Ok(kept)
    }

    /// Reads the events up to a head that was read at the moment `asked`, and applies them.
    async fn catch_up(&mut self, head: &Head, asked: Instant) -> Result<(), StoreError> {
        let ours = self.tx.head;
        if self.own.is_none() {
            let is_ours = (head.size, head.root, head.epoch) == (ours.size, ours.root, ours.epoch);
            return if is_ours { Ok(()) } else { Err(StoreError::InUse) };
        }
        if head.epoch != ours.epoch {
            return Err(StoreError::Unfollowable("it was put in place anew"));
        }
        if head.size < ours.size {
            return Err(StoreError::Unfollowable("it was set back"));
        }
        while self.frontier.size() < head.size {
            let mut frontier = self.frontier.clone();
            let (conn, keys) = (&mut self.tx.conn, &self.tx.keys);
            let events = match journal::next(conn, keys, &mut frontier, head.size).await {
                Err(StoreError::Corrupt(what)) => return Err(StoreError::Unfollowable(what)),
                other => other?,
            };
            if frontier.size() == head.size {
                is_same(frontier.root() == head.root)?;
            }
            // From here on without a pause: whoever gives this up has all of it or nothing.
            self.frontier = frontier;
            self.tx.head = Head { size: self.frontier.size(), root: self.frontier.root(), ..*head };
            self.apply(&events);
        }
        is_same(self.frontier.root() == head.root)?;
        self.tx.head = *head;
        self.shared.step.reach(asked);
        Ok(())
    }

    /// Takes events into account that end where the head of this process stands.
    pub(super) fn apply(&self, events: &[(u64, Event)]) {
        if !events.is_empty() {
            self.shared.memory.apply(events);
            self.snapshots.reach(self.tx.head.size, self.tx.head.root);
            self.shared.step.moved();
        }
    }

    /// Tells the others that this process is there, where it is time to.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub(super) async fn beat(&mut self) -> Result<(), StoreError> {
        let Some(own) = &mut self.own else { return Ok(()) };
        if own.beaten.is_some_and(|beaten| beaten.elapsed() < replica::BEAT_EVERY) {
            return Ok(());
        }
        // Not held while the database is waited for: old pictures keep memory.
        (own.replica.applied, own.replica.entries) = {
            let resident = self.shared.memory.read();
            (resident.applied(), resident.entries())
        };
        own.replica.beaten = self.tx.clock.now();
        own.replica.counted = *self.shared.counted.lock();
        replica::beat(&mut self.tx.conn, &own.replica).await?;
        let (name, leases) = (&own.replica.name, &self.shared.leases);
        lease::renew(&mut self.tx.conn, name, leases, &mut own.watched).await?;
        own.beaten = Some(Instant::now());
        Ok(())
    }
}

fn is_same(same: bool) -> Result<(), StoreError> {
    if same { Ok(()) } else { Err(StoreError::Unfollowable("it is not the one that was read")) }
}

//! How the store is, and those that share its database: what a person who looks after it wants to know.

use super::handle::Store;
use super::lease::{self, Held};
use super::replica::{self, Name, Replica};
use super::{error::StoreError, head};
use crate::core::shard::Shard;
use std::time::Duration;

/// Longest time for what is asked of the database.
const ASKED_MAX: Duration = Duration::from_secs(2);

/// How a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Journal number up to which the memory is in step.
    pub applied: u64,
    /// For how long it may have missed what others changed.
    pub age: Duration,
    /// Entries in it.
    pub entries: u64,
    /// Which of the entries it keeps.
    pub shard: Shard,
    /// Journal number of the snapshot that the next start uses; 0 for none.
    pub snapshot: u64,
    /// Whether the database is away.
    pub away: bool,
    /// Whether writing has ended.
    pub failed: bool,
    /// Bytes of verdicts that wait for the database.
    pub spooled: u64,
    /// By what name the others know this process, where there can be others.
    pub name: Option<Name>,
    /// What the database says; nothing while it is away.
    pub told: Option<Told>,
}

/// What the database says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Number of events in the journal.
    pub size: u64,
    /// The processes that share it.
    pub replicas: Vec<Replica>,
    /// What one of them does for all.
    pub leases: Vec<Held>,
}

impl Store {
    /// How the store is at the moment.
    pub async fn state(&self) -> State {
        let (applied, entries) = {
            let resident = self.resident().read();
            (resident.applied(), resident.entries())
        };
        let asked = tokio::time::timeout(ASKED_MAX, self.told()).await;
        State {
            applied,
            age: self.age(),
            entries,
            shard: self.0.settings.shard,
            snapshot: self.snapshots().number,
            away: self.is_away(),
            failed: self.has_failed(),
            spooled: self.spooled_bytes(),
            name: self.0.name.clone(),
            told: asked.ok().and_then(Result::ok),
        }
    }

    /// The processes that share the database; none where there can be no others.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses, or takes long.
    pub async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        if self.0.name.is_none() {
            return Ok(Vec::new());
        }
        let asking = async {
            let mut conn = self.0.pool.connection().await?;
            replica::all(&mut conn).await
        };
        tokio::time::timeout(ASKED_MAX, asking).await.unwrap_or(Err(StoreError::Late))
    }

    /// By what name others know this process, where there can be others.
    #[must_use]
    pub fn name(&self) -> Option<&Name> {
        self.0.name.as_ref()
    }

    async fn told(&self) -> Result<Told, StoreError> {
        let mut conn = self.0.pool.connection().await?;
        let (replicas, leases) = match &self.0.name {
            None => (Vec::new(), Vec::new()),
            Some(_) => (replica::all(&mut conn).await?, lease::all(&mut conn).await?),
        };
        let size = head::read(&mut conn, &self.0.keys).await?.size;
        Ok(Told { size, replicas, leases })
    }
}

//! The processes that keep the other shards of the banks: who they are, and asking them.
//!
//! Each tells its shard and its address in its row of the store, which every other reads once a second. While the database
//! is away those go on to be asked that were last known.

mod peer;

use crate::config::ShardSettings;
use crate::core::id::CredentialId;
use crate::core::key::KeyText;
use crate::core::shard::Shard;
use crate::core::shard::choice;
use crate::io::seal::KeyRing;
use crate::io::store::{Name, Replica, Store};
use crate::proto::v1;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use parking_lot::RwLock;
pub use peer::ShardsError;
use peer::{Client, Peer, Trust};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tonic::Status;

/// Name of the credential that processes of one deployment show each other; in no store, and none can be made of that name.
const CREDENTIAL: &str = "shards";
/// Time between two looks at who is there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The key that processes show each other: whoever has the key ring has it.
#[must_use]
pub fn key(keys: &KeyRing) -> Option<KeyText> {
    let secret = keys.text_fingerprint("key of shards", "");
    CredentialId::parse(CREDENTIAL).ok().map(|credential| KeyText::new(credential, secret))
}

/// Who keeps which shard, by its number.
type Map = BTreeMap<u32, Vec<Arc<Peer>>>;

/// What became of asking.
#[derive(Debug, Default)]
pub struct ShardFigures {
    /// Questions to a process.
    pub asked: AtomicU64,
    /// Those that were not answered.
    pub unanswered: AtomicU64,
    /// Those that went to a second process because the first took long.
    pub hedged: AtomicU64,
    /// Shards that had not answered when there was no more time.
    pub missing: AtomicU64,
}

struct Inner {
    own: Shard,
    hedge_after: Duration,
    answer_time_max: Duration,
    trust: Trust,
    map: RwLock<Map>,
    /// For each shard whose turn it is.
    turns: Vec<AtomicUsize>,
    figures: ShardFigures,
}

/// The processes that keep the other shards. Clones are the same.
#[derive(Clone)]
pub struct Shards(Arc<Inner>);

impl std::fmt::Debug for Shards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shards({})", self.0.own)
    }
}

impl Shards {
    /// Finds out who keeps the other shards, and goes on doing so for as long as the store is open. `identity` are the
    /// files of certificate and key that this process shows the others.
    ///
    /// # Errors
    /// [`ShardsError`].
    pub async fn start(
        settings: &ShardSettings,
        identity: Option<(&std::path::Path, &std::path::Path)>,
        store: &Store,
    ) -> Result<Self, ShardsError> {
        let key = key(store.keys()).ok_or(ShardsError::Key)?;
        let shards = Self::of(settings, Trust::read(&key, settings.ca.as_deref(), identity)?);
        shards.look(store).await;
        let (looking, store) = (Arc::downgrade(&shards.0), store.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(inner) = looking.upgrade().filter(|_| !store.is_closed()) else { return };
                Self(inner).look(&store).await;
            }
        });
        Ok(shards)
    }

    /// Nobody is known yet.
    fn of(settings: &ShardSettings, trust: Trust) -> Self {
        Self(Arc::new(Inner {
            own: settings.own,
            hedge_after: settings.hedge_after,
            answer_time_max: settings.answer_time_max,
            trust,
            map: RwLock::default(),
            turns: (0..=settings.own.count()).map(|_| AtomicUsize::new(0)).collect(),
            figures: ShardFigures::default(),
        }))
    }

    /// The shard that this process keeps.
    #[must_use]
    pub fn own(&self) -> Shard {
        self.0.own
    }

    /// What became of asking.
    #[must_use]
    pub fn figures(&self) -> &ShardFigures {
        &self.0.figures
    }

    /// The numbers of the other shards, and how many processes are known to keep each.
    #[must_use]
    pub fn holders(&self) -> Vec<(u32, usize)> {
        let map = self.0.map.read();
        let of = |shard: Shard| (shard.number(), map.get(&shard.number()).map_or(0, Vec::len));
        self.0.own.others().map(of).collect()
    }

    async fn look(&self, store: &Store) {
        match store.replicas().await {
            Ok(replicas) => self.know(&replicas, store.keys(), store.name()),
            // Those who were there may well be there still.
            Err(error) => tracing::debug!(%error, "who keeps the other shards is not known anew"),
        }
    }

    /// Takes account of who is there.
    fn know(&self, replicas: &[Replica], keys: &KeyRing, this: Option<&Name>) {
        let own = self.0.own;
        let mut map = Map::new();
        let before = self.0.map.read().clone();
        for replica in replicas {
            let others = replica.shard.count() == own.count() && replica.shard != own;
            if !others || Some(&replica.name) == this {
                continue;
            }
            let Some(address) = replica.address.vouched(keys, &replica.name, replica.shard) else {
                tracing::debug!(replica = %replica.name, "another shard tells no address of its own");
                continue;
            };
            let number = replica.shard.number();
            let known = before.get(&number).into_iter().flatten();
            let known = known.into_iter().find(|peer| peer.address() == address);
            let peer = match known {
                Some(peer) => Arc::clone(peer),
                None => match Peer::new(address, &self.0.trust) {
                    Ok(peer) => Arc::new(peer),
                    Err(error) => {
                        tracing::warn!(%error, replica = %replica.name, "a process of another shard cannot be asked");
                        continue;
                    }
                },
            };
            map.entry(number).or_default().push(peer);
        }
        *self.0.map.write() = map;
    }

    /// Looks for signals in every other shard. For each, in the order of their numbers: what it says, or nothing where
    /// nobody answered until `end`.
    pub async fn look_up(
        &self,
        request: &v1::LookUpRequest,
        end: Instant,
    ) -> Vec<Option<v1::LookUpResponse>> {
        self.ask(end, request.signals.len(), |mut client, shard| {
            let request = v1::LookUpRequest { shard: Some(shard), ..request.clone() };
            Box::pin(async move { Ok(client.look_up(request).await?.into_inner()) })
        })
        .await
    }

    /// Finds what is known to be good and near to signals in every other shard, as [`Self::look_up`] does.
    pub async fn find_good(
        &self,
        request: &v1::FindGoodRequest,
        end: Instant,
    ) -> Vec<Option<v1::FindGoodResponse>> {
        self.ask(end, request.signals.len(), |mut client, shard| {
            let request = v1::FindGoodRequest { shard: Some(shard), ..request.clone() };
            Box::pin(async move { Ok(client.find_good(request).await?.into_inner()) })
        })
        .await
    }

    /// Asks every other shard what it has of each bank, as [`Self::look_up`] does.
    pub async fn count_entries(
        &self,
        request: &v1::CountEntriesRequest,
        end: Instant,
    ) -> Vec<Option<v1::CountEntriesResponse>> {
        self.ask(end, 1, |mut client, shard| {
            let request = v1::CountEntriesRequest { shard: Some(shard), ..request.clone() };
            Box::pin(async move { Ok(client.count_entries(request).await?.into_inner()) })
        })
        .await
    }

    /// Asks for so many signals.
    async fn ask<A, S>(&self, end: Instant, signals: usize, send: S) -> Vec<Option<A>>
    where
        A: Send,
        S: Fn(Client, v1::Shard) -> BoxFuture<'static, Result<A, Status>> + Sync,
    {
        let end = end.min(Instant::now() + self.0.answer_time_max);
        let slow_after = choice::slow_after(self.0.hedge_after, signals);
        let asking = self.0.own.others().map(|shard| {
            let send = &send;
            async move {
                let asking = self.ask_one(shard, end, slow_after, send);
                let asking = tokio::time::timeout_at(end.into(), asking);
                let answer = asking.await.ok().flatten();
                if answer.is_none() {
                    self.0.figures.missing.fetch_add(1, Ordering::Relaxed);
                }
                answer
            }
        });
        join_all(asking).await
    }

    /// Whether one more question may go to a second process.
    fn may_hedge(&self) -> bool {
        let figures = &self.0.figures;
        let (asked, hedged) =
            (figures.asked.load(Ordering::Relaxed), figures.hedged.load(Ordering::Relaxed));
        choice::may_hedge(asked, hedged)
    }

    /// Asks one process of a shard; a second where the first takes long, and the next where one fails.
    async fn ask_one<A, S>(
        &self,
        shard: Shard,
        end: Instant,
        slow_after: Duration,
        send: &S,
    ) -> Option<A>
    where
        S: Fn(Client, v1::Shard) -> BoxFuture<'static, Result<A, Status>>,
    {
        let peers = self.0.map.read().get(&shard.number()).cloned().unwrap_or_default();
        let standings: Vec<_> = peers.iter().map(|peer| peer.standing()).collect();
        let turn = self.0.turns.get(shard.number() as usize)?.fetch_add(1, Ordering::Relaxed);
        let order = choice::order(&standings, turn);
        let end = end.min(Instant::now() + choice::patience(&standings, self.0.answer_time_max));
        // A line that broke is made again: whoever is alone gets a second try.
        let again = order.first().copied().filter(|_| order.len() == 1);
        let mut next = order.into_iter();
        let mut again = again.into_iter();
        let named = v1::Shard { number: shard.number(), count: shard.count() };
        let ask = |place: usize| {
            self.0.figures.asked.fetch_add(1, Ordering::Relaxed);
            let asking =
                Arc::clone(&peers[place]).ask(end, slow_after, |client| send(client, named));
            async move {
                let answered = asking.await;
                if answered.is_none() {
                    self.0.figures.unanswered.fetch_add(1, Ordering::Relaxed);
                }
                answered
            }
        };
        let mut asked = FuturesUnordered::new();
        asked.push(ask(next.next()?));
        let mut hedging = true;
        let slow = tokio::time::sleep(slow_after);
        let over = tokio::time::sleep_until(end.into());
        tokio::pin!(slow, over);
        loop {
            tokio::select! {
                answered = asked.next() => match answered {
                    Some(Some(answer)) => return Some(answer),
                    _ => match next.next().or_else(|| again.next()) {
                        Some(place) => asked.push(ask(place)),
                        None if asked.is_empty() => return None,
                        None => {}
                    },
                },
                () = &mut slow, if hedging => {
                    hedging = false;
                    if self.may_hedge() && let Some(place) = next.next() {
                        self.0.figures.hedged.fetch_add(1, Ordering::Relaxed);
                        asked.push(ask(place));
                    }
                }
                () = &mut over => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests;

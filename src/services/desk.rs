//! What every room works with: the store, the examiner of media, the clock, and the limits of a call.

use crate::core::access::Caller;
use crate::core::id::RequestId;
use crate::core::refused::Refused;
use crate::core::repeats::{Repeats, Seen};
use crate::io::clock::Clock;
use crate::io::media::{Blob, BlobError, Examiner, SealedBlob};
use crate::io::models::Models;
use crate::io::shards::Shards;
use crate::io::store::backup::Keeper;
use crate::io::store::{Answer, KeepError, RequestKey, Store, StoreError, Tx};
use crate::services::call::{self, ByteBudget, Deadline};
use crate::services::groups::Groups;
use crate::services::guards::Guards;
use crate::services::matchers::Matchers;
use crate::services::pump::Patience;
use crate::services::status::{Reason, Refusal, reused};
use crate::services::words::request::Keyed;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::Request;

/// Most bytes of one chunk of a stream.
pub const CHUNK_BYTES_MAX: u64 = 64 * 1024;
/// Requests whose keys are remembered although they kept nothing.
const REPEATS_MAX: usize = 65_536;

/// Limits of calls, from the settings.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most bytes of one upload.
    pub upload_bytes_max: u64,
    /// Longest wait for a caller's next message.
    pub stream_idle: Duration,
    /// Time between two signs of life of a stream.
    pub heartbeat: Duration,
    /// Time for one item where a call has no deadline.
    pub item_time_max: Duration,
}

type RepeatKey = (String, &'static str, RequestId);

/// What every room works with.
#[derive(Clone)]
pub struct Desk {
    /// Journal, rows and memory.
    pub store: Store,
    /// Examination of media.
    pub examiner: Examiner,
    /// The clock and the source of names.
    pub clock: Clock,
    /// Limits of calls.
    pub limits: Limits,
    /// The processes that keep the other shards of the banks; none where this one keeps everything.
    pub shards: Option<Shards>,
    /// Where backups go that are asked for by a call.
    pub backups: Keeper,
    /// The guards.
    pub guards: Guards,
    /// The services outside that screening asks.
    pub matchers: Matchers,
    /// The models outside that are asked for scores.
    pub models: Models,
    /// Turns for decisions that ask much.
    pub(super) deciders: Arc<Semaphore>,
    repeats: Arc<Mutex<Repeats<RepeatKey>>>,
    /// Groups of remembered items, as they were made last.
    pub(super) groups: Arc<Groups>,
}

impl Desk {
    /// A sum of everything that is answered from, made where it holds up no other call.
    ///
    /// # Errors
    /// [`Reason::Internal`].
    pub async fn index_sum(&self) -> Result<[u8; 32], Refusal> {
        let broken = || Refusal::new(Reason::Internal, "a sum broke down");
        let turn = Arc::clone(&self.deciders).acquire_owned().await.map_err(|_| broken())?;
        let resident = Arc::clone(&self.store.resident().read());
        let summing = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            resident.sum()
        });
        summing.await.map_err(|_| broken())
    }

    /// A desk over open parts.
    #[must_use]
    pub fn new(
        store: Store,
        shards: Option<Shards>,
        backups: Keeper,
        examiner: Examiner,
        clock: Clock,
        limits: Limits,
        (guards, matchers, models): (Guards, Matchers, Models),
    ) -> Self {
        let repeats = Arc::new(Mutex::new(Repeats::new(REPEATS_MAX)));
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let deciders = Arc::new(Semaphore::new(processors));
        let groups = Arc::default();
        Self {
            store,
            shards,
            examiner,
            clock,
            limits,
            backups,
            guards,
            matchers,
            models,
            deciders,
            repeats,
            groups,
        }
    }

    /// How long a stream of this call may be quiet.
    #[must_use]
    pub fn patience(&self, call: &Call) -> Patience {
        Patience {
            deadline: call.deadline,
            idle: self.limits.stream_idle,
            heartbeat: self.limits.heartbeat,
        }
    }

    /// Whether the credential of a call that stays is still good for what it was let in for.
    ///
    /// # Errors
    /// [`Reason::CredentialInvalid`], [`Reason::TenantRevoked`], [`Reason::RoleMissing`].
    pub fn is_still_let_in(&self, call: &Call) -> Result<(), Refusal> {
        let resident = self.store.resident().read();
        let known = resident.credential(&call.caller.credential);
        let Some(known) = known.filter(|known| known.is_valid_at(self.clock.now())) else {
            return Err(Refusal::new(
                Reason::CredentialInvalid,
                "the credential is no longer good",
            ));
        };
        if known.roles != call.caller.roles {
            return Err(Refusal::new(Reason::RoleMissing, "the credential's roles were changed"));
        }
        let tenant = resident.tenant(&call.caller.scope.tenant);
        if tenant.is_none_or(|tenant| tenant.revoked.is_some()) {
            let ended = "the tenant's use of the service has ended";
            return Err(Refusal::new(Reason::TenantRevoked, ended));
        }
        Ok(())
    }

    /// When what is done with an item must be over.
    #[must_use]
    pub fn item_deadline(&self, call: &Call) -> std::time::Instant {
        self.deadline_within(call, self.limits.item_time_max)
    }

    /// When the examination of these bytes must be over: a video may take longer.
    #[must_use]
    pub fn media_deadline(&self, call: &Call, blob: &SealedBlob) -> std::time::Instant {
        self.deadline_within(call, self.examiner.time_max(blob).max(self.limits.item_time_max))
    }

    fn deadline_within(&self, call: &Call, time: Duration) -> std::time::Instant {
        let own = Instant::now() + time;
        // The answer must still be written after the last moment of looking.
        let end = call.deadline.map_or(own, |end| own.min(end.0 - ANSWER_TIME.min(end.left() / 2)));
        end.into_std()
    }

    /// Sealed memory with an item's bytes.
    ///
    /// # Errors
    /// [`Reason::Internal`] where the system gives no memory.
    pub fn blob(&self, content: &[u8]) -> Result<Blob, Refusal> {
        let mut blob = Blob::new(self.limits.upload_bytes_max.max(content.len() as u64))
            .map_err(|fault| refuse_blob(&fault))?;
        blob.write(content).map_err(|fault| refuse_blob(&fault))?;
        Ok(blob)
    }

    /// Keeps a change, or gives the answer that was kept under the same key.
    ///
    /// # Errors
    /// The change's own refusal; [`Reason::RequestIdReused`]; [`Reason::StoreUnavailable`].
    pub async fn keep_change<F>(
        &self,
        key: Option<RequestKey>,
        change: F,
    ) -> Result<Answer, Refusal>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Keep<Vec<u8>>> + Clone + Send + 'static,
    {
        Ok(self.store.keep(key, change).await?)
    }

    /// Keeps a change that makes one record, and gives the record with its journal number: the first one again where
    /// the request repeats.
    ///
    /// # Errors
    /// As [`Self::keep_change`].
    pub async fn keep_record<T, F>(
        &self,
        key: Option<RequestKey>,
        change: F,
    ) -> Result<(T, u64), Refusal>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Keep<T>> + Clone + Send + 'static,
    {
        let kept = self.keep_change(key, move |tx| {
            let making = change(tx);
            Box::pin(async move { serde_json::to_vec(&making.await?).map_err(|_| unwritable()) })
        });
        let answer = kept.await?;
        let record = serde_json::from_slice(&answer.bytes)
            .map_err(|_| Refusal::new(Reason::Internal, "a kept answer cannot be read"))?;
        // A change that changed nothing is as of now.
        let now = || self.store.resident().read().applied();
        Ok((record, answer.number.unwrap_or_else(now)))
    }

    /// Notes a keyed request that may keep nothing, and says whether it was seen before.
    ///
    /// # Errors
    /// [`Reason::RequestIdReused`] where the key was seen with other content.
    pub fn note(&self, call: &Call, method: &'static str, keyed: &Keyed) -> Result<Seen, Refusal> {
        let key = (call.caller.scope.to_string(), method, keyed.id.clone());
        match self.repeats.lock().see(key, keyed.digest) {
            Seen::Other => Err(reused()),
            seen => Ok(seen),
        }
    }
}

/// What a change gives, or why it is not made.
pub type Keep<T> = Result<T, KeepError<Refused>>;

/// A record that cannot be written: nothing is kept.
#[must_use]
pub const fn unwritable() -> KeepError<Refused> {
    KeepError::Store(StoreError::Broken)
}

/// Time kept for writing the answer.
const ANSWER_TIME: Duration = Duration::from_millis(100);

/// What an upload's memory failed at, in the contract's words.
#[must_use]
pub fn refuse_blob(fault: &BlobError) -> Refusal {
    match fault {
        BlobError::TooLong(_) => Refusal::new(Reason::UploadTooLarge, fault.to_string()),
        BlobError::Memory(_) => Refusal::over("memory", "no memory for the item"),
    }
}

/// What a method knows of its call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who is calling.
    pub caller: Caller,
    /// Until when.
    pub deadline: Option<Deadline>,
    /// From which its memory is taken.
    pub budget: ByteBudget,
}

impl Call {
    /// Reads what the server said of the call.
    ///
    /// # Errors
    /// A refusal where the server let nobody in particular through.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Refusal> {
        let said = request.extensions();
        Ok(Self {
            caller: call::caller(said)?.clone(),
            deadline: Deadline::of(said),
            budget: ByteBudget::of(said)?.clone(),
        })
    }

    /// The key under which the store keeps the first answer to a request.
    #[must_use]
    pub fn request_key(&self, method: &'static str, keyed: Option<&Keyed>) -> Option<RequestKey> {
        keyed.map(|keyed| RequestKey {
            scope: self.caller.scope.clone(),
            method,
            id: keyed.id.clone(),
            digest: keyed.digest,
        })
    }
}

//! The services outside that screening asks about hashes, each as this process knows it.

use crate::core::access::Scope;
use crate::core::exchange::{Arachnid, Exchange, Kind};
use crate::core::id::ExchangeId;
use crate::core::polling::{LookedUp, look_up, looked_up};
use crate::core::signal::Bits256;
use crate::core::time::Time;
use crate::io::store::{Store, StoreError};
use crate::io::web::{Unanswered, Web, WebLine};
use crate::services::halt::{Halt, halt};
use crate::services::standing::{Doing, Standings};
use lru::LruCache;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Time between two looks at which services there are.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Largest answer: that of a question of the most hashes has some kilobytes a hash where much is near to each.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// Questions that one service is asked at one time: more wait for their turn.
const LINES_MAX: usize = 16;
/// Hashes of which it is remembered what became of them.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(65_536).expect("not nought");
/// Pause after a first failure, and the longest after many: while it lasts, nobody waits for the service.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What became of the hashes of one question.
#[derive(Debug, Default)]
pub struct Heard {
    /// For each hash of which something was said: whether the banks say now what the service says.
    pub hashes: BTreeMap<Bits256, bool>,
    /// Journal number behind what was learned.
    pub number: u64,
}

/// A question whose answer is waited for; nothing yet, or what came of it.
pub type Awaited = watch::Receiver<Option<Arc<Heard>>>;

/// What came of asking since the process began.
#[derive(Debug, Default)]
pub struct Figures {
    /// Questions that were asked.
    pub questions: AtomicU64,
    /// Those that had no answer, or one that could not be kept.
    pub failures: AtomicU64,
    /// Hashes of which a service was not heard in time, once for each call.
    pub unheard: AtomicU64,
}

/// When the service is asked again.
struct Pause {
    failures: u32,
    failed: Instant,
    until: Instant,
}

/// One service that screening asks.
pub struct Matcher {
    /// Whose.
    pub scope: Scope,
    /// As it was made.
    pub exchange: Exchange,
    /// What is learned from it is taken in by one question after another.
    pub taking: tokio::sync::Mutex<()>,
    of: Arachnid,
    web: Web,
    standings: Standings,
    figures: Arc<Figures>,
    turns: Semaphore,
    lines: Mutex<Vec<WebLine>>,
    remembered: Mutex<LruCache<Bits256, (Instant, bool)>>,
    awaited: Mutex<HashMap<Bits256, Awaited>>,
    pause: Mutex<Pause>,
}

impl Matcher {
    fn of(scope: Scope, exchange: Exchange, from: &Inner) -> Option<Arc<Self>> {
        let Kind::Arachnid(of) = &exchange.kind else { return None };
        let (of, now) = (of.as_ref().clone(), Instant::now());
        let pause = Mutex::new(Pause { failures: 0, failed: now, until: now });
        Some(Arc::new(Self {
            scope,
            exchange,
            taking: tokio::sync::Mutex::default(),
            of,
            web: from.web.clone(),
            standings: from.standings.clone(),
            figures: Arc::clone(&from.figures),
            turns: Semaphore::new(LINES_MAX),
            lines: Mutex::default(),
            remembered: Mutex::new(LruCache::new(REMEMBERED_MAX)),
            awaited: Mutex::default(),
            pause,
        }))
    }

    fn key(&self) -> (Scope, ExchangeId) {
        (self.scope.clone(), self.exchange.id.clone())
    }

    /// What became of a hash lately, where that is remembered: whether the banks say what the service says.
    #[must_use]
    pub fn recall(&self, hash: &Bits256) -> Option<bool> {
        let mut remembered = self.remembered.lock();
        let (until, is_heard) = *remembered.get(hash)?;
        (Instant::now() < until).then_some(is_heard)
    }

    /// Remembers what became of a hash.
    pub fn remember(&self, hash: Bits256, is_heard: bool, term: Duration) {
        self.remembered.lock().put(hash, (Instant::now() + term, is_heard));
    }

    /// What is waited for already of some hashes; `ask` begins questions for the others.
    pub fn await_all(
        &self,
        hashes: impl IntoIterator<Item = Bits256>,
        ask: impl FnOnce(Vec<Bits256>) -> Vec<(Bits256, Awaited)>,
    ) -> Vec<(Bits256, Awaited)> {
        let mut awaited = self.awaited.lock();
        // One that ended without an answer is waited for no more.
        awaited.retain(|_, answer| answer.has_changed().is_ok());
        let (mut all, mut others) = (Vec::new(), Vec::new());
        for hash in hashes {
            match awaited.get(&hash) {
                Some(answer) => all.push((hash, answer.clone())),
                None => others.push(hash),
            }
        }
        let begun = ask(others);
        awaited.extend(begun.iter().cloned());
        all.extend(begun);
        all
    }

    /// Whether it is to be asked now: after a failure by one question alone, until that is answered.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let (mut pause, now) = (self.pause.lock(), Instant::now());
        if pause.failures == 0 {
            return true;
        }
        let is_due = now >= pause.until;
        if is_due {
            pause.until = now + self.of.answer_time_max;
        }
        is_due
    }

    /// Asks it, for so long as its own limit says.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(&self, hashes: &[Bits256]) -> Result<LookedUp, Halt> {
        let asked = tokio::time::timeout(self.of.answer_time_max, self.ask_once(hashes)).await;
        asked.unwrap_or_else(|_| Err(Unanswered::Late.into()))
    }

    async fn ask_once(&self, hashes: &[Bits256]) -> Result<LookedUp, Halt> {
        let _turn = self.turns.acquire().await.map_err(|_| "it is not asked any more")?;
        self.figures.questions.fetch_add(1, Ordering::Relaxed);
        let question = look_up(&self.of, hashes);
        let kept = self.lines.lock().pop();
        let was_kept = kept.is_some();
        let mut line = match kept {
            Some(line) => line,
            None => self.web.line(&self.of.site)?,
        };
        let mut answer = match line.ask(&question, ANSWER_BYTES_MAX).await {
            // A line that was kept may have been given up by the other side just now.
            Err(Unanswered::Line(_)) if was_kept => {
                line = self.web.line(&self.of.site)?;
                line.ask(&question, ANSWER_BYTES_MAX).await?
            }
            answer => answer?,
        };
        if answer.status != 200 {
            return Err(halt(&answer));
        }
        let said = answer.all().await?;
        line.keep(answer);
        self.lines.lock().push(line);
        let said = looked_up(hashes, &said)?;
        if !hashes.iter().any(|hash| said.has(hash)) {
            return Err("its answer is not on the hashes that were asked about".into());
        }
        Ok(said)
    }

    /// Notes that it answered; `all` says whether of every hash.
    pub fn answered(&self, all: bool, now: Time) {
        self.pause.lock().failures = 0;
        if all {
            self.standings.heard(&self.key(), Doing::Live, now);
        } else {
            self.standings.failed(&self.key(), "its answer does not say something of each hash");
        }
    }

    /// Notes that a question that began then has no answer. `share` of 255 says how long it is left alone of what is usual,
    /// so that not every process asks at one moment. Questions that were on their way together fail together.
    pub fn failed(&self, began: Instant, why: &Halt, share: u8) {
        self.figures.failures.fetch_add(1, Ordering::Relaxed);
        let failures = self.standings.failed(&self.key(), &why.why);
        tracing::warn!(exchange = %self.exchange.id, failures, why = why.why, "a service does not answer");
        let (mut pause, now) = (self.pause.lock(), Instant::now());
        if pause.failures > 0 && began < pause.failed {
            return;
        }
        let usual = PAUSE_MIN * 2_u32.saturating_pow(pause.failures.min(8));
        let usual = usual.min(PAUSE_MAX) / 2;
        let wait = usual + usual * u32::from(share) / 255;
        pause.failures = pause.failures.saturating_add(1);
        (pause.failed, pause.until) = (now, now + wait.max(why.wait.unwrap_or_default()));
    }

    fn is_paused(&self) -> bool {
        let pause = self.pause.lock();
        pause.failures > 0 && Instant::now() < pause.until
    }

    /// Has it asked by the next question, whatever failed before.
    fn wake(&self) {
        self.pause.lock().until = Instant::now();
    }
}

type Known = HashMap<Scope, Vec<Arc<Matcher>>>;

struct Inner {
    web: Web,
    standings: Standings,
    figures: Arc<Figures>,
    /// Nothing before it was read which there are.
    known: RwLock<Option<Arc<Known>>>,
    /// Journal number that was read up to.
    read: AtomicU64,
    reading: tokio::sync::Mutex<()>,
}

/// All services that screening asks. Clones are the same.
#[derive(Clone)]
pub struct Matchers(Arc<Inner>);

impl std::fmt::Debug for Matchers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matchers").field("figures", &self.0.figures).finish_non_exhaustive()
    }
}

impl Matchers {
    /// Of which nothing is known yet; they are asked through `web`.
    #[must_use]
    pub fn new(web: Web) -> Self {
        Self(Arc::new(Inner {
            web,
            standings: Standings::default(),
            figures: Arc::default(),
            known: RwLock::default(),
            read: AtomicU64::new(0),
            reading: tokio::sync::Mutex::default(),
        }))
    }

    /// By what sources are asked.
    #[must_use]
    pub fn web(&self) -> &Web {
        &self.0.web
    }

    /// How exchanges stand, these and the others.
    #[must_use]
    pub fn standings(&self) -> &Standings {
        &self.0.standings
    }

    /// What came of asking.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.0.figures
    }

    /// How many are left alone now because they did not answer.
    #[must_use]
    pub fn paused(&self) -> usize {
        let known = self.0.known.read().clone().unwrap_or_default();
        known.values().flatten().filter(|one| one.is_paused()).count()
    }

    /// Those of a scope.
    ///
    /// # Errors
    /// Where it could never be read yet which there are.
    pub async fn of(&self, scope: &Scope, store: &Store) -> Result<Vec<Arc<Matcher>>, StoreError> {
        let known = self.0.known.read().clone();
        let known = match known {
            Some(known) => known,
            None => self.read(store).await?,
        };
        Ok(known.get(scope).cloned().unwrap_or_default())
    }

    /// Reads which there are.
    ///
    /// # Errors
    /// [`StoreError`], and then those that were known stay.
    pub async fn read(&self, store: &Store) -> Result<Arc<Known>, StoreError> {
        let _turn = self.0.reading.lock().await;
        let number = store.resident().read().applied();
        let all = store.all_exchanges().await?;
        let before = self.0.known.read().clone().unwrap_or_default();
        let mut known = Known::new();
        for (scope, exchange) in all.into_iter().filter(|(_, exchange)| exchange.enabled) {
            let same = |one: &&Arc<Matcher>| {
                one.exchange.id == exchange.id && one.exchange.version == exchange.version
            };
            let kept = before.get(&scope).and_then(|some| some.iter().find(same)).cloned();
            let made = || {
                let one = Matcher::of(scope.clone(), exchange, &self.0)?;
                one.standings.begin(&one.key());
                Some(one)
            };
            if let Some(one) = kept.or_else(made) {
                known.entry(scope).or_default().push(one);
            }
        }
        let is_there = |key: &(Scope, ExchangeId)| {
            known.get(&key.0).is_some_and(|some| some.iter().any(|one| one.exchange.id == key.1))
        };
        let gone = before.values().flatten().map(|one| one.key()).filter(|key| !is_there(key));
        gone.for_each(|key| self.0.standings.end(&key));
        let known = Arc::new(known);
        *self.0.known.write() = Some(Arc::clone(&known));
        self.0.read.store(number, Ordering::Relaxed);
        Ok(known)
    }

    /// Reads which there are, where one was just changed here. Where that fails they are read within moments, as everywhere.
    pub async fn changed(&self, store: &Store) {
        drop(self.read(store).await);
    }

    /// Keeps in step with which there are, until stopped.
    pub async fn follow(&self, store: &Store, stop: CancellationToken) {
        loop {
            let is_behind =
                store.resident().read().applied() != self.0.read.load(Ordering::Relaxed);
            let is_known = self.0.known.read().is_some();
            if is_behind || !is_known {
                // Where that fails, what was known stays, and is read again.
                drop(self.read(store).await);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Has one asked by the next question, whatever failed before.
    pub fn wake(&self, scope: &Scope, id: &ExchangeId) {
        let known = self.0.known.read().clone().unwrap_or_default();
        let those = known.get(scope).into_iter().flatten();
        those.filter(|one| one.exchange.id == *id).for_each(|one| one.wake());
    }
}

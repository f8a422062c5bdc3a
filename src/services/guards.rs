//! The guards of the process: what screening tells them, what they make of it, and what is recorded of that.

use crate::config::GuardSettings;
use crate::core::access::Scope;
use crate::core::event::Event;
use crate::core::flooded::{Flooded, set_aside};
use crate::core::guard::breaker::{self, Breakers, Circuit, Open};
use crate::core::guard::budget::{Budgets, Limits, Taken};
use crate::core::guard::flood::{self, Flood, Flow, Settled};
use crate::core::guard::probing::{Detector, Look, Thought};
use crate::core::id::{ActorId, BankId, EntryId};
use crate::core::policy::Context;
use crate::core::refused::Refused;
use crate::core::resident::Holding;
use crate::core::screening::finding::Found;
use crate::core::screening::question::Question;
use crate::core::time::Time;
use crate::core::verdict::{Brake, Disposition, Finding, Verdict};
use crate::io::store::{KeepError, Store, StoreError};
use crate::services::status::Refusal;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Items of one sender that are counted for one entry: one person alone makes no flood.
const ITEMS_PER_SENDER: u64 = 8;
/// Time between two tries to record what the store did not take.
const AGAIN: Duration = Duration::from_secs(1);

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    scope: Scope,
    bank: BankId,
    entry: EntryId,
}

/// What the guards did since the process began.
#[derive(Debug, Default)]
pub struct Figures {
    /// Entries that matched far more items than they used to.
    pub floods: AtomicU64,
    /// Matches that were held for that before the store said so.
    pub flood_holds: AtomicU64,
    /// Breakers that opened.
    pub trips: AtomicU64,
    /// Matches that were held by open breakers.
    pub breaker_holds: AtomicU64,
    /// Senders that were suspected.
    pub suspects: AtomicU64,
    /// Items that were held because their senders were.
    pub probing_holds: AtomicU64,
    /// Calls that were held because their senders' items were too many.
    pub budget_holds: AtomicU64,
    /// Calls that were refused because the items of a sender or a tenant were too many.
    pub budget_refusals: AtomicU64,
    /// Participants who brought more new entries in a day than they may, once for each day.
    pub overflows: AtomicU64,
}

fn count(figure: &AtomicU64) {
    figure.fetch_add(1, Ordering::Relaxed);
}

#[derive(Debug)]
struct Inner {
    settings: GuardSettings,
    /// Numbers of items are under a key that no one outside can know.
    key: RandomState,
    flood: Mutex<Flood<Place>>,
    breakers: Mutex<Breakers<Scope, BankId>>,
    senders: Mutex<Budgets<u64>>,
    tenants: Mutex<Budgets<Scope>>,
    detector: Mutex<Detector>,
    unrecorded: Mutex<VecDeque<Place>>,
    waiting: Notify,
    figures: Figures,
}

/// So much an hour, and as much again that is told.
fn an_hour(items: u32) -> Limits {
    let most = f64::from(items);
    Limits { per_second: most / 3600.0, most, overdraft: most }
}

/// So much a second, over a minute.
fn a_second(items: u32) -> Limits {
    let per_second = f64::from(items);
    Limits { per_second, most: per_second * 60.0, overdraft: 0.0 }
}

/// The guards. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct Guards(Arc<Inner>);

impl Guards {
    /// Guards that have seen nothing.
    #[must_use]
    pub fn new(settings: &GuardSettings) -> Self {
        let window = settings.window;
        let flood =
            flood::Limits { window, items: settings.flood_items, factor: settings.flood_factor };
        let breaker = breaker::Limits {
            window,
            items: settings.breaker_items,
            share_millionths: settings.breaker_percent * 10_000,
            factor: settings.breaker_factor,
        };
        Self(Arc::new(Inner {
            settings: settings.clone(),
            key: RandomState::new(),
            flood: Mutex::new(Flood::new(flood)),
            breakers: Mutex::new(Breakers::new(breaker)),
            senders: Mutex::new(Budgets::new(an_hour(settings.sender_items))),
            tenants: Mutex::new(Budgets::new(a_second(settings.tenant_items))),
            detector: Mutex::new(Detector::new(settings.probing_hashes as usize)),
            unrecorded: Mutex::default(),
            waiting: Notify::new(),
            figures: Figures::default(),
        }))
    }

    /// What they did.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.0.figures
    }

    /// Entries that flood, and for which that is not recorded yet.
    #[must_use]
    pub fn unrecorded(&self) -> usize {
        self.0.flood.lock().unrecorded()
    }

    /// Banks that hold instead of block.
    #[must_use]
    pub fn open_breakers(&self, now: Time) -> Vec<Open<Scope, BankId>> {
        self.0.breakers.lock().open(now)
    }

    /// Sees what an item matched, and lets matches hold that should not decide alone. `seed` tells the item from others.
    pub fn watch(
        &self,
        scope: &Scope,
        context: &Context,
        seed: &[u8],
        holding: &Holding,
        found: &mut Found,
        now: Time,
    ) {
        let settings = &self.0.settings;
        if settings.breaker {
            self.0.breakers.lock().screened(scope, now);
        }
        if found.counted.is_empty() {
            return;
        }
        let item = self.item(context, seed);
        // Banks that would block the item, and whether by something that it was not seen with before.
        let mut blocking: Vec<(BankId, bool)> = Vec::new();
        for one in found.matches().filter(|one| !one.provenance.confirmed_by_us) {
            let mut is_new = true;
            if settings.flood {
                let (bank, entry) = (one.bank.clone(), one.entry.clone());
                let place = Place { scope: scope.clone(), bank, entry };
                let sight = self.0.flood.lock().see(&place, item, now);
                is_new = sight.is_new;
                if sight.flow == Flow::Began {
                    self.alarm(place);
                }
                if sight.flow != Flow::Usual {
                    one.hold(Brake::Flood);
                    count(&self.0.figures.flood_holds);
                }
            }
            if one.disposition >= Disposition::Block {
                match blocking.iter_mut().find(|(bank, _)| *bank == one.bank) {
                    Some((_, any_new)) => *any_new |= is_new,
                    None => blocking.push((one.bank.clone(), is_new)),
                }
            }
        }
        if settings.breaker {
            for (bank, is_new) in blocking {
                self.brake(scope, &bank, is_new, holding, found, now);
            }
        }
    }

    fn brake(
        &self,
        scope: &Scope,
        bank: &BankId,
        is_new: bool,
        holding: &Holding,
        found: &mut Found,
        now: Time,
    ) {
        let version = holding.matcher.bank(bank).map_or(0, |status| status.bank.version);
        let circuit = self.0.breakers.lock().would_block(scope, bank, version, is_new, now);
        match circuit {
            Circuit::Closed => return,
            Circuit::Opened => {
                count(&self.0.figures.trips);
                tracing::warn!("a bank would block far more items than it used to: it holds them");
            }
            Circuit::Open => {}
        }
        let of_bank = found.matches().filter(|one| one.bank == *bank);
        let blocking = of_bank.filter(|one| one.disposition >= Disposition::Block);
        for one in blocking.filter(|one| !one.provenance.confirmed_by_us) {
            one.hold(Brake::Breaker);
            count(&self.0.figures.breaker_holds);
        }
    }

    /// Takes what a question costs from the budgets of its tenant and its sender; says whether the sender's items are too
    /// many, so that the answer is `HOLD`.
    ///
    /// # Errors
    /// [`crate::services::status::Reason::OverCapacity`] with the setting that says so.
    pub fn charge(
        &self,
        scope: &Scope,
        context: &Context,
        cost: u32,
        now: Time,
    ) -> Result<bool, Refusal> {
        let settings = &self.0.settings;
        let mut is_over = false;
        if let Some(actor) = context.actor.as_ref().filter(|_| settings.sender_items > 0) {
            match self.0.senders.lock().take(&self.sender(scope, actor), cost, now) {
                Taken::Within => {}
                Taken::Over => {
                    is_over = true;
                    count(&self.0.figures.budget_holds);
                }
                Taken::Nothing(after) => {
                    return Err(self.refuse("guards.sender_items", "sender", after));
                }
            }
        }
        if settings.tenant_items > 0
            && let Taken::Nothing(after) = self.0.tenants.lock().take(scope, cost, now)
        {
            return Err(self.refuse("guards.tenant_items", "tenant", after));
        }
        Ok(is_over)
    }

    /// How many new entries a participant may bring into a bank in a day, where its agreement says nothing.
    #[must_use]
    pub fn new_per_day(&self) -> u32 {
        self.0.settings.new_entries
    }

    /// Says that a participant began to bring more than that.
    pub fn over_cap(&self) {
        count(&self.0.figures.overflows);
        tracing::warn!(
            "an exchange or a partner brings more new entries than it may: they are set aside"
        );
    }

    fn refuse(&self, setting: &'static str, whose: &str, after: Duration) -> Refusal {
        count(&self.0.figures.budget_refusals);
        Refusal::over(setting, format!("this {whose} asked about too many items"))
            .retry_after(after)
    }

    /// Compares a decided question with what its sender asked before, and holds it where it looks as if somebody wanted to
    /// find out what is listed.
    pub fn compare(
        &self,
        scope: &Scope,
        context: &Context,
        question: &Question,
        verdict: &mut Verdict,
    ) {
        let Some(actor) = context.actor.as_ref().filter(|_| self.0.settings.probing) else {
            return;
        };
        let (pictures, forms) = question.pictures();
        if pictures.is_empty() {
            return;
        }
        let found = verdict.findings.iter().chain(&verdict.shadow_findings);
        let matches = found.into_iter().any(|finding| match finding {
            Finding::Match(found) => found.kind.is_perceptual(),
            Finding::Score(_) => false,
        });
        let look = Look { pictures: &pictures, forms: &forms, matches };
        let sender = self.sender(scope, actor);
        let thought = self.0.detector.lock().see(sender, look, verdict.decided);
        if thought == Thought::Suspected {
            count(&self.0.figures.suspects);
            tracing::warn!("somebody asks about one picture again and again, changed each time");
        }
        if thought != Thought::Usual {
            count(&self.0.figures.probing_holds);
            verdict.hold(Brake::Probing);
        }
    }

    /// Waits as long as an answer to this call must, so that the time it took tells nothing.
    pub async fn even_out(&self, sees_detail: bool, began: tokio::time::Instant) {
        let step = self.0.settings.answer_step;
        if sees_detail || step.is_zero() {
            return;
        }
        let steps = began.elapsed().as_nanos() / step.as_nanos() + 1;
        tokio::time::sleep_until(began + step * u32::try_from(steps).unwrap_or(u32::MAX)).await;
    }

    /// The pseudonym of a sender.
    #[must_use]
    pub fn sender(&self, scope: &Scope, actor: &ActorId) -> u64 {
        self.0.key.hash_one((scope, actor))
    }

    /// A number of the item; of one sender there are only few.
    fn item(&self, context: &Context, seed: &[u8]) -> u64 {
        let item = self.0.key.hash_one(seed);
        match &context.actor {
            Some(actor) => self.0.key.hash_one((actor, item % ITEMS_PER_SENDER)),
            None => item,
        }
    }

    fn alarm(&self, place: Place) {
        tracing::warn!("an entry matches far more items than it used to: it is set aside");
        self.0.unrecorded.lock().push_back(place);
        self.0.waiting.notify_one();
    }

    /// Records which entries are set aside, until this is dropped. While the store is away they hold from memory.
    pub async fn record(self, store: Store) {
        loop {
            while let Some(place) = self.next() {
                match aside(&store, &place).await {
                    Ok((settled, is_first)) => {
                        self.0.figures.floods.fetch_add(u64::from(is_first), Ordering::Relaxed);
                        self.0.unrecorded.lock().pop_front();
                        self.0.flood.lock().settle(&place, settled, store.clock().now());
                    }
                    Err(error) => {
                        tracing::debug!(%error, "that an entry is set aside is not recorded yet");
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
            self.0.waiting.notified().await;
        }
    }

    fn next(&self) -> Option<Place> {
        self.0.unrecorded.lock().front().cloned()
    }
}

/// Sets an entry aside in the store; says whether it was not before.
async fn aside(store: &Store, place: &Place) -> Result<(Settled, bool), StoreError> {
    let place = place.clone();
    let kept = store.keep::<Refused, _>(None, move |tx| {
        Box::pin(async move {
            let Place { scope, bank, entry } = place;
            let (settings, entry) =
                (tx.bank(&scope, &bank).await?, tx.entry(&scope, &bank, &entry).await?);
            // One that went meanwhile matches nothing.
            let (Some(settings), Some(entry)) = (settings, entry) else { return Ok(Vec::new()) };
            let at = tx.now();
            match set_aside(&settings, &entry, at) {
                Flooded::SetAside(entry) => {
                    let entries = vec![*entry];
                    tx.record(Event::EntriesPut { scope, bank, entries, at }).await?;
                    Ok(Vec::new())
                }
                Flooded::Unchanged => Ok(Vec::new()),
                Flooded::LeftAlone => Ok(vec![1]),
            }
        })
    });
    match kept.await {
        Ok(answer) if answer.bytes.is_empty() => Ok((Settled::Recorded, answer.number.is_some())),
        Ok(_) => Ok((Settled::LeftAlone, false)),
        Err(KeepError::Store(error)) => Err(error),
        Err(KeepError::Refused(_) | KeepError::RequestIdReused) => Err(StoreError::Broken),
    }
}

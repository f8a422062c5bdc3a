//! Asking services outside about the hashes of an item, before it is decided.
//!
//! Only hashes leave the house. What a service lists is taken in and in the memory before the decision, which then finds it
//! like every other entry; of what it does not know nothing is kept.

use crate::core::access::Scope;
use crate::core::bank::{BankMode, BankRole, EntryState, Guard};
use crate::core::exchange::{Counts, Progress};
use crate::core::hamming::Scratch;
use crate::core::id::BankId;
use crate::core::intake::Source;
use crate::core::matcher::Query;
use crate::core::policy::Context;
use crate::core::polling::{HASHES_MAX, LookedUp};
use crate::core::record::RecordKey;
use crate::core::screening::elsewhere::Elsewhere;
use crate::core::screening::outside::Outside;
use crate::core::screening::question::Question;
use crate::core::signal::{Bits256, Signal, SignalType};
use crate::services::desk::{Call, Desk};
use crate::services::halt::Halt;
use crate::services::matchers::{Awaited, Heard, Matcher};
use crate::services::shards::SIGNALS_HERE_MAX;
use crate::services::status::Reason;
use crate::services::taking::{Into, Piece, What, take_in};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// For how long it is remembered that a service does not know a hash, or that people here ended what it lists.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// For how long it is remembered that what it lists was set aside here, or is kept by another shard.
const SOON: Duration = Duration::from_secs(60);
/// How often a record is taken in anew because another process took one in meanwhile.
const TRIES: usize = 8;
/// Longest wait for the memory to have what was taken in.
const STEP_MAX: Duration = Duration::from_secs(5);

/// What a bank makes of being asked for.
struct Target {
    /// Whether it counts: what a bank that only looks on was not heard of keeps nobody waiting.
    counts: bool,
    /// Hashes of the questions that it has nothing on.
    unknown: BTreeSet<Bits256>,
}

impl Desk {
    /// What others say to each of the questions: services outside first, so that the processes of other shards are asked
    /// when they have what was learned.
    pub(super) async fn others(
        &self,
        call: &Call,
        asked: &[(&Context, &Question)],
        end: Instant,
    ) -> Vec<Elsewhere> {
        // What is known here must still be found where nobody outside answers.
        let now = Instant::now();
        let half = now + end.saturating_duration_since(now) / 2;
        let (outside, number) = self.consult(&call.caller.scope, asked, half).await;
        let mut each = self.elsewhere(call, asked, number, end).await;
        each.resize_with(asked.len(), Elsewhere::default);
        for (one, outside) in each.iter_mut().zip(outside) {
            one.outside = outside;
        }
        each
    }

    /// Asks the scope's services about the hashes of lawful questions; gives what came of it for each question, and the
    /// journal number behind what was learned.
    async fn consult(
        &self,
        scope: &Scope,
        asked: &[(&Context, &Question)],
        end: Instant,
    ) -> (Vec<Outside>, u64) {
        let (mut each, mut number) = (vec![Outside::default(); asked.len()], 0);
        if asked.iter().all(|(_, question)| question.plain().next().is_none()) {
            return (each, number);
        }
        let Ok(matchers) = self.matchers.of(scope, &self.store).await else {
            // Whether there is one that should be asked is not known.
            for (one, (_, question)) in each.iter_mut().zip(asked) {
                for (probe, _) in question.plain() {
                    one.miss(&probe.part);
                    self.matchers.figures().unheard.fetch_add(1, Ordering::Relaxed);
                }
            }
            return (each, number);
        };
        if matchers.is_empty() {
            return (each, number);
        }
        let is_lawful = |place: &usize| self.is_lawful(scope, asked[*place].0);
        let lawful: Vec<usize> = (0..asked.len()).filter(is_lawful).collect();
        let all: BTreeSet<Bits256> =
            lawful.iter().flat_map(|place| asked[*place].1.plain().map(|(_, bits)| bits)).collect();
        let heard = matchers.iter().map(|matcher| self.hear(matcher, &all, end));
        let heard = futures_util::future::join_all(heard).await;
        for (matcher, (counts, heard)) in matchers.iter().zip(heard) {
            let Some((counts, heard)) = counts.zip(heard) else { continue };
            number = number.max(heard.number);
            for place in &lawful {
                let is_heard = |bits: &Bits256| heard.hashes.get(bits) == Some(&true);
                let plain: Vec<_> = asked[*place].1.plain().collect();
                let unheard = plain.iter().filter(|(_, bits)| !is_heard(bits));
                let parts: Vec<_> = unheard.map(|(probe, _)| &probe.part).collect();
                if parts.is_empty() && !plain.is_empty() {
                    each[*place].hear(&matcher.exchange.bank);
                } else if counts {
                    let unheard = &self.matchers.figures().unheard;
                    unheard.fetch_add(parts.len() as u64, Ordering::Relaxed);
                    parts.into_iter().for_each(|part| each[*place].miss(part));
                }
            }
        }
        (each, number)
    }

    /// What became of hashes at one service; nothing where its bank is compared with nothing.
    async fn hear(
        &self,
        matcher: &Arc<Matcher>,
        all: &BTreeSet<Bits256>,
        end: Instant,
    ) -> (Option<bool>, Option<Heard>) {
        let mut heard = Heard::default();
        let mut fresh = BTreeSet::new();
        for bits in all {
            match matcher.recall(bits) {
                Some(is_heard) => drop(heard.hashes.insert(*bits, is_heard)),
                None => drop(fresh.insert(*bits)),
            }
        }
        let Some(target) = self.target(matcher, fresh.clone()).await else { return (None, None) };
        let matched = fresh.difference(&target.unknown);
        heard.hashes.extend(matched.map(|bits| (*bits, true)));
        let awaited = matcher.await_all(target.unknown, |hashes| self.begin(matcher, hashes));
        let waiting = awaited.into_iter().map(|(bits, mut answer)| async move {
            let answered = answer.wait_for(Option::is_some);
            let answered = tokio::time::timeout_at(end.into(), answered).await.ok()?.ok()?;
            let answer = answered.clone()?;
            Some((bits, *answer.hashes.get(&bits)?, answer.number))
        });
        let answers = futures_util::future::join_all(waiting).await;
        for (bits, is_heard, number) in answers.into_iter().flatten() {
            heard.hashes.insert(bits, is_heard);
            heard.number = heard.number.max(number);
        }
        (Some(target.counts), Some(heard))
    }

    /// Which of the hashes the bank of a service has nothing on, looked for where that holds up nobody; nothing where the
    /// bank is compared with nothing. Where that cannot be looked for, it has nothing on any.
    async fn target(&self, matcher: &Matcher, hashes: BTreeSet<Bits256>) -> Option<Target> {
        let (scope, bank) = (matcher.scope.clone(), matcher.exchange.bank.clone());
        if hashes.len() <= SIGNALS_HERE_MAX {
            return self.look(&scope, &bank, hashes);
        }
        let all = || Some(Target { counts: true, unknown: hashes.clone() });
        let Ok(turn) = Arc::clone(&self.deciders).acquire_owned().await else { return all() };
        let (desk, sought) = (self.clone(), hashes.clone());
        let aside = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            desk.look(&scope, &bank, sought)
        });
        aside.await.unwrap_or_else(|_| all())
    }

    fn look(&self, scope: &Scope, bank: &BankId, mut hashes: BTreeSet<Bits256>) -> Option<Target> {
        let resident = self.store.resident().read();
        let matcher = &resident.of(scope)?.matcher;
        let known = matcher.bank(bank)?.bank;
        if !known.enabled || known.rule(&SignalType::Pdq).is_none() {
            return None;
        }
        let counts = known.role == BankRole::Positive
            && known.mode == BankMode::Enforce
            && known.ratio_millionths > 0;
        let mut scratch = Scratch::default();
        hashes.retain(|bits| {
            let signal = Signal::Pdq(*bits);
            let found = matcher.search(Query { signal: &signal, quality: None }, &mut scratch);
            found.iter().all(|hit| hit.bank.id != *bank)
        });
        Some(Target { counts, unknown: hashes })
    }

    /// Begins questions about hashes, unless the service is left alone just now. They go on although whoever waits for them
    /// hangs up: what comes of them is known to the next.
    fn begin(&self, matcher: &Arc<Matcher>, hashes: Vec<Bits256>) -> Vec<(Bits256, Awaited)> {
        let mut begun = Vec::new();
        if hashes.is_empty() || !matcher.is_due() {
            return begun;
        }
        for some in hashes.chunks(HASHES_MAX) {
            let (tell, told) = watch::channel(None);
            begun.extend(some.iter().map(|bits| (*bits, told.clone())));
            let (desk, matcher, some) = (self.clone(), Arc::clone(matcher), some.to_vec());
            tokio::spawn(async move {
                let heard = desk.ask_outside(&matcher, &some).await;
                // Whoever waited may have gone.
                let _ = tell.send(Some(Arc::new(heard)));
            });
        }
        begun
    }

    /// Asks a service, and takes in what it lists.
    async fn ask_outside(&self, matcher: &Matcher, hashes: &[Bits256]) -> Heard {
        let (began, mut heard) = (Instant::now(), Heard::default());
        let share = self.clock.random::<1>()[0];
        let said = match matcher.ask(hashes).await {
            Ok(said) => said,
            Err(why) => {
                matcher.failed(began, &why, share);
                return heard;
            }
        };
        matcher.answered(hashes.iter().all(|hash| said.has(hash)), self.clock.now());
        for bits in &said.unlisted {
            matcher.remember(*bits, true, REMEMBERED);
            heard.hashes.insert(*bits, true);
        }
        if said.listed.is_empty() {
            return heard;
        }
        let listed = said.listed.clone();
        match self.learn(matcher, said).await {
            Ok((number, counts)) => {
                heard.number = number;
                for (bits, key) in listed {
                    let is_heard = self.settle(matcher, bits, &key, &counts).await;
                    heard.hashes.insert(bits, is_heard);
                }
            }
            // It is listed, and nobody can say so before that is kept.
            Err(why) => {
                let why = format!("what it lists cannot be kept: {}", why.why);
                matcher.failed(began, &Halt::from(why), share);
            }
        }
        heard
    }

    /// Takes in what a service lists; gives the journal number behind it and what became of the records.
    async fn learn(&self, matcher: &Matcher, said: LookedUp) -> Result<(u64, Counts), Halt> {
        let _turn = matcher.taking.lock().await;
        let (exchange, scope) = (&matcher.exchange, matcher.scope.clone());
        let LookedUp { records, bad, unknown, .. } = said;
        let mut tries = 0;
        loop {
            tries += 1;
            let kept = self.store.progress(&scope, exchange.id.as_str()).await;
            let kept = kept.map_err(|error| error.to_string())?;
            let about = exchange.about();
            let begun = || exchange.begun(self.clock.now());
            let before: Progress = kept.filter(|kept| kept.of == about).unwrap_or_else(begun);
            let mut after = before.clone();
            after.add_unknown(&unknown);
            let into = Into {
                scope: scope.clone(),
                bank: exchange.bank.clone(),
                source: Source {
                    name: exchange.id.to_string(),
                    enters_as: exchange.enters_as,
                    names_values: exchange.kind.names_values(),
                },
                new_per_day: exchange.cap(&before, self.guards.new_per_day(), self.clock.now()),
                lease: None,
            };
            let (what, bad) = (What::Records(records.clone()), bad.clone());
            match take_in(self, &into, Piece { what, bad, before, after }).await {
                Ok(took) => {
                    self.store.wait_for(took.number, STEP_MAX).await;
                    return Ok((took.number, took.counts));
                }
                // Another process took something in meanwhile.
                Err(why) if why.reason() == Reason::EtagMismatch && tries < TRIES => {}
                Err(why) => return Err(why.into()),
            }
        }
    }

    /// Whether the banks say now what the service says of a hash, or people here have said otherwise. What a guard set aside
    /// is neither: it stays unheard, and with that whatever the surface makes of that.
    async fn settle(
        &self,
        matcher: &Matcher,
        bits: Bits256,
        key: &RecordKey,
        counts: &Counts,
    ) -> bool {
        let (scope, exchange) = (&matcher.scope, &matcher.exchange);
        let id = self.store.record_entry(scope, &exchange.bank, exchange.id.as_str(), key);
        let Some(id) = id else { return false };
        let Ok(entry) = self.store.entry(scope, &exchange.bank, &id).await else { return false };
        let is_ended = match entry.as_ref().map(|entry| entry.state) {
            // It is matched from the memory from now on, which may be that of another shard: not for long, in case a guard
            // sets it aside meanwhile.
            Some(EntryState::Active | EntryState::Trial | EntryState::Disputed) => {
                if !self.shard().is_whole() {
                    matcher.remember(bits, true, SOON);
                }
                return true;
            }
            Some(EntryState::Retired | EntryState::Removed) => true,
            Some(EntryState::Quarantined) => {
                let quarantine = entry.as_ref().and_then(|entry| entry.quarantine());
                quarantine.is_some_and(|quarantine| quarantine.guard == Guard::KnownGood)
            }
            Some(EntryState::Proposed) => false,
            None => counts.tombstoned > 0 && counts.refused == 0,
        };
        matcher.remember(bits, is_ended, if is_ended { REMEMBERED } else { SOON });
        is_ended
    }
}

//! From a question to a verdict that is kept: what all ways of screening have in common.

use crate::core::event::GivenVerdict;
use crate::core::id::VerdictId;
use crate::core::lookback::Screened;
use crate::core::policy::{Context, Surface};
use crate::core::refused::{Refused, Thing};
use crate::core::repeats::Seen;
use crate::core::resident::{Holding, Resident};
use crate::core::screening::decision::{Decided, Deciding, Moment, seed};
use crate::core::screening::elsewhere::Elsewhere;
use crate::core::screening::question::Question;
use crate::core::verdict::{Disposition, OnIncomplete, Verdict};
use crate::io::store::{KeepError, Receipt, StoreError, VerdictKept};
use crate::proto::v1;
use crate::services::desk::{Call, Desk};
use crate::services::shards::SIGNALS_HERE_MAX;
use crate::services::status::{Reason, Refusal, reused};
use crate::services::words::request::Keyed;
use crate::services::words::verdict::{Standing, write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait of a stream of batches for its tenant's budget.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked, for whom, and under which key.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What the caller says of the item.
    pub context: Context,
    /// Key and content, where the caller gave a key.
    pub keyed: Option<Keyed>,
}

/// A decision, and what is to be remembered of its item, if anything is.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The decision.
    pub decided: Decided,
    /// What look-back takes.
    pub screened: Option<Box<Screened>>,
}

impl Desk {
    /// The answer that was kept under this request's key, if one was.
    ///
    /// A store that does not answer is passed over here: screening goes on from memory.
    ///
    /// # Errors
    /// [`Reason::RequestIdReused`] where the key was used with other content.
    pub async fn first_verdict(
        &self,
        call: &Call,
        method: &'static str,
        asked: &Asked,
    ) -> Result<Option<v1::Verdict>, Refusal> {
        let Some(key) = call.request_key(method, asked.keyed.as_ref()) else { return Ok(None) };
        let first = match self.store.first_answer(&key).await {
            Ok(Some(first)) => first,
            Err(KeepError::RequestIdReused) => return Err(reused()),
            Ok(None) | Err(_) => return Ok(None),
        };
        self.repeated(call, &first).await.map(Some)
    }

    /// Writes a first answer again.
    async fn repeated(&self, call: &Call, first: &VerdictKept) -> Result<v1::Verdict, Refusal> {
        let origin = v1::Origin::Repeated;
        match first {
            VerdictKept::Kept(answer) => {
                let given = read_given(&answer.bytes)?;
                Ok(self.kept_reply(call, &given, answer.number, origin).await)
            }
            VerdictKept::Pending(answer) => {
                let given = read_given(&answer.bytes)?;
                let (context, verdict) = (&given.context, &given.verdict);
                Ok(self.unkept_reply(call, context, verdict, v1::Record::Pending, origin))
            }
        }
    }

    /// Whether the surface is open for calls and the memory is as far as the caller asks; where others may just have
    /// written that, it is waited for.
    ///
    /// # Errors
    /// [`Reason::IndexBehind`], [`Reason::SurfaceRevoked`], [`Reason::FieldInvalid`].
    pub async fn admit(&self, call: &Call, context: &Context) -> Result<(), Refusal> {
        self.wait_for_index(context.index_min).await;
        let resident = self.store.resident().read();
        place(&resident, call, context).map(|_| ())
    }

    /// Takes what a question costs from the budgets; says whether the sender's items are too many.
    ///
    /// # Errors
    /// [`Reason::OverCapacity`].
    pub fn charge(&self, call: &Call, context: &Context, cost: u32) -> Result<bool, Refusal> {
        self.guards.charge(&call.caller.scope, context, cost, self.clock.now())
    }

    /// The same for who sends much at once, and waits a while for it.
    ///
    /// # Errors
    /// [`Reason::OverCapacity`] where that would take long.
    pub async fn charge_patiently(
        &self,
        call: &Call,
        context: &Context,
        cost: u32,
    ) -> Result<bool, Refusal> {
        loop {
            let refusal = match self.charge(call, context, cost) {
                Ok(is_over) => return Ok(is_over),
                Err(refusal) => refusal,
            };
            let Some(delay) = refusal.delay().filter(|delay| *delay <= PATIENCE) else {
                return Err(refusal);
            };
            tokio::time::sleep(delay).await;
        }
    }

    /// Decides from memory and from what others said, as far as the time of the item goes: what was not compared by
    /// then is told as such.
    ///
    /// # Errors
    /// As [`Self::admit`].
    fn decide(
        &self,
        call: &Call,
        context: &Context,
        question: &Question,
        elsewhere: Elsewhere,
    ) -> Result<Judged, Refusal> {
        let id = VerdictId::parse(&self.clock.fresh_id())
            .map_err(|_| Refusal::new(Reason::Internal, "no name for a verdict"))?;
        let (now, end) = (self.clock.now(), self.item_deadline(call));
        let resident = self.store.resident().read();
        let (holding, surface) = place(&resident, call, context)?;
        if elsewhere.index.is_some_and(|index| index < context.index_min) {
            return Err(behind());
        }
        let (index, index_age) = (resident.applied(), self.store.age());
        let moment = Moment { now, id, index, index_age, elsewhere };
        let mut deciding = Deciding::new(holding, surface, context, question, moment);
        deciding.look(holding, question, || Instant::now() >= end);
        let item = seed(context, question);
        let scope = &call.caller.scope;
        let mut decided = deciding.conclude(holding, surface, question, |found| {
            self.guards.watch(scope, context, &item, holding, found, now);
        });
        self.guards.compare(scope, context, question, &mut decided.verdict);
        let screened = Screened::of(scope, surface, context, question, &decided.verdict);
        Ok(Judged { decided, screened })
    }

    /// Decides on a thread of its own, at most as many at one time as the machine has processors, so that a question
    /// with many signals holds up nobody else's call.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub async fn decide_aside(
        &self,
        call: &Call,
        questions: Vec<(Context, Question)>,
    ) -> Result<Vec<Judged>, Refusal> {
        let asked: Vec<_> =
            questions.iter().map(|(context, question)| (context, question)).collect();
        let elsewhere = self.others(call, &asked, self.item_deadline(call)).await;
        let broken = || Refusal::new(Reason::Internal, "a decision broke down");
        let turn = Arc::clone(&self.deciders).acquire_owned().await.map_err(|_| broken())?;
        let (desk, call) = (self.clone(), call.clone());
        let deciding = move || {
            let _turn = turn;
            let questions = questions.into_iter().zip(elsewhere);
            questions
                .map(|((context, question), said)| desk.decide(&call, &context, &question, said))
                .collect()
        };
        tokio::task::spawn_blocking(deciding).await.map_err(|_| broken())?
    }

    /// Decides one question: here where it is small, aside where it asks much.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub async fn decide_one(
        &self,
        call: &Call,
        context: &Context,
        question: Question,
    ) -> Result<Judged, Refusal> {
        self.wait_for_index(context.index_min).await;
        if question.probes.len() <= SIGNALS_HERE_MAX {
            let end = self.item_deadline(call);
            let elsewhere = self.others(call, &[(context, &question)], end).await;
            let elsewhere = elsewhere.into_iter().next().unwrap_or_default();
            return self.decide(call, context, &question, elsewhere);
        }
        let decided = self.decide_aside(call, vec![(context.clone(), question)]).await?;
        let lost = || Refusal::new(Reason::Internal, "a decision was lost");
        decided.into_iter().next().ok_or_else(lost)
    }

    /// Keeps a verdict above `ALLOW` or one for which a person should look, counts any other, and writes the answer. Kept
    /// before said.
    ///
    /// # Errors
    /// [`Reason::RequestIdReused`]. A store that is away is no error: the verdict is spooled and `PENDING`, and where
    /// the spool is full too, it is counted only, and the answer is `HOLD` at least.
    pub async fn keep(
        &self,
        call: &Call,
        method: &'static str,
        asked: &Asked,
        judged: Judged,
    ) -> Result<v1::Verdict, Refusal> {
        let seen = match &asked.keyed {
            Some(keyed) => self.note(call, method, keyed)?,
            None => Seen::New,
        };
        let origin = if seen == Seen::New { v1::Origin::Fresh } else { v1::Origin::Recomputed };
        let Judged { decided: Decided { verdict, completeness, .. }, screened } = judged;
        screened.into_iter().for_each(|screened| self.store.lookback().remember(screened));
        if verdict.disposition == Disposition::Allow && verdict.review.is_none() {
            let (scope, context) = (&call.caller.scope, &asked.context);
            let kind = context.surface_kind;
            self.store.counters().count(scope, kind, verdict.disposition, completeness);
            return Ok(self.unkept_reply(call, context, &verdict, v1::Record::Counted, origin));
        }
        let credential = call.caller.credential.clone();
        let given = GivenVerdict { context: asked.context.clone(), verdict, credential };
        let bytes = serde_json::to_vec(&given)
            .map_err(|_| Refusal::new(Reason::Internal, "a verdict cannot be written"))?;
        let key = call.request_key(method, asked.keyed.as_ref());
        let scope = &call.caller.scope;
        match self.store.keep_verdict(key, scope, given.clone(), bytes).await {
            Ok(VerdictKept::Kept(answer)) if answer.first => {
                Ok(self.kept_reply(call, &given, answer.number, origin).await)
            }
            Ok(VerdictKept::Pending(answer)) if answer.first => {
                let (context, verdict) = (&given.context, &given.verdict);
                Ok(self.unkept_reply(call, context, verdict, v1::Record::Pending, origin))
            }
            Ok(first) => self.repeated(call, &first).await,
            Err(KeepError::RequestIdReused) => Err(reused()),
            Err(KeepError::Refused(never)) => match never {},
            Err(KeepError::Store(_)) => {
                let (verdict, context) = (held_at_least(given.verdict), &given.context);
                let kind = context.surface_kind;
                self.store.counters().count(scope, kind, verdict.disposition, completeness);
                Ok(self.unkept_reply(call, context, &verdict, v1::Record::Counted, origin))
            }
        }
    }

    fn unkept_reply(
        &self,
        call: &Call,
        context: &Context,
        verdict: &Verdict,
        record: v1::Record,
        origin: v1::Origin,
    ) -> v1::Verdict {
        let standing = Standing { record, receipt: None, origin };
        write(verdict, context.item.as_ref(), call.caller.sees_match_detail(), standing)
    }

    /// Writes a verdict that stands in the journal, with its receipt where that is had at once.
    async fn kept_reply(
        &self,
        call: &Call,
        given: &GivenVerdict,
        number: Option<u64>,
        origin: v1::Origin,
    ) -> v1::Verdict {
        let receipt = match number {
            // A receipt can be had again by GetVerdict: a store that fails just now costs only this copy.
            Some(number) => self.store.receipt_soon(number).await.ok().flatten(),
            None => None,
        };
        write_kept(call, given, receipt, origin)
    }

    /// The verdict of that name with its receipt, which this waits for.
    ///
    /// # Errors
    /// [`Reason::NotFound`]; [`Reason::StoreUnavailable`].
    pub async fn verdict(&self, call: &Call, id: &VerdictId) -> Result<v1::Verdict, Refusal> {
        let found = self.store.verdict(&call.caller.scope, id).await?;
        let missing = || Refused::Missing(Thing::Verdict, id.to_string());
        let (number, given) = found.ok_or_else(missing)?;
        let receipt = self.store.receipt(number).await?;
        let receipt = receipt.ok_or(StoreError::Corrupt("checkpoint"))?;
        Ok(write_kept(call, &given, Some(receipt), v1::Origin::Repeated))
    }
}

/// A verdict that can be neither kept nor owed to the journal: the item must at least not be seen, unless all that was found
/// is advice, which holds nothing up.
fn held_at_least(mut verdict: Verdict) -> Verdict {
    if verdict.disposition == Disposition::Allow {
        return verdict;
    }
    verdict.disposition = verdict.disposition.max(Disposition::Hold);
    verdict.incomplete.get_or_insert(OnIncomplete::Hold);
    verdict
}

fn write_kept(
    call: &Call,
    given: &GivenVerdict,
    receipt: Option<Receipt>,
    origin: v1::Origin,
) -> v1::Verdict {
    let receipt = receipt.map(write_receipt);
    let standing = Standing { record: v1::Record::Kept, receipt, origin };
    let sees_detail = call.caller.sees_match_detail();
    write(&given.verdict, given.context.item.as_ref(), sees_detail, standing)
}

fn write_receipt(receipt: Receipt) -> v1::Receipt {
    v1::Receipt {
        number: receipt.number,
        leaf: receipt.leaf.into(),
        tree_size: receipt.size,
        proof_hashes: receipt.proof.iter().map(|hash| hash.to_vec().into()).collect(),
        checkpoint: receipt.checkpoint,
    }
}

fn read_given(bytes: &[u8]) -> Result<GivenVerdict, Refusal> {
    serde_json::from_slice(bytes)
        .map_err(|_| Refusal::new(Reason::Internal, "a kept answer cannot be read"))
}

fn behind() -> Refusal {
    Refusal::new(Reason::IndexBehind, "the index has not come so far")
}

fn place<'a>(
    resident: &'a Resident,
    call: &Call,
    context: &Context,
) -> Result<(&'a Holding, &'a Surface), Refusal> {
    if resident.applied() < context.index_min {
        return Err(behind());
    }
    let holding = resident.of(&call.caller.scope);
    let surface = holding.and_then(|holding| holding.surfaces.get(&context.surface));
    let (Some(holding), Some(surface)) = (holding, surface) else {
        return Err(Refused::Missing(Thing::Surface, context.surface.to_string()).into());
    };
    if surface.revoked.is_some() {
        let name = context.surface.to_string();
        return Err(Refusal::resource(Reason::SurfaceRevoked, "surface", name));
    }
    if surface.kind != context.surface_kind {
        let fault =
            ("context.surface".to_owned(), "must be the kind of the named surface".to_owned());
        return Err(Refusal::fields(vec![fault]));
    }
    Ok((holding, surface))
}

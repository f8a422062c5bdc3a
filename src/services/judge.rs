//! From a question to a verdict that is kept: what all ways of screening have in common.

use crate::core::event::{Event, GivenVerdict};
use crate::core::id::VerdictId;
use crate::core::policy::{Context, Surface};
use crate::core::refused::{Refused, Thing};
use crate::core::repeats::Seen;
use crate::core::resident::{Holding, Resident};
use crate::core::screening::decision::{Decided, Moment, decide};
use crate::core::screening::question::Question;
use crate::core::verdict::{Disposition, OnIncomplete, Verdict};
use crate::io::store::{Kept, StoreError};
use crate::proto::v1;
use crate::services::desk::{Call, Desk, reused};
use crate::services::status::{Reason, Refusal};
use crate::services::words::request::Keyed;
use crate::services::words::verdict::{Standing, write};

/// What is asked, for whom, and under which key.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What the caller says of the item.
    pub context: Context,
    /// Key and content, where the caller gave a key.
    pub keyed: Option<Keyed>,
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
        let Ok(Some(first)) = self.store.first_answer(&key).await else { return Ok(None) };
        if first.digest != key.digest {
            return Err(reused());
        }
        let (given, number) = (read_given(&first.bytes)?, first.number);
        Ok(Some(self.kept_reply(call, &given, number, v1::Origin::Repeated).await))
    }

    /// Whether the surface is open for calls and the memory is as far as the caller asks.
    ///
    /// # Errors
    /// [`Reason::IndexBehind`], [`Reason::SurfaceRevoked`], [`Reason::FieldInvalid`].
    pub fn admit(&self, call: &Call, context: &Context) -> Result<(), Refusal> {
        let resident = self.store.resident().read();
        place(&resident, call, context).map(|_| ())
    }

    /// Decides from memory.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub fn decide(
        &self,
        call: &Call,
        context: &Context,
        question: &Question,
    ) -> Result<Decided, Refusal> {
        let id = VerdictId::parse(&self.clock.fresh_id())
            .map_err(|_| Refusal::new(Reason::Internal, "no name for a verdict"))?;
        let now = self.clock.now();
        let resident = self.store.resident().read();
        let (holding, surface) = place(&resident, call, context)?;
        let moment = Moment { now, id, index: resident.applied() };
        Ok(decide(holding, surface, context, question, moment))
    }

    /// Keeps a verdict above `ALLOW`, counts one that allowed, and writes the answer. Kept before said.
    ///
    /// # Errors
    /// [`Reason::RequestIdReused`]. A store that is away is no error: the verdict is spooled and `PENDING`, and where
    /// the spool is full the answer is `HOLD` at least.
    pub async fn keep(
        &self,
        call: &Call,
        method: &'static str,
        asked: &Asked,
        decided: Decided,
    ) -> Result<v1::Verdict, Refusal> {
        let seen = match &asked.keyed {
            Some(keyed) => self.note(call, method, keyed)?,
            None => Seen::New,
        };
        let origin =
            if seen == Seen::New { v1::Origin::Fresh } else { v1::Origin::Recomputed };
        let Decided { verdict, completeness } = decided;
        if verdict.disposition == Disposition::Allow {
            let (scope, context) = (&call.caller.scope, &asked.context);
            let kind = context.surface_kind;
            self.store.counters().count(scope, kind, verdict.disposition, completeness);
            return Ok(self.unkept_reply(call, context, &verdict, v1::Record::Counted, origin));
        }
        let given = GivenVerdict {
            context: asked.context.clone(),
            verdict,
            credential: call.caller.credential.clone(),
        };
        match self.record(call, method, asked, &given).await {
            Ok(kept) if kept.first => {
                Ok(self.kept_reply(call, &given, kept.number, origin).await)
            }
            Ok(kept) => {
                let first = read_given(&kept.bytes)?;
                Ok(self.kept_reply(call, &first, kept.number, v1::Origin::Repeated).await)
            }
            Err(KeepFault::Reused) => Err(reused()),
            Err(KeepFault::Away) => Ok(self.spool(call, given, origin).await),
        }
    }

    async fn record(
        &self,
        call: &Call,
        method: &'static str,
        asked: &Asked,
        given: &GivenVerdict,
    ) -> Result<Kept, KeepFault> {
        let key = call.request_key(method, asked.keyed.as_ref());
        let bytes = serde_json::to_vec(given).map_err(|_| KeepFault::Away)?;
        let event = Event::VerdictGiven {
            scope: call.caller.scope.clone(),
            given: Box::new(given.clone()),
        };
        self.store.keep_event(key, event, bytes).await.map_err(|fault| match fault {
            StoreError::RequestIdReused => KeepFault::Reused,
            _ => KeepFault::Away,
        })
    }

    /// What is answered while the store is away: the verdict or a stricter one, saved here and owed to the journal.
    async fn spool(&self, call: &Call, mut given: GivenVerdict, origin: v1::Origin) -> v1::Verdict {
        let event = Event::VerdictGiven {
            scope: call.caller.scope.clone(),
            given: Box::new(given.clone()),
        };
        let record = match self.store.spool(event).await {
            Ok(()) => v1::Record::Pending,
            Err(_) => {
                // It can be neither kept nor owed: the item must at least not be seen.
                given.verdict.disposition = given.verdict.disposition.max(Disposition::Hold);
                given.verdict.incomplete.get_or_insert(OnIncomplete::Hold);
                v1::Record::Counted
            }
        };
        self.unkept_reply(call, &given.context, &given.verdict, record, origin)
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

    /// Writes a verdict that stands in the journal, with its receipt.
    pub async fn kept_reply(
        &self,
        call: &Call,
        given: &GivenVerdict,
        number: Option<u64>,
        origin: v1::Origin,
    ) -> v1::Verdict {
        let receipt = match number {
            // A receipt can be had again by GetVerdict: a store that fails just now costs only this copy.
            Some(number) => self.store.receipt(number).await.ok().map(|receipt| v1::Receipt {
                number,
                leaf: receipt.leaf.into(),
                tree_size: receipt.tree_size,
                proof_hashes: receipt.proof.iter().map(|hash| hash.to_vec().into()).collect(),
                checkpoint: receipt.checkpoint,
            }),
            None => None,
        };
        let standing = Standing { record: v1::Record::Kept, receipt, origin };
        let sees_detail = call.caller.sees_match_detail();
        write(&given.verdict, given.context.item.as_ref(), sees_detail, standing)
    }
}

enum KeepFault {
    Reused,
    Away,
}

fn read_given(bytes: &[u8]) -> Result<GivenVerdict, Refusal> {
    serde_json::from_slice(bytes)
        .map_err(|_| Refusal::new(Reason::Internal, "a kept answer cannot be read"))
}

fn place<'a>(
    resident: &'a Resident,
    call: &Call,
    context: &Context,
) -> Result<(&'a Holding, &'a Surface), Refusal> {
    if resident.applied() < context.index_min {
        return Err(Refusal::new(Reason::IndexBehind, "the index has not come so far"));
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
        let fault = ("context.surface".to_owned(), "must be the kind of the named surface".to_owned());
        return Err(Refusal::fields(vec![fault]));
    }
    Ok((holding, surface))
}

//! The banks as a whole, where this process keeps one shard of them: what the others are asked, and what they ask.

use crate::core::access::Scope;
use crate::core::id::{BankId, EntryId};
use crate::core::policy::Context;
use crate::core::screening::coverage::lacks_legal_basis;
use crate::core::screening::elsewhere::{Elsewhere, ShardAnswer, Sought, look_up, tracks};
use crate::core::screening::question::Question;
use crate::core::shard::Shard;
use crate::proto::v1;
use crate::services::call::Deadline;
use crate::services::desk::{Call, Desk};
use crate::services::status::{Reason, Refusal};
use crate::services::words::policy;
use crate::services::words::shard::{self, Counted, SOUGHT_MAX, VIDEOS_MAX};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Signals that are looked up on the thread of the call itself.
pub(super) const SIGNALS_HERE_MAX: usize = 4;
/// Longest wait for what the caller knows to have been written.
const BEHIND_MAX: Duration = Duration::from_millis(500);

impl Desk {
    /// The shard that this process keeps.
    #[must_use]
    pub fn shard(&self) -> Shard {
        self.store.resident().read().shard()
    }

    /// Waits where the memory is not as far as the caller asks, since what others wrote arrives within moments.
    pub async fn wait_for_index(&self, index_min: u64) {
        if self.store.resident().read().applied() < index_min {
            self.store.wait_for(index_min, BEHIND_MAX).await;
        }
    }

    /// Looks for signals in the shard of this process, for another one, and for listed videos: aside where they are many.
    ///
    /// # Errors
    /// [`Reason::DeadlineExceeded`] where time ran out before the last was looked for.
    pub async fn look_up(
        &self,
        deadline: Option<Deadline>,
        scope: Scope,
        sought: Vec<Sought>,
        videos: Vec<(BankId, EntryId)>,
    ) -> Result<ShardAnswer, Refusal> {
        let late =
            || Refusal::new(Reason::DeadlineExceeded, "time ran out before all was compared");
        let broken = || Refusal::new(Reason::Internal, "a look-up broke down");
        let end = deadline.map(|deadline| deadline.0.into_std());
        let desk = self.clone();
        let count = sought.len();
        let looking = move || {
            let (age, resident) = (desk.store.age(), desk.store.resident().read());
            let enough = || end.is_some_and(|end| Instant::now() >= end);
            let answer = match resident.of(&scope) {
                None => ShardAnswer { hits: vec![Vec::new(); count], ..ShardAnswer::default() },
                Some(holding) => ShardAnswer {
                    videos: tracks(&holding.matcher, videos),
                    ..look_up(&holding.matcher, &sought, enough)?
                },
            };
            Some(ShardAnswer { index: resident.applied(), index_age: age, ..answer })
        };
        if count <= SIGNALS_HERE_MAX {
            return looking().ok_or_else(late);
        }
        let turn = Arc::clone(&self.deciders).acquire_owned().await.map_err(|_| broken())?;
        let aside = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            looking()
        });
        aside.await.map_err(|_| broken())?.ok_or_else(late)
    }

    /// What the processes of all other shards say to each of the questions; an empty list where nobody was asked. Nothing is
    /// asked for an item that must not be compared. All are to have what stands in the journal up to `learned`.
    pub(super) async fn elsewhere(
        &self,
        call: &Call,
        asked: &[(&Context, &Question)],
        learned: u64,
        end: Instant,
    ) -> Vec<Elsewhere> {
        let Some(shards) = &self.shards else { return Vec::new() };
        let scope = &call.caller.scope;
        let length = |(context, question): &(&Context, &Question)| {
            if self.is_lawful(scope, context) { question.probes.len() } else { 0 }
        };
        let lengths: Vec<usize> = asked.iter().map(length).collect();
        let index_min =
            asked.iter().map(|(context, _)| context.index_min).max().unwrap_or(0).max(learned);
        let probes =
            asked.iter().zip(&lengths).flat_map(|((_, q), length)| q.probes.iter().take(*length));
        let sought: Vec<Sought> = probes.map(Sought::from).collect();
        if sought.is_empty() {
            return Vec::new();
        }
        let write = |some| shard::write_look_up(&call.caller.scope, index_min, some, &[]);
        let pieces: Vec<_> = sought.chunks(SOUGHT_MAX).map(write).collect();
        let answers = join_all(pieces.iter().map(|piece| shards.look_up(piece, end))).await;
        let others = shards.own().count() as usize - 1;
        let mut each = Elsewhere::to_each(&lengths, joined(answers, &pieces, others));
        for one in &mut each {
            let far = one.far_videos();
            let write = |some| shard::write_look_up(&call.caller.scope, index_min, &[], some);
            let pieces: Vec<_> = far.chunks(VIDEOS_MAX).map(write).collect();
            let answers = join_all(pieces.iter().map(|piece| shards.look_up(piece, end))).await;
            if !pieces.is_empty() {
                one.take_videos(joined(answers, &pieces, others));
            }
        }
        each
    }

    /// Whether the law lets something of an item be looked at on its surface.
    pub(super) fn is_lawful(&self, scope: &Scope, context: &Context) -> bool {
        let resident = self.store.resident().read();
        let surface = resident.of(scope).and_then(|held| held.surfaces.get(&context.surface));
        surface.is_some_and(|surface| !lacks_legal_basis(surface, context))
    }

    /// What this process has of each bank.
    #[must_use]
    pub fn counted_here(&self, scope: &Scope) -> Vec<(BankId, Counted)> {
        let resident = self.store.resident().read();
        let banks = resident.of(scope).map(|holding| holding.matcher.banks());
        let count = |status: &_| Counted::of(status);
        let banks = banks.into_iter().flatten();
        banks.map(|status| (status.bank.id.clone(), count(&status))).collect()
    }

    /// What all processes together have of each bank.
    ///
    /// # Errors
    /// [`Reason::ShardUnavailable`] where a shard does not answer.
    pub async fn counted(&self, call: &Call) -> Result<BTreeMap<BankId, Counted>, Refusal> {
        let scope = &call.caller.scope;
        let mut counted: BTreeMap<_, _> = self.counted_here(scope).into_iter().collect();
        let Some(shards) = &self.shards else { return Ok(counted) };
        let request = v1::CountEntriesRequest {
            shard: None,
            tenant_id: scope.tenant.to_string(),
            environment: policy::write_environment(scope.environment).into(),
        };
        for answer in shards.count_entries(&request, self.item_deadline(call)).await {
            let missing = || Refusal::new(Reason::ShardUnavailable, "a shard does not answer");
            let banks = answer.and_then(shard::read_banks).ok_or_else(missing)?;
            for (bank, part) in banks {
                counted.entry(bank).or_default().add(part);
            }
        }
        Ok(counted)
    }
}

/// The answers of each shard to all pieces of what was sought, as one.
fn joined(
    answers: Vec<Vec<Option<v1::LookUpResponse>>>,
    pieces: &[v1::LookUpRequest],
    shards: usize,
) -> Vec<Option<ShardAnswer>> {
    let mut whole: Vec<Option<ShardAnswer>> = vec![Some(ShardAnswer::default()); shards];
    for (at, (answers, piece)) in answers.into_iter().zip(pieces).enumerate() {
        for (whole, answer) in whole.iter_mut().zip(answers) {
            let read = answer.and_then(|sent| shard::read_answer(sent, piece));
            *whole = whole.take().zip(read).map(|(mut whole, part)| {
                whole.index = if at == 0 { part.index } else { whole.index.min(part.index) };
                whole.index_age = whole.index_age.max(part.index_age);
                whole.sources.extend(part.sources);
                whole.hits.extend(part.hits);
                whole.videos.extend(part.videos);
                whole
            });
        }
    }
    whole
}

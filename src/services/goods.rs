//! What is known to be good, where this process keeps one shard of the banks: what the others are asked, and what they ask.

use crate::core::access::Scope;
use crate::core::bank::{BankRole, BankedSignal, Entry, Good};
use crate::core::id::{BankId, EntryId};
use crate::core::promotion::Far;
use crate::core::signal::Signal;
use crate::services::desk::{Call, Desk};
use crate::services::status::Refusal;
use crate::services::words::good;
use crate::services::words::shard::SOUGHT_MAX;
use futures_util::future::join_all;
use std::time::Instant;

impl Desk {
    /// What the processes of all other shards say to firing signals of a bank at what is known to be good there.
    pub async fn far_good(&self, call: &Call, bank: &BankId, signals: &[BankedSignal]) -> Far {
        self.far_good_until(&call.caller.scope, bank, signals, self.item_deadline(call)).await
    }

    /// The same for what no call brings.
    pub async fn far_good_in(&self, scope: &Scope, bank: &BankId, signals: &[BankedSignal]) -> Far {
        let end = Instant::now() + self.limits.item_time_max;
        self.far_good_until(scope, bank, signals, end).await
    }

    async fn far_good_until(
        &self,
        scope: &Scope,
        bank: &BankId,
        signals: &[BankedSignal],
        end: Instant,
    ) -> Far {
        let Some(shards) = self.shards.as_ref().filter(|_| self.knows_good(scope)) else {
            return Far::default();
        };
        let signals: Vec<Signal> = signals.iter().map(|banked| banked.signal.clone()).collect();
        let write = |some: &[Signal]| good::write_find_good(scope, bank, some);
        let pieces: Vec<_> = signals.chunks(SOUGHT_MAX).map(write).collect();
        let answers = join_all(pieces.iter().map(|piece| shards.find_good(piece, end))).await;
        let mut whole = vec![Some(Vec::new()); shards.own().count() as usize - 1];
        for (answers, piece) in answers.into_iter().zip(&pieces) {
            for (whole, answer) in whole.iter_mut().zip(answers) {
                let read = answer.and_then(|sent| good::read_goods(&sent, piece.signals.len()));
                *whole = whole.take().zip(read).map(|(mut whole, part)| {
                    whole.extend(part);
                    whole
                });
            }
        }
        Far::said(signals, whole)
    }

    /// Whether there is a negative bank: settings are known to every process, whatever shard it keeps.
    fn knows_good(&self, scope: &Scope) -> bool {
        let resident = self.store.resident().read();
        let banks = resident.of(scope).map(|holding| holding.matcher.banks());
        banks.into_iter().flatten().any(|status| status.bank.role == BankRole::Negative)
    }

    /// The same for the signals of an entry that is kept, if there is one.
    ///
    /// # Errors
    /// [`crate::services::status::Reason::StoreUnavailable`].
    pub async fn far_good_of(
        &self,
        call: &Call,
        bank: &BankId,
        entry: &EntryId,
    ) -> Result<Far, Refusal> {
        if self.shards.is_none() {
            return Ok(Far::default());
        }
        let found: Option<Entry> = self.store.entry(&call.caller.scope, bank, entry).await?;
        let signals = found.map(|entry| entry.signals).unwrap_or_default();
        Ok(self.far_good(call, bank, &signals).await)
    }

    /// What of this process's shard is known to be good and nearest to each of the signals, by the rule of a bank.
    #[must_use]
    pub fn goods_here(
        &self,
        scope: &Scope,
        bank: &BankId,
        signals: &[Signal],
    ) -> Vec<Option<Good>> {
        let resident = self.store.resident().read();
        let matcher = resident.of(scope).map(|holding| &holding.matcher);
        let bank = matcher.and_then(|matcher| Some((matcher, matcher.bank(bank)?.bank)));
        let nearest = |signal: &Signal| {
            let (matcher, bank) = bank?;
            let one = [BankedSignal::new(signal.clone(), None)];
            matcher.nearest_good(bank, &one)
        };
        signals.iter().map(nearest).collect()
    }
}

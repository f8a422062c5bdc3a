//! Firing at what is known to be good: which entry of a negative bank a signal is nearest to.

use crate::core::bank::{Bank, BankRole, BankedSignal, Effect, Good};
use crate::core::hamming::Scratch;
use crate::core::matcher::layer::Layer;
use crate::core::matcher::{Matcher, Shelf};
use crate::core::signal::{Signal, SignalType};

impl Matcher {
    /// Whether negative banks hold anything of a type.
    fn has_good(&self, kind: &SignalType) -> bool {
        let is_good = |shelf: &Shelf| {
            shelf.bank.role == BankRole::Negative
                && shelf.counting.get(kind).is_some_and(|count| *count > 0)
        };
        self.enabled().any(is_good)
    }

    /// The entry of a negative bank that is nearest to one of the signals, among those that `bank` would match with it:
    /// within the distance of its own rule, whatever the negative bank's is. Banks that only watch count too.
    #[must_use]
    pub fn nearest_good(&self, bank: &Bank, signals: &[BankedSignal]) -> Option<Good> {
        let mut scratch = Scratch::default();
        let fire = |banked: &BankedSignal| {
            let kind = banked.signal.kind();
            let rule = bank.rule(&kind).filter(|_| self.has_good(&kind))?;
            let mut nearest = None;
            for layer in &self.layers {
                self.fire_at(
                    layer,
                    &banked.signal,
                    rule.distance_max(),
                    &mut scratch,
                    &mut nearest,
                );
            }
            nearest
        };
        signals.iter().filter_map(fire).min_by(Good::order)
    }

    fn fire_at(
        &self,
        layer: &Layer,
        signal: &Signal,
        radius: u32,
        scratch: &mut Scratch,
        nearest: &mut Option<Good>,
    ) {
        let mut found = |distance, entry| {
            let good = || {
                let seen = layer.rows.get(entry);
                let shelf = self.shelves.get(seen.bank as usize)?.as_deref()?;
                let counts = seen.effect == Effect::Full
                    && shelf.bank.enabled
                    && shelf.bank.role == BankRole::Negative
                    && layer.ends.is_alive(entry, self.sequence);
                if !counts {
                    return None;
                }
                Some(Good { bank: shelf.bank.id.clone(), entry: seen.id()?, distance })
            };
            if nearest.as_ref().is_none_or(|known| distance <= known.distance)
                && let Some(good) = good()
                && nearest.as_ref().is_none_or(|known| good.order(known).is_lt())
            {
                *nearest = Some(good);
            }
        };
        match signal {
            Signal::Pdq(bits) => layer
                .pictures
                .search(bits, radius, scratch, |distance, hash| found(distance, hash.entry)),
            Signal::VpdqFrame(bits) => {
                layer
                    .frames
                    .search(bits, radius, scratch, |distance, hash| found(distance, hash.entry))
            }
            Signal::Md5(value) => layer.md5.numbers_of(value).for_each(|entry| found(0, entry)),
            Signal::Sha1(value) => layer.sha1.numbers_of(value).for_each(|entry| found(0, entry)),
            Signal::Sha256(value) => {
                layer.sha256.numbers_of(value).for_each(|entry| found(0, entry));
            }
            other @ (Signal::PhotoDna(_) | Signal::Custom(..) | Signal::Advice(_)) => {
                layer.opaque.numbers_of(other).for_each(|entry| found(0, entry));
            }
        }
    }
}

//! What processes of several shards ask and tell each other of what is known to be good, written to the wire and read from it.

use crate::core::access::Scope;
use crate::core::bank::Good;
use crate::core::id::{BankId, EntryId};
use crate::core::signal::Signal;
use crate::proto::v1;
use crate::services::words::policy;
use crate::services::words::shard::write_sought;

/// Writes signals that are fired by the rules of a bank, asked of any shard.
#[must_use]
pub fn write_find_good(scope: &Scope, bank: &BankId, signals: &[Signal]) -> v1::FindGoodRequest {
    v1::FindGoodRequest {
        shard: None,
        tenant_id: scope.tenant.to_string(),
        environment: policy::write_environment(scope.environment).into(),
        bank_id: bank.to_string(),
        signals: signals.iter().map(|signal| write_sought(signal, None)).collect(),
    }
}

/// Writes what is nearest to each signal.
#[must_use]
pub fn write_goods(nearest: Vec<Option<Good>>) -> v1::FindGoodResponse {
    let goods = (0..).zip(nearest).filter_map(|(place, good)| {
        let good = good?;
        let (bank_id, entry_id) = (good.bank.to_string(), good.entry.to_string());
        Some(v1::NearGood { place, bank_id, entry_id, distance: good.distance })
    });
    v1::FindGoodResponse { goods: goods.collect() }
}

/// Reads what is nearest to each of so many signals; nothing where it is not all understood.
#[must_use]
pub fn read_goods(sent: &v1::FindGoodResponse, signals: usize) -> Option<Vec<Option<Good>>> {
    let mut nearest = vec![None; signals];
    for good in &sent.goods {
        *nearest.get_mut(good.place as usize)? = Some(Good {
            bank: BankId::parse(&good.bank_id).ok()?,
            entry: EntryId::parse(&good.entry_id).ok()?,
            distance: good.distance,
        });
    }
    Some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_near_is_read_as_it_was_written(places in prop::collection::vec(any::<Option<u8>>(), 0..9)) {
            let nearest: Vec<_> = places
                .iter()
                .map(|distance| {
                    let distance = u32::from((*distance)?);
                    let (bank, entry) = (BankId::parse("good").ok()?, EntryId::parse("e").ok()?);
                    Some(Good { bank, entry, distance })
                })
                .collect();
            let sent = write_goods(nearest.clone());
            prop_assert_eq!(read_goods(&sent, nearest.len()), Some(nearest.clone()));
            if nearest.last().is_some_and(Option::is_some) {
                prop_assert_eq!(read_goods(&sent, nearest.len() - 1), None, "a signal that was not sent");
            }
        }
    }
}

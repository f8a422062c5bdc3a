//! Drawn histories of banks and items: the same pairs stand in the store as in the model that compares everything.

use super::*;
use crate::core::lookback::tests::model::{self, Item, Model, Pair, STATES, Step};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;

on_both!(whatever_happens_the_same_pairs_stand_as_in_the_model);

/// What the store says of pairs that stand, told by it or by verdicts.
async fn standing(store: &Store, names: &BTreeMap<String, u64>) -> BTreeMap<Pair, bool> {
    settle(store).await;
    let mut conn =
        crate::io::store::dialect::connect_lookback(&store.0.settings.of_lookback()).await.unwrap();
    let mut found = BTreeMap::new();
    let sql = "SELECT bank, entry, number FROM lookback_pair WHERE number = 0 ORDER BY pair";
    let by_verdicts = conn.rows(sql, Vec::new()).await.unwrap().len();
    conn.close().await.unwrap();
    let (mut after, mut untold) = (Cursor::default(), 0);
    loop {
        let (pairs, reached) = store.lookback().behind(&model::scope(), &after, 50).await.unwrap();
        if pairs.is_empty() {
            break;
        }
        for pair in pairs {
            let number = names[pair.item.item.as_str()];
            found.insert((pair.found.bank, pair.found.entry, number), true);
            untold += 1;
        }
        after = reached;
    }
    assert_eq!(found.len(), untold, "told twice");
    // How many verdicts told; which, the model of the rules compares.
    found.insert((BankId::parse("told").unwrap(), entry_id(by_verdicts as u64), 0), false);
    found
}

async fn whatever_happens_the_same_pairs_stand_as_in_the_model() {
    let rounds = if std::env::var_os("BULWARK_LONG").is_some() { 60 } else { 6 };
    for round in 0..rounds {
        let mut seed = [7; 32];
        seed[0] = round;
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let steps: Vec<Step> =
            (0..70).map(|_| model::step().new_tree(&mut runner).unwrap().current()).collect();
        one_history(round, steps).await;
    }
}

async fn one_history(round: u8, steps: Vec<Step>) {
    let home = Home::new(610 + u64::from(round));
    let mut store = home.open().await;
    let at = Time::default();
    store.record(tenant("acme")).await.unwrap();
    let surface = Surface {
        lookback: Some(Duration::from_secs(86_400 * 365 * 60)),
        ..Surface::usual(SurfaceKind::Upload, START)
    };
    store.record(Event::SurfacePut { scope: model::scope(), surface }).await.unwrap();
    let (mut events, mut items): (Vec<Event>, Vec<Item>) = (Vec::new(), Vec::new());
    // Journal number after so many of the events.
    let mut numbers = vec![store.resident().read().applied()];
    let mut banks: BTreeSet<BankId> = BTreeSet::new();
    let mut names = BTreeMap::new();
    for (turn, step) in steps.into_iter().enumerate() {
        let event = match step {
            Step::Bank(name, shape, distance, quality, ratio) => {
                let bank = model::bank(name, shape, distance, quality, ratio);
                banks.insert(bank.id.clone());
                Some(Event::BankPut { scope: model::scope(), bank })
            }
            Step::Delete(name) => {
                let bank = model::bank(name, 9, 0, 0, 0).id;
                let is_there = banks.remove(&bank);
                is_there.then(|| Event::BankDeleted { scope: model::scope(), bank, at })
            }
            Step::Entries(name, list) => {
                let bank = model::bank(name, 9, 0, 0, 0).id;
                let entry = |(name, state, signals): &(u8, u8, model::Signals)| {
                    model::entry(*name, STATES[usize::from(*state)], signals)
                };
                let entries = list.iter().map(entry).collect();
                let is_there = banks.contains(&bank);
                is_there.then(|| Event::EntriesPut { scope: model::scope(), bank, entries, at })
            }
            Step::Item(signals, late, told) => {
                let number = items.len() as u64 + 1;
                let item = model::remembered(number, &signals);
                let joined = events.len();
                let index = joined.saturating_sub(usize::from(late));
                let mut then = Model::default();
                events[..index].iter().for_each(|event| then.event(event));
                let known = if told { then.of_item(&item) } else { Vec::new() };
                names.insert(item.item.to_string(), number);
                let (scope, index) = (model::scope(), index as u64);
                items.push((number, item.clone(), index, told, u64::MAX, joined as u64));
                let index = numbers[index as usize];
                let screened = Screened { scope, item, index, told: known };
                store.lookback().remember(Box::new(screened));
                // Some come together, some are written before anything else happens.
                if turn % 3 > 0 {
                    settle(&store).await;
                }
                None
            }
            Step::Forget(place) => {
                settle(&store).await;
                let mut living: Vec<_> =
                    items.iter_mut().filter(|(.., gone, _)| *gone == u64::MAX).collect();
                if !living.is_empty() {
                    let place = place % living.len();
                    let (_, item, .., gone, _) = &mut *living[place];
                    *gone = events.len() as u64;
                    store.lookback().forget(&model::scope(), &item.item).await.unwrap();
                }
                None
            }
            Step::Gather => {
                settle(&store).await;
                store.close().await.unwrap();
                store = home.open().await;
                None
            }
        };
        if let Some(event) = event {
            // What is on its way joins in the order in which the model has it.
            settle(&store).await;
            store.record(event.clone()).await.unwrap();
            events.push(event);
            numbers.push(store.resident().read().applied());
        }
    }
    let found = standing(&store, &names).await;
    let mut expected = model::in_order(&events, &items);
    expected.retain(|pair, _| {
        found.contains_key(pair) || !model::is_closed_by_then(pair, &events, &items)
    });
    let by_verdicts = expected.values().filter(|is_new| !**is_new).count();
    expected.retain(|_, is_new| *is_new);
    expected.insert((BankId::parse("told").unwrap(), entry_id(by_verdicts as u64), 0), false);
    assert_eq!(found, expected);
    store.close().await.unwrap();
}

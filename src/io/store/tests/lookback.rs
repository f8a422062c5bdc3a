//! Look-back on either database: what is remembered, found, told, forgotten; across restarts and processes.

mod histories;
#[cfg(feature = "postgres")]
mod several;

use super::*;
use crate::core::id::ItemId;
use crate::core::lookback::{Remembered, Screened, pair_id};
use crate::core::screening::question::Probe;
use crate::core::verdict::{Dihedral, Form};
use crate::io::store::{Cursor, verify};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

on_both!(
    what_a_bank_learns_is_told_of_items_that_were_screened_before,
    what_was_withdrawn_is_told_anew_under_the_same_name,
    a_bank_that_reaches_further_is_compared_with_everything_remembered,
    an_item_that_is_forgotten_or_past_its_time_is_told_no_more,
    what_is_learned_while_an_item_is_on_its_way_is_told_of_it,
    after_a_start_everything_remembered_is_found_again,
    what_is_too_much_is_counted_and_holds_nobody_up,
);

/// Longest wait for what should come within a second, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(30);

/// Number of an entry whose hash is far from those of small numbers.
const FAR: u64 = 0xFFFF_FFFF_0000;

/// Remembers items of the usual surface for so long.
fn remembering(window: Option<Duration>) -> Event {
    let usual = Surface::usual(SurfaceKind::Upload, START);
    Event::SurfacePut { scope: scope(), surface: Surface { lookback: window, ..usual } }
}

fn probe(signal: Signal) -> Probe {
    Probe {
        signal,
        quality: None,
        form: Form::Canonical,
        dihedral: Dihedral::Original,
        part: "".into(),
        frame: 0,
        stream: 0,
    }
}

fn item(name: &str, signals: Vec<Signal>) -> Remembered {
    Remembered {
        item: ItemId::parse(name).unwrap(),
        surface: SurfaceId::parse("upload").unwrap(),
        screened: START,
        probes: signals.into_iter().map(probe).collect(),
    }
}

/// Remembers an item that was compared with what the banks were after event `index`.
fn remember_at(store: &Store, index: u64, item: Remembered, told: Vec<(BankId, EntryId)>) {
    store.lookback().remember(Box::new(Screened { scope: scope(), item, index, told }));
}

fn remember(store: &Store, name: &str, signals: Vec<Signal>) {
    let index = store.resident().read().applied();
    remember_at(store, index, item(name, signals), Vec::new());
}

/// Waits until everything that waited is written and everything that was learned is heeded.
async fn settle(store: &Store) {
    // What was handed over before this is written before it is answered.
    let nobody = ItemId::parse("nobody's").unwrap();
    store.lookback().forget(&scope(), &nobody).await.unwrap();
    let (began, figures) = (Instant::now(), store.lookback().figures());
    let is_done = || {
        let searched = figures.searched.load(Ordering::Acquire);
        searched >= store.resident().read().applied() && figures.sweeps.load(Ordering::Relaxed) == 0
    };
    while !is_done() {
        assert!(began.elapsed() < PATIENCE, "it does not come to an end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Everything that is told behind a cursor: entry and item, and the cursor.
async fn told(store: &Store, after: &Cursor) -> (Vec<(String, String)>, Cursor) {
    let (mut all, mut after) = (Vec::new(), after.clone());
    loop {
        // A small page, so that there are several.
        let (pairs, reached) = store.lookback().behind(&scope(), &after, 3).await.unwrap();
        if pairs.is_empty() {
            return (all, reached);
        }
        for pair in &pairs {
            let found = &pair.found;
            let id = pair_id(&scope(), &found.bank, &found.entry, &pair.item.item);
            assert_eq!(pair.id, id);
            assert!(pair.cursor.number > after.number);
            all.push((found.entry.to_string(), pair.item.item.to_string()));
        }
        after = reached;
    }
}

async fn all(store: &Store) -> BTreeSet<(String, String)> {
    settle(store).await;
    let (list, _) = told(store, &Cursor::default()).await;
    let set: BTreeSet<_> = list.iter().cloned().collect();
    assert_eq!(set.len(), list.len(), "told twice");
    set
}

fn pairs(list: &[(u64, &str)]) -> BTreeSet<(String, String)> {
    list.iter().map(|(n, item)| (entry_id(*n).to_string(), (*item).to_owned())).collect()
}

async fn started(seed: u64) -> (Home, Store) {
    let home = Home::new(seed);
    let store = home.open().await;
    for event in [tenant("acme"), remembering(Some(Duration::from_secs(3600))), bank(1)] {
        store.record(event).await.unwrap();
    }
    (home, store)
}

async fn put(store: &Store, n: u64, state: EntryState, version: u64) {
    store.record(entries(vec![entry(n, state, version)])).await.unwrap();
}

async fn what_a_bank_learns_is_told_of_items_that_were_screened_before() {
    let (_home, store) = started(601).await;
    remember(&store, "by digest", vec![md5(1)]);
    remember(&store, "by hash", vec![pdq(1)]);
    remember(&store, "by both", vec![md5(1), pdq(1)]);
    remember(&store, "another", vec![md5(FAR)]);
    let told_already = vec![(bank_id(), entry_id(1))];
    let index = store.resident().read().applied();
    remember_at(&store, index, item("told by its verdict", vec![md5(1)]), told_already);
    settle(&store).await;
    assert_eq!(all(&store).await, pairs(&[]));
    // What does not count is not told, until it does.
    put(&store, 1, EntryState::Trial, 1).await;
    assert_eq!(all(&store).await, pairs(&[]));
    let first = told(&store, &Cursor::default()).await.1;
    put(&store, FAR, EntryState::Disputed, 1).await;
    // On trial it was no pair; the verdict cannot have told of it. What it told was before.
    settle(&store).await;
    let (list, cursor) = told(&store, &first).await;
    assert_eq!(list, [(entry_id(FAR).to_string(), "another".to_owned())]);
    put(&store, 1, EntryState::Active, 2).await;
    settle(&store).await;
    let (list, _) = told(&store, &cursor).await;
    let list: BTreeSet<_> = list.into_iter().collect();
    let expected = pairs(&[
        (1, "by digest"),
        (1, "by hash"),
        (1, "by both"),
        // The entry was taken back in between: what the verdict told is old.
        (1, "told by its verdict"),
    ]);
    assert_eq!(list, expected);
    // Said again, nothing is new.
    put(&store, 1, EntryState::Active, 3).await;
    settle(&store).await;
    assert_eq!(all(&store).await.len(), 5);
    // Another environment hears nothing of it.
    let other = Scope { environment: Environment::Production, ..scope() };
    let (none, _) = store.lookback().behind(&other, &Cursor::default(), 9).await.unwrap();
    assert!(none.is_empty());
    store.close().await.unwrap();
}

async fn what_was_withdrawn_is_told_anew_under_the_same_name() {
    let (_home, store) = started(602).await;
    remember(&store, "i", vec![md5(1)]);
    let index = store.resident().read().applied();
    remember_at(&store, index, item("known", vec![md5(5)]), vec![(bank_id(), entry_id(5))]);
    settle(&store).await;
    put(&store, 5, EntryState::Active, 1).await;
    put(&store, 1, EntryState::Active, 1).await;
    assert_eq!(all(&store).await, pairs(&[(1, "i")]));
    let (before, cursor) = store.lookback().behind(&scope(), &Cursor::default(), 9).await.unwrap();
    put(&store, 1, EntryState::Removed, 2).await;
    assert_eq!(all(&store).await, pairs(&[]));
    put(&store, 1, EntryState::Active, 3).await;
    settle(&store).await;
    let (after, _) = store.lookback().behind(&scope(), &cursor, 9).await.unwrap();
    assert_eq!((after.len(), after[0].id), (1, before[0].id));
    store.close().await.unwrap();
}

async fn a_bank_that_reaches_further_is_compared_with_everything_remembered() {
    let (_home, store) = started(603).await;
    let Event::BankPut { bank: usual, .. } = bank(2) else { unreachable!() };
    let set = |change: fn(&mut Bank)| {
        let mut bank = usual.clone();
        change(&mut bank);
        Event::BankPut { scope: scope(), bank }
    };
    store.record(set(|bank| bank.enabled = false)).await.unwrap();
    // More than are compared in one go.
    let list = (0..600).map(|n| entry(n, EntryState::Active, 1)).collect();
    store.record(entries(list)).await.unwrap();
    for n in [3, 300, 599] {
        remember(&store, &format!("i{n}"), vec![md5(n)]);
    }
    assert_eq!(all(&store).await, pairs(&[]));
    store.record(set(|_| {})).await.unwrap();
    let expected = pairs(&[(3, "i3"), (300, "i300"), (599, "i599")]);
    assert_eq!(all(&store).await, expected);
    store.record(set(|bank| bank.mode = BankMode::Shadow)).await.unwrap();
    assert_eq!(all(&store).await, pairs(&[]));
    store.record(set(|_| {})).await.unwrap();
    assert_eq!(all(&store).await, expected);
    // A further kind of signal.
    remember(&store, "sha", vec![Signal::Sha1([9; 20])]);
    let mut odd = entry(700, EntryState::Active, 1);
    odd.signals = vec![BankedSignal::new(Signal::Sha1([9; 20]), None)];
    store.record(entries(vec![odd])).await.unwrap();
    assert_eq!(all(&store).await, expected);
    store.record(set(|bank| bank.rules.push(SignalRule::usual(SignalType::Sha1)))).await.unwrap();
    assert_eq!(all(&store).await.len(), 4);
    store.close().await.unwrap();
}

async fn an_item_that_is_forgotten_or_past_its_time_is_told_no_more() {
    let (home, store) = started(604).await;
    remember(&store, "mine", vec![md5(1)]);
    remember(&store, "mine", vec![md5(4)]);
    remember(&store, "other", vec![md5(1)]);
    settle(&store).await;
    put(&store, 1, EntryState::Active, 1).await;
    assert_eq!(all(&store).await, pairs(&[(1, "mine"), (1, "other")]));
    let name = ItemId::parse("mine").unwrap();
    assert_eq!(store.lookback().forget(&scope(), &name).await.unwrap(), 2);
    assert_eq!(store.lookback().forget(&scope(), &name).await.unwrap(), 0);
    assert_eq!(all(&store).await, pairs(&[(1, "other")]));
    put(&store, 1, EntryState::Removed, 2).await;
    put(&store, 1, EntryState::Active, 3).await;
    assert_eq!(all(&store).await, pairs(&[(1, "other")]));
    let gone = async |count: u64| {
        let began = Instant::now();
        while store.lookback().figures().items.load(Ordering::Relaxed) != count {
            assert!(began.elapsed() < PATIENCE, "items are still there");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    gone(1).await;
    home.clock.advance(Duration::from_secs(3601));
    gone(0).await;
    assert_eq!(all(&store).await, pairs(&[]));
    // A surface that remembers nothing any more erases what it did.
    let mut late = item("late", vec![md5(1)]);
    late.screened = home.clock.now();
    let index = store.resident().read().applied();
    remember_at(&store, index, late, Vec::new());
    settle(&store).await;
    store.record(remembering(None)).await.unwrap();
    gone(0).await;
    store.close().await.unwrap();
}

async fn what_is_learned_while_an_item_is_on_its_way_is_told_of_it() {
    let (_home, store) = started(605).await;
    // Something is there, so that what comes is heeded.
    remember(&store, "first", vec![md5(9)]);
    settle(&store).await;
    let before = store.resident().read().applied();
    put(&store, 1, EntryState::Active, 1).await;
    put(&store, 2, EntryState::Active, 1).await;
    put(&store, 2, EntryState::Removed, 2).await;
    settle(&store).await;
    let known = vec![(bank_id(), entry_id(3))];
    remember_at(&store, before, item("late", vec![md5(1), md5(2), md5(3)]), known);
    assert_eq!(all(&store).await, pairs(&[(1, "late")]));
    store.close().await.unwrap();
}

async fn after_a_start_everything_remembered_is_found_again() {
    let (home, store) = started(606).await;
    for n in 0..200 {
        remember(&store, &format!("i{n}"), vec![md5(n)]);
    }
    settle(&store).await;
    put(&store, 7, EntryState::Active, 1).await;
    let (_, cursor) = {
        settle(&store).await;
        told(&store, &Cursor::default()).await
    };
    // Handed over and ended: what waits is written.
    remember(&store, "last", vec![md5(8)]);
    store.close().await.unwrap();
    let store = home.open().await;
    put(&store, 8, EntryState::Active, 1).await;
    settle(&store).await;
    let (list, _) = told(&store, &cursor).await;
    let list: BTreeSet<_> = list.into_iter().collect();
    assert_eq!(list, pairs(&[(8, "i8"), (8, "last")]));
    assert_eq!(store.lookback().figures().items.load(Ordering::Relaxed), 201);
    // A cursor of a store that is no more counts as none.
    let lost = Cursor { epoch: "lost".into(), number: 99 };
    let (again, _) = store.lookback().behind(&scope(), &lost, 9).await.unwrap();
    assert_eq!(again.len(), 3);
    store.close().await.unwrap();
    // The journal knows nothing of it.
    let report = verify(&home.settings(), &home.keys, Duration::ZERO).await.unwrap();
    assert_eq!(report.faults, vec![]);
}

async fn what_is_too_much_is_counted_and_holds_nobody_up() {
    let home = Home::new(607);
    let settings = Settings { lookback_waiting_bytes_max: 20_000, ..home.settings() };
    let store = Store::open(settings, Arc::clone(&home.keys), home.clock.clone()).await.unwrap();
    for event in [tenant("acme"), remembering(Some(Duration::from_secs(60))), bank(1)] {
        store.record(event).await.unwrap();
    }
    let figures = store.lookback().figures();
    let began = Instant::now();
    for n in 0..20_000 {
        remember(&store, &format!("i{n}"), vec![md5(n)]);
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    settle(&store).await;
    let dropped = figures.dropped.load(Ordering::Relaxed);
    assert!(dropped > 0);
    assert_eq!(figures.items.load(Ordering::Relaxed) + dropped, 20_000);
    assert_eq!(figures.waiting.load(Ordering::Relaxed), 0);
    // Afterwards there is room again.
    remember(&store, "later", vec![md5(1)]);
    settle(&store).await;
    assert_eq!(figures.dropped.load(Ordering::Relaxed), dropped);
    store.close().await.unwrap();
}

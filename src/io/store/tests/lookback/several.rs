//! Look-back with several processes on one database.

use super::super::super::dialect;
use super::super::servers::{elsewhere, home_there};
use super::*;

struct Pair {
    home: Home,
    _folders: [tempfile::TempDir; 2],
    stores: [Store; 2],
}

async fn two(seed: u64) -> Pair {
    let home = home_there(seed).await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let open = async |folder: &tempfile::TempDir| {
        let settings = elsewhere(&home, folder.path());
        Store::open(settings, Arc::clone(&home.keys), home.clock.clone()).await.unwrap()
    };
    let stores = [open(&folders[0]).await, open(&folders[1]).await];
    for event in [tenant("acme"), remembering(Some(Duration::from_secs(3600))), bank(1)] {
        stores[0].record(event).await.unwrap();
    }
    let number = stores[0].resident().read().applied();
    stores[1].wait_for(number, PATIENCE).await;
    Pair { home, _folders: folders, stores }
}

/// The next pair that a process tells.
async fn heard(store: &Store, after: &Cursor) -> (String, Cursor) {
    let (pairs, reached) = store.lookback().next(&scope(), after, 1, PATIENCE).await.unwrap();
    let pair = pairs.first().expect("a pair in time");
    (pair.item.item.to_string(), reached)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_process_tells_what_another_remembered() {
    let Pair { stores, .. } = two(621).await;
    remember(&stores[0], "here", vec![md5(1)]);
    remember(&stores[1], "there", vec![md5(1)]);
    settle(&stores[0]).await;
    settle(&stores[1]).await;
    put(&stores[1], 1, EntryState::Active, 1).await;
    for store in &stores {
        let (first, after) = heard(store, &Cursor::default()).await;
        let (second, _) = heard(store, &after).await;
        let told = BTreeSet::from([first, second]);
        assert_eq!(told, BTreeSet::from(["here".to_owned(), "there".to_owned()]));
    }
    // Whoever forgets, both forget.
    let name = ItemId::parse("there").unwrap();
    assert_eq!(stores[0].lookback().forget(&scope(), &name).await.unwrap(), 1);
    let began = Instant::now();
    while stores[1].lookback().figures().items.load(Ordering::Relaxed) > 0 {
        assert!(began.elapsed() < PATIENCE, "the other one still has it in memory");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let late = item("there", vec![md5(2)]);
    remember_at(&stores[1], stores[1].resident().read().applied(), late, Vec::new());
    settle(&stores[1]).await;
    put(&stores[0], 2, EntryState::Active, 1).await;
    stores[1].wait_for(stores[0].resident().read().applied(), PATIENCE).await;
    settle(&stores[1]).await;
    let (told, _) = told(&stores[0], &Cursor::default()).await;
    assert_eq!(told, [(entry_id(1).to_string(), "here".to_owned())], "on its way when it went");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_process_remembered_that_is_gone_or_was_asleep_another_finds() {
    let Pair { home, stores: [gone, left], .. } = two(622).await;
    remember(&gone, "left behind", vec![md5(1)]);
    settle(&gone).await;
    let log = async |sql: &'static str| {
        let mut conn = dialect::connect(&home.settings(), false).await.unwrap();
        conn.run(sql, vec![vec![9_u8; 16].into()]).await.unwrap();
        conn.close().await.unwrap();
    };
    // It sleeps, and for others is gone; then it wakes, and everything it does goes to a log of its own.
    log("UPDATE lookback_log SET owner = $1").await;
    remember(&gone, "afterwards", vec![md5(1)]);
    settle(&gone).await;
    put(&left, 1, EntryState::Active, 1).await;
    let (first, after) = heard(&left, &Cursor::default()).await;
    assert_eq!(first, "afterwards");
    let (second, after) = heard(&left, &after).await;
    assert_eq!(second, "left behind");
    settle(&left).await;
    settle(&gone).await;
    let (none, _) = left.lookback().behind(&scope(), &after, 9).await.unwrap();
    assert!(none.is_empty(), "told twice");
    // Whichever of the two was first has it now, and no other.
    let items = |store: &Store| store.lookback().figures().items.load(Ordering::Relaxed);
    assert_eq!(items(&left) + items(&gone), 2);
}

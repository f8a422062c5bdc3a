//! Snapshots fetched from a service that nobody trusts: whatever it gives, the start is right, and soon.

use super::bucket::{Bucket, Manner};
use super::sharing::{Folder, left, number, shared};
use super::snapshots::{Answers, answers, open, path, settled, told};
use super::*;
use crate::config::value::Value as _;
use crate::config::{Endpoint, SharedPlace};
use crate::io::objects::{Objects, Place};
use std::time::{Duration, Instant};

/// The secret that goes with the key.
const SECRET: &str = "mackerel-swordfish";

/// A service with what a machine has shared, and what that machine answered.
struct Scene {
    home: Home,
    bucket: Bucket,
    name: String,
    whole: Vec<u8>,
    said: (String, Answers),
}

fn place(home: &Home, port: u16) -> Place {
    let file = home.folder.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    Place {
        endpoint: Some(Endpoint::read(&format!("http://127.0.0.1:{port}")).unwrap()),
        region: Some("eu-south-9".into()),
        access_key_id: Some("AKIAEXAMPLE".into()),
        secret_access_key_file: Some(file),
        step_time_max: Duration::from_millis(600),
        part_time_max: Duration::from_millis(600),
        ..Place::at(SharedPlace::read("s3://bucket/p").unwrap())
    }
}

impl Scene {
    async fn new(seed: u64) -> Self {
        let (home, folder) = (Home::new(seed), Folder::new());
        folder.make();
        let said = left(&home, &folder).await;
        let name = folder.names().remove(0);
        let whole = std::fs::read(folder.path().join(&name)).unwrap();
        let bucket = Bucket::start();
        bucket.put(&name, whole.clone());
        Self { home, bucket, name, whole, said }
    }

    fn settings(&self) -> Settings {
        Settings {
            snapshot_place: Some(place(&self.home, self.bucket.port)),
            snapshot_fetch_time_max: Duration::from_secs(2),
            ..super::snapshots::at_the_end(&self.home)
        }
    }

    /// Starts with nothing but the database; gives the snapshot that it started from, and whether it complained.
    async fn start(&self, settings: Settings, what: &str) -> (u64, u64) {
        let _ = std::fs::remove_file(path(&self.home));
        let began = Instant::now();
        let store = open(&self.home, settings).await;
        assert!(began.elapsed() < Duration::from_secs(4), "{what}: {:?}", began.elapsed());
        let said = (told(store.resident()), answers(store.resident(), 25));
        assert_eq!(said, self.said, "{what}");
        let found = (store.snapshots().number, shared(&store).failures);
        let left = std::fs::read_dir(self.home.folder.path()).unwrap();
        let left = left.map(|file| file.unwrap().file_name().into_string().unwrap());
        assert_eq!(left.filter(|name| name.contains("unfinished")).count(), 0, "{what}");
        drop(store);
        settled().await;
        found
    }

    async fn is_refused(&self, what: &str) {
        let (number, failures) = self.start(self.settings(), what).await;
        assert_eq!(number, 0, "{what}: made from rows");
        assert!(failures > 0, "{what} is counted");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_object_store_does_the_start_is_right_and_soon() {
    let scene = Scene::new(111).await;
    assert_eq!(scene.start(scene.settings(), "as it should be").await, (8, 0));
    for manner in [
        Manner::Silent,
        Manner::Dripping,
        Manner::Torn,
        Manner::Longer,
        Manner::Shorter,
        Manner::Endless,
        Manner::Refusing,
        Manner::Circling,
        Manner::Babbling,
    ] {
        scene.bucket.is(manner);
        scene.is_refused(&format!("{manner:?}")).await;
    }
    scene.bucket.is(Manner::Honest);
    assert_eq!(scene.start(scene.settings(), "as it should be again").await, (8, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_object_holds_the_start_is_right() {
    let scene = Scene::new(112).await;
    let whole = &scene.whole;
    let mut changed = Vec::new();
    for at in [0, 16, 20, 36, 44, 76, 84, 100, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        changed.push((format!("a flip at {at}"), flipped));
    }
    changed.push(("nothing".into(), Vec::new()));
    changed.push(("half of it".into(), whole[..whole.len() / 2].to_vec()));
    changed.push(("it twice".into(), [&whole[..], &whole[..]].concat()));
    changed.push(("something else".into(), vec![b'x'; whole.len()]));
    // Of another key ring, under the name of ours.
    let (other, folder) = (Home::new(113), Folder::new());
    folder.make();
    left(&other, &folder).await;
    let others = folder.names().remove(0);
    let theirs = std::fs::read(folder.path().join(&others)).unwrap();
    changed.push(("what other keys have sealed".into(), theirs.clone()));
    for (what, bytes) in changed {
        scene.bucket.put(&scene.name, bytes);
        scene.is_refused(&what).await;
    }
    // Under its own name it is somebody else's, and nobody touches it.
    scene.bucket.objects.lock().unwrap().clear();
    scene.bucket.put(&others, theirs);
    assert_eq!(scene.start(scene.settings(), "another's").await, (0, 0));
    let heads = scene.bucket.heads.lock().unwrap().concat();
    assert!(!heads.contains(&others), "it was not asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_wrong_snapshot_and_an_older_one_the_older_one_is_used() {
    let scene = Scene::new(114).await;
    let store = open(&scene.home, super::snapshots::at_the_end(&scene.home)).await;
    store.record(bank(2)).await.unwrap();
    let said = (told(store.resident()), answers(store.resident(), 25));
    let newer = Folder::new();
    newer.make();
    drop(store);
    settled().await;
    // The next machine shares a newer one, and somebody replaces it by the older.
    let settings = Settings { snapshot_changes: 1, ..newer.at_the_end(&scene.home) };
    let store = open(&scene.home, settings).await;
    store.close().await.unwrap();
    let name = newer.names().remove(0);
    assert!(number(&name) > 8, "{name}");
    scene.bucket.put(&name, b"nonsense".to_vec());
    let scene = Scene { said, ..scene };
    assert_eq!(scene.start(scene.settings(), "one is wrong").await, (8, 1));
    scene.bucket.put(&name, scene.whole.clone());
    assert_eq!(scene.start(scene.settings(), "the older one twice").await, (8, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_read_than_an_answer_may_have_and_an_object_beyond_the_limit_is_not_asked_for() {
    let scene = Scene::new(115).await;
    for manner in [Manner::Endless, Manner::Refusing] {
        scene.bucket.is(manner);
        *scene.bucket.sent.lock().unwrap() = 0;
        scene.is_refused("without end").await;
        // What lies in the buffers of the connections that were tried is sent, too.
        let sent = *scene.bucket.sent.lock().unwrap();
        assert!(sent < 64 << 20, "{manner:?}: {sent}");
    }
    scene.bucket.is(Manner::Honest);
    let mut settings = scene.settings();
    let bytes_max = scene.whole.len() as u64 - 1;
    settings.snapshot_place = settings.snapshot_place.map(|place| Place { bytes_max, ..place });
    scene.bucket.heads.lock().unwrap().clear();
    assert_eq!(scene.start(settings, "too large").await, (0, 1));
    let heads = scene.bucket.heads.lock().unwrap().concat();
    assert!(heads.contains("list-type=2") && !heads.contains(&scene.name), "{heads}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_is_neither_sent_nor_said() {
    let home = Home::new(116);
    let bucket = Bucket::start();
    let place = place(&home, bucket.port);
    let objects = Objects::open(&place).unwrap();
    assert!(objects.list().await.unwrap().is_empty());
    let said = format!("{objects:?} {place:?}");
    assert!(said.contains("AKIAEXAMPLE") && !said.contains(SECRET), "{said}");
    for manner in [Manner::Refusing, Manner::Babbling, Manner::Circling] {
        bucket.is(manner);
        let error = objects.list().await.unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(!said.contains(SECRET) && !said.contains('\u{1b}'), "{said}");
        assert!(said.len() < 1000, "{said}");
    }
    let heads = bucket.heads.lock().unwrap().concat();
    assert!(heads.contains("AKIAEXAMPLE/") && !heads.contains(SECRET), "{heads}");
    assert!(heads.contains("eu-south-9"), "signed for its region: {heads}");
    std::fs::remove_file(home.folder.path().join("secret")).unwrap();
    let error = Objects::open(&place).unwrap_err().to_string();
    assert!(error.contains("secret access key cannot be read"), "{error}");
}

//! Whom a process asks of those that tell of themselves.

use super::*;
use crate::core::time::Time;
use crate::io::clock::Clock;
use crate::io::store::{self, Address};

fn shard(text: &str) -> Shard {
    Shard::parse(text).unwrap()
}

fn name() -> Name {
    let folder = tempfile::tempdir().unwrap();
    Name::of(&store::Settings::in_folder(folder.path())).unwrap()
}

fn replica(name: &Name, own: &str, address: Address) -> Replica {
    Replica {
        name: name.clone(),
        title: String::new(),
        version: String::new(),
        shard: shard(own),
        address,
        began: Time::from_millis(0),
        beat: 1,
        beaten: Time::from_millis(0),
        counted: Time::from_millis(0),
        applied: 0,
        entries: 0,
        speaks: 11,
    }
}

fn first_of(count: &str, keys: &KeyRing) -> Shards {
    let settings = ShardSettings { own: shard(&format!("1/{count}")), ..ShardSettings::default() };
    let trust = Trust::read(&key(keys).unwrap(), None, None).unwrap();
    Shards::of(&settings, trust)
}

#[tokio::test]
async fn only_those_are_asked_who_keep_another_shard_of_as_many_and_have_the_keys() {
    let keys = KeyRing::generate(&Clock::system());
    let strangers = KeyRing::generate(&Clock::system());
    let shards = first_of("3", &keys);
    let (a, b, this) = (name(), name(), name());
    let at = |keys: &KeyRing, of: &Name, own: &str| {
        Address::new(keys, of, shard(own), "http://127.0.0.1:1")
    };
    let known = |rows: &[Replica]| {
        shards.know(rows, &keys, Some(&this));
        shards.holders()
    };
    let nobody = [(2, 0), (3, 0)];
    for row in [
        replica(&a, "1/3", at(&keys, &a, "1/3")),
        replica(&a, "2/4", at(&keys, &a, "2/4")),
        replica(&a, "1/1", Address::default()),
        replica(&a, "2/3", Address::default()),
        replica(&this, "2/3", at(&keys, &this, "2/3")),
        // Told by somebody who can write rows and has other keys; taken over from the row of another; of another shard.
        replica(&a, "2/3", at(&strangers, &a, "2/3")),
        replica(&a, "2/3", at(&keys, &b, "2/3")),
        replica(&a, "2/3", at(&keys, &a, "3/3")),
    ] {
        assert_eq!(known(&[row]), nobody);
    }
    let (first, second) =
        (replica(&a, "2/3", at(&keys, &a, "2/3")), replica(&b, "2/3", at(&keys, &b, "2/3")));
    assert_eq!(known(&[first.clone(), second]), [(2, 2), (3, 0)]);
    assert_eq!(known(&[first]), [(2, 1), (3, 0)], "who has gone is not asked any more");
}

#[tokio::test]
async fn a_line_that_is_there_is_kept() {
    let keys = KeyRing::generate(&Clock::system());
    let shards = first_of("2", &keys);
    let a = name();
    let row = replica(&a, "2/2", Address::new(&keys, &a, shard("2/2"), "http://127.0.0.1:1"));
    shards.know(std::slice::from_ref(&row), &keys, None);
    let before = shards.0.map.read()[&2][0].clone();
    shards.know(&[row], &keys, None);
    assert!(Arc::ptr_eq(&before, &shards.0.map.read()[&2][0]));
}

#[tokio::test]
async fn where_nobody_answers_a_shard_is_missing_before_the_end_and_who_failed_is_known() {
    let keys = KeyRing::generate(&Clock::system());
    let shards = first_of("3", &keys);
    let a = name();
    // Nobody listens there any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("http://127.0.0.1:{port}");
    let row = replica(&a, "2/3", Address::new(&keys, &a, shard("2/3"), &address));
    shards.know(&[row], &keys, None);
    let end = Instant::now() + Duration::from_secs(30);
    let answers = shards.look_up(&v1::LookUpRequest::default(), end).await;
    assert_eq!(answers, [None, None]);
    assert!(Instant::now() < end, "neither is waited for");
    let figures = shards.figures();
    let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
    assert_eq!((of(&figures.missing), of(&figures.asked), of(&figures.unanswered)), (2, 2, 2));
    assert!(shards.0.map.read()[&2][0].standing().failed.is_some());
}

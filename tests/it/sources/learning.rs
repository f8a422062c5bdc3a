//! What a source says arrives, and what people here say of it goes back.

use super::ncmec::{Ncmec, md5_of};
use super::web::Fake;
use super::{Learner, exchange, md5_signal, ncmec_at, now};
use bulwark::proto::v1;
use std::collections::BTreeMap;
use v1::{Disposition, OpinionValue};

#[tokio::test]
async fn what_ncmec_lists_changes_and_deletes_arrives_with_its_next_page() {
    let learner = Learner::start().await;
    let mut source = Ncmec::new(3);
    for n in 0..8 {
        source.put(7, &format!("e{n}"), now() - 1000 + n, &md5_of(&format!("v{n}")));
    }
    source.items.get_mut(&(7, "e1".into())).unwrap().is_odd = true;
    source.put(9, "other", now() - 900, &md5_of("of another member"));
    let fake = Fake::start(source).await;
    let mut of_one = exchange(ncmec_at(&fake.address));
    if let Some(v1::exchange::Kind::Ncmec(ncmec)) = &mut of_one.kind {
        ncmec.member_ids = vec!["7".into()];
    }
    learner.learn("hub", of_one).await;
    let live = learner.live("hub").await;
    assert_eq!(live.counts.unwrap().taken, 8, "of the member that is wanted");
    assert_eq!(live.unknown.len(), 1, "{:?}", live.unknown);
    assert_eq!(live.unknown[0].what, "signal type futurehash");
    assert!(live.source_time.is_some_and(|time| time.seconds >= now() - 30));
    assert_eq!(learner.ask(md5_signal("v1")).await, Disposition::Block, "the rest of it counts");
    assert_ne!(learner.ask(md5_signal("of another member")).await, Disposition::Block);

    {
        let mut source = fake.source.lock();
        source.put(7, "e2", now(), &md5_of("v2 anew"));
        source.delete(7, "e3", now());
    }
    learner.becomes(md5_signal("v2 anew"), Disposition::Block).await;
    let not_listed = learner.ask(md5_signal("never listed")).await;
    learner.becomes(md5_signal("v3"), not_listed).await;
    assert_ne!(learner.ask(md5_signal("v2")).await, Disposition::Block);

    // What was deleted comes back where the source lists it again.
    fake.source.lock().put(7, "e3", now(), &md5_of("v3"));
    learner.becomes(md5_signal("v3"), Disposition::Block).await;
}

#[tokio::test]
async fn opinions_go_back_to_ncmec_as_votes_each_once_also_across_a_restart() {
    let mut learner = Learner::start().await;
    let mut source = Ncmec::new(100);
    for n in 0..4 {
        source.put(7, &format!("e{n}"), now() - 1000 + n, &md5_of(&format!("v{n}")));
    }
    let fake = Fake::start(source).await;
    let gives = v1::Exchange { gives_feedback: true, ..exchange(ncmec_at(&fake.address)) };
    learner.learn("hub", gives).await;
    learner.live("hub").await;
    let entries = learner.entries().await.into_iter();
    let named: BTreeMap<String, String> =
        entries.map(|entry| (entry.provenance.unwrap().source_record, entry.entry_id)).collect();
    learner.say(&named["7/e0"], OpinionValue::Positive, &[]).await;
    learner.say(&named["7/e1"], OpinionValue::Negative, &["wrong class"]).await;
    // None of the source's reasons: it cannot be told.
    learner.say(&named["7/e2"], OpinionValue::Negative, &["a family album"]).await;
    let told = |status: &v1::GetExchangeStatusResponse| {
        (status.feedback_taken_count, status.feedback_refused_count) == (2, 1)
    };
    learner.until("hub", "told", told).await;
    let votes = fake.source.lock().votes.clone();
    let on = |id: &str, kind: &str| votes.get(&format!("/v2/entries/7/{id}/{kind}/feedback"));
    for kind in ["MD5", "SHA1"] {
        assert!(on("e0", kind).unwrap().contains("<affirmative/>"), "{votes:?}");
        let guid = format!("<negative><reasonIds><guid>0f01-{kind}</guid></reasonIds></negative>");
        assert!(on("e1", kind).unwrap().contains(&guid), "{votes:?}");
    }
    assert_eq!(votes.len(), 4);

    // The source repeats what it was told: that is no reason to tell it again.
    fake.source.lock().put(7, "e0", now(), &md5_of("v0 anew"));
    learner.becomes(md5_signal("v0 anew"), Disposition::Block).await;
    learner = learner.restart().await;
    fake.source.lock().put(7, "e0", now(), &md5_of("v0 once more"));
    learner.becomes(md5_signal("v0 once more"), Disposition::Block).await;
    learner.say(&named["7/e3"], OpinionValue::Positive, &[]).await;
    learner.until("hub", "told", |status| status.feedback_taken_count == 3).await;
    let puts = fake.asked().iter().filter(|asked| asked.method == "PUT").count();
    assert_eq!(puts, 6, "each vote once");
    let keys =
        fake.asked().iter().filter(|asked| !asked.header("idempotency-key").is_empty()).count();
    assert_eq!(keys, 6);
}

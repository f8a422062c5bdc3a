//! ThreatExchange: deletions, reactions, and a source that was not asked for so long that it has forgotten what it deleted.

use super::ncmec::md5_of;
use super::web::{Asked, Fake, Reply, Source};
use super::{Learner, exchange, md5_signal};
use bulwark::core::event::Event;
use bulwark::core::exchange::{Place, Progress};
use bulwark::core::refused::Refused;
use bulwark::core::time::Time;
use bulwark::proto::v1;
use serde_json::{Value, json};
use v1::{Disposition, OpinionValue};

struct ThreatExchange {
    updates: Vec<Value>,
    clock: i64,
    reactions: Vec<(String, String)>,
}

impl ThreatExchange {
    fn put(&mut self, text: &str, should_delete: bool) {
        self.clock += 1;
        let md5 = md5_of(text);
        self.updates.retain(|update| update["indicator"] != json!(md5));
        let descriptors = if should_delete {
            json!({"data": []})
        } else {
            json!({"data": [{"id": format!("9{}", self.clock), "owner": {"id": "55"}, "status": "MALICIOUS",
                "tags": {"data": [{"text": "media_type_video"}]}, "reactions": []}]})
        };
        self.updates
            .push(json!({"indicator": md5, "type": "HASH_VIDEO_MD5", "last_updated": self.clock,
            "should_delete": should_delete, "descriptors": descriptors}));
    }
}

impl Source for ThreatExchange {
    fn answer(&mut self, asked: &Asked) -> Reply {
        if asked.method == "POST" {
            let body = String::from_utf8(asked.body.to_vec()).unwrap();
            let (reaction, token) = body.split_once('&').unwrap();
            assert_eq!(token, "access_token=app%7Csecret");
            self.reactions.push((asked.target.clone(), reaction.to_owned()));
            return Reply::of("{\"success\":true}");
        }
        if asked.query("access_token").as_deref() != Some("app|secret") {
            return Reply::status(401);
        }
        assert_eq!(asked.path(), "/v21.0/4711/threat_updates/");
        let since: i64 = asked.query("start_time").unwrap().parse().unwrap();
        let after: usize = asked.query("after").map_or(0, |after| after.parse().unwrap());
        let found: Vec<&Value> = self
            .updates
            .iter()
            .filter(|update| update["last_updated"].as_i64().unwrap() >= since)
            .collect();
        let page: Vec<_> = found.iter().skip(after).take(2).collect();
        let end = after + page.len();
        let mut body = json!({"data": page, "paging": {"cursors": {"after": end.to_string()}}});
        if end < found.len() {
            // Where it says to go on is not asked: it holds a token, and could be anywhere.
            body["paging"]["next"] = json!("https://elsewhere.example/next?access_token=x");
        }
        Reply::of(body.to_string())
    }
}

fn at(address: &str) -> v1::exchange::Kind {
    v1::exchange::Kind::ThreatExchange(v1::ThreatExchangeExchange {
        base_url: format!("{address}/v21.0"),
        privacy_group: "4711".into(),
        access_token: "app|secret".into(),
        indicator_types: vec!["HASH_VIDEO_MD5".into()],
        page_size: 2,
        ..Default::default()
    })
}

fn source(count: usize) -> ThreatExchange {
    let mut source = ThreatExchange { updates: vec![], clock: 1_700_000_000, reactions: vec![] };
    for n in 0..count {
        source.put(&format!("v{n}"), false);
    }
    source
}

#[tokio::test]
async fn what_is_deleted_goes_and_opinions_go_back_as_reactions() {
    let learner = Learner::start().await;
    let fake = Fake::start(source(7)).await;
    let gives = v1::Exchange { gives_feedback: true, ..exchange(at(&fake.address)) };
    learner.learn("group", gives).await;
    assert_eq!(learner.live("group").await.counts.unwrap().taken, 7);
    assert_eq!(learner.ask(md5_signal("v6")).await, Disposition::Block);
    let not_listed = learner.ask(md5_signal("never listed")).await;
    fake.source.lock().put("v2", true);
    learner.becomes(md5_signal("v2"), not_listed).await;

    let entry = learner.entries().await.remove(0).entry_id;
    learner.say(&entry, OpinionValue::Positive, &[]).await;
    learner.until("group", "told", |status| status.feedback_taken_count == 1).await;
    let reactions = fake.source.lock().reactions.clone();
    assert_eq!(reactions.len(), 1);
    assert!(reactions[0].0.starts_with("/v21.0/917"), "{reactions:?}");
    assert_eq!(reactions[0].1, "reactions=HELPFUL");
}

#[tokio::test]
async fn after_so_long_that_deletions_are_forgotten_everything_is_taken_in_anew_and_the_rest_goes()
{
    let learner = Learner::start().await;
    let fake = Fake::start(source(10)).await;
    learner.learn("group", exchange(at(&fake.address))).await;
    learner.live("group").await;
    // While nobody asked, two were deleted, and the source has forgotten that.
    let ended = learner.service.stop().await;
    let gone = [md5_of("v1"), md5_of("v8")];
    fake.source
        .lock()
        .updates
        .retain(|update| !gone.iter().any(|md5| update["indicator"] == json!(md5)));
    ended
        .change_store(async |store| {
            let (scope, _) = store.all_exchanges().await.unwrap().remove(0);
            let mut progress: Progress = store.progress(&scope, "group").await.unwrap().unwrap();
            let Some(Place::ThreatExchange(place)) = &mut progress.place else { panic!("a place") };
            let long_ago = Time::from_millis((super::now() - 86 * 86_400) * 1000);
            place.heard = Some(long_ago);
            let kept = store.keep::<Refused, _>(None, move |tx| {
                let (scope, progress) = (scope.clone(), Box::new(progress.clone()));
                Box::pin(async move {
                    tx.record(Event::ExchangeAdvanced { scope, progress }).await?;
                    Ok(Vec::new())
                })
            });
            kept.await.expect("kept");
        })
        .await;
    let before = fake.count();
    let learner = Learner::of(ended.start().await).await;
    let not_listed = learner.ask(md5_signal("never listed")).await;
    for text in ["v1", "v8"] {
        learner.becomes(md5_signal(text), not_listed).await;
    }
    assert_eq!(learner.ask(md5_signal("v9")).await, Disposition::Block);
    let live = learner.live("group").await;
    let counts = live.counts.unwrap();
    assert_eq!((counts.taken, counts.withdrawn), (10, 2));
    let first = fake.asked()[before].query("start_time");
    assert_eq!(first.as_deref(), Some("0"), "from its beginning");
}

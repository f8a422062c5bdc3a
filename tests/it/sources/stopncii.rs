//! StopNCII: what a person withdraws goes, and what is done here with a hash goes back.

use super::ncmec::md5_of;
use super::web::{Asked, Fake, Reply, Source};
use super::{Learner, exchange, md5_signal};
use bulwark::proto::v1;
use serde_json::{Value, json};
use v1::{Disposition, OpinionValue};

/// Hashes by when they changed last, in the source's own count.
struct StopNcii {
    records: Vec<(i64, Value)>,
    count: i64,
    page: usize,
    /// Page tokens that it still knows.
    forgets: bool,
    goes_back: bool,
    feedback: Vec<Value>,
}

fn record(text: &str, status: &str, cases: Value) -> Value {
    json!({"lastModtimestamp": 1_700_000_000, "signalType": "VideoMD5", "hashValue": md5_of(text).to_uppercase(),
        "hashStatus": status, "caseNumbers": cases, "CSPFeedbacks": []})
}

impl StopNcii {
    fn put(&mut self, text: &str, status: &str, cases: Value) {
        self.count += 1;
        self.records.retain(|(_, known)| known["hashValue"] != json!(md5_of(text).to_uppercase()));
        let mut record = record(text, status, cases);
        record["lastModtimestamp"] = json!(1_700_000_000 + self.count);
        self.records.push((self.count, record));
    }
}

impl Source for StopNcii {
    fn answer(&mut self, asked: &Asked) -> Reply {
        let key = if asked.method == "POST" { "tell" } else { "fetch secret" };
        if asked.header("x-functions-key") != key
            || asked.header("ocp-apim-subscription-key") != "subscribed"
        {
            return Reply::status(401);
        }
        if asked.target == "/api/SubmitFeedback" {
            let body: Value = serde_json::from_slice(&asked.body).expect("JSON");
            assert_eq!(body["count"], json!(body["hashFeedbacks"].as_array().unwrap().len()));
            self.feedback.extend(body["hashFeedbacks"].as_array().unwrap().clone());
            return Reply::of("{}");
        }
        assert_eq!(asked.path(), "/api/FetchHashes");
        assert_eq!(asked.query("pageSize").as_deref(), Some("2"));
        let start: i64 = asked.query("startTimestamp").unwrap().parse().unwrap();
        let token: usize = asked.query("nextPageToken").map_or(0, |token| token.parse().unwrap());
        if token > 0 && std::mem::take(&mut self.forgets) {
            return Reply::status(400);
        }
        let found: Vec<&Value> =
            self.records.iter().filter(|(at, _)| *at >= start).map(|(_, record)| record).collect();
        let page: Vec<_> = found.iter().skip(token).take(self.page).collect();
        let has_more = token + self.page < found.len();
        let next = if self.goes_back { start - 1 } else { self.count + 1 };
        let mut body = json!({"count": page.len(), "hasMoreRecords": has_more, "nextSetTimestamp": next,
            "hashRecords": page});
        if has_more {
            body["nextPageToken"] = json!((token + self.page).to_string());
        }
        Reply::of(body.to_string())
    }
}

fn at(address: &str) -> v1::exchange::Kind {
    v1::exchange::Kind::StopNcii(v1::StopNciiExchange {
        base_url: format!("{address}/api/"),
        fetch_key: "fetch secret".into(),
        feedback_key: "tell".into(),
        subscription_key: "subscribed".into(),
        page_size: 2,
        ..Default::default()
    })
}

fn source() -> StopNcii {
    let mut source = StopNcii {
        records: vec![],
        count: 20,
        page: 2,
        forgets: false,
        goes_back: false,
        feedback: vec![],
    };
    for n in 0..7 {
        source.put(&format!("v{n}"), "Active", json!({"c1": "Active", "c2": "Withdrawn"}));
    }
    source
}

#[tokio::test]
async fn what_a_person_withdraws_is_matched_no_more_and_what_is_done_here_is_told() {
    let learner = Learner::start().await;
    let mut source = source();
    source.forgets = true;
    let fake = Fake::start(source).await;
    let gives = v1::Exchange { gives_feedback: true, ..exchange(at(&fake.address)) };
    learner.learn("cases", gives).await;
    let live = learner.live("cases").await;
    assert_eq!(live.counts.unwrap().taken, 7, "also where a page's token ended early");
    assert_eq!(learner.ask(md5_signal("v6")).await, Disposition::Block);

    let not_listed = learner.ask(md5_signal("never listed")).await;
    {
        let mut source = fake.source.lock();
        source.put("v1", "Withdrawn", json!({"c1": "Active"}));
        source.put("v2", "Active", json!({"c1": "Withdrawn", "c2": "Deleted"}));
        source.put("v3", "Frozen", json!({}));
    }
    let (one, two) = (
        learner.becomes(md5_signal("v1"), not_listed).await,
        learner.becomes(md5_signal("v2"), not_listed).await,
    );
    println!("sources: a withdrawal counted after {one:?}, {two:?}, asked every second");
    assert_eq!(
        learner.ask(md5_signal("v3")).await,
        Disposition::Block,
        "a status that is not known says nothing"
    );
    let status = learner.status("cases").await;
    assert!(status.unknown.iter().any(|unknown| unknown.what == "status frozen"), "{status:?}");

    let entry = learner.entries().await.remove(0);
    let record = entry.provenance.unwrap().source_record;
    assert_eq!(record, "", "a name that is a value is not shown");
    learner.say(&entry.entry_id, OpinionValue::Negative, &["an advertisement"]).await;
    learner.until("cases", "told", |status| status.feedback_taken_count == 1).await;
    let feedback = fake.source.lock().feedback.clone();
    assert_eq!(feedback.len(), 1);
    assert_eq!(feedback[0]["feedbackValue"], "NotBlocked");
    assert_eq!(feedback[0]["tags"], json!(["an advertisement"]));
}

#[tokio::test]
async fn a_source_that_goes_back_is_said_to_and_is_not_followed() {
    let learner = Learner::start().await;
    let fake = Fake::start(source()).await;
    learner.learn("cases", exchange(at(&fake.address))).await;
    learner.live("cases").await;
    fake.source.lock().goes_back = true;
    learner.until("cases", "an alarm", |status| status.failure.contains("goes back")).await;
    let starts = || -> Vec<i64> {
        let asked = fake.asked().into_iter().filter_map(|asked| asked.query("startTimestamp"));
        asked.map(|start| start.parse().unwrap()).collect()
    };
    fake.source.lock().goes_back = false;
    learner.live("cases").await;
    assert!(starts().is_sorted(), "a checkpoint never goes back: {:?}", starts());
}

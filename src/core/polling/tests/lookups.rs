//! What a service is asked about hashes, and that nothing but its own word for it is read as that it does not know one.

use super::*;
use crate::core::exchange::Arachnid;
use crate::core::record::{Record, Says};
use crate::core::signal::Bits256;
use data_encoding::BASE64;
use serde_json::{Value, json};

fn arachnid() -> Arachnid {
    Arachnid {
        site: Site { address: "https://shield.example".into(), ca: String::new() },
        username: "platform".into(),
        password: secret("word"),
        answer_time_max: Duration::from_secs(2),
    }
}

fn hash(n: u8) -> Bits256 {
    Bits256::from_bytes([n; 32])
}

fn name(n: u8) -> String {
    BASE64.encode(&[n; 32])
}

/// An answer on the hash of sevens.
fn on(said: Value) -> String {
    json!({ "scanned_hashes": { name(7): said } }).to_string()
}

fn class(record: &Record) -> &str {
    match &record.says {
        Says::Listed(listed) => &listed.classification,
        other => panic!("{other:?}"),
    }
}

/// What becomes of the hash of sevens: its class where it is listed.
fn read(answer: &str) -> String {
    let Ok(said) = looked_up(&[hash(7)], answer.as_bytes()) else { return "unreadable".into() };
    assert!(said.unlisted.len() + said.listed.len() <= 1, "never two things of one hash");
    match (said.unlisted.contains(&hash(7)), said.listed.get(&hash(7))) {
        (true, _) => "unlisted".into(),
        (false, None) => {
            assert!(said.records.is_empty(), "nothing is taken in of what was not answered");
            "unanswered".into()
        }
        (false, Some(key)) => {
            let own = said.records.iter().find(|record| record.key == *key).expect("its record");
            class(own).to_owned()
        }
    }
}

#[test]
fn a_service_is_asked_about_hashes_alone_and_what_lets_in_is_not_shown() {
    let ask = look_up(&arachnid(), &[hash(1), hash(2)]);
    assert_eq!((ask.verb, ask.target.reveal()), (Verb::Post, "/v1/pdq/"));
    assert_eq!(ask.headers, [("authorization", secret("Basic cGxhdGZvcm06d29yZA=="))]);
    let body = ask.body.clone().unwrap();
    assert_eq!(body.media_type, "application/json");
    let sent: Value = serde_json::from_slice(&body.bytes).unwrap();
    assert_eq!(sent, json!({ "hashes": [name(1), name(2)] }));
    let shown = format!("{ask:?} {:?}", arachnid());
    assert!(!shown.contains("Basic") && !shown.contains("\"word\""), "{shown}");
    assert!(!shown.contains(&name(1)), "{shown}");
}

#[test]
fn what_is_not_the_services_own_word_for_not_knowing_a_hash_is_never_read_as_that() {
    let near = json!([{ "sha256_hex": "ab".repeat(32), "classification": "csam" }]);
    let known = |class: &str| json!({ "classification": class });
    let twice = format!(
        "{{\"scanned_hashes\":{{\"{0}\":{{\"classification\":\"csam\"}},\"{0}\":{{\"classification\":\"no-known-match\"}}}}}}",
        name(7)
    );
    let two = format!(
        "{{\"scanned_hashes\":{{\"{0}\":{{\"classification\":\"csam\",\"classification\":\"no-known-match\"}}}}}}",
        name(7)
    );
    let both = format!("{{\"scanned_hashes\":{{}},{}", &on(known("no-known-match"))[1..]);
    for (answer, wanted) in [
        (on(known("no-known-match")), "unlisted"),
        (
            on(
                json!({ "classification": "no-known-match", "match_type": null, "near_match_details": [] }),
            ),
            "unlisted",
        ),
        (on(known("csam")), "csam"),
        (on(known("CSAM")), "csam"),
        (on(known("harmful-abusive-material")), "harmful-abusive-material"),
        (on(known("something-new")), "csam"),
        (on(known("no-known-match ")), "unanswered"),
        (on(known("No-Known-Match")), "unanswered"),
        (on(json!({ "classification": 7 })), "csam"),
        (
            on(
                json!({ "classification": "csam", "match_type": "exact", "near_match_details": near }),
            ),
            "csam",
        ),
        (on(json!({ "classification": "csam", "match_type": "of a new kind" })), "csam"),
        (on(json!({ "classification": "no-known-match", "match_type": "near" })), "unanswered"),
        (
            on(json!({ "classification": "no-known-match", "near_match_details": near })),
            "unanswered",
        ),
        (on(json!({ "classification": "no-known-match", "detail": "overloaded" })), "unanswered"),
        (on(json!({ "classification": null })), "unanswered"),
        (on(json!({})), "unanswered"),
        (on(json!("no-known-match")), "unanswered"),
        (on(json!(["no-known-match"])), "unanswered"),
        (on(json!(null)), "unanswered"),
        (two, "unanswered"),
        (twice, "unanswered"),
        (
            json!({ "scanned_hashes": { name(8): known("no-known-match") } }).to_string(),
            "unanswered",
        ),
        (json!({ "scanned_hashes": {} }).to_string(), "unanswered"),
        (json!({ "scanned_hashes": [] }).to_string(), "unreadable"),
        (both, "unreadable"),
        (json!({ "classification": "no-known-match" }).to_string(), "unreadable"),
        (json!({ "detail": "Invalid username/password." }).to_string(), "unreadable"),
        (on(known("no-known-match")) + "x", "unreadable"),
        ("<html>no-known-match</html>".into(), "unreadable"),
        (String::new(), "unreadable"),
        ("null".into(), "unreadable"),
    ] {
        assert_eq!(read(&answer), wanted, "{answer}");
    }
}

#[test]
fn what_is_near_to_a_listed_hash_is_taken_with_it_and_what_was_not_asked_is_not() {
    let near = json!([{ "sha256_hex": "ab".repeat(32), "classification": "csam" }]);
    let answer = json!({ "scanned_hashes": {
        name(7): { "classification": "harmful-abusive-material", "match_type": "near", "near_match_details": near },
        name(8): { "classification": "no-known-match" },
        name(9): { "classification": "csam" },
    } });
    let said = looked_up(&[hash(7), hash(8), hash(1)], answer.to_string().as_bytes()).unwrap();
    assert!(said.has(&hash(7)) && said.has(&hash(8)) && !said.has(&hash(1)) && !said.has(&hash(9)));
    let classes: BTreeSet<&str> = said.records.iter().map(class).collect();
    assert_eq!((said.records.len(), classes.len()), (2, 2), "{classes:?}");
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange_and_none_of_them_say_that_a_hash_is_unknown(bytes: Vec<u8>) {
        let said = looked_up(&[hash(7)], &bytes);
        prop_assert!(said.map_or(true, |said| !said.has(&hash(7))));
    }

    #[test]
    fn an_answer_in_which_one_byte_was_changed_says_of_a_listed_hash_that_it_is_or_nothing(
        place: prop::sample::Index,
        byte: u8,
    ) {
        let mut answer = on(json!({ "classification": "csam", "match_type": "near" })).into_bytes();
        let place = place.index(answer.len());
        answer[place] = byte;
        let said = looked_up(&[hash(7)], &answer).unwrap_or_default();
        prop_assert!(!said.unlisted.contains(&hash(7)));
    }

    #[test]
    fn an_answer_that_ends_too_early_is_none(place: prop::sample::Index) {
        let answer = on(json!({ "classification": "no-known-match" }));
        prop_assert!(looked_up(&[hash(7)], &answer.as_bytes()[..place.index(answer.len())]).is_err());
    }
}

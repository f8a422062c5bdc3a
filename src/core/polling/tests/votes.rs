//! What sources are told.

use super::*;
use crate::core::bank::{Background, BankedSignal, Entry, Origin};
use crate::core::opinion::{Opinion, Party, Value};
use crate::core::signal::Signal;
use crate::core::verdict::Provenance;
use std::collections::BTreeMap;

fn entry(
    record: &str,
    signals: &[(SignalType, String)],
    said: Option<Value>,
    reasons: &[&str],
) -> Entry {
    let signal = |(kind, text): &(SignalType, String)| {
        BankedSignal::new(Signal::parse(kind, text).unwrap(), None)
    };
    let opinion = |value| Opinion {
        by: Party::Here,
        value,
        reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
        at: Some(seconds(77)),
    };
    let origin = Origin {
        source: "hub".into(),
        updated: None,
        withdrawn: false,
        handles: vec!["100".into(), "a/b".into()],
        told: None,
    };
    Entry {
        id: EntryId::parse("r-1").unwrap(),
        signals: signals.iter().map(signal).collect(),
        state: EntryState::Active,
        background: Some(Box::new(Background {
            asked: EntryState::Active,
            opinions: said.map(opinion).into_iter().collect(),
            origin: Some(origin),
            quarantine: None,
            released: false,
            was_confirmed: false,
        })),
        provenance: Provenance { source_record: record.into(), ..Provenance::default() },
        note: String::new(),
        version: 2,
        created: seconds(0),
    }
}

fn sent(vote: Option<Result<Vote, Untold>>) -> Vec<String> {
    let vote = vote.expect("something to say").expect("sayable");
    let written = |ask: Ask| {
        let body = ask.body.map_or_else(String::new, |body| String::from_utf8(body.bytes).unwrap());
        format!("{} {} {body}", ask.verb.as_str(), ask.target.reveal())
    };
    vote.asks.into_iter().map(written).collect()
}

#[test]
fn each_source_is_told_opinions_in_its_own_words() {
    let values = [(SignalType::Md5, "0a".repeat(16)), (SignalType::Pdq, "0b".repeat(32))];
    let reason = |guid: &str, name: &str| Reason { guid: guid.into(), name: name.into() };
    let known = BTreeMap::from([
        ("MD5".to_owned(), vec![reason("g1", "Not relevant"), reason("g<2>", "Other")]),
        ("PDQ".to_owned(), vec![reason("g3", "not RELEVANT")]),
    ]);
    let say = |kind: &Kind, record: &str, value, reasons: &[&str]| {
        votes(kind, &entry(record, &values, Some(value), reasons), &known)
    };
    let head = "<feedbackSubmission xmlns=\"https://hashsharing.ncmec.org/hashsharing/v2\">";
    let at = "PUT /hashsharing/v2/entries/7/e%2E%2F1";
    assert_eq!(
        sent(say(&ncmec(), "7/e./1", Value::Positive, &[])),
        [
            format!("{at}/MD5/feedback {head}<affirmative/></feedbackSubmission>"),
            format!("{at}/PDQ/feedback {head}<affirmative/></feedbackSubmission>"),
        ]
    );
    let no =
        |guid: &str| format!("<negative><reasonIds><guid>{guid}</guid></reasonIds></negative>");
    assert_eq!(
        sent(say(&ncmec(), "7/e./1", Value::Negative, &["NOT relevant"])),
        [
            format!("{at}/MD5/feedback {head}{}</feedbackSubmission>", no("g1")),
            format!("{at}/PDQ/feedback {head}{}</feedbackSubmission>", no("g3")),
        ]
    );
    assert_eq!(say(&ncmec(), "7/e", Value::Negative, &["Other"]), Some(Err(Untold::NoReason)));
    assert_eq!(say(&ncmec(), "7/e", Value::Seed, &[]), Some(Err(Untold::NoWord)));
    assert_eq!(say(&ncmec(), "nobody", Value::Positive, &[]), Some(Err(Untold::NoName)));
    let mut usual = ncmec();
    if let Kind::Ncmec(of) = &mut usual {
        of.negative_reason = "not relevant".into();
    }
    assert_eq!(sent(say(&usual, "7/e", Value::Negative, &["its own words"])).len(), 2);
    let silent = entry("7/e", &values, None, &[]);
    assert_eq!(votes(&ncmec(), &silent, &known), None);
    assert!(reasons_asked(&ncmec(), &silent).is_empty());
    let asked = reasons_asked(&ncmec(), &entry("7/e", &values, Some(Value::Negative), &[]));
    let asked: Vec<_> =
        asked.iter().map(|(name, ask)| (name.as_str(), ask.target.reveal())).collect();
    assert_eq!(
        asked,
        [
            ("MD5", "/hashsharing/v2/feedback/MD5/reasons"),
            ("PDQ", "/hashsharing/v2/feedback/PDQ/reasons")
        ]
    );

    for (value, word) in [
        (Value::Positive, "Blocked"),
        (Value::Negative, "NotBlocked"),
        (Value::Seed, "PendingReview"),
    ] {
        let (a, b) = ("0a".repeat(16), "0b".repeat(32));
        let one = |hash: &str| {
            format!("{{\"feedbackValue\":\"{word}\",\"hashValue\":\"{hash}\",\"tags\":[\"t\"]}}")
        };
        assert_eq!(
            sent(say(&stopncii(), "", value, &["t"])),
            [format!(
                "POST /api/SubmitFeedback {{\"count\":2,\"hashFeedbacks\":[{},{}]}}",
                one(&a),
                one(&b)
            )]
        );
    }
    for (value, word) in [
        (Value::Positive, "HELPFUL"),
        (Value::Negative, "DISAGREE_WITH_TAGS"),
        (Value::Seed, "SAW_THIS_TOO"),
    ] {
        let body = format!("reactions={word}&access_token=app%7Ctoken");
        assert_eq!(
            sent(say(&threatexchange(), "", value, &[])),
            [format!("POST /v21.0/100 {body}"), format!("POST /v21.0/a%2Fb {body}")]
        );
    }
    assert_eq!(say(&file(), "", Value::Positive, &[]), Some(Err(Untold::NoWord)));
}

#[test]
fn reasons_of_votes_are_read_by_their_names_and_nothing_else_is() {
    let xml = |inner: &str| {
        format!("<availableFeedbackReasons xmlns=\"urn:x\">{inner}</availableFeedbackReasons>")
    };
    let read = |text: &str| Reason::read_all(text.as_bytes());
    let one = xml(
        "<reason guid=\"g&amp;1\" name=\"A\" type=\"MD5\"/><reason guid=\"g2\"><more/></reason>",
    );
    let reasons = read(&one).unwrap();
    assert_eq!(reasons[0], Reason { guid: "g&1".into(), name: "A".into() });
    assert_eq!(reasons[1].guid, "g2");
    assert_eq!(read(&xml("")), Some(vec![]));
    for bad in [
        "",
        "<html/>",
        "<availableFeedbackReasons><reason name=\"A\"/>",
        "<!DOCTYPE x><availableFeedbackReasons/>",
        "<a",
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
}

#[test]
fn an_opinion_is_told_once_though_its_entry_changes_again() {
    let values = [(SignalType::Md5, "0a".repeat(16))];
    let mut entry = entry("7/e", &values, Some(Value::Positive), &[]);
    assert_eq!(untold(&entry, "another"), None, "of another source");
    assert_eq!(untold(&entry, "hub"), Some(seconds(77)));
    entry = told(entry, seconds(77));
    entry.version += 1;
    assert_eq!(untold(&entry, "hub"), None);
    let again = |at, value| Opinion { by: Party::Here, value, reasons: vec![], at: Some(at) };
    entry.background.as_mut().unwrap().opinions = vec![again(seconds(80), Value::Positive)];
    assert_eq!(untold(&entry, "hub"), Some(seconds(80)), "said anew");
    entry.background.as_mut().unwrap().origin.as_mut().unwrap().withdrawn = true;
    assert_eq!(untold(&entry, "hub"), None, "it lists it no more");
}

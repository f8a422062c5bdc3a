//! What is special of the answers of ThreatExchange.

use super::*;
use crate::core::advice::AdviceType;
use crate::core::signal::{Signal, SignalType};
use crate::core::time::Time;

fn update(kind: &str, value: &str, fields: &str) -> Read {
    read(
        Exchange::ThreatExchange,
        &format!(
            "{{\"data\":[{{\"type\":\"{kind}\",\"indicator\":\"{value}\",\"last_updated\":1600000000{fields}}}]}}"
        ),
    )
}

fn pdq(fields: &str) -> Read {
    update("HASH_PDQ", &"face".repeat(16), fields)
}

fn descriptor(owner: &str, status: &str, more: &str) -> String {
    format!("{{\"id\":\"d\",\"owner\":{{\"id\":\"{owner}\"}},\"status\":\"{status}\"{more}}}")
}

fn said_of(descriptors: &[String]) -> Vec<(String, String, String)> {
    opinions(only(&pdq(&format!(",\"descriptors\":[{}]", descriptors.join(",")))))
}

#[test]
fn status_becomes_an_opinion_of_its_owner() {
    let all = [
        descriptor("1", "MALICIOUS", ""),
        descriptor("2", "NON_MALICIOUS", ""),
        descriptor("3", "SUSPICIOUS", ""),
        descriptor("4", "NEW_WORD", ""),
    ];
    let expected = [
        said("1", "Positive", ""),
        said("2", "Negative", ""),
        said("3", "Seed", ""),
        said("4", "Seed", ""),
    ];
    assert_eq!(said_of(&all), expected);
}

#[test]
fn reactions_are_opinions_where_their_owner_has_none_of_its_own() {
    let reactions = ",\"reactions\":[{\"key\":\"HELPFUL\",\"value\":\"2,3, 1\"},{\"key\":\"DISAGREE_WITH_TAGS\",\"value\":\"3,4\"},\
                     {\"key\":\"SAW_THIS_TOO\",\"value\":\"5\"}]";
    let expected = [
        said("1", "Seed", ""),
        said("2", "Positive", "reaction"),
        said("3", "Positive", "reaction"),
        said("4", "Negative", "reaction"),
    ];
    assert_eq!(said_of(&[descriptor("1", "UNKNOWN", reactions)]), expected);
}

#[test]
fn a_descriptor_without_owner_is_passed_over() {
    let orphan = "{\"id\":\"d\",\"status\":\"NON_MALICIOUS\",\"reactions\":[{\"key\":\"HELPFUL\",\"value\":\"9\"}]}".to_owned();
    assert_eq!(
        said_of(&[orphan.clone(), descriptor("1", "MALICIOUS", "")]),
        [said("1", "Positive", "")]
    );
    // Where no other is left it is not known who says so: nothing is listed, and nothing withdrawn.
    let read = pdq(&format!(",\"descriptors\":[{orphan}]"));
    assert_eq!((read.records.len(), read.bad.len()), (0, 0));
    assert_eq!(unknown(&read), [("descriptors without owner", 1)]);
}

#[test]
fn a_record_of_which_nobody_says_anything_is_not_listed() {
    for fields in
        ["", ",\"descriptors\":[]", ",\"descriptors\":{\"data\":[]}", ",\"should_delete\":true"]
    {
        let read = pdq(fields);
        assert_eq!(only(&read).says, Says::Withdrawn, "{fields}");
        assert_eq!(only(&read).updated, Some(Time::from_millis(1_600_000_000_000)));
    }
}

#[test]
fn tags_are_a_list_or_an_object_that_has_one() {
    for tags in ["[\"p\",\"q\"]", "{\"data\":[{\"id\":\"1\",\"text\":\"p\"},{\"text\":\"q\"}]}"] {
        let read = pdq(&format!(
            ",\"descriptors\":[{}]",
            descriptor("1", "MALICIOUS", &format!(",\"tags\":{tags}"))
        ));
        assert_eq!(listed(only(&read)).tags, ["p", "q"]);
    }
}

#[test]
fn an_md5_is_that_of_a_file_only_by_its_tag() {
    let value = "A1".repeat(16);
    for (kind, tags, expected) in [
        ("HASH_VIDEO_MD5", "[]", "md5"),
        ("HASH_MD5", "[\"media_type_video\"]", "md5"),
        ("HASH_MD5", "[\"media_type_text\"]", "hash_md5"),
        ("HASH_URL_MD5", "[]", "hash_url_md5"),
        ("HASH_TEXT_TLSH", "[]", "hash_text_tlsh"),
    ] {
        let tags = format!(",\"tags\":{tags}");
        let read = update(
            kind,
            &value,
            &format!(",\"descriptors\":[{}]", descriptor("1", "MALICIOUS", &tags)),
        );
        assert_eq!(listed(only(&read)).signals[0].signal.kind().to_string(), expected, "{kind}");
        assert_eq!(
            only(&read).key.as_str(),
            format!("{}/{}", kind.to_lowercase(), "a1".repeat(16))
        );
    }
}

#[test]
fn texts_and_addresses_are_advice_in_the_form_in_which_it_is_compared() {
    let described = format!(",\"descriptors\":[{}]", descriptor("1", "MALICIOUS", ""));
    for (kind, value, about, same) in [
        ("URI", "HTTP://Example.org:80/A?b", AdviceType::Url, "example.org/A?b"),
        ("RAW_URI", "example.org", AdviceType::Url, "https://example.org/"),
        ("TEXT_STRING", "Blue\\nFROG", AdviceType::Term, "blue frog"),
    ] {
        let read = update(kind, value, &described);
        let expected = Signal::parse(&SignalType::Advice(about), same).unwrap();
        assert_eq!(listed(only(&read)).signals[0].signal, expected, "{kind}");
        let withdrawn = update(kind, value, ",\"should_delete\":true");
        assert_eq!(only(&withdrawn).key, only(&read).key);
        assert_eq!(only(&withdrawn).says, Says::Withdrawn);
    }
    let without_host = update("URI", "mailto:somebody", &described);
    assert_eq!(without_host.records.len(), 0);
    assert!(!without_host.bad[0].must.contains("somebody"), "{}", without_host.bad[0].must);
    assert_eq!(unknown(&update("IP_ADDRESS", "x", "")), [("signal type ip_address", 1)]);
}

#[test]
fn an_answer_tells_its_latest_change_and_how_to_go_on() {
    let read = read(
        Exchange::ThreatExchange,
        "{\"data\":[{\"type\":\"URI\",\"indicator\":\"x\",\"last_updated\":30},{\"type\":\"HASH_PDQ\",\"indicator\":\"y\",\"last_updated\":20}],\
         \"paging\":{\"cursors\":{\"before\":\"b\",\"after\":\"a\"},\"next\":\"https://example.org/next\"}}",
    );
    let expected = ThreatExchangePage {
        next: Some("https://example.org/next".to_owned()),
        after: Some("a".to_owned()),
        updated_max: Some(Time::from_millis(30_000)),
    };
    assert_eq!(read.page, Page::ThreatExchange(expected));
}

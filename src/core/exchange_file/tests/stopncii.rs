//! What is special of the answers of StopNCII.

use super::*;

fn value() -> String {
    "FACE".repeat(16)
}

fn record(fields: &str) -> Read {
    let text = format!(
        "{{\"hashRecords\":[{{\"lastModtimestamp\":1600000000,\"signalType\":\"ImagePDQ\",\"hashValue\":\"{}\"{fields}}}]}}",
        value(),
    );
    read(Exchange::StopNcii, &text)
}

fn page(text: &str) -> StopNciiPage {
    let read = read(Exchange::StopNcii, text);
    assert_eq!((&read.fault, musts(&read.bad)), (&None, vec![]));
    let Page::StopNcii(page) = read.page else { panic!("another page") };
    page
}

#[test]
fn the_status_of_the_hash_withdraws_it_in_any_case_of_letters() {
    for (status, is_listed) in [
        ("Active", true),
        ("Received", true),
        ("Unknown", true),
        ("Withdrawn", false),
        ("deleted", false),
    ] {
        let read = record(&format!(",\"hashStatus\":\"{status}\""));
        assert_eq!(only(&read).says != Says::Withdrawn, is_listed, "{status}");
        assert_eq!(only(&read).key.as_str(), format!("imagepdq/{}", "face".repeat(16)));
    }
}

#[test]
fn a_hash_is_withdrawn_when_all_of_its_cases_are() {
    for (cases, is_listed) in [
        ("\"1\":\"Withdrawn\",\"2\":\"Deleted\"", false),
        ("\"1\":\"Withdrawn\",\"2\":\"Active\"", true),
        ("\"1\":\"Withdrawn\",\"2\":\"Moved\"", true),
        ("", true),
    ] {
        let read = record(&format!(",\"hashStatus\":\"Active\",\"caseNumbers\":{{{cases}}}"));
        assert_eq!(only(&read).says != Says::Withdrawn, is_listed, "{cases}");
    }
}

#[test]
fn a_status_that_is_not_known_neither_lists_nor_withdraws() {
    let read = record(",\"hashStatus\":\"Frozen\"");
    assert_eq!((read.records.len(), read.bad.len()), (0, 0));
    assert_eq!(unknown(&read), [("status frozen", 1)]);
    assert_eq!(musts(&record("").bad), [(1, "hashStatus must be set")]);
}

#[test]
fn feedback_becomes_opinions_beside_that_of_the_case() {
    let read = record(
        ",\"hashStatus\":\"Active\",\"CSPFeedbacks\":[{\"source\":\"a\",\"feedbackValue\":\"Blocked\",\"tags\":[\"t\"]},\
         {\"source\":\"b\",\"feedbackValue\":\"NotBlocked\",\"tags\":null},{\"source\":\"c\",\"feedbackValue\":\"PendingReview\"},\
         {\"source\":\"d\",\"feedbackValue\":\"Novel\"}]",
    );
    let expected = [
        said("case", "Seed", ""),
        said("a", "Positive", "t"),
        said("b", "Negative", ""),
        said("c", "Seed", ""),
        said("d", "Seed", ""),
    ];
    assert_eq!(opinions(only(&read)), expected);
    assert_eq!(unknown(&read), [("feedback novel", 1)]);
}

#[test]
fn types_that_cannot_be_compared_are_counted_and_videos_are_taken() {
    let of = |kind: &str, value: &str| {
        format!("{{\"signalType\":\"{kind}\",\"hashValue\":\"{value}\",\"hashStatus\":\"Active\"}}")
    };
    let long = "A".repeat(3000);
    let records = [
        of("URL", "http://x"),
        of("Text", "t"),
        of("Unknown", "u"),
        of("VideoMD5", &"A1".repeat(16)),
        of("VideoTMK", &long),
    ];
    let read = read(Exchange::StopNcii, &format!("{{\"hashRecords\":[{}]}}", records.join(",")));
    let expected = [("signal type text", 1), ("signal type unknown", 1), ("signal type url", 1)];
    assert_eq!((unknown(&read), read.bad.len()), (expected.to_vec(), 0));
    let kinds: Vec<_> =
        read.records.iter().map(|r| listed(r).signals[0].signal.kind().to_string()).collect();
    assert_eq!(kinds, ["md5", "tmk_pdqf"]);
    assert_eq!(read.records[0].place, 4);
    // A value that is too long for a name stands there as its digest.
    assert!(read.records[1].key.as_str().starts_with("videotmk/sha256:"));
}

#[test]
fn an_answer_tells_how_to_go_on() {
    let told = page(
        "{\"count\":0,\"nextPageToken\":\"t\",\"nextSetTimestamp\":12,\"hasMoreRecords\":true,\"hashRecords\":[]}",
    );
    let expected = StopNciiPage {
        count: Some(0),
        next_page_token: Some("t".to_owned()),
        next_set_timestamp: Some(12),
        has_more: Some(true),
    };
    assert_eq!(told, expected);
    let told = page(
        "{\"nextPageToken\":null,\"nextSetTimestamp\":\"12\",\"hasMoreRecords\":\"false\",\"hashRecords\":null}",
    );
    assert_eq!(
        (told.next_page_token, told.next_set_timestamp, told.has_more),
        (None, Some(12), Some(false))
    );
    let twice = read(Exchange::StopNcii, "{\"hasMoreRecords\":true,\"hasMoreRecords\":false}");
    assert_eq!(twice.fault, Some(BadFile::Twice("hasMoreRecords")));
}

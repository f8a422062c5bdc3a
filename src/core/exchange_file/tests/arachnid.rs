//! What is special of the answers of Arachnid Shield.

use super::*;

fn base32() -> String {
    data_encoding::BASE32.encode(&[7; 20])
}

fn media(classification: &str, match_type: &str, near: &str) -> String {
    format!(
        "{{\"sha1_base32\":\"{}\",\"sha256_hex\":\"{}\",\"size_bytes\":9,\"classification\":\"{classification}\",\
         \"match_type\":\"{match_type}\",\"near_match_details\":[{near}]}}",
        base32(),
        "Ab".repeat(32),
    )
}

fn classes(read: &Read) -> Vec<&str> {
    read.records.iter().map(|record| listed(record).classification.as_str()).collect()
}

#[test]
fn an_answer_on_media_lists_it_by_its_digests() {
    let read = read(Exchange::Arachnid, &media("harmful-abusive-material", "exact", ""));
    let record = only(&read);
    let kinds: Vec<_> =
        listed(record).signals.iter().map(|b| b.signal.kind().to_string()).collect();
    assert_eq!(kinds, ["sha256", "sha1"]);
    assert_eq!(listed(record).signals[1].signal.text(), "07".repeat(20));
    assert_eq!(record.key.as_str(), format!("sha256/{}", "ab".repeat(32)));
    assert_eq!((classes(&read), opinions(record).len()), (vec!["harmful-abusive-material"], 0));
}

#[test]
fn what_is_near_is_a_reason_to_look_and_what_it_is_near_to_is_listed() {
    let near = format!(
        "{{\"timestamp\":3,\"sha1_base32\":\"{}\",\"sha256_hex\":\"{}\",\"classification\":\"csam\"}}",
        base32(),
        "cd".repeat(32)
    );
    let read = read(Exchange::Arachnid, &media("csam", "near", &near));
    let keys: Vec<_> = read.records.iter().map(|record| record.key.as_str().to_owned()).collect();
    assert_eq!(
        keys,
        [format!("sha256/{}", "cd".repeat(32)), format!("sha256/{}", "ab".repeat(32))]
    );
    assert_eq!(opinions(&read.records[0]), []);
    assert_eq!(opinions(&read.records[1]), [said("arachnid", "Seed", "near match")]);
}

#[test]
fn a_class_that_is_not_known_is_taken_for_the_gravest() {
    let read = read(Exchange::Arachnid, &media("Something-New", "exact", ""));
    assert_eq!(classes(&read), ["csam"]);
    assert_eq!(unknown(&read), [("classification something-new", 1)]);
    let read = super::read(Exchange::Arachnid, &media("csam", "fuzzy", ""));
    assert_eq!(opinions(only(&read)), [said("arachnid", "Seed", "near match")]);
    assert_eq!(unknown(&read), [("match type fuzzy", 1)]);
}

#[test]
fn an_item_of_which_nothing_is_known_leaves_no_record() {
    let read = read(Exchange::Arachnid, &media("no-known-match", "", ""));
    assert_eq!((read.records.len(), read.bad.len(), read.not_listed), (0, 0, 1));
}

#[test]
fn answers_on_pdq_hashes_are_read_beside_those_on_media() {
    use base64::Engine as _;
    let hash = base64::engine::general_purpose::STANDARD.encode([7; 32]);
    let hashes = format!(
        "{{\"scanned_hashes\":{{\"{hash}\":{{\"classification\":\"csam\",\"match_type\":\"near\"}},\"x\":{{\"classification\":\"csam\"}},\
         \"y\":{{\"classification\":\"no-known-match\"}}}}}}"
    );
    let one = media("csam", "exact", "");
    for text in [format!("{one}\n{hashes}\n{one}"), format!("[{one},{hashes},{one}]")] {
        let read = read(Exchange::Arachnid, &text);
        assert_eq!(read.fault, None);
        assert_eq!((read.records.len(), read.not_listed), (3, 1));
        assert_eq!(read.records[1].key.as_str(), format!("pdq/{}", "07".repeat(32)));
        assert_eq!(musts(&read.bad), [(3, "its hash must be base64 of 32 bytes")]);
        assert!(read.is_whole);
    }
}

#[test]
fn a_colon_that_was_lost_keeps_no_other_hash_out() {
    use base64::Engine as _;
    let hash = |byte: u8| base64::engine::general_purpose::STANDARD.encode([byte; 32]);
    let answer = "{\"classification\":\"csam\",\"match_type\":\"exact\",\"near_match_details\":[]}";
    for spoilt in [":", "", "x", ";;", "\"y\":", "\"y\""] {
        let (one, two, three) = (hash(1), hash(2), hash(3));
        let text = format!(
            "{{\"scanned_hashes\":{{\"{one}\":{answer},\"{two}\"{spoilt}{answer},\"{three}\":{answer}}}}}"
        );
        let read = read(Exchange::Arachnid, &text);
        let keys: Vec<_> = read.records.iter().map(|record| record.key.as_str()).collect();
        for byte in ["01", "03"] {
            assert!(
                keys.contains(&format!("pdq/{}", byte.repeat(32)).as_str()),
                "{spoilt}: {keys:?}"
            );
        }
        assert_eq!(read.bad.is_empty(), spoilt == ":", "{spoilt}");
    }
}

#[test]
fn an_error_of_the_service_is_no_answer() {
    let read = read(Exchange::Arachnid, "{\"detail\":\"no\"}");
    assert_eq!(
        musts(&read.bad),
        [(1, "must be an answer: it is what the service says of an error")]
    );
    let read = super::read(Exchange::Arachnid, "{}");
    assert_eq!(musts(&read.bad).len(), 1);
}

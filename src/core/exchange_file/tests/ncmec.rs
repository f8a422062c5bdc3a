//! What is special of the answers of NCMEC.

use super::*;
use crate::core::time::Time;

const NS: &str = "https://hashsharing.ncmec.org/hashsharing/v2";
const MD5: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
const SHA1: &str = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";

fn answer(inner: &str) -> Read {
    read(Exchange::Ncmec, &format!("<queryResult xmlns=\"{NS}\">{inner}</queryResult>"))
}

fn image(inner: &str) -> Read {
    answer(&format!("<images><image><member id=\"42\"/><id>e1</id>{inner}</image></images>"))
}

fn feedback(inner: &str) -> Vec<(String, String, String)> {
    let read = image(&format!("<feedback>{inner}</feedback>"));
    opinions(only(&read))
}

fn kinds(record: &Record) -> Vec<String> {
    listed(record).signals.iter().map(|banked| banked.signal.kind().to_string()).collect()
}

fn page(read: &Read) -> &NcmecPage {
    let Page::Ncmec(page) = &read.page else { panic!("another page") };
    page
}

#[test]
fn all_fingerprints_are_taken_and_those_compared_by_nothing_here_are_carried() {
    let read = image(&format!(
        "<fingerprints><md5>{}</md5><sha1>{SHA1}</sha1><pdna>{}</pdna><pdq>{}</pdq><netclean>n1</netclean>\
         <ssvh-pdna>s1</ssvh-pdna></fingerprints>",
        MD5.to_uppercase(),
        "00".repeat(144),
        "face".repeat(16),
    ));
    let record = only(&read);
    assert_eq!(kinds(record), ["md5", "sha1", "photodna", "pdq", "netclean", "ssvh_pdna"]);
    let signals = &listed(record).signals;
    assert_eq!(signals[0].signal.text(), MD5);
    assert_eq!(signals[2].signal.len(), 144);
    assert_eq!(signals[4].signal.bytes(), b"n1");
    assert_eq!(unknown(&read), []);
}

#[test]
fn a_type_that_is_not_known_is_carried_and_counted() {
    let read =
        image(&format!("<fingerprints><md5>{MD5}</md5><New-Hash>x</New-Hash></fingerprints>"));
    assert_eq!(kinds(only(&read)), ["md5", "new_hash"]);
    assert_eq!(unknown(&read), [("signal type new_hash", 1)]);
}

#[test]
fn a_malformed_value_is_named_and_the_others_of_its_record_are_taken() {
    let read = image(&format!("<fingerprints><pdq>{MD5}</pdq><md5>{MD5}</md5></fingerprints>"));
    assert_eq!(musts(&read.bad_parts), [(1, "pdq must be exactly 64 hexadecimal digits")]);
    assert_eq!((kinds(&read.records[0]), read.bad.len()), (vec!["md5".to_owned()], 0));
    // Where it is the only one, nothing of the record can be taken.
    let read = image(&format!("<fingerprints><pdq>{MD5}</pdq></fingerprints>"));
    assert_eq!(musts(&read.bad), [(1, "pdq must be exactly 64 hexadecimal digits")]);
    assert_eq!((read.records.len(), read.bad_parts.len()), (0, 0));
}

#[test]
fn large_fingerprints_are_links_and_an_absent_value_is_no_fault() {
    let read = answer(
        "<videos><video><member id=\"42\"/><id>v1</id><fingerprints><md5/><tmk-pdqf rel=\"download\" \
         href=\"/v2/entries/42/v1/TMK_PDQF?a=1&amp;b=2\"/><videntifier href=\"/x\"/></fingerprints></video></videos>",
    );
    let links: Vec<_> =
        listed(only(&read)).links.iter().map(|l| (l.kind.as_str(), l.address.as_str())).collect();
    assert_eq!(links, [("tmk_pdqf", "/v2/entries/42/v1/TMK_PDQF?a=1&b=2"), ("videntifier", "/x")]);
    assert!(listed(only(&read)).signals.is_empty());
}

#[test]
fn a_record_is_named_by_its_member_and_that_members_id() {
    let read = answer(
        "<images><image><member id=\"42\">Example &amp; Co</member><id>e1</id></image>\
         <image><member id=\"43\"/><id>e1</id></image></images>",
    );
    let keys: Vec<_> = read.records.iter().map(|record| record.key.as_str()).collect();
    assert_eq!(keys, ["42/e1", "43/e1"]);
    assert_eq!(listed(&read.records[0]).organisation, "42");
    assert_eq!(listed(&read.records[0]).tags, ["member: Example & Co"]);
    // "4/2" and "1" must not be what "4" and "2/1" are.
    let read = answer("<images><image><member id=\"4/2\"/><id>1</id></image></images>");
    assert_eq!(musts(&read.bad), [(1, "member id must not have a slash")]);
}

#[test]
fn what_was_deleted_is_withdrawn() {
    let read = answer(
        "<images><deletedImage><member id=\"43\"/><id>e2</id><timestamp>2020-01-01T00:00:00.000Z</timestamp></deletedImage></images>\
         <videos><deletedVideo><member id=\"43\"/><id>v2</id></deletedVideo></videos>",
    );
    assert_eq!(read.bad, []);
    assert!(read.records.iter().all(|record| record.says == Says::Withdrawn));
    let updated: Vec<_> = read.records.iter().map(|record| record.updated).collect();
    assert_eq!(updated, [Some(Time::from_millis(1_577_836_800_000)), None]);
}

#[test]
fn classification_and_feedback_may_be_empty_or_absent() {
    for inner in [
        "",
        "<classification/><feedback/>",
        "<classification> </classification><feedback lastUpdateTimestamp=\"x\"></feedback>",
    ] {
        let read = image(inner);
        let record = listed(only(&read));
        assert_eq!((record.classification.as_str(), record.opinions.len()), ("", 0));
    }
    assert_eq!(listed(only(&image("<classification>A1</classification>"))).classification, "A1");
}

#[test]
fn feedback_has_reasons_and_members_in_turn() {
    let read = feedback(
        "<affirmativeFeedback type=\"Md5\"><members timestamp=\"2020-01-01T00:00:00Z\"><member id=\"1\"/><member id=\"2\"/></members></affirmativeFeedback>\
         <negativeFeedback type=\"Sha1\"><reasons><reason guid=\"g1\" name=\"viral\"/><reason guid=\"g2\"/>\
         <members><member id=\"3\"/></members><members><member id=\"4\"/></members>\
         <reason name=\"adult\"/><members><member id=\"5\"/></members></reasons></negativeFeedback>",
    );
    let expected = [
        said("1", "Positive", ""),
        said("2", "Positive", ""),
        said("3", "Negative", "viral+g2"),
        said("4", "Negative", "viral+g2"),
        said("5", "Negative", "adult"),
    ];
    assert_eq!(read, expected);
}

#[test]
fn a_member_that_says_both_is_heard_with_its_doubt() {
    let negative = "<negativeFeedback type=\"Md5\"><reasons><reason name=\"viral\"/><members><member id=\"1\"/></members></reasons></negativeFeedback>";
    let affirmative = "<affirmativeFeedback type=\"Sha1\"><members timestamp=\"2020-01-01T00:00:00Z\"><member id=\"1\"/></members></affirmativeFeedback>";
    for text in [format!("{negative}{affirmative}"), format!("{affirmative}{negative}")] {
        assert_eq!(feedback(&text), [said("1", "Negative", "viral")]);
    }
}

#[test]
fn a_negative_feedback_without_members_is_not_lost() {
    let said_so = feedback(
        "<negativeFeedback type=\"Md5\"><reasons><reason name=\"viral\"/></reasons></negativeFeedback>",
    );
    assert_eq!(said_so, [said("unnamed", "Negative", "viral")]);
}

#[test]
fn an_answer_tells_its_counts_its_latest_time_and_where_it_goes_on() {
    let read = answer(
        "<images count=\"0\"/><videos count=\"0\" maxTimestamp=\"2020-01-01T00:00:10Z\"></videos>\
         <paging><next>/v2/entries?from=a&amp;to=b&amp;start=2001</next></paging>",
    );
    assert_eq!(page(&read).images, Some(0));
    assert_eq!(page(&read).time_max, Some(Time::from_millis(1_577_836_810_000)));
    assert_eq!(page(&read).next.as_deref(), Some("/v2/entries?from=a&to=b&start=2001"));
    let read = answer("<images count=\"0\"/>");
    assert_eq!(*page(&read), NcmecPage { images: Some(0), ..NcmecPage::default() });
    assert!(read.is_whole && read.bad.is_empty());
}

#[test]
fn names_are_read_with_their_namespace() {
    let text = format!(
        "<n:queryResult xmlns:n=\"{NS}\" xmlns:o=\"urn:other\"><n:images><n:image><n:member id=\"42\"/><n:id>e1</n:id>\
         <o:id>e2</o:id><n:fingerprints><n:md5>{MD5}</n:md5><o:sha1>{SHA1}</o:sha1></n:fingerprints></n:image></n:images></n:queryResult>"
    );
    let read = read(Exchange::Ncmec, &text);
    assert_eq!((only(&read).key.as_str(), kinds(only(&read))), ("42/e1", vec!["md5".to_owned()]));
    for other in ["<queryResult/>", "<queryResult xmlns=\"urn:other\"/>", "<status/>", "{}"] {
        let other = super::read(Exchange::Ncmec, other);
        assert!(other.fault.is_some() || !other.is_whole);
        assert_eq!(other.records, []);
    }
}

#[test]
fn a_document_type_ends_the_reading_and_an_entity_of_its_own_its_record() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><queryResult/>";
    assert_eq!(read(Exchange::Ncmec, bomb).fault, Some(BadFile::DocumentType));
    let read = answer(
        "<images><image><member id=\"42\"/><id>&a;</id></image><image><member id=\"&b;\"/><id>e1</id></image>\
         <image><member id=\"42\"/><id>e&#49;&lt;</id></image></images>",
    );
    let must = "must have no entities but the five of XML";
    assert_eq!(musts(&read.bad), [(1, must), (2, must)]);
    assert_eq!(read.records[0].key.as_str(), "42/e1<");
}

#[test]
fn what_a_record_must_have_and_what_must_not_come_twice_is_named() {
    let read = answer(
        "<images><image><id>e1</id></image><image><member id=\"42\"/></image>\
         <image><member id=\"42\"/><id>e1</id><id>e2</id></image><image><member id=\"42\"/><id>e3</id></image>\
         <image><member id=\"42\" id=\"43\"/><id>e4</id></image><picture/></images>",
    );
    let expected = [
        (1, "member must have an id"),
        (2, "id must be set"),
        (3, "must not have the element id twice"),
        (5, "must have at most 32 attributes, each once"),
    ];
    assert_eq!(musts(&read.bad), expected);
    assert_eq!((read.records.len(), unknown(&read)), (1, vec![("record picture", 1)]));
}

#[test]
fn a_record_that_is_not_closed_ends_where_the_next_begins() {
    let read = answer(
        "<images><image><member id=\"42\"/><id>e1<image><member id=\"42\"/><id>e2</id></image>\
         <image><member id=\"42\"/><id>e3</id></images><videos><video><member id=\"42\"/><id>v1</id></video></videos>",
    );
    let keys: Vec<_> = read.records.iter().map(|record| record.key.as_str()).collect();
    assert_eq!(keys, ["42/e2", "42/v1"]);
    assert_eq!(musts(&read.bad), [(1, "must be closed"), (3, "must be closed")]);
}

#[test]
fn a_time_that_cannot_be_read_is_named_and_the_record_is_taken() {
    let read = image(&format!(
        "<timestamp>yesterday</timestamp><fingerprints><md5>{MD5}</md5></fingerprints>"
    ));
    assert_eq!((read.records.len(), read.records[0].updated), (1, None));
    assert_eq!(musts(&read.bad_parts), [(1, "timestamp must be a time of RFC 3339")]);
}

//! What is special of the files of Project VIC.

use super::*;
use crate::core::time::Time;

const ADDRESS: &str = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels";

fn table() -> CategoryTable {
    let category = |class: &str, is_taken| Category { class: class.to_owned(), is_taken };
    CategoryTable::default()
        .with("US", 1, category("child abuse material", true))
        .with("US", 2, category("child exploitive", true))
        .with("US", 4, category("non-pertinent", false))
        .with("UK", 1, category("A", true))
        .with(NO_MODEL, 1, category("one", true))
}

fn set(model: &str, media: &str) -> Read {
    let text = format!(
        "{{\"@odata.context\":\"{ADDRESS}/2.0.xml/{model}/$metadata#Media\",\"value\":[{media}]}}"
    );
    read(Exchange::Vics(table()), &text)
}

fn page(read: &Read) -> &VicsPage {
    let Page::Vics(page) = &read.page else { panic!("another page") };
    page
}

fn keys(read: &Read) -> Vec<&str> {
    read.records.iter().map(|record| record.key.as_str()).collect()
}

#[test]
fn a_piece_of_media_is_read_with_its_hashes_and_labels() {
    let (md5, sha1, sha256) = ("A1".repeat(16), "b2".repeat(20), "c3".repeat(32));
    let read = set(
        "US",
        &format!(
            "{{\"MediaID\":1,\"Category\":1,\"MD5\":\"{md5}\",\"SHA1\":\"{sha1}\",\"MediaSize\":\"123\",\"PhotoDNA\":\"AAAA\",\
             \"DateUpdated\":\"2020-01-01T00:00:00\",\"IsPrecategorized\":true,\"VictimIdentified\":\"true\",\"OffenderIdentified\":\"False\",\
             \"IsDistributed\":true,\"IsSuspected\":false,\"Series\":\"s\",\"Tags\":\"p;q\",\"MimeType\":\"image/png\",\
             \"AlternativeHashes\":[{{\"HashName\":\"SHA-256\",\"HashValue\":\"{sha256}\"}},{{\"HashName\":\"Robust-1\",\"HashValue\":\"v\"}}],\
             \"MediaFiles\":[{{\"MD5\":\"{}\",\"FileName\":\"private.png\",\"Unallocated\":false}}],\
             \"Exifs\":[{{\"PropertyName\":\"Model\",\"PropertyValue\":\"camera\"}}]}}",
            "d4".repeat(16),
        ),
    );
    let record = only(&read);
    let kinds: Vec<_> =
        listed(record).signals.iter().map(|b| b.signal.kind().to_string()).collect();
    assert_eq!(kinds, ["md5", "sha1", "photodna", "sha256", "robust_1"]);
    assert_eq!(listed(record).signals[0].signal.text(), md5.to_lowercase());
    assert_eq!(listed(record).tags, ["victim_identified", "distributed", "series: s", "p", "q"]);
    assert_eq!(listed(record).classification, "child abuse material");
    assert_eq!(record.updated, Some(Time::from_millis(1_577_836_800_000)));
    assert_eq!(unknown(&read), [("signal type robust_1", 1)]);
    assert!(
        !format!("{record:?}").contains("private") && !format!("{record:?}").contains("camera")
    );
}

#[test]
fn a_file_of_a_country_model_without_a_table_is_refused_by_name() {
    let media = "{\"MediaID\":1,\"Category\":1}";
    let refused = set("CUSTOM", media);
    assert_eq!(refused.fault, Some(BadFile::UnknownModel("CUSTOM".to_owned())));
    assert_eq!(refused.records, []);
    let text = refused.fault.unwrap().to_string();
    assert!(text.contains("country model CUSTOM") && text.contains("table"), "{text}");
    assert_eq!(set("us", media).fault, None);
}

#[test]
fn the_meaning_of_a_category_is_that_of_the_files_model() {
    let media = "{\"MediaID\":1,\"Category\":1}";
    assert_eq!(listed(only(&set("UK", media))).classification, "A");
    assert_eq!(listed(only(&set("US", media))).classification, "child abuse material");
}

#[test]
fn a_category_that_is_in_no_table_is_counted_and_changes_nothing() {
    let media: Vec<String> = ["null", "0", "5", "\"1\"", "4", "\"x\"", "2.5"]
        .iter()
        .zip(1..)
        .map(|(category, id)| format!("{{\"MediaID\":{id},\"Category\":{category}}}"))
        .collect();
    let read = set("US", &format!("{},{{\"MediaID\":8}}", media.join(",")));
    assert_eq!(unknown(&read), [("category 0", 3), ("category 5", 1)]);
    assert_eq!(keys(&read), ["4", "5"]);
    assert_eq!(read.records[1].says, Says::Withdrawn);
    let must = "Category must be a whole number or none";
    assert_eq!(musts(&read.bad), [(6, must), (7, must)]);
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let text = format!(
        "\u{feff}{{\"@odata.context\":\"{ADDRESS}/2.0.xml/US/$metadata#Media\",\"value\":[{{\"MediaID\":1,\"Category\":1}}]}}"
    );
    assert_eq!(only(&read(Exchange::Vics(table()), &text)).key.as_str(), "1");
    let in_pieces = read_pieces(Exchange::Vics(table()), text.as_bytes().chunks(2));
    assert_eq!(only(&in_pieces).key.as_str(), "1");
}

#[test]
fn versions_before_2_0_name_no_model_and_have_cases() {
    for version in ["1.1", "1.2", "1.3"] {
        let text = format!(
            "{{\"odata.metadata\":\"http://github.com/ICMEC/ProjectVic/DataModels/{version}.xml#Cases\",\"value\":[\
             {{\"CaseID\":\"c1\",\"CaseNumber\":\"n1\",\"TotalMediaFiles\":2,\"Media\":[{{\"MediaID\":1,\"Category\":1}},{{\"MediaID\":2,\"Category\":1}}]}},\
             {{\"Media\":[{{\"MediaID\":1,\"Category\":1}}]}}]}}"
        );
        let read = read(Exchange::Vics(table()), &text);
        assert_eq!((&read.fault, musts(&read.bad)), (&None, vec![]));
        assert_eq!(keys(&read), ["c1/1", "c1/2", "#2/1"]);
        assert_eq!(
            *page(&read),
            VicsPage { version: version.to_owned(), model: NO_MODEL.to_owned() }
        );
    }
}

#[test]
fn cases_of_version_2_0_are_read_one_piece_of_media_at_a_time() {
    let text = format!(
        "{{\"@odata.context\":\"{ADDRESS}/2.0.xml/US/$metadata#Cases\",\"value\":[{{\"CaseID\":7,\"Media\":[{{\"MediaID\":1,\"Category\":1}},[],\
         {{\"MediaID\":2,\"Category\":1}}],\"Other\":[{{}}]}}]}}"
    );
    let read = read(Exchange::Vics(table()), &text);
    assert_eq!(keys(&read), ["7/1", "7/2"]);
    assert_eq!(read.bad.iter().map(|bad| bad.place).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_file_that_does_not_begin_with_its_model_is_refused() {
    for head in [
        "",
        "\"@odata.context\":\"nonsense\",",
        "\"@odata.context\":\"http://x/2.0.xml/US/$metadata\",",
        "\"@odata.context\":\"http://x/3.0.xml/US/$metadata#Media\",",
        "\"@odata.context\":\"http://x/2.0.xml/US/UK/$metadata#Media\",",
        "\"@odata.context\":\"http://x/2.0.xml/US/$metadata#Other\",",
        "\"@odata.context\":7,",
    ] {
        let text = format!("{{{head}\"value\":[{{\"MediaID\":1,\"Category\":1}}]}}");
        let read = read(Exchange::Vics(table()), &text);
        assert_eq!((read.fault, read.records.len()), (Some(BadFile::NoModel), 0), "{head}");
    }
}

#[test]
fn a_field_that_comes_twice_is_refused_where_it_is() {
    let read =
        set("US", "{\"MediaID\":1,\"MediaID\":2,\"Category\":1},{\"MediaID\":3,\"Category\":1}");
    assert_eq!(musts(&read.bad), [(1, "must not have the field MediaID twice")]);
    assert_eq!(keys(&read), ["3"]);
    let text = format!(
        "{{\"@odata.context\":\"{ADDRESS}/2.0.xml/US/$metadata#Media\",\"value\":[],\"value\":[{{}}]}}"
    );
    assert_eq!(super::read(Exchange::Vics(table()), &text).fault, Some(BadFile::Twice("value")));
}

#[test]
fn a_malformed_piece_of_media_ends_where_its_brackets_do() {
    let good = "{\"MediaID\":2,\"Category\":1}";
    for bad in [
        "{\"MediaID\":1,}",
        "{\"MediaID\":[1}",
        "7",
        "\"x\"",
        "{\"a\" {}}",
        "{\"MediaID\":\"1\n,\"Category\":1}",
        "nul",
        "{\"Category\":1}",
    ] {
        let read = set("US", &format!("{bad},{good}"));
        assert_eq!((keys(&read), read.bad.len()), (vec!["2"], 1), "{bad}: {:?}", read.bad);
    }
}

#[test]
fn suspected_media_is_a_reason_to_look_and_not_more() {
    let read = set("US", "{\"MediaID\":1,\"Category\":1,\"IsSuspected\":\"true\"}");
    assert_eq!(opinions(only(&read)), [said("US", "Seed", "suspected")]);
}

#[test]
fn files_of_media_say_something_only_where_the_media_does_not() {
    let file = format!("\"MediaFiles\":[{{\"MD5\":\"{}\"}}]", "d4".repeat(16));
    let read = set("US", &format!("{{\"MediaID\":1,\"Category\":1,\"MD5\":\"\",{file}}}"));
    assert_eq!(listed(only(&read)).signals[0].signal.text(), "d4".repeat(16));
}

#[test]
fn a_stray_end_closes_nothing_that_records_still_lie_in() {
    let media = |id: u32| format!("{{\"MediaID\":{id},\"Category\":1}}");
    let (one, two) = (media(1), media(2));
    for text in [format!("{one}}},{two}"), format!("{one}Å{two}"), format!("{one}:{two}")] {
        let read = set("US", &text);
        assert_eq!((keys(&read), read.bad.len()), (vec!["1", "2"], 1), "{text}");
        assert!(read.is_whole, "{text}");
    }
}

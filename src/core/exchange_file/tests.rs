//! What holds for the files of every exchange.

mod arachnid;
mod ncmec;
mod stopncii;
mod threatexchange;
mod vics;
mod written;

use super::*;
use crate::core::record::Says;
use proptest::prelude::*;
use written::{FORMATS, Format, Thing, any_thing};

/// What was read of a file.
#[derive(Debug, Default, PartialEq)]
struct Read {
    records: Vec<Record>,
    bad: Vec<BadRecord>,
    bad_parts: Vec<BadRecord>,
    unknown: Unknown,
    not_listed: u64,
    page: Page,
    is_whole: bool,
    fault: Option<BadFile>,
}

fn read_pieces<'a>(exchange: Exchange, pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut file = ExchangeFile::new(exchange);
    let mut read = Read::default();
    for piece in pieces {
        read.fault = file.feed(piece).err();
        read.records.extend(file.take());
        if read.fault.is_some() {
            break;
        }
    }
    if read.fault.is_none() {
        read.fault = file.end().err();
    }
    read.records.extend(file.take());
    read.bad = file.take_bad();
    read.bad_parts = file.take_bad_parts();
    read.unknown = file.unknown().clone();
    (read.not_listed, read.is_whole) = (file.not_listed(), file.is_whole());
    read.page = file.page().clone();
    read
}

fn read(exchange: Exchange, text: &str) -> Read {
    read_pieces(exchange, [text.as_bytes()])
}

/// The one record of a file that must have one and nothing bad.
fn only(read: &Read) -> &Record {
    assert_eq!((&read.fault, &read.bad, &read.bad_parts), (&None, &Vec::new(), &Vec::new()));
    let [record] = read.records.as_slice() else { panic!("{} records", read.records.len()) };
    record
}

fn listed(record: &Record) -> &crate::core::record::Listed {
    let Says::Listed(listed) = &record.says else { panic!("withdrawn") };
    listed
}

/// Opinions as member, value and reasons.
fn opinions(record: &Record) -> Vec<(String, String, String)> {
    let said = listed(record).opinions.iter();
    said.map(|said| {
        (said.organisation.clone(), format!("{:?}", said.value), said.reasons.join("+"))
    })
    .collect()
}

fn said(member: &str, value: &str, reasons: &str) -> (String, String, String) {
    (member.to_owned(), value.to_owned(), reasons.to_owned())
}

fn musts(bad: &[BadRecord]) -> Vec<(u64, &str)> {
    bad.iter().map(|bad| (bad.place, bad.must.as_str())).collect()
}

fn unknown(read: &Read) -> Vec<(&str, u64)> {
    read.unknown.iter().map(|(name, count)| (name.as_str(), *count)).collect()
}

fn any_format() -> impl Strategy<Value = Format> {
    proptest::sample::select(FORMATS.as_slice())
}

fn any_things() -> impl Strategy<Value = Vec<Thing>> {
    proptest::collection::vec(any_thing(), 0..6)
}

proptest! {
    #[test]
    fn what_was_written_is_read(format in any_format(), things in any_things()) {
        let read = read(format.exchange(), &format.file(&things));
        prop_assert_eq!((&read.fault, &read.bad, &read.bad_parts), (&None, &vec![], &vec![]));
        prop_assert!(read.is_whole && read.unknown.is_empty());
        let expected: Vec<Record> = format.records(&things);
        prop_assert_eq!(read.records, expected);
    }

    #[test]
    fn how_a_file_is_cut_into_pieces_does_not_matter(
        format in any_format(), things in any_things(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        has_mark: bool,
    ) {
        let mark = if has_mark { "\u{feff}" } else { "" };
        let mut bytes = format!("{mark}{}", format.file(&things)).into_bytes();
        for (place, byte) in flips {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        let whole = read_pieces(format.exchange(), [bytes.as_slice()]);
        let single = read_pieces(format.exchange(), bytes.chunks(1));
        prop_assert_eq!(&read_pieces(format.exchange(), pieces), &whole);
        prop_assert_eq!(single, whole);
    }

    #[test]
    fn whatever_the_bytes_are_reading_ends(
        format in any_format(), bytes in proptest::collection::vec(any::<u8>(), 0..300),
        words in proptest::collection::vec(proptest::sample::select(vec![
            "{", "}", "[", "]", "\"", ":", ",", "\\", "\n", "1", "null", "\"value\"", "\"data\"", "\"hashRecords\"",
            "\"scanned_hashes\"", "<", ">", "/", "<image>", "</image>", "<images>", "</images>", "<!--", "-->",
            "<![CDATA[", "]]>", "<?", "?>", "&amp;", "&x;", "=\"", "'",
        ]), 0..60),
        things in any_things(),
    ) {
        let _ = read_pieces(format.exchange(), [bytes.as_slice()]);
        let _ = read(format.exchange(), &words.concat());
        let (head, tail) = format.around();
        let _ = read(format.exchange(), &format!("{head}{}{tail}", words.concat()));
        let file = format.file(&things);
        let _ = read_pieces(format.exchange(), [file.as_bytes(), bytes.as_slice()]);
    }

    #[test]
    fn a_file_that_ends_too_early_says_so_and_gives_the_records_before(
        format in any_format(), things in any_things(), cut in any::<prop::sample::Index>(),
    ) {
        let file = format.file(&things);
        let cut = cut.index(file.len());
        let read = read(format.exchange(), &file[..cut]);
        prop_assert_eq!(read.fault, None);
        prop_assert!(!read.is_whole && !read.bad.is_empty());
        let whole = format.ends(&things).iter().filter(|end| **end <= cut).count();
        prop_assert_eq!(&read.records[..], &format.records(&things)[..whole]);
    }

    #[test]
    fn a_spoilt_record_is_named_and_keeps_no_other_out(
        format in any_format(), things in proptest::collection::vec(any_thing(), 1..6),
        which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), byte: u8,
    ) {
        let which = which.index(things.len());
        let start = if which == 0 { format.around().0.len() } else { format.ends(&things)[which - 1] };
        let end = format.ends(&things)[which];
        let mut bytes = format.file(&things).into_bytes();
        let place = start + place.index(end - start);
        // Where brackets and quotes of JSON are lost, so is where a record ends.
        let is_of_shape = |byte: u8| !format.is_xml() && b"{}[]\"\\\n".contains(&byte);
        prop_assume!(!is_of_shape(bytes[place]) && !is_of_shape(byte));
        bytes[place] = byte;
        let read = read_pieces(format.exchange(), [bytes.as_slice()]);
        prop_assert_eq!(&read.fault, &None);
        let found: Vec<_> = read.records.iter().map(|record| (&record.key, &record.says)).collect();
        for (at, expected) in format.records(&things).iter().enumerate() {
            let is_there = found.contains(&(&expected.key, &expected.says));
            prop_assert!(at == which || is_there, "{} of {}", at, things.len());
        }
    }
}

#[test]
fn a_record_that_is_too_long_is_named_and_nothing_of_it_is_held() {
    for format in FORMATS {
        let things = [Thing::of(1), Thing::of(2)];
        let (head, tail) = format.around();
        let long = format.with_filler(&things[0], RECORD_BYTES_MAX + 10);
        let last = format.file(&things[1..]);
        let last = last.strip_prefix(head.as_str()).unwrap().strip_suffix(tail.as_str()).unwrap();
        let text = format!("{head}{long}{}{last}{tail}", format.between());
        let read = read_pieces(format.exchange(), text.as_bytes().chunks(50_000));
        assert_eq!(read.fault, None, "{format:?}");
        assert_eq!(read.records.len(), 1, "{format:?}");
        let must = format!("must be at most {RECORD_BYTES_MAX} bytes long");
        assert_eq!(musts(&read.bad), [(1, must.as_str())], "{format:?}");
    }
}

#[test]
fn what_is_held_does_not_grow_with_the_file() {
    for format in FORMATS {
        let (head, tail) = format.around();
        let mut file = ExchangeFile::new(format.exchange());
        file.feed(head.as_bytes()).unwrap();
        let (mut fed, mut count, mut most) = (0, 0, 0);
        let mut number = 0;
        // Fifty megabytes in all.
        while fed < 10_000_000 {
            let mut group = String::new();
            while group.len() < 60_000 {
                if number > 0 {
                    group += format.between();
                }
                number += 1;
                group += &format.element(&Thing::of(number));
            }
            fed += group.len();
            file.feed(group.as_bytes()).unwrap();
            most = most.max(file.held() + file.ready_bytes());
            count += file.take().len() as u64;
        }
        file.feed(tail.as_bytes()).unwrap();
        file.end().unwrap();
        count += file.take().len() as u64;
        assert_eq!((count, file.take_bad().len()), (u64::from(number), 0), "{format:?}");
        assert!(file.is_whole(), "{format:?}");
        assert!(most < 200_000, "{format:?} held {most} bytes");
    }
}

#[test]
fn nesting_has_a_limit_and_what_is_deeper_is_named() {
    for format in FORMATS {
        let (head, tail) = format.around();
        for depth in [1000, 400_000] {
            let (open, close) = if format.is_xml() { ("<x>", "</x>") } else { ("[", "]") };
            let deep = open.repeat(depth / open.len()) + &close.repeat(depth / open.len());
            let (filled, rest) = format.with_hole(&Thing::of(1));
            let next = format.element(&Thing::of(2));
            let text = format!("{head}{filled}{deep}{rest}{}{next}{tail}", format.between());
            let read = read(format.exchange(), &text);
            let most = if format.is_xml() { XML_DEPTH_MAX } else { JSON_DEPTH_MAX };
            let must = format!("must not be nested more than {most} deep");
            assert_eq!(musts(&read.bad)[0].1, must, "{format:?}");
            let key = &format.records(&[Thing::of(2)])[0].key;
            assert!(read.records.iter().any(|record| record.key == *key), "{format:?} {depth}");
        }
    }
}

#[test]
fn no_reason_repeats_a_value_of_the_file() {
    let secret = "c0ffee00c0ffee00c0ffee00c0ffee0x";
    for format in FORMATS {
        for field in ["md5", "kind", "time", "status"] {
            let text = format.file_with(field, secret);
            let read = read(format.exchange(), &text);
            let told =
                format!("{:?} {:?} {:?} {:?}", read.bad, read.bad_parts, read.unknown, read.fault);
            assert!(!told.contains("c0ffee"), "{format:?} {field}: {told}");
        }
    }
}

#[test]
fn words_and_opinions_have_limits_and_a_doubt_is_not_lost_by_them() {
    let owner = |number: u32, status: &str| {
        format!(
            "{{\"owner\":{{\"id\":\"{number}\"}},\"status\":\"{status}\",\"tags\":[\"{}\",\"t{number}\"]}}",
            "é".repeat(40)
        )
    };
    let mut all: Vec<String> = (0..300).map(|number| owner(number, "MALICIOUS")).collect();
    all.push(owner(300, "NON_MALICIOUS"));
    let text = format!(
        "{{\"data\":[{{\"type\":\"HASH_PDQ\",\"indicator\":\"{}\",\"descriptors\":[{}]}}]}}",
        "face".repeat(16),
        all.join(","),
    );
    let read = read(Exchange::ThreatExchange, &text);
    let listed = listed(&read.records[0]);
    assert_eq!((listed.tags.len(), listed.opinions.len()), (32, 256));
    assert_eq!(listed.tags[0], "é".repeat(32));
    assert_eq!(listed.opinions.last().unwrap().organisation, "300");
    let told: Vec<_> = read.bad_parts.iter().map(|bad| bad.must.as_str()).collect();
    let expected = [
        "a label must be at most 64 bytes long: its end was left out",
        "must have at most 32 labels",
        "must have at most 256 opinions",
    ];
    assert_eq!(told, expected);
}

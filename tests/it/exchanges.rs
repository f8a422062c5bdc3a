//! Files of exchanges, taken into banks by a call.

use crate::banks::{disposition_of, import_steps};
use crate::service::*;
use bulwark::proto::v1::{self, Disposition};
use tonic::Status;

/// A caller's import of a whole file.
async fn take(
    curator: &Caller,
    open: v1::ImportOpen,
    file: &str,
) -> Result<v1::ImportEntriesResponse, Status> {
    let steps = import_steps(open, file.as_bytes());
    curator.banks().import_entries(tokio_stream::iter(steps)).await.map(tonic::Response::into_inner)
}

fn opening(format: v1::ImportFormat) -> v1::ImportOpen {
    v1::ImportOpen {
        bank_id: "known".into(),
        format: format.into(),
        source: "source".into(),
        state: v1::EntryState::Active.into(),
        ..v1::ImportOpen::default()
    }
}

fn ncmec(inner: &str) -> String {
    format!(
        "<queryResult xmlns=\"https://hashsharing.ncmec.org/hashsharing/v2\"><images>{inner}</images></queryResult>"
    )
}

fn image(id: &str, second: u32, md5: &str, feedback: &str) -> String {
    format!(
        "<image><member id=\"42\"/><timestamp>2020-01-01T00:00:{second:02}Z</timestamp><id>{id}</id><classification>A1</classification>\
         <fingerprints><md5>{md5}</md5></fingerprints>{feedback}</image>"
    )
}

/// Counts of an answer: taken, replaced, withdrawn, already present, refused.
fn counts(answer: &v1::ImportEntriesResponse) -> [u64; 5] {
    [
        answer.taken_count,
        answer.replaced_count,
        answer.withdrawn_count,
        answer.already_present_count,
        answer.refused_count,
    ]
}

async fn stands(screener: &Caller, md5: &str) -> Disposition {
    disposition_of(screener, vec![signal(v1::SignalType::Md5, md5.to_owned())]).await.disposition()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_replaces_what_its_source_said_and_the_same_file_twice_changes_nothing() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let (a, b, c) = ("a1".repeat(16), "b2".repeat(16), "c3".repeat(16));
    let open = || opening(v1::ImportFormat::Ncmec);
    let spoilt = "<image><member id=\"42\"/></image>";
    let first = ncmec(&[&image("1", 1, &a, ""), spoilt, &image("2", 1, &b, "")].concat());
    let answer = take(&curator, open(), &first).await.expect("taken");
    assert_eq!(counts(&answer), [2, 0, 0, 0, 1]);
    assert_eq!(
        (answer.refusals[0].line_number, answer.refusals[0].reason.as_str()),
        (2, "id must be set")
    );
    let again = take(&curator, open(), &first).await.expect("taken");
    assert_eq!(counts(&again), [0, 0, 0, 2, 1]);
    assert_eq!(again.journal_number, answer.journal_number, "nothing was kept");
    assert_eq!(stands(&screener, &a).await, Disposition::Block);

    let gone = "<deletedImage><member id=\"42\"/><id>2</id><timestamp>2020-01-01T00:00:09Z</timestamp></deletedImage>";
    let second = ncmec(&[&image("1", 9, &c, ""), gone].concat());
    let answer = take(&curator, open(), &second).await.expect("taken");
    assert_eq!(counts(&answer), [0, 1, 1, 0, 0]);
    for (md5, matches) in [(&a, false), (&b, false), (&c, true)] {
        assert_eq!(stands(&screener, md5).await == Disposition::Block, matches, "{md5}");
    }
    // An older state that comes late changes nothing: what was withdrawn stays so.
    let late = take(&curator, open(), &first).await.expect("taken");
    assert_eq!(counts(&late), [0, 0, 0, 2, 1]);
    assert_ne!(stands(&screener, &b).await, Disposition::Block);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_members_of_an_exchange_say_becomes_opinions_and_a_doubt_holds() {
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let md5 = "a1".repeat(16);
    let doubt = "<feedback><negativeFeedback type=\"Md5\"><reasons><reason name=\"viral\"/><members><member id=\"7\"/></members></reasons></negativeFeedback></feedback>";
    let file = ncmec(&image("1", 1, &md5, doubt));
    let answer = take(&curator, opening(v1::ImportFormat::Ncmec), &file).await.expect("taken");
    assert_eq!(counts(&answer), [1, 0, 0, 0, 0]);
    assert_eq!(stands(&screener, &md5).await, Disposition::Hold);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_each_exchange_are_taken_and_enter_in_the_shadow_unless_asked_otherwise() {
    use base64::Engine as _;
    let service = Service::start().await;
    let (curator, screener) = service.staff().await;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let digest = |n: u8| hex::encode([n; 32]);
    let pdq64 = base64::engine::general_purpose::STANDARD.encode([4; 32]);
    let address =
        "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Media";
    let files = [
        (
            v1::ImportFormat::Vics,
            format!(
                "\u{feff}{{\"@odata.context\":\"{address}\",\"value\":[{{\"MediaID\":1,\"Category\":1,\"AlternativeHashes\":[{{\"HashName\":\"PDQ\",\
                 \"HashValue\":\"{}\"}}]}},{{\"MediaID\":2,\"Category\":5}}]}}",
                digest(1)
            ),
        ),
        (
            v1::ImportFormat::Stopncii,
            format!(
                "{{\"hashRecords\":[{{\"signalType\":\"ImagePDQ\",\"hashValue\":\"{}\",\"hashStatus\":\"Active\"}}]}}",
                digest(2)
            ),
        ),
        (
            v1::ImportFormat::ThreatExchange,
            format!(
                "{{\"data\":[{{\"type\":\"HASH_PDQ\",\"indicator\":\"{}\",\"last_updated\":1,\"descriptors\":[{{\"owner\":{{\"id\":\"7\"}},\
                 \"status\":\"MALICIOUS\"}}]}}]}}",
                digest(3)
            ),
        ),
        (
            v1::ImportFormat::Arachnid,
            format!(
                "{{\"scanned_hashes\":{{\"{pdq64}\":{{\"classification\":\"csam\",\"match_type\":\"exact\"}},\
                 \"x\":{{\"classification\":\"no-known-match\"}}}}}}"
            ),
        ),
    ];
    for ((format, file), n) in files.into_iter().zip(1..) {
        let category = |number, classification: &str| v1::VicsCategory {
            model: "US".into(),
            number,
            classification: classification.into(),
            taken: true,
        };
        let vics_categories = match format {
            v1::ImportFormat::Vics => vec![category(1, "one"), category(2, "two")],
            _ => Vec::new(),
        };
        let shadow = v1::ImportOpen { vics_categories, ..opening(format) };
        let shadow = v1::ImportOpen { state: 0, ..shadow };
        let answer = take(&curator, shadow.clone(), &file).await.expect("taken");
        assert_eq!(counts(&answer), [1, 0, 0, 0, 0], "{format:?}");
        let unknown: Vec<_> = answer.unknown.iter().map(|u| (u.what.as_str(), u.count)).collect();
        let expected: &[_] = if n == 1 { &[("category 5", 1)] } else { &[] };
        assert_eq!(unknown, expected, "{format:?}");
        assert_eq!(answer.not_listed_count, u64::from(format == v1::ImportFormat::Arachnid));
        let seen = disposition_of(&screener, vec![signal(v1::SignalType::Pdq, digest(n))]).await;
        assert_ne!(seen.disposition(), Disposition::Block, "{format:?} is in the shadow");
        // Another source's record is another entry, whatever its name.
        let other = v1::ImportOpen {
            source: "other".into(),
            state: v1::EntryState::Active.into(),
            ..shadow
        };
        let answer = take(&curator, other, &file).await.expect("taken");
        assert_eq!(counts(&answer), [1, 0, 0, 0, 0], "{format:?}");
    }
    let of_arachnid = vec![signal(v1::SignalType::Pdq, digest(4))];
    assert_eq!(disposition_of(&screener, of_arachnid).await.disposition(), Disposition::Block);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_exchange_file_lacks_or_must_not_have_is_named() {
    let service = Service::start().await;
    let curator = service.staff().await.0;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let bad = async |open: v1::ImportOpen, file: &str| bad_fields(take(&curator, open, file).await);
    let open = v1::ImportOpen {
        source: String::new(),
        signal_type: v1::SignalType::Pdq.into(),
        columns: Some(v1::CsvColumns::default()),
        provenance: Some(v1::Provenance::default()),
        vics_categories: vec![v1::VicsCategory::default()],
        ..opening(v1::ImportFormat::Ncmec)
    };
    let mut named = bad(open, "").await;
    named.sort();
    let expected = ["columns", "provenance", "signal_type", "source", "vics_categories"];
    assert_eq!(named, expected.map(|field| format!("open.{field}")));
    let text = v1::ImportOpen {
        signal_type: v1::SignalType::Md5.into(),
        vics_categories: vec![v1::VicsCategory::default()],
        ..opening(v1::ImportFormat::Text)
    };
    assert_eq!(bad(text, "").await, ["open.vics_categories", "open.source"]);
    let vics = |categories| v1::ImportOpen {
        vics_categories: categories,
        ..opening(v1::ImportFormat::Vics)
    };
    assert_eq!(bad(vics(Vec::new()), "").await, ["open.vics_categories"]);
    let uk = v1::VicsCategory { model: "UK".into(), number: 1, ..v1::VicsCategory::default() };
    let twice = vec![uk.clone(), uk.clone(), v1::VicsCategory::default()];
    let expected = ["open.vics_categories[1].number", "open.vics_categories[2].model"];
    assert_eq!(bad(vics(twice), "").await, expected);

    // A file of a model that nobody has said the meaning of is refused, and nothing of it is taken.
    let file = "{\"@odata.context\":\"http://x/2.0.xml/US/$metadata#Media\",\"value\":[{\"MediaID\":1,\"Category\":1}]}";
    let refused = take(&curator, vics(vec![uk]), file).await.unwrap_err();
    let told = format!("{refused:?}");
    assert!(told.contains("country model US"), "{told}");
    assert_eq!(bad_fields::<()>(Err(refused)), ["chunk.data"]);
    let bomb = "<!DOCTYPE x [<!ENTITY a \"a\">]><queryResult/>";
    assert_eq!(bad(opening(v1::ImportFormat::Ncmec), bomb).await, ["chunk.data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_cut_off_is_taken_as_far_as_it_goes_and_says_so() {
    let service = Service::start().await;
    let curator = service.staff().await.0;
    curator.banks().create_bank(bank("known")).await.expect("made");
    let images: String =
        (0..3000).map(|n| image(&n.to_string(), 1, &format!("{n:032x}"), "")).collect();
    let whole = ncmec(&images);
    let answer = take(&curator, opening(v1::ImportFormat::Ncmec), &whole[..whole.len() - 40]).await;
    let answer = answer.expect("taken");
    assert_eq!((answer.taken_count, answer.refused_count), (2999, 2));
    let reasons: Vec<_> = answer.refusals.iter().map(|refusal| refusal.reason.as_str()).collect();
    assert_eq!(reasons[0], "must be closed");
    assert!(reasons[1].starts_with("the file must not end before its end"), "{reasons:?}");
}

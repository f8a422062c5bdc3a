//! The contract keeps its own rules: comments, zero values, options, and the words it shares with the core.

use crate::descriptor::{
    Rpc, behaves, comment, files, messages, pool, required_fields, rpcs, uncalled,
    without_each_required,
};
use bulwark::core::{access, bank, event, policy, verdict, video};
use bulwark::proto::v1;
use prost_reflect::{EnumDescriptor, FileDescriptor, Value};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

fn check(faults: Vec<String>) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn enums() -> Vec<EnumDescriptor> {
    files().iter().flat_map(|file| file.enums().collect::<Vec<_>>()).collect()
}

/// Name and comment of every declaration of our files.
fn declarations() -> Vec<(String, String)> {
    let mut all: Vec<(String, FileDescriptor, Vec<i32>)> = Vec::new();
    for service in pool().services().filter(|s| files().contains(&s.parent_file())) {
        all.push((service.full_name().into(), service.parent_file(), service.path().into()));
        for rpc in service.methods() {
            all.push((rpc.full_name().into(), service.parent_file(), rpc.path().into()));
        }
    }
    for message in messages() {
        all.push((message.full_name().into(), message.parent_file(), message.path().into()));
        for field in message.fields() {
            all.push((field.full_name().into(), message.parent_file(), field.path().into()));
        }
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            all.push((oneof.full_name().into(), message.parent_file(), oneof.path().into()));
        }
    }
    for kind in enums() {
        all.push((kind.full_name().into(), kind.parent_file(), kind.path().into()));
        for value in kind.values() {
            all.push((value.full_name().into(), kind.parent_file(), value.path().into()));
        }
    }
    all.into_iter().map(|(name, file, path)| (name, comment(&file, &path))).collect()
}

#[test]
fn every_declaration_has_a_comment_that_ends_as_a_sentence() {
    let all = declarations();
    assert!(all.len() > 500, "only {} declarations were found", all.len());
    let bad = all.into_iter().filter(|(_, text)| !text.ends_with('.'));
    check(bad.map(|(name, text)| format!("{name}: {text:?}")).collect());
}

#[test]
fn the_zero_of_every_enum_is_unspecified_and_never_sent() {
    let mut faults = Vec::new();
    for kind in enums() {
        let zero = kind.get_value(0).expect("proto3 begins every enum with a zero");
        let text = comment(&kind.parent_file(), zero.path());
        if !zero.name().ends_with("_UNSPECIFIED") || !text.starts_with("Never sent.") {
            faults.push(format!("{}: {text}", zero.full_name()));
        }
    }
    check(faults);
}

#[test]
fn every_enum_says_what_an_unknown_value_is_taken_for() {
    let faults = enums().into_iter().filter(|kind| {
        let text = comment(&kind.parent_file(), kind.path());
        !text.contains("not know")
    });
    check(faults.map(|kind| kind.full_name().to_owned()).collect());
}

#[test]
fn every_rpc_says_whether_to_retry_how_long_it_takes_and_what_to_do_without_an_answer() {
    let questions =
        ["Safe to retry?", "How long does it take?", "What must the caller do if no answer comes?"];
    let mut faults = Vec::new();
    for service in pool().services().filter(|s| files().contains(&s.parent_file())) {
        for rpc in service.methods() {
            let text = comment(&service.parent_file(), rpc.path());
            let mut rest = text.as_str();
            for question in questions {
                // Each question once, in this order, each with an answer after it.
                match rest.split_once(question) {
                    Some((_, answer)) if answer.trim_start().starts_with(char::is_uppercase) => {
                        rest = answer;
                    }
                    _ => faults.push(format!("{}: {question}", rpc.full_name())),
                }
            }
        }
    }
    check(faults);
}

#[test]
fn every_file_sets_the_options_of_every_language() {
    let mut faults = Vec::new();
    for file in files() {
        let options = file.file_descriptor_proto().options.clone().unwrap_or_default();
        let said = [
            (
                "go_package",
                options.go_package == Some("bulwark.dev/gen/go/bulwark/v1;bulwarkv1".into()),
            ),
            ("java_package", options.java_package == Some("dev.bulwark.v1".into())),
            ("java_multiple_files", options.java_multiple_files == Some(true)),
            (
                "java_outer_classname",
                options.java_outer_classname.is_some_and(|n| n.ends_with("Proto")),
            ),
            ("csharp_namespace", options.csharp_namespace == Some("Bulwark.V1".into())),
            ("php_namespace", options.php_namespace == Some("Bulwark\\V1".into())),
            ("ruby_package", options.ruby_package == Some("Bulwark::V1".into())),
            ("objc_class_prefix", options.objc_class_prefix == Some("BLW".into())),
        ];
        let missing = said.iter().filter(|(_, good)| !good);
        faults.extend(missing.map(|(option, _)| format!("{}: {option}", file.name())));
    }
    check(faults);
}

#[test]
fn every_error_reason_names_a_code_an_example_and_what_to_do() {
    let reasons = pool().get_enum_by_name("bulwark.v1.ErrorReason").expect("in the contract");
    let codes = [
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "INVALID_ARGUMENT",
        "FAILED_PRECONDITION",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "ABORTED",
        "UNAVAILABLE",
        "RESOURCE_EXHAUSTED",
        "OUT_OF_RANGE",
        "DEADLINE_EXCEEDED",
        "UNIMPLEMENTED",
        "INTERNAL",
    ];
    let mut faults = Vec::new();
    for reason in reasons.values().filter(|reason| reason.number() != 0) {
        let text = comment(&reasons.parent_file(), reason.path());
        let code = text.split('.').next().unwrap_or_default();
        let retried = ["UNAVAILABLE", "RESOURCE_EXHAUSTED"].contains(&code);
        let good = codes.contains(&code)
            && text.contains(" Example: ")
            && text.contains(" What to do: ")
            && retried == text.contains("RetryInfo");
        if !good {
            faults.push(format!("{}: {text}", reason.name()));
        }
    }
    check(faults);
}

#[test]
fn the_required_fields_are_those_of_the_list() {
    // A field that becomes required breaks callers and no tool notices: the list makes it a choice.
    let listed: Vec<_> = include_str!("../golden/required_fields.txt").lines().collect();
    assert_eq!(required_fields(), listed);
}

#[test]
fn only_fields_of_requests_and_records_are_required() {
    let answers = messages().into_iter().filter(|message| message.name().ends_with("Response"));
    let fields = answers.flat_map(|message| message.fields().collect::<Vec<_>>());
    let faults = fields.filter(|field| behaves(field, "REQUIRED"));
    check(faults.map(|field| field.full_name().to_owned()).collect());
}

#[test]
fn no_two_rpcs_share_a_name() {
    let names: BTreeSet<_> = rpcs().into_iter().map(|rpc| rpc.name).collect();
    assert_eq!(names.len(), rpcs().len());
}

#[test]
fn an_rpc_counts_as_called_only_by_code_that_calls_it() {
    let rpc = |method: &str| Rpc {
        service: "BankService".into(),
        name: method.into(),
        path: method.into(),
        method: method.into(),
    };
    let all = [rpc("get_bank"), rpc("list_banks"), rpc("get_entry")];
    let source = "let bank = client.get_bank(request);\n// client.list_banks(request)\nforget_entry(request)";
    assert_eq!(uncalled(&all, &[source.into()]), [rpc("list_banks"), rpc("get_entry")]);
}

/// Checks that every value of an enum of the contract but the zero is a value of the core's enum, by its name.
fn mirrors<T: DeserializeOwned>(name: &str, but: &[&str]) -> Vec<String> {
    let kind = pool().get_enum_by_name(&format!("bulwark.v1.{name}")).expect("in the contract");
    let zero = kind.get_value(0).expect("a zero").name().to_owned();
    let prefix = zero.trim_end_matches("UNSPECIFIED");
    let mut faults = Vec::new();
    for value in kind.values().filter(|value| value.number() != 0) {
        let word = value.name().trim_start_matches(prefix);
        // The core's names are made by a rule that puts no line before a number.
        let known = [
            word.to_owned(),
            word.replace("_90", "90").replace("_180", "180").replace("_270", "270"),
        ]
        .into_iter()
        .any(|word| serde_json::from_value::<T>(word.into()).is_ok());
        if known == but.contains(&word) {
            faults.push(format!("{name}: {word}"));
        }
    }
    faults
}

#[test]
fn the_words_of_the_contract_are_the_words_of_the_core() {
    let mut faults = Vec::new();
    faults.extend(mirrors::<access::Environment>("Environment", &[]));
    faults.extend(mirrors::<access::Role>("Role", &[]));
    faults.extend(mirrors::<policy::SurfaceKind>("SurfaceKind", &[]));
    faults.extend(mirrors::<policy::Visibility>("Visibility", &[]));
    faults.extend(mirrors::<verdict::Disposition>("Disposition", &[]));
    faults.extend(mirrors::<verdict::Assurance>("Assurance", &[]));
    faults.extend(mirrors::<verdict::Check>("Check", &[]));
    faults.extend(mirrors::<verdict::CheckState>("CheckState", &[]));
    faults.extend(mirrors::<verdict::Form>("Form", &[]));
    faults.extend(mirrors::<verdict::Dihedral>("Dihedral", &[]));
    faults.extend(mirrors::<verdict::RecommendedAction>("RecommendedAction", &[]));
    faults.extend(mirrors::<verdict::OnIncomplete>("OnIncomplete", &[]));
    faults.extend(mirrors::<bank::BankRole>("BankRole", &[]));
    faults.extend(mirrors::<bank::BankMode>("BankMode", &[]));
    faults.extend(mirrors::<bank::EntryState>("EntryState", &[]));
    faults.extend(mirrors::<video::alike::Likeness>("VideoLikeness", &[]));
    faults.extend(mirrors::<event::OutcomeKind>("OutcomeKind", &[]));
    check(faults);
    assert_eq!(access::Role::ALL.len(), 9, "a new role needs a word in the contract");
}

#[test]
fn a_redacted_value_reaches_no_debug_output() {
    let secret = "5ec4e7";
    let bytes = prost::bytes::Bytes::from_static(b"5ec4e7");
    let text = v1::signal::Value::Text(secret.into());
    let signal = v1::Signal { value: Some(text.clone()), ..Default::default() };
    let media = v1::add_entry_request::Source::Media(bytes.clone());
    let context = Some(v1::Context::default());
    let shown = [
        ("Signal", format!("{signal:?}")),
        ("Signal", format!("{text:?}")),
        ("Signal", format!("{:?}", v1::signal::Value::Binary(bytes.clone()))),
        ("AddEntryRequest", format!("{media:?}")),
        (
            "AddEntryRequest",
            format!("{:?}", v1::AddEntryRequest { source: Some(media), ..Default::default() }),
        ),
        (
            "CreateCredentialResponse",
            format!(
                "{:?}",
                v1::CreateCredentialResponse { key: secret.into(), ..Default::default() }
            ),
        ),
        (
            "SoughtSignal",
            format!("{:?}", v1::SoughtSignal { value: bytes.clone(), ..Default::default() }),
        ),
        (
            "BulwarkExchange",
            format!("{:?}", v1::BulwarkExchange { key: secret.into(), ..Default::default() }),
        ),
        (
            "NcmecExchange",
            format!("{:?}", v1::NcmecExchange { password: secret.into(), ..Default::default() }),
        ),
        (
            "StopNciiExchange",
            format!(
                "{:?}",
                v1::StopNciiExchange { fetch_key: secret.into(), ..Default::default() }
            ),
        ),
        (
            "ThreatExchangeExchange",
            format!(
                "{:?}",
                v1::ThreatExchangeExchange { access_token: secret.into(), ..Default::default() }
            ),
        ),
        (
            "ArachnidExchange",
            format!("{:?}", v1::ArachnidExchange { password: secret.into(), ..Default::default() }),
        ),
        (
            "FileExchange",
            format!(
                "{:?}",
                v1::FileExchange { authorization: secret.into(), ..Default::default() }
            ),
        ),
        ("Delta", format!("{:?}", v1::Delta { anchor: bytes.clone(), ..Default::default() })),
        (
            "PullSignalsRequest",
            format!(
                "{:?}",
                v1::PullSignalsRequest { after_anchor: bytes.clone(), ..Default::default() }
            ),
        ),
        (
            "SignedDelta",
            format!("{:?}", v1::SignedDelta { delta: bytes.clone(), signature: bytes.clone() }),
        ),
        (
            "ShardVideo",
            format!("{:?}", v1::ShardVideo { frames: bytes.clone(), ..Default::default() }),
        ),
        (
            "InterruptStreamRequest",
            format!(
                "{:?}",
                v1::InterruptStreamRequest { reason: secret.into(), ..Default::default() }
            ),
        ),
        ("LumaPlane", format!("{:?}", v1::LumaPlane { data: bytes.clone(), ..Default::default() })),
        ("StreamFrame", format!("{:?}", v1::stream_frame::Content::Image(bytes.clone()))),
        (
            "StreamSegment",
            format!("{:?}", v1::stream_segment::Content::FragmentedMp4(bytes.clone())),
        ),
        ("StreamSegment", format!("{:?}", v1::stream_segment::Content::MpegTs(bytes.clone()))),
        (
            "StreamOpened",
            format!("{:?}", v1::StreamOpened { resume_token: secret.into(), ..Default::default() }),
        ),
        (
            "StreamResume",
            format!("{:?}", v1::StreamResume { resume_token: secret.into(), ..Default::default() }),
        ),
        ("ImportChunk", format!("{:?}", v1::ImportChunk { number: 1, data: bytes.clone() })),
        ("MediaChunk", format!("{:?}", v1::MediaChunk { number: 1, data: bytes.clone() })),
        (
            "ScreenMediaRequest",
            format!(
                "{:?}",
                v1::ScreenMediaRequest { context, content: bytes, ..Default::default() }
            ),
        ),
    ];
    let redacted = messages().into_iter().filter(|message| {
        message.fields().any(|field| {
            field.options().get_field_by_name("debug_redact").as_deref() == Some(&Value::Bool(true))
        })
    });
    let redacted: BTreeSet<_> = redacted.map(|message| message.name().to_owned()).collect();
    let tried: BTreeSet<_> = shown.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(redacted, tried);
    for (name, shown) in shown {
        assert_eq!(shown, format!("{name}(..)"));
    }
    let request = v1::ScreenSignalsRequest { signals: vec![signal], ..Default::default() };
    assert!(!format!("{request:?}").contains(secret));
}

#[test]
fn bytes_that_a_caller_sends_are_redacted_unless_they_say_nothing() {
    let public = [
        "Credential.certificate_sha256",
        "IndexHealth.sum",
        "FinishedBackup.root",
        "Receipt.leaf",
        "Receipt.proof_hashes",
    ];
    let mut faults = Vec::new();
    for field in messages().iter().flat_map(|message| message.fields().collect::<Vec<_>>()) {
        let name = format!("{}.{}", field.parent_message().name(), field.name());
        let redacted = field.options().get_field_by_name("debug_redact").as_deref()
            == Some(&Value::Bool(true));
        let is_bytes = field.kind() == prost_reflect::Kind::Bytes;
        if is_bytes && redacted == public.contains(&name.as_str()) {
            faults.push(name);
        }
    }
    check(faults);
}

#[test]
fn every_required_thing_of_a_sample_is_left_out_once_and_named_by_its_path() {
    let signal = || v1::Signal {
        r#type: v1::SignalType::Md5.into(),
        value: Some(v1::signal::Value::Text("0".repeat(32))),
        ..Default::default()
    };
    let context = v1::Context {
        surface: v1::SurfaceKind::Upload.into(),
        visibility: v1::Visibility::Public.into(),
        ..Default::default()
    };
    let good = v1::ScreenSignalsRequest {
        context: Some(context),
        signals: vec![signal(), signal()],
        ..Default::default()
    };
    let left_out = without_each_required("ScreenSignalsRequest", &good);
    let paths: Vec<_> = left_out.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "context",
            "context.surface",
            "context.visibility",
            "signals",
            "signals[0].value",
            "signals[1].value"
        ]
    );
    for (path, request) in &left_out {
        assert_ne!(request, &good, "{path}");
    }
    assert_eq!(left_out[5].1.signals[0], signal());
    assert_eq!(left_out[5].1.signals[1].value, None);

    let bank = v1::Bank { bank_id: "b".into(), ..Default::default() };
    let mask = prost_types::FieldMask { paths: vec!["display_name".into()] };
    let update =
        v1::UpdateBankRequest { bank: Some(bank), update_mask: Some(mask), ..Default::default() };
    let left_out = without_each_required("UpdateBankRequest", &update);
    let paths: Vec<_> = left_out.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["bank", "bank.bank_id", "update_mask"]);
}

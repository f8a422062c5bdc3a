//! Messages of every release, as they went over the wire: what this version reads of them, it writes again as it was.

use crate::descriptor::{PACKAGE, pool};
use bulwark::proto::v1;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Versions of which messages are kept.
const RELEASES: [&str; 1] = ["0.1.0"];
/// How deep messages within messages are filled.
const DEPTH_MAX: usize = 8;
/// Messages of each kind: enough for every alternative of every oneof, and many values of enumerations.
const VARIANTS: usize = 4;

/// Reads a message and writes it again, by the code made from the contract.
macro_rules! again {
    ($name:expr, $bytes:expr, [$($type:ident),* $(,)?]) => {
        match $name {
            $(stringify!($type) => v1::$type::decode($bytes).map(|read| read.encode_to_vec()).ok(),)*
            _ => None,
        }
    };
}

fn again(name: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    again!(
        name,
        bytes,
        [
            ScreenMediaRequest,
            ScreenMediaResponse,
            ScreenUploadRequest,
            ScreenUploadResponse,
            ScreenSignalsRequest,
            ScreenSignalsResponse,
            ScreenSignalsBatchRequest,
            ScreenSignalsBatchResponse,
            HashMediaRequest,
            HashMediaResponse,
            ReportExternalScoresRequest,
            ReportExternalScoresResponse,
            RecordOutcomeRequest,
            RecordOutcomeResponse,
            GetVerdictRequest,
            GetVerdictResponse,
            CreateBankRequest,
            CreateBankResponse,
            GetBankRequest,
            GetBankResponse,
            ListBanksRequest,
            ListBanksResponse,
            UpdateBankRequest,
            UpdateBankResponse,
            DeleteBankRequest,
            DeleteBankResponse,
            AddEntryRequest,
            AddEntryResponse,
            GetEntryRequest,
            GetEntryResponse,
            ListEntriesRequest,
            ListEntriesResponse,
            UpdateEntryRequest,
            UpdateEntryResponse,
            RemoveEntryRequest,
            RemoveEntryResponse,
            ImportEntriesRequest,
            ImportEntriesResponse,
            CompareSignalsRequest,
            CompareSignalsResponse,
            GetHealthDetailRequest,
            GetHealthDetailResponse,
            BackupRequest,
            BackupResponse,
            GetIndexStatusRequest,
            GetIndexStatusResponse,
            CreateTenantRequest,
            CreateTenantResponse,
            GetTenantRequest,
            GetTenantResponse,
            ListTenantsRequest,
            ListTenantsResponse,
            UpdateTenantRequest,
            UpdateTenantResponse,
            RevokeTenantRequest,
            RevokeTenantResponse,
            CreateCredentialRequest,
            CreateCredentialResponse,
            GetCredentialRequest,
            GetCredentialResponse,
            ListCredentialsRequest,
            ListCredentialsResponse,
            UpdateCredentialRequest,
            UpdateCredentialResponse,
            RevokeCredentialRequest,
            RevokeCredentialResponse,
            CreateSurfaceRequest,
            CreateSurfaceResponse,
            GetSurfaceRequest,
            GetSurfaceResponse,
            ListSurfacesRequest,
            ListSurfacesResponse,
            UpdateSurfaceRequest,
            UpdateSurfaceResponse,
            RevokeSurfaceRequest,
            RevokeSurfaceResponse,
        ]
    )
}

fn path(version: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    folder.join(format!("wire-{version}.txt"))
}

/// What every rpc takes and gives.
fn asked_and_answered() -> Vec<MessageDescriptor> {
    let services = pool().services().filter(|service| service.package_name() == PACKAGE);
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    methods.flat_map(|method| [method.input(), method.output()]).collect()
}

/// A value that is not the default one.
fn value(field: &FieldDescriptor, variant: usize, depth: usize) -> Value {
    let number = variant as u32 + field.number() + 1;
    match field.kind() {
        Kind::Double => Value::F64(f64::from(number) / 4.0),
        Kind::Float => Value::F32(number as f32 / 4.0),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(-(number as i32)),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(-(i64::from(number) << 33)),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number << 9),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::from(number) << 33),
        Kind::Bool => Value::Bool(true),
        Kind::String => Value::String(format!("nonsense {number} \u{e9}")),
        Kind::Bytes => Value::Bytes(vec![number as u8, 0, 0xff].into()),
        Kind::Message(message) => Value::Message(filled(&message, variant, depth + 1)),
        Kind::Enum(values) => {
            let values: Vec<i32> = values.values().map(|value| value.number()).collect();
            Value::EnumNumber(values[1 + variant % (values.len() - 1).max(1)])
        }
    }
}

/// A message with every field set, and of each oneof the alternative that the variant is for.
fn filled(message: &MessageDescriptor, variant: usize, depth: usize) -> DynamicMessage {
    let mut out = DynamicMessage::new(message.clone());
    if depth > DEPTH_MAX {
        return out;
    }
    for field in message.fields() {
        if let Some(oneof) = field.containing_oneof()
            && oneof.fields().nth(variant % oneof.fields().len()).as_ref() != Some(&field)
        {
            continue;
        }
        let one = |variant| value(&field, variant, depth);
        let all = if field.is_list() {
            Value::List(vec![one(variant), one(variant + 1)])
        } else {
            one(variant)
        };
        out.set_field(&field, all);
    }
    out
}

#[test]
#[ignore = "makes the golden messages of a new release: run by `just golden`, and only then"]
fn the_messages_of_this_release_are_written_down() {
    let mut lines = BTreeSet::new();
    let messages = pool().all_messages().filter(|message| message.package_name() == PACKAGE);
    let widest = messages.flat_map(|message| message.oneofs().collect::<Vec<_>>());
    assert!(widest.map(|oneof| oneof.fields().len()).max() <= Some(VARIANTS), "more are needed");
    for message in asked_and_answered() {
        for variant in 0..VARIANTS {
            let bytes = filled(&message, variant, 0).encode_to_vec();
            assert!(again(message.name(), &bytes).is_some(), "{} is not listed", message.name());
            lines.insert(format!("{} {}\n", message.name(), hex::encode(bytes)));
        }
    }
    let text: String = lines.into_iter().collect();
    std::fs::write(path(env!("CARGO_PKG_VERSION")), text).expect("written");
}

#[test]
fn every_message_of_every_release_is_read_and_written_again_as_it_was() {
    for version in RELEASES {
        let text = std::fs::read_to_string(path(version)).expect("kept");
        let mut names = BTreeSet::new();
        for line in text.lines() {
            let (name, hex) = line.split_once(' ').expect("a name and a message");
            let bytes = hex::decode(hex).expect("hexadecimal");
            let message = pool().get_message_by_name(&format!("{PACKAGE}.{name}"));
            let message = message.unwrap_or_else(|| panic!("{name} is gone"));
            let read = DynamicMessage::decode(message, &bytes[..]).expect("read");
            assert_eq!(read.unknown_fields().count(), 0, "{name} lost a field");
            assert_eq!(again(name, &bytes).as_ref(), Some(&bytes), "{version}: {name}");
            names.insert(name);
        }
        assert!(names.len() > 60 && text.lines().count() > names.len());
    }
}

//! What the contract says of itself: its rpcs, its required fields, its comments.

use bulwark::proto::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor,
    OneofDescriptor, ReflectMessage as _, Value,
};
use std::sync::LazyLock;

/// The package that is ours; all else is vendored.
pub const PACKAGE: &str = "bulwark.v1";

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the set was compiled"));

/// The contract with everything it imports.
pub fn pool() -> &'static DescriptorPool {
    &POOL
}

/// Our own files.
pub fn files() -> Vec<FileDescriptor> {
    pool().files().filter(|file| file.package_name() == PACKAGE).collect()
}

/// The messages of our own files, nested ones too.
pub fn messages() -> Vec<MessageDescriptor> {
    pool().all_messages().filter(|message| message.package_name() == PACKAGE).collect()
}

/// The comment before the declaration at `path` of a file, one line, without the marks.
pub fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let location = info.and_then(|info| info.location.iter().find(|l| l.path == path));
    let text = location.map_or("", |location| location.leading_comments());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One rpc, as a client calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rpc {
    /// Name of the service without its package: `BankService`.
    pub service: String,
    /// Name of the rpc: `CreateBank`.
    pub name: String,
    /// Path of the HTTP/2 request: `/bulwark.v1.BankService/CreateBank`.
    pub path: String,
    /// Name of the generated client's method: `create_bank`.
    pub method: String,
}

/// Every rpc of the contract, in the order of the files.
pub fn rpcs() -> Vec<Rpc> {
    let services = pool().services().filter(|service| service.package_name() == PACKAGE);
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    methods
        .map(|method| {
            let service = method.parent_service();
            Rpc {
                service: service.name().to_owned(),
                name: method.name().to_owned(),
                path: format!("/{}/{}", service.full_name(), method.name()),
                method: snake(method.name()),
            }
        })
        .collect()
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// The rpcs that no line of code in `sources` calls by the name of the client's method.
///
/// A call is `.method(` outside a comment. Names of rpcs differ across services, which a test holds, so that a call
/// cannot be taken for that of another.
pub fn uncalled(rpcs: &[Rpc], sources: &[String]) -> Vec<Rpc> {
    let code = |line: &&str| !line.trim_start().starts_with("//");
    let called = |rpc: &Rpc| {
        let call = format!(".{}(", rpc.method);
        sources.iter().any(|source| source.lines().filter(code).any(|line| line.contains(&call)))
    };
    rpcs.iter().filter(|rpc| !called(rpc)).cloned().collect()
}

/// Whether a field is marked with a value of `google.api.FieldBehavior`.
pub fn behaves(field: &FieldDescriptor, behavior: &str) -> bool {
    let extension = pool().get_extension_by_name("google.api.field_behavior").expect("vendored");
    let all = pool().get_enum_by_name("google.api.FieldBehavior").expect("vendored");
    let wanted = all.get_value_by_name(behavior).expect("a value of the enum").number();
    let options = field.options();
    let marks = options.get_extension(&extension);
    marks.as_list().is_some_and(|marks| marks.contains(&Value::EnumNumber(wanted)))
}

/// Whether exactly one field of the oneof must be set: its comment says so.
pub fn is_required_oneof(oneof: &OneofDescriptor) -> bool {
    comment(&oneof.parent_file(), oneof.path()).contains("Exactly one must be set")
}

/// Every field marked REQUIRED, and every oneof of which one must be set, as `Message.field`, sorted.
pub fn required_fields() -> Vec<String> {
    let mut all = Vec::new();
    for message in messages() {
        let fields = message.fields().filter(|field| behaves(field, "REQUIRED"));
        let fields = fields.map(|field| field.name().to_owned());
        let oneofs = message.oneofs().filter(is_required_oneof);
        let oneofs = oneofs.map(|oneof| oneof.name().to_owned());
        all.extend(fields.chain(oneofs).map(|name| format!("{}.{name}", message.name())));
    }
    all.sort();
    all
}

/// Copies of a good request, each with one required thing left out, beside the path by which the refusal must name it
/// (`open.context.surface`, `signals[0].value`).
///
/// Within the record of an update only what names the record is required: the rest is a matter of the mask.
///
/// # Panics
/// When `good` itself leaves something out, or is no message of the contract's name `message`.
pub fn without_each_required<M: Message + Default>(message: &str, good: &M) -> Vec<(String, M)> {
    let descriptor =
        pool().get_message_by_name(&format!("{PACKAGE}.{message}")).expect("a message");
    let whole = DynamicMessage::decode(descriptor.clone(), good.encode_to_vec().as_slice())
        .expect("the message was encoded from this type");
    let updates = descriptor.get_field_by_name("update_mask").is_some();
    let mut left_out = Vec::new();
    leave_out(
        &whole,
        "",
        "REQUIRED",
        if updates { "IDENTIFIER" } else { "REQUIRED" },
        &mut |path, without| {
            left_out.push((path, without));
        },
    );
    left_out
        .into_iter()
        .map(|(path, without)| (path, without.transcode_to::<M>().expect("the same message")))
        .collect()
}

/// Calls `found` with every copy of `message` that lacks one thing marked `behavior`; `below` is the mark that counts
/// in the messages within.
fn leave_out(
    message: &DynamicMessage,
    prefix: &str,
    behavior: &str,
    below: &str,
    found: &mut dyn FnMut(String, DynamicMessage),
) {
    let descriptor = message.descriptor();
    for oneof in descriptor.oneofs().filter(is_required_oneof) {
        let set = oneof.fields().find(|field| message.has_field(field));
        let set = set.unwrap_or_else(|| panic!("the sample leaves out {prefix}{}", oneof.name()));
        let mut without = message.clone();
        without.clear_field(&set);
        found(format!("{prefix}{}", oneof.name()), without);
    }
    for field in descriptor.fields() {
        if behaves(&field, behavior) {
            assert!(message.has_field(&field), "the sample leaves out {prefix}{}", field.name());
            let mut without = message.clone();
            without.clear_field(&field);
            found(format!("{prefix}{}", field.name()), without);
        }
        let Kind::Message(inner) = field.kind() else { continue };
        if inner.package_name() != PACKAGE || !message.has_field(&field) {
            continue;
        }
        match message.get_field(&field).as_ref() {
            Value::Message(value) => {
                let prefix = format!("{prefix}{}.", field.name());
                leave_out(value, &prefix, below, below, &mut |path, without| {
                    let mut whole = message.clone();
                    whole.set_field(&field, Value::Message(without));
                    found(path, whole);
                });
            }
            Value::List(values) => {
                for (index, value) in values.iter().enumerate() {
                    let Value::Message(value) = value else { continue };
                    let prefix = format!("{prefix}{}[{index}].", field.name());
                    leave_out(value, &prefix, below, below, &mut |path, without| {
                        let mut whole = message.clone();
                        let mut values = values.clone();
                        values[index] = Value::Message(without);
                        whole.set_field(&field, Value::List(values));
                        found(path, whole);
                    });
                }
            }
            _ => {}
        }
    }
}

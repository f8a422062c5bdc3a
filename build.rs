//! Compiles the protos, without a protoc on the machine.

use protox::prost_reflect::{DescriptorPool, MessageDescriptor, Value};
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const ROOT: &str = "proto";
const PACKAGE: &str = "bulwark.v1";
/// The public protocol of model servers, of which this service is a client.
const INFERENCE: &str = "inference";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    // The code generator, given a ready descriptor, prints none of these.
    println!("cargo::rerun-if-changed={ROOT}");
    let files = protos(&Path::new(ROOT).join(PACKAGE.replace('.', "/")))?;
    for file in files.iter().chain(&protos(&Path::new(ROOT).join(INFERENCE))?) {
        println!("cargo::rerun-if-changed={}", file.display());
    }

    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_source_info(true).include_imports(true).open_files(&files)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Encoded by the compiler: a set of `prost_types` has lost the custom options.
    fs::write(out.join("bulwark.v1.binpb"), compiler.encode_file_descriptor_set())?;

    generate(&compiler, &out, PACKAGE, true)?;

    // Apart from the contract: reflection does not serve it, and nobody calls this service by it.
    let files = protos(&Path::new(ROOT).join(INFERENCE))?;
    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_source_info(true).open_files(&files)?;
    generate(&compiler, &out, INFERENCE, false)
}

/// The code of a package, and of what of it must not be printed.
fn generate(
    compiler: &protox::Compiler,
    out: &Path,
    package: &str,
    is_served: bool,
) -> Result<(), Box<dyn Error>> {
    let secretive = secretive(&compiler.descriptor_pool(), package);
    let names = secretive.iter().map(|message| format!(".{}", message.full_name()));
    fs::write(out.join(format!("{package}.debug.rs")), debug(&secretive)?)?;
    tonic_prost_build::configure()
        .bytes(format!(".{package}"))
        .build_server(is_served)
        .skip_debug(names.collect::<Vec<_>>())
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// The proto files of a directory, sorted, so that two builds of one tree are equal.
fn protos(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The messages with a field marked `debug_redact`.
fn secretive(pool: &DescriptorPool, package: &str) -> Vec<MessageDescriptor> {
    let redacted = |message: &MessageDescriptor| {
        message.fields().any(|field| {
            field.options().get_field_by_name("debug_redact").as_deref() == Some(&Value::Bool(true))
        })
    };
    pool.all_messages()
        .filter(|message| message.package_name() == package && redacted(message))
        .collect()
}

/// `Debug` of those messages and of their oneofs: the name alone, so that no value reaches a log.
fn debug(messages: &[MessageDescriptor]) -> Result<String, std::fmt::Error> {
    let mut code = String::new();
    for message in messages {
        let name = message.name().to_owned();
        let oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic());
        let types = oneofs.map(|oneof| format!("{}::{}", snake(&name), camel(oneof.name())));
        for path in std::iter::once(name.clone()).chain(types) {
            writeln!(
                code,
                "impl ::core::fmt::Debug for {path} {{\n    \
                 fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{\n        \
                 f.write_str(\"{name}(..)\")\n    }}\n}}"
            )?;
        }
    }
    Ok(code)
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

fn camel(name: &str) -> String {
    name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

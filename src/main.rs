//! Dispatches to the command that was asked for.

use bulwark::io::media::{launcher, worker};
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    // These are not commands for people: they speak only to the service that started them.
    let rest = arguments.get(1..).unwrap_or_default();
    match arguments.first().and_then(|word| word.to_str()) {
        Some("worker") => worker::run(rest.first().is_some_and(|word| word == "probe")),
        Some(launcher::LAUNCH) => launcher::run(rest),
        Some(launcher::PROBE) => launcher::probe(rest),
        _ => bulwark::cli::main(),
    }
}

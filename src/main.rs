//! Dispatches to the command that was asked for.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    // A worker is not a command for people: it speaks only to the service that started it.
    if arguments.next().as_deref() == Some("worker") {
        let probing = arguments.next().as_deref() == Some("probe");
        return bulwark::io::media::worker::run(probing);
    }
    bulwark::cli::main()
}

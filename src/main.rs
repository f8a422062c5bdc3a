//! Dispatches to the command that was asked for.

use std::process::ExitCode;

fn main() -> ExitCode {
    bulwark::cli::main()
}

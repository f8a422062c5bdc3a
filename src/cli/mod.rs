//! The hands: commands for people, speaking gRPC.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; for `screen`: every file was allowed |
//! | 1 | failed, and the text says why; for `demo`: an answer was not what was expected |
//! | 2 | the command line is wrong |
//! | 3 | `screen`: something was answered with more than ALLOW |
//! | 4 | some files or lines could not be examined or taken, and nothing else is worse |
//! | 78 | the settings are wrong |

pub mod fault;
pub mod words;
pub mod explain;
pub mod draw;
pub mod client;
pub mod settings;
pub mod upload;
pub mod walk;
pub mod screen;
pub mod hash;
pub mod file;
pub mod import;
pub mod entry;
pub mod bank;
pub mod learned;
pub mod exchange;
pub mod partner;
pub mod key;
pub mod replicas;
pub mod demo;
pub mod serve;
pub mod backup;
pub mod store;

use clap::{Parser, Subcommand};
use fault::{FAILED, Failure};
use std::process::ExitCode;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "bulwark",
    version,
    about,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until told to stop; an empty data directory is made ready first
    Serve(serve::ServeArgs),
    /// Show the main job with drawn pictures, on a temporary server
    Demo(serve::DemoArgs),
    /// Make the data directory, its keys and the first credential, which is printed once
    Init(serve::InitArgs),
    /// Recompute the whole journal and name whatever is wrong
    Verify(serve::VerifyArgs),
    /// Bring the database to the form that this version needs
    Migrate(serve::MigrateArgs),
    /// Make a backup of a store; a server may use it meanwhile
    Backup(backup::BackupArgs),
    /// Put a backup in place, where there is no store
    Restore(backup::RestoreArgs),
    /// Restore a backup into a temporary folder, verify it, look into it, start it, and remove it again
    Drill(backup::DrillArgs),
    /// Copy databases, and accept what became of them
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Screen files and folders
    Screen(screen::ScreenArgs),
    /// Print every digest and picture hash of files
    Hash(hash::HashArgs),
    /// Make, fill and look at banks
    #[command(subcommand)]
    Bank(bank::BankCommand),
    /// Learn from others
    #[command(subcommand)]
    Exchange(exchange::ExchangeCommand),
    /// Let others learn
    #[command(subcommand)]
    Partner(partner::PartnerCommand),
    /// Make, list and revoke credentials
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Show the processes that share a database
    Replicas(replicas::ReplicasArgs),
    /// Check settings
    #[command(subcommand)]
    Config(settings::ConfigCommand),
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Serve(args) => calling(serve::serve(&args)),
        Command::Demo(args) => calling(serve::show(&args, &mut std::io::stdout())),
        Command::Init(args) => calling(serve::init(&args, &mut std::io::stdout())),
        Command::Verify(args) => calling(serve::verify(&args, &mut std::io::stdout())),
        Command::Migrate(args) => calling(serve::migrate(&args, &mut std::io::stdout())),
        Command::Backup(args) => calling(backup::make(&args, &mut std::io::stdout())),
        Command::Restore(args) => calling(backup::restore(&args, &mut std::io::stdout())),
        Command::Drill(args) => calling(backup::drill(&args, &mut std::io::stdout())),
        Command::Store(command) => calling(store::run(&command, &mut std::io::stdout())),
        Command::Config(command) => settings::run(&command, &mut std::io::stdout()),
        Command::Screen(args) => calling(screen::run(&args, &mut std::io::stdout())),
        Command::Hash(args) => calling(hash::run(&args, &mut std::io::stdout())),
        Command::Bank(command) => calling(bank::run(&command, &mut std::io::stdout())),
        Command::Exchange(command) => calling(exchange::run(&command, &mut std::io::stdout())),
        Command::Partner(command) => calling(partner::run(&command, &mut std::io::stdout())),
        Command::Key(command) => calling(key::run(&command, &mut std::io::stdout())),
        Command::Replicas(args) => calling(replicas::run(&args, &mut std::io::stdout())),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("bulwark: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

/// Runs a command that calls a server, or is one.
fn calling(command: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure { text: format!("cannot start: {error}"), code: FAILED })?;
    let done = runtime.block_on(command);
    // A read of standard input that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn words_of_the_contract_are_read() {
        let read = |line: &str| Cli::try_parse_from(line.split(' '));
        for good in [
            "bulwark screen . --surface direct-message --visibility private --jobs 8 --json",
            "bulwark hash a.jpg --all --timeout 5min --key-file k",
            "bulwark bank create b --band 10=BLOCK --band 31=HOLD --vetted",
            "bulwark bank import b - --type pdq --key k",
            "bulwark key create --role screener --role auditor --environment test",
            "bulwark replicas --sum --json",
            "bulwark bank opinion b e --value negative --disable --confirm-into good --reason r",
            "bulwark bank opinion b e --withdraw",
            "bulwark bank release b e --reason r",
            "bulwark partner put p --credential c --purpose t --share b",
            "bulwark exchange create e --into b --address https://x.example:1 --partner-key-file k --partner us --bank theirs --origin o --public-key 00",
            "bulwark config check --set limits.connections=5",
            "bulwark store copy bulwark-data/bulwark.db postgres://u@h/b",
            "bulwark backup d --passphrase-file p",
            "bulwark restore d --passphrase-file p --store postgres://u@h/b --witness w",
            "bulwark restore d --passphrase-file p --accept-rollback r --approved-by a --approved-by b",
            "bulwark drill d --passphrase-file p",
            "bulwark store accept-rollback r --approved-by a --approved-by b",
        ] {
            assert!(read(good).is_ok(), "{good}: {:?}", read(good).err());
        }
        for bad in [
            "bulwark screen",
            "bulwark screen . --surface street",
            "bulwark screen . --jobs 0",
            "bulwark bank create b --band 10=MAYBE",
            "bulwark key create --role king --environment test",
            "bulwark key create --role admin",
            "bulwark backup d",
            "bulwark bank opinion b e",
            "bulwark bank opinion b e --value negative --withdraw",
            "bulwark partner put p --credential c --purpose t --take b",
            "bulwark restore d --passphrase-file p --accept-rollback r",
            "bulwark restore d --passphrase-file p --approved-by a",
        ] {
            assert_eq!(read(bad).err().map(|error| error.exit_code()), Some(2), "{bad}");
        }
    }

    #[test]
    fn a_key_is_never_printed_by_debug() {
        let cli =
            Cli::try_parse_from(["bulwark", "screen", ".", "--key", "swordfish"]).expect("good");
        assert!(!format!("{cli:?}").contains("swordfish"));
    }
}

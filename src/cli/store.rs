//! Commands that work on databases as they are.

use super::backup::{AcceptArgs, accept};
use super::fault::{DONE, FAILED, Failure};
use super::screen::bar;
use super::settings::SettingsArgs;
use crate::config::value::Value as _;
use crate::config::{Secret, store_address};
use crate::io::clock::Clock;
use crate::io::store::{self, Server, Settings};
use crate::server::whole::{existing_keys, store_settings};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What to do with databases.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum StoreCommand {
    /// Copy a store, which no server may use meanwhile, into a database that holds none, and verify the copy
    Copy(CopyArgs),
    /// Take a database that was set back as it is, which no server may use meanwhile, and record why and by whose approval
    AcceptRollback(AcceptArgs),
}

/// Copy a store.
#[derive(Debug, Clone, clap::Args)]
pub struct CopyArgs {
    /// Where it is: the file of an SQLite database, or postgres://user@host/database
    #[arg(value_parser = Secret::read)]
    pub from: Secret,
    /// Where it is to be, said in the same way
    #[arg(value_parser = Secret::read)]
    pub to: Secret,
    /// Where settings come from: the key ring of data_dir, store.password_file, and times
    #[command(flatten)]
    pub settings: SettingsArgs,
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure { text: error.to_string(), code: FAILED }
}

/// The database that an argument names.
fn place(text: &Secret, usual: &Settings) -> Result<Settings, Failure> {
    if !text.reveal().contains("://") {
        let database = PathBuf::from(text.reveal());
        return Ok(Settings { database, server: None, ..usual.clone() });
    }
    store_address(text.reveal())
        .map_err(|must| failed(format!("the address of a database {must}")))?;
    let server = usual.server.clone().unwrap_or_else(|| Server::at(text.clone()));
    let server = Server { url: text.clone(), replica_url: None, ..server };
    Ok(Settings { server: Some(server), ..usual.clone() })
}

/// Does it.
///
/// # Errors
/// A store that cannot be read, a target that holds one already, a copy that is not the same; nothing to accept.
pub async fn run(command: &StoreCommand, out: &mut (dyn Write + Send)) -> Result<u8, Failure> {
    match command {
        StoreCommand::Copy(args) => copy(args, out).await,
        StoreCommand::AcceptRollback(args) => accept(args, out).await,
    }
}

async fn copy(args: &CopyArgs, out: &mut (dyn Write + Send)) -> Result<u8, Failure> {
    let settings = args.settings.load()?;
    let keys = existing_keys(&settings.general.data_dir, &Clock::system())?;
    let mut usual = store_settings(&settings);
    if let (None, Some(file)) = (&usual.server, &settings.store.password_file) {
        let file = Some(file.clone());
        usual.server = Some(Server { password_file: file, ..Server::at(args.to.clone()) });
    }
    let (from, to) = (place(&args.from, &usual)?, place(&args.to, &usual)?);
    let bar = bar(0);
    let began = Instant::now();
    let copied = store::copy(&from, &to, &keys, |progress| {
        bar.set_length(progress.of);
        bar.set_position(progress.rows);
    });
    let copied = copied.await.map_err(failed);
    bar.finish_and_clear();
    let copied = copied?;
    let took = began.elapsed();
    let rows: u64 = copied.rows.iter().map(|(_, count)| count).sum();
    let rate = rows as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE);
    for (table, count) in &copied.rows {
        writeln!(out, "{table:>12} {count:>12}")?;
    }
    writeln!(
        out,
        "{rows} rows in {:.1} s, {rate:.0} rows a second\n{} events, root {}",
        took.as_secs_f64(),
        copied.events,
        hex::encode(copied.root)
    )?;
    let report = store::verify(&to, &keys, Duration::ZERO).await.map_err(failed)?;
    for fault in &report.faults {
        writeln!(out, "  {}: {}", fault.place, fault.what)?;
    }
    let good = report.is_good() && report.events == copied.events;
    writeln!(out, "{}", if good { "the copy is verified" } else { "the copy has FAULTS" })?;
    Ok(if good { DONE } else { FAILED })
}

//! Commands that keep a store against loss: backup, restore, drill.

use super::fault::{DONE, FAILED, Failure};
use super::screen::bar;
use super::settings::SettingsArgs;
use crate::core::restored::Approval;
use crate::core::time::Time;
use crate::io::clock::Clock;
use crate::io::seal::Phrase;
use crate::io::store::backup::{self, BackupError, Manifest, Wanted};
use crate::io::store::{Progress, StoreError};
use crate::server::whole::{existing_keys, key_ring_path, store_settings};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where a backup is, and what opens its keys.
#[derive(Debug, Clone, clap::Args)]
pub struct PlaceArgs {
    /// Folder of the backup
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// File with the pass phrase that the backup's keys are under, of at least twelve bytes
    #[arg(long, value_name = "FILE", env = "BULWARK_PASSPHRASE_FILE")]
    pub passphrase_file: PathBuf,
}

/// Make a backup of a store; a server may use it meanwhile
#[derive(Debug, Clone, clap::Args)]
pub struct BackupArgs {
    /// Where to, which must be empty or not there yet
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Where settings come from: the data directory, and where the database is
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Put a backup in place, where there is no store
#[derive(Debug, Clone, clap::Args)]
pub struct RestoreArgs {
    /// Where from
    #[command(flatten)]
    pub place: PlaceArgs,
    /// A checkpoint kept elsewhere, which the backup must reach: the file bulwark.witness of the lost data directory, or the
    /// checkpoint of any receipt
    #[arg(long, value_name = "FILE")]
    pub witness: Option<PathBuf>,
    /// Give up what was kept after the backup, and why; takes two who approve
    #[arg(long, value_name = "REASON", requires = "approved_by")]
    pub accept_rollback: Option<String>,
    /// Who approves that; twice, with different names
    #[arg(long, value_name = "NAME", requires = "accept_rollback")]
    pub approved_by: Vec<String>,
    /// Where settings come from: the data directory, and where the database is to be
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Restore a backup into a temporary folder, verify it, look into it, start it, and remove it again
#[derive(Debug, Clone, clap::Args)]
pub struct DrillArgs {
    /// Which backup
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Where the temporary folder is made; it needs as much room as the backup
    #[arg(long, value_name = "DIR")]
    pub within: Option<PathBuf>,
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure { text: error.to_string(), code: FAILED }
}

/// What was refused, with what can be done about it.
fn refused(error: BackupError) -> Failure {
    match error {
        BackupError::Store(StoreError::Rollback(set_back)) => failed(format!(
            "this backup is a rollback: {} events with root {} were seen, and it does not go on from them: it holds {} \
             with root {}. Take a later backup, or give up what came after it with --accept-rollback REASON \
             --approved-by NAME --approved-by NAME, which is recorded in the journal",
            set_back.seen,
            hex::encode(set_back.seen_root),
            set_back.found,
            hex::encode(set_back.found_root)
        )),
        error => failed(error),
    }
}

/// A span of time as people say it.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn rows(manifest: &Manifest) -> u64 {
    manifest.rows.values().sum()
}

fn bytes(manifest: &Manifest) -> u64 {
    manifest.parts.iter().map(|part| part.bytes).sum()
}

fn told(manifest: &Manifest, now: Time) -> String {
    format!(
        "{} events, root {}\nmade {} ago by version {}, {} rows",
        manifest.number,
        hex::encode(manifest.root),
        span(now.since(manifest.made)),
        manifest.program,
        rows(manifest),
    )
}

/// Makes a backup.
///
/// # Errors
/// A store that cannot be read, a folder that is not empty, or a copy that is not what was written.
pub async fn make(args: &BackupArgs, out: &mut (dyn Write + Send)) -> Result<u8, Failure> {
    let settings = args.settings.load()?;
    let phrase = Phrase::read(&args.place.passphrase_file).map_err(failed)?;
    let clock = Clock::system();
    let keys = existing_keys(&settings.general.data_dir, &clock)?;
    let store = store_settings(&settings);
    let began = clock.now();
    let bar = bar(0);
    let made = backup::backup(&store, &keys, &clock, (&args.place.folder, &phrase), |progress| {
        follow(&bar, progress);
    });
    let made = made.await.map_err(refused);
    bar.finish_and_clear();
    let made = made?;
    writeln!(
        out,
        "{} events, root {}\n{} rows, {} bytes, verified, in {}",
        made.number,
        hex::encode(made.root),
        rows(&made),
        bytes(&made),
        span(clock.now().since(began))
    )?;
    Ok(DONE)
}

fn follow(bar: &indicatif::ProgressBar, progress: Progress) {
    bar.set_length(progress.of);
    bar.set_position(progress.rows);
}

/// Puts a backup in place.
///
/// # Errors
/// A backup that is not whole, a place that is not empty, a rollback that was not approved.
pub async fn restore(args: &RestoreArgs, out: &mut (dyn Write + Send)) -> Result<u8, Failure> {
    let settings = args.settings.load()?;
    let phrase = Phrase::read(&args.place.passphrase_file).map_err(failed)?;
    let approval = match &args.accept_rollback {
        Some(reason) => Some(Approval::read(reason, &args.approved_by).map_err(failed)?),
        None => None,
    };
    let (clock, store) = (Clock::system(), store_settings(&settings));
    let wanted = Wanted {
        from: &args.place.folder,
        phrase: &phrase,
        to: &store,
        key_ring: &key_ring_path(&settings.general.data_dir),
        seen: args.witness.as_deref(),
        approval,
    };
    let bar = bar(0);
    let restored = backup::restore(&wanted, &clock, |progress| follow(&bar, progress)).await;
    bar.finish_and_clear();
    let restored = restored.map_err(refused)?;
    writeln!(out, "{}", told(&restored.manifest, clock.now()))?;
    if restored.completed {
        writeln!(out, "a restore that had been broken off at its end was completed")?;
    } else if let Some(given_up) = &restored.given_up {
        writeln!(
            out,
            "given up, and recorded: {} events with root {} had been seen",
            given_up.seen,
            hex::encode(given_up.seen_root)
        )?;
    } else if let Some(seen) = restored.seen {
        writeln!(out, "it goes on from all that was seen here: {seen} events")?;
    } else {
        writeln!(
            out,
            "nothing here tells of a later state: whatever was kept after the backup was made is not in it; if a \
             checkpoint was kept elsewhere, give it with --witness"
        )?;
    }
    writeln!(
        out,
        "in place and verified: {} events, root {}",
        restored.number,
        hex::encode(restored.root)
    )?;
    Ok(DONE)
}

/// Tries whether a backup could be restored.
///
/// # Errors
/// It could not.
pub async fn drill(args: &DrillArgs, out: &mut (dyn Write + Send)) -> Result<u8, Failure> {
    let phrase = Phrase::read(&args.place.passphrase_file).map_err(failed)?;
    let clock = Clock::system();
    let within = args.within.clone().unwrap_or_else(std::env::temp_dir);
    let folder = within.join(format!("bulwark-drill-{}", clock.fresh_id()));
    std::fs::DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
    let drilled = backup::drill(&args.place.folder, &phrase, &clock, &folder).await;
    std::fs::remove_dir_all(&folder).map_err(failed)?;
    let drilled = drilled.map_err(refused)?;
    writeln!(
        out,
        "{}\nverified after {:.1} s; {} receipts proved, {} signals found, {} banks counted; started and closed after \
         {:.1} s, with {} events more\nthis backup can be restored",
        told(&drilled.manifest, clock.now()),
        drilled.verified.as_secs_f64(),
        drilled.receipts,
        drilled.signals,
        drilled.banks,
        drilled.took.as_secs_f64(),
        drilled.added
    )?;
    Ok(DONE)
}

/// Takes a database that was set back as it is.
#[derive(Debug, Clone, clap::Args)]
pub struct AcceptArgs {
    /// Why what had been kept is given up
    pub reason: String,
    /// Who approves that; twice, with different names
    #[arg(long, value_name = "NAME", required = true)]
    pub approved_by: Vec<String>,
    /// Where settings come from: the data directory, and where the database is
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Does it.
///
/// # Errors
/// A database that was not set back, or approvals that are not those of two people.
pub async fn accept(args: &AcceptArgs, out: &mut (dyn Write + Send)) -> Result<u8, Failure> {
    let settings = args.settings.load()?;
    let approval = Approval::read(&args.reason, &args.approved_by).map_err(failed)?;
    let clock = Clock::system();
    let keys = Arc::new(existing_keys(&settings.general.data_dir, &clock)?);
    let store = store_settings(&settings);
    let given_up =
        backup::accept_rollback(&store, &keys, &clock, approval).await.map_err(failed)?;
    writeln!(
        out,
        "given up, and recorded: {} events with root {} had been seen; the database goes on from {} with root {}",
        given_up.seen,
        hex::encode(given_up.seen_root),
        given_up.found,
        hex::encode(given_up.found_root)
    )?;
    Ok(DONE)
}

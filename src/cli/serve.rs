//! Commands that work on this machine's own data: serve, init, verify, migrate, and the demo's server.

use super::demo;
use super::fault::{DONE, FAILED, Failure};
use super::settings::SettingsArgs;
use crate::config::value::Value as _;
use crate::config::{Secret, Settings};
use crate::io::clock::Clock;
use crate::io::store::{self, Fault, Store};
use crate::server::telemetry;
use crate::server::whole::{
    StartError, Whole, existing_keys, key_ring_path, make_admin, open_keys, store_settings,
};
use serde_json::json;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serve until told to stop; an empty data directory is made ready first
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Where settings come from
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Show the main job with drawn pictures, on a temporary server
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// Leave the server running afterwards, until interrupted
    #[arg(long)]
    pub keep: bool,
}

/// Make the data directory, its keys and the first credential, which is printed once
#[derive(Debug, Clone, clap::Args)]
pub struct InitArgs {
    /// Where settings come from
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Make one more ADMIN credential where there is one already, for when its key was lost
    #[arg(long)]
    pub another_key: bool,
}

/// Recompute the whole journal and name whatever is wrong
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyArgs {
    /// Where settings come from
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// The result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Bring the database to the form that this version needs
#[derive(Debug, Clone, clap::Args)]
pub struct MigrateArgs {
    /// Where settings come from
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Said before a key that cannot be shown again.
const WARN_FIRST_KEY: &str = "the first ADMIN key of this data directory, shown only now:";

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        failed(error)
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure { text: error.to_string(), code: FAILED }
}

/// The program that examines media: this one, by a path that stays good when the file is replaced.
fn this_program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| failed(format!("{address}: {error}")))
}

/// Stops at the first interrupt or request to end.
fn stop_on_signal() -> Result<CancellationToken, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let told = stop.clone();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        told.cancel();
    });
    Ok(stop)
}

/// Serves until told to stop.
///
/// # Errors
/// Wrong settings; data that cannot be used; an address that is taken.
pub async fn serve(args: &ServeArgs) -> Result<u8, Failure> {
    let settings = args.settings.load()?;
    crate::server::install_crypto();
    crate::server::raise_descriptor_limit();
    let telemetry = telemetry::install(&settings.log, &settings.otlp).map_err(failed)?;
    let mut listeners = Vec::new();
    for address in &settings.general.listen {
        listeners.push(bind(*address).await?);
    }
    let metrics = match settings.general.metrics_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let mut whole = Whole::open(settings, this_program()).await?;
    if let Some(key) = whole.first_key.take() {
        eprintln!("{WARN_FIRST_KEY}\n{}", key.as_str());
    }
    // Before it is said that it serves: whoever reads that may ask it to stop.
    let stop = stop_on_signal()?;
    for listener in &listeners {
        tracing::info!(address = %listener.local_addr().map_err(failed)?, "serving");
    }
    let stopped = whole.serve(listeners, metrics, stop).await?;
    tracing::info!(connections_cut = stopped.connections_cut, "stopped");
    tokio::task::spawn_blocking(move || telemetry.finish()).await.map_err(failed)?;
    Ok(DONE)
}

/// Makes a data directory, its keys and the first credential.
///
/// # Errors
/// Data that cannot be used, or that are there already.
pub async fn init(args: &InitArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let settings = args.settings.load()?;
    let folder = &settings.general.data_dir;
    let exists = key_ring_path(folder).exists();
    if exists && !args.another_key {
        let text = format!(
            "{} is made already; --another-key makes one more ADMIN credential",
            folder.display()
        );
        return Err(failed(text));
    }
    let clock = Clock::system();
    let keys = Arc::new(open_keys(&settings, &clock).await?);
    let store = Store::open(store_settings(&settings), keys, clock).await.map_err(failed)?;
    let key = make_admin(&store).await?;
    store.close().await.map_err(failed)?;
    writeln!(out, "{WARN_FIRST_KEY}\n{}", key.as_str())?;
    Ok(DONE)
}

/// Recomputes everything, by reading only: a server may run meanwhile.
///
/// # Errors
/// Data that are not there; a fault in them is an answer, with exit code 1.
pub async fn verify(args: &VerifyArgs, out: &mut (dyn Write + Send)) -> Result<u8, Failure> {
    let settings = args.settings.load()?;
    let keys = existing_keys(&settings.general.data_dir, &Clock::system())?;
    let pause = Duration::ZERO;
    let settings = store_settings(&settings);
    let mut report = store::verify(&settings, &keys, pause).await.map_err(failed)?;
    let witness = match store::set_back(&settings, &keys).await {
        Ok(set_back) => set_back.map(|set_back| set_back.to_string()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(what) = witness {
        report.faults.push(Fault { place: "witness".to_owned(), what });
        report.faults_count += 1;
    }
    if args.json {
        let faults: Vec<_> = report
            .faults
            .iter()
            .map(|fault| json!({ "place": fault.place, "what": fault.what }))
            .collect();
        let found = json!({
            "good": report.is_good(), "events": report.events, "erased": report.erased,
            "checkpoints": report.checkpoints, "rows": report.rows,
            "faults_count": report.faults_count, "faults": faults,
        });
        writeln!(out, "{found}")?;
    } else {
        writeln!(
            out,
            "{} events ({} erased), {} checkpoints, {} rows: {}",
            report.events,
            report.erased,
            report.checkpoints,
            report.rows,
            if report.is_good() { "all as it was written" } else { "FAULTS" }
        )?;
        for fault in &report.faults {
            writeln!(out, "  {}: {}", fault.place, fault.what)?;
        }
        if report.faults_count > report.faults.len() as u64 {
            writeln!(out, "  {} faults in all", report.faults_count)?;
        }
    }
    Ok(if report.is_good() { DONE } else { FAILED })
}

/// Brings the database to the form that this version needs.
///
/// # Errors
/// Data that cannot be used, or that a server is using.
pub async fn migrate(args: &MigrateArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let settings = args.settings.load()?;
    let keys = open_keys(&settings, &Clock::system()).await?;
    Store::migrate(&store_settings(&settings), &keys).await.map_err(failed)?;
    writeln!(out, "the database has the form that this version needs")?;
    Ok(DONE)
}

/// Shows the main job on a server of its own, in a temporary directory and on a port of its own.
///
/// # Errors
/// A server that does not start, or a call that fails.
pub async fn show(args: &DemoArgs, out: &mut (dyn Write + Send)) -> Result<u8, Failure> {
    crate::server::install_crypto();
    let folder = demo_folder()?;
    let mut settings = Settings::default();
    settings.general.data_dir = folder.join("data");
    settings.general.metrics_listen = None;
    let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let address = listener.local_addr().map_err(failed)?;
    let mut whole = Whole::open(settings, this_program()).await?;
    let key = whole.first_key.take().ok_or_else(|| failed("the demo's data are not fresh"))?;
    let stop = CancellationToken::new();
    let serving = tokio::spawn(whole.serve(vec![listener], None, stop.clone()));
    let server = format!("http://{address}");
    let secret = Secret::read(key.as_str()).map_err(failed)?;
    let shown = demo::show(&server, &secret, out).await;
    if args.keep && shown.is_ok() {
        writeln!(out, "\nthe server goes on at {server}; its ADMIN key is\n{}", key.as_str())?;
        writeln!(out, "interrupt to end it")?;
        stop_on_signal()?.cancelled().await;
    }
    stop.cancel();
    serving.await.map_err(failed)??;
    std::fs::remove_dir_all(&folder).map_err(failed)?;
    Ok(if shown? { DONE } else { FAILED })
}

/// A fresh directory that only this user can look into.
fn demo_folder() -> Result<PathBuf, Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    let name = format!("bulwark-demo-{}", Clock::system().fresh_id());
    let folder = std::env::temp_dir().join(name);
    std::fs::DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
    Ok(folder)
}

//! The building: sockets, TLS, who is calling, limits, deadlines, health, reflection, metrics, shutdown.
//!
//! [`run`] serves on listeners that it is given until it is told to stop, and then for a grace
//! period. Nothing here is global, so that a test can run as many servers as it likes.

pub mod rpc_table;
pub mod metrics;
pub mod health;
pub mod telemetry;
pub mod tls;
pub mod identity;
pub mod admission;
pub mod guard;
mod watch;
mod fields;
mod body;
mod gate;
#[cfg(feature = "grpc-web")]
mod web;
mod connection;
mod monitor;
mod kept;
mod guarded;
mod streamed;
mod scored;
mod consulted;
mod outfit;
pub mod whole;

pub use health::{Part, Readiness};
pub use identity::Credentials;
pub use metrics::{Ending, Metrics};
pub use tls::{TlsError, install_crypto};

use crate::config::Settings;
use crate::core::access::Proof;
use crate::core::time::Time;
use crate::services::call::ByteBudget;
use admission::Slots;
use connection::Lobby;
use gate::Gate;
use monitor::Monitor;
use std::sync::Arc;
use std::time::Duration;
use tls::Certificates;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

/// Descriptors that are not for connections: database, workers, log, listeners.
const DESCRIPTOR_RESERVE: u64 = 128;
/// Time to wait where the machine has no descriptor left.
const BREATH: Duration = Duration::from_millis(50);
/// Time between two log lines about failures to accept.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);
/// Time for connections to end once they are cut off.
const CUT_WITHIN: Duration = Duration::from_secs(1);

/// What a server is put together from.
pub struct Parts {
    /// All settings; the server reads `general`, `tls`, `limits` and `grpc_web`.
    pub settings: Arc<Settings>,
    /// Where callers are looked up.
    pub credentials: Arc<dyn Credentials>,
    /// What the key of processes that keep other shards proves itself by.
    pub shards: Proof,
    /// What time it is, for credentials that end.
    pub now: Arc<dyn Fn() -> Time + Send + Sync>,
    /// The services. Health and reflection are added here.
    pub routes: Routes,
    /// Encoded descriptor sets of the services, for reflection.
    pub descriptors: Vec<&'static [u8]>,
    /// The health of the process.
    pub readiness: Readiness,
    /// Where calls are counted.
    pub metrics: Arc<Metrics>,
    /// Where `/metrics` is served, if anywhere.
    pub metrics_listener: Option<TcpListener>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The descriptor sets cannot be used.
    #[error("reflection cannot be served: {0}")]
    Reflection(String),
}

/// How a server stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that had not finished in time and were cut off.
    pub connections_cut: u64,
}

/// Serves on `listeners` until `stop`, then lets calls finish for `drain_time_max`.
///
/// On a stop, readiness ends first, and calls are taken for `drain_notice` as before. Then no connection is accepted and
/// every connection is told to go away; what callers had sent before they could know is answered. What has not finished
/// is cut off.
///
/// # Errors
/// [`ServeError`] before anything is served. Nothing that callers do ends the server.
pub async fn run(
    parts: Parts,
    listeners: Vec<TcpListener>,
    stop: CancellationToken,
) -> Result<Stopped, ServeError> {
    let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
    let Parts {
        settings,
        credentials,
        shards,
        now,
        routes,
        descriptors,
        readiness,
        metrics,
        metrics_listener,
    } = parts;
    let budget = ByteBudget::new(settings.limits.in_flight_bytes.0);
    let routes = with_own_services(routes, &descriptors, &readiness)?;
    let http1 = !settings.grpc_web.origins.is_empty();
    let certificates = Certificates::load(&settings.tls, http1)?;
    let gate = Arc::new(Gate {
        limits: settings.limits.clone(),
        reflection_open: settings.general.reflection_open,
        slots: Arc::new(Slots::new(settings.limits.in_flight_calls)),
        budget: budget.clone(),
        credentials,
        shards,
        now,
        metrics: Arc::clone(&metrics),
        routes,
        draining: draining.clone(),
    });
    let lobby = Arc::new(Lobby {
        builder: connection::builder(&settings, http1),
        gate,
        metrics: Arc::clone(&metrics),
        certificates: certificates.clone(),
        #[cfg(feature = "grpc-web")]
        web: web::Web::new(&settings.grpc_web).map(Arc::new),
        draining: draining.clone(),
        cut: cut.clone(),
        settings: Arc::clone(&settings),
    });

    let background = CancellationToken::new();
    let _ends_background = background.clone().drop_guard();
    let watch_certificates =
        certificates.map(|certificates| async move { certificates.follow().await });
    spawn_until(&background, watch_certificates);
    let monitor = Monitor { metrics: Arc::clone(&metrics), readiness: readiness.clone(), budget };
    spawn_until(&background, metrics_listener.map(|listener| monitor.serve(listener)));

    let places = Arc::new(Semaphore::new(connections_max(&settings)));
    let (connections, accepting) = (TaskTracker::new(), TaskTracker::new());
    for listener in listeners {
        let accept = accept(listener, Arc::clone(&lobby), Arc::clone(&places), connections.clone());
        let draining = draining.clone();
        accepting.spawn(async move {
            tokio::select! {
                () = draining.cancelled() => {}
                () = accept => {}
            }
        });
    }

    stop.cancelled().await;
    tracing::info!("stopping: calls in flight may finish");
    readiness.drain().await;
    tokio::time::sleep(settings.general.drain_notice).await;
    draining.cancel();
    accepting.close();
    accepting.wait().await;
    connections.close();
    let cut_before = metrics.endings(Ending::Cut);
    if tokio::time::timeout(settings.general.drain_time_max, connections.wait()).await.is_err() {
        cut.cancel();
        let _ = tokio::time::timeout(CUT_WITHIN, connections.wait()).await;
    }
    let connections_cut = metrics.endings(Ending::Cut) - cut_before;
    tracing::info!(connections_cut, "stopped");
    Ok(Stopped { connections_cut })
}

fn with_own_services(
    routes: Routes,
    descriptors: &[&'static [u8]],
    readiness: &Readiness,
) -> Result<Routes, ServeError> {
    let failed = |error: tonic_reflection::server::Error| ServeError::Reflection(error.to_string());
    let reflection = || {
        descriptors.iter().fold(
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET),
            |builder, set| builder.register_encoded_file_descriptor_set(set),
        )
    };
    Ok(routes
        .add_service(readiness.service())
        .add_service(reflection().build_v1().map_err(failed)?)
        .add_service(reflection().build_v1alpha().map_err(failed)?)
        .prepare())
}

fn spawn_until<F>(end: &CancellationToken, task: Option<F>)
where
    F: Future<Output = ()> + Send + 'static,
{
    if let Some(task) = task {
        let end = end.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = task => {}
            }
        });
    }
}

/// Raises the process's limit of descriptors as far as it may be raised. To be called once at the start.
pub fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of descriptors stays as it is");
    }
}

/// As many connections as are allowed, and as the process has descriptors for.
fn connections_max(settings: &Settings) -> usize {
    let asked = u64::from(settings.limits.connections);
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let possible =
        descriptors.map_or(asked, |limit| limit.saturating_sub(DESCRIPTOR_RESERVE).max(1));
    if possible < asked {
        tracing::warn!(
            asked,
            possible,
            "fewer connections than asked for: the limit of descriptors is too low"
        );
    }
    usize::try_from(asked.min(possible)).unwrap_or(Semaphore::MAX_PERMITS)
}

/// Accepts without end: no failure of one connection, or of all of them for a time, ends it.
async fn accept(
    listener: TcpListener,
    lobby: Arc<Lobby>,
    places: Arc<Semaphore>,
    connections: TaskTracker,
) {
    let mut complained: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => {
                    let lobby = Arc::clone(&lobby);
                    connections.spawn(async move {
                        connection::serve(stream, lobby).await;
                        drop(place);
                    });
                }
                // Closed at once: a refusal in words would cost what is missing.
                Err(_) => lobby.metrics.connection_refused(),
            },
            Err(error) => {
                if complained.is_none_or(|at| at.elapsed() > COMPLAINT_INTERVAL) {
                    complained = Some(Instant::now());
                    tracing::warn!(%error, "connections cannot be accepted");
                }
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

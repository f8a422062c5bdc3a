//! The whole service, put together from its settings: keys, store, workers, services.

use crate::config::{self, Settings, TlsMode, TlsSettings};
use crate::core::access::{Credential, Environment, Role, Scope, Tenant};
use crate::core::administration::{NewCredential, OPERATOR, create_credential, create_tenant};
use crate::core::event::Event;
use crate::core::id::{CredentialId, TenantId};
use crate::core::key::{KeyText, SECRET_BYTES};
use crate::core::refused::{Refused, Thing};
use crate::io::clock::Clock;
use crate::io::evidence::Evidence;
use crate::io::media::Examiner;
use crate::io::models::{Models, ModelsError};
use crate::io::objects::Place;
use crate::io::seal::{KeyRing, RingError};
use crate::io::shards::{self, Shards, ShardsError};
use crate::io::store::backup::{Keeper, NotBegun};
use crate::io::store::{self, KeepError, Store, StoreError, Tx};
use crate::io::web::Web;
use crate::proto;
use crate::proto::v1::admin_service_server::AdminServiceServer;
use crate::proto::v1::bank_service_server::BankServiceServer;
use crate::proto::v1::exchange_service_server::ExchangeServiceServer;
use crate::proto::v1::live_service_server::LiveServiceServer;
use crate::proto::v1::screening_service_server::ScreeningServiceServer;
use crate::proto::v1::shard_service_server::ShardServiceServer;
use crate::server::consulted::Consulted;
use crate::server::guarded::Guarded;
use crate::server::kept::Kept;
use crate::server::outfit::{media_settings, web_settings};
use crate::server::scored::Scored;
use crate::server::streamed::Streamed;
use crate::server::{Metrics, Part, Parts, Readiness, ServeError, Stopped, run};
use crate::services::admin::Admin;
use crate::services::bank::Banks;
use crate::services::desk::{Desk, Limits};
use crate::services::exchange::Exchanges;
use crate::services::guards::Guards;
use crate::services::live::Live;
use crate::services::matchers::Matchers;
use crate::services::screening::Screening;
use crate::services::shard::ShardRoom;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use zeroize::Zeroizing;

/// Services whose health is told by name.
const SERVICES: [&str; 6] = [
    "bulwark.v1.ScreeningService",
    "bulwark.v1.LiveService",
    "bulwark.v1.BankService",
    "bulwark.v1.ExchangeService",
    "bulwark.v1.AdminService",
    "bulwark.v1.ShardService",
];
/// Time between two looks at the parts' health.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error("the data directory {0} cannot be used: {1}")]
    Directory(PathBuf, std::io::Error),
    /// The keys cannot be used.
    #[error("the key ring {0} cannot be used: {1}")]
    Keys(PathBuf, RingError),
    /// There is a database but no key ring: what is sealed could not be read.
    #[error("there is a database but no key ring in {0}: restore keys.json from its backup")]
    KeysMissing(PathBuf),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The first credential cannot be made.
    #[error("the first credential cannot be made")]
    FirstCredential,
    /// Backups could not be made.
    #[error("backups could not be made: {0}")]
    Backups(#[from] NotBegun),
    /// The processes of other shards cannot be asked.
    #[error(transparent)]
    Shards(#[from] ShardsError),
    /// The file of detectors is none.
    #[error(transparent)]
    Detectors(#[from] config::Mistakes),
    /// Models outside cannot be asked.
    #[error(transparent)]
    Models(#[from] ModelsError),
    /// The server does not start.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Where the key ring of a data directory lies.
#[must_use]
pub fn key_ring_path(folder: &Path) -> PathBuf {
    folder.join("keys.json")
}

/// The store's settings, from all settings.
#[must_use]
pub fn store_settings(settings: &Settings) -> store::Settings {
    let from = &settings.store;
    let server = from.url.clone().map(|url| store::Server {
        url,
        replica_url: from.replica_url.clone(),
        password_file: from.password_file.clone(),
        connect_time_max: from.connect_time_max,
        statement_time_max: from.statement_time_max,
        lock_time_max: from.lock_time_max,
    });
    store::Settings {
        title: title(settings),
        shard: settings.shard.own,
        address: settings.shard.address.clone().unwrap_or_default(),
        server,
        spool_bytes_max: from.spool_bytes_max.0,
        group_max: from.group_size_max as usize,
        waiting_max: from.waiting_max as usize,
        readers: from.readers,
        cache_bytes_max: from.cache_bytes_max.0,
        keep_wait_max: from.keep_wait_max,
        flush_every: settings.counters.flush_interval,
        snapshot_changes: from.snapshot_changes,
        snapshot_pause: from.snapshot_pause,
        snapshot_place: from.snapshot_url.clone().map(|at| Place {
            endpoint: from.snapshot_endpoint.clone(),
            region: from.snapshot_region.clone(),
            access_key_id: from.snapshot_access_key_id.clone(),
            secret_access_key_file: from.snapshot_secret_access_key_file.clone(),
            bytes_max: from.snapshot_bytes_max.0,
            ..Place::at(at)
        }),
        snapshot_fetch_time_max: from.snapshot_fetch_time_max,
        lookback_memory_bytes_max: settings.lookback.memory_bytes_max.0,
        lookback_waiting_bytes_max: settings.lookback.waiting_bytes_max.0,
        ..store::Settings::in_folder(&settings.general.data_dir)
    }
}

/// What people call this process.
fn title(settings: &Settings) -> String {
    let general = &settings.general;
    if let Some(title) = &general.title {
        return title.clone();
    }
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    general.listen.first().map_or(host.to_string(), |address| format!("{host} {address}"))
}

/// The models outside. One that reads what no rpc takes is never asked; who set it up should know.
fn models(settings: &Settings, clock: &Clock) -> Result<Models, StartError> {
    let file = settings.general.models.as_deref();
    let settings = file.map(config::load_models).transpose()?.unwrap_or_default();
    for detector in &settings.detectors {
        if !detector.input.kind().is_media() {
            tracing::warn!(detector = %detector.id, "no rpc takes what this model reads: it is never asked");
        }
    }
    Ok(Models::start(&settings, clock)?)
}

/// Certificate and key that this process shows others of its kind: its own, where callers must show theirs.
fn identity(tls: &TlsSettings) -> Option<(&Path, &Path)> {
    let is_shown = tls.mode == TlsMode::Mtls;
    tls.certificate.as_deref().zip(tls.key.as_deref()).filter(|_| is_shown)
}

/// Opens the keys of a data directory, and makes directory and keys where there is nothing yet.
///
/// # Errors
/// [`StartError`]; a database without its keys is never started anew.
pub async fn open_keys(settings: &Settings, clock: &Clock) -> Result<KeyRing, StartError> {
    let folder = &settings.general.data_dir;
    let refused = |error| StartError::Directory(folder.to_owned(), error);
    let path = key_ring_path(folder);
    if !path.exists() {
        Store::check_not_restoring(&store_settings(settings))?;
        if Store::exists(&store_settings(settings)).await? {
            return Err(StartError::KeysMissing(folder.to_owned()));
        }
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(refused)?;
    let ring =
        if path.exists() { KeyRing::load(&path, clock) } else { KeyRing::create(&path, clock) };
    ring.map_err(|error| StartError::Keys(path, error))
}

/// The keys of a data directory that must be there already.
///
/// # Errors
/// [`StartError::Keys`].
pub fn existing_keys(folder: &Path, clock: &Clock) -> Result<KeyRing, StartError> {
    let path = key_ring_path(folder);
    KeyRing::load(&path, clock).map_err(|error| StartError::Keys(path, error))
}

/// The operator's scope.
fn operator() -> Option<Scope> {
    let tenant = TenantId::parse(OPERATOR).ok()?;
    Some(Scope { tenant, environment: Environment::Production })
}

/// Makes an ADMIN credential of the operator, and the operator where there is none; gives the key, which is kept
/// nowhere.
///
/// # Errors
/// [`StartError`] where it could not be kept.
pub async fn make_admin(store: &Store) -> Result<Zeroizing<String>, StartError> {
    put_admin(store, false).await?.ok_or(StartError::FirstCredential)
}

/// [`make_admin`], unless the operator is there already: of several processes that begin at once one makes the key.
async fn make_first_admin(store: &Store) -> Result<Option<Zeroizing<String>>, StartError> {
    put_admin(store, true).await
}

async fn put_admin(store: &Store, first: bool) -> Result<Option<Zeroizing<String>>, StartError> {
    let clock = store.clock();
    let id = CredentialId::parse(&clock.fresh_id()).map_err(|_| StartError::FirstCredential)?;
    let scope = operator().ok_or(StartError::FirstCredential)?;
    let key = KeyText::new(id.clone(), clock.random::<SECRET_BYTES>());
    let wanted = NewCredential {
        scope,
        roles: vec![Role::Admin],
        proof: key.proof(),
        display_name: "made on this machine".to_owned(),
        expires: None,
    };
    let kept = store.keep::<Refused, _>(None, move |tx| {
        Box::pin(async move {
            let id_taken = Refused::Exists(Thing::Tenant, OPERATOR.to_owned());
            if !put_operator(tx, &wanted.scope.tenant).await? && first {
                return Err(id_taken.into());
            }
            let credential: Credential = create_credential(None, id, wanted, tx.now())?;
            tx.record(Event::CredentialPut { credential }).await?;
            Ok(Vec::new())
        })
    });
    match kept.await {
        Ok(_) => Ok(Some(key.reveal())),
        Err(KeepError::Refused(Refused::Exists(..))) if first => Ok(None),
        Err(KeepError::Store(error)) => Err(error.into()),
        Err(KeepError::Refused(_) | KeepError::RequestIdReused) => Err(StartError::FirstCredential),
    }
}

/// Says whether the operator was made now.
async fn put_operator(tx: &mut Tx, id: &TenantId) -> Result<bool, KeepError<Refused>> {
    let present: Option<Tenant> = tx.tenant(id).await?;
    if present.is_some() {
        return Ok(false);
    }
    let name = "operator of this service".to_owned();
    let (tenant, surfaces) = create_tenant(None, id.clone(), name, tx.now())?;
    tx.record(Event::TenantPut { tenant }).await?;
    for (scope, surface) in surfaces {
        tx.record(Event::SurfacePut { scope, surface }).await?;
    }
    Ok(true)
}

/// The whole service, open and not yet serving.
pub struct Whole {
    settings: Arc<Settings>,
    store: Store,
    desk: Desk,
    exchanges: Exchanges,
    live: Live,
    clock: Clock,
    /// The first ADMIN key, where the data directory was empty: to be shown once.
    pub first_key: Option<Zeroizing<String>>,
}

impl Whole {
    /// Opens everything. `worker` is the program whose `worker` command examines media: this one.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn open(settings: Settings, worker: PathBuf) -> Result<Self, StartError> {
        let clock = Clock::system();
        let (folder, phrase) = (&settings.backup.folder, &settings.backup.passphrase_file);
        let backups = Keeper::open(folder.as_deref(), phrase.as_deref())?;
        let keys = Arc::new(open_keys(&settings, &clock).await?);
        let store = Store::open(store_settings(&settings), keys, clock.clone()).await?;
        let is_fresh =
            operator().is_some_and(|scope| store.resident().read().tenant(&scope.tenant).is_none());
        let first_key = if is_fresh { make_first_admin(&store).await? } else { None };
        let examiner = Examiner::start(worker, media_settings(&settings));
        let limits = Limits {
            upload_bytes_max: settings.limits.upload_bytes_max.0,
            stream_idle: settings.limits.stream_idle,
            heartbeat: settings.limits.stream_heartbeat,
            item_time_max: settings.media.item_time_max,
        };
        let shards = if settings.shard.own.is_whole() {
            None
        } else {
            Some(Shards::start(&settings.shard, identity(&settings.tls), &store).await?)
        };
        let matchers = Matchers::new(Web::new(web_settings(&settings)));
        let asked = (Guards::new(&settings.guards), matchers, models(&settings, &clock)?);
        let desk =
            Desk::new(store.clone(), shards, backups, examiner, clock.clone(), limits, asked);
        let exchanges = Exchanges::new(desk.clone());
        let of_live = &settings.live;
        let evidence = Evidence::new(
            settings.general.data_dir.join("live"),
            Arc::clone(store.keys()),
            of_live.evidence_bytes_max.0,
            of_live.evidence_term,
        );
        let live = Live::new(desk.clone(), evidence, of_live.buffer_bytes_max.0);
        Ok(Self { settings: Arc::new(settings), store, desk, exchanges, live, clock, first_key })
    }

    /// The store, for those who look on.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The services.
    fn routes(&self) -> Routes {
        // The gate holds every message to its own limit before a byte of it is taken in.
        let (screening, banks, admin) = (
            ScreeningServiceServer::new(Screening::new(self.desk.clone()))
                .max_decoding_message_size(usize::MAX),
            BankServiceServer::new(Banks::new(self.desk.clone()))
                .max_decoding_message_size(usize::MAX),
            AdminServiceServer::new(Admin::new(self.desk.clone()))
                .max_decoding_message_size(usize::MAX),
        );
        let shard = ShardServiceServer::new(ShardRoom::new(self.desk.clone()))
            .max_decoding_message_size(usize::MAX);
        let exchanges = ExchangeServiceServer::new(self.exchanges.clone())
            .max_decoding_message_size(usize::MAX);
        let live = LiveServiceServer::new(self.live.clone()).max_decoding_message_size(usize::MAX);
        Routes::new(screening)
            .add_service(live)
            .add_service(banks)
            .add_service(exchanges)
            .add_service(admin)
            .add_service(shard)
    }

    /// Serves until `stop`, then lets calls finish, flushes counts and closes the store.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn serve(
        self,
        listeners: Vec<TcpListener>,
        metrics_listener: Option<TcpListener>,
        stop: CancellationToken,
    ) -> Result<Stopped, StartError> {
        let readiness = Readiness::new(SERVICES, []).await;
        let clock = self.clock.clone();
        let looking = CancellationToken::new();
        let verified = self.verify_in_background()?;
        let look = tokio::spawn(look_after(
            self.desk.clone(),
            verified,
            readiness.clone(),
            looking.clone(),
        ));
        let asking = tokio::spawn(self.exchanges.clone().ask(looking.clone()));
        let guarding = tokio::spawn(self.live.clone().look_after(looking.clone()));
        let recording = tokio::spawn(self.desk.guards.clone().record(self.store.clone()));
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Box::new(Guarded(self.desk.guards.clone(), clock.clone())));
        registry.register_collector(Box::new(Streamed(self.live.clone())));
        registry.register_collector(Box::new(Consulted(self.desk.matchers.clone())));
        registry.register_collector(Box::new(Scored(self.desk.models.clone())));
        registry.register_collector(Box::new(Kept {
            store: self.store.clone(),
            shards: self.desk.shards.clone(),
        }));
        let parts = Parts {
            settings: Arc::clone(&self.settings),
            credentials: Arc::clone(self.store.resident()) as _,
            shards: shards::key(self.store.keys()).ok_or(ShardsError::Key)?.proof(),
            now: Arc::new(move || clock.now()),
            routes: self.routes(),
            descriptors: vec![proto::FILE_DESCRIPTOR_SET],
            readiness,
            metrics: Arc::new(Metrics::new(registry)),
            metrics_listener,
        };
        let stopped = run(parts, listeners, stop).await;
        looking.cancel();
        recording.abort();
        drop(look.await);
        drop(asking.await);
        drop(guarding.await);
        self.store.close().await?;
        Ok(stopped?)
    }

    /// Begins full verifications; what comes out is whether the last one found the journal and rows whole.
    fn verify_in_background(&self) -> Result<tokio::sync::watch::Receiver<bool>, StartError> {
        let (tell, told) = tokio::sync::watch::channel(true);
        let every = self.settings.store.verify_interval;
        if !every.is_zero() {
            self.store.verify_in_background(every, move |report| {
                let is_whole = match report {
                    Ok(report) => {
                        for fault in report.faults.iter().take(FAULTS_LOGGED_MAX) {
                            tracing::error!(
                                place = fault.place,
                                what = fault.what,
                                "verification found a fault"
                            );
                        }
                        report.is_good()
                    }
                    Err(error) if error.is_away() => {
                        // That says nothing of what is stored: what was found before stands.
                        tracing::warn!(%error, "the store could not be verified now");
                        return;
                    }
                    Err(error) => {
                        tracing::error!(%error, "the store could not be verified");
                        false
                    }
                };
                tell.send_replace(is_whole);
            })?;
        }
        Ok(told)
    }
}

/// Faults of one verification that are logged; the rest is for the command.
const FAULTS_LOGGED_MAX: usize = 20;

/// Tells the health of the parts until cancelled.
async fn look_after(
    desk: Desk,
    verified: tokio::sync::watch::Receiver<bool>,
    readiness: Readiness,
    over: CancellationToken,
) {
    let mut could_examine = true;
    if !desk.examiner.status().decodes_video {
        tracing::warn!(
            "there is no ffmpeg program, or it is not to be used: video is UNSUPPORTED_FORMAT"
        );
    }
    loop {
        readiness.set(Part::Store, !desk.store.has_failed()).await;
        let is_whole = *verified.borrow();
        readiness.set(Part::Journal, is_whole).await;
        let media = desk.examiner.status();
        if media.ready != could_examine {
            could_examine = media.ready;
            tracing::warn!(ready = media.ready, why_not = media.why_not, "examination of media");
        }
        readiness.set(Part::Media, media.ready).await;
        tokio::select! {
            () = over.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

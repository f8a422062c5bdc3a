//! The whole service on a free port of loopback, with real workers, and typed clients for callers of every role.

use bulwark::cli::draw;
use bulwark::config::Settings;
use bulwark::io::clock::Clock;
use bulwark::io::store::Store;
use bulwark::proto::v1;
use bulwark::proto::v1::admin_service_client::AdminServiceClient;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use bulwark::proto::v1::exchange_service_client::ExchangeServiceClient;
use bulwark::proto::v1::live_service_client::LiveServiceClient;
use bulwark::proto::v1::screening_service_client::ScreeningServiceClient;
use bulwark::server::install_crypto;
use bulwark::server::whole::{Whole, existing_keys, store_settings};
use image::{DynamicImage, ImageFormat, RgbImage};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

/// Puts a key into every call.
#[derive(Clone)]
pub struct WithKey(MetadataValue<Ascii>);

impl WithKey {
    /// This one.
    pub fn of(key: &str) -> Self {
        Self(format!("Bearer {key}").parse().expect("a header"))
    }
}

impl Interceptor for WithKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Keyed = InterceptedService<Channel, WithKey>;

/// A caller with a key.
#[derive(Clone)]
pub struct Caller {
    /// The connection with the key.
    pub channel: Keyed,
}

impl Caller {
    /// Screening.
    pub fn screening(&self) -> ScreeningServiceClient<Keyed> {
        ScreeningServiceClient::new(self.channel.clone())
    }

    /// Live streams.
    pub fn live(&self) -> LiveServiceClient<Keyed> {
        LiveServiceClient::new(self.channel.clone())
    }

    /// Banks.
    pub fn banks(&self) -> BankServiceClient<Keyed> {
        BankServiceClient::new(self.channel.clone())
    }

    /// Exchanges.
    pub fn exchanges(&self) -> ExchangeServiceClient<Keyed> {
        ExchangeServiceClient::new(self.channel.clone())
    }

    /// Administration.
    pub fn admin(&self) -> AdminServiceClient<Keyed> {
        AdminServiceClient::new(self.channel.clone())
    }
}

/// A running service over a directory that outlives it.
pub struct Service {
    /// Where its data lie.
    pub folder: TempDir,
    /// The first key.
    pub admin_key: String,
    address: String,
    channel: Channel,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    settings: Settings,
}

/// A service that was ended.
pub struct Ended {
    folder: TempDir,
    settings: Settings,
    admin_key: String,
}

impl Ended {
    /// Starts it again on the same data.
    pub async fn start(self) -> Service {
        Service::open(self.folder, self.settings, Some(self.admin_key)).await
    }

    /// Changes its store while nobody serves it.
    pub async fn change_store(&self, change: impl AsyncFnOnce(&Store)) {
        let store = open_store(&self.settings).await;
        change(&store).await;
        store.close().await.expect("closed");
    }
}

/// The store of a service that is not running.
async fn open_store(settings: &Settings) -> Store {
    let keys = existing_keys(&settings.general.data_dir, &Clock::system());
    let keys = Arc::new(keys.expect("keys"));
    Store::open(store_settings(settings), keys, Clock::system()).await.expect("opens")
}

impl Service {
    /// A fresh service with the usual settings.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A fresh service with settings of the test's.
    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let mut settings = Settings::default();
        settings.general.data_dir = folder.path().join("data");
        settings.media.workers = 2;
        settings.media.item_time_max = Duration::from_secs(60);
        settings.limits.deadline_default = Duration::from_secs(120);
        change(&mut settings);
        Self::open(folder, settings, None).await
    }

    async fn open(folder: TempDir, settings: Settings, key: Option<String>) -> Self {
        install_crypto();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_bulwark"));
        let mut whole = Whole::open(settings.clone(), program).await.expect("opens");
        let first = whole.first_key.take().map(|key| key.to_string());
        let admin_key = first.or(key).expect("a key");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let until = stop.clone();
        let serving = tokio::spawn(async move {
            whole.serve(vec![listener], None, until).await.expect("serves");
        });
        let address = format!("http://{address}");
        let endpoint = Endpoint::from_shared(address.clone()).expect("an address");
        let channel = endpoint.connect_lazy();
        Self { folder, admin_key, address, channel, stop, serving, settings }
    }

    /// Ends it in order and starts it again on the same data.
    pub async fn restart(self) -> Self {
        self.stop().await.start().await
    }

    /// Ends it in order.
    pub async fn stop(self) -> Ended {
        self.stop.cancel();
        self.serving.await.expect("ends");
        Ended { folder: self.folder, settings: self.settings, admin_key: self.admin_key }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// Ends it in order, and opens its store alone.
    pub async fn into_store(self) -> (TempDir, Store) {
        self.stop.cancel();
        self.serving.await.expect("ends");
        let store = open_store(&self.settings).await;
        (self.folder, store)
    }

    /// Keeps its database locked until what this gives is dropped.
    pub async fn occupy(&self) -> SqliteConnection {
        let file = self.settings.general.data_dir.join("bulwark.db");
        let options = SqliteConnectOptions::new().filename(file);
        let mut other = SqliteConnection::connect_with(&options).await.expect("connected");
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("locked");
        other
    }

    /// A caller with this key.
    pub fn caller(&self, key: &str) -> Caller {
        Caller { channel: InterceptedService::new(self.channel.clone(), WithKey::of(key)) }
    }

    /// A caller without a key.
    pub fn nobody(&self) -> ScreeningServiceClient<Channel> {
        ScreeningServiceClient::new(self.channel.clone())
    }

    /// The operator's administrator.
    pub fn admin(&self) -> Caller {
        self.caller(&self.admin_key)
    }

    /// Makes a credential and gives a caller with its key.
    pub async fn with_roles(
        &self,
        tenant: &str,
        environment: v1::Environment,
        roles: &[v1::Role],
    ) -> Caller {
        self.caller(&self.key_for(tenant, environment, roles).await.1)
    }

    /// Makes a credential and gives its name and key.
    pub async fn key_for(
        &self,
        tenant: &str,
        environment: v1::Environment,
        roles: &[v1::Role],
    ) -> (String, String) {
        let mut admin = self.admin().admin();
        let made = admin.create_credential(v1::CreateCredentialRequest {
            credential: Some(v1::Credential {
                tenant_id: tenant.into(),
                environment: environment.into(),
                roles: roles.iter().map(|role| (*role).into()).collect(),
                proof: Some(v1::credential::Proof::Key(v1::ApiKey {})),
                ..v1::Credential::default()
            }),
            request_id: String::new(),
        });
        let made = made.await.expect("made").into_inner();
        (made.credential.expect("a credential").credential_id, made.key)
    }

    /// A curator and a screener who sees detail, of the operator's trial environment.
    pub async fn staff(&self) -> (Caller, Caller) {
        let test = v1::Environment::Test;
        (
            self.with_roles("operator", test, &[v1::Role::BankManager]).await,
            self.with_roles("operator", test, &[v1::Role::Screener, v1::Role::Auditor]).await,
        )
    }
}

/// What most tests say of an item.
pub fn context(item: &str) -> v1::Context {
    v1::Context {
        surface: v1::SurfaceKind::Upload.into(),
        visibility: v1::Visibility::Public.into(),
        item_id: item.into(),
        ..v1::Context::default()
    }
}

/// A harmless drawn picture, another one for each seed.
pub fn picture(seed: u64) -> RgbImage {
    draw::picture(seed)
}

/// The picture in a format.
pub fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture.clone()).write_to(&mut bytes, format).expect("encodes");
    bytes.into_inner()
}

/// The picture as PNG.
pub fn png(seed: u64) -> Vec<u8> {
    encoded(&picture(seed), ImageFormat::Png)
}

/// A request about these bytes.
pub fn media(item: &str, content: Vec<u8>) -> v1::ScreenMediaRequest {
    v1::ScreenMediaRequest {
        context: Some(context(item)),
        content: content.into(),
        ..v1::ScreenMediaRequest::default()
    }
}

/// A digest as text.
pub fn md5(digit: &str) -> v1::Signal {
    signal(v1::SignalType::Md5, digit.repeat(32))
}

/// A signal as text.
pub fn signal(kind: v1::SignalType, text: String) -> v1::Signal {
    v1::Signal {
        r#type: kind.into(),
        value: Some(v1::signal::Value::Text(text)),
        ..v1::Signal::default()
    }
}

/// A bank with the usual rules whose matches count.
pub fn bank(id: &str) -> v1::CreateBankRequest {
    v1::CreateBankRequest {
        bank_id: id.into(),
        bank: Some(v1::Bank {
            role: v1::BankRole::Positive.into(),
            mode: v1::BankMode::Enforce.into(),
            vetted: true,
            legal_basis: "a test".into(),
            ..v1::Bank::default()
        }),
        request_id: String::new(),
    }
}

/// An entry of these signals.
pub fn entry(bank: &str, signals: Vec<v1::Signal>) -> v1::AddEntryRequest {
    v1::AddEntryRequest {
        bank_id: bank.into(),
        source: Some(v1::add_entry_request::Source::Signals(v1::SignalList { signals })),
        ..v1::AddEntryRequest::default()
    }
}

/// An entry of this item.
pub fn entry_of(bank: &str, media: Vec<u8>) -> v1::AddEntryRequest {
    v1::AddEntryRequest {
        bank_id: bank.into(),
        source: Some(v1::add_entry_request::Source::Media(media.into())),
        ..v1::AddEntryRequest::default()
    }
}

/// The reason a call was refused for, with its code.
pub fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.expect_err("refused");
    let info = status.get_details_error_info().expect("ErrorInfo");
    assert_eq!(info.domain, "bulwark.dev");
    (status.code(), info.reason)
}

/// The bad fields a call was refused for.
pub fn bad_fields<T: std::fmt::Debug>(answer: Result<T, Status>) -> Vec<String> {
    let status = answer.expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let bad = status.get_details_bad_request().expect("BadRequest");
    bad.field_violations.into_iter().map(|violation| violation.field).collect()
}

//! A server in this process that several benchmarks call over loopback.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

use crate::shared::{Dice, entry, put};
use bulwark::config::Settings;
use bulwark::core::bank::Entry;
use bulwark::core::signal::Bits256;
use bulwark::io::store::Store;
use bulwark::proto::v1;
use bulwark::proto::v1::admin_service_client::AdminServiceClient;
use bulwark::proto::v1::bank_service_client::BankServiceClient;
use bulwark::server::install_crypto;
use bulwark::server::whole::Whole;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

#[derive(Clone)]
pub struct Key(MetadataValue<Ascii>);

impl tonic::service::Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

pub type Keyed = InterceptedService<Channel, Key>;

pub struct House {
    pub store: Store,
    pub url: String,
    pub admin: String,
    pub stop: CancellationToken,
}

pub async fn open(folder: PathBuf) -> House {
    install_crypto();
    let mut settings = Settings::default();
    settings.general.data_dir = folder;
    settings.store.verify_interval = Duration::ZERO;
    let program = PathBuf::from(env!("CARGO_BIN_EXE_bulwark"));
    let mut whole = Whole::open(settings, program).await.expect("opens");
    let admin = whole.first_key.take().expect("a fresh directory").to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (store, stop) = (whole.store().clone(), CancellationToken::new());
    tokio::spawn(whole.serve(vec![listener], None, stop.clone()));
    House { store, url, admin, stop }
}

pub fn call(url: &str, key: &str) -> Keyed {
    let channel = Endpoint::from_shared(url.to_owned()).expect("an address").connect_lazy();
    let key = Key(format!("Bearer {key}").parse().expect("a header"));
    InterceptedService::new(channel, key)
}

pub async fn staff(house: &House) -> String {
    let made = AdminServiceClient::new(call(&house.url, &house.admin))
        .create_credential(v1::CreateCredentialRequest {
            credential: Some(v1::Credential {
                tenant_id: "operator".into(),
                environment: v1::Environment::Test.into(),
                roles: vec![v1::Role::Screener.into(), v1::Role::BankManager.into()],
                proof: Some(v1::credential::Proof::Key(v1::ApiKey {})),
                ..v1::Credential::default()
            }),
            request_id: String::new(),
        })
        .await;
    made.expect("made").into_inner().key
}

/// Puts entries into the memory alone: how they are kept is measured elsewhere.
pub fn fill(store: &Store, count: usize) {
    let (mut dice, mut made) = (Dice(7), 0);
    while made < count {
        let entries: Vec<Entry> = (made..count.min(made + 1000))
            .map(|number| entry(&format!("e{number}"), Some(dice.bits())))
            .collect();
        made += entries.len();
        let number = store.resident().read().applied();
        store.resident().apply(&[(number, put(entries))]);
    }
    while !store.resident().is_settled() {
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn context() -> Option<v1::Context> {
    Some(v1::Context {
        surface: v1::SurfaceKind::Upload.into(),
        visibility: v1::Visibility::Public.into(),
        surface_id: "pictures".into(),
        ..v1::Context::default()
    })
}

pub fn pdq(bits: Bits256) -> v1::Signal {
    v1::Signal {
        r#type: v1::SignalType::Pdq.into(),
        value: Some(v1::signal::Value::Binary(bits.to_bytes().to_vec().into())),
        ..v1::Signal::default()
    }
}

pub async fn prepare(house: &House, key: &str) {
    let mut banks = BankServiceClient::new(call(&house.url, key));
    let bank = v1::CreateBankRequest {
        bank_id: "known".into(),
        bank: Some(v1::Bank {
            role: v1::BankRole::Positive.into(),
            mode: v1::BankMode::Enforce.into(),
            legal_basis: "a benchmark".into(),
            ..v1::Bank::default()
        }),
        request_id: String::new(),
    };
    banks.create_bank(bank).await.expect("made");
    // A surface that hashes of pictures alone can clear, so that the usual answer is measured, which keeps nothing.
    let surface = v1::CreateSurfaceRequest {
        surface_id: "pictures".into(),
        surface: Some(v1::Surface {
            environment: v1::Environment::Test.into(),
            kind: v1::SurfaceKind::Upload.into(),
            required_checks: vec![v1::Check::ImageMatch.into()],
            ..v1::Surface::default()
        }),
        request_id: String::new(),
    };
    let mut admin = AdminServiceClient::new(call(&house.url, &house.admin));
    admin.create_surface(surface).await.expect("made");
}

//! A server on a free port of loopback, with methods that do as they are told.

use bulwark::config::{self, Settings};
use bulwark::core::access::{Credential, Environment, Proof, Role, Scope, Tenant};
use bulwark::core::id::{CredentialId, TenantId};
use bulwark::core::key::KeyText;
use bulwark::core::time::Time;
use bulwark::server::{self, Credentials, Ending, Metrics, Parts, Readiness, ServeError, Stopped};
use bulwark::services::call;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::{Grpc, StreamingService, UnaryService};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use tonic_health::pb::{HealthCheckRequest as Order, HealthCheckResponse as Answer};
use tonic_prost::ProstCodec;

/// The name of the service that obeys.
pub const SERVICE: &str = "bulwark.v1.ScreeningService";
/// A unary call that obeys.
pub const UNARY: &str = "/bulwark.v1.ScreeningService/ScreenMedia";
/// A bidirectional call that answers every message.
pub const STREAM: &str = "/bulwark.v1.ScreeningService/ScreenSignalsBatch";
/// A call for another role.
pub const ADMIN: &str = "/bulwark.v1.AdminService/ListTenants";

/// Does what a message's text says: `sleep 200` (milliseconds), `panic`, or nothing.
#[derive(Clone, Default)]
struct Obedient {
    begun: Arc<AtomicU32>,
}

impl Obedient {
    async fn obey(self, order: Order) -> Result<Answer, Status> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        match order.service.split_once(' ') {
            Some(("sleep", millis)) => {
                tokio::time::sleep(Duration::from_millis(millis.parse().expect("a number"))).await;
            }
            _ if order.service == "panic" => panic!("told to"),
            _ => {}
        }
        Ok(Answer { status: 1 })
    }
}

impl UnaryService<Order> for Obedient {
    type Response = Answer;
    type Future = BoxFuture<Response<Answer>, Status>;
    fn call(&mut self, request: Request<Order>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            call::caller(request.extensions())?;
            assert!(request.metadata().get("authorization").is_none(), "the secret went too far");
            this.obey(request.into_inner()).await.map(Response::new)
        })
    }
}

impl StreamingService<Order> for Obedient {
    type Response = Answer;
    type ResponseStream = BoxStream;
    type Future = BoxFuture<Response<BoxStream>, Status>;
    fn call(&mut self, request: Request<Streaming<Order>>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let answers = request.into_inner().then(move |order| {
                let this = this.clone();
                async move { this.obey(order?).await }
            });
            Ok(Response::new(Box::pin(answers) as BoxStream))
        })
    }
}

type BoxStream = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<Answer, Status>> + Send>>;

impl tower::Service<http::Request<Body>> for Obedient {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::default()).max_decoding_message_size(8 << 20);
            Ok(match request.uri().path() {
                STREAM => grpc.streaming(this, request).await,
                _ => grpc.unary(this, request).await,
            })
        })
    }
}

impl tonic::server::NamedService for Obedient {
    const NAME: &'static str = SERVICE;
}

/// The callers of a test.
#[derive(Default)]
pub struct Callers {
    credentials: HashMap<CredentialId, Credential>,
    tenants: HashMap<TenantId, Tenant>,
}

impl Callers {
    /// Adds a caller of the tenant `example`.
    pub fn with(mut self, id: &str, role: Role, proof: Proof) -> Self {
        let tenant = TenantId::parse("example").expect("good");
        let id = CredentialId::parse(id).expect("good");
        self.tenants.entry(tenant.clone()).or_insert_with(|| Tenant {
            id: tenant.clone(),
            display_name: String::new(),
            version: 1,
            created: Time::default(),
            revoked: None,
        });
        let credential = Credential {
            id: id.clone(),
            scope: Scope { tenant, environment: Environment::Test },
            roles: vec![role],
            proof,
            display_name: String::new(),
            version: 1,
            created: Time::default(),
            expires: None,
            revoked: None,
        };
        self.credentials.insert(id, credential);
        self
    }
}

impl Credentials for Callers {
    fn credential(&self, id: &CredentialId) -> Option<Credential> {
        self.credentials.get(id).cloned()
    }
    fn credential_by_certificate(&self, digest: &[u8; 32]) -> Option<Credential> {
        self.credentials.values().find(|c| c.proof == Proof::Certificate(*digest)).cloned()
    }
    fn tenant(&self, id: &TenantId) -> Option<Tenant> {
        self.tenants.get(id).cloned()
    }
}

/// The key of the caller `screener`.
pub fn key() -> KeyText {
    KeyText::new(CredentialId::parse("screener").expect("good"), [5; 32])
}

/// A running server.
pub struct House {
    pub address: SocketAddr,
    pub metrics_address: SocketAddr,
    pub metrics: Arc<Metrics>,
    pub readiness: Readiness,
    pub stop: CancellationToken,
    begun: Arc<AtomicU32>,
    task: Option<JoinHandle<Result<Stopped, ServeError>>>,
}

/// Settings as `--set` makes them.
pub fn settings(arguments: &[&str]) -> Settings {
    let pairs = config::pairs_of_arguments(arguments.iter().copied()).expect("pairs");
    config::read(pairs).expect("settings")
}

impl House {
    /// Starts a server with the caller `screener`.
    pub async fn start(arguments: &[&str]) -> Self {
        let callers = Callers::default().with("screener", Role::Screener, key().proof());
        Self::start_with(settings(arguments), callers).await
    }

    /// Starts a server with these callers.
    pub async fn start_with(settings: Settings, callers: Callers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let metrics_listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("address");
        let metrics_address = metrics_listener.local_addr().expect("address");
        let metrics = Arc::new(Metrics::new(prometheus_client::registry::Registry::default()));
        let readiness = Readiness::new([SERVICE], []).await;
        let obedient = Obedient::default();
        let begun = Arc::clone(&obedient.begun);
        let parts = Parts {
            settings: Arc::new(settings),
            credentials: Arc::new(callers),
            shards: Proof::Key([0; 32]),
            now: Arc::new(|| Time::from_millis(1)),
            routes: tonic::service::Routes::new(obedient),
            descriptors: Vec::new(),
            readiness: readiness.clone(),
            metrics: Arc::clone(&metrics),
            metrics_listener: Some(metrics_listener),
        };
        let stop = CancellationToken::new();
        let task = Some(tokio::spawn(server::run(parts, vec![listener], stop.clone())));
        Self { address, metrics_address, metrics, readiness, stop, begun, task }
    }

    /// A client's connection.
    pub async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address))
            .expect("uri")
            .connect()
            .await
            .expect("connected")
    }

    /// How many orders have been begun.
    pub fn begun(&self) -> u32 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Waits until so many orders have been begun.
    pub async fn until_begun(&self, count: u32) {
        while self.begun() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Stops the server and says how it went.
    pub async fn stopped(mut self) -> Stopped {
        self.stop.cancel();
        self.task.take().expect("running").await.expect("no panic").expect("served")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A request with the caller's key.
pub fn with_key<T>(message: T, key: &KeyText) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {}", key.reveal().as_str());
    request.metadata_mut().insert("authorization", value.parse().expect("header"));
    request
}

/// An order as the caller `screener`.
pub fn order(text: &str) -> Request<Order> {
    with_key(Order { service: text.to_owned() }, &key())
}

/// Makes a unary call.
pub async fn unary(
    channel: &Channel,
    path: &'static str,
    request: Request<Order>,
) -> Result<Answer, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let codec = ProstCodec::<Order, Answer>::default();
    let path = http::uri::PathAndQuery::from_static(path);
    client.unary(request, path, codec).await.map(Response::into_inner)
}

/// Makes a bidirectional call.
pub async fn stream(
    channel: &Channel,
    request: impl tokio_stream::Stream<Item = Order> + Send + 'static,
) -> Result<Streaming<Answer>, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let codec = ProstCodec::<Order, Answer>::default();
    let path = http::uri::PathAndQuery::from_static(STREAM);
    client.streaming(with_key(request, &key()), path, codec).await.map(Response::into_inner)
}

/// Makes a unary call by HTTP/2 alone, without the timers of a gRPC client, and gives the status.
pub async fn bare(house: &House, headers: &[(&str, &str)], message: &Order) -> Status {
    use http_body_util::BodyExt as _;
    use prost::Message as _;
    let stream = tokio::net::TcpStream::connect(house.address).await.expect("connected");
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, io).await.expect("http/2");
    tokio::spawn(connection);
    let encoded = message.encode_to_vec();
    let mut body = vec![0];
    body.extend(u32::try_from(encoded.len()).expect("small").to_be_bytes());
    body.extend(encoded);
    let mut request = http::Request::post(format!("http://{}{UNARY}", house.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {}", key().reveal().as_str()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = http_body_util::Full::new(bytes::Bytes::from(body));
    let response =
        sender.send_request(request.body(body).expect("request")).await.expect("answered");
    if let Some(status) = Status::from_header_map(response.headers()) {
        return status;
    }
    let collected = response.into_body().collect().await.expect("whole");
    Status::from_header_map(collected.trailers().expect("trailers")).expect("a status")
}

/// Waits for connections to have ended for a cause.
pub async fn ended(house: &House, ending: Ending, count: u64) {
    let waiting = async {
        while house.metrics.endings(ending) < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(5), waiting).await;
    assert!(
        found.is_ok(),
        "{} of {count} connections ended as {ending:?}",
        house.metrics.endings(ending)
    );
}

/// Runs the named test again in a process of its own, so that its limits bind nobody else.
pub async fn alone(name: &str) {
    let run = tokio::process::Command::new(std::env::current_exe().expect("own path"))
        .args(["--exact", name, "--ignored", "--nocapture"])
        .kill_on_drop(true)
        .output();
    let output =
        tokio::time::timeout(Duration::from_secs(60), run).await.expect("in time").expect("run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

//! A connection to a running server, with the caller's key.

use super::fault::{Failure, retry_delay};
use crate::config::Secret;
use crate::config::value::Value as _;
use crate::proto::v1::admin_service_client::AdminServiceClient;
use crate::proto::v1::bank_service_client::BankServiceClient;
use crate::proto::v1::exchange_service_client::ExchangeServiceClient;
use crate::proto::v1::screening_service_client::ScreeningServiceClient;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Response, Status};

/// Longest time to establish a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// Delay before the first repetition where the server names none; doubled each time.
const FIRST_DELAY: Duration = Duration::from_millis(50);
/// Longest delay that the growing delays reach by themselves.
const DELAY_MAX: Duration = Duration::from_secs(5);

/// Where the server is, and who calls.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// Address of the server
    #[arg(
        long,
        value_name = "URL",
        env = "BULWARK_SERVER",
        default_value = "http://127.0.0.1:50051"
    )]
    pub server: String,
    /// The caller's key; others on this machine can see it among the processes, so prefer a file
    #[arg(long, value_name = "TEXT", env = "BULWARK_KEY", hide_env_values = true, value_parser = Secret::read)]
    pub key: Option<Secret>,
    /// File with the caller's key; wins over --key and BULWARK_KEY
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// PEM file of the issuers that the server's certificate is checked against; needed for https
    #[arg(long, value_name = "FILE", env = "BULWARK_CA")]
    pub ca: Option<PathBuf>,
    /// PEM file of the caller's own certificate
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub cert: Option<PathBuf>,
    /// PEM file of that certificate's private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub client_key: Option<PathBuf>,
    /// Time for one call with its repetitions, as `30 s`; for a file that is imported, time in which nothing of it moves
    #[arg(long, value_name = "TIME", default_value = "60 s", value_parser = Duration::read)]
    pub timeout: Duration,
}

/// Puts the caller's key into every call.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            request.metadata_mut().insert("authorization", header.clone());
        }
        Ok(request)
    }
}

/// What calls go through.
pub type Wire = InterceptedService<Channel, Bearer>;

/// A connection with the caller's key; clones share the connection.
#[derive(Clone)]
pub struct Client {
    wire: Wire,
    timeout: Duration,
}

impl Client {
    /// Connects as the command line says.
    ///
    /// # Errors
    /// A file that cannot be read, an address that is none, or a server that does not answer.
    pub async fn connect(args: &ServerArgs) -> Result<Self, Failure> {
        let key = match &args.key_file {
            None => args.key.clone(),
            Some(path) => Some(key_in(&read(path)?).map_err(Failure::new)?),
        };
        let mut endpoint = endpoint(&args.server)?;
        if args.server.starts_with("https://") {
            let Some(ca) = &args.ca else {
                return Err(Failure::new("give the issuers of the server's certificate with --ca"));
            };
            let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
            if let (Some(cert), Some(key)) = (&args.cert, &args.client_key) {
                tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
            }
            endpoint = endpoint.tls_config(tls).map_err(|error| {
                Failure::new(format!("the certificates do not work: {}", causes(&error)))
            })?;
        } else if args.ca.is_some() || args.cert.is_some() {
            return Err(Failure::new("certificates are for https: write --server https://…"));
        }
        Self::open(&endpoint, key.as_ref(), args.timeout).await
    }

    /// Connects without TLS, as to a server on this machine. `timeout` is for each call with its repetitions.
    ///
    /// # Errors
    /// An address that is none, a key that is none, or a server that does not answer.
    pub async fn plain(
        server: &str,
        key: Option<&Secret>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        Self::open(&endpoint(server)?, key, timeout).await
    }

    async fn open(
        endpoint: &Endpoint,
        key: Option<&Secret>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let header = key.map(header).transpose()?;
        let channel = endpoint.connect().await.map_err(|error| {
            Failure::new(format!(
                "no server answers at {}: {}\n  start one with `bulwark serve`, or name another with --server",
                endpoint.uri(),
                causes(&error)
            ))
        })?;
        Ok(Self { wire: InterceptedService::new(channel, Bearer(header)), timeout })
    }

    /// Calls of the screening service.
    #[must_use]
    pub fn screening(&self) -> ScreeningServiceClient<Wire> {
        ScreeningServiceClient::new(self.wire.clone())
    }

    /// Calls of the bank service.
    #[must_use]
    pub fn banks(&self) -> BankServiceClient<Wire> {
        BankServiceClient::new(self.wire.clone())
    }

    /// Calls of the exchange service.
    #[must_use]
    pub fn exchanges(&self) -> ExchangeServiceClient<Wire> {
        ExchangeServiceClient::new(self.wire.clone())
    }

    /// Calls of the admin service.
    #[must_use]
    pub fn admin(&self) -> AdminServiceClient<Wire> {
        AdminServiceClient::new(self.wire.clone())
    }

    /// How long a call with its repetitions may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Makes a unary call, repeated as [`Client::persist`] says. A call that changes something must carry a
    /// request id, which is the same each time.
    ///
    /// # Errors
    /// The last refusal.
    pub async fn ask<M: Clone, T, Sent>(
        &self,
        message: M,
        mut send: impl FnMut(Request<M>) -> Sent,
    ) -> Result<T, Status>
    where
        Sent: Future<Output = Result<Response<T>, Status>>,
    {
        let attempt = |left| {
            let mut request = Request::new(message.clone());
            request.set_timeout(left);
            let sent = send(request);
            async move { sent.await.map(Response::into_inner) }
        };
        self.persist(attempt).await
    }

    /// Makes an attempt, with the time that is left, until one is not refused for a passing reason: UNAVAILABLE
    /// or RESOURCE_EXHAUSTED are tried again after the delay that the server names, or a growing one.
    ///
    /// # Errors
    /// The last refusal, or DEADLINE_EXCEEDED.
    pub async fn persist<T, Made>(&self, attempt: impl FnMut(Duration) -> Made) -> Result<T, Status>
    where
        Made: Future<Output = Result<T, Status>>,
    {
        self.persist_moving(|| 0, attempt).await
    }

    /// The same where an attempt may take as long as it comes on: the time begins anew when `moved` says another number.
    ///
    /// # Errors
    /// As [`Client::persist`].
    pub async fn persist_moving<T, Made>(
        &self,
        moved: impl Fn() -> u64,
        mut attempt: impl FnMut(Duration) -> Made,
    ) -> Result<T, Status>
    where
        Made: Future<Output = Result<T, Status>>,
    {
        let mut end = Instant::now() + self.timeout;
        let (mut grown, mut seen) = (FIRST_DELAY, moved());
        loop {
            let mut made = pin!(attempt(end.saturating_duration_since(Instant::now())));
            let refusal = loop {
                match tokio::time::timeout_at(end, &mut made).await {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(refusal)) => break refusal,
                    Err(_) if moved() != seen => {
                        (seen, end) = (moved(), Instant::now() + self.timeout);
                    }
                    Err(_) => return Err(Status::deadline_exceeded("no answer in time")),
                }
            };
            let delay = varied(retry_delay(&refusal).unwrap_or_default().max(grown));
            let passing = matches!(refusal.code(), Code::Unavailable | Code::ResourceExhausted);
            if !passing || Instant::now() + delay >= end {
                return Err(refusal);
            }
            tokio::time::sleep(delay).await;
            grown = (grown * 2).min(DELAY_MAX);
        }
    }
}

/// A fresh key for one request, to be kept while that request is repeated.
#[must_use]
pub fn request_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Up to a quarter longer, so that clients refused together do not come back together.
fn varied(delay: Duration) -> Duration {
    let dice = RandomState::new().build_hasher().finish() % 256;
    delay + delay.mul_f64(dice as f64 / 1024.0)
}

fn endpoint(server: &str) -> Result<Endpoint, Failure> {
    if !server.starts_with("http://") && !server.starts_with("https://") {
        return Err(Failure::new("the server's address must begin with http:// or https://"));
    }
    Endpoint::from_shared(server.to_owned())
        .map(|endpoint| endpoint.connect_timeout(CONNECT_TIME_MAX).tcp_nodelay(true))
        .map_err(|error| Failure::new(format!("the server's address is none: {}", causes(&error))))
}

fn header(key: &Secret) -> Result<MetadataValue<Ascii>, Failure> {
    let mut header: MetadataValue<Ascii> = format!("Bearer {}", key.reveal().trim())
        .parse()
        .map_err(|_| Failure::new("the key has letters that no key has"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// The key in a file: its first line that is not empty.
fn key_in(bytes: &[u8]) -> Result<Secret, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the key file is not text".to_owned())?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    Secret::read(line.ok_or_else(|| "the key file is empty".to_owned())?)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// An error with everything beneath it, since transport errors say little at the top.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn client(timeout: Duration) -> Client {
        let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
        Client { wire: InterceptedService::new(channel, Bearer(None)), timeout }
    }

    #[tokio::test]
    async fn what_passes_is_tried_again_and_what_does_not_is_told_at_once() {
        let client = client(Duration::from_secs(20));
        let tries = AtomicU32::new(0);
        let answer = client.persist(|_| async {
            match tries.fetch_add(1, Ordering::Relaxed) {
                0 => Err(Status::unavailable("")),
                1 => Err(Status::resource_exhausted("")),
                _ => Ok(7),
            }
        });
        assert_eq!(answer.await.expect("third time"), 7);
        tries.store(0, Ordering::Relaxed);
        let refused = client.persist(|_| async {
            tries.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(Status::invalid_argument(""))
        });
        assert_eq!(refused.await.expect_err("refused").code(), Code::InvalidArgument);
        assert_eq!(tries.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn repetitions_end_with_the_time() {
        let client = client(Duration::from_millis(200));
        let refused = client.persist(|_| async { Err::<(), _>(Status::unavailable("away")) }).await;
        assert_eq!(refused.expect_err("never there").code(), Code::Unavailable);
        let silent = client.persist(|_| std::future::pending::<Result<(), Status>>()).await;
        assert_eq!(silent.expect_err("silent").code(), Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn what_comes_on_may_take_long_and_what_stands_still_is_ended() {
        let client = client(Duration::from_millis(400));
        let moved = AtomicU32::new(0);
        let moving = |steps: u32| {
            let moved = &moved;
            client.persist_moving(
                move || u64::from(moved.load(Ordering::Relaxed)),
                move |_| async move {
                    for _ in 0..steps {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        moved.fetch_add(1, Ordering::Relaxed);
                    }
                    if steps < 9 { std::future::pending().await } else { Ok(steps) }
                },
            )
        };
        assert_eq!(moving(9).await.expect("comes on"), 9);
        assert_eq!(moving(3).await.expect_err("stands still").code(), Code::DeadlineExceeded);
    }

    #[test]
    fn a_key_file_may_end_with_a_line_break() {
        assert_eq!(key_in(b"\nabc\n").expect("a key").reveal(), "abc");
        assert!(key_in(b"\n").is_err());
    }
}

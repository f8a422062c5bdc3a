//! One process that keeps another shard: the line to it, and how it stands.

use crate::core::key::KeyText;
use crate::core::shard::choice::Standing;
use crate::proto::v1::shard_service_client::ShardServiceClient;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

/// Longest time to establish a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(1);
/// Time after which a line on which nothing comes is asked whether it is there, and for the answer to that.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
const ALIVE_TIME_MAX: Duration = Duration::from_secs(2);
/// Most bytes of one answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Why other processes cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ShardsError {
    /// A file of certificates or keys cannot be read.
    #[error("{0}: {1}")]
    File(std::path::PathBuf, std::io::Error),
    /// The key cannot be made.
    #[error("the key that processes show each other cannot be made")]
    Key,
}

/// Puts the key and the time that is left into a question.
#[derive(Clone)]
pub struct Key {
    header: MetadataValue<Ascii>,
    end: Option<Instant>,
}

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.header.clone());
        if let Some(end) = self.end {
            request.set_timeout(end.saturating_duration_since(Instant::now()));
        }
        Ok(request)
    }
}

/// What a question goes through.
pub type Client = ShardServiceClient<InterceptedService<Channel, Key>>;

/// What this process shows the others, and what they have to show.
pub struct Trust {
    header: MetadataValue<Ascii>,
    tls: Option<ClientTlsConfig>,
}

fn read(path: &Path) -> Result<Vec<u8>, ShardsError> {
    std::fs::read(path).map_err(|error| ShardsError::File(path.to_owned(), error))
}

impl Trust {
    /// Reads certificates and keys.
    ///
    /// # Errors
    /// [`ShardsError`].
    pub fn read(
        key: &KeyText,
        ca: Option<&Path>,
        identity: Option<(&Path, &Path)>,
    ) -> Result<Self, ShardsError> {
        let text = format!("Bearer {}", key.reveal().as_str());
        let mut header: MetadataValue<Ascii> = text.parse().map_err(|_| ShardsError::Key)?;
        header.set_sensitive(true);
        let mut tls = None;
        if let Some(ca) = ca {
            let mut config =
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
            if let Some((certificate, key)) = identity {
                config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
            }
            tls = Some(config);
        }
        Ok(Self { header, tls })
    }
}

/// One process that keeps another shard.
pub struct Peer {
    address: String,
    channel: Channel,
    header: MetadataValue<Ascii>,
    asked: AtomicU32,
    failed: Mutex<Option<Instant>>,
}

impl Peer {
    /// The process at an address; the line is made when it is first asked.
    ///
    /// # Errors
    /// Where the address is none, or the certificates do not work.
    pub fn new(address: &str, trust: &Trust) -> Result<Self, tonic::transport::Error> {
        let mut endpoint = Endpoint::from_shared(address.to_owned())?
            .connect_timeout(CONNECT_TIME_MAX)
            .http2_keep_alive_interval(ALIVE_EVERY)
            .keep_alive_timeout(ALIVE_TIME_MAX)
            .keep_alive_while_idle(true);
        if let Some(tls) = &trust.tls {
            endpoint = endpoint.tls_config(tls.clone())?;
        }
        Ok(Self {
            address: address.to_owned(),
            channel: endpoint.connect_lazy(),
            header: trust.header.clone(),
            asked: AtomicU32::new(0),
            failed: Mutex::new(None),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let failed = self.failed.lock().map(|at| at.elapsed());
        Standing { asked: self.asked.load(Ordering::Relaxed), failed }
    }

    /// Asks it, until `end`; it is slow where it has not answered after `slow_after`.
    pub async fn ask<A>(
        self: Arc<Self>,
        end: Instant,
        slow_after: Duration,
        send: impl FnOnce(Client) -> BoxFuture<'static, Result<A, Status>>,
    ) -> Option<A> {
        let key = Key { header: self.header.clone(), end: Some(end) };
        let wire = InterceptedService::new(self.channel.clone(), key);
        let client = ShardServiceClient::new(wire).max_decoding_message_size(ANSWER_BYTES_MAX);
        let mut asking = Asking { peer: &self, since: Instant::now(), slow_after, answered: None };
        self.asked.fetch_add(1, Ordering::Relaxed);
        match send(client).await {
            Ok(answer) => {
                asking.answered = Some(true);
                Some(answer)
            }
            Err(status) => {
                // That time ran out says nothing of a process that had none, and what is too long is the question's fault.
                if matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Internal) {
                    asking.answered = Some(false);
                }
                tracing::debug!(address = self.address, code = ?status.code(), "a shard did not answer");
                None
            }
        }
    }
}

/// A question that waits: until it is answered, refused, or given up.
struct Asking<'p> {
    peer: &'p Peer,
    since: Instant,
    slow_after: Duration,
    answered: Option<bool>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.peer.asked.fetch_sub(1, Ordering::Relaxed);
        match self.answered {
            Some(true) => *self.peer.failed.lock() = None,
            Some(false) => *self.peer.failed.lock() = Some(Instant::now()),
            // Whoever asked may have gone away by itself: that says nothing of a process that had no time.
            None if self.since.elapsed() < self.slow_after => {}
            None => *self.peer.failed.lock() = Some(Instant::now()),
        }
    }
}

//! The line to one model server.

use crate::config::ModelServer;
use crate::core::detector::{Absent, Fault};
use crate::proto::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use crate::proto::inference::{ModelInferRequest, ModelInferResponse, ModelReadyRequest};
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

/// Longest time to establish a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(1);
/// Time after which a line on which nothing comes is asked whether it is there, and for the answer to that.
const ALIVE_EVERY: Duration = Duration::from_secs(30);
const ALIVE_TIME_MAX: Duration = Duration::from_secs(5);
/// Most bytes of the head of an answer.
const HEAD_BYTES_MAX: u32 = 16 * 1024;

/// Why models cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// A file of certificates or keys cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// An address, or the certificates for it, do not work.
    #[error("the server {0} cannot be asked: {1}")]
    Server(String, tonic::transport::Error),
}

/// Because of whom there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blames {
    /// The model, or what lies between.
    Model,
    /// The items that it was asked about.
    Items,
    /// Neither can be said.
    Nobody,
}

/// What came of a question, where there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered {
    /// What is said of the items that were asked about.
    pub absent: Absent,
    /// Because of whom.
    pub blames: Blames,
}

impl Unanswered {
    /// Because of the model.
    pub const fn of_model(absent: Absent) -> Self {
        Self { absent, blames: Blames::Model }
    }
}

/// A line to a server, which is made when it is first asked. Clones are the same.
#[derive(Debug, Clone)]
pub struct Line {
    client: GrpcInferenceServiceClient<Channel>,
}

fn read(path: &Path) -> Result<Vec<u8>, ModelsError> {
    std::fs::read(path).map_err(|error| ModelsError::File(path.to_owned(), error))
}

impl Line {
    /// Reads certificates; nothing is asked yet.
    ///
    /// # Errors
    /// [`ModelsError`].
    pub fn new(server: &ModelServer) -> Result<Self, ModelsError> {
        let mut tls = None;
        if let Some(ca) = &server.ca {
            let mut config =
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
            if let Some((certificate, key)) = &server.identity {
                config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
            }
            tls = Some(config);
        }
        let named = |error| ModelsError::Server(server.host.id.to_string(), error);
        let mut endpoint = Endpoint::from_shared(server.address.clone())
            .map_err(named)?
            .connect_timeout(CONNECT_TIME_MAX)
            .tcp_nodelay(true)
            .http2_max_header_list_size(HEAD_BYTES_MAX)
            .http2_keep_alive_interval(ALIVE_EVERY)
            .keep_alive_timeout(ALIVE_TIME_MAX);
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls).map_err(named)?;
        }
        // What is compressed is not taken: a short answer could become a long one.
        let client = GrpcInferenceServiceClient::new(endpoint.connect_lazy())
            .max_decoding_message_size(server.answer_bytes_max);
        Ok(Self { client })
    }

    /// Asks a model, until `end`.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn infer(
        &self,
        question: ModelInferRequest,
        end: Instant,
    ) -> Result<ModelInferResponse, Unanswered> {
        let mut request = Request::new(question);
        request.set_timeout(end.saturating_duration_since(Instant::now()));
        let mut client = self.client.clone();
        // Around all of it: what the library measures ends with the head of the answer.
        let answered = tokio::time::timeout_at(end.into(), client.model_infer(request)).await;
        match answered {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(unanswered(&status)),
            Err(_) => Err(Unanswered::of_model(Absent::Late)),
        }
    }

    /// Whether a model would answer, asked until `end`.
    ///
    /// # Errors
    /// Why nobody says so.
    pub async fn is_ready(&self, model: &str, version: &str, end: Instant) -> Result<bool, Absent> {
        let request = ModelReadyRequest { name: model.to_owned(), version: version.to_owned() };
        let mut client = self.client.clone();
        match tokio::time::timeout_at(end.into(), client.model_ready(request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner().ready),
            Ok(Err(status)) => Err(unanswered(&status).absent),
            Err(_) => Err(Absent::Late),
        }
    }
}

/// What a status says. The server's words are not looked at: they may repeat what was asked.
fn unanswered(status: &Status) -> Unanswered {
    // What did not come from the server but was noticed of the line has a cause.
    let is_of_line = status.source().is_some();
    let absent = match status.code() {
        Code::Cancelled | Code::DeadlineExceeded => Absent::Late,
        Code::Unavailable => Absent::Unreachable,
        Code::Unknown | Code::Internal if is_of_line => Absent::Unreachable,
        // The library's word for an answer beyond the limit; servers of this protocol have no use for it.
        Code::OutOfRange => Absent::Unreadable(Fault::TooLong),
        _ => Absent::Refused,
    };
    match status.code() {
        Code::InvalidArgument => Unanswered { absent, blames: Blames::Items },
        _ => Unanswered::of_model(absent),
    }
}

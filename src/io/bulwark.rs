//! The line to another service of this kind: its address, its certificates, and the key by which it knows this one.

use crate::core::exchange::Bulwark;
use crate::proto::v1;
use crate::proto::v1::exchange_service_client::ExchangeServiceClient;
use std::net::IpAddr;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status, Streaming};

/// Longest wait for a line.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// Time between two signs of life of the line, and how long one is waited for.
const ALIVE_EVERY: Duration = Duration::from_secs(10);
const ALIVE_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest time for one call that is answered once.
const CALL_TIME_MAX: Duration = Duration::from_secs(60);
/// Longest message that is taken: a delta of one event, and what is said about it.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Puts the key into every call.
#[derive(Clone)]
pub struct Key(MetadataValue<Ascii>);

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub enum NoLine {
    /// The address is none that may be called.
    #[error("{0}")]
    Address(&'static str),
    /// The key cannot be put into a call.
    #[error("the key is not one that can be sent")]
    Key,
    /// The certificates do not work.
    #[error("the certificates do not work")]
    Certificates(#[source] tonic::transport::Error),
}

/// Checks an address: `https://`, or `http://` where it names this machine.
///
/// # Errors
/// What it must be.
pub fn check_address(address: &str) -> Result<(), &'static str> {
    let uri: http::Uri = address.parse().map_err(|_| "must be https://host:port")?;
    let is_bare = uri.path_and_query().is_none_or(|path| path.as_str() == "/");
    if uri.host().is_none() || !is_bare {
        return Err("must be https://host:port");
    }
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_here = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_here => Ok(()),
        _ => Err("must be https://host:port, or http:// with an address of this machine"),
    }
}

/// The line to another service.
#[derive(Clone)]
pub struct Line(ExchangeServiceClient<InterceptedService<Channel, Key>>);

impl Line {
    /// A line to a service, which is made when it is first called.
    ///
    /// # Errors
    /// [`NoLine`].
    pub fn to(other: &Bulwark) -> Result<Self, NoLine> {
        check_address(&other.address).map_err(NoLine::Address)?;
        let mut key: MetadataValue<Ascii> =
            format!("Bearer {}", other.key.reveal()).parse().map_err(|_| NoLine::Key)?;
        key.set_sensitive(true);
        let mut endpoint = Endpoint::from_shared(other.address.clone())
            .map_err(NoLine::Certificates)?
            .connect_timeout(CONNECT_TIME_MAX)
            .http2_keep_alive_interval(ALIVE_EVERY)
            .keep_alive_timeout(ALIVE_TIME_MAX)
            .keep_alive_while_idle(true);
        if other.address.starts_with("https") {
            let trusted = Certificate::from_pem(&other.ca);
            let tls = ClientTlsConfig::new().ca_certificate(trusted);
            endpoint = endpoint.tls_config(tls).map_err(NoLine::Certificates)?;
        }
        let wire = InterceptedService::new(endpoint.connect_lazy(), Key(key));
        let client = ExchangeServiceClient::new(wire).max_decoding_message_size(ANSWER_BYTES_MAX);
        Ok(Self(client))
    }

    /// What changed in a bank of the other service, and goes on changing.
    ///
    /// # Errors
    /// As the other service says.
    pub async fn pull(
        &mut self,
        asked: v1::PullSignalsRequest,
    ) -> Result<Streaming<v1::PullSignalsResponse>, Status> {
        let begun = tokio::time::timeout(CALL_TIME_MAX, self.0.pull_signals(asked)).await;
        let late = |_| Status::deadline_exceeded("the other service did not answer");
        Ok(begun.map_err(late)??.into_inner())
    }

    /// Tells the other service what people here say of its entries.
    ///
    /// # Errors
    /// As the other service says.
    pub async fn push_opinions(
        &mut self,
        asked: v1::PushOpinionsRequest,
    ) -> Result<v1::PushOpinionsResponse, Status> {
        let mut request = Request::new(asked);
        request.set_timeout(CALL_TIME_MAX);
        Ok(self.0.push_opinions(request).await?.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tls_leaves_this_machine() {
        for good in ["https://b.example:443", "http://127.0.0.1:50051", "http://[::1]:50051/"] {
            assert_eq!(check_address(good), Ok(()), "{good}");
        }
        for bad in [
            "http://b.example:80",
            "http://10.0.0.1:80",
            "http://localhost.example",
            "b.example",
            "https://b.example/path",
            "ftp://127.0.0.1",
            "",
        ] {
            assert!(check_address(bad).is_err(), "{bad}");
        }
    }
}

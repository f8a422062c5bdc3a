//! One connection, from its first byte to its end, whoever ends it.

use crate::config::Settings;
use crate::server::gate::{Gate, Peer};
use crate::server::guard::Guarded;
use crate::server::metrics::{Ending, Metrics};
use crate::server::tls::{Certificates, digest};
use crate::server::watch::Watch;
#[cfg(feature = "grpc-web")]
use crate::server::web::Web;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

/// Bytes that one stream, or one connection, may have on the way to us before they are read.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 512 << 10;
/// Bytes of answers that one stream may have waiting.
const SEND_BUFFER_BYTES: usize = 256 << 10;
/// Streams reset by us for a caller's mistakes in the life of a connection (RUSTSEC-2024-0003).
const LOCAL_RESETS_MAX: usize = 1024;
/// Streams reset by the caller before we could accept them (CVE-2023-44487).
const PENDING_RESETS_MAX: usize = 20;
/// Time between two looks at whether answers are taken.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What all connections of a server share.
pub(super) struct Lobby {
    pub(super) settings: Arc<Settings>,
    pub(super) gate: Arc<Gate>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) certificates: Option<Arc<Certificates>>,
    #[cfg(feature = "grpc-web")]
    pub(super) web: Option<Arc<Web>>,
    pub(super) builder: Builder<TokioExecutor>,
    pub(super) draining: CancellationToken,
    pub(super) cut: CancellationToken,
}

/// HTTP as it is spoken here. Every limit is set by name: the libraries' defaults are not all safe.
pub(super) fn builder(settings: &Settings, http1: bool) -> Builder<TokioExecutor> {
    let limits = &settings.limits;
    let header_list = u32::try_from(limits.header_list.0).unwrap_or(u32::MAX);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection)
        .max_local_error_reset_streams(LOCAL_RESETS_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_header_list_size(header_list)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout);
    if http1 {
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.first_request)
            .max_buf_size(usize::try_from(limits.header_list.0).unwrap_or(usize::MAX).max(8192));
        return builder;
    }
    builder.http2_only()
}

/// Serves one connection until one side ends it.
pub(super) async fn serve(stream: TcpStream, lobby: Arc<Lobby>) {
    lobby.metrics.connection_began();
    // Small answers must not wait for more to send.
    let _ = stream.set_nodelay(true);
    let first_call = Instant::now() + lobby.settings.limits.first_request;
    let ending = match &lobby.certificates {
        None => converse(stream, None, first_call, &lobby).await,
        Some(certificates) => {
            let handshake = TlsAcceptor::from(certificates.current()).accept(stream);
            tokio::select! {
                () = lobby.cut.cancelled() => Ending::Cut,
                done = timeout_at(first_call, handshake) => match done {
                    Err(_) => Ending::Slow,
                    Ok(Err(_)) => Ending::Handshake,
                    Ok(Ok(stream)) => {
                        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(digest);
                        converse(stream, shown, first_call, &lobby).await
                    }
                },
            }
        }
    };
    lobby.metrics.connection_ended(ending);
    // Not louder: whoever floods us with connections must not flood the log.
    tracing::debug!(?ending, "connection ended");
}

async fn converse<S>(
    stream: S,
    certificate: Option<[u8; 32]>,
    first_call: Instant,
    lobby: &Arc<Lobby>,
) -> Ending
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &lobby.settings.limits;
    let stream = Guarded::new(stream);
    let verdict = stream.verdict();
    let watch = Arc::new(Watch::default());
    let peer = Peer { certificate, watch: Arc::clone(&watch) };
    let service = hyper::service::service_fn({
        let lobby = Arc::clone(lobby);
        move |request| answer(Arc::clone(&lobby), peer.clone(), request)
    });
    let mut connection = pin!(lobby.builder.serve_connection(TokioIo::new(stream), service));
    let mut slow = pin!(sleep_until(first_call));
    let mut old = pin!(sleep_until(Instant::now() + limits.connection_age_max));
    let mut late =
        pin!(sleep_until(Instant::now() + limits.connection_age_max + limits.connection_grace));
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    let (mut judged, mut leaving) = (false, false);
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                return verdict.get().unwrap_or_else(|| result.map_or_else(|error| ending(&*error), |()| Ending::Done));
            }
            () = lobby.cut.cancelled() => return Ending::Cut,
            () = lobby.draining.cancelled(), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            () = slow.as_mut(), if !judged => {
                judged = true;
                if !watch.has_begun() {
                    return Ending::Slow;
                }
            }
            () = old.as_mut(), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            () = late.as_mut() => return Ending::Aged,
            _ = look.tick() => {
                if watch.is_stalled(Instant::now()) {
                    return Ending::Stalled;
                }
            }
        }
    }
}

async fn answer(
    lobby: Arc<Lobby>,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let request = request.map(Body::new);
    #[cfg(feature = "grpc-web")]
    if let Some(web) = &lobby.web
        && Web::concerns(&request)
    {
        let gate = Arc::clone(&lobby.gate);
        // A page that is turned away has begun a call all the same.
        peer.watch.begin();
        return Ok(web.answer(request, move |request| gate.answer(peer, request)).await);
    }
    Ok(Arc::clone(&lobby.gate).answer(peer, request).await)
}

/// A caller that goes away is no fault; one that breaks the protocol is.
fn ending(error: &(dyn Error + 'static)) -> Ending {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<io::Error>() {
            return Ending::Done;
        }
        cause = error.source();
    }
    Ending::Protocol
}

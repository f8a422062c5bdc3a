//! A server on loopback that answers as a source of a test's making does, with its faults.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What a source was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A value of the query.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// What a source says.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Breaks the line off in the middle of the body.
    pub is_cut: bool,
    /// Says nothing any more in the middle of the body.
    pub is_stalled: bool,
}

impl Reply {
    pub fn of(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into(), ..Self::default() }
    }

    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// How a source answers.
pub trait Source: Send + 'static {
    fn answer(&mut self, asked: &Asked) -> Reply;
}

/// A source that listens.
pub struct Fake<S> {
    pub address: String,
    pub source: Arc<Mutex<S>>,
    log: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

impl<S> Drop for Fake<S> {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

fn body_of(reply: &Reply) -> Body {
    let whole = Bytes::from(reply.body.clone());
    if !reply.is_cut && !reply.is_stalled {
        return Full::new(whole).map_err(|never: Infallible| match never {}).boxed_unsync();
    }
    let half = whole.slice(..whole.len() / 2);
    let is_cut = reply.is_cut;
    let pieces = stream::unfold(0, move |step| {
        let half = half.clone();
        async move {
            match step {
                0 => Some((Ok(Frame::data(half)), 1)),
                _ if is_cut => Some((Err(std::io::Error::other("cut")), 2)),
                _ => std::future::pending().await,
            }
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}

impl<S: Source> Fake<S> {
    /// Over plain HTTP.
    pub async fn start(source: S) -> Self {
        Self::listen(source, None).await
    }

    /// Over TLS.
    pub async fn start_tls(source: S, tls: TlsAcceptor) -> Self {
        Self::listen(source, Some(tls)).await
    }

    async fn listen(source: S, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let scheme = if tls.is_some() { "https://localhost" } else { "http://127.0.0.1" };
        let (source, log) = (Arc::new(Mutex::new(source)), Arc::<Mutex<Vec<Asked>>>::default());
        let (answering, noting) = (Arc::clone(&source), Arc::clone(&log));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answering, noting) = (Arc::clone(&answering), Arc::clone(&noting));
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, answering, noting).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, answering, noting).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address: format!("{scheme}:{port}"), source, log, serving }
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.log.lock().clone()
    }

    /// How often it was asked so far.
    pub fn count(&self) -> usize {
        self.log.lock().len()
    }
}

async fn serve<S: Source>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    source: Arc<Mutex<S>>,
    log: Arc<Mutex<Vec<Asked>>>,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let (source, log) = (Arc::clone(&source), Arc::clone(&log));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(|all| all.to_bytes()).unwrap_or_default();
            let asked = Asked {
                method: head.method.to_string(),
                target: head.uri.to_string(),
                headers: head.headers,
                body,
            };
            let reply = source.lock().answer(&asked);
            log.lock().push(asked);
            let mut response = Response::builder().status(reply.status);
            for (name, value) in &reply.headers {
                response = response.header(*name, value);
            }
            if reply.is_cut || reply.is_stalled {
                response = response.header("content-length", reply.body.len());
            }
            Ok::<_, Infallible>(response.body(body_of(&reply)).expect("an answer"))
        }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

//! Answers `/metrics`, `/livez` and `/readyz` on a listener of their own.

use crate::server::health::Readiness;
use crate::server::metrics::Metrics;
use crate::services::call::ByteBudget;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const CONNECTIONS_MAX: usize = 64;
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(60);
/// Time to wait where the machine has no descriptor left.
const BREATH: Duration = Duration::from_millis(100);

/// What the answers are made from.
#[derive(Clone)]
pub(super) struct Monitor {
    pub(super) metrics: Arc<Metrics>,
    pub(super) readiness: Readiness,
    pub(super) budget: ByteBudget,
}

impl Monitor {
    /// Serves without end.
    pub(super) async fn serve(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(BREATH).await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let monitor = self.clone();
            tokio::spawn(async move {
                let service = hyper::service::service_fn(|request| {
                    let response = monitor.answer(&request);
                    async move { Ok::<_, Infallible>(response) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADERS_WITHIN)
                    .serve_connection(TokioIo::new(stream), service);
                // How a scrape ends is of no consequence.
                let _ = tokio::time::timeout(CONNECTION_AGE_MAX, connection).await;
                drop(place);
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let text = "text/plain; charset=utf-8";
        if request.method() != Method::GET {
            return response(StatusCode::METHOD_NOT_ALLOWED, text, "only GET\n".into());
        }
        match request.uri().path() {
            "/metrics" => response(
                StatusCode::OK,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                self.metrics.text(self.budget.taken()),
            ),
            "/livez" => response(StatusCode::OK, text, "alive\n".into()),
            "/readyz" if self.readiness.is_ready() => {
                response(StatusCode::OK, text, "ready\n".into())
            }
            "/readyz" => {
                let failing: Vec<_> =
                    self.readiness.failing().into_iter().map(|part| part.name()).collect();
                response(
                    StatusCode::SERVICE_UNAVAILABLE,
                    text,
                    format!("not ready {}\n", failing.join(" ")),
                )
            }
            _ => response(StatusCode::NOT_FOUND, text, "/metrics /livez /readyz\n".into()),
        }
    }
}

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

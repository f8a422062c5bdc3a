//! Calls from browsers: gRPC-Web for pages of the origins that are listed, and for no others.

use crate::config::GrpcWebSettings;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use std::convert::Infallible;
use std::future::Future;
use tonic::body::Body;
use tower::{Layer as _, Service as _};

/// How long a browser may remember what it was told, in seconds.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("POST");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, grpc-timeout, x-grpc-web, x-user-agent");
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "grpc-status, grpc-message, grpc-status-details-bin, grpc-retry-pushback-ms",
);

/// The pages that may call.
#[derive(Debug, Clone)]
pub(super) struct Web {
    origins: Vec<String>,
}

impl Web {
    /// `None` where no origin is listed: then browsers are not spoken to at all.
    pub(super) fn new(settings: &GrpcWebSettings) -> Option<Self> {
        (!settings.origins.is_empty()).then(|| Self { origins: settings.origins.clone() })
    }

    /// Whether the request speaks as a browser does, which is not gRPC proper.
    pub(super) fn concerns(request: &Request<Body>) -> bool {
        request.method() == Method::OPTIONS
            || request.version() < http::Version::HTTP_2
            || request
                .headers()
                .get(header::CONTENT_TYPE)
                .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc-web"))
    }

    /// Answers a browser, with `answer` for the call in it.
    pub(super) async fn answer<F, A>(&self, request: Request<Body>, answer: F) -> Response<Body>
    where
        F: FnOnce(Request<Body>) -> A + Clone + Send + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let Some(origin) = self.allowed(request.headers()) else {
            return bare(StatusCode::FORBIDDEN);
        };
        let mut response = if request.method() == Method::OPTIONS {
            preflight()
        } else if request
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc-web"))
        {
            let inner = tower::service_fn(move |request| {
                let answer = answer.clone();
                async move { Ok::<_, Infallible>(answer(request).await) }
            });
            match tonic_web::GrpcWebLayer::new().layer(inner).call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        } else {
            bare(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        };
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        response
    }

    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        self.origins
            .iter()
            .any(|listed| listed.as_bytes() == origin.as_bytes())
            .then(|| origin.clone())
    }
}

fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn preflight() -> Response<Body> {
    let mut response = bare(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    response
}

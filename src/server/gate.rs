//! The way of every call: known, allowed, in time, within the limits, answered, counted.

use crate::config::LimitSettings;
use crate::core::access::{Caller, Proof};
use crate::core::time::Time;
use crate::server::admission::{Slots, deadline, exceeded};
use crate::server::body::{Account, Held, RequestBody, ResponseBody, Tenure, dress};
use crate::server::identity::{Credentials, identify, is_shard};
use crate::server::metrics::Metrics;
use crate::server::rpc_table::{Access, Class, Rpc, Term, find};
use crate::server::watch::Watch;
use crate::services::call::{ByteBudget, Deadline};
use crate::services::status::{Reason, Refusal};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service as _;
use tracing::Instrument as _;

/// Longest silence of a live stream's caller: more than any surface allows before something is done.
const GUARD_IDLE: Duration = Duration::from_secs(660);

/// What a connection's calls come with.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// SHA-256 of the client certificate in DER form, where one was shown.
    pub(super) certificate: Option<[u8; 32]>,
    /// The connection's calls.
    pub(super) watch: Arc<Watch>,
}

/// Everything that stands between a connection and the methods.
pub(super) struct Gate {
    pub(super) limits: LimitSettings,
    pub(super) reflection_open: bool,
    pub(super) slots: Arc<Slots>,
    pub(super) budget: ByteBudget,
    pub(super) credentials: Arc<dyn Credentials>,
    /// What the key of processes that keep other shards proves itself by.
    pub(super) shards: Proof,
    pub(super) now: Arc<dyn Fn() -> Time + Send + Sync>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) routes: Routes,
    pub(super) draining: CancellationToken,
}

impl Gate {
    /// Answers one call.
    pub(super) async fn answer(
        self: Arc<Self>,
        peer: Peer,
        request: Request<Body>,
    ) -> Response<Body> {
        let number = peer.watch.begin();
        if !is_grpc(&request) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return response;
        }
        let rpc = find(request.uri().path());
        // Paths that nobody declared are one label, or callers could make labels.
        let name = rpc.map_or("unknown", |rpc| rpc.path);
        let held = Held::default();
        let mut tenure = Tenure {
            account: Account::open(Arc::clone(&self.metrics), name),
            slot: None,
            _held: Arc::clone(&held),
            watch: None,
        };
        let span = tracing::info_span!(
            "rpc",
            otel.name = name,
            otel.kind = "server",
            rpc.system = "grpc",
            code = tracing::field::Empty
        );
        let outcome = match self.admit(rpc, request.headers(), &peer) {
            Err(refusal) => Err(refusal),
            Ok((rpc, caller, deadline)) => match self.slots.enter(rpc.class) {
                Err(refusal) => Err(refusal),
                Ok(slot) => {
                    tenure.slot = Some(slot);
                    tenure.watch = deadline.map(|deadline| peer.watch.mark(number, deadline.0));
                    let request = self.prepare(request, rpc, caller, deadline, held);
                    self.route(request, deadline)
                        .instrument(span.clone())
                        .await
                        .map(|response| (response, rpc, deadline))
                }
            },
        };
        match outcome {
            Ok((response, rpc, deadline)) => {
                let (mut parts, body) = response.into_parts();
                if parts.headers.contains_key("grpc-status") {
                    tenure.account.ended_with(dress(&mut parts.headers));
                }
                let draining = matches!(rpc.term, Term::Endless)
                    .then(|| self.draining.clone().cancelled_owned());
                Response::from_parts(
                    parts,
                    Body::new(ResponseBody::new(body, deadline, draining, tenure)),
                )
            }
            Err(refusal) => {
                span.record("code", tracing::field::debug(refusal.reason().code()));
                self.refuse(refusal, tenure)
            }
        }
    }

    /// Whether the call may be made at all, by whom, and until when.
    fn admit(
        &self,
        rpc: Option<&'static Rpc>,
        headers: &HeaderMap,
        peer: &Peer,
    ) -> Result<(&'static Rpc, Option<Caller>, Option<Deadline>), Refusal> {
        let Some(rpc) = rpc else {
            return Err(Refusal::new(Reason::MethodUnknown, "there is no such call"));
        };
        let caller = self.caller(rpc, headers, peer)?;
        let deadline = deadline(headers, rpc, &self.limits, Instant::now())?;
        Ok((rpc, caller, deadline))
    }

    fn caller(
        &self,
        rpc: &Rpc,
        headers: &HeaderMap,
        peer: &Peer,
    ) -> Result<Option<Caller>, Refusal> {
        if rpc.access == Access::Shards && is_shard(headers, &self.shards) {
            return Ok(None);
        }
        let known =
            || identify(headers, peer.certificate.as_ref(), &*self.credentials, (self.now)());
        match rpc.access {
            Access::Open => Ok(None),
            Access::Known if self.reflection_open => Ok(None),
            Access::Known => known().map(Some),
            Access::Roles(roles) => {
                let caller = known()?;
                if caller.has_any(roles) {
                    return Ok(Some(caller));
                }
                Err(Refusal::new(
                    Reason::RoleMissing,
                    "the credential has none of the roles that this call needs",
                ))
            }
            Access::Shards => {
                known()?;
                Err(Refusal::new(Reason::RoleMissing, "only processes of this service ask this"))
            }
        }
    }

    /// Puts what the method is to know beside the request, and limits around its body.
    fn prepare(
        &self,
        request: Request<Body>,
        rpc: &Rpc,
        caller: Option<Caller>,
        deadline: Option<Deadline>,
        held: Held,
    ) -> Request<Body> {
        let (mut parts, body) = request.into_parts();
        // The secret goes no further than it must.
        parts.headers.remove(header::AUTHORIZATION);
        if let Some(caller) = caller {
            parts.extensions.insert(caller);
        }
        if let Some(deadline) = deadline {
            parts.extensions.insert(deadline);
        }
        parts.extensions.insert(self.budget.clone());
        // How long a live stream may be silent, and what that means, its surface says.
        let idle = match rpc.class {
            Class::Guard => self.limits.stream_idle.max(GUARD_IDLE),
            _ => self.limits.stream_idle,
        };
        let body = RequestBody::new(body, rpc, self.budget.clone(), held, idle);
        Request::from_parts(parts, Body::new(body))
    }

    /// Has the method answer, in time and without taking others down with it.
    async fn route(
        &self,
        request: Request<Body>,
        deadline: Option<Deadline>,
    ) -> Result<Response<Body>, Refusal> {
        let answer = AssertUnwindSafe(self.routes.clone().call(request)).catch_unwind();
        let answered = match deadline {
            Some(deadline) => {
                tokio::time::timeout_at(deadline.0, answer).await.map_err(|_| exceeded())?
            }
            None => answer.await,
        };
        match answered {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(never)) => match never {},
            Err(_panic) => Err(Refusal::new(Reason::Internal, "the service failed to answer")),
        }
    }

    fn refuse(&self, refusal: Refusal, mut tenure: Tenure) -> Response<Body> {
        self.metrics.refused(refusal.reason());
        tenure.account.ended_with(refusal.reason().code());
        let mut response = Response::new(Body::empty());
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        if Status::from(refusal).add_header(response.headers_mut()).is_err() {
            response.headers_mut().insert("grpc-status", HeaderValue::from(Code::Internal as i32));
        }
        response
    }
}

fn is_grpc(request: &Request<Body>) -> bool {
    let kind =
        request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let rest = kind.strip_prefix(b"application/grpc");
    request.method() == Method::POST
        && rest
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+") || rest.starts_with(b";"))
}

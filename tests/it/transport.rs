//! What every call goes through: identity, roles, deadlines, limits, health, drain, certificates.

use crate::house::{
    ADMIN, Callers, House, STREAM, UNARY, bare, ended, key, order, settings, stream, unary,
    with_key,
};
use bulwark::core::access::{Proof, Role};
use bulwark::core::id::CredentialId;
use bulwark::core::key::KeyText;
use bulwark::server::{Ending, Part, install_crypto};
use bulwark::services::status::{DOMAIN, PUSHBACK};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_stream::StreamExt as _;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest as Order, health_check_response::ServingStatus};
use tonic_types::StatusExt as _;

/// Checks code and reason, and that the status says what every status of the contract says.
fn check(status: &Status, code: Code, reason: &str) {
    assert_eq!(status.code(), code, "{status:?}");
    let info = status.get_details_error_info().expect("has ErrorInfo");
    assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, DOMAIN));
    let retryable = matches!(code, Code::Unavailable | Code::ResourceExhausted);
    assert_eq!(status.get_details_retry_info().is_some(), retryable);
    assert_eq!(status.metadata().contains_key(PUSHBACK), retryable);
}

fn plain(text: &str) -> Request<Order> {
    Request::new(Order { service: text.to_owned() })
}

#[tokio::test]
async fn a_known_caller_is_answered() {
    let house = House::start(&[]).await;
    unary(&house.channel().await, UNARY, order("")).await.expect("answered");
}

#[tokio::test]
async fn a_caller_without_a_credential_is_refused_before_anything_is_done() {
    let house = House::start(&[]).await;
    let channel = house.channel().await;
    let missing = unary(&channel, UNARY, plain("")).await.expect_err("no credential");
    check(&missing, Code::Unauthenticated, "CREDENTIAL_MISSING");
    let wrong = KeyText::new(CredentialId::parse("screener").expect("good"), [6; 32]);
    let unknown = KeyText::new(CredentialId::parse("nobody").expect("good"), [5; 32]);
    let mut answers = Vec::new();
    for key in [&wrong, &unknown] {
        let status =
            unary(&channel, UNARY, with_key(Order::default(), key)).await.expect_err("bad key");
        check(&status, Code::Unauthenticated, "CREDENTIAL_INVALID");
        answers.push((status.message().to_owned(), status.details().to_owned()));
    }
    assert_eq!(answers[0], answers[1], "an unknown name can be told from a wrong secret");
    assert_eq!(house.begun(), 0);
}

#[tokio::test]
async fn a_caller_of_another_role_is_refused() {
    let house = House::start(&[]).await;
    let status = unary(&house.channel().await, ADMIN, order("")).await.expect_err("not an admin");
    check(&status, Code::PermissionDenied, "ROLE_MISSING");
}

#[tokio::test]
async fn an_undeclared_call_is_refused_with_details() {
    let house = House::start(&[]).await;
    let status = unary(&house.channel().await, "/bulwark.v1.ScreeningService/No", order("")).await;
    check(&status.expect_err("undeclared"), Code::Unimplemented, "METHOD_UNKNOWN");
}

#[tokio::test]
async fn a_deadline_that_passes_is_answered_as_such() {
    let house = House::start(&[]).await;
    let slow = Order { service: "sleep 5000".to_owned() };
    let began = Instant::now();
    let status = bare(&house, &[("grpc-timeout", "50m")], &slow).await;
    assert!(began.elapsed() < Duration::from_secs(2));
    check(&status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    assert_eq!(house.begun(), 1);
}

#[tokio::test]
async fn a_call_whose_time_is_over_is_not_begun() {
    let house = House::start(&[]).await;
    let status = bare(&house, &[("grpc-timeout", "0m")], &Order::default()).await;
    check(&status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    let status = bare(&house, &[("grpc-timeout", "soon")], &Order::default()).await;
    check(&status, Code::InvalidArgument, "FIELD_INVALID");
    assert_eq!(
        status.get_details_bad_request().expect("named").field_violations[0].field,
        "grpc-timeout"
    );
    assert_eq!(house.begun(), 0);
    assert_eq!(bare(&house, &[("grpc-timeout", "5S")], &Order::default()).await.code(), Code::Ok);
}

#[tokio::test]
async fn a_compressed_message_is_refused_with_details() {
    let house = House::start(&[]).await;
    let status = bare(&house, &[("grpc-encoding", "gzip")], &Order::default()).await;
    check(&status, Code::Unimplemented, "COMPRESSION_UNSUPPORTED");
}

#[tokio::test]
async fn a_stream_ends_at_its_deadline() {
    let house =
        House::start(&["limits.deadline_max=300 ms", "limits.deadline_default=300 ms"]).await;
    let orders = tokio_stream::iter([Order::default()]).chain(tokio_stream::pending());
    let mut answers = stream(&house.channel().await, orders).await.expect("begun");
    assert!(answers.message().await.expect("answered").is_some());
    let status = answers.message().await.expect_err("ended");
    check(&status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_silent_stream_is_ended() {
    let house = House::start(&["limits.stream_idle=200 ms"]).await;
    let orders = tokio_stream::iter([Order::default()]).chain(tokio_stream::pending());
    let mut answers = stream(&house.channel().await, orders).await.expect("begun");
    assert!(answers.message().await.expect("answered").is_some());
    let status = answers.message().await.expect_err("ended");
    check(&status, Code::DeadlineExceeded, "STREAM_IDLE");
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_by_its_length_alone() {
    let house = House::start(&[]).await;
    let channel = house.channel().await;
    let most = (4 << 20) + (64 << 10);
    let status = unary(&channel, UNARY, order(&"x".repeat(most))).await.expect_err("too long");
    check(&status, Code::OutOfRange, "MESSAGE_TOO_LARGE");
    unary(&channel, UNARY, order(&"x".repeat(most - 8))).await.expect("fits");
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_the_callers_fault() {
    let house = House::start(&[]).await;
    // A text field that is no UTF-8, as a message of another shape.
    let status =
        unary_bytes(&house.channel().await, vec![0x0a, 1, 0xff]).await.expect_err("unreadable");
    check(&status, Code::InvalidArgument, "MESSAGE_MALFORMED");
}

async fn unary_bytes(channel: &Channel, bytes: Vec<u8>) -> Result<(), Status> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Raw {
        #[prost(bytes = "vec", tag = "1")]
        bytes: Vec<u8>,
    }
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.expect("ready");
    let raw: Raw = prost::Message::decode(bytes.as_slice()).expect("bytes take anything");
    let codec = tonic_prost::ProstCodec::<Raw, Order>::default();
    client
        .unary(with_key(raw, &key()), http::uri::PathAndQuery::from_static(UNARY), codec)
        .await
        .map(|_| ())
}

#[tokio::test]
async fn more_bytes_than_the_budget_are_refused_at_once() {
    let house = House::start(&["limits.in_flight_bytes=8 MiB"]).await;
    let channel = house.channel().await;
    let padded = "y".repeat(3 << 20);
    // Two hold three MiB each until they are answered.
    let hold = |channel: Channel| async move {
        unary(&channel, UNARY, order(&padded_order(3 << 20))).await
    };
    let (first, second) =
        (tokio::spawn(hold(channel.clone())), tokio::spawn(hold(house.channel().await)));
    house.until_begun(2).await;
    let began = Instant::now();
    let status = unary(&house.channel().await, UNARY, order(&padded)).await.expect_err("no room");
    check(&status, Code::ResourceExhausted, "OVER_CAPACITY");
    assert!(
        began.elapsed() < Duration::from_millis(300),
        "refused only after {:?}",
        began.elapsed()
    );
    unary(&channel, UNARY, order("")).await.expect("small messages fit beside them");
    for held in [first, second] {
        held.await.expect("no panic").expect("answered");
    }
    unary(&channel, UNARY, order(&padded)).await.expect("there is room again");
}

/// `sleep 600` and so many bytes that mean nothing.
fn padded_order(bytes: usize) -> String {
    // A number may have any count of zeros before it.
    format!("sleep {}600", "0".repeat(bytes))
}

#[tokio::test]
async fn more_calls_than_allowed_are_refused_and_probes_are_not() {
    let house = House::start(&["limits.in_flight_calls=4"]).await;
    let channel = house.channel().await;
    let mut held = Vec::new();
    for count in 1..=4 {
        let channel = channel.clone();
        held.push(tokio::spawn(async move { unary(&channel, UNARY, order("sleep 400")).await }));
        house.until_begun(count).await;
    }
    let began = Instant::now();
    let status = unary(&channel, UNARY, order("")).await.expect_err("full");
    check(&status, Code::ResourceExhausted, "OVER_CAPACITY");
    assert!(began.elapsed() < Duration::from_millis(100));
    HealthClient::new(channel.clone()).check(Order::default()).await.expect("probes are answered");
    for held in held {
        held.await.expect("no panic").expect("answered");
    }
    unary(&channel, UNARY, order("")).await.expect("there is room again");
}

#[tokio::test]
async fn a_method_that_panics_takes_nobody_with_it() {
    let house = House::start(&[]).await;
    let channel = house.channel().await;
    let beside = tokio::spawn({
        let channel = channel.clone();
        async move { unary(&channel, UNARY, order("sleep 200")).await }
    });
    let status = unary(&channel, UNARY, order("panic")).await.expect_err("panicked");
    check(&status, Code::Internal, "INTERNAL");
    let mut answers = stream(&channel, tokio_stream::iter([Order { service: "panic".to_owned() }]))
        .await
        .expect("begun");
    check(&answers.message().await.expect_err("panicked"), Code::Internal, "INTERNAL");
    beside.await.expect("no panic").expect("answered");
}

#[tokio::test]
async fn health_tells_life_from_readiness() {
    let house = House::start(&[]).await;
    let mut health = HealthClient::new(house.channel().await);
    let mut ask = async |service: &str| {
        let request = Order { service: service.to_owned() };
        health.check(request).await.map(|answer| answer.into_inner().status())
    };
    for name in ["", "readiness", "bulwark.v1.ScreeningService", "part.index"] {
        assert_eq!(ask(name).await.expect("known"), ServingStatus::Serving, "{name:?}");
    }
    check(&ask("nobody").await.expect_err("unknown"), Code::NotFound, "NOT_FOUND");
    house.readiness.set(Part::Index, false).await;
    assert_eq!(ask("").await.expect("known"), ServingStatus::Serving);
    assert_eq!(ask("readiness").await.expect("known"), ServingStatus::NotServing);
    assert_eq!(ask("bulwark.v1.ScreeningService").await.expect("known"), ServingStatus::NotServing);
}

#[tokio::test]
async fn reflection_names_the_services_to_those_who_are_known() {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let list = || {
        tokio_stream::iter([ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        }])
    };
    let house = House::start(&[]).await;
    let mut client = ServerReflectionClient::new(house.channel().await);
    let refused = client.server_reflection_info(list()).await.expect_err("unknown");
    check(&refused, Code::Unauthenticated, "CREDENTIAL_MISSING");
    let mut answers =
        client.server_reflection_info(with_key(list(), &key())).await.expect("known").into_inner();
    let answer = answers.message().await.expect("answered").expect("one");
    let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
        panic!("{answer:?}")
    };
    assert!(services.service.iter().any(|service| service.name == "grpc.health.v1.Health"));

    let open = House::start(&["reflection_open=true"]).await;
    ServerReflectionClient::new(open.channel().await)
        .server_reflection_info(list())
        .await
        .expect("open");
}

async fn get(house: &House, path: &str) -> String {
    let mut stream =
        tokio::net::TcpStream::connect(house.metrics_address).await.expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    answer
}

#[tokio::test]
async fn calls_are_counted_by_rpc_and_code_and_by_nothing_that_callers_choose() {
    let house = House::start(&[]).await;
    let channel = house.channel().await;
    unary(&channel, UNARY, order("canary-text")).await.expect("answered");
    let _ = unary(&channel, "/canary.Path/Method", order("")).await;
    let _ = unary(&channel, UNARY, plain("")).await;
    let text = get(&house, "/metrics").await;
    assert!(
        text.contains(
            r#"bulwark_calls_total{rpc="/bulwark.v1.ScreeningService/ScreenMedia",code="OK"} 1"#
        ),
        "{text}"
    );
    assert!(
        text.contains(r#"bulwark_calls_total{rpc="unknown",code="UNIMPLEMENTED"} 1"#),
        "{text}"
    );
    assert!(text.contains(r#"bulwark_refusals_total{reason="CREDENTIAL_MISSING"} 1"#), "{text}");
    assert!(text.contains("bulwark_calls_in_flight 0"), "{text}");
    assert!(
        !text.contains("canary") && !text.contains("screener") && !text.contains("example"),
        "{text}"
    );
    assert!(get(&house, "/readyz").await.starts_with("HTTP/1.1 200"));
    house.readiness.set(Part::Journal, false).await;
    let not_ready = get(&house, "/readyz").await;
    assert!(
        not_ready.starts_with("HTTP/1.1 503") && not_ready.contains("part.journal"),
        "{not_ready}"
    );
    assert!(get(&house, "/livez").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_stop_lets_calls_in_flight_finish_and_begins_no_more() {
    let house = House::start(&["drain_time_max=10 s"]).await;
    let channel = house.channel().await;
    let mut watching = HealthClient::new(house.channel().await)
        .watch(Order { service: "readiness".into() })
        .await
        .expect("watching")
        .into_inner();
    assert_eq!(
        watching.message().await.expect("told").expect("one").status(),
        ServingStatus::Serving
    );
    let in_flight = tokio::spawn({
        let channel = channel.clone();
        async move { unary(&channel, UNARY, order("sleep 600")).await }
    });
    house.until_begun(1).await;
    let (address, began) = (house.address, Instant::now());
    let stopped = tokio::spawn(house.stopped());
    assert_eq!(
        watching.message().await.expect("told").expect("one").status(),
        ServingStatus::NotServing
    );
    check(&watching.message().await.expect_err("ended"), Code::Unavailable, "DRAINING");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "a new connection was accepted"
    );
    let late = unary(&channel, UNARY, order("")).await.expect_err("new calls are refused");
    // What the client says of a connection that was told to go away is its own affair.
    assert!(matches!(late.code(), Code::Unavailable | Code::Cancelled), "{late:?}");
    in_flight.await.expect("no panic").expect("the call in flight was answered");
    let stopped = stopped.await.expect("no panic");
    assert_eq!(stopped.connections_cut, 0);
    assert!(began.elapsed() < Duration::from_secs(5), "the stop did not wait for its limit");
}

#[tokio::test]
async fn a_stop_is_told_before_calls_are_turned_away() {
    let house = House::start(&["drain_notice=700 ms"]).await;
    let mut watching = HealthClient::new(house.channel().await)
        .watch(Order { service: "readiness".into() })
        .await
        .expect("watching")
        .into_inner();
    let told = watching.message().await.expect("told").expect("one").status();
    assert_eq!(told, ServingStatus::Serving);
    let old = house.channel().await;
    unary(&old, UNARY, order("")).await.expect("answered");
    house.stop.cancel();
    let told = watching.message().await.expect("told").expect("one").status();
    assert_eq!(told, ServingStatus::NotServing);
    // Whoever has not noticed yet is served as before, on old connections and new ones.
    assert!(get(&house, "/readyz").await.starts_with("HTTP/1.1 503"));
    unary(&old, UNARY, order("")).await.expect("answered");
    unary(&house.channel().await, UNARY, order("")).await.expect("answered");
    let in_flight = tokio::spawn(async move { unary(&old, UNARY, order("sleep 1200")).await });
    house.until_begun(4).await;
    let address = house.address;
    let stopped = house.stopped().await;
    assert_eq!(stopped.connections_cut, 0);
    in_flight.await.expect("no panic").expect("the call in flight was answered");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stop_is_not_held_up_beyond_its_limit() {
    let house = House::start(&["drain_time_max=200 ms"]).await;
    let channel = house.channel().await;
    let in_flight = tokio::spawn(async move { unary(&channel, UNARY, order("sleep 8000")).await });
    house.until_begun(1).await;
    let began = Instant::now();
    assert_eq!(house.stopped().await.connections_cut, 1);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(in_flight.await.expect("no panic").is_err());
}

#[tokio::test]
async fn an_old_connection_is_told_to_go_and_its_calls_finish() {
    let house =
        House::start(&["limits.connection_age_max=200 ms", "limits.connection_grace=5 s"]).await;
    let channel = house.channel().await;
    unary(&channel, UNARY, order("sleep 500")).await.expect("the call on it finished");
    ended(&house, Ending::Done, 1).await;
    unary(&channel, UNARY, order("")).await.expect("the client has a new connection");
}

#[tokio::test]
async fn an_old_connection_does_not_stay_for_ever() {
    let house =
        House::start(&["limits.connection_age_max=200 ms", "limits.connection_grace=200 ms"]).await;
    unary(&house.channel().await, UNARY, order("sleep 8000")).await.expect_err("cut off");
    ended(&house, Ending::Aged, 1).await;
}

/// A maker of certificates for the tests of TLS.
struct Issuer {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Issuer {
    fn new() -> Self {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("key");
        let certificate = parameters.self_signed(&key).expect("certificate");
        Self { certificate, issuer: rcgen::Issuer::new(parameters, key) }
    }

    fn issue(&self) -> (rcgen::Certificate, String) {
        let key = rcgen::KeyPair::generate().expect("key");
        let parameters =
            rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        (parameters.signed_by(&key, &self.issuer).expect("certificate"), key.serialize_pem())
    }
}

struct Secured {
    house: House,
    issuer: Issuer,
    client: (rcgen::Certificate, String),
    _files: tempfile::TempDir,
}

/// A server with TLS that knows the caller of one client certificate.
async fn secured(mode: &str) -> Secured {
    install_crypto();
    let (files, issuer) = (tempfile::tempdir().expect("directory"), Issuer::new());
    let path = |name: &str| files.path().join(name).display().to_string();
    let (certificate, key_pem) = issuer.issue();
    let client = issuer.issue();
    std::fs::write(path("server.pem"), certificate.pem()).expect("written");
    std::fs::write(path("key.pem"), key_pem).expect("written");
    std::fs::write(path("issuer.pem"), issuer.certificate.pem()).expect("written");
    let mut arguments = vec![
        format!("tls.mode={mode}"),
        format!("tls.certificate={}", path("server.pem")),
        format!("tls.key={}", path("key.pem")),
    ];
    if mode == "mtls" {
        arguments.push(format!("tls.client_ca={}", path("issuer.pem")));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let digest = bulwark::server::tls::digest(client.0.der());
    let callers = Callers::default().with("screener", Role::Screener, key().proof()).with(
        "certified",
        Role::Screener,
        Proof::Certificate(digest),
    );
    let house = House::start_with(settings(&arguments), callers).await;
    Secured { house, issuer, client, _files: files }
}

impl Secured {
    async fn call(
        &self,
        identity: Option<&(rcgen::Certificate, String)>,
        request: Request<Order>,
    ) -> Result<(), Status> {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.issuer.certificate.pem()))
            .domain_name("localhost");
        if let Some((certificate, key)) = identity {
            tls = tls.identity(Identity::from_pem(certificate.pem(), key));
        }
        let channel = Endpoint::from_shared(format!("https://{}", self.house.address))
            .expect("uri")
            .tls_config(tls)
            .expect("tls")
            .connect()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        unary(&channel, UNARY, request).await.map(|_| ())
    }
}

#[tokio::test]
async fn with_tls_a_key_is_enough() {
    let secured = secured("tls").await;
    secured.call(None, order("")).await.expect("answered");
    check(
        &secured.call(None, plain("")).await.expect_err("no key"),
        Code::Unauthenticated,
        "CREDENTIAL_MISSING",
    );
    let channel = Endpoint::from_shared(format!("http://{}", secured.house.address))
        .expect("uri")
        .connect()
        .await;
    if let Ok(channel) = channel {
        unary(&channel, UNARY, order("")).await.expect_err("plain text is not answered");
    }
}

#[tokio::test]
async fn with_mtls_a_certificate_is_a_credential() {
    let secured = secured("mtls").await;
    secured.call(Some(&secured.client), plain("")).await.expect("known by its certificate");
    secured.call(Some(&secured.client), order("")).await.expect("known by its key");
    let other = secured.issuer.issue();
    let unknown =
        secured.call(Some(&other), plain("")).await.expect_err("of the right issuer, but unknown");
    check(&unknown, Code::Unauthenticated, "CREDENTIAL_INVALID");
}

#[tokio::test]
async fn with_mtls_no_wrong_certificate_gets_in_even_with_a_key() {
    let secured = secured("mtls").await;
    secured.call(None, order("")).await.expect_err("no certificate");
    let stranger = Issuer::new().issue();
    secured.call(Some(&stranger), order("")).await.expect_err("of another issuer");
    assert_eq!(secured.house.begun(), 0);
}

#[tokio::test]
async fn streams_go_both_ways() {
    let house = House::start(&[]).await;
    let orders = tokio_stream::iter(vec![Order::default(); 50]);
    let answers = stream(&house.channel().await, orders).await.expect("begun");
    assert_eq!(answers.filter(Result::is_ok).collect::<Vec<_>>().await.len(), 50, "{STREAM}");
}

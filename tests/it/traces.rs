//! Traces reach a collector and carry neither names of callers nor content.

use crate::house::{House, UNARY, alone, order, unary};
use bulwark::config;
use bulwark::server::telemetry;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Takes whatever is sent to it, as a collector would.
async fn collector(seen: Arc<Mutex<Vec<u8>>>) -> std::net::SocketAddr {
    use http_body_util::{BodyExt as _, Full};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            let service =
                hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let seen = Arc::clone(&seen);
                    async move {
                        let authorization = request.headers().get("authorization").cloned();
                        let body = request.into_body().collect().await.expect("whole").to_bytes();
                        let mut seen = seen.lock().expect("not poisoned");
                        seen.extend(
                            authorization
                                .map(|value| value.as_bytes().to_vec())
                                .unwrap_or_default(),
                        );
                        seen.extend(body);
                        let response = http::Response::builder()
                            .header("content-type", "application/grpc")
                            .header("grpc-status", "0")
                            .body(Full::new(bytes::Bytes::new()));
                        Ok::<_, Infallible>(response.expect("response"))
                    }
                });
            let executor = hyper_util::rt::TokioExecutor::new();
            let connection = hyper::server::conn::http2::Builder::new(executor)
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    address
}

#[tokio::test]
async fn a_trace_names_the_call_and_nothing_of_its_caller_or_content() {
    alone("traces::of_one_call").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "sets up the log of its whole process: run by the test above"]
async fn of_one_call() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let address = collector(Arc::clone(&seen)).await;
    let set = [
        format!("otlp.endpoint=http://{address}"),
        "otlp.authorization=Bearer collector-token".to_owned(),
    ];
    let pairs = config::pairs_of_arguments(set.iter().map(String::as_str)).expect("pairs");
    let settings = config::read(pairs).expect("settings");
    let telemetry = telemetry::install(&settings.log, &settings.otlp).expect("set up");
    let house = House::start(&[]).await;
    unary(&house.channel().await, UNARY, order("canary-content")).await.expect("answered");
    tokio::task::spawn_blocking(|| telemetry.finish()).await.expect("no panic");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let seen = seen.lock().expect("not poisoned").clone();
    let text = String::from_utf8_lossy(&seen);
    assert!(text.contains(UNARY), "the call's span is missing: {text}");
    assert!(text.contains("Bearer collector-token"), "the collector's key is missing");
    for secret in ["canary", "screener", "example", "bulwark_"] {
        assert!(!text.contains(secret), "{secret} is in a trace");
    }
}

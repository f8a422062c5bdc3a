//! Calls from browsers: who may make them, and that nobody else can.

use crate::house::{House, UNARY, key};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PAGE: &str = "https://review.example";

async fn talk(house: &House, request: String, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(house.address).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream.write_all(body).await.expect("sent");
    let mut answer = Vec::new();
    // A connection that is reset has told all it will.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).to_ascii_lowercase()
}

async fn preflight(house: &House, origin: &str) -> String {
    let request = format!(
        "OPTIONS {UNARY} HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\naccess-control-request-method: POST\r\nconnection: close\r\n\r\n"
    );
    talk(house, request, &[]).await
}

async fn call(house: &House, origin: &str, kind: &str) -> String {
    let request = format!(
        "POST {UNARY} HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\ncontent-type: {kind}\r\nauthorization: Bearer {}\r\ncontent-length: 5\r\nconnection: close\r\n\r\n",
        key().reveal().as_str()
    );
    talk(house, request, &[0; 5]).await
}

#[tokio::test]
async fn a_listed_page_may_call() {
    let house = House::start(&[&format!("grpc_web.origins={PAGE}")]).await;
    let answer = preflight(&house, PAGE).await;
    assert!(answer.starts_with("http/1.1 204"), "{answer}");
    assert!(answer.contains(&format!("access-control-allow-origin: {PAGE}")), "{answer}");
    let answer = call(&house, PAGE, "application/grpc-web+proto").await;
    assert!(answer.starts_with("http/1.1 200") && answer.contains("grpc-status:0"), "{answer}");
    assert_eq!(house.begun(), 1);
}

#[tokio::test]
async fn another_page_may_not() {
    let house = House::start(&[&format!("grpc_web.origins={PAGE}")]).await;
    for origin in ["https://other.example", "https://review.example.other", "null"] {
        let answer = preflight(&house, origin).await;
        assert!(answer.starts_with("http/1.1 403") && !answer.contains("allow-origin"), "{answer}");
        let answer = call(&house, origin, "application/grpc-web+proto").await;
        assert!(answer.starts_with("http/1.1 403"), "{answer}");
    }
    let answer = call(&house, PAGE, "application/grpc").await;
    assert!(answer.starts_with("http/1.1 415"), "gRPC proper needs HTTP/2: {answer}");
    assert_eq!(house.begun(), 0);
}

#[tokio::test]
async fn without_a_list_browsers_are_not_spoken_to() {
    let house = House::start(&[]).await;
    for answer in
        [preflight(&house, PAGE).await, call(&house, PAGE, "application/grpc-web+proto").await]
    {
        assert!(!answer.contains("http/1.1"), "{answer}");
    }
    assert_eq!(house.begun(), 0);
}

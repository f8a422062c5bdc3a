//! A model server on loopback that answers as a test says, with its faults.
#![allow(dead_code, reason = "a benchmark uses a part of it")]

use bulwark::proto::inference::model_infer_response::InferOutputTensor;
use bulwark::proto::inference::{
    InferTensorContents, ModelInferRequest, ModelInferResponse, ModelReadyRequest,
    ModelReadyResponse,
};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// How a model answers.
pub type Answering =
    Arc<dyn Fn(ModelInferRequest) -> BoxFuture<ModelInferResponse, Status> + Send + Sync>;

/// What a model was asked.
#[derive(Clone)]
pub struct Asked {
    pub question: ModelInferRequest,
    pub head: MetadataMap,
}

/// A server that listens. It is gone, with every line to it, when it is dropped.
pub struct Fake {
    pub address: String,
    pub port: u16,
    log: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A model that answers at once.
pub fn at_once(
    answer: impl Fn(ModelInferRequest) -> Result<ModelInferResponse, Status> + Send + Sync + 'static,
) -> Answering {
    Arc::new(move |question| {
        let answered = answer(question);
        Box::pin(async move { answered })
    })
}

/// The texts of a question, by the packed form of the protocol.
pub fn texts_of(question: &ModelInferRequest) -> Vec<String> {
    let [packed] = &question.raw_input_contents[..] else { panic!("one tensor") };
    let (mut rest, mut texts) = (&packed[..], Vec::new());
    while !rest.is_empty() {
        let (length, behind) = rest.split_at(4);
        let length = u32::from_le_bytes(length.try_into().expect("four")) as usize;
        texts.push(String::from_utf8(behind[..length].to_vec()).expect("text"));
        rest = &behind[length..];
    }
    texts
}

/// The model `zz`: a hundredth of each text's length.
pub fn lengths(question: &ModelInferRequest) -> ModelInferResponse {
    let of = |text: &String| text.len() as f32 / 100.0;
    shares(question, texts_of(question).iter().map(of).collect())
}

/// An answer of these numbers.
pub fn shares(question: &ModelInferRequest, numbers: Vec<f32>) -> ModelInferResponse {
    ModelInferResponse {
        model_name: question.model_name.clone(),
        model_version: "7".into(),
        outputs: vec![InferOutputTensor {
            name: "share".into(),
            datatype: "FP32".into(),
            shape: vec![numbers.len() as i64],
            contents: Some(InferTensorContents { fp32_contents: numbers, ..Default::default() }),
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[derive(Clone)]
struct Service {
    answering: Answering,
    log: Option<Arc<Mutex<Vec<Asked>>>>,
    raw: Option<Vec<u8>>,
}

impl UnaryService<ModelInferRequest> for Service {
    type Response = ModelInferResponse;
    type Future = BoxFuture<Response<ModelInferResponse>, Status>;
    fn call(&mut self, request: Request<ModelInferRequest>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let (head, _, question) = request.into_parts();
            if let Some(log) = &this.log {
                log.lock().push(Asked { question: question.clone(), head });
            }
            (this.answering)(question).await.map(Response::new)
        })
    }
}

impl UnaryService<ModelReadyRequest> for Service {
    type Response = ModelReadyResponse;
    type Future = BoxFuture<Response<ModelReadyResponse>, Status>;
    fn call(&mut self, _: Request<ModelReadyRequest>) -> Self::Future {
        Box::pin(async { Ok(Response::new(ModelReadyResponse { ready: true })) })
    }
}

impl tower::Service<http::Request<hyper::body::Incoming>> for Service {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFutureOf<http::Response<Body>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: http::Request<hyper::body::Incoming>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let (path, request) = (request.uri().path().to_owned(), request.map(Body::new));
            if let Some(raw) = this.raw {
                return Ok(raw_answer(raw));
            }
            Ok(match path.as_str() {
                "/inference.GRPCInferenceService/ModelInfer" => {
                    let codec = ProstCodec::<ModelInferResponse, ModelInferRequest>::default();
                    let mut grpc = Grpc::new(codec).max_decoding_message_size(64 << 20);
                    grpc.unary(this, request).await
                }
                "/inference.GRPCInferenceService/ModelReady" => {
                    let codec = ProstCodec::<ModelReadyResponse, ModelReadyRequest>::default();
                    Grpc::new(codec).unary(this, request).await
                }
                other => panic!("{other} is not asked"),
            })
        })
    }
}

/// An answer of these bytes, which says that all went well.
fn raw_answer(raw: Vec<u8>) -> http::Response<Body> {
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let frames = [Frame::data(bytes::Bytes::from(raw)), Frame::trailers(trailers)];
    let frames = futures_util::stream::iter(frames.map(Ok::<_, Infallible>));
    http::Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-encoding", "gzip")
        .body(Body::new(StreamBody::new(frames)))
        .expect("an answer")
}

type BoxFutureOf<T> =
    std::pin::Pin<Box<dyn std::future::Future<Output = Result<T, Infallible>> + Send>>;

impl Fake {
    /// On a port of its own.
    pub async fn start(answering: Answering) -> Self {
        Self::listen(answering, 0, None, true).await
    }

    /// On a port of its own, without remembering what it was asked.
    pub async fn start_forgetful(answering: Answering) -> Self {
        Self::listen(answering, 0, None, false).await
    }

    /// Whose answer are these bytes, whatever they are.
    pub async fn start_raw(raw: Vec<u8>) -> Self {
        let never = at_once(|_| Err(Status::unknown("it is not asked")));
        Self::serve_as(Service { answering: never, log: None, raw: Some(raw) }, 0, None).await
    }

    /// On a port that is known already.
    pub async fn start_on(answering: Answering, port: u16) -> Self {
        Self::listen(answering, port, None, true).await
    }

    /// Over TLS.
    pub async fn start_tls(answering: Answering, tls: TlsAcceptor) -> Self {
        Self::listen(answering, 0, Some(tls), true).await
    }

    async fn listen(
        answering: Answering,
        port: u16,
        tls: Option<TlsAcceptor>,
        is_noting: bool,
    ) -> Self {
        let log = is_noting.then(Arc::default);
        Self::serve_as(Service { answering, log, raw: None }, port, tls).await
    }

    async fn serve_as(service: Service, port: u16, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let scheme = if tls.is_some() { "https://localhost" } else { "http://127.0.0.1" };
        let log = service.log.clone().unwrap_or_default();
        let serving = tokio::spawn(async move {
            // Dropped with the task: all lines end with the server.
            let mut lines = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (service, tls) = (service.clone(), tls.clone());
                lines.spawn(async move {
                    match tls {
                        None => serve(stream, service).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, service).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address: format!("{scheme}:{port}"), port, log, serving }
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.log.lock().clone()
    }

    /// Waits until it was asked so often.
    pub async fn until_asked(&self, count: usize) {
        while self.log.lock().len() < count {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, service: Service) {
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .await;
}

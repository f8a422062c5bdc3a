//! Questions over HTTP to sources that are asked, at the addresses that the operator allows and no other.
//!
//! The addresses that a name stands for are looked at before each connection, and the connection goes to one of those that
//! were looked at: a name that changes its mind leads nowhere else. Redirects are not followed.

mod words;
mod folder;
mod reach;

use crate::core::exchange::Site;
use crate::core::polling::{Ask, SCHEME};
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
pub use reach::Reach;
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
pub use words::Unanswered;

/// What this service calls itself.
const AGENT: &str = concat!("bulwark/", env!("CARGO_PKG_VERSION"));
/// Bytes of a file that are read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Most bytes of the head of an answer.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Longest wait that a source can ask for.
const WAIT_MAX: Duration = Duration::from_secs(3600);
/// Longest name of a state of a file.
const ETAG_BYTES_MAX: usize = 256;

/// Settings of questions.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// Which addresses may be asked.
    pub reach: Reach,
    /// Longest wait for an answer, and for its next piece.
    pub answer_time_max: Duration,
    /// Largest file.
    pub file_bytes_max: u64,
}

/// All that is needed to ask. Clones are the same.
#[derive(Clone)]
pub struct Web {
    settings: Arc<WebSettings>,
}

impl Web {
    /// Over settings.
    #[must_use]
    pub fn new(settings: WebSettings) -> Self {
        Self { settings: Arc::new(settings) }
    }

    /// Checks that an address may be asked.
    ///
    /// # Errors
    /// What it must be.
    pub fn check(&self, address: &str) -> Result<(), &'static str> {
        self.settings.reach.check(address)
    }

    /// Most bytes of a file.
    #[must_use]
    pub fn file_bytes_max(&self) -> u64 {
        self.settings.file_bytes_max
    }

    /// A line to a source, which is made when it is first asked.
    ///
    /// # Errors
    /// [`Unanswered::Address`], [`Unanswered::Certificates`].
    pub fn line(&self, site: &Site) -> Result<WebLine, Unanswered> {
        self.check(&site.address).map_err(Unanswered::Address)?;
        let tls = if site.address.starts_with("https") { Some(trust(&site.ca)?) } else { None };
        let is_file = site.address.starts_with(SCHEME);
        let uri: http::Uri = if is_file { "/".parse() } else { site.address.parse() }
            .map_err(|_| Unanswered::Address("is not one"))?;
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let settings = Arc::clone(&self.settings);
        Ok(WebLine { settings, host, port, authority, tls, open: None })
    }
}

/// Certificates as they are to be trusted.
fn trust(ca: &str) -> Result<TlsConnector, Unanswered> {
    let mut roots = RootCertStore::empty();
    if ca.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    } else {
        for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
            let certificate = certificate.map_err(|_| Unanswered::Certificates)?;
            roots.add(certificate).map_err(|_| Unanswered::Certificates)?;
        }
        if roots.is_empty() {
            return Err(Unanswered::Certificates);
        }
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

type Sender = SendRequest<Full<Bytes>>;

/// A line to one source.
pub struct WebLine {
    settings: Arc<WebSettings>,
    host: String,
    port: u16,
    authority: String,
    tls: Option<TlsConnector>,
    open: Option<Sender>,
}

impl WebLine {
    /// Asks. At most `bytes_max` bytes are taken of the answer.
    ///
    /// # Errors
    /// [`Unanswered`]; whatever the source itself says is an answer.
    pub async fn ask(&mut self, ask: &Ask, bytes_max: u64) -> Result<Answer, Unanswered> {
        let late = self.settings.answer_time_max;
        if ask.target.reveal().starts_with(SCHEME) {
            let file =
                folder::open(self.settings.reach.folder.as_deref(), ask.target.reveal()).await?;
            return Ok(Answer { body: Body::File(file), ..Answer::new(200, bytes_max, late) });
        }
        let request = self.request(ask)?;
        let mut kept = self.open.take();
        if let Some(open) = &mut kept
            && open.ready().await.is_err()
        {
            kept = None;
        }
        let mut open = match kept {
            Some(open) => open,
            None => {
                let connected = tokio::time::timeout(late, self.connect()).await;
                connected.map_err(|_| Unanswered::Late)??
            }
        };
        let sent = tokio::time::timeout(late, open.send_request(request)).await;
        let answer =
            sent.map_err(|_| Unanswered::Late)?.map_err(|_| Unanswered::Line("no answer came"))?;
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let wait = text(header::RETRY_AFTER).and_then(|text| text.trim().parse().ok());
        let etag = text(header::ETAG).filter(|etag| etag.len() <= ETAG_BYTES_MAX);
        Ok(Answer {
            wait: wait.map(Duration::from_secs).map(|wait| wait.min(WAIT_MAX)),
            etag: etag.map(str::to_owned),
            open: Some(open),
            ..Answer::new(answer.status().as_u16(), bytes_max, late)
        }
        .with(answer.into_body()))
    }

    /// Keeps the line for the next question, where an answer was read to its end.
    pub fn keep(&mut self, answer: Answer) {
        if answer.is_over {
            self.open = answer.open;
        }
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, Unanswered> {
        let mut request = Request::builder()
            .method(ask.verb.as_str())
            .uri(ask.target.reveal())
            .header(header::HOST, &self.authority)
            .header(header::USER_AGENT, AGENT)
            .header(header::ACCEPT, "*/*");
        for (name, secret) in &ask.headers {
            let value = HeaderValue::from_str(secret.reveal());
            let mut value = value.map_err(|_| Unanswered::Unsendable)?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        let mut bytes = Bytes::new();
        if let Some(body) = &ask.body {
            request = request.header(header::CONTENT_TYPE, body.media_type);
            bytes = Bytes::from(body.bytes.clone());
        }
        request.body(Full::new(bytes)).map_err(|_| Unanswered::Unsendable)
    }

    async fn connect(&self) -> Result<Sender, Unanswered> {
        let addresses = self.settings.reach.addresses(&self.host, self.port).await;
        let addresses = addresses.ok_or(Unanswered::NoAddress)?;
        let stream = TcpStream::connect(&addresses[..]).await;
        let stream = stream.map_err(|_| Unanswered::Line("no connection"))?;
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => shake(stream).await,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone())
                    .map_err(|_| Unanswered::Address("must have a name"))?;
                let stream = tls.connect(name, stream).await;
                shake(stream.map_err(|_| Unanswered::Line("its certificate is not good"))?).await
            }
        }
    }
}

/// Begins to speak HTTP over a stream.
async fn shake<S>(stream: S) -> Result<Sender, Unanswered>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let spoken =
        http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream)).await;
    let (open, line) = spoken.map_err(|_| Unanswered::Line("it does not speak HTTP"))?;
    tokio::spawn(async move {
        // Whoever asked is told of a broken line.
        let _ = line.await;
    });
    Ok(open)
}

enum Body {
    Nothing,
    Web(Incoming),
    File(tokio::fs::File),
}

/// An answer whose content is still coming.
pub struct Answer {
    /// What the source says, as a status of HTTP; 200 for a file that is there.
    pub status: u16,
    /// How long the source wants to be left alone.
    pub wait: Option<Duration>,
    /// By what the source knows this state of what it gives.
    pub etag: Option<String>,
    body: Body,
    bytes: u64,
    bytes_max: u64,
    late: Duration,
    is_over: bool,
    open: Option<Sender>,
}

impl Answer {
    const fn new(status: u16, bytes_max: u64, late: Duration) -> Self {
        Self {
            status,
            wait: None,
            etag: None,
            body: Body::Nothing,
            bytes: 0,
            bytes_max,
            late,
            is_over: false,
            open: None,
        }
    }

    fn with(mut self, body: Incoming) -> Self {
        self.body = Body::Web(body);
        self
    }

    /// The next piece of its content; nothing behind the last.
    ///
    /// # Errors
    /// [`Unanswered::Line`] where it breaks off, [`Unanswered::Late`], [`Unanswered::TooLong`], [`Unanswered::File`].
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Unanswered> {
        let next = tokio::time::timeout(self.late, self.body.next()).await;
        let piece = next.map_err(|_| Unanswered::Late)??;
        let Some(piece) = piece else {
            self.is_over = true;
            return Ok(None);
        };
        self.bytes += piece.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(Unanswered::TooLong(self.bytes_max));
        }
        Ok(Some(piece))
    }

    /// All of its content.
    ///
    /// # Errors
    /// As [`Self::piece`].
    pub async fn all(&mut self) -> Result<Vec<u8>, Unanswered> {
        let mut all = Vec::new();
        while let Some(piece) = self.piece().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }
}

impl Body {
    async fn next(&mut self) -> Result<Option<Bytes>, Unanswered> {
        match self {
            Self::Nothing => Ok(None),
            Self::File(file) => {
                let mut piece = Vec::with_capacity(PIECE_BYTES);
                let read = file.read_buf(&mut piece).await;
                let read = read.map_err(|error| Unanswered::File(error.kind()))?;
                Ok((read > 0).then(|| Bytes::from(piece)))
            }
            Self::Web(body) => loop {
                let Some(frame) = body.frame().await else { return Ok(None) };
                let frame = frame.map_err(|_| Unanswered::Line("it broke off"))?;
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            },
        }
    }
}

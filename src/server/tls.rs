//! Certificates: read at the start, read again when they change.

use crate::config::{TlsMode, TlsSettings};
use parking_lot::RwLock;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Time between two looks at the certificate files.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Why certificates cannot be used. Names files and never their content.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no such thing.
    #[error("{path}: no {what} can be read from it: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// Why not.
        cause: String,
    },
    /// A file that the mode needs is not set.
    #[error("{0} is not set")]
    Unset(&'static str),
    /// The certificate and the key do not go together.
    #[error("the certificate and the key do not go together: {0}")]
    Pair(rustls::Error),
    /// The issuers of client certificates cannot be used.
    #[error("the issuers of client certificates cannot be used: {0}")]
    Issuers(String),
}

/// Makes AWS-LC the process's cryptography. To be called once before any TLS; later calls change nothing.
pub fn install_crypto() {
    // An error says that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The certificates in force.
pub struct Certificates {
    settings: TlsSettings,
    http1: bool,
    current: RwLock<Arc<ServerConfig>>,
}

impl Certificates {
    /// Reads the files; `None` where TLS is off. `http1` offers HTTP/1.1 beside HTTP/2.
    ///
    /// # Errors
    /// [`TlsError`] names the file that cannot be used.
    pub fn load(settings: &TlsSettings, http1: bool) -> Result<Option<Arc<Self>>, TlsError> {
        if settings.mode == TlsMode::Off {
            return Ok(None);
        }
        install_crypto();
        let current = RwLock::new(Arc::new(configuration(settings, http1)?));
        Ok(Some(Arc::new(Self { settings: settings.clone(), http1, current })))
    }

    /// What new connections are to use.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read())
    }

    /// Reads the files again; on an error what was in force stays so.
    ///
    /// # Errors
    /// [`TlsError`] names the file that cannot be used.
    pub fn reload(&self) -> Result<(), TlsError> {
        let new = configuration(&self.settings, self.http1)?;
        *self.current.write() = Arc::new(new);
        Ok(())
    }

    /// Reads the files again whenever they change and on SIGHUP, without end.
    pub async fn follow(&self) {
        let mut hangup =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok();
        let mut seen = self.changed();
        loop {
            let told = async {
                match hangup.as_mut() {
                    Some(signal) => signal.recv().await,
                    None => std::future::pending().await,
                }
            };
            let asked = tokio::select! {
                _ = told => true,
                () = tokio::time::sleep(LOOK_INTERVAL) => false,
            };
            let now = self.changed();
            if asked || now != seen {
                seen = now;
                match self.reload() {
                    Ok(()) => tracing::info!("certificates read again"),
                    Err(error) => {
                        tracing::error!(%error, "certificates not read again, the old ones stay")
                    }
                }
            }
        }
    }

    fn changed(&self) -> Vec<Option<SystemTime>> {
        [&self.settings.certificate, &self.settings.key, &self.settings.client_ca]
            .into_iter()
            .map(|path| std::fs::metadata(path.as_ref()?).ok()?.modified().ok())
            .collect()
    }
}

/// What a client certificate is known by.
#[must_use]
pub fn digest(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate.as_ref()).into()
}

fn configuration(settings: &TlsSettings, http1: bool) -> Result<ServerConfig, TlsError> {
    let certificate = settings.certificate.as_deref().ok_or(TlsError::Unset("tls.certificate"))?;
    let key_file = settings.key.as_deref().ok_or(TlsError::Unset("tls.key"))?;
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| TlsError::File {
        path: key_file.into(),
        what: "private key",
        cause: error.to_string(),
    })?;
    let builder = match (settings.mode, settings.client_ca.as_deref()) {
        (TlsMode::Mtls, None) => return Err(TlsError::Unset("tls.client_ca")),
        (TlsMode::Mtls, Some(issuers)) => {
            let mut roots = RootCertStore::empty();
            for issuer in certificates(issuers)? {
                roots.add(issuer).map_err(|error| TlsError::Issuers(error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
                .build()
                .map_err(|error| TlsError::Issuers(error.to_string()))?;
            ServerConfig::builder().with_client_cert_verifier(verifier)
        }
        (TlsMode::Off | TlsMode::Tls, _) => ServerConfig::builder().with_no_client_auth(),
    };
    let mut configuration = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
    configuration.alpn_protocols = vec![b"h2".to_vec()];
    if http1 {
        configuration.alpn_protocols.push(b"http/1.1".to_vec());
    }
    Ok(configuration)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |cause: String| TlsError::File { path: path.into(), what: "certificate", cause };
    let chain = CertificateDer::pem_file_iter(path)
        .map_err(|error| failed(error.to_string()))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(error.to_string()))?;
    if chain.is_empty() { Err(failed("there is none".into())) } else { Ok(chain) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(directory: &Path) -> TlsSettings {
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("certificate");
        let settings = TlsSettings {
            mode: TlsMode::Tls,
            certificate: Some(directory.join("certificate.pem")),
            key: Some(directory.join("key.pem")),
            client_ca: None,
        };
        std::fs::write(directory.join("certificate.pem"), made.cert.pem()).expect("written");
        std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem())
            .expect("written");
        settings
    }

    #[test]
    fn a_broken_file_is_named_and_the_old_certificate_stays() {
        let directory = tempfile::tempdir().expect("directory");
        let settings = written(directory.path());
        let certificates = Certificates::load(&settings, false).expect("good").expect("on");
        let before = certificates.current();
        std::fs::write(directory.path().join("key.pem"), "nonsense").expect("written");
        let error = certificates.reload().expect_err("broken").to_string();
        assert!(error.contains("key.pem") && !error.contains("nonsense"), "{error}");
        assert!(Arc::ptr_eq(&before, &certificates.current()));
        written(directory.path());
        certificates.reload().expect("good again");
        assert!(!Arc::ptr_eq(&before, &certificates.current()));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, two) =
            (tempfile::tempdir().expect("directory"), tempfile::tempdir().expect("directory"));
        let mut settings = written(one.path());
        settings.key = written(two.path()).key;
        assert!(matches!(Certificates::load(&settings, false), Err(TlsError::Pair(_))));
    }

    #[test]
    fn off_needs_no_files() {
        assert!(Certificates::load(&TlsSettings::default(), false).expect("good").is_none());
    }
}

//! A model server, as the file of detectors has it.

use super::fields::Fields;
use crate::config::place::reached;
use crate::config::value::Bytes;
use crate::core::detector::Host;
use crate::core::id::ModelServerId;
use std::path::PathBuf;

/// Bytes of one question: what a server takes where nobody set it otherwise, less what stands around.
const QUESTION_BYTES: u64 = (4 << 20) - (64 << 10);
/// Bytes of one answer. Of small parts an answer takes up to 160 times its bytes in memory while it is read.
const ANSWER_BYTES: Bytes = Bytes::kib(256);
/// Most bytes of a question and of an answer that can be set.
const BYTES_MAX: u64 = 256 << 20;

/// A server that runs models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelServer {
    /// What matters of it to detectors.
    pub host: Host,
    /// Its address, as `https://models.internal:8001`.
    pub address: String,
    /// PEM file of the issuers whose certificates it may show; set for `https`.
    pub ca: Option<PathBuf>,
    /// PEM files of the certificate that this service shows it, and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Most bytes of one answer of it.
    pub answer_bytes_max: usize,
}

/// Reads one server; nothing where there was a mistake.
pub fn read_server(id: ModelServerId, mut fields: Fields) -> Option<ModelServer> {
    let address = fields.text("address");
    let is_cleared = fields.value("cleared", false);
    let file = |fields: &mut Fields, key| fields.value::<Option<PathBuf>>(key, None);
    let ca = file(&mut fields, "ca");
    let (certificate, key) = (file(&mut fields, "certificate"), file(&mut fields, "key"));
    let question = size(&mut fields, "question_bytes_max", Bytes(QUESTION_BYTES));
    let answer = size(&mut fields, "answer_bytes_max", ANSWER_BYTES);
    let address = address.and_then(|address| check_address(&fields, address));
    let identity = match (certificate?, key?) {
        (Some(certificate), Some(key)) => Some(Some((certificate, key))),
        (None, None) => Some(None),
        _ => {
            fields.wrong("certificate", "must be set together with key");
            None
        }
    };
    let (address, ca, identity) = (address?, ca?, identity?);
    let is_plain = address.starts_with("http:");
    if is_plain == ca.is_some() {
        fields.wrong("ca", "must be set while address begins with https://, and only then");
        return None;
    }
    if is_plain && identity.is_some() {
        fields.wrong("certificate", "must be empty while address begins with http://");
        return None;
    }
    let host = Host { id, is_cleared: is_cleared?, question_bytes_max: question? };
    fields.done();
    Some(ModelServer { host, address, ca, identity, answer_bytes_max: answer? })
}

fn size(fields: &mut Fields, key: &str, default: Bytes) -> Option<usize> {
    let size = fields.value(key, default)?.0;
    let size = usize::try_from(size).ok().filter(|_| (1024..=BYTES_MAX).contains(&size));
    if size.is_none() {
        fields.wrong(key, "must be between 1 KiB and 256 MiB");
    }
    size
}

/// Without TLS only on this machine: what is sent is what people wrote and showed.
fn check_address(fields: &Fields, address: String) -> Option<String> {
    let problem = match reached(&address) {
        None => "must be an address without a path, as https://models.internal:8001",
        Some(reached) if reached.is_plain && !reached.is_here => {
            "must begin with https://, since it is not on this machine"
        }
        Some(reached) if !reached.has_port => "must name a port",
        Some(_) => return Some(address),
    };
    fields.wrong("address", problem);
    None
}

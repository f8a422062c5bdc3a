//! A question to a source over HTTP, as bytes that anybody can send.

use crate::core::exchange::Secret;
use crate::core::polling::words::{Ask, Body, SCHEME, Verb};
use data_encoding::BASE64;

/// The path of an address `https://host/path`, without a slash at its end.
pub(super) fn path_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    path.trim_end_matches('/')
}

impl Ask {
    /// A question for what lies at a place under an address.
    pub(super) fn get(address: &str, rest: &str) -> Self {
        let target = if address.starts_with(SCHEME) {
            address.to_owned()
        } else {
            format!("{}{rest}", path_of(address))
        };
        Self { verb: Verb::Get, target: Secret::new(target), headers: Vec::new(), body: None }
    }

    /// The same that hands something in.
    pub(super) fn with_body(
        mut self,
        verb: Verb,
        media_type: &'static str,
        bytes: Vec<u8>,
    ) -> Self {
        self.verb = verb;
        self.body = Some(Body { media_type, bytes });
        self
    }

    /// The same with a header.
    pub(super) fn header(mut self, name: &'static str, value: Secret) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same with a name and a password.
    pub(super) fn basic(self, name: &str, password: &Secret) -> Self {
        let text = BASE64.encode(format!("{name}:{}", password.reveal()).as_bytes());
        self.header("authorization", Secret::new(format!("Basic {text}")))
    }
}

/// A query from names and values.
pub(super) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

//! Where machines share what they keep for each other: a bucket or a folder, as an address names it.

use super::value::Value;
use std::path::{Component, Path, PathBuf};

/// A place that several machines can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedPlace {
    /// A bucket of a service that speaks S3, written `s3://bucket/prefix`.
    Bucket {
        /// Its name.
        name: String,
        /// What every name in it begins with; empty for nothing.
        prefix: String,
    },
    /// A folder that all of them see, written `file:///folder`.
    Folder(PathBuf),
}

const FORM: &str = "must be s3://bucket/prefix, or file:///folder";

fn is_bucket(name: &str) -> bool {
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| is_end(byte) || b"-.".contains(&byte))
        && name.bytes().next().is_some_and(is_end)
        && name.bytes().last().is_some_and(is_end)
}

fn is_part(part: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_good)
}

/// What is wrong is said without repeating it: somebody may have written a key into it.
impl Value for SharedPlace {
    fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.contains(['@', '?', '#', '%', ',']) || text.chars().any(char::is_control) {
            return Err(format!("{FORM}, without keys, options or signs that stand for others"));
        }
        if let Some(path) = text.strip_prefix("file://") {
            let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
            let path = Path::new(path);
            let names_one = path.has_root() && path.components().count() > 1;
            return match names_one && path.components().all(plain) {
                true => Ok(Self::Folder(path.to_owned())),
                false => Err("must name a folder by its whole path, as file:///folder".into()),
            };
        }
        let Some(rest) = text.strip_prefix("s3://") else { return Err(FORM.into()) };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket(name) {
            let form = "must name a bucket by 3 to 63 lower-case letters, digits, dots and hyphens";
            return Err(form.into());
        }
        let prefix = prefix.trim_end_matches('/');
        if !prefix.is_empty() && !prefix.split('/').all(is_part) {
            let form = "must have a prefix of letters, digits, dots, hyphens and underscores";
            return Err(form.into());
        }
        Ok(Self::Bucket { name: name.into(), prefix: prefix.into() })
    }

    fn write(&self) -> String {
        match self {
            Self::Folder(path) => format!("file://{}", path.display()),
            Self::Bucket { name, prefix } if prefix.is_empty() => format!("s3://{name}"),
            Self::Bucket { name, prefix } => format!("s3://{name}/{prefix}"),
        }
    }
}

/// Address of a service that speaks S3: with TLS, or on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is reached without TLS: only on this machine.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0.starts_with("http://")
    }
}

/// How a process is reached.
pub(super) struct Reached {
    /// Without TLS.
    pub(super) is_plain: bool,
    /// On this machine.
    pub(super) is_here: bool,
    /// By a port that is named.
    pub(super) has_port: bool,
}

/// How an address without a path is reached, as `https://host:port`; none where it is no such address.
pub(super) fn reached(address: &str) -> Option<Reached> {
    let plain = address.strip_prefix("http://");
    let place = plain.or_else(|| address.strip_prefix("https://"))?;
    let uri: http::Uri = address.parse().ok()?;
    let host = uri.host().filter(|host| !host.is_empty())?;
    if place.contains(['/', '@', '?', '#', '%', ',']) {
        return None;
    }
    let (is_plain, has_port) = (plain.is_some(), uri.port_u16().is_some());
    Some(Reached { is_plain, is_here: is_loopback(host), has_port })
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = |address: std::net::IpAddr| address.is_loopback();
    bare == "localhost" || bare.parse().is_ok_and(is_local)
}

impl Value for Endpoint {
    fn read(text: &str) -> Result<Self, String> {
        let text = text.trim().trim_end_matches('/');
        let form = || "must be an address without a path, as https://minio.example:9000".to_owned();
        let Reached { is_plain, is_here, .. } = reached(text).ok_or_else(form)?;
        if is_plain && !is_here {
            let form = "must begin with https://, since it is not on this machine: snapshots are \
                        sealed, but whoever reads the requests could send others";
            return Err(form.into());
        }
        Ok(Self(text.into()))
    }

    fn write(&self) -> String {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_place_is_a_bucket_or_a_folder_and_reads_as_it_was_written() {
        let bucket = |name: &str, prefix: &str| SharedPlace::Bucket {
            name: name.into(),
            prefix: prefix.into(),
        };
        for (text, place) in [
            ("s3://safety-snapshots", bucket("safety-snapshots", "")),
            ("s3://b.example/bulwark/eu_1/", bucket("b.example", "bulwark/eu_1")),
            ("file:///srv/shared", SharedPlace::Folder("/srv/shared".into())),
        ] {
            assert_eq!(SharedPlace::read(text), Ok(place.clone()), "{text}");
            assert_eq!(SharedPlace::read(&place.write()), Ok(place));
        }
    }

    #[test]
    fn a_shared_place_that_does_not_read_is_refused_and_not_repeated() {
        for bad in [
            "",
            "swordfish",
            "http://swordfish/b",
            "s3://",
            "s3://b",
            "s3://Swordfish/b",
            "s3://id:swordfish@bucket/b",
            "s3://bucket/b?secret=swordfish",
            "s3://bucket//b",
            "s3://bucket/../swordfish",
            "s3://bucket/sword fish",
            "file://swordfish",
            "file://swordfish/b",
            "file:///",
            "file:///a/../swordfish",
            "file:///sword%66ish",
        ] {
            let said = SharedPlace::read(bad).expect_err(bad);
            assert!(!said.to_lowercase().contains("swordfish"), "{said}");
        }
    }

    #[test]
    fn an_endpoint_without_tls_is_on_this_machine() {
        for good in [
            "https://minio.example:9000",
            "https://10.0.0.1",
            "http://127.0.0.1:9000",
            "http://localhost:9000/",
            "http://[::1]:9000",
        ] {
            let endpoint = Endpoint::read(good).expect(good);
            assert_eq!(endpoint.is_plain(), good.starts_with("http:"));
            assert_eq!(Endpoint::read(&endpoint.write()), Ok(endpoint));
        }
        for bad in [
            "",
            "minio.example",
            "http://minio.example:9000",
            "http://10.0.0.1",
            "http://127.0.0.1.swordfish.example",
            "http://localhost@swordfish.example",
            "https://id:swordfish@minio.example",
            "https://minio.example/swordfish",
            "https://minio.example?swordfish",
            "https://",
            "ftp://minio.example",
        ] {
            let said = Endpoint::read(bad).expect_err(bad);
            assert!(!said.contains("swordfish"), "{said}");
        }
    }
}

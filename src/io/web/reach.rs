//! Which addresses may be asked: those that the operator names, and of names only where they stand for public addresses.

use crate::core::polling::SCHEME;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// Which addresses may be asked. Nothing is where nothing is named.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Hosts, as `host` or `host:port`. A name must stand for public addresses only; an address that is named itself may
    /// be any.
    pub hosts: Vec<String>,
    /// Hosts of the operator's own network: what they stand for is not looked at.
    pub private_hosts: Vec<String>,
    /// The folder whose files may be read.
    pub folder: Option<PathBuf>,
}

/// The parts of an address that decide.
struct Parts {
    host: String,
    port: Option<u16>,
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn is_of(allowed: &str, host: &str, port: Option<u16>) -> bool {
    let Ok(allowed) = allowed.parse::<http::uri::Authority>() else { return false };
    bare(allowed.host()).eq_ignore_ascii_case(host)
        && allowed.port_u16().is_none_or(|wanted| Some(wanted) == port)
}

impl Reach {
    /// Checks an address: `https://host/path`, `http://` where it names this machine, or `file:` and the name of a file in
    /// the folder.
    ///
    /// # Errors
    /// What it must be.
    pub fn check(&self, address: &str) -> Result<(), &'static str> {
        if let Some(name) = address.strip_prefix(SCHEME) {
            if self.folder.is_none() {
                return Err("must not be a file: the setting exchanges.folder is not set");
            }
            return super::folder::check(name);
        }
        let parts = parts(address)?;
        let mut all = self.hosts.iter().chain(&self.private_hosts);
        if all.any(|allowed| is_of(allowed, &parts.host, parts.port)) {
            Ok(())
        } else {
            Err("must be on a host that the setting exchanges.hosts names")
        }
    }

    /// The addresses that may be connected to for a host that was checked; nothing where there is none, or where any of
    /// them is not public though it must be.
    pub(super) async fn addresses(&self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let is_private = self.private_hosts.iter().any(|allowed| is_of(allowed, host, Some(port)));
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(vec![SocketAddr::new(address, port)]);
        }
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await.ok()?.collect();
        let is_good = |address: &SocketAddr| is_private || is_public(address.ip());
        (!found.is_empty() && found.iter().all(is_good)).then_some(found)
    }
}

fn parts(address: &str) -> Result<Parts, &'static str> {
    const MUST: &str = "must be https://host/path, without a name, a password or a fragment";
    let uri: http::Uri = address.parse().map_err(|_| MUST)?;
    let authority = uri.authority().ok_or(MUST)?;
    let is_plain = !authority.as_str().contains('@') && !address.contains('#');
    let host = bare(authority.host()).to_owned();
    if !is_plain || host.is_empty() {
        return Err(MUST);
    }
    let is_here = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let usual = match uri.scheme_str() {
        Some("https") => 443,
        Some("http") if is_here => 80,
        _ => return Err("must be https://, or http:// with an address of this machine"),
    };
    Ok(Parts { host, port: Some(authority.port_u16().unwrap_or(usual)) })
}

/// Whether an address is one that everybody reaches, and not of this machine, its network or its provider.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        // Shared by the customers of a provider; assigned by protocols; between networks under test; relays.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 192 && b == 88 && c == 99))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let words = address.segments();
    // Addresses that stand for one of the fourth version are as good as that.
    let inner = |high: u16, low: u16| {
        is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
    };
    match words {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            inner(high, low)
        }
        [0x2002, high, low, ..] => inner(high, low),
        // Only what is given out for the whole world; of that neither documentation nor tunnels.
        [first, second, ..] => {
            first & 0xe000 == 0x2000
                && !(first == 0x2001 && (second == 0xdb8 || second < 0x200))
                && !(first == 0x3fff && second < 0x1000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_everybody_reaches_are_public() {
        for good in ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(is_public(good.parse().unwrap()), "{good}");
        }
        for bad in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.88.99.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "::127.0.0.1",
            "4000::1",
        ] {
            assert!(!is_public(bad.parse().unwrap()), "{bad}");
        }
    }

    fn reach() -> Reach {
        Reach {
            hosts: vec!["hashes.example".into(), "narrow.example:8443".into(), "127.0.0.1".into()],
            private_hosts: vec!["inside.example".into(), "[::1]:9".into()],
            folder: Some("/srv/lists".into()),
        }
    }

    #[test]
    fn only_hosts_that_the_operator_names_may_be_asked() {
        for good in [
            "https://hashesexample.invalid".replace("hashesexample.invalid", "hashes.example"),
            "https://HASHES.example/path/v2".into(),
            "https://hashes.example:8443".into(),
            "https://narrow.example:8443/x?y=z".into(),
            "http://127.0.0.1:4711/base".into(),
            "https://inside.example".into(),
            "http://[::1]:9/x".into(),
            "file:lists/today.txt".into(),
        ] {
            assert_eq!(reach().check(&good), Ok(()), "{good}");
        }
        for bad in [
            "https://other.example",
            "https://hashes.example.other.example",
            "https://xhashes.example",
            "https://narrow.example",
            "https://narrow.example:443",
            "http://hashes.example",
            "http://127.0.0.2:80",
            "http://[::1]:10",
            "https://user:word@hashes.example",
            "https://user@127.0.0.1",
            "https://hashes.example@other.example",
            "https://hashes.example#x",
            "ftp://hashes.example",
            "hashes.example",
            "/etc/passwd",
            "file:",
            "file:/etc/passwd",
            "file:../secret",
            "file:a/../../b",
            "file:///etc/passwd",
            "file:a//b",
            "",
        ] {
            assert!(reach().check(bad).is_err(), "{bad}");
        }
        assert!(Reach::default().check("https://hashes.example").is_err());
        assert!(Reach::default().check("file:a").is_err());
    }

    #[tokio::test]
    async fn a_name_that_stands_for_an_address_inside_is_not_connected_to() {
        let mut reach = reach();
        reach.hosts.push("localhost".into());
        assert_eq!(reach.addresses("localhost", 80).await, None);
        reach.private_hosts.push("localhost".into());
        assert!(reach.addresses("localhost", 80).await.is_some());
        assert_eq!(reach.addresses("nobody.invalid", 80).await, None);
    }
}
